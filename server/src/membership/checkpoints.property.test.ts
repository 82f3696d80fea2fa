// Checkpoints against the plain fold of the whole feed: random histories of live changes, late changes by the clock, switches
// (also broken off), erasures and merges' leaves, while checkpoints are made at random, by two at once, and die on the way.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApplication } from '../applications/application-service.ts';
import { openDatabase, sql, type Database } from '../database/database.ts';
import { Killed, mortal } from '../evaluation/testing/mortal.ts';
import { newId } from '../ids.ts';
import { formatInstant, MICROS_PER_SECOND, type Instant } from '../instant.ts';
import { fromOrdinals } from '../rules/bitset.ts';
import { deriveSecrets } from '../secrets.ts';
import { createTestDatabase, type TestDatabase } from '../testing/database.ts';
import { insertProfiles } from '../testing/profiles.ts';
import { chooseSeed, createRandom, propertyTimeout, runSeeds, type Random } from '../testing/random.ts';
import { testClock } from '../testing/server.ts';
import { makeCheckpoint, type Pace } from './checkpoints.ts';
import { lockForErasing } from './erasing.ts';
import { insertHead } from './head.ts';
import { changeMembership, removeFromGroups, type MembershipChange } from './membership.ts';
import { enterGroup, leaveGroup } from './membership-many.ts';
import { runSwitch } from './switch.ts';
import { rememberPast } from './testing/past.ts';

const PROFILES = 12;
const STEPS = 50;

interface Profile {
  id: string;
  ordinal: number;
}

describe('checkpoints', () => {
  let database: TestDatabase;
  let db: Database;
  let applicationId: number;
  const clock = testClock();

  beforeAll(async () => {
    database = await createTestDatabase();
    db = openDatabase({ ...database, poolSize: 6, name: 'checkpoints-test' });
    const made = await createApplication({ db, clock, secrets: deriveSecrets('k'.repeat(40)) }, { name: 'Past' });
    applicationId = made.application.id;
  });
  afterAll(async () => {
    await db.close();
    await database.drop();
  });

  const seed = chooseSeed();
  it(
    `agree with the plain fold of the feed at every instant (seed ${seed})`,
    { timeout: propertyTimeout() },
    async () => {
      let [made, kills] = [0, 0];
      for (const each of runSeeds(seed, 4)) {
        const random = createRandom(each);
        const world = await createWorld(random);
        for (let step = 0; step < STEPS; step++) {
          await world.step();
          await world.past.check(random, 2).catch((error: unknown) => {
            throw new Error(`seed ${each}, step ${step}`, { cause: error });
          });
        }
        made += world.counts.made;
        kills += world.counts.kills;
      }
      expect({ made: made > 10, kills: kills > 3 }).toEqual({ made: true, kills: true });
    },
  );

  async function createWorld(random: Random) {
    const groupId = newId();
    const ids = await insertProfiles(db, applicationId, PROFILES);
    const { rows } = await db.query<Profile>(
      sql`select id, ordinal from profiles where id = any (${ids}::uuid[]) order by ordinal`,
    );
    let profiles = rows;
    await insertHead(db, groupId, applicationId, formatInstant(clock.now()));
    const counts = { made: 0, kills: 0 };
    /** The newest change of each profile: what comes for it by the clock is not before that. */
    const lastAt = async (): Promise<Map<string, Instant>> => {
      const found = await db.query<{ profile_id: string; at: Instant }>(sql`
        select c.profile_id, max(coalesce(c.at, e.switched_at)) as at
        from changes c join group_epochs e on e.group_id = c.group_id and e.epoch = c.epoch
        where c.group_id = ${groupId} group by 1`);
      return new Map(found.rows.map((row) => [row.profile_id, row.at]));
    };
    const some = (): Profile[] => [...new Set(random.some(profiles, 4))];

    const change = async (): Promise<void> => {
      const last = await lastAt();
      const now = clock.now();
      const changes = some().map((profile): MembershipChange => {
        const isByClock = random.chance(0.5);
        // Of a worker that is late, often by much.
        const earliest = Math.max(last.get(profile.id) ?? 0, now - random.pick([2, 20, 200]) * MICROS_PER_SECOND);
        return {
          groupId,
          profileId: profile.id,
          ordinal: profile.ordinal,
          change: random.pick(['entered', 'left'] as const),
          at: isByClock ? earliest + random.below(now - earliest + 1) : now,
          cause: isByClock ? 'clock' : random.pick(['activity', 'merged'] as const),
        };
      });
      await db.transaction((tx) => changeMembership(tx, changes, { applicationId, now, queueReaders: false }));
    };
    const many = (isEntry: boolean): Promise<unknown> =>
      db.transaction<unknown>((tx) =>
        (isEntry ? enterGroup : leaveGroup)(
          tx,
          some().map(({ id }) => id),
          { groupId, applicationId, at: clock.now(), cause: 'manual' },
        ),
      );
    const switchTo = async (): Promise<void> => {
      const wanted = new Set(some().map(({ ordinal }) => ordinal));
      const plan = {
        groupId,
        applicationId,
        kind: 'import' as const,
        rulesetId: null,
        async *target() {
          yield { stage: 'scan' as const, done: 0, total: 1 };
          return fromOrdinals(wanted);
        },
        decide: async (_tx: unknown, noted: { ordinal: number }[]) =>
          new Set(noted.map(({ ordinal }) => ordinal).filter((ordinal) => wanted.has(ordinal))),
      };
      const steps = runSwitch({ db, clock, dynamicGroups: { refill: async () => {} } }, plan, { slice: 2, lastFew: 2 });
      const breakOff = random.chance(0.4) ? 1 + random.below(6) : Infinity;
      for (let i = 0; i < breakOff && (await steps.next()).done !== true; i++) if (random.chance(0.3)) await make(); // beside what is prepared and not seen
    };
    const erase = async (): Promise<void> => {
      if (profiles.length < 6) return;
      const profile = random.pick(profiles);
      profiles = profiles.filter((one) => one !== profile);
      await db.transaction(async (tx) => {
        await lockForErasing(tx, applicationId, profile.id);
        await tx.query(sql`delete from profiles where id = ${profile.id}`);
        await removeFromGroups(tx, { ...profile, applicationId }, clock.now());
      });
    };
    const make = async (): Promise<void> => {
      const pace: Pace = {
        interval: 1 + random.below(5),
        share: 1 + random.below(4),
        part: 1 + random.below(3),
      };
      const one = async (): Promise<void> => {
        const dying = random.chance(0.3) ? random.below(12) : Infinity;
        try {
          if (await makeCheckpoint(mortal(db, dying).db, groupId, clock.now(), pace)) counts.made++;
        } catch (error) {
          if (!(error instanceof Killed)) throw error;
          counts.kills++;
        }
      };
      await (random.chance(0.3) ? Promise.all([one(), one(), random.chance(0.5) ? change() : undefined]) : one());
    };
    const moves: [weight: number, move: () => Promise<unknown>][] = [
      [10, change],
      [3, () => many(true)],
      [3, () => many(false)],
      [3, switchTo],
      [1, erase],
      [8, make],
    ];

    return {
      past: rememberPast(db, groupId),
      counts,
      async step(): Promise<void> {
        if (random.chance(0.6)) clock.advance(random.below(30 * MICROS_PER_SECOND));
        let at = random.below(moves.reduce((sum, [weight]) => sum + weight, 0));
        for (const [weight, move] of moves) if ((at -= weight) < 0) return void (await move());
      },
    };
  }
});
