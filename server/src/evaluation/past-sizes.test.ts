import { afterEach, describe, expect, it } from 'vitest';
import type { PastSize, RuleTree } from '@grandstand/sdk/server';
import { MICROS_PER_DAY, formatInstant, parseInstant } from '../instant.ts';
import { zoneOf } from '../rules/zone.ts';
import { createBench, type EngineBench } from '../testing/engine.ts';
import { CLIENT_ID } from '../testing/server.ts';
import { lastDays } from './past-sizes.ts';
import { createPreviews } from './preview.ts';

const COMMENTS = { attribute: 'total_comments_posted', condition: 'greater_than_or_equal' } as const;
const TALKATIVE: RuleTree = { ...COMMENTS, value: 2, window: 'P3D' };

describe('past sizes', () => {
  let bench: EngineBench;
  afterEach(() => bench.close());
  const historyOf = async (rule: RuleTree, days: number, group?: string): Promise<PastSize[]> =>
    (await bench.server.sdk.groups.preview(rule, group, { history: { days } })).history ?? [];

  it('are those that previews gave at the ends of these days', async () => {
    bench = await createBench();
    const { sdk } = bench.server;
    const first = await bench.profile();
    const dynamic = await bench.group({ ...COMMENTS, value: 1, window: 'P1D' });
    const chosen = await bench.staticGroup([first]);
    const rules: RuleTree[] = [
      TALKATIVE,
      { operator: 'NOT', children: [{ ...COMMENTS, value: 3 }] },
      { attribute: 'days_inactive', condition: 'greater_than_or_equal', value: 2 },
      { attribute: 'profile_group', condition: 'in', value: [dynamic, chosen] },
      {
        operator: 'AT_LEAST',
        count: 2,
        children: [
          TALKATIVE,
          { attribute: 'last_comment_at', condition: 'within_last_x_days', value: 1 },
          { ...COMMENTS, value: 1 },
        ],
      },
    ];
    const fans = [first];
    const seen: number[][] = rules.map(() => []);
    bench.clock.set(Math.ceil(bench.clock.now() / MICROS_PER_DAY) * MICROS_PER_DAY + 3_600_000_000);
    for (let day = 0; day < 8; day++) {
      const start = bench.clock.now();
      if (day % 2 === 0) fans.push(await bench.profile());
      for (const [index, fan] of fans.entries())
        if ((day * (index + 1) + index) % 5 < 2) await bench.send(fan, 'comment-created');
      if (day === 3 && fans[1]) await sdk.groups.addMembers(chosen, { profile_ids: [fans[1].id] });
      if (day === 5) await sdk.groups.removeMembers(chosen, { profile_ids: [first.id] });
      await bench.tick();
      bench.clock.set(start - 3_600_000_000 + MICROS_PER_DAY - 1_000); // the last millisecond of the day
      await bench.tick();
      for (const [index, rule] of rules.entries()) seen[index]?.push((await sdk.groups.preview(rule)).count);
      bench.clock.set(start + MICROS_PER_DAY);
    }
    await bench.profile(); // what was kept for previews is of yesterday
    for (const [index, rule] of rules.entries()) {
      const history = await historyOf(rule, 8);
      expect(
        history.map(({ size }) => size),
        JSON.stringify(rule),
      ).toEqual(seen[index]);
      expect(new Set(seen[index]).size).toBeGreaterThan(1); // or nothing was tried
    }
    expect(await historyOf(TALKATIVE, 20)).toHaveLength(20);
  });

  it('are of the fan that stayed after a merge, leave pins out, and are the rule alone beside a group', async () => {
    bench = await createBench();
    const { sdk } = bench.server;
    const [one, other] = [await bench.profile(), await bench.profile()];
    for (const fan of [one, other]) await bench.send(fan, 'comment-created');
    const group = await bench.group(TALKATIVE);
    await sdk.groups.pin(group, other.id, { pin: 'in', reason: 'a guest' });
    await bench.tick();
    bench.clock.set(bench.clock.now() + MICROS_PER_DAY);
    expect((await historyOf(TALKATIVE, 1, group)).map(({ size }) => size)).toEqual([0]);
    await sdk.profiles.merge(other.id, { into: one.id });
    await bench.tick();
    const answer = await sdk.groups.preview(TALKATIVE, group, { history: { days: 2 } });
    expect(answer.history?.map(({ size }) => size)).toEqual([0, 1]);
    expect(answer.count).toBeGreaterThanOrEqual(1);
  });

  it('end their days in the time zone of the application', async () => {
    bench = await createBench();
    await bench.server.call('PATCH', `applications/${CLIENT_ID}/`, { body: { time_zone: 'Asia/Kathmandu' } });
    bench.clock.set(parseInstant('2026-03-02T20:00:00Z') ?? 0); // the 3rd of March there
    await bench.tick();
    const fan = await bench.profile();
    await bench.send(fan, 'comment-created', { occurred_at: '2026-03-01T18:15:00Z' }); // midnight there
    bench.clock.set(parseInstant('2026-03-04T20:00:00Z') ?? 0);
    expect(await historyOf({ ...COMMENTS, value: 1, window: 'P1D' }, 4)).toEqual([
      { day: '2026-03-01', at: '2026-03-01T18:14:59.999999Z', size: 0 },
      { day: '2026-03-02', at: '2026-03-02T18:14:59.999999Z', size: 0 }, // nobody was there yet
      { day: '2026-03-03', at: '2026-03-03T18:14:59.999999Z', size: 0 },
      { day: '2026-03-04', at: '2026-03-04T18:14:59.999999Z', size: 0 },
    ]);
    expect((await historyOf({ ...COMMENTS, value: 1, window: 'P2D' }, 2)).map(({ size }) => size)).toEqual([1, 0]);
  });

  it('know days that were left out, and such as are longer than others', () => {
    const days = (zone: string, now: string) =>
      lastDays(zoneOf(zone), parseInstant(now) ?? 0, 3).map(({ day, end }) => [day, formatInstant(end)]);
    expect(days('Pacific/Apia', '2012-01-01T00:00:00Z')).toEqual([
      ['2011-12-28', '2011-12-29T09:59:59.999999Z'],
      ['2011-12-29', '2011-12-30T09:59:59.999999Z'],
      ['2011-12-31', '2011-12-31T09:59:59.999999Z'],
    ]);
    expect(days('Europe/Berlin', '2026-10-26T12:00:00Z')).toEqual([
      ['2026-10-23', '2026-10-23T21:59:59.999999Z'],
      ['2026-10-24', '2026-10-24T21:59:59.999999Z'],
      ['2026-10-25', '2026-10-25T22:59:59.999999Z'],
    ]);
  });

  it('say with all else that is wrong how many days may be asked for, and stop where nobody waits', async () => {
    bench = await createBench();
    for (const history of [{ days: 0 }, { days: 366 }, { days: 1.5 }, { days: '3' }, {}, [], 'x', 90]) {
      const answer = await bench.server.call('POST', `applications/${CLIENT_ID}/profile-groups/preview/`, {
        body: { rule_tree: { attribute: 'nothing', condition: 'is', value: true }, history },
      });
      expect(answer.status).toBe(400);
      expect(Object.keys(answer.body as object)).toEqual(['rule_tree.attribute', 'history.days']);
    }
    const { context } = bench.server.app;
    const previews = createPreviews(context);
    const application = await context.applications.get(CLIENT_ID);
    const input = { rule_tree: TALKATIVE, history: { days: 9 } };
    const before = await previews.preview(application, { rule_tree: TALKATIVE });
    let asked = 0;
    await expect(previews.preview(application, input, () => ++asked < 4)).rejects.toMatchObject({
      code: 'unavailable',
    });
    expect(asked).toBe(4);
    expect((await previews.preview(application, input)).as_of).toBe(before.as_of); // the snapshot was kept
    await previews.close();
  });
});
