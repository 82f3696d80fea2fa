import { sql, type Queryable } from '../database/database.ts';
import { packed } from '../database/packed.ts';
import { formatInstant, type Instant } from '../instant.ts';
import type { ExportedGroup } from './export-statements.ts';

/** `ids`: these, whether they are active or not. Default: all that are active. */
export async function listExportedGroups(
  db: Queryable,
  applicationId: number,
  ids?: readonly string[],
): Promise<ExportedGroup[]> {
  const { rows: groups } = await db.query<{
    id: string;
    name: string;
    custom_id: string | null;
    visible_to_members: boolean;
  }>(sql`
    select id, name, custom_id, visible_to_members from groups
    where application_id = ${applicationId} and ${ids === undefined ? sql`is_active` : sql`id = any (${packed(ids)}::uuid[])`}
    order by created_at, id`);
  const found = packed(groups.map(({ id }) => id));
  const { rows: heads } = await db.query<{ group_id: string; epoch: number }>(
    sql`select group_id, epoch from group_heads where group_id = any (${found}::uuid[])`,
  );
  const { rows: epochs } = await db.query<{
    group_id: string;
    epoch: number;
    base_sequence: number;
    switched_at: Instant;
  }>(sql`
    select group_id, epoch, base_sequence, switched_at from group_epochs where group_id = any (${found}::uuid[]) order by epoch`);
  const byGroup = new Map<string, ExportedGroup['epochs']>();
  for (const row of epochs) {
    const list = byGroup.get(row.group_id) ?? [];
    list.push({ epoch: row.epoch, base: row.base_sequence, switchedAt: formatInstant(row.switched_at) });
    byGroup.set(row.group_id, list);
  }
  const headOf = new Map(heads.map((head) => [head.group_id, head.epoch]));
  return groups.flatMap(({ id, name, custom_id: customId, visible_to_members: isVisible }) => {
    const epoch = headOf.get(id);
    return epoch === undefined ? [] : [{ id, name, customId, isVisible, epoch, epochs: byGroup.get(id) ?? [] }];
  });
}

/** Active or not. */
export async function listGroupIds(db: Queryable, applicationId: number): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(sql`select id from groups where application_id = ${applicationId}`);
  return rows.map(({ id }) => id);
}
