// The change queue: what waits for evaluation. Written in the transaction of the change itself; deleted by the worker
// that evaluated it, exactly the rows it saw.

import { raw, sql, type Database, type Queryable, type Sql } from '../database/database.ts';
import { formatInstant, type Instant } from '../instant.ts';

/** A lease covers one bucket of profiles. */
export const BUCKETS = 64;
/** What workers share of the evaluation (database/leases.ts). */
export const EVALUATION = { prefix: '', buckets: BUCKETS };

/** Figures count no further: most is asked under a backlog, where counting all would add to it. */
export const MOST_COUNTED = 100_000;

export type QueueCause = 'activity' | 'clock' | 'profile' | 'group' | 'pin';

export interface QueueEntry {
  profileId: string;
  ordinal: number;
  applicationId: number;
  cause: QueueCause;
  /** Dependency keys, rules/depends.ts. */
  changed: string[];
  now: Instant;
}

/**
 * Queues a profile whose facts under these keys changed, unless no rule reads them. A reader that begins to read a key waits
 * for the transactions that began before (database/drain.ts), so that none of them looked too early.
 */
export async function enqueue(tx: Queryable, entry: QueueEntry): Promise<void> {
  if (entry.changed.length > 0) await tx.query(enqueueStatement(entry));
}

/** `provided`: a condition of the statement that this one stands in. */
export const enqueueStatement = (entry: QueueEntry, provided: Sql = sql`true`): Sql =>
  enqueueRows(
    entry,
    sql`select ${entry.profileId}::uuid as profile_id, ${entry.ordinal}::int as ordinal, ${entry.changed}::text[] as changed
      where exists (select from watched_keys w where w.application_id = ${entry.applicationId} and w.key = any (${entry.changed}::text[])) and ${provided}`,
  );

/**
 * The one statement that writes the queue: for each row of `profiles`, a select of (profile_id, ordinal, changed) whose keys
 * are known to be read. `since`: of clock rows, up to where the clock's part was queued before.
 */
export function enqueueRows(
  { applicationId, cause, now, since }: Pick<QueueEntry, 'applicationId' | 'cause' | 'now'> & { since?: Instant },
  profiles: Sql,
): Sql {
  return sql`
    insert into queue (profile_id, bucket, application_id, cause, changed, queued_at, since)
    select q.profile_id, q.ordinal % ${raw(String(BUCKETS))}, ${applicationId}::int, ${cause}, q.changed, ${formatInstant(now)}::timestamptz,
      ${since === undefined ? sql`null` : sql`${formatInstant(since)}::timestamptz`}
    from (${profiles}) q`;
}

/**
 * Where the queue is read from. Rows that were deleted stay in the index until a vacuum, and while a backup or a long read
 * runs each of them must be looked at again: hundreds of thousands, for the few that follow. So who reads the queue
 * again and again passes over what was seen to be gone. A row may become visible after others that were numbered later;
 * therefore only what was gone five seconds ago is passed over, and once a second nothing is.
 */
export interface QueueStart {
  /** Read what is numbered after this. */
  after(): number;
  /** The first row that was there. */
  saw(seq: number | undefined): void;
}

const SETTLED_MS = 5_000;
const WHOLE_EVERY_MS = 1_000;

export function createQueueStart(elapsed: () => number = () => performance.now()): QueueStart {
  let marks: { at: number; seq: number }[] = [];
  let wholeAt = -Infinity;
  return {
    after() {
      const now = elapsed();
      const settled = marks.findLastIndex((mark) => now - mark.at >= SETTLED_MS);
      if (settled > 0) marks = marks.slice(settled);
      if (now - wholeAt >= WHOLE_EVERY_MS) {
        wholeAt = now;
        return 0;
      }
      if (settled === -1) return 0;
      return Math.min(...marks.map((mark) => mark.seq)) - 1;
    },
    saw(seq) {
      if (seq !== undefined) marks.push({ at: elapsed(), seq });
    },
  };
}

/** What waits longest of all that time did not put there. */
export async function findOldestLive(
  db: Pick<Database, 'quick'>,
  start: QueueStart,
): Promise<{ seq: number; queuedAt: Instant } | undefined> {
  const { rows } = await db.quick<{ seq: number; queued_at: Instant }>(
    sql`select seq, queued_at from queue where cause <> 'clock' and seq > ${start.after()} order by seq limit 1`,
  );
  start.saw(rows[0]?.seq);
  const [row] = rows;
  return row && { seq: row.seq, queuedAt: row.queued_at };
}
