// Makes all migrations one: `npm run build && node scripts/squash.mjs 0001-tables.sql WHOLE.sql`. WHOLE.sql is written by hand, as the tables are
// to be read; this proves that it amounts to the same tables and rows as the files it replaces, puts it in their place, and
// notes their checksums in server/migrations/squashed.json, by which databases that have them all know it again.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { startEmbedded } from '../server/dist/database/embedded.js';
import { migrate } from '../server/dist/database/migrate.js';
import { describeMigration, readMigrations, readSquashes } from '../server/dist/database/migration-files.js';
import { describeTables } from './schema.mjs';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', 'server', 'migrations');

const [name, path] = process.argv.slice(2);
if (name === undefined || path === undefined || !/^\d{4}-.+\.sql$/.test(name)) {
  process.stderr.write('usage: node scripts/squash.mjs 0001-tables.sql WHOLE.sql\n');
  process.exit(2);
}

/** Some rows hold when they were made. */
const INSTANT = /\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)/g;

/** What the migrations make: tables whose columns may stand in another order, and the rows that come with them. */
async function look(migrations) {
  const dataDir = await mkdtemp(join(tmpdir(), 'grandstand-squash-'));
  const database = await startEmbedded({ dataDir });
  const client = new pg.Client({ connectionString: database.url });
  try {
    await migrate(database.url, { migrations });
    await client.connect();
    const seen = new Map();
    for (const text of await describeTables(client)) {
      const [head = '', ...lines] = text.split('\n');
      const table = /^create table (\S+)/.exec(head)?.[1] ?? head;
      const { rows } = await client.query(`select to_jsonb(t) - 'created_at' as row from ${table} t`);
      const content = rows
        .map(({ row }) => JSON.stringify(row, Object.keys(row).sort()).replace(INSTANT, 'now'))
        .sort();
      seen.set(table, [head, ...lines.map((line) => line.replace(/,$/, '')).sort(), ...content]);
    }
    const { rows: options } = await client.query(`
      select relname || ' ' || array_to_string(reloptions, ', ') as line from pg_class where reloptions is not null and relnamespace = 'public'::regnamespace
      union all select attrelid::regclass || '.' || attname || ' ' || attstorage::text || ' ' || coalesce(attstattarget::text, '') from pg_attribute
      where attrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')) and attnum > 0 and not attisdropped`);
    seen.set(
      'storage',
      options.map(({ line }) => line),
    );
    return seen;
  } finally {
    await client.end();
    await database.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

const replaced = await readMigrations();
const whole = describeMigration(name, await readFile(path, 'utf8'));
const [before, after] = [await look(replaced), await look([whole])];
const differences = [...new Set([...before.keys(), ...after.keys()])].flatMap((table) => {
  const [old, fresh] = [before.get(table) ?? [], after.get(table) ?? []];
  return [
    ...old.filter((line) => !fresh.includes(line)).map((line) => `- ${table}: ${line}`),
    ...fresh.filter((line) => !old.includes(line)).map((line) => `+ ${table}: ${line}`),
  ];
});
if (differences.length > 0) {
  process.stderr.write(`${name} is not what it replaces:\n${differences.join('\n')}\n`);
  process.exit(1);
}

// Databases that stand at an earlier squash must pass through the version that has it first.
const earlier = (await readSquashes()).filter((squash) => !replaced.some((file) => file.name === squash.into));
const replaces = replaced.map(({ number, name, checksum }) => ({ number, name, checksum }));
for (const file of replaced) await rm(join(folder, file.name));
await writeFile(join(folder, name), whole.text);
await writeFile(
  join(folder, 'squashed.json'),
  `${JSON.stringify([...earlier, { into: name, replaces }], undefined, 2)}\n`,
);
process.stdout.write(`${replaced.length} files became ${name}\n`);
