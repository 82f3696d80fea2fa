// Numbered SQL files, forward only. Each is applied once, under one lock, and its checksum is kept: a file that changed
// after it was applied, or a schema newer than this binary, stops the start. A file is one transaction that gives up soon
// where others hold its tables, lets them pass, and tries again; or, where it says so, statements by themselves.

import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { distribute } from './distribute.ts';
import { MigrationError, connectFirst, examine, type Examined } from './examine.ts';
import { DEADLOCK_DETECTED } from './faults.ts';
import { readMigrations, readSquashes, statementsApart, type Migration, type Squash } from './migration-files.ts';
import { takeMigrationLock, type MigrationLock } from './migration-lock.ts';
import { listApplied, planMigrations, type MigrationPlan } from './migration-plan.ts';

export { MigrationError };

export interface Migrated extends Examined {
  /** The names of the files that were applied. */
  applied: string[];
  /** Whether the database is a Citus cluster. */
  isDistributed: boolean;
}

export interface MigrateOptions {
  /** Default: those of server/migrations. */
  migrations?: Migration[];
  squashes?: Squash[];
  /** How long a statement may wait for a lock: everybody else waits behind it. */
  lockTimeoutMs?: number;
  /** How long a migration is tried again. */
  patienceMs?: number;
  /** It waits for others and will be tried again. */
  onWait?: (message: string) => void;
}

interface Run {
  client: pg.Client;
  lock: MigrationLock;
  lockTimeoutMs: number;
  patienceMs: number;
  onWait: (message: string) => void;
}

/** Shown in pg_stat_activity. */
const NAME = 'grandstand migrate';

/** Brings the schema up to this binary's. */
export async function migrate(url: string, options: MigrateOptions = {}): Promise<Migrated> {
  const known = options.migrations ?? (await readMigrations());
  const squashes = options.squashes ?? (options.migrations ? [] : await readSquashes());
  const client = await connectFirst(url, NAME);
  let locking: pg.Client | undefined;
  try {
    const { isPooled } = await examine(client);
    locking = await connectFirst(url, NAME);
    const lock = await takeMigrationLock(locking);
    const { lockTimeoutMs = 2_000, patienceMs = 300_000, onWait = () => {} } = options;
    const run: Run = { client, lock, lockTimeoutMs, patienceMs, onWait };
    await makeTable(client);
    const { adopts, pending } = planMigrations(known, squashes, await listApplied(client));
    for (const each of adopts) await adopt(client, each);
    for (const migration of pending) await apply(run, migration);
    const isDistributed = await distribute(client);
    await lock.release();
    return { applied: pending.map((migration) => migration.name), isDistributed, isPooled };
  } finally {
    await Promise.all([client.end(), locking?.end()]);
  }
}

async function makeTable(client: pg.Client): Promise<void> {
  await client
    .query(
      `create table if not exists migrations (
      number integer primary key, name text not null, checksum text not null, applied_at timestamptz not null default now())`,
    )
    .catch((error: unknown) => Promise.reject(explainRights(error)));
}

const INSUFFICIENT_PRIVILEGE = '42501';

function explainRights(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError) || error.code !== INSUFFICIENT_PRIVILEGE) return error;
  return new MigrationError(
    `DATABASE_URL: its role may not create tables here (${error.message}). As the owner: grant create, usage on schema public to that role, or make it the database's owner.`,
    { cause: error },
  );
}

async function adopt(client: pg.Client, { whole, replaces }: MigrationPlan['adopts'][number]): Promise<void> {
  await client.query('begin');
  await client.query('delete from migrations where number = any ($1::int[])', [replaces.map((file) => file.number)]);
  await record(client, whole);
  await client.query('commit');
}

async function record(client: pg.Client, { number, name, checksum }: Migration): Promise<void> {
  await client.query('insert into migrations (number, name, checksum) values ($1, $2, $3)', [number, name, checksum]);
}

const LOCK_NOT_AVAILABLE = '55P03';
const LONGEST_PAUSE_MS = 5_000;

async function apply(run: Run, migration: Migration): Promise<void> {
  const statements = statementsApart(migration);
  const startedAt = performance.now();
  for (let attempt = 1; ; attempt++) {
    await run.lock.check();
    const blockers: string[] = [];
    try {
      if (statements) await applyApart(run, migration, statements);
      else await applyInTransaction(run, migration, blockers);
      return;
    } catch (error) {
      await run.client.query('rollback').catch(() => {});
      const isBusy =
        error instanceof pg.DatabaseError && (error.code === LOCK_NOT_AVAILABLE || error.code === DEADLOCK_DETECTED);
      const what = error instanceof Error ? error.message : String(error);
      if (!isBusy) throw new MigrationError(`migration ${migration.name} failed: ${what}`, { cause: error });
      const behind = blockers.length > 0 ? `: ${blockers.join(', ')}` : '';
      if (performance.now() - startedAt > run.patienceMs) {
        throw new MigrationError(
          `migration ${migration.name} did not get its locks in ${attempt} attempts (${what}). Others hold its tables${behind}. ` +
            'Nothing was changed; end what holds them, then start again.',
          { cause: error },
        );
      }
      run.onWait(`migration ${migration.name} waits for others that hold its tables${behind}`);
      await wait(Math.min(LONGEST_PAUSE_MS, 100 * 2 ** attempt) * (0.5 + Math.random() / 2));
    }
  }
}

async function applyInTransaction(run: Run, migration: Migration, blockers: string[]): Promise<void> {
  const { client, lock, lockTimeoutMs } = run;
  await client.query(`begin; set local lock_timeout = ${lockTimeoutMs}; set local statement_timeout = 0`);
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  const pid = rows[0]?.pid ?? 0;
  let looking: Promise<unknown> | undefined;
  // Each look is of the locks that are waited for at that moment; the last one before the time is up tells who was in the way.
  const timer = setInterval(() => {
    // One at a time: a look may take longer than the pause between them, and its connection answers one question at once.
    looking ??= lock
      .findBlockers(pid)
      .then(
        (found) => found.length > 0 && blockers.splice(0, Infinity, ...found),
        () => {},
      )
      .finally(() => (looking = undefined));
  }, lockTimeoutMs / 4);
  try {
    await client.query(migration.text);
    await record(client, migration);
    await client.query('commit');
  } finally {
    clearInterval(timer);
    await looking;
  }
}

/** What a statement by itself leaves behind when it is cut off is an invalid index; it goes before the next try. */
async function applyApart({ client }: Run, migration: Migration, statements: string[]): Promise<void> {
  for (const statement of statements) {
    const index = /^create (?:unique )?index concurrently (?:if not exists )?(\w+)/i.exec(statement)?.[1];
    if (index !== undefined) {
      const { rows } = await client.query(
        'select from pg_index i where i.indexrelid = to_regclass($1) and not i.indisvalid',
        [index],
      );
      if (rows.length > 0) await client.query(`drop index concurrently ${client.escapeIdentifier(index)}`);
    }
    await client.query(statement);
  }
  await record(client, migration);
}
