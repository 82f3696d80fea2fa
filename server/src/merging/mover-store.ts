import { empty, raw, sql, type Queryable } from '../database/database.ts';
import type { Move } from '../facts/moves.ts';
import type { Instant } from '../instant.ts';

export interface StoredMove extends Move {
  stage: 'settle' | 'move';
  moved: number;
  total: number;
}

const COLUMNS = sql`application_id as "applicationId", profile_id as "targetId", ordinal, source_id as "sourceId", source_ordinal as "sourceOrdinal",
  stage, moved, total`;

/** Of every application, the oldest first. */
export async function listAllMoves(db: Queryable): Promise<StoredMove[]> {
  const { rows } = await db.query<StoredMove>(
    sql`select ${COLUMNS} from moves order by started_at, source_id limit 1000`,
  );
  return rows;
}

/** Those on their way to a profile. */
export async function listMovesTo(db: Queryable, targetId: string): Promise<StoredMove[]> {
  const { rows } = await db.query<StoredMove>(sql`select ${COLUMNS} from moves where profile_id = ${targetId}`);
  return rows;
}

/** False where it is over, or on its way to another profile by now. */
export async function holdMove(tx: Queryable, { targetId, sourceId }: Move): Promise<boolean> {
  const { rows } = await tx.query(
    sql`select from moves where profile_id = ${targetId} and source_id = ${sourceId} for update`,
  );
  return rows.length > 0;
}

/** Ids that both have. */
export async function listCommon(db: Queryable, sourceId: string, targetId: string): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(sql`
    select id from activities where profile_id = ${targetId} and id in (select id from activities where profile_id = ${sourceId})`);
  return rows.map((row) => row.id);
}

export async function deleteActivities(
  tx: Queryable,
  profileId: string,
  ids: readonly string[],
): Promise<{ type_id: number; occurred_at: Instant }[]> {
  if (ids.length === 0) return [];
  const { rows } = await tx.query<{ type_id: number; occurred_at: Instant }>(sql`
    delete from activities where profile_id = ${profileId} and id = any (${ids}::text[]) returning type_id, occurred_at`);
  return rows;
}

export async function setStage(tx: Queryable, { targetId, sourceId }: Move, stage: StoredMove['stage']): Promise<void> {
  await tx.query(sql`update moves set stage = ${stage} where profile_id = ${targetId} and source_id = ${sourceId}`);
}

export async function waitForNoDisk(tx: Queryable): Promise<void> {
  await tx.query(sql`set local synchronous_commit = off`);
}

/** Moves so many, in the order of their ids; whether there may be more. */
export async function moveActivities(tx: Queryable, move: Move, size: number): Promise<boolean> {
  const { sourceId, targetId, ordinal } = move;
  const { rows } = await tx.query<{ id: string }>(sql`
    select id from activities where profile_id = ${sourceId} order by id offset ${raw(String(size - 1))} limit 1`);
  const upTo = rows[0] ? sql` and id <= ${rows[0].id}` : empty;
  await tx.query(sql`
    insert into activities (profile_id, id, application_id, ordinal, type_id, occurred_at, value, data, received_at)
    select ${targetId}::uuid, id, application_id, ${ordinal}::int, type_id, occurred_at, value, data, received_at
    from activities where profile_id = ${sourceId}${upTo}`);
  const { count } = await tx.query(sql`delete from activities where profile_id = ${sourceId}${upTo}`);
  await tx.query(sql`
    update moves set moved = moved + ${count} where profile_id = ${targetId} and source_id = ${sourceId}`);
  return rows.length > 0;
}

export async function hasActivities(db: Queryable, profileId: string): Promise<boolean> {
  const { rows } = await db.query(sql`select from activities where profile_id = ${profileId} limit 1`);
  return rows.length > 0;
}

export async function deleteMove(tx: Queryable, { targetId, sourceId }: Move): Promise<void> {
  await tx.query(sql`delete from moves where profile_id = ${targetId} and source_id = ${sourceId}`);
}
