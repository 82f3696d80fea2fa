// `grandstand doctor`: everything that a running server looks at, and what only somebody outside of it can see. It changes
// nothing: no migration is applied, no folder made.

import pg from 'pg';
import { existsSync } from 'node:fs';
import type { Config } from '../config.ts';
import { forDriver } from '../database/address.ts';
import { sql, type Queryable } from '../database/database.ts';
import { MigrationError, connectFirst, examine } from '../database/examine.ts';
import { readConnection } from '../database/embedded-place.ts';
import { readMigrations, readSquashes } from '../database/migration-files.ts';
import { checkDatabase } from './database.ts';
import { findIf, sortFindings, type Finding } from './finding.ts';
import { checkMachine } from './machine.ts';
import { checkSettings } from './settings.ts';
import { hostOf } from './watch.ts';

const FETCH_MS = 10_000;

export async function examineInstallation(config: Config): Promise<Finding[]> {
  const found = await Promise.all([checkMachine(config), checkPublicUrl(config), lookIntoDatabase(config)]);
  return sortFindings([...checkSettings(config), ...found.flat()]);
}

/** From here, which is not from everywhere, but a wrong name or port shows. */
export async function checkPublicUrl({ publicUrl }: Pick<Config, 'publicUrl'>): Promise<Finding[]> {
  if (publicUrl === undefined) return [];
  const problem = await fetch(`${publicUrl}/healthz`, {
    signal: AbortSignal.timeout(FETCH_MS),
    redirect: 'manual',
  }).then(
    async (answer) => {
      const text = await answer.text();
      return answer.status === 200 && text.includes('"ok"')
        ? undefined
        : `it answers ${answer.status}, not as this server does`;
    },
    (error: Error) => (error.cause instanceof Error ? error.cause.message : error.message),
  );
  return findIf(problem !== undefined, {
    check: 'public-url-reach',
    level: 'warning',
    what: `PUBLIC_URL (${publicUrl}) cannot be reached from here: ${problem ?? ''}.`,
    why: 'Links in answers, the console’s invitations and `next` of lists lead there.',
    action:
      'Start the server, check name, proxy and certificate. Where this machine alone cannot reach it, all is well.',
  });
}

async function lookIntoDatabase(config: Config): Promise<Finding[]> {
  const url = config.databaseUrl ?? readConnection(config.dataDir)?.url;
  if (config.databaseUrl === undefined && (url === undefined || !existsSync(config.dataDir))) return [NOT_RUNNING];
  let client: pg.Client;
  try {
    client = await connectFirst(forDriver(url ?? ''));
  } catch (error) {
    // The embedded database is there only while its server is.
    return config.databaseUrl === undefined ? [NOT_RUNNING] : [unusable(error)];
  }
  try {
    const { isPooled } = await examine(client);
    const asked = { isPooled, host: hostOf(config), poolSize: config.databasePoolSize, now: Date.now };
    const db = queryableOn(client);
    return [...(await checkDatabase(db, asked)), ...(await checkMigrations(db)), ...(await checkCluster(db))];
  } catch (error) {
    return [unusable(error)];
  } finally {
    await client.end();
  }
}

const NOT_RUNNING: Finding = {
  check: 'embedded',
  level: 'note',
  what: 'The embedded database does not run, so nothing was asked of it.',
  why: 'It runs as long as the server does.',
  action: 'Run grandstand doctor again beside the running server, with the same DATA_DIR.',
};

const unusable = (error: unknown): Finding => ({
  check: 'database',
  level: 'error',
  what: error instanceof Error ? error.message : String(error),
  why: 'Without its database the server does not start, and answers 503.',
  action:
    error instanceof MigrationError ? 'Do as the message says.' : 'Check DATABASE_URL and the log of the database.',
});

const queryableOn = (client: pg.Client): Queryable => ({
  async query<Row>(statement: { text: string; values: unknown[] }) {
    const { rows, rowCount } = await client.query({ text: statement.text, values: statement.values });
    return { rows: rows as Row[], count: rowCount ?? 0 }; // the statement says what they are
  },
});

async function checkMigrations(db: Queryable): Promise<Finding[]> {
  const known = await readMigrations();
  const squashed = (await readSquashes()).flatMap(({ replaces }) => replaces.map(({ number }) => number));
  const { rows } = await db.query<{ there: boolean }>(sql`select to_regclass('migrations') is not null as there`);
  const applied = rows[0]?.there
    ? (await db.query<{ number: number; name: string }>(sql`select number, name from migrations order by number`)).rows
    : [];
  const has = new Set(applied.map(({ number }) => number));
  const pending = known.filter(({ number }) => !has.has(number)).map(({ name }) => name);
  const newer = applied.filter(
    ({ number }) => !squashed.includes(number) && !known.some((each) => each.number === number),
  );
  return [
    ...findIf(pending.length > 0 && newer.length === 0, {
      check: 'migrations',
      level: applied.length === 0 ? 'note' : 'warning',
      what: applied.length === 0 ? 'The database has no tables yet.' : `Not applied yet: ${pending.join(', ')}.`,
      why: 'The next start applies them; while it does, other starts wait.',
      action: 'Run grandstand migrate beforehand to choose the moment, after a backup.',
    }),
    ...findIf(newer.length > 0, {
      check: 'newer',
      level: 'error',
      what: `The database is newer than this program: it has ${newer.map(({ name }) => name).join(', ')}.`,
      why: 'This version does not start on it.',
      action: 'Start the version that wrote it, or a later one; to go back, restore the backup that was made before.',
    }),
  ];
}

/** Settings without which a Citus cluster fails later. */
async function checkCluster(db: Queryable): Promise<Finding[]> {
  const { rows } = await db.query<{ is_cluster: boolean; prepared: number; connections: number }>(sql`
    select exists (select from pg_extension e where e.extname = 'citus') as is_cluster,
      current_setting('max_prepared_transactions')::int as prepared, current_setting('max_connections')::int as connections`);
  const [about] = rows;
  return findIf(about?.is_cluster === true && about.prepared < about.connections, {
    check: 'citus',
    level: 'error',
    what: `max_prepared_transactions is ${about?.prepared ?? 0}, less than max_connections (${about?.connections ?? 0}).`,
    why: 'Every transaction that changes rows on several nodes prepares on each; when there is no place left, it fails.',
    action: 'Set max_prepared_transactions to max_connections or more, on every node.',
  });
}
