// The switch: replaces the membership of a group in one step, however large, beside live changes. A fill of a dynamic
// rule and a replacement of static members both come through here.
//
// The difference is prepared for the next epoch in slices, invisible to readers; whatever changes meanwhile is noted in
// fill_touched and decided anew; the switch itself updates one head row. Each step is one transaction, killed at any
// point leaves what the next attempt discards, and checks the attempt's number, so that an attempt that was superseded
// (a newer rule, another process) cannot write any more.

import { isUniqueViolation, sql, type Database, type Queryable } from '../database/database.ts';
import type { Clock } from '../clock.ts';
import { BUCKETS } from '../evaluation/queue.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { andNot, iterate, popcount, type Bitset } from '../rules/bitset.ts';
import { dependency } from '../rules/depends.ts';
import type { DynamicGroups } from './dynamic.ts';
import { holdOffErasing } from './erasing.ts';
import { findHead, lockHead, type Head } from './head.ts';
import { writeSize } from './membership.ts';
import { repairTouched, type Prepared } from './switch-repair.ts';
import * as store from './switch-store.ts';

export interface SwitchPlan {
  groupId: string;
  applicationId: number;
  kind: 'rule' | 'import';
  /** Of a rule: the ruleset that is served after the switch; its row in `fills` names it, else the attempt is lost. */
  rulesetId: string | null;
  /**
   * Who is to be a member, by ordinal. Called once leftovers are gone and every change from then on is noted, so any
   * snapshot taken in here is early enough. May yield as often as it likes.
   */
  target(): AsyncGenerator<SwitchProgress, Bitset>;
  /**
   * Of these profiles, noted since: the ordinals of those that are to be members now. In the transaction that repairs
   * them, whose every statement sees what was committed before it (read committed).
   */
  decide(tx: Queryable, profiles: { profileId: string; ordinal: number }[]): Promise<ReadonlySet<number>>;
  /** In the transaction of the switch, for whatever must come true with it. */
  onSwitch?(tx: Queryable, result: SwitchResult): Promise<void>;
}

export type SwitchStage = 'discard' | 'build' | 'scan' | 'prepare' | 'catch_up' | 'clean';

/** What a step did; the caller renews its lease, reports progress, or stops by ending the iteration. */
export interface SwitchProgress {
  stage: SwitchStage;
  done: number;
  total: number | null;
  /** From the switch on: all that is left is to clean up. */
  result?: SwitchResult;
}

export interface SwitchResult {
  epoch: number;
  at: Instant;
  entered: number;
  left: number;
  profileCount: number;
}

/** Somebody else began another attempt, or the group is gone: nothing more may be written. */
export class SwitchLost extends Error {}

export interface SwitchOptions {
  /** Members changed in one transaction. */
  slice?: number;
  /** Noted profiles that are repaired under the head's lock together with the switch. */
  lastFew?: number;
}

export interface SwitchContext {
  db: Database;
  clock: Clock;
  dynamicGroups: Pick<DynamicGroups, 'refill'>;
}

const SLICE = 5_000;
const LAST_FEW = 200;
/** A switch of more members than this fills the groups that read this one again, instead of queueing each profile. */
export const REFILL_ABOVE = 10_000;
/** How long the switch waits for a row while everybody waits for the head. */
const LOCK_TIMEOUT_MS = 50;

interface Attempt extends store.Slice {
  /** The number of this attempt: a later one fences it off. */
  number: number;
  plan: SwitchPlan;
  size: number;
}

/** Runs a switch to its end, one transaction a step. Stopping it between steps leaves what the next attempt discards. */
export async function* runSwitch(
  context: SwitchContext,
  plan: SwitchPlan,
  options: SwitchOptions = {},
): AsyncGenerator<SwitchProgress, SwitchResult> {
  const { db } = context;
  const attempt = await begin(context, plan, options.slice ?? SLICE);
  yield { stage: 'discard', done: 0, total: null };
  yield* discard(db, attempt);
  yield { stage: 'scan', done: 0, total: null };
  const target = yield* plan.target();
  const current = await store.readMemberSet(db, plan.groupId, attempt.epoch);
  yield { stage: 'scan', done: 1, total: 1 };
  let prepared = yield* prepare(db, attempt, andNot(target, current), andNot(current, target));

  let result: SwitchResult | undefined;
  for (let limit = options.lastFew ?? LAST_FEW; !result; limit *= 2) {
    prepared = yield* catchUp(db, attempt, prepared, limit);
    result = await trySwitch(context, attempt, prepared, limit);
  }
  yield { stage: 'clean', done: 0, total: null, result };
  for await (const progress of cleanSwitch(db, plan.groupId, attempt.number)) yield { ...progress, result };
  return result;
}

