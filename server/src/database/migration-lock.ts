// One process at a time migrates. The lock is held by a transaction of a connection of its own: it ends with the process,
// works behind poolers, and is no snapshot that an index built `concurrently` would wait for. For the same reason whoever
// wants it asks again and again instead of waiting in a statement.

import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';

const LOCK = 7070_0001; // any constant of ours; the same for every server on this database
const ASK_AGAIN_MS = 100;

export interface MigrationLock {
  /** Fails where the lock was lost with its connection. */
  check(): Promise<void>;
  /** What keeps this backend waiting now. */
  findBlockers(pid: number): Promise<string[]>;
  release(): Promise<void>;
}

export async function takeMigrationLock(client: pg.Client): Promise<MigrationLock> {
  for (;;) {
    await client.query('begin; set local idle_in_transaction_session_timeout = 0');
    const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_xact_lock($1) as taken', [LOCK]);
    if (rows[0]?.taken === true) break;
    await client.query('rollback');
    await wait(ASK_AGAIN_MS);
  }
  return {
    async check() {
      await client.query('select 1');
    },
    async findBlockers(pid) {
      const { rows } = await client.query<{ what: string }>(
        `select format('pid %s (%s, %s for %s s)', pid, application_name, state, round(extract(epoch from clock_timestamp() - xact_start))) as what
         from pg_stat_activity where pid = any (pg_blocking_pids($1)) limit 5`,
        [pid],
      );
      return rows.map((row) => row.what);
    },
    async release() {
      await client.query('commit');
    },
  };
}
