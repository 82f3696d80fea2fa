// What the database tells: whether it keeps what it acknowledges, sorts as it did, agrees on the time, and has room.

import { readDatabaseTime } from '../clock.ts';
import type { Config } from '../config.ts';
import { hostOf } from '../database/address.ts';
import { sql, type Queryable } from '../database/database.ts';
import { findIf, type Finding } from './finding.ts';
import { isLoopback } from './settings.ts';

/** Of our own process: its pool, long reads, pipelines and the rest. */
const BESIDE_POOL = 23;
const CLOCK_SECONDS = 2;
const OLD_AGE = 1_000_000_000;

export interface About {
  version: string;
  encoding: string;
  fsync: string;
  full_page_writes: string;
  synchronous_commit: string;
  autovacuum: string;
  connections: number;
  prepared: number;
  is_cluster: boolean;
  collation: string | null;
  collation_now: string | null;
  is_superuser: boolean;
  age: number;
  /** Null where the connection leads through a pooler or a socket. */
  is_encrypted: boolean | null;
  invalid_indexes: string[];
}

export interface Asked {
  isPooled: boolean;
  /** Where DATABASE_URL leads; undefined for the embedded database. */
  host: string | undefined;
  poolSize: number;
}

export async function checkDatabase(
  db: Queryable,
  { databaseUrl, databasePoolSize: poolSize }: Pick<Config, 'databaseUrl' | 'databasePoolSize'>,
  isPooled: boolean,
): Promise<Finding[]> {
  const { rows } = await db.query<About>(ABOUT);
  const before = Date.now();
  const time = await readDatabaseTime(db);
  const middle = (before + Date.now()) / 2;
  const [about] = rows;
  if (!about || time === undefined) return [];
  return [
    ...judgeDurability(about),
    ...judgeConnection(about, {
      isPooled,
      host: databaseUrl === undefined ? undefined : hostOf(databaseUrl),
      poolSize,
    }),
    ...judgeClock(time / 1000 - middle),
    ...judgeCare(about),
    ...judgeCluster(about),
  ];
}

const ABOUT = sql`
  select current_setting('server_version') as version, current_setting('server_encoding') as encoding, current_setting('fsync') as fsync,
    current_setting('full_page_writes') as full_page_writes, current_setting('synchronous_commit') as synchronous_commit,
    current_setting('autovacuum') as autovacuum, current_setting('max_connections')::int as connections,
    current_setting('max_prepared_transactions')::int as prepared, exists (select from pg_extension where extname = 'citus') as is_cluster,
    d.datcollversion as collation, pg_database_collation_actual_version(d.oid) as collation_now,
    coalesce((select r.rolsuper from pg_roles r where r.rolname = current_user), false) as is_superuser, age(d.datfrozenxid) as age,
    (select s.ssl from pg_stat_ssl s where s.pid = pg_backend_pid()) as is_encrypted,
    array(select i.indexrelid::regclass::text from pg_index i join pg_class c on c.oid = i.indrelid
      where not i.indisvalid and c.relnamespace = current_schema()::regnamespace limit 10) as invalid_indexes
  from pg_database d where d.datname = current_database()`;

export function judgeDurability(about: About): Finding[] {
  const off = (['fsync', 'full_page_writes', 'synchronous_commit'] as const).filter((name) => about[name] === 'off');
  return [
    ...findIf(off.length > 0, {
      check: 'durability',
      level: 'error',
      what: `The database runs with ${off.map((name) => `${name} = off`).join(', ')}.`,
      why: 'What the server acknowledged can be lost, and the database damaged, when the machine loses power.',
      action: 'Turn it on in postgresql.conf, or with alter system, and reload.',
    }),
    ...findIf(about.autovacuum === 'off', {
      check: 'autovacuum',
      level: 'error',
      what: 'The database runs with autovacuum = off.',
      why: 'Tables grow without end, statements slow down, and in the end the database takes no writes.',
      action: 'Turn autovacuum on.',
    }),
  ];
}