/** Takes over from any earlier attempt. From its commit on, everybody who changes the group's members notes them. */
async function begin({ db, clock }: SwitchContext, plan: SwitchPlan, size: number, after?: number): Promise<Attempt> {
  const { groupId, applicationId } = plan;
  return db.transaction(async (tx) => {
    const { rows } = await tx.query<{ attempts: number }>(
      plan.kind === 'import'
        ? sql`
          insert into fills (group_id, application_id, kind, epoch, stage, started_at, attempts)
          values (${groupId}, ${applicationId}, 'import', 0, 'discard', ${formatInstant(clock.now())}, 1)
          on conflict (group_id) do update set stage = 'discard', prepared = 0, total = null, attempts = fills.attempts + 1
            where fills.kind = 'import' and ${after === undefined ? sql`true` : sql`fills.attempts = ${after}`}
          returning attempts`
        : sql`
          update fills set stage = 'discard', prepared = 0, total = null, attempts = attempts + 1
          where group_id = ${groupId} and kind = 'rule' and ruleset_id = ${plan.rulesetId} and stage <> 'clean'
          returning attempts`,
    );
    const number = rows[0]?.attempts;
    const head = await lockHead(tx, groupId);
    if (number === undefined || !head) throw new SwitchLost(`group ${groupId} is not to be switched any more`);
    await tx.query(sql`update fills set epoch = ${head.epoch + 1} where group_id = ${groupId}`);
    await tx.query(sql`update group_heads set filling = true where group_id = ${groupId}`);
    return { groupId, applicationId, epoch: head.epoch, cause: plan.kind, number, plan, size };
  });
}

/** The first statement of each step: nobody else may have begun since. Holds the row, so that nobody can until it commits. */
async function fence(tx: Queryable, attempt: Attempt, progress: SwitchProgress): Promise<void> {
  const { count } = await tx.query(sql`
    update fills set stage = ${progress.stage}, prepared = ${progress.done}, total = ${progress.total}
    where group_id = ${attempt.groupId} and attempts = ${attempt.number}`);
  if (count === 0) throw new SwitchLost(`attempt ${attempt.number} to switch group ${attempt.groupId} was superseded`);
}

/** Likewise, where profiles may enter. */
async function fenceEntries(tx: Queryable, attempt: Attempt, progress: SwitchProgress): Promise<void> {
  // Sent together, done in this order.
  await Promise.all([fence(tx, attempt, progress), holdOffErasing(tx, attempt.applicationId)]);
}

async function* discard(db: Database, attempt: Attempt): AsyncGenerator<SwitchProgress, void> {
  let done = 0;
  for (;;) {
    const count = await db.transaction(async (tx) => {
      await fence(tx, attempt, { stage: 'discard', done, total: null });
      return store.discardSlice(tx, attempt.groupId, attempt.epoch, attempt.size);
    });
    if (count === 0) return;
    done += count;
    yield { stage: 'discard', done, total: null };
  }
}

async function* prepare(
  db: Database,
  attempt: Attempt,
  entering: Bitset,
  leaving: Bitset,
): AsyncGenerator<SwitchProgress, Prepared> {
  const total = popcount(entering) + popcount(leaving);
  let prepared: Prepared = { entered: 0, left: 0 };
  let done = 0;
  for (const slice of slices(entering, leaving, attempt.size)) {
    done += slice.entering.length + slice.leaving.length;
    const write = (optimistic: boolean): Promise<store.PreparedCounts> =>
      db.transaction(async (tx) => {
        await fenceEntries(tx, attempt, { stage: 'prepare', done, total });
        return store.prepareSlice(tx, attempt, slice, prepared.entered + prepared.left, optimistic);
      });
    const added = await write(true).catch((error: unknown) =>
      isUniqueViolation(error) ? write(false) : Promise.reject(error),
    );
    prepared = { entered: prepared.entered + added.entered, left: prepared.left + added.left };
    yield { stage: 'prepare', done, total };
  }
  return prepared;
}

