import { join, raw, sql, type Queryable, type Sql } from '../database/database.ts';
import { packed } from '../database/packed.ts';
import { activitiesOf, listMoves, listSources } from '../facts/moves.ts';
import { formatInstant, MICROS_PER_DAY, type Instant } from '../instant.ts';
import type { SheetPart } from './sheet.ts';

/**
 * Profiles and instants whose days changed: as `marked` of another statement, or by itself. The days are joined before the
 * insert: one that joins a reference table itself stores nothing on a cluster, without a word.
 */
export const markDays = (applicationId: number, changed: Sql): Sql => sql`
    insert into sheet_marks (profile_id, application_id, day)
    select c.profile_id, ${applicationId}::int, c.day from (
      with closed as materialized (
        select distinct on (c.day) c.profile_id, c.day
        from (select c.profile_id, date_trunc('day', c.at, 'UTC') as day from (${changed}) c) c
        join sheet_days d on d.application_id = ${applicationId}::int and d.day = c.day)
      select profile_id, day from closed) c`;

/** Before a profile's history is deleted or goes to another profile: the days that it was seen on, and the day of its creation. */
export async function markProfile(
  tx: Queryable,
  applicationId: number,
  profileId: string,
  known?: readonly string[],
): Promise<void> {
  const ids = [profileId, ...(known ?? (await listSources(tx, profileId)))];
  await tx.query(
    markDays(
      applicationId,
      // Materialized: a cluster joins the days with rows, not with a union.
      sql`with seen as materialized (
          select ${profileId}::uuid as profile_id, occurred_at as at from activities where profile_id = any (${ids}::uuid[])
          union all select id as profile_id, created_at as at from profiles where id = ${profileId})
        select profile_id, at from seen`,
    ),
  );
}

export async function markInstant(tx: Queryable, applicationId: number, profileId: string, at: Instant): Promise<void> {
  await tx.query(
    markDays(applicationId, sql`select ${profileId}::uuid as profile_id, ${formatInstant(at)}::timestamptz as at`),
  );
}

/** Apart from the other advisory locks. */
const SPACE = 0x73686500;

/**
 * Until the transaction ends no day is made: a cluster has no snapshot over its nodes, and days, marks and parts that are
 * of different moments lose what a mark stood for. One node has a snapshot, and needs no lock.
 */
export async function holdOffMaking(reads: Queryable, applicationId: number): Promise<void> {
  if (reads.isDistributed === true)
    await reads.query(sql`select pg_advisory_xact_lock_shared(${raw(String(SPACE))}, ${applicationId}::int)`);
}

/** Waits for those who hold it off. */
export async function lockForMaking(tx: Queryable, applicationId: number): Promise<void> {
  if (tx.isDistributed === true)
    await tx.query(sql`select pg_advisory_xact_lock(${raw(String(SPACE))}, ${applicationId}::int)`);
}

export interface SheetDay {
  day: Instant;
  version: number;
  made_at: Instant | null;
  activities: number;
}

export async function listDays(
  db: Queryable,
  applicationId: number,
  since: Instant,
  until: Instant,
): Promise<SheetDay[]> {
  const { rows } = await db.query<SheetDay>(sql`
    select day, version, made_at, activities from sheet_days
    where application_id = ${applicationId} and day >= ${formatInstant(since)}::timestamptz and day < ${formatInstant(until)}::timestamptz
    order by day`);
  return rows;
}

/** Adds the days from `since` up to `until` that are not there yet; how many. */
export async function addDays(db: Queryable, applicationId: number, since: Instant, until: Instant): Promise<number> {
  const days: string[] = [];
  for (let day = since; day < until; day += MICROS_PER_DAY) days.push(formatInstant(day));
  if (days.length === 0) return 0;
  const { count } = await db.query(sql`
    insert into sheet_days (application_id, day) select ${applicationId}::int, d.day from unnest(${days}::timestamptz[]) as d (day)
    on conflict (application_id, day) do nothing`);
  return count;
}

export async function listMarkedDays(db: Queryable, applicationId: number): Promise<Set<Instant>> {
  const { rows } = await db.query<{ day: Instant }>(sql`
    select distinct day from sheet_marks where application_id = ${applicationId}`);
  return new Set(rows.map((row) => row.day));
}

export interface Mark {
  profile_id: string;
  seq: number;
}

export async function listMarks(db: Queryable, applicationId: number, day: Instant, limit: number): Promise<Mark[]> {
  const { rows } = await db.query<Mark>(sql`
    select profile_id, seq from sheet_marks
    where application_id = ${applicationId} and day = ${formatInstant(day)}::timestamptz limit ${limit}`);
  return rows;
}

export async function deleteMarks(tx: Queryable, marks: readonly Mark[]): Promise<void> {
  if (marks.length === 0) return;
  await tx.query(sql`
    delete from sheet_marks m
    using unnest(${packed(marks.map((mark) => mark.profile_id))}::uuid[], ${marks.map((mark) => mark.seq)}::bigint[]) as seen (profile_id, seq)
    where m.profile_id = seen.profile_id and m.seq = seen.seq`);
}

