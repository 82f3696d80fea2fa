// The first look at a database: whether it is one that we can work on, and what stands between it and us.

import pg from 'pg';
import { forDriver } from './address.ts';

export class MigrationError extends Error {}

export interface Examined {
  /** Something between us and the database hands each transaction a connection of its choice. */
  isPooled: boolean;
}

const OLDEST_VERSION = 150_000;

/** A connection by itself: what is wrong with the address shows here. `name` is seen in pg_stat_activity. */
export async function connectFirst(url: string, name: string): Promise<pg.Client> {
  try {
    const client = new pg.Client({ connectionString: forDriver(url), application_name: name });
    client.on('error', () => {}); // its user hears of it
    await client.connect();
    return client;
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    throw new MigrationError(`The database cannot be reached: ${what}. ${adviceFor(what)}`, { cause: error });
  }
}

function adviceFor(what: string): string {
  if (/no encryption|SSL off/i.test(what))
    return 'It wants an encrypted connection: add ?sslmode=require to DATABASE_URL.';
  if (/certificate|altname/i.test(what))
    return 'Name the authority in DATABASE_URL by sslrootcert=/path/to/ca.pem, or check nothing by sslmode=require alone.';
  if (/does not support SSL/i.test(what)) return 'Take sslmode out of DATABASE_URL, or say sslmode=disable.';
  return 'Check DATABASE_URL.';
}

export async function examine(client: pg.Client): Promise<Examined> {
  const { rows } = await client.query<{
    number: string;
    name: string;
    standby: boolean;
    read_only: string;
    pid: number;
  }>(
    `select current_setting('server_version_num') as number, current_setting('server_version') as name, pg_backend_pid() as pid,
       pg_is_in_recovery() as standby, current_setting('default_transaction_read_only') as read_only`,
  );
  const [found] = rows;
  if (Number(found?.number) < OLDEST_VERSION)
    throw new MigrationError(`DATABASE_URL: PostgreSQL 15 or newer is needed; this is ${found?.name ?? ''}.`);
  if (found?.standby === true)
    throw new MigrationError(
      'DATABASE_URL: this server is a standby, which takes no writes. Give the address of the primary, or the one that follows it.',
    );
  if (found?.read_only === 'on')
    throw new MigrationError(
      'DATABASE_URL: this database takes no writes (default_transaction_read_only is on). Hosts do that when its disk is full; make room, or give the address of the primary.',
    );
  // The backend tells its number when a connection starts. A pooler starts connections without one and tells its own.
  const isPooled = found?.pid !== (client as unknown as { processID: number | null }).processID; // pg does not type it
  if (isPooled) await requireTransactions(client);
  return { isPooled };
}

async function requireTransactions(client: pg.Client): Promise<void> {
  try {
    await client.query('begin');
    await client.query('select 1');
    await client.query('commit');
  } catch (error) {
    throw new MigrationError(
      `DATABASE_URL: this pooler takes no transactions (${error instanceof Error ? error.message : String(error)}). ` +
        'Set its pool_mode to transaction or session, or give the address of the database itself.',
      { cause: error },
    );
  }
}
