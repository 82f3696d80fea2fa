// What a deleted group leaves behind, removed in the background. Every slice is harmless when two processes do it at once.

import { raw, sql, type Database, type Queryable } from '../database/database.ts';
import { giveWay } from '../queue/pace.ts';

const SLICE = 5_000;

/** What a deleted group leaves behind, by table: the rest of the key beside group_id. */
const OF_A_GROUP: [table: string, key: string[]][] = [
  ['members', ['profile_id']],
  ['pins', ['profile_id']],
  ['backfill_touched', ['profile_id', 'seq']],
  ['changes', ['epoch', 'number']],
  ['change_checkpoint_parts', ['sequence', 'part']],
  ['change_checkpoints', ['sequence']],
  ['group_sizes', ['hour']],
  ['group_flows', ['hour', 'cause']],
  ['group_epochs', ['epoch']],
  ['verifications', ['id']],
];

/** The groups that were deleted, in slices that give way to intake; the rest later once `isStopped`. */
export async function finishDeletions(db: Database, isStopped: () => boolean): Promise<void> {
  const { rows } = await db.query<{ group_id: string; application_id: number }>(
    sql`select group_id, application_id from group_deletions order by deleted_at, group_id limit 1000`,
  );
  for (const { group_id: groupId, application_id: applicationId } of rows) {
    for (const [table, key] of OF_A_GROUP) {
      const next = (size: number): Promise<number> => deleteSlice(db, table, key, groupId, size);
      while (!isStopped() && (await giveWay(db, applicationId, SLICE, next)) > 0);
    }
    if (isStopped()) return;
    await db.query(sql`delete from group_deletions where group_id = ${groupId}`);
  }
}

/** Joined by the whole key, as everywhere (switch-store.ts): no plan can then read the group once for each row. */
async function deleteSlice(
  db: Queryable,
  table: string,
  key: string[],
  groupId: string,
  limit: number,
): Promise<number> {
  const columns = ['group_id', ...key];
  const { count } = await db.query(sql`
    with slice as materialized (select ${raw(columns.join(', '))} from ${raw(table)} where group_id = ${groupId} limit ${raw(String(limit))})
    delete from ${raw(table)} t using slice s where ${raw(columns.map((column) => `t.${column} = s.${column}`).join(' and '))}`);
  return count;
}
