// One attempt at a switch: what it is to do, and the row in `backfills` that every step of it holds and finds as the step
// before left it. So another attempt ends this one, and an attempt of which the database lost something
// (a crash, after which unacknowledged steps may be missing) goes no further.

import type { Clock } from '../clock.ts';
import { sql, type Database, type Queryable } from '../database/database.ts';
import { formatInstant, type Instant } from '../instant.ts';
import type { Bitset } from '../rules/bitset.ts';
import { holdOffErasing } from './erasing.ts';
import { lockHead } from './head.ts';
import * as store from './switch-store.ts';

export interface SwitchPlan {
  groupId: string;
  applicationId: number;
  kind: 'rule' | 'import';
  /** Of a rule: the ruleset that is served after the switch; its row in `backfills` names it, else the attempt is lost. */
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

/** Another attempt began, or the group is gone: nothing more may be written. */
export class SwitchLost extends Error {}

export interface Refills {
  /**
   * More than a queue should take changed in groups that these ones read, in a switch whose transaction this is: they
   * are filled again. A backfill that runs already starts anew, since it may have read the old members.
   */
  refill(tx: Queryable, applicationId: number, groupIds: string[], now: Instant): Promise<void>;
}

export interface SwitchContext {
  db: Database;
  clock: Clock;
  dynamicGroups: Refills;
}

export interface Attempt extends store.Slice {
  /** The number of this attempt: a later one fences it off. */
  number: number;
  plan: SwitchPlan;
  size: number;
  /** Where its row stands, as far as this attempt knows. */
  noted: Pick<SwitchProgress, 'stage' | 'done'>;
  /** Something of an earlier attempt is left. */
  hasLeftovers: boolean;
}

/** Takes over from any earlier attempt. From its commit on, everybody who changes the group's members notes them. */
export async function begin(
  { db, clock }: SwitchContext,
  plan: SwitchPlan,
  size: number,
  after?: number,
): Promise<Attempt> {
  const { groupId, applicationId } = plan;
  return db.transaction(async (tx) => {
    // A merge that did not see this attempt is over before anything is read for it.
    await holdOffErasing(tx, applicationId);
    // Waits for every step of an earlier attempt, also for what it does beside.
    await tx.query(sql`select from backfills where group_id = ${groupId} for update`);
    const { rows } = await tx.query<{ attempts: number }>(
      plan.kind === 'import'
        ? sql`
          insert into backfills (group_id, application_id, kind, epoch, stage, started_at, attempts)
          values (${groupId}, ${applicationId}, 'import', 0, 'discard', ${formatInstant(clock.now())}, 1)
          on conflict (group_id) do update set stage = 'discard', prepared = 0, total = null, attempts = backfills.attempts + 1
            where backfills.kind = 'import' and ${after === undefined ? sql`true` : sql`backfills.attempts = ${after}`}
          returning attempts`
        : sql`
          update backfills set stage = 'discard', prepared = 0, total = null, attempts = attempts + 1
          where group_id = ${groupId} and kind = 'rule' and ruleset_id = ${plan.rulesetId} and stage <> 'clean'
          returning attempts`,
    );
    const number = rows[0]?.attempts;
    const head = await lockHead(tx, groupId);
    if (number === undefined || !head) throw new SwitchLost(`group ${groupId} is not to be switched any more`);
    const [hasLeftovers] = await Promise.all([
      store.hasLeftovers(tx, groupId, head.epoch),
      tx.query(sql`update backfills set epoch = ${head.epoch + 1} where group_id = ${groupId}`),
      tx.query(sql`update group_heads set filling = true where group_id = ${groupId}`),
    ]);
    const noted = { stage: 'discard', done: 0 } as const;
    return {
      groupId,
      applicationId,
      epoch: head.epoch,
      cause: plan.kind,
      number,
      plan,
      size,
      noted,
      hasLeftovers,
    };
  });
}

const superseded = ({ number, groupId }: Attempt): SwitchLost =>
  new SwitchLost(`attempt ${number} to switch group ${groupId} was superseded`);

export interface StepOptions {
  /** Profiles may enter in it. */
  enters?: boolean;
  /**
   * Whether it must be on the disk when it ends. The switch itself is, and everything before it with it, since what is
   * logged is written in order; a step that is lost without it is missed by the next one, which finds the row unlike it was
   * left. On a cluster each node has a log of its own.
   */
  durable?: boolean;
  retries?: number;
}

/** One step, one transaction: no other attempt may have begun since, and none can until it commits. */
export async function step<T>(
  db: Database,
  attempt: Attempt,
  progress: SwitchProgress,
  work: (tx: Queryable) => Promise<T>,
  { enters = false, durable = true, retries }: StepOptions = {},
): Promise<T> {
  const { stage, done, total } = progress;
  const result = await db.transaction(
    async (tx) => {
      // Sent together, done in this order.
      const [{ count }] = await Promise.all([
        tx.query(sql`
          update backfills set stage = ${stage}, prepared = ${done}, total = ${total}
          where group_id = ${attempt.groupId} and attempts = ${attempt.number}
            and stage = ${attempt.noted.stage} and prepared = ${attempt.noted.done}`),
        enters ? holdOffErasing(tx, attempt.applicationId) : undefined,
        durable || db.isDistributed === true ? undefined : tx.query(sql`set local synchronous_commit = off`),
      ]);
      if (count === 0) throw superseded(attempt);
      return work(tx);
    },
    retries === undefined ? {} : { retries },
  );
  attempt.noted = { stage, done };
  return result;
}

/**
 * Work of a step on a connection beside the step's own, which holds erasing off for both: done while that waits for it, and
 * committed before it. `begin` waits for this too. No detector looks through both connections for a deadlock, so this gives up
 * at once where it would have to wait for a row.
 */
export async function beside<T>(db: Database, attempt: Attempt, work: (tx: Queryable) => Promise<T>): Promise<T> {
  return db.transaction(
    async (tx) => {
      const [{ rows }] = await Promise.all([
        tx.query(
          sql`select from backfills where group_id = ${attempt.groupId} and attempts = ${attempt.number} for key share`,
        ),
        tx.query(sql`select set_config('lock_timeout', ${String(BESIDE_LOCK_TIMEOUT_MS)}, true)`),
        tx.query(sql`set local synchronous_commit = off`),
      ]);
      if (rows.length === 0) throw superseded(attempt);
      return work(tx);
    },
    { retries: 0 },
  );
}

const BESIDE_LOCK_TIMEOUT_MS = 50;
const LOCK_NOT_AVAILABLE = '55P03';

export const isLockNotAvailable = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === LOCK_NOT_AVAILABLE;