export function judgeConnection(about: About, { isPooled, host, poolSize }: Asked): Finding[] {
  const isRemote = host !== undefined && !host.startsWith('/') && !isLoopback(host);
  const needed = poolSize + BESIDE_POOL;
  return [
    ...findIf(isRemote && !isPooled && about.is_encrypted === false, {
      check: 'database-tls',
      level: 'warning',
      what: `The connection to the database on ${host ?? ''} is not encrypted.`,
      why: 'All that is stored about fans passes over the network in the clear.',
      action:
        'Add ?sslmode=verify-full&sslrootcert=/path/to/ca.pem to DATABASE_URL, unless the network between them is yours alone.',
    }),
    ...findIf(isPooled, {
      check: 'pooler',
      level: 'note',
      what: 'A pooler stands between the server and the database.',
      why: 'Statements are planned each time, which costs the database processor time.',
      action: 'Where you have the choice, give the address of the database itself.',
    }),
    ...findIf(!isPooled && needed > about.connections, {
      check: 'connections',
      level: 'warning',
      what: `One process uses up to ${needed} connections; the database takes ${about.connections}.`,
      why: 'Requests wait for connections and get 503, and nobody else can connect.',
      action: 'Raise max_connections, or lower DATABASE_POOL_SIZE.',
    }),
    ...findIf(about.is_superuser && host !== undefined, {
      check: 'superuser',
      level: 'note',
      what: 'The role in DATABASE_URL is a superuser.',
      why: 'Who takes the server over has the whole database server with it; the server needs no more than to make tables.',
      action: 'Make a role without rights, and: grant create, usage on schema public to it.',
    }),
  ];
}

export function judgeClock(aheadMs: number): Finding[] {
  const seconds = Math.abs(aheadMs) / 1000;
  return findIf(seconds > CLOCK_SECONDS, {
    check: 'clock',
    level: 'warning',
    what: `The clock of the database is ${seconds.toFixed(1)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this machine’s.`,
    why: 'The server goes by the database’s clock. Tokens that your own servers sign are refused when they seem to come from the future, and logs do not match.',
    action: 'Have both machines follow a time server (timedatectl set-ntp true).',
  });
}

export function judgeCare(about: About): Finding[] {
  return [
    ...findIf(about.encoding !== 'UTF8', {
      check: 'encoding',
      level: 'error',
      what: `The encoding of the database is ${about.encoding}.`,
      why: 'Nicknames and values that it cannot hold are refused.',
      action: "Make a new database with encoding 'UTF8' and move the data there.",
    }),
    ...findIf(about.collation !== null && about.collation_now !== null && about.collation !== about.collation_now, {
      check: 'collation',
      level: 'error',
      what: `The rules of order changed under the database: it was made with version ${about.collation ?? ''}, the system now has ${about.collation_now ?? ''}.`,
      why: 'Indexes over text may be wrong: a custom id is not found, or stands twice.',
      action: 'reindex database; then alter database … refresh collation version.',
    }),
    ...findIf(about.age > OLD_AGE, {
      check: 'transaction-ids',
      level: about.age > 1.8 * OLD_AGE ? 'error' : 'warning',
      what: `The oldest transaction id is ${Math.round(about.age / 1e6)} million transactions old; at 2,100 million the database takes no writes.`,
      why: 'Vacuum does not get through: a transaction that stays open, a replication slot that nobody reads, or autovacuum too slow.',
      action: 'Look at pg_stat_activity for the oldest xact_start, at pg_replication_slots, and run vacuum.',
    }),
    ...findIf(about.invalid_indexes.length > 0, {
      check: 'indexes',
      level: 'warning',
      what: `Indexes that were not finished: ${about.invalid_indexes.join(', ')}.`,
      why: 'They cost writes and help no read; what they were made for is slow.',
      action: 'reindex index concurrently, each.',
    }),
  ];
}

/** Settings without which a Citus cluster fails later. */
export function judgeCluster({ is_cluster: isCluster, prepared, connections }: About): Finding[] {
  return findIf(isCluster && prepared < connections, {
    check: 'citus',
    level: 'error',
    what: `max_prepared_transactions is ${prepared}, less than max_connections (${connections}).`,
    why: 'Every transaction that changes rows on several nodes prepares on each; when there is no place left, it fails.',
    action: 'Set max_prepared_transactions to max_connections or more, on every node.',
  });
}
