// The switch: replaces the membership of a group in one step, however large, beside live changes. A backfill of a dynamic
// rule and a replacement of static members both come through here.
//
// The difference is prepared for the next epoch in slices, invisible to readers; whatever changes meanwhile is noted in
// backfill_touched and decided anew; the switch itself updates one head row. Each step is one transaction, killed at any
// point leaves what the next attempt discards, and checks the attempt's row (switch-attempt.ts), so that an attempt that was
// superseded (a newer rule, another process) cannot write any more.

import { sql, type Database, type Queryable } from '../database/database.ts';
import { enqueueRows } from '../queue/queue.ts';
import { formatInstant } from '../instant.ts';
import { andNot } from '../rules/bitset.ts';
import { dependency } from '../rules/depends.ts';
import { findHead, lockHead, type Head } from './head.ts';
import { writeSize } from './membership.ts';
import { giveWay, SLICE_BESIDE_INTAKE } from '../queue/pace.ts';
import {
  begin,
  isLockNotAvailable,
  step,
  SwitchLost,
  type Attempt,
  type SwitchContext,
  type SwitchPlan,
  type SwitchProgress,
  type SwitchResult,
} from './switch-attempt.ts';
import { prepare } from './switch-prepare.ts';
import { repairTouched, type Prepared } from './switch-repair.ts';
import * as store from './switch-store.ts';

export interface SwitchOptions {
  /** Members changed in one transaction. */
  slice?: number;
  /** Noted profiles that are repaired under the head's lock together with the switch. */
  lastFew?: number;
}

export { SwitchLost, type SwitchContext, type SwitchPlan, type SwitchProgress, type SwitchResult };

const SLICE = 5_000;
const LAST_FEW = 200;
/** A switch of more members than this backfills the groups that read this one again, instead of queueing each profile. */
export const REFILL_ABOVE = 10_000;
/** How long the switch waits for a row while everybody waits for the head. */
const LOCK_TIMEOUT_MS = 50;

/** Runs a switch to its end, one transaction a step. Stopping it between steps leaves what the next attempt discards. */
export async function* runSwitch(
  context: SwitchContext,
  plan: SwitchPlan,
  options: SwitchOptions = {},
): AsyncGenerator<SwitchProgress, SwitchResult> {
  const { db } = context;
  const attempt = await begin(context, plan, options.slice ?? SLICE);
  yield { stage: 'discard', done: 0, total: null };
  if (attempt.hasLeftovers) yield* discard(db, attempt);
  yield { stage: 'scan', done: 0, total: null };
  const target = yield* plan.target();
  const current = await store.readMemberSet(db, plan.groupId, attempt.epoch);
  yield { stage: 'scan', done: 1, total: 1 };
  let prepared = yield* prepare(db, attempt, andNot(target, current), andNot(current, target), options.slice);

  let result: SwitchResult | undefined;
  for (let limit = options.lastFew ?? LAST_FEW; !result; limit *= 2) {
    prepared = yield* catchUp(db, attempt, prepared, limit);
    result = await trySwitch(context, attempt, prepared, limit);
  }
  yield { stage: 'clean', done: 0, total: null, result };
  for await (const progress of cleanSwitch(db, plan.applicationId, plan.groupId, attempt.number))
    yield { ...progress, result };
  return result;
}

async function* discard(db: Database, attempt: Attempt): AsyncGenerator<SwitchProgress, void> {
  let done = 0;
  for (;;) {
    const count = await step(db, attempt, { stage: 'discard', done, total: null }, (tx) =>
      store.discardSlice(tx, attempt.groupId, attempt.epoch, attempt.size),
    );
    if (count === 0) return;
    done += count;
    yield { stage: 'discard', done, total: null };
  }
}

/** Repairs what was noted, slice by slice, until no more than the last few are left. */
async function* catchUp(
  db: Database,
  attempt: Attempt,
  before: Prepared,
  lastFew: number,
): AsyncGenerator<SwitchProgress, Prepared> {
  let prepared = before;
  for (;;) {
    if ((await store.readTouched(db, attempt.groupId, lastFew + 1)).length <= lastFew) return prepared;
    const done = prepared.entered + prepared.left;
    const current = prepared;
    prepared = await step(
      db,
      attempt,
      { stage: 'catch_up', done, total: done },
      async (tx) =>
        (await repairTouched(tx, attempt, current, attempt.plan.decide, Math.min(attempt.size, SLICE_BESIDE_INTAKE)))
          .prepared,
      { enters: true },
    );
    yield { stage: 'catch_up', done: prepared.entered + prepared.left, total: prepared.entered + prepared.left };
  }
}

/** Not yet: more was noted than may be repaired while everybody waits. */
class NotYet extends Error {}

