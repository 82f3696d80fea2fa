// What a database lacks of the files of this program, from the list of what was applied to it. A list that does not fit
// stops the start; `grandstand doctor` asks the same without changing anything.

import type pg from 'pg';
import { MigrationError } from './examine.ts';
import type { AppliedMigration, Migration, Squash } from './migration-files.ts';

export interface MigrationPlan {
  /** Files that were all applied before they became one, which counts as applied in their place. */
  adopts: { whole: Migration; replaces: AppliedMigration[] }[];
  /** In the order in which they are applied. */
  pending: Migration[];
}

/** Nothing where there is no such table yet. */
export async function listApplied(client: pg.ClientBase): Promise<AppliedMigration[]> {
  const { rows } = await client.query<{ there: boolean }>(`select to_regclass('migrations') is not null as there`);
  if (!rows[0]?.there) return [];
  return (await client.query<AppliedMigration>('select number, name, checksum from migrations order by number')).rows;
}

export function planMigrations(known: Migration[], squashes: Squash[], applied: AppliedMigration[]): MigrationPlan {
  const adopts = squashes.flatMap((squash) => adopt(known, squash, applied));
  const gone = new Set(adopts.flatMap(({ replaces }) => replaces.map(({ number }) => number)));
  const wholes = adopts.map(({ whole }) => whole);
  const rows = [...applied.filter(({ number }) => !gone.has(number)), ...wholes];
  check(known, rows);
  const has = new Set(rows.map(({ number }) => number));
  return { adopts, pending: known.filter(({ number }) => !has.has(number)) };
}

function adopt(known: Migration[], { into, replaces }: Squash, applied: AppliedMigration[]): MigrationPlan['adopts'] {
  const whole = known.find((migration) => migration.name === into);
  if (!whole) throw new MigrationError(`squashed.json names ${into}, which is not there.`);
  const has = (file: AppliedMigration): boolean =>
    applied.some((row) => row.number === file.number && row.checksum === file.checksum);
  const missing = replaces.filter((file) => !has(file));
  if (applied.length === 0 || has(whole) || missing.length === replaces.length) return [];
  if (missing.length > 0) {
    throw new MigrationError(
      `the database stands between versions: of the migrations that became ${into} it lacks ${missing.map((file) => file.name).join(', ')}. ` +
        'Start the last version that has them, then this one.',
    );
  }
  return [{ whole, replaces }];
}

function check(known: Migration[], applied: AppliedMigration[]): void {
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
