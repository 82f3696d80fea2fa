// By the wall clock, with the worker as it runs in production: nothing here moves time or asks for a tick.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../clock.ts';
import { parseInstant, MICROS_PER_SECOND, type Instant } from '../instant.ts';
import { startTestServer, type TestServer } from '../testing/server.ts';

const WINDOW = 5 * MICROS_PER_SECOND;

describe('by the wall clock', () => {
  let server: TestServer;
  const clock = systemClock();
  beforeAll(async () => {
    server = await startTestServer({ env: { ROLE: 'all' } });
  });
  afterAll(() => server.close());

  /** Polls until it holds; how long that took, in seconds. */
  async function until(holds: () => Promise<boolean>, seconds: number): Promise<number> {
    const from = performance.now();
    while (!(await holds())) {
      if (performance.now() - from > seconds * 1000) throw new Error('it never came');
      await new Promise((resolve) => setImmediate(resolve));
    }
    return (performance.now() - from) / 1000;
  }

  it('the third comment admits within a second, and the leave comes within a second of the instant that the explanation announced', async () => {
    const { groups, profiles, activities } = server.sdk;
    const group = await groups.create({
      name: 'Busy',
      membership_type: 'dynamic',
      rule_tree: { attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 3, window: 'PT5S' },
    });
    await until(async () => (await groups.get(group.id)).evaluation?.state === 'live', 30);
    const profile = await profiles.create();
    const explain = () => groups.explain(group.id, profile.id);

    const first = clock.now();
    for (let n = 0; n < 3; n++) {
      await activities.send([{ id: `c${n}`, type: 'comment-created', profile_id: profile.id }]);
    }
    expect(await until(async () => (await explain()).is_member, 5)).toBeLessThan(1);
    const announced: Instant = parseInstant((await explain()).next_change_at ?? '') ?? 0;
    expect(announced).toBeGreaterThanOrEqual(first + WINDOW);
    expect(announced).toBeLessThanOrEqual(clock.now() + WINDOW);

    await until(async () => !(await explain()).is_member, 10);
    expect(clock.now() - announced).toBeLessThan(1 * MICROS_PER_SECOND);
    expect(clock.now()).toBeGreaterThanOrEqual(announced);
    const changes = [];
    for await (const change of groups.changes(group.id)) changes.push(change);
    expect(changes.map(({ change, cause }) => `${change} ${cause}`)).toEqual(['entered activity', 'left clock']);
    expect(parseInstant(changes[1]?.at ?? '')).toBe(announced);
  });

  it('says in its metrics how fresh memberships are', async () => {
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toMatch(/grandstand_freshness_seconds_count [1-9]/);
    expect(metrics).toMatch(/grandstand_membership_changes_total\{cause="clock"\} 1/);
    expect(metrics).toMatch(/grandstand_queue_rows\{cause="live"\} 0/);
  });
});
