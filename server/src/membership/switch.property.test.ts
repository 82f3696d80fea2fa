// Random interleavings of live changes and the steps of a switch, which is stopped, begun again and abandoned at any
// point. After every step a reader must find membership, count, sizes and feed in agreement with a model of a few lines.

import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, sql, type Database, type Queryable, type Sql } from '../database/database.ts';
import { createApplication } from '../applications/application-service.ts';
import { newId } from '../ids.ts';
import { formatInstant } from '../instant.ts';
import { fromOrdinals } from '../rules/bitset.ts';
import { deriveSecrets } from '../secrets.ts';
import { createTestDatabase, type TestDatabase } from '../testing/database.ts';
import { insertProfiles } from '../testing/profiles.ts';
import { chooseSeed, createRandom, propertyRuns } from '../testing/random.ts';
import { countWaiting } from '../testing/waiting.ts';
import { testClock } from '../testing/server.ts';
import { groupChores } from '../groups/group-chores.ts';
import { makeCheckpoint } from './checkpoints.ts';
import { insertHead } from './head.ts';
import { lockForErasing } from './erasing.ts';
import { changeMembership, removeFromGroups, type MembershipChange } from './membership.ts';
import { enterGroup, leaveGroup } from './membership-many.ts';
import { rememberPast } from './testing/past.ts';
import {
  SwitchLost,
  abandonImport,
  runSwitch,
  type SwitchContext,
  type SwitchPlan,
  type SwitchProgress,
  type SwitchResult,
} from './switch.ts';

const PROFILES = 16;
type Bits = number; // one bit a profile

type Step =
  /** `late`: decided some time before it came to change anything. */
  | { kind: 'add' | 'remove'; who: Bits; many: boolean; late: boolean }
  | { kind: 'erase'; who: number }
  | { kind: 'fact'; who: Bits }
  | { kind: 'begin'; target: Bits; rule: boolean }
  | { kind: 'step'; times: number }
  /** `prepare`: up to the end of preparing. `meddle`: the next repair is disturbed in its middle by live entries. */
  | { kind: 'kill' | 'abandon' | 'finish' | 'chores' | 'release' | 'prepare' | 'meddle' }
  | { kind: 'hold'; who: Bits; enter: boolean; many: boolean };

const bits = fc.integer({ min: 1, max: 2 ** PROFILES - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('add' as const, 'remove' as const),
      who: bits,
      many: fc.boolean(),
      late: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('erase' as const), who: fc.integer({ min: 0, max: PROFILES - 1 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('fact' as const), who: bits }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('begin' as const), target: bits, rule: fc.boolean() }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('step' as const), times: fc.integer({ min: 1, max: 6 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('hold' as const), who: bits, enter: fc.boolean(), many: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('kill' as const, 'abandon' as const, 'chores' as const) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constantFrom('finish' as const, 'prepare' as const, 'meddle' as const) }),
  },
);

describe('a switch', () => {
  let database: TestDatabase;
  let db: Database;
  let applicationId: number;
  const clock = testClock();

  beforeAll(async () => {
    database = await createTestDatabase();
    db = openDatabase({ ...database, poolSize: 6, name: 'switch-test' });
    const made = await createApplication({ db, clock, secrets: deriveSecrets('k'.repeat(40)) }, { name: 'Switches' });
    applicationId = made.application.id;
  });
  afterAll(async () => {
    await db.close();
    await database.drop();
  });

  it.each([true, false])(
    'makes a live change start again that decided before it and comes to its number after it (general path: %s)',
    async (many) => {
      const world = await createWorld(db, applicationId, clock, 2);
      const everybody = 2 ** PROFILES - 1;
      await world.take({ kind: 'add', who: everybody, many: false, late: false });
      await world.take({ kind: 'begin', target: 0b1111, rule: false });
      await world.take({ kind: 'prepare' });
      // It has deleted the rows of members that the switch lets leave, and waits in front of the head.
      await world.take({ kind: 'hold', who: 0b1110000, enter: false, many });
      await world.take({ kind: 'finish' });
      await world.take({ kind: 'release' });
      await world.check();
      await world.checkLeftovers();
    },
  );

  it('interleaves with live changes in any way, and readers always find one truth', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        async (steps, lastFew) => {
          const world = await createWorld(db, applicationId, clock, lastFew);
          for (const next of steps) {
            await world.take(next);
            await world.check();
          }
          await world.take({ kind: 'release' });
          await world.take({ kind: 'finish' });
          await world.take({ kind: 'chores' });
          await world.check();
          await world.checkLeftovers();
        },
      ),
      {
        numRuns: propertyRuns(40),
        seed: chooseSeed(),
        endOnFailure: process.env['SHRINK'] === undefined,
      },
    );
  });
});