/** Both sets cut at the same ordinals, so that a slice's rows lie together. */
function* slices(
  entering: Bitset,
  leaving: Bitset,
  size: number,
): Generator<{ entering: number[]; leaving: number[] }> {
  let slice: { entering: number[]; leaving: number[] } = { entering: [], leaving: [] };
  const next = { entering: iterate(entering), leaving: iterate(leaving) };
  let enter = next.entering.next();
  let leave = next.leaving.next();
  while (!enter.done || !leave.done) {
    if (!enter.done && (leave.done || enter.value < leave.value)) {
      slice.entering.push(enter.value);
      enter = next.entering.next();
    } else if (!leave.done) {
      slice.leaving.push(leave.value);
      leave = next.leaving.next();
    }
    if (slice.entering.length + slice.leaving.length >= size) {
      yield slice;
      slice = { entering: [], leaving: [] };
    }
  }
  if (slice.entering.length + slice.leaving.length > 0) yield slice;
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
    prepared = await db.transaction(async (tx) => {
      await fenceEntries(tx, attempt, {
        stage: 'catch_up',
        done: prepared.entered + prepared.left,
        total: prepared.entered + prepared.left,
      });
      return (await repairTouched(tx, attempt, prepared, attempt.plan.decide, attempt.size)).prepared;
    });
    yield { stage: 'catch_up', done: prepared.entered + prepared.left, total: prepared.entered + prepared.left };
  }
}

/** Not yet: more was noted than may be repaired while everybody waits. */
class NotYet extends Error {}
const LOCK_NOT_AVAILABLE = '55P03';

/** The last few and the switch itself under the head's lock; undefined where there were more than a few after all. */
async function trySwitch(
  context: SwitchContext,
  attempt: Attempt,
  before: Prepared,
  limit: number,
): Promise<SwitchResult | undefined> {
  try {
    return await context.db.transaction(async (tx) => {
      await fenceEntries(tx, attempt, {
        stage: 'clean',
        done: before.entered + before.left,
        total: before.entered + before.left,
      });
      const head = await lockHead(tx, attempt.groupId);
      if (head?.epoch !== attempt.epoch)
        throw new SwitchLost(`group ${attempt.groupId} is not where attempt ${attempt.number} began`);
      // Rows are locked after the head here, against the order of everybody else: whoever waits for the head with such a
      // row in hand makes this give up at once instead of waiting for the deadlock to be found.
      await tx.query(sql`select set_config('lock_timeout', ${String(LOCK_TIMEOUT_MS)}, true)`);
      const { prepared, more } = await repairTouched(tx, attempt, before, attempt.plan.decide, limit);
      if (more) throw new NotYet();
      return switchHead(context, tx, attempt, head, prepared);
    });
  } catch (error) {
    if (error instanceof NotYet || (error instanceof Error && 'code' in error && error.code === LOCK_NOT_AVAILABLE))
      return undefined;
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
    await writeSize(tx, groupId, instant, entered, left);
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
  await tx.query(sql`
    insert into queue (profile_id, bucket, application_id, cause, changed, queued_at)
    select c.profile_id, c.ordinal % ${BUCKETS}, ${applicationId}::int, 'group', ${[key]}::text[], ${formatInstant(at)}::timestamptz
    from changes c where c.group_id = ${groupId} and c.epoch = ${epoch}`);
}

/** Deletes the rows that nobody sees since the switch, then the note that there was one. Harmless at any time, twice at once. */
export async function* cleanSwitch(
  db: Database,
  groupId: string,
  attempt: number,
  size = SLICE,
): AsyncGenerator<SwitchProgress, void> {
  const head = await findHead(db, groupId);
  let done = 0;
  for (let count = 1; head && count > 0; done += count) {
    count = await store.cleanSlice(db, groupId, head.epoch, size);
    yield { stage: 'clean', done: done + count, total: null };
  }
  await db.query(sql`delete from fills where group_id = ${groupId} and attempts = ${attempt} and stage = 'clean'`);
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
  for await (const _progress of discard(context.db, attempt));
  await context.db.transaction(async (tx) => {
    await fence(tx, attempt, { stage: 'clean', done: 0, total: null });
    await lockHead(tx, groupId);
    await tx.query(sql`update group_heads set filling = false where group_id = ${groupId}`);
    // What was noted since the last slice means nothing to anybody.
    await tx.query(sql`delete from fill_touched where group_id = ${groupId}`);
    await tx.query(sql`delete from fills where group_id = ${groupId}`);
  });
}
