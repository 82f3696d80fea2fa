// Rules that count some of a profile's activities, live: by their data, during a fixed time, adding a number of their data.

import type { RuleLeaf } from '@grandstand/sdk/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatInstant, MICROS_PER_DAY } from '../instant.ts';
import { createBench, type EngineBench } from '../testing/engine.ts';

const reactions = (value: number, fields: Partial<RuleLeaf> = {}): RuleLeaf => ({
  attribute: 'total_reactions_added',
  condition: 'greater_than_or_equal',
  value,
  ...fields,
});
const REACTION = 'user-reaction-created';

describe('a rule over some activities', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await createBench();
  });
  afterAll(() => bench.close());

  const explain = (group: string, id: string) => bench.server.sdk.groups.explain(group, id);

  it('follows those whose data meets its conditions, as they come, leave the window and are removed', async () => {
    const fan = await bench.profile();
    const toMatch6 = { where: [{ key: 'match', condition: 'equals', value: 6 }] };
    const ever = await bench.group(reactions(2, toMatch6));
    const lately = await bench.group(reactions(2, { ...toMatch6, window: 'P1D' }));
    await bench.send(fan, REACTION, { id: 'other', data: { match: 5 } });
    const start = await bench.send(fan, REACTION, { id: 'first', data: { match: 6 } });
    await bench.tick();
    expect(await bench.members(ever)).toEqual([]);
    expect((await explain(ever, fan.id)).explanation).toMatchObject({ children: [{ children: [{ actual: 1 }] }] });
    bench.clock.set(start + 1_000_000);
    await bench.send(fan, REACTION, { id: 'second', data: { match: 6, side: 'home' } });
    await bench.tick();
    expect([await bench.members(ever), await bench.members(lately)]).toEqual([[fan.id], [fan.id]]);
    expect(await explain(lately, fan.id)).toMatchObject({ next_change_at: formatInstant(start + MICROS_PER_DAY) });

    bench.clock.set(start + MICROS_PER_DAY);
    await bench.tick();
    expect([await bench.members(ever), await bench.members(lately)]).toEqual([[fan.id], []]);
    await bench.server.sdk.activities.delete(fan.id, 'first');
    await bench.tick();
    expect(await bench.members(ever)).toEqual([]);
    for (const group of [ever, lately])
      expect(await bench.server.sdk.groups.verify(group)).toMatchObject({ missing: 0, extra: 0 });
  });

  it('counts what happened during a fixed time, also where it is told of late', async () => {
    const fan = await bench.profile();
    const now = bench.clock.now() + 7 * MICROS_PER_DAY; // what other tests sent lies before
    bench.clock.set(now);
    const day = formatInstant(now).slice(0, 10);
    const during = await bench.group(reactions(1, { window: { from: day, until: day } }));
    await bench.tick();
    await bench.send(fan, REACTION, { occurred_at: formatInstant(now - 2 * MICROS_PER_DAY) });
    await bench.tick();
    expect(await bench.members(during)).toEqual([]);
    bench.clock.set(now + 3 * MICROS_PER_DAY);
    await bench.send(fan, REACTION, { occurred_at: `${day}T23:59:59.999999Z` });
    await bench.tick();
    expect(await bench.members(during)).toEqual([fan.id]);
    expect(await explain(during, fan.id)).toMatchObject({ next_change_at: null });
  });

  it('adds numbers of the data, refunds too, exactly', async () => {
    const fan = await bench.profile();
    const spent = await bench.group(reactions(0.3, { condition: 'equals', sum_of: 'paid' }));
    for (const paid of [0.1, 0.2, '7', true, 5, -5]) await bench.send(fan, REACTION, { data: { paid } });
    await bench.tick();
    expect(await bench.members(spent)).toEqual([fan.id]);
    expect((await explain(spent, fan.id)).explanation).toMatchObject({ children: [{ children: [{ actual: 0.3 }] }] });
    expect(await bench.server.sdk.groups.verify(spent)).toMatchObject({ missing: 0, extra: 0 });
  });
});
