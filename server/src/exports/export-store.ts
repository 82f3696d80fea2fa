import { sql, type Queryable } from '../database/database.ts';
import { packed } from '../database/packed.ts';
import { formatInstant, type Instant } from '../instant.ts';
import type { ExportedGroup } from './export-statements.ts';

/** The groups of an application, or one of them, with what their members and changes are read by. */
export async function listExportedGroups(
  db: Queryable,
  applicationId: number,
  groupId?: string,
): Promise<ExportedGroup[]> {
  const { rows: groups } = await db.query<{ id: string; custom_id: string | null }>(
    groupId === undefined
      ? sql`select id, custom_id from groups where application_id = ${applicationId} and is_active order by created_at, id`
      : sql`select id, custom_id from groups where application_id = ${applicationId} and id = ${groupId}`,
  );
  const ids = packed(groups.map(({ id }) => id));
  const { rows: heads } = await db.query<{ group_id: string; epoch: number }>(
    sql`select group_id, epoch from group_heads where group_id = any (${ids}::uuid[])`,
  );
  const { rows: epochs } = await db.query<{
    group_id: string;
    epoch: number;
    base_sequence: number;
    switched_at: Instant;
  }>(sql`
    select group_id, epoch, base_sequence, switched_at from group_epochs where group_id = any (${ids}::uuid[]) order by epoch`);
  const byGroup = new Map<string, ExportedGroup['epochs']>();
  for (const row of epochs) {
    const list = byGroup.get(row.group_id) ?? [];
    list.push({ epoch: row.epoch, base: row.base_sequence, switchedAt: formatInstant(row.switched_at) });
    byGroup.set(row.group_id, list);
  }
  const headOf = new Map(heads.map((head) => [head.group_id, head.epoch]));
  return groups.flatMap(({ id, custom_id: customId }) => {
    const epoch = headOf.get(id);
    return epoch === undefined ? [] : [{ id, customId, epoch, epochs: byGroup.get(id) ?? [] }];
  });
}
