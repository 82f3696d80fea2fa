// How many transactions of a database wait for a lock. On a cluster most of them do so on a worker.

import { sql, type Queryable } from '../database/database.ts';

export async function countWaiting(db: Queryable): Promise<number> {
  const here = await db.query(
    sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  );
  if (db.isDistributed !== true) return here.rows.length;
  const there = await db.query<{ count: number }>(sql`
    select count(distinct w.waiting_gpid) as count from citus_lock_waits w
    join citus_stat_activity s on s.global_pid = w.waiting_gpid where s.datname = current_database()`);
  return here.rows.length + (there.rows[0]?.count ?? 0);
}

/** Until so many wait. */
export async function untilWaiting(db: Queryable, count: number): Promise<void> {
  while ((await countWaiting(db)) < count);
}
