// The change queue: what waits for evaluation. Written in the transaction of the change itself; deleted by the worker
// that evaluated it, exactly the rows it saw.

import { sql, type Database, type Queryable, type Sql } from '../database/database.ts';
import { formatInstant, type Instant } from '../instant.ts';

/** A lease covers one bucket of profiles. */
export const BUCKETS = 64;

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
 * Queues a profile whose facts under these keys changed, unless no rule reads them. Whoever begins to read a key waits
 * for the transactions that began before (database/drain.ts), so that none of them looked too early.
 */
export async function enqueue(tx: Queryable, entry: QueueEntry): Promise<void> {
  if (entry.changed.length > 0) await tx.query(enqueueStatement(entry));
}

export const enqueueStatement = (entry: QueueEntry): Sql => sql`
    insert into queue (profile_id, bucket, application_id, cause, changed, queued_at)
    select ${entry.profileId}, ${entry.ordinal % BUCKETS}, ${entry.applicationId}, ${entry.cause}, ${entry.changed}, ${formatInstant(entry.now)}
    where exists (select from watched_keys w where w.application_id = ${entry.applicationId} and w.key = any (${entry.changed}::text[]))`;

/** What waits longest of all that time did not put there. */
export async function findOldestLive(
  db: Pick<Database, 'quick'>,
): Promise<{ seq: number; queuedAt: Instant } | undefined> {
  const { rows } = await db.quick<{ seq: number; queued_at: Instant }>(
    sql`select seq, queued_at from queue where cause <> 'clock' order by seq limit 1`,
  );
  const [row] = rows;
  return row && { seq: row.seq, queuedAt: row.queued_at };
}
