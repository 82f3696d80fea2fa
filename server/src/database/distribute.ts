// On Citus the tables become distributed and reference tables, once, right after they were made. Elsewhere: nothing.

import type pg from 'pg';
import { bringForeignKeysBack, setForeignKeysAside } from './foreign-keys.ts';

const BY_PROFILE = [
  'profiles',
  'profile_tokens',
  'profile_attributes',
  'activities',
  'totals',
  'members',
  'pins',
  'queue',
  'backfill_touched',
  'new_events',
  'profile_aliases',
  'moves',
  'sheet_marks',
];
const BY_GROUP = [
  'group_heads',
  'group_epochs',
  'changes',
  'group_sizes',
  'group_flows',
  'verifications',
  'change_checkpoints',
  'change_checkpoint_parts',
];
const REFERENCE = [
  'applications',
  'admin_tokens',
  'producers',
  'producer_roles',
  'producer_invitations',
  'producer_sessions',
  'producer_devices',
  'activity_types',
  'attribute_definitions',
  'facts',
  'dropped_facts',
  'groups',
  'rulesets',
  'watched_keys',
  'sheet_days',
];
/** Each distributed by a column of its own. The rest (backfills, leases, sweeps, settings, webhooks, sheets) stays on the coordinator. */
const BY_OWN: [table: string, column: string][] = [
  ['custom_ids', 'custom_id'],
  ['tombstones', 'custom_id_hash'],
  ['sign_in_attempts', 'bucket_hash'],
  ['foreign_tokens', 'token_hash'],
  ['device_keys', 'key_hash'],
  ['idempotency_keys', 'scope_hash'],
  ['ordinal_blocks', 'application_id'],
  ['statistics', 'application_id'],
  ['daily_counts', 'application_id'],
  ['minute_counts', 'application_id'],
  ['creation_days', 'application_id'],
  ['usage_figures', 'application_id'],
  ['event_heads', 'application_id'],
  ['audit_log', 'id'],
  ['events', 'application_id'],
];

/** Whether this is a Citus cluster; if so, its tables are distributed afterwards. */
export async function distribute(client: pg.Client): Promise<boolean> {
  const { rowCount } = await client.query("select 1 from pg_extension where extname = 'citus'");
  if (!rowCount) return false;
  const { rows } = await client.query<{ table_name: string }>(
    "select table_name::text from citus_tables where citus_table_type <> 'local'",
  );
  const done = new Set(rows.map((row) => row.table_name));
  const once = async (table: string, text: string, values: string[]): Promise<void> => {
    if (!done.has(table)) await client.query(text, values);
  };
  const waiting = REFERENCE.filter((table) => !done.has(table));
  if (waiting.length > 0) await setForeignKeysAside(client, waiting);
  for (const table of waiting) await client.query('select create_reference_table($1)', [table]);
  await bringForeignKeysBack(client);
  for (const table of BY_PROFILE) await distributeLike(once, table, column(table), 'profiles');
  for (const table of BY_GROUP) await distributeLike(once, table, 'group_id', 'group_heads');
  for (const [table, key] of BY_OWN) await distributeLike(once, table, key, table);
  return true;
}

const COLUMNS: Record<string, string> = { profiles: 'id', new_events: 'subject_id' };
const column = (table: string): string => COLUMNS[table] ?? 'profile_id';

async function distributeLike(
  once: (table: string, text: string, values: string[]) => Promise<void>,
  table: string,
  key: string,
  like: string,
): Promise<void> {
  if (table === like)
    await once(table, "select create_distributed_table($1, $2, colocate_with => 'none')", [table, key]);
  else await once(table, 'select create_distributed_table($1, $2, colocate_with => $3)', [table, key, like]);
}
