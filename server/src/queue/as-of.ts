// Honest state: up to which instant the memberships of an application are right. Never ahead of the truth: what is
// swept, less whatever still waits in the queue.

import { sql, type Queryable } from '../database/database.ts';
import type { Instant } from '../instant.ts';

/** Null: nothing was ever evaluated. */
export async function readAsOf(db: Queryable, applicationId: number): Promise<Instant | null> {
  const { rows } = await db.query<{ swept: Instant | null; live: Instant | null; clock: Instant | null }>(sql`
    select
      (select swept_until from sweeps where application_id = ${applicationId}) as swept,
      (select min(queued_at) from queue where application_id = ${applicationId} and cause <> 'clock') as live,
      (select min(since) from queue where application_id = ${applicationId} and cause = 'clock') as clock`);
  const { swept = null, live = null, clock = null } = rows[0] ?? {};
  // What happened at the very instant is not seen yet; of the clock's changes those after it.
  return swept === null ? null : Math.min(swept, live === null ? swept : live - 1, clock ?? swept);
}