/** False where another making was faster. */
export async function noteMade(
  tx: Queryable,
  applicationId: number,
  { day, version }: SheetDay,
  activities: number,
  now: Instant,
): Promise<boolean> {
  const { count } = await tx.query(sql`
    update sheet_days set version = ${version + 1}, made_at = ${formatInstant(now)}, activities = ${activities}
    where application_id = ${applicationId} and day = ${formatInstant(day)}::timestamptz and version = ${version}`);
  return count === 1;
}

export interface FactParts {
  factId: number;
  parts: readonly SheetPart[];
}

export async function replaceSheets(
  tx: Queryable,
  applicationId: number,
  day: Instant,
  facts: readonly FactParts[],
): Promise<void> {
  const at = formatInstant(day);
  await tx.query(sql`delete from sheets where application_id = ${applicationId} and day = ${at}::timestamptz`);
  const rows = facts.flatMap(({ factId, parts }) =>
    parts.map(
      ({ part, entries, body }) =>
        sql`(${applicationId}::int, ${at}::timestamptz, ${factId}::int, ${part}::int, ${entries}::int, ${body}::bytea)`,
    ),
  );
  if (rows.length > 0)
    await tx.query(sql`insert into sheets (application_id, day, fact_id, part, entries, body) values ${join(rows)}`);
}

export interface SheetRow extends SheetPart {
  day: Instant;
}

/** The parts of a fact in the order of days. */
export async function listParts(
  db: Queryable,
  applicationId: number,
  factId: number,
  since: Instant,
  until: Instant,
): Promise<SheetRow[]> {
  const { rows } = await db.query<SheetRow>(sql`
    select day, part, entries, body from sheets
    where application_id = ${applicationId} and fact_id = ${factId}
      and day >= ${formatInstant(since)}::timestamptz and day < ${formatInstant(until)}::timestamptz
    order by day, part`);
  return rows;
}

export interface Seen {
  ordinals: Int32Array;
  activities: number;
}

/** Who was active from `since` up to `until`, from the index of activities. */
export async function readActive(db: Queryable, applicationId: number, since: Instant, until: Instant): Promise<Seen> {
  const { rows } = await db.query<{ ordinals: Buffer | null; activities: number }>(sql`
    select string_agg(int4send(a.ordinal), ''::bytea order by a.ordinal) as ordinals, coalesce(sum(a.count), 0)::bigint as activities from (
      select ordinal, count(*) as count from ${raw(activitiesOf(await listMoves(db, applicationId)))}
      where application_id = ${applicationId} and type_id = any (array(select id from activity_types where application_id in (0, ${applicationId})))
        and occurred_at >= ${formatInstant(since)}::timestamptz and occurred_at < ${formatInstant(until)}::timestamptz
      group by ordinal) a`);
  return { ordinals: readOrdinals(rows[0]?.ordinals ?? null), activities: rows[0]?.activities ?? 0 };
}

/** Who was made from `since` up to `until` and still is. */
export async function readCreated(db: Queryable, applicationId: number, since: Instant, until: Instant): Promise<Seen> {
  const { rows } = await db.query<{ ordinals: Buffer | null }>(sql`
    select string_agg(int4send(ordinal), ''::bytea order by ordinal) as ordinals from profiles
    where application_id = ${applicationId}
      and created_at >= ${formatInstant(since)}::timestamptz and created_at < ${formatInstant(until)}::timestamptz`);
  return { ordinals: readOrdinals(rows[0]?.ordinals ?? null), activities: 0 };
}

function readOrdinals(bytes: Buffer | null): Int32Array {
  const ordinals = new Int32Array((bytes?.length ?? 0) / 4);
  for (let n = 0; n < ordinals.length; n++) ordinals[n] = bytes?.readInt32BE(n * 4) ?? 0;
  return ordinals;
}

/** When the first activity of an application occurred and when its first profile was made, whichever was first. */
export async function findFirstInstant(db: Queryable, applicationId: number): Promise<Instant | null> {
  const { rows: types } = await db.query<{ id: number }>(sql`
    select id from activity_types where application_id in (0, ${applicationId})`);
  const made = sql`(select created_at as at from profiles where application_id = ${applicationId} order by created_at, id limit 1)`;
  // Each type's first by the index, one by one: a cluster refuses a subquery for each.
  const occurred = types.map(
    ({ id }) => sql`
      (select occurred_at as at from activities where application_id = ${applicationId} and type_id = ${id} order by occurred_at limit 1)`,
  );
  const { rows } = await db.query<{ first: Instant | null }>(sql`
    select min(f.at) as first from (${join([made, ...occurred], ' union all ')}) f`);
  return rows[0]?.first ?? null;
}
