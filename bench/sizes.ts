// What a row costs on the disk, with all of its indexes: rows as fans make them, laid straight into the tables of an embedded database.
// `npx tsx bench/sizes.ts`, half a minute; docs/scaling.md stands on it.

import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbedded } from '../server/src/database/embedded.ts';
import { migrate } from '../server/src/database/migrate.ts';

const PROFILES = 20_000;
const ACTIVITIES_EACH = 10;
const APPLICATION = 1;
const GROUP = '00000000-0000-7000-8000-000000000001';

const folder = await mkdtemp(join(tmpdir(), 'grandstand-sizes-'));
await chmod(folder, 0o755);
const database = await startEmbedded({ dataDir: join(folder, 'data'), settings: { fsync: 'off' } });
const client = new pg.Client({ connectionString: database.url });
try {
  await migrate(database.url);
  await client.connect();
  await client.query(
    `insert into applications (id, client_id, name, client_secret, created_at, updated_at) values (${APPLICATION}, 'sizes', 'sizes', '\\x00', '2026-01-01', '2026-01-01')`,
  );
  // In the order of time, as ids are made.
  await client.query(`create temp table fans as select (lpad(to_hex(1790000000000 + n * 50), 12, '0') || substr(replace(gen_random_uuid()::text, '-', ''), 13))::uuid as id, n
    from generate_series(1, ${PROFILES}) n`);
  for (const [table, statement] of Object.entries(rowsOf())) await measure(table, statement);
} finally {
  await client.end();
  await database.stop();
  await rm(folder, { recursive: true, force: true });
}

function rowsOf(): Record<string, string> {
  return {
    profiles: `insert into profiles (id, application_id, ordinal, nickname, custom_id, created_at, updated_at, has_activities, folded, words)
      select id, ${APPLICATION}, n, 'Final Horse ' || n, 'user-' || n, '2026-01-01', '2026-01-01', true, 'final horse ' || n, to_tsvector('simple', 'final horse ' || n) from fans`,
    custom_ids: `insert into custom_ids (custom_id, application_id, profile_id) select 'user-' || n, ${APPLICATION}, id from fans`,
    profile_tokens: `insert into profile_tokens (profile_id, id, created_at) select id, gen_random_uuid(), '2026-01-01' from fans`,
    profile_attributes: `insert into profile_attributes (profile_id, key, value, application_id, ordinal, position, written_by)
      select id, 'key' || k, 'value ' || k, ${APPLICATION}, n, k, 'admin' from fans, generate_series(1, 3) k`,
    activities: `insert into activities (profile_id, id, application_id, ordinal, type_id, occurred_at, value, data)
      select id, 'activity-' || k || '-' || n, ${APPLICATION}, n, 1 + k % 8, timestamptz '2026-03-01' - k * interval '7 hours' - n * interval '3 seconds', 1,
        case when k % 2 = 0 then '{"match": "6", "emoji": "heart"}'::jsonb end from generate_series(1, ${ACTIVITIES_EACH}) k, fans`,
    totals: `insert into totals (profile_id, fact_id, application_id, ordinal, count, sum, first_at, last_at)
      select id, k, ${APPLICATION}, n, 3, 3, '2026-01-01', '2026-03-01' from generate_series(1, 8) k, fans`,
    members: `insert into members (profile_id, group_id, application_id, ordinal, since_epoch, entered_at) select id, '${GROUP}', ${APPLICATION}, n, 1, '2026-01-01' from fans`,
    changes: `insert into changes (group_id, epoch, number, profile_id, ordinal, change, at, cause) select '${GROUP}', 1, n, id, n, 'entered', '2026-01-01', 'activity' from fans`,
  };
}

async function measure(table: string, statement: string): Promise<void> {
  const before = await sizeOf(table);
  const { rowCount } = await client.query(statement);
  const bytes = ((await sizeOf(table)) - before) / (rowCount ?? 1);
  process.stdout.write(`${table.padEnd(20)}${String(Math.round(bytes)).padStart(6)} bytes a row\n`);
}

/** With its partitions. */
async function sizeOf(table: string): Promise<number> {
  const { rows } = await client.query<{ size: string }>(
    `select pg_total_relation_size($1::regclass) + coalesce(sum(pg_total_relation_size(relid)), 0) as size from pg_partition_tree($1::regclass) where isleaf and relid <> $1::regclass`,
    [table],
  );
  return Number(rows[0]?.size ?? 0);
}
