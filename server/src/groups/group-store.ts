import { sql, type Queryable } from '../database/database.ts';

/** The active groups among these. */
export async function findGroupIdsByReference(
  db: Queryable,
  applicationId: number,
  ids: string[],
  customIds: string[],
): Promise<{ id: string; custom_id: string | null }[]> {
  const { rows } = await db.query<{ id: string; custom_id: string | null }>(sql`
    select g.id, g.custom_id from groups g
    where g.application_id = ${applicationId} and g.is_active and (g.id = any (${ids}::uuid[]) or g.custom_id = any (${customIds}::text[]))`);
  return rows;
}
