// One replacement of members at a time and group: an advisory lock, held by a transaction of its own, so that it ends with
// the process that holds it, however that ends. Not by a session: behind a pooler that would be another client's next.

import type pg from 'pg';
import { sql, type Database, type Queryable } from '../database/database.ts';

/** Apart from the advisory locks of migrations and others. */
const SPACE = 0x67726f75;

const keyOf = (groupId: string): number => Buffer.from(groupId.replace(/-/g, '').slice(-8), 'hex').readInt32BE(0);

/** Runs the work if the group's lock is free; undefined where it is held. */
export async function tryWithLock<T>(
  db: Database,
  groupId: string,
  work: () => Promise<T>,
): Promise<{ result: T } | undefined> {
  return db.withClient(async (client: pg.PoolClient) => {
    await client.query('set local idle_in_transaction_session_timeout = 0'); // a large body takes its time
    const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_xact_lock($1, $2) as locked', [
      SPACE,
      keyOf(groupId),
    ]);
    return rows[0]?.locked === true ? { result: await work() } : undefined;
  });
}

export async function isLocked(db: Queryable, groupId: string): Promise<boolean> {
  const { rows } = await db.query(sql`
    select from pg_locks where locktype = 'advisory' and classid = ${SPACE} and objid = (${keyOf(groupId)}::bigint & 4294967295)::oid
      and database = (select oid from pg_database where datname = current_database()) and granted`);
  return rows.length > 0;
}