/** The last few and the switch itself under the head's lock; undefined where there were more than a few after all. */
async function trySwitch(
  context: SwitchContext,
  attempt: Attempt,
  before: Prepared,
  limit: number,
): Promise<SwitchResult | undefined> {
  const done = before.entered + before.left;
  const change = async (tx: Queryable): Promise<SwitchResult> => {
    const head = await lockHead(tx, attempt.groupId);
    if (head?.epoch !== attempt.epoch)
      throw new SwitchLost(`group ${attempt.groupId} is not where attempt ${attempt.number} began`);
    // Rows are locked after the head here, against the usual order: a transaction that waits for the head with such a
    // row in hand makes this give up at once instead of waiting for the deadlock to be found.
    await tx.query(sql`select set_config('lock_timeout', ${String(LOCK_TIMEOUT_MS)}, true)`);
    const { prepared, more } = await repairTouched(tx, attempt, before, attempt.plan.decide, limit);
    if (more) throw new NotYet();
    return switchHead(context, tx, attempt, head, prepared);
  };
  try {
    return await step(context.db, attempt, { stage: 'clean', done, total: done }, change, { enters: true });
  } catch (error) {
    if (error instanceof NotYet || isLockNotAvailable(error)) return undefined;
    throw error;
  }
}

async function switchHead(
  { clock, dynamicGroups }: SwitchContext,
  tx: Queryable,
  attempt: Attempt,
  head: Head,
  { entered, left }: Prepared,
): Promise<SwitchResult> {
  const { groupId, plan } = attempt;
  const at = Math.max(clock.now(), head.last_at ?? -Infinity);
  const instant = formatInstant(at);
  const epoch = attempt.epoch + 1;
  const base = head.base_sequence + head.last_number;
  const result: SwitchResult = { epoch, at, entered, left, profileCount: head.profile_count + entered - left };
  await tx.query(sql`
    update group_heads set epoch = ${epoch}, base_sequence = ${base}, last_number = ${entered + left}, profile_count = ${result.profileCount},
      last_at = ${instant}, served_ruleset_id = coalesce(${plan.rulesetId}, served_ruleset_id), filling = false
    where group_id = ${groupId}`);
  await tx.query(sql`
    insert into group_epochs (group_id, epoch, base_sequence, switched_at, cause)
    values (${groupId}, ${epoch}, ${base}, ${instant}, ${attempt.cause})`);
  if (entered + left > 0) {
    await writeSize(tx, groupId, instant, plan.kind, { entered, left });
    await tellReaders(dynamicGroups, tx, attempt, result);
  }
  await plan.onSwitch?.(tx, result);
  return result;
}

/** Groups that read this one follow: profile by profile through the queue, or filled again where that is less work. */
async function tellReaders(
  groups: SwitchContext['dynamicGroups'],
  tx: Queryable,
  { groupId, applicationId }: Attempt,
  { epoch, at, entered, left }: SwitchResult,
): Promise<void> {
  const key = dependency.group(groupId);
  const { rows } = await tx.query<{ group_id: string }>(sql`
    select group_id from watched_keys where application_id = ${applicationId} and key = ${key} order by group_id`);
  if (rows.length === 0) return;
  if (entered + left > REFILL_ABOVE)
    return groups.refill(
      tx,
      applicationId,
      rows.map((row) => row.group_id),
      at,
    );
  await tx.query(
    enqueueRows(
      { applicationId, cause: 'group', now: at },
      sql`select c.profile_id, c.ordinal, ${[key]}::text[] as changed from changes c where c.group_id = ${groupId} and c.epoch = ${epoch}`,
    ),
  );
}

/** Deletes the rows that are invisible since the switch, then the note that there was one. Harmless at any time, twice at once. */
export async function* cleanSwitch(
  db: Database,
  applicationId: number,
  groupId: string,
  attempt: number,
): AsyncGenerator<SwitchProgress, void> {
  const head = await findHead(db, groupId);
  let done = 0;
  for (let count = 1; head && count > 0; done += count) {
    count = await giveWay(db, applicationId, SLICE, (size) => store.cleanSlice(db, groupId, head.epoch, size));
    yield { stage: 'clean', done: done + count, total: null };
  }
  await db.query(sql`delete from backfills where group_id = ${groupId} and attempts = ${attempt} and stage = 'clean'`);
}

/** Undoes the attempt of this number, which will not be finished: nothing of it was ever seen. */
export async function abandonImport(
  context: SwitchContext,
  groupId: string,
  applicationId: number,
  number: number,
): Promise<void> {
  const plan: SwitchPlan = {
    groupId,
    applicationId,
    kind: 'import',
    rulesetId: null,
    // eslint-disable-next-line require-yield -- it is never asked for its target
    async *target() {
      throw new SwitchLost('abandoned');
    },
    decide: async () => new Set(),
  };
  const attempt = await begin(context, plan, SLICE, number);
  if (attempt.hasLeftovers) for await (const _progress of discard(context.db, attempt));
  await step(context.db, attempt, { stage: 'clean', done: 0, total: 0 }, async (tx) => {
    await lockHead(tx, groupId);
    await tx.query(sql`update group_heads set filling = false where group_id = ${groupId}`);
    // What was noted since the last slice means nothing any more.
    await tx.query(sql`delete from backfill_touched where group_id = ${groupId}`);
    await tx.query(sql`delete from backfills where group_id = ${groupId}`);
  });
}
