// Whoever begins to read a key lets everybody finish who began before: a transaction that looked at watched_keys, at the
// definitions or at a head too early is over before the snapshot is taken from which a fill starts.

import { setTimeout as sleep } from 'node:timers/promises';
import { sql, type Database } from '../database/database.ts';
import type { Instant } from '../instant.ts';

const POLL_MS = 10;
/** Connections that only read snapshots call themselves this, so that nobody waits for them. */
export const READER_NAME = 'grandstand-reader';

/** Waits until no transaction of ours that began before this call is running. */
export async function drain(db: Database): Promise<void> {
  const { rows } = await db.query<{ now: Instant }>(sql`select clock_timestamp() as now`);
  const since = new Date(Math.floor((rows[0]?.now ?? 0) / 1000) + 1).toISOString();
  for (;;) {
    const { rows: running } = await db.query(sql`
      select from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and starts_with(application_name, 'grandstand')
        and application_name <> ${READER_NAME} and state <> 'idle' and xact_start <= ${since}::timestamptz limit 1`);
    if (running.length === 0) return;
    await sleep(POLL_MS);
  }
}
