// `grandstand doctor`: everything that a running server looks at, and what only somebody outside of it can see. It changes
// nothing: no migration is applied, no folder made.

import type pg from 'pg';
import type { Config } from '../config.ts';
import { onClient } from '../database/client.ts';
import { MigrationError, connectFirst, examine } from '../database/examine.ts';
import { readConnection } from '../database/embedded-place.ts';
import { readMigrations, readSquashes } from '../database/migration-files.ts';
import { listApplied, planMigrations } from '../database/migration-plan.ts';
import { systemClock } from '../clock.ts';
import { checkBackups } from './backups.ts';
import { checkDatabase } from './database.ts';
import { findIf, sortFindings, type Finding } from './finding.ts';
import { checkMachine } from './machine.ts';
import { checkSettings } from './settings.ts';

const FETCH_MS = 10_000;

export async function examineInstallation(config: Config): Promise<Finding[]> {
  const found = await Promise.all([
    checkMachine(config),
    checkPublicUrl(config),
    lookIntoDatabase(config),
    checkBackups(config, systemClock().now()),
  ]);
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
  if (url === undefined) return [NOT_RUNNING];
  let client: pg.Client;
  try {
    client = await connectFirst(url, 'grandstand doctor');
  } catch (error) {
    // The embedded database is there only while its server is.
    return config.databaseUrl === undefined ? [NOT_RUNNING] : [unusable(error)];
  }
  try {
    const { isPooled } = await examine(client);
    return [...(await checkDatabase(onClient(client), config, isPooled)), ...(await checkMigrations(client))];
  } catch (error) {
    return [unusable(error)];
  } finally {
    await client.end().catch(() => {}); // it said already what is wrong
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

async function checkMigrations(client: pg.Client): Promise<Finding[]> {
  const applied = await listApplied(client);
  try {
    const { pending } = planMigrations(await readMigrations(), await readSquashes(), applied);
    return findIf(pending.length > 0, {
      check: 'migrations',
      level: applied.length === 0 ? 'note' : 'warning',
      what:
        applied.length === 0
          ? 'The database has no tables yet.'
          : `Not applied yet: ${pending.map(({ name }) => name).join(', ')}.`,
      why: 'The next start applies them; while it does, other starts wait.',
      action: 'Run grandstand migrate beforehand to choose the moment, after a backup.',
    });
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error;
    return [
      {
        check: 'schema',
        level: 'error',
        what: `The tables are not this version’s: ${error.message}`,
        why: 'This version does not start on them.',
        action: 'Do as the message says; to go back, restore the backup that was made before.',
      },
    ];
  }
}
