// Usage against a naive count of the rows, after every few random steps: activities of any day, removals, erasures, days that
// pass, and makings of sheets that die at any of their stages.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../database/database.ts';
import { formatInstant, MICROS_PER_DAY, parseInstant, type Instant } from '../instant.ts';
import { createSheetChores } from '../sheets/sheet-chores.ts';
import { chooseSeed, createRandom, propertyTimeout, runSeeds, type Random } from '../testing/random.ts';
import { CLIENT_ID, startTestServer, testClock, type TestServer } from '../testing/server.ts';
import { naiveDuplicates, naiveRetention, naiveUsage, type Rows } from './naive-usage.ts';
import type { DuplicatesResource, RetentionResource, UsageResource } from './usage.ts';

const HOUR = MICROS_PER_DAY / 24;
const STAGES = ['added', 'listed', 'read'] as const;

async function readRows(server: TestServer): Promise<Rows> {
  const { db } = server.app.context;
  const profiles = await db.query<{ id: string; created_at: Instant }>(sql`select id, created_at from profiles`);
  const activities = await db.query<{ profile_id: string; occurred_at: Instant }>(
    sql`select profile_id, occurred_at from activities`,
  );
  return {
    profiles: new Map(profiles.rows.map((row) => [row.id, row.created_at])),
    activities: activities.rows.map((row) => ({ profileId: row.profile_id, at: row.occurred_at })),
  };
}

describe('usage', () => {
  let server: TestServer;
  const clock = testClock('2026-01-28T09:00:00.000000Z');
  beforeAll(async () => {
    server = await startTestServer({ clock, env: { ROLE: 'api' } });
  });
  afterAll(() => server.close());

  const get = async <T>(path: string): Promise<T> => {
    const { status, body } = await server.call<T>('GET', `applications/${CLIENT_ID}/usage/${path}`);
    expect(status).toBe(200);
    return body;
  };

  const compare = async (): Promise<void> => {
    const rows = await readRows(server);
    for (const interval of ['day', 'week', 'month'] as const) {
      const usage = await get<UsageResource>(`?interval=${interval}`);
      expect({ interval, results: usage.results }).toEqual({ interval, results: naiveUsage(rows, usage) });
    }
    const part = formatInstant(clock.now() - 3 * MICROS_PER_DAY - 5 * HOUR);
    const earlier = await get<UsageResource>(`?interval=week&until=${part}`);
    expect(earlier.results).toEqual(
      naiveUsage(rows, { ...earlier, until: formatInstant((parseInstant(part) ?? 0) - 1) }),
    );
    const retention = await get<RetentionResource>('retention/');
    expect(retention.results).toEqual(naiveRetention(rows, retention));
    const duplicates = await get<DuplicatesResource>('duplicates/');
    expect(duplicates.results).toEqual(naiveDuplicates(rows, duplicates));
  };

  const steps = (random: Random) => {
    let sent = 0;
    const ids = async (): Promise<string[]> => [...(await readRows(server)).profiles.keys()].sort();
    return [
      async () => {
        for (let n = 0; n <= random.below(3); n++) await server.sdk.profiles.create();
      },
      async () => {
        const known = await ids();
        if (known.length === 0) return;
        const now = clock.now();
        const activities = Array.from({ length: 1 + random.below(12) }, () => ({
          id: `a${sent++}-${random.below(1e9)}`,
          type: 'poll-voted',
          profile_id: random.pick(known),
          occurred_at: formatInstant(
            random.chance(0.3)
              ? Math.floor(now / MICROS_PER_DAY) * MICROS_PER_DAY -
                  random.below(40) * MICROS_PER_DAY +
                  random.below(3) -
                  1
              : now - random.below(30 * 24) * HOUR,
          ),
        }));
        const { body } = await server.call<{ accepted: number }>('POST', `applications/${CLIENT_ID}/activities/`, {
          body: { activities },
        });
        expect(body.accepted).toBe(activities.length);
      },
      async () => {
        const known = await ids();
        if (known.length > 0 && random.chance(0.4)) await server.sdk.profiles.erase(random.pick(known));
      },
      async () => {
        const { rows } = await server.app.context.db.query<{ profile_id: string; id: string }>(
          sql`select profile_id, id from activities order by id, profile_id limit 50`,
        );
        if (rows.length === 0) return;
        const row = random.pick(rows);
        await server.call('DELETE', `applications/${CLIENT_ID}/profiles/${row.profile_id}/activities/${row.id}/`);
      },
      async () => {
        const known = await ids();
        const [source, target] = [
          random.pick(known.length > 0 ? known : ['']),
          random.pick(known.length > 0 ? known : ['']),
        ];
        if (source !== target && random.chance(0.4)) await server.sdk.profiles.merge(source, { into: target });
      },
      async () => clock.advance(random.pick([HOUR, MICROS_PER_DAY, 3 * MICROS_PER_DAY])),
      async () => {
        const dies = random.chance(0.4) ? random.pick(STAGES) : undefined;
        const left = random.below(3);
        let passed = 0;
        const chores = createSheetChores(server.app.context, {
          at: (stage) => {
            if (stage === dies && passed++ === left) throw new Error('it died here');
          },
        });
        await chores.run().catch((error: unknown) => expect(String(error)).toContain('it died here'));
        await chores.stop();
      },
      async () => {
        const [one, other] = [createSheetChores(server.app.context), createSheetChores(server.app.context)];
        const activity = steps(random)[1];
        await Promise.all([one.run(), other.run(), activity?.()]);
        await Promise.all([one.stop(), other.stop()]);
      },
    ];
  };

  it(
    'is what a naive count of the rows says, whatever came late, went, or died half-made',
    async () => {
      const first = chooseSeed();
      for (const seed of runSeeds(first, 2)) {
        process.stdout.write(`usage: seed ${seed}\n`);
        const random = createRandom(seed);
        for (let step = 0; step < 24; step++) {
          await random.pick(steps(random))();
          if (step % 3 === 2) await compare();
        }
        await server.app.sheetChores.run();
        await compare();
      }
      const { rows } = await server.app.context.db.query(sql`select from sheets limit 1`);
      expect(rows).toHaveLength(1);
    },
    propertyTimeout(),
  );
});