interface Profile {
  id: string;
  ordinal: number;
}

interface Running {
  steps: AsyncGenerator<SwitchProgress, SwitchResult>;
  rule: boolean;
  started: boolean;
  prepared: boolean;
  switched: boolean;
  /** Of an import: who is in the list, by ordinal. */
  list: Set<number>;
}

/** A live change that stopped before it locked the head, its member rows in hand. */
interface Held {
  resume(): void;
  done: Promise<{ moved: string[] }>;
}

async function createWorld(db: Database, applicationId: number, clock: ReturnType<typeof testClock>, lastFew: number) {
  const groupId = newId();
  const profiles = await db
    .query<Profile>(
      sql`select id, ordinal from profiles where id = any (${await insertProfiles(db, applicationId, PROFILES)}::uuid[]) order by ordinal`,
    )
    .then(({ rows }) => rows);
  await insertHead(db, groupId, applicationId, formatInstant(clock.now()));
  const context: SwitchContext = { db, clock, dynamicGroups: { refill: async () => {} } };
  const chores = groupChores(
    { ...context, log: pino({ level: 'silent' }), dynamicGroups: context.dynamicGroups as never },
    0,
  );

  const random = createRandom(chooseSeed());
  const past = rememberPast(db, groupId);
  const erased = new Set<string>();
  let members = new Set<string>();
  /** Of a rule: who it wants, which changes while it backfills. */
  const facts = new Set<string>();
  let running: Running | undefined;
  let held: Held | undefined;
  let meddling = false;

  const pick = (who: Bits): Profile[] => profiles.filter((_, index) => (who >>> index) & 1);
  const options = (late: boolean) => ({
    groupId,
    applicationId,
    at: clock.now() - (late ? 500 : 0),
    cause: 'manual' as const,
  });

  const live = async (
    tx: Queryable,
    kind: 'add' | 'remove',
    chosen: Profile[],
    many: boolean,
    late = false,
  ): Promise<string[]> => {
    const ids = chosen.map((profile) => profile.id);
    if (many) {
      const change = kind === 'add' ? 'entered' : 'left';
      const changes = chosen.map((profile): MembershipChange => ({
        ...options(late),
        profileId: profile.id,
        ordinal: profile.ordinal,
        change,
      }));
      return (await changeMembership(tx, changes, { applicationId, now: clock.now(), queueReaders: true })).map(
        (done) => done.profileId,
      );
    }
    if (kind === 'add') return [...((await enterGroup(tx, ids, options(late)))?.entered ?? [])];
    return (await leaveGroup(tx, ids, options(late))) ?? [];
  };
  const apply = (kind: 'add' | 'remove', moved: string[]): void => {
    for (const id of moved) {
      expect(members.has(id)).toBe(kind === 'remove');
      if (kind === 'add') members.add(id);
      else members.delete(id);
    }
  };

  /** Runs what may wait for the rows of a held change; where it does, the held change goes on first. */
  const unlessBlocked = async <T>(work: () => Promise<T>): Promise<T> => {
    const outcome = work();
    if (!held) return outcome;
    let settled = false;
    outcome.then(
      () => (settled = true),
      () => (settled = true),
    );
    while (!settled && held) {
      if ((await countWaiting(db)) > 0) await release();
    }
    return outcome;
  };
  const release = async (): Promise<void> => {
    const ending = held;
    held = undefined;
    ending?.resume();
    await ending?.done;
  };

  const hold = async (enter: boolean, chosen: Profile[], many: boolean): Promise<void> => {
    let resume = (): void => {};
    const resumed = new Promise<void>((resolve) => (resume = resolve));
    let reached = (): void => {};
    const atHead = new Promise<void>((resolve) => (reached = resolve));
    const kind = enter ? 'add' : 'remove';
    const run = db.transaction(async (tx) => {
      const stopping: Queryable = {
        isDistributed: tx.isDistributed === true,
        async query(statement) {
          if (/from group_heads where group_id = .* for update/.test(statement.text)) {
            reached();
            await resumed;
          }
          return tx.query(statement);
        },
      };
      const moved = await live(stopping, kind, chosen, many);
      reached();
      // The model moves with the commit: after it nobody else may come between.
      return { moved };
    });
    const done = run.then((result) => {
      apply(kind, result.moved);
      return result;
    });
    done.catch(() => {});
    held = { resume, done };
    await Promise.race([atHead, done]);
  };

  /** Lets those enter that can without waiting for anybody: the repair holds the rows of some, the switch the head. */
  const meddle = async (ids: string[]): Promise<void> => {
    meddling = false;
    for (const profile of profiles.filter(({ id }) => ids.includes(id))) {
      const moved = await db
        .transaction(async (tx) => {
          await tx.query(sql`select set_config('lock_timeout', '15ms', true)`);
          return live(tx, 'add', [profile], false);
        })
        .catch((error: unknown) => {
          if (!(error instanceof Error && 'code' in error && error.code === '55P03')) throw error;
          return [];
        });
      apply('add', moved);
    }
  };

  const planOf = (target: Bits, rule: boolean): { plan: SwitchPlan; list: Set<number> } => {
    const list = new Set(pick(target).map((profile) => profile.ordinal));
    const wants = (profile: { profileId: string; ordinal: number }): boolean =>
      rule ? facts.has(profile.profileId) : list.has(profile.ordinal);
    return {
      list,
      plan: {
        groupId,
        applicationId,
        kind: rule ? 'rule' : 'import',
        rulesetId: rule ? RULESET : null,
        async *target() {
          yield { stage: 'scan', done: 0, total: null };
          const set = fromOrdinals(
            profiles
              .filter((profile) => wants({ profileId: profile.id, ordinal: profile.ordinal }))
              .map((profile) => profile.ordinal),
          );
          yield { stage: 'scan', done: 1, total: 1 };
          return set;
        },
        decide: async (_tx, noted) => {
          const decided = new Set(noted.filter(wants).map((profile) => profile.ordinal));
          if (meddling) await meddle(noted.map((profile) => profile.profileId));
          return decided;
        },
      },
    };
  };

  const begin = async (target: Bits, rule: boolean): Promise<void> => {
    const { plan, list } = planOf(target, rule);
    if (running && running.rule !== rule) return;
    if (rule) {
      facts.clear();
      for (const profile of pick(target)) facts.add(profile.id);
      await db.query(sql`delete from backfills where group_id = ${groupId} and stage = 'clean'`);
      await db.query(sql`
        insert into backfills (group_id, application_id, kind, ruleset_id, epoch, stage, started_at)
        values (${groupId}, ${applicationId}, 'rule', ${RULESET}, 0, 'build', ${formatInstant(clock.now())})
        on conflict (group_id) do update set kind = 'rule', ruleset_id = excluded.ruleset_id, stage = 'build', attempts = backfills.attempts + 1`);
    } else {
      await db.query(sql`delete from backfills where group_id = ${groupId} and kind = 'rule'`);
    }
    running = {
      steps: runSwitch(context, plan, { slice: 3, lastFew }),
      rule,
      started: false,
      prepared: false,
      switched: false,
      list,
    };
  };

  const advance = async (): Promise<boolean> => {
    const current = running;
    if (!current) return false;
    current.started = true;
    const { value, done } = await unlessBlocked(() => current.steps.next());
    if (value && 'stage' in value && value.stage === 'prepare') current.prepared = value.done === value.total;
    const result = value && 'result' in value ? value.result : undefined;
    if (result && !current.switched) {
      current.switched = true;
      members = new Set(
        profiles
          .filter(({ id, ordinal }) => !erased.has(id) && (current.rule ? facts.has(id) : current.list.has(ordinal)))
          .map(({ id }) => id),
      );
      expect(result.profileCount).toBe(members.size);
    }
    if (done) running = undefined;
    return !done;
  };

  const take = async (next: Step): Promise<void> => {
    switch (next.kind) {
      case 'add':
      case 'remove': {
        const moved = await unlessBlocked(() =>
          db.transaction((tx) => live(tx, next.kind, pick(next.who), next.many, next.late)),
        );
        apply(next.kind, moved);
        return;
      }
      case 'erase': {
        const profile = profiles[next.who];
        if (!profile || erased.has(profile.id)) return;
        await unlessBlocked(() =>
          db.transaction(async (tx) => {
            await lockForErasing(tx, applicationId, profile.id);
            await tx.query(sql`delete from profiles where id = ${profile.id}`);
            await removeFromGroups(tx, { ...profile, applicationId }, clock.now());
          }),
        );
        erased.add(profile.id);
        members.delete(profile.id);
        return;
      }
      case 'fact': {
        // As live evaluation does: the fact changes, and in a transaction of its own the profile is noted.
        const chosen = pick(next.who);
        for (const { id } of chosen) if (!facts.delete(id)) facts.add(id);
        await unlessBlocked(() =>
          db.transaction((tx) =>
            changeMembership(tx, [], {
              applicationId,
              now: clock.now(),
              queueReaders: false,
              touched: chosen.map(({ id }) => ({ groupId, profileId: id })),
            }),
          ),
        );
        return;
      }
      case 'begin':
        return begin(next.target, next.rule);
      case 'step':
        for (let i = 0; i < next.times; i++) if (!(await advance())) return;
        return;
      case 'prepare':
        while (!running?.prepared && (await advance()));
        return;
      case 'meddle':
        meddling = true;
        return;
      case 'finish':
        while (await advance());
        return;
      case 'kill':
        running = undefined; // whatever it had written stays as it is
        return;
      case 'abandon': {
        const { rows } = await db.query<{ attempts: number; kind: string; stage: string }>(
          sql`select attempts, kind, stage from backfills where group_id = ${groupId}`,
        );
        const row = rows[0];
        if (row?.kind !== 'import' || row.stage === 'clean') return;
        await unlessBlocked(() => abandonImport(context, groupId, applicationId, row.attempts));
        const current = running;
        running = undefined;
        // The one that was fenced off finds out before it writes again.
        if (current?.started) await expect(drain(current.steps)).rejects.toThrow(SwitchLost);
        return;
      }
      case 'chores':
        if (running && !running.switched) return; // in earnest they see that somebody holds the lock
        await unlessBlocked(() => chores.run());
        return;
      case 'hold':
        if (held) await release();
        return hold(next.enter, pick(next.who), next.many);
      case 'release':
        return release();
    }
  };

  const check = async (): Promise<void> => {
    const seen = await db.transaction((tx) => read(tx, groupId), { isolation: 'repeatable read' });
    const expected = [...members].toSorted();
    expect(seen.rows.toSorted()).toEqual(expected);
    expect(seen.count).toBe(expected.length);
    expect(seen.sized).toBe(expected.length);
    expect(seen.changes.map((change) => change.sequence)).toEqual(seen.changes.map((_, index) => index + 1));
    const replayed = new Set<string>();
    const lastAt = new Map<string, number>();
    for (const { change, profile_id: id, at } of seen.changes) {
      expect(replayed.has(id)).toBe(change === 'left');
      expect(at).toBeGreaterThanOrEqual(lastAt.get(id) ?? -Infinity);
      lastAt.set(id, at);
      if (change === 'entered') replayed.add(id);
      else replayed.delete(id);
    }
    expect([...replayed].toSorted()).toEqual(expected);
    if (random.chance(0.3)) await makeCheckpoint(db, groupId, clock.now(), { interval: 1, share: 2, part: 2 });
    if (random.chance(0.4)) await past.check(random, 1);
  };

  const checkLeftovers = async (): Promise<void> => {
    // A rule that was killed is begun again by whoever holds it; here nobody does.
    const { rows } = await db.query<{ kind: string }>(sql`select kind from backfills where group_id = ${groupId}`);
    if (rows[0]?.kind === 'rule') return;
    expect(rows).toEqual([]);
    const { rows: heads } = await db.query<{ filling: boolean; epoch: number }>(
      sql`select filling, epoch from group_heads where group_id = ${groupId}`,
    );
    const [head] = heads;
    if (!head || head.filling) return;
    const countIn = async (what: Sql): Promise<number | undefined> =>
      (await db.query<{ count: number }>(sql`select count(*) as count from ${what}`)).rows[0]?.count;
    expect({
      dead: await countIn(
        sql`members where group_id = ${groupId} and (since_epoch > ${head.epoch} or until_epoch is not null)`,
      ),
      prepared: await countIn(sql`changes where group_id = ${groupId} and epoch > ${head.epoch}`),
      notes: await countIn(sql`backfill_touched where group_id = ${groupId}`),
    }).toEqual({ dead: 0, prepared: 0, notes: 0 });
  };

  return { take, check, checkLeftovers };
}

