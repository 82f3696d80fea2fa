import { sql, type Queryable } from '../../database/database.ts';

export async function findState(db: Queryable, applicationId: number, source: string): Promise<unknown> {
  const { rows } = await db.query<{ state: unknown }>(
    sql`select state from livelike_imports where application_id = ${applicationId} and source = ${source}`,
  );
  return rows[0]?.state;
}

export async function saveState(
  tx: Queryable,
  applicationId: number,
  source: string,
  state: object,
  now: string,
): Promise<void> {
  await tx.query(sql`
    insert into livelike_imports (application_id, source, state, updated_at)
    values (${applicationId}, ${source}, ${JSON.stringify(state)}, ${now})
    on conflict (application_id, source) do update set state = excluded.state, updated_at = excluded.updated_at`);
}
