// A worker with nothing to do asks little, and is told when there is something.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MICROS_PER_SECOND } from '../instant.ts';
import { createBench, type EngineBench } from '../testing/engine.ts';
import { CLIENT_ID, startTestServer } from '../testing/server.ts';
import { leases } from '../database/leases.ts';
import { EVALUATION } from '../queue/queue.ts';
import { rests, wakeSignal } from '../rests.ts';
import { rulesCache } from './rules-cache.ts';
import { listSweepable, sweeper, type Sweepable } from './sweep.ts';

const NEVER_MS = 2 ** 31 - 1;
const SECOND = MICROS_PER_SECOND;
/** More than the test's clock moves by being looked at. */
const MOMENT = 1000;

describe('an evaluation that never looks by itself', () => {
  it('follows what this process acknowledges', async () => {
    const server = await startTestServer({ env: { ROLE: 'all' }, lookEveryMs: NEVER_MS });
    const { groups, profiles, activities } = server.sdk;
    const until = async (holds: () => Promise<boolean>): Promise<void> => {
      const from = performance.now();
      while (!(await holds())) if (performance.now() - from > 20_000) throw new Error('it never came');
    };
    const { id } = await groups.create({
      name: 'Active',
      membership_type: 'dynamic',
      rule_tree: { attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 2 },
    });
    await until(async () => (await groups.get(id)).evaluation?.state === 'live');
    const profile = await profiles.create();
    for (const n of [1, 2]) {
      await activities.send([{ id: `c${n}`, type: 'comment-created', profile_id: profile.id }]);
    }
    await until(async () => (await groups.get(id)).profile_count === 1);
    const rule_tree = { attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 3 };
    await groups.update(id, { rule_tree });
    await until(async () => (await groups.get(id)).profile_count === 0);
    await server.close();
  });
});

describe('a rest', () => {
  it('is cut short by its wake signal, also by one that came before, and ends with all others', async () => {
    const { rest, end } = rests();
    const rung = wakeSignal();
    const resting = rest(NEVER_MS, rung);
    rung.wake();
    await resting;
    await rest(NEVER_MS, rung);
    const others = [rest(NEVER_MS), rest(NEVER_MS, wakeSignal())];
    end();
    await Promise.all(others);
    await rest(NEVER_MS);
  });
});

describe('the clock’s part of an application where nothing happens', () => {
  let bench: EngineBench;
  let group: string;
  beforeAll(async () => {
    bench = await createBench();
    group = await bench.group({
      attribute: 'total_comments_posted',
      condition: 'greater_than_or_equal',
      value: 1,
      window: 'PT10S',
    });
  });
  afterAll(() => bench.close());

  const find = async (): Promise<Sweepable> => {
    const { db, applications } = bench.server.app.context;
    const { id } = await applications.get(CLIENT_ID);
    const found = (await listSweepable(db)).find(({ applicationId }) => applicationId === id);
    if (!found) throw new Error('nothing is swept');
    return found;
  };
  const isWorthwhile = async (): Promise<boolean> => {
    const { db, clock } = bench.server.app.context;
    const live = { db, clock, leases: leases(db, EVALUATION), rules: rulesCache(db) };
    return sweeper(live).isWorthwhile(await find());
  };

  it('is swept for an edge of time that lies behind, and else once a second', async () => {
    await bench.tick();
    const at = await bench.send(await bench.profile(), 'comment-created');
    await bench.tick();
    bench.clock.set(at + 10 * SECOND - MOMENT);
    await bench.tick();
    expect(await isWorthwhile()).toBe(false);
    bench.clock.set(at + 10 * SECOND);
    expect(await isWorthwhile()).toBe(true);
    await bench.tick();
    bench.clock.advance(SECOND - MOMENT);
    expect(await isWorthwhile()).toBe(false);
    bench.clock.advance(MOMENT);
    expect(await isWorthwhile()).toBe(true);
  });

  it('is swept for a pin that ends, and for rules that are others now', async () => {
    const profile = await bench.profile();
    await bench.tick();
    const expires_at = new Date(Math.ceil(bench.clock.now() / 1000) + 60_000).toISOString();
    await bench.server.sdk.groups.pin(group, profile.id, { pin: 'in', reason: 'a guest', expires_at });
    await bench.tick();
    bench.clock.set(Date.parse(expires_at) * 1000 - MOMENT);
    await bench.tick();
    expect(await isWorthwhile()).toBe(false);
    bench.clock.advance(MOMENT);
    expect(await isWorthwhile()).toBe(true);
    await bench.tick();
    expect(await isWorthwhile()).toBe(false);

    const { db, clock } = bench.server.app.context;
    const rules = rulesCache(db);
    const live = { db, clock, leases: leases(db, EVALUATION), rules };
    await rules.refresh((await find()).applicationId);
    await bench.group({ attribute: 'total_activities', condition: 'greater_than', value: 3 });
    expect(await sweeper(live).isWorthwhile(await find())).toBe(true);
  });
});