const RULESET = newId();

async function drain(steps: AsyncGenerator<SwitchProgress, SwitchResult>): Promise<void> {
  for await (const _progress of steps);
}

interface Seen {
  count: number;
  rows: string[];
  sized: number;
  changes: { sequence: number; change: 'entered' | 'left'; profile_id: string; at: number }[];
}

async function read(tx: Queryable, groupId: string): Promise<Seen> {
  const heads = await tx.query<{ profile_count: number; epoch: number }>(
    sql`select profile_count, epoch from group_heads where group_id = ${groupId}`,
  );
  const { profile_count: count = -1, epoch = -1 } = heads.rows[0] ?? {};
  const rows = await tx.query<{ profile_id: string }>(sql`
    select profile_id from members where group_id = ${groupId} and since_epoch <= ${epoch} and (until_epoch is null or until_epoch > ${epoch})`);
  const sizes = await tx.query<{ sized: number }>(sql`
    select coalesce(sum(entered - "left"), 0)::bigint as sized from group_sizes where group_id = ${groupId}`);
  const differing = await tx.query(sql`
    select from group_sizes s full join (
      select group_id, hour, sum(entered) as entered, sum("left") as "left" from group_flows where group_id = ${groupId} group by 1, 2) f
    on f.group_id = s.group_id and f.hour = s.hour
    where coalesce(s.group_id, f.group_id) = ${groupId} and (s.entered, s."left") is distinct from (f.entered, f."left")`);
  expect(differing.rows, 'hours whose causes do not add up').toEqual([]);
  const changes = await tx.query<Seen['changes'][number]>(sql`
    select e.base_sequence + c.number as sequence, c.change, c.profile_id, coalesce(c.at, e.switched_at) as at
    from changes c join group_epochs e on e.group_id = c.group_id and e.epoch = c.epoch
    where c.group_id = ${groupId} order by c.epoch, c.number`);
  return {
    count,
    rows: rows.rows.map((row) => row.profile_id),
    sized: sizes.rows[0]?.sized ?? -1,
    changes: changes.rows,
  };
}
