// Numbered SQL files, forward only. Each is applied once, in its own transaction, under one advisory lock, and its
// checksum is kept: a file that changed after it was applied, or a schema newer than this binary, stops the start.

import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import pg from 'pg';
import { distribute } from './distribute.ts';

const MIGRATIONS = new URL('../../migrations/', import.meta.url);
const OLDEST_VERSION = 150_000;
const LOCK = 7070_0001; // any constant of ours; the same for every server on this database

export interface Migration {
  number: number;
  name: string;
  text: string;
  checksum: string;
}

export class MigrationError extends Error {}

export async function readMigrations(): Promise<Migration[]> {
  const files = (await readdir(MIGRATIONS)).filter((name) => /^\d{4}-.+\.sql$/.test(name)).sort();
  return Promise.all(
    files.map(async (name) => {
      const text = await readFile(new URL(name, MIGRATIONS), 'utf8');
      return {
        number: Number(name.slice(0, 4)),
        name,
        text,
        checksum: createHash('sha256').update(text).digest('hex'),
      };
    }),
  );
}

export interface Migrated {
  /** The names of the files that were applied. */
  applied: string[];
  /** Whether the database is a Citus cluster. */
  isDistributed: boolean;
}

/** Brings the schema up to this binary's. */
export async function migrate(url: string, migrations?: Migration[]): Promise<Migrated> {
  const known = migrations ?? (await readMigrations());
  const client = await connect(url);
  try {
    await requireVersion(client);
    await client.query('select pg_advisory_lock($1)', [LOCK]);
    await client.query(`create table if not exists migrations (
      number integer primary key, name text not null, checksum text not null, applied_at timestamptz not null default now())`);
    const { rows } = await client.query<{ number: number; name: string; checksum: string }>(
      'select number, name, checksum from migrations order by number',
    );
    check(known, rows);
    const applied = new Set(rows.map((row) => row.number));
    const fresh = known.filter((migration) => !applied.has(migration.number));
    for (const migration of fresh) await apply(client, migration);
    const isDistributed = await distribute(client);
    return { applied: fresh.map((migration) => migration.name), isDistributed };
  } finally {
    await client.end();
  }
}

/** The first connection of a start: what is wrong with the address shows here. */
async function connect(url: string): Promise<pg.Client> {
  try {
    const client = new pg.Client({ connectionString: url, application_name: 'grandstand migrate' });
    await client.connect();
    return client;
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    throw new MigrationError(`The database cannot be reached: ${what}. Check DATABASE_URL.`, { cause: error });
  }
}

async function requireVersion(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ number: string; name: string }>(
    `select current_setting('server_version_num') as number, current_setting('server_version') as name`,
  );
  if (Number(rows[0]?.number) < OLDEST_VERSION)
    throw new MigrationError(`DATABASE_URL: PostgreSQL 15 or newer is needed; this is ${rows[0]?.name ?? ''}.`);
}

function check(known: Migration[], applied: { number: number; name: string; checksum: string }[]): void {
  const byNumber = new Map(known.map((migration) => [migration.number, migration]));
  for (const row of applied) {
    const migration = byNumber.get(row.number);
    if (!migration) {
      throw new MigrationError(
        `the database is newer than this program: it has migration ${row.name}, which this version does not know. ` +
          'Start the version that wrote it, or a later one.',
      );
    }
    if (migration.checksum !== row.checksum) {
      throw new MigrationError(
        `migration ${row.name} differs from the one that was applied to this database. ` +
          'Migrations are never edited; restore the file, or start the version that applied it.',
      );
    }
  }
}

async function apply(client: pg.Client, migration: Migration): Promise<void> {
  await client.query('begin');
  try {
    await client.query(migration.text);
    await client.query('insert into migrations (number, name, checksum) values ($1, $2, $3)', [
      migration.number,
      migration.name,
      migration.checksum,
    ]);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw new MigrationError(
      `migration ${migration.name} failed: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    );
  }
}
