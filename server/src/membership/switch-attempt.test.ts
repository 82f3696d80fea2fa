// What an attempt at a switch rests on: its row, which every step finds as it was left, and who else may write.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../database/database.ts';
import { tryWithLock } from '../groups/replace-lock.ts';
import { fromOrdinals } from '../rules/bitset.ts';
import { Killed, mortal } from '../evaluation/testing/mortal.ts';
import { addProfiles } from '../testing/profiles.ts';
import { CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';
import { begin, beside, step } from './switch-attempt.ts';
import { runSwitch, SwitchLost, type SwitchPlan, type SwitchProgress } from './switch.ts';

const PROFILES = 3_000;

describe('an attempt at a switch', () => {
  let server: TestServer;
  let applicationId: number;
  let ids: string[];
  let plan: SwitchPlan;
  beforeAll(async () => {
    server = await startTestServer();
    applicationId = (await server.app.context.applications.get(CLIENT_ID)).id;
    ids = await addProfiles(server, PROFILES);
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    const group = await server.sdk.groups.create({ name: 'Group', membership_type: 'static' });
    const { rows } = await db().query<{ ordinal: number }>(
      sql`select ordinal from profiles where id = any (${ids}::uuid[])`,
    );
    const target = fromOrdinals(rows.map(({ ordinal }) => ordinal));
    plan = {
      groupId: group.id,
      applicationId,
      kind: 'import',
      rulesetId: null,
      // eslint-disable-next-line require-yield -- the whole of it is known
      async *target() {
        return target;
      },
      decide: async (_tx, profiles) => new Set(profiles.map(({ ordinal }) => ordinal)),
    };
  });
  const db = () => server.app.context.db;
  const countOf = async (group: string): Promise<number> => (await server.sdk.groups.get(group)).profile_count;
  /** As an import does: without the lock, the chores clear up after what looks dead to them. */
  const withLock = async <T>(work: () => Promise<T>): Promise<T> => {
    const done = await tryWithLock(db(), plan.groupId, work);
    if (!done) throw new Error('the lock was taken');
    return done.result;
  };
  const rest = async (steps: AsyncGenerator<SwitchProgress>): Promise<SwitchProgress[]> => {
    const seen: SwitchProgress[] = [];
    for await (const progress of steps) seen.push(progress);
    return seen;
  };

  it('goes no further when the database lost a step of it, and the next one is whole', async () => {
    const steps = runSwitch(server.app.context, plan, { slice: 1_000 });
    let before: { prepared: number } | undefined;
    for (let prepared = 0; prepared < 2;) {
      const next = await steps.next();
      if (next.done || next.value.stage !== 'prepare') continue;
      prepared++;
      const { rows } = await db().query<{ prepared: number }>(sql`
        select prepared from backfills where group_id = ${plan.groupId}`);
      if (prepared === 1) before = rows[0];
    }
    expect(before).toEqual({ prepared: 1_000 });
    // As after a crash before the second slice was on the disk.
    await db().query(sql`update backfills set prepared = 1000 where group_id = ${plan.groupId}`);
    await db().query(sql`delete from changes where group_id = ${plan.groupId} and number > 1000`);
    await db().query(sql`
      delete from members where group_id = ${plan.groupId} and profile_id in (
        select profile_id from members where group_id = ${plan.groupId} order by ordinal desc limit 1000)`);
    await expect(rest(steps)).rejects.toThrow(SwitchLost);
    expect(await countOf(plan.groupId)).toBe(0);

    await rest(runSwitch(server.app.context, plan));
    expect(await countOf(plan.groupId)).toBe(PROFILES);
    const members = await server.sdk.groups.members(plan.groupId, { page_size: 1000 }).all();
    expect(members.map(({ id }) => id).sort()).toEqual([...ids].sort());
    const numbers: number[] = [];
    for await (const { sequence } of server.sdk.groups.changes(plan.groupId, { pageSize: 1000 }))
      numbers.push(sequence);
    expect(numbers).toEqual(ids.map((_, index) => index + 1));
  });

  it('may die at any statement: readers see nothing of it, and the next one is whole', async () => {
    const target = fromOrdinals(Array.from({ length: 40 }, (_, ordinal) => ordinal));
    const short: SwitchPlan = {
      ...plan,
      // eslint-disable-next-line require-yield -- the whole of it is known
      async *target() {
        return target;
      },
    };
    const { context } = server.app;
    let died = 0;
    const dieEverywhere = async (): Promise<void> => {
      for (let statements = 1; ; statements++) {
        const doomed = mortal(context.db, statements);
        const steps = rest(runSwitch({ ...context, db: doomed.db }, short, { slice: 25 }));
        const end = await steps.then(
          () => 'done',
          (error: unknown) => (error instanceof Killed ? 'died' : Promise.reject(error)),
        );
        const count = await countOf(plan.groupId);
        if (end === 'done' || count > 0) {
          expect(count).toBe(40);
          break;
        }
        died++;
      }
    };
    await withLock(dieEverywhere);
    expect(died).toBeGreaterThan(30);
    await context.groupChores.run();
    const numbers: number[] = [];
    for await (const { sequence } of server.sdk.groups.changes(plan.groupId, { pageSize: 1000 }))
      numbers.push(sequence);
    expect(numbers).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    const members = await server.sdk.groups.members(plan.groupId, { page_size: 1000 }).all();
    expect(members.length).toBe(40);
  });

  it('is not taken over before what it does beside its steps has ended', async () => {
    const { context } = server.app;
    const attempt = await begin(context, plan, 1_000);
    let finish = (): void => {};
    const finished = new Promise<void>((resolve) => (finish = resolve));
    let enter = (): void => {};
    const inside = new Promise<void>((resolve) => (enter = resolve));
    const order: string[] = [];
    // Noted inside: once it has committed, whose answer comes here first is chance.
    const working = beside(context.db, attempt, async () => {
      enter();
      await finished;
      order.push('done beside');
    });
    await inside;
    const taking = begin(context, plan, 1_000).then(() => order.push('taken over'));
    for (let isWaiting = false; !isWaiting;) {
      const { rows } = await db().query(sql`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%backfills%'`);
      isWaiting = rows.length > 0;
    }
    finish();
    await Promise.all([working, taking]);
    expect(order).toEqual(['done beside', 'taken over']);
    await expect(beside(context.db, attempt, async () => {})).rejects.toThrow(SwitchLost);
    await expect(step(context.db, attempt, { stage: 'prepare', done: 1, total: 1 }, async () => {})).rejects.toThrow(
      SwitchLost,
    );
  });

  it('gives way while activities come in: its slices are small', async () => {
    const prepared = async (): Promise<number[]> => {
      const seen = await withLock(() => rest(runSwitch(server.app.context, plan)));
      return seen.filter(({ stage }) => stage === 'prepare').map(({ done }) => done);
    };
    const [first = ''] = ids;
    await server.sdk.activities.send([{ id: 'now', type: 'comment-created', profile_id: first }]);
    const beside = await prepared();
    expect(beside[0]).toBe(1_000);
    expect(beside.at(-1)).toBe(PROFILES);

    await db().query(sql`update activities set received_at = ${new Date(Date.now() - 60_000).toISOString()}`);
    const everybody = plan.target;
    await withLock(() => rest(runSwitch(server.app.context, { ...plan, target: nobody })));
    expect(await countOf(plan.groupId)).toBe(0);
    plan = { ...plan, target: everybody };
    expect(await prepared()).toEqual([PROFILES]);
    expect(await countOf(plan.groupId)).toBe(PROFILES);
  });
});

// eslint-disable-next-line require-yield -- it is known
async function* nobody(): AsyncGenerator<SwitchProgress, ReturnType<typeof fromOrdinals>> {
  return fromOrdinals([]);
}
