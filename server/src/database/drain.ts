// Waiting for writers. A reader that begins to read something that writers look up (a watched key, a fact) commits that first
// and then drains: every transaction that may have looked before is over when it returns, and what it wrote is visible.

import { setTimeout as wait } from 'node:timers/promises';
import { Unavailable } from '../errors.ts';
import { sql, type Database } from './database.ts';

/** Of pg_stat_activity s: a transaction of ours that may write. The names are those of database.ts and backup.ts. */
export const RUNNING_WRITER = sql`s.datname = current_database() and s.application_name like 'grandstand%'
  and s.application_name !~ ' (reads|backup)$' and s.xact_start is not null and s.pid <> pg_backend_pid()`;

const POLL_MS = 2;
const LONGEST_MS = 120_000;

/**
 * Returns once every transaction of ours that runs at the time of the call has ended. A transaction shows in
 * pg_stat_activity before it takes its first snapshot, so one that does not show yet sees all that was committed before
 * the call.
 */
export async function drain(db: Database): Promise<void> {
  const { rows } = await db.query<{ pid: number; xact_start: number }>(sql`
    select s.pid, s.xact_start from pg_stat_activity s where ${RUNNING_WRITER}`);
  let running = rows;
  for (let waited = 0; running.length > 0; waited += POLL_MS) {
    if (waited >= LONGEST_MS) throw new Unavailable(`a transaction (pid ${running[0]?.pid}) does not end`);
    await wait(POLL_MS);
    ({ rows: running } = await db.query<{ pid: number; xact_start: number }>(sql`
      select s.pid, s.xact_start from pg_stat_activity s
      join jsonb_to_recordset(${JSON.stringify(running)}::jsonb) as r (pid int, xact_start bigint)
        on s.pid = r.pid and (extract(epoch from s.xact_start) * 1000000)::bigint = r.xact_start
      where s.xact_start is not null`));
  }
}
