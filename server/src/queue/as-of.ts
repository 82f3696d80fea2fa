// Honest state: up to which instant the memberships of an application are right. Never ahead of the truth: what is
// swept, less whatever still waits in the queue.

import { sql, type Queryable } from '../database/database.ts';
import type { Instant } from '../instant.ts';

/** Null: nothing was ever evaluated. */
export async function readAsOf(db: Queryable, applicationId: number): Promise<Instant | null> {
  const { rows } = await db.query<{ swept: Instant | null; waiting: Instant | null }>(sql`
    select
      (select swept_until from sweeps where application_id = ${applicationId}) as swept,
      (select min(case when cause = 'clock' then since else queued_at - interval '1 microsecond' end)
       from queue where application_id = ${applicationId}) as waiting`);
  const { swept = null, waiting = null } = rows[0] ?? {};
  return swept === null ? null : Math.min(swept, waiting ?? swept);
}
