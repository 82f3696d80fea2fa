import { sql, type Queryable } from '../database/database.ts';
import { formatInstant, type Instant } from '../instant.ts';

/** One more profile on this day, unless that would be more than `most`; whether it may be made. */
export async function takeCreation(
  db: Queryable,
  applicationId: number,
  day: Instant,
  most: number | null,
): Promise<boolean> {
  const { count } = await db.query(sql`
    insert into creation_days (application_id, day, made) values (${applicationId}, ${formatInstant(day)}, 1)
    on conflict (application_id, day) do update set made = creation_days.made + 1
      where creation_days.made < coalesce(${most}::bigint, creation_days.made + 1)`);
  return count === 1;
}

/** So many more, in the transaction that makes them: how many of these may be made. Others wait for its end. */
export async function takeCreations(
  tx: Queryable,
  applicationId: number,
  day: Instant,
  wanted: number,
  most: number | null,
): Promise<number> {
  const of = sql`application_id = ${applicationId} and day = ${formatInstant(day)}`;
  await tx.query(sql`
    insert into creation_days (application_id, day) values (${applicationId}, ${formatInstant(day)})
    on conflict (application_id, day) do nothing`);
  const { rows } = await tx.query<{ made: number }>(sql`select made from creation_days where ${of} for update`);
  const taken = most === null ? wanted : Math.min(wanted, Math.max(0, most - (rows[0]?.made ?? 0)));
  if (taken > 0) await tx.query(sql`update creation_days set made = made + ${taken} where ${of}`);
  return taken;
}

/** It was not made after all. */
export async function giveCreationBack(db: Queryable, applicationId: number, day: Instant): Promise<void> {
  await db.query(sql`
    update creation_days set made = made - 1
    where application_id = ${applicationId} and day = ${formatInstant(day)} and made > 0`);
}

/** Those without a custom id that were made on this day so far: apps of fans make no others but by signed tokens. */
export async function countAnonymous(db: Queryable, applicationId: number, day: Instant): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*) as count from profiles
    where application_id = ${applicationId} and created_at >= ${formatInstant(day)} and custom_id is null`);
  return rows[0]?.count ?? 0;
}

export async function setMade(db: Queryable, applicationId: number, day: Instant, made: number): Promise<void> {
  await db.query(sql`
    insert into creation_days (application_id, day, made) values (${applicationId}, ${formatInstant(day)}, ${made})
    on conflict (application_id, day) do update set made = excluded.made`);
}

export async function addRefused(db: Queryable, applicationId: number, day: Instant, refused: number): Promise<void> {
  await db.query(sql`
    insert into creation_days (application_id, day, refused) values (${applicationId}, ${formatInstant(day)}, ${refused})
    on conflict (application_id, day) do update set refused = creation_days.refused + excluded.refused`);
}

export async function findCreationDay(
  db: Queryable,
  applicationId: number,
  day: Instant,
): Promise<{ made: number; refused: number }> {
  const { rows } = await db.query<{ made: number; refused: number }>(sql`
    select made, refused from creation_days where application_id = ${applicationId} and day = ${formatInstant(day)}`);
  return rows[0] ?? { made: 0, refused: 0 };
}
