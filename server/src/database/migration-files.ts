// The numbered files of server/migrations, and the table of those that later became one (squashed.json).

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';

const MIGRATIONS = new URL('../../migrations/', import.meta.url);
const SQUASHED = new URL('squashed.json', MIGRATIONS);

export interface Migration {
  number: number;
  name: string;
  text: string;
  checksum: string;
}

/** As the table `migrations` keeps it. */
export type AppliedMigration = Pick<Migration, 'number' | 'name' | 'checksum'>;

/** Files that were released, then rewritten as one: a database that has them all has that one. */
export interface Squash {
  into: string;
  replaces: AppliedMigration[];
}

export async function readMigrations(): Promise<Migration[]> {
  const files = (await readdir(MIGRATIONS)).filter((name) => /^\d{4}-.+\.sql$/.test(name)).sort();
  return Promise.all(
    files.map(async (name) => describeMigration(name, await readFile(new URL(name, MIGRATIONS), 'utf8'))),
  );
}

export function describeMigration(name: string, text: string): Migration {
  return { number: Number(name.slice(0, 4)), name, text, checksum: createHash('sha256').update(text).digest('hex') };
}

export async function readSquashes(): Promise<Squash[]> {
  return existsSync(SQUASHED) ? (JSON.parse(await readFile(SQUASHED, 'utf8')) as Squash[]) : []; // written by scripts/squash.mjs
}

const WITHOUT_TRANSACTION = /^-- without a transaction\b/;

/**
 * The statements of a file whose first line says `-- without a transaction`, each to be run by itself; undefined for
 * others. The linter in the tests sees to it that each may be run again after it was cut off.
 */
export function statementsApart(migration: Migration): string[] | undefined {
  if (!WITHOUT_TRANSACTION.test(migration.text)) return undefined;
  return migration.text
    .replace(/^\s*--.*$/gm, '')
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}
