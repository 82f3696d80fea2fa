// The members of a group as readers see them, in a snapshot.

import { onClient } from '../database/client.ts';
import { sql } from '../database/database.ts';
import type { Bitset } from '../rules/bitset.ts';
import type { SetReader } from '../rules/leaf.ts';
import { sqlInteger, sqlUuid } from '../rules/literals.ts';
import type { Snapshot } from './snapshots.ts';

export async function visibleMembers(snapshot: Snapshot, reader: SetReader, groupId: string): Promise<Bitset> {
  const key = `members of ${groupId}`;
  const known = snapshot.leaves.get(key);
  if (known) return known;
  const { rows } = await onClient(snapshot.client).query<{ epoch: number }>(
    sql`select epoch from group_heads where group_id = ${groupId}`,
  );
  const epoch = sqlInteger(rows[0]?.epoch ?? 0);
  const members = await reader.ordinals(
    `select ordinal from members where group_id = ${sqlUuid(groupId)} and since_epoch <= ${epoch} and (until_epoch is null or until_epoch > ${epoch})`,
  );
  snapshot.leaves.set(key, members);
  return members;
}
