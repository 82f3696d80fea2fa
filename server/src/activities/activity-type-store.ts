import { sql, type Queryable } from '../database/database.ts';
import type { ActivityType } from '../rules/attribute.ts';

export async function findTypeByName(
  db: Queryable,
  applicationId: number,
  type: string,
): Promise<ActivityType | undefined> {
  const { rows } = await db.query<ActivityType>(sql`
    select id, type, label, client, registered from activity_types
    where application_id in (0, ${applicationId}) and type = ${type}`);
  return rows[0];
}

export async function countTypes(db: Queryable, applicationId: number): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*) as count from activity_types where application_id = ${applicationId}`);
  return rows[0]?.count ?? 0;
}

/** Where the application has a type of this name, it takes the other fields. */
export async function upsertType(tx: Queryable, applicationId: number, row: ActivityType, now: string): Promise<void> {
  await tx.query(sql`
    insert into activity_types (application_id, id, type, label, client, registered, created_at)
    values (${applicationId}, ${row.id}, ${row.type}, ${row.label}, ${row.client}, ${row.registered}, ${now})
    on conflict (application_id, type) do update
      set label = excluded.label, client = excluded.client, registered = excluded.registered`);
}
