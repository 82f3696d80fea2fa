import { raw, sql, type Queryable } from '../database/database.ts';
import { activitiesOf, listMoves } from '../facts/moves.ts';
import { MOST_COUNTED } from '../queue/queue.ts';
import type { Instant } from '../instant.ts';

export interface DayCounts {
  new_profiles: number;
  active_profiles: number;
  activities: number;
}

export interface CountedDay extends DayCounts {
  day: Instant;
  counted_at: Instant;
}

/** Everything of a half-open range of time, by when profiles were made and when activities occurred. Both are read from an index alone. */
export async function countRange(
  db: Queryable,
  applicationId: number,
  since: string,
  until: string,
): Promise<DayCounts> {
  const made = await db.query<{ count: number }>(sql`
    select count(*) as count from profiles
    where application_id = ${applicationId} and created_at >= ${since}::timestamptz and created_at < ${until}::timestamptz`);
  const active = await db.query<{ active_profiles: number; activities: number }>(sql`
    select count(*) as active_profiles, coalesce(sum(a.count), 0)::bigint as activities from (
      select ordinal, count(*) as count from ${raw(activitiesOf(await listMoves(db, applicationId)))}
      where application_id = ${applicationId} and type_id = any (array(select id from activity_types where application_id in (0, ${applicationId})))
        and occurred_at >= ${since}::timestamptz and occurred_at < ${until}::timestamptz
      group by ordinal) a`);
  const { active_profiles = 0, activities = 0 } = active.rows[0] ?? {};
  return { new_profiles: made.rows[0]?.count ?? 0, active_profiles, activities };
}

export async function upsertDay(
  db: Queryable,
  applicationId: number,
  day: string,
  counts: DayCounts,
  countedAt: string,
): Promise<void> {
  await db.query(sql`
    insert into daily_counts (application_id, day, new_profiles, active_profiles, activities, counted_at)
    values (${applicationId}, ${day}, ${counts.new_profiles}, ${counts.active_profiles}, ${counts.activities}, ${countedAt})
    on conflict (application_id, day) do update set new_profiles = excluded.new_profiles, active_profiles = excluded.active_profiles,
      activities = excluded.activities, counted_at = excluded.counted_at`);
}

export async function listDays(db: Queryable, applicationId: number, since: string): Promise<CountedDay[]> {
  const { rows } = await db.query<CountedDay>(sql`
    select day, new_profiles, active_profiles, activities, counted_at from daily_counts
    where application_id = ${applicationId} and day >= ${since}::timestamptz order by day`);
  return rows;
}

/** The days (UTC) on which the activities of a half-open range of receipt occurred; undefined where there are more than `limit`. */
export async function findDaysTouched(
  db: Queryable,
  applicationId: number,
  since: string,
  until: string,
  limit: number,
): Promise<Instant[] | undefined> {
  const { rows } = await db.query<{ day: Instant; count: number }>(sql`
    select date_trunc('day', a.occurred_at, 'UTC') as day, count(*) as count from (
      select occurred_at from activities
      where application_id = ${applicationId} and received_at >= ${since}::timestamptz and received_at < ${until}::timestamptz
      limit ${limit + 1}) a
    group by 1`);
  const total = rows.reduce((sum, row) => sum + row.count, 0);
  return total > limit ? undefined : rows.map((row) => row.day);
}

/** When the profile that was made last was made. */
export async function findNewestCreation(db: Queryable, applicationId: number): Promise<Instant | null> {
  const { rows } = await db.query<{ newest: Instant | null }>(sql`
    select max(created_at) as newest from profiles where application_id = ${applicationId}`);
  return rows[0]?.newest ?? null;
}

export interface MinuteCount {
  minute: Instant;
  activities: number;
}

export async function countMinutes(
  db: Queryable,
  applicationId: number,
  since: string,
  until: string,
): Promise<MinuteCount[]> {
  const { rows } = await db.query<MinuteCount>(sql`
    select date_trunc('minute', received_at, 'UTC') as minute, count(*) as activities from activities
    where application_id = ${applicationId} and received_at >= ${since}::timestamptz and received_at < ${until}::timestamptz
    group by 1 order by 1`);
  return rows;
}

export async function countReceived(
  db: Queryable,
  applicationId: number,
  since: string,
  until: string,
): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*) as count from activities
    where application_id = ${applicationId} and received_at > ${since}::timestamptz and received_at <= ${until}::timestamptz`);
  return rows[0]?.count ?? 0;
}

export async function listMinutes(db: Queryable, applicationId: number, since: string): Promise<MinuteCount[]> {
  const { rows } = await db.query<MinuteCount>(sql`
    select minute, activities from minute_counts
    where application_id = ${applicationId} and minute >= ${since}::timestamptz order by minute`);
  return rows;
}

export async function upsertMinute(
  db: Queryable,
  applicationId: number,
  minute: string,
  activities: number,
): Promise<void> {
  await db.query(sql`
    insert into minute_counts (application_id, minute, activities) values (${applicationId}, ${minute}, ${activities})
    on conflict (application_id, minute) do update set activities = excluded.activities`);
}

/** What is older than any question. */
export async function deleteCountsBefore(
  db: Queryable,
  applicationId: number,
  day: string,
  minute: string,
): Promise<void> {
  await db.query(sql`delete from daily_counts where application_id = ${applicationId} and day < ${day}::timestamptz`);
  await db.query(
    sql`delete from minute_counts where application_id = ${applicationId} and minute < ${minute}::timestamptz`,
  );
}

export interface GroupTotals {
  static: number;
  dynamic: number;
  paused: number;
  filling: number;
  failed: number;
}

export async function countGroups(db: Queryable, applicationId: number): Promise<GroupTotals> {
  const { rows } = await db.query<GroupTotals>(sql`
    select count(*) filter (where g.membership_type = 'static') as static, count(*) filter (where g.membership_type = 'dynamic') as dynamic,
      count(*) filter (where g.is_paused) as paused
    from groups g where g.application_id = ${applicationId} and g.is_active`);
  const backfills = await db.query<{ filling: number; failed: number }>(sql`
    select count(*) filter (where last_error is null) as filling, count(*) filter (where last_error is not null) as failed
    from backfills where application_id = ${applicationId} and kind = 'rule' and stage <> 'clean'`);
  return { static: 0, dynamic: 0, paused: 0, filling: 0, failed: 0, ...rows[0], ...backfills.rows[0] };
}

export interface GroupSize {
  group_id: string;
  name: string;
  membership_type: 'static' | 'dynamic';
  profile_count: number;
}

export async function listLargestGroups(db: Queryable, applicationId: number, limit: number): Promise<GroupSize[]> {
  const { rows } = await db.query<GroupSize>(sql`
    select g.id as group_id, g.name, g.membership_type, h.profile_count
    from groups g join group_heads h on h.group_id = g.id
    where g.application_id = ${applicationId} and g.is_active
    order by h.profile_count desc, g.created_at desc, g.id limit ${limit}`);
  return rows;
}

export interface GroupMoves extends GroupSize {
  entered: number;
  left: number;
}

/** By how many entered and left since a full hour. */
export async function listFastestGroups(
  db: Queryable,
  applicationId: number,
  since: string,
  limit: number,
): Promise<GroupMoves[]> {
  const { rows } = await db.query<GroupMoves>(sql`
    select g.id as group_id, g.name, g.membership_type, h.profile_count, sum(s.entered)::bigint as entered, sum(s."left")::bigint as left
    from groups g join group_heads h on h.group_id = g.id join group_sizes s on s.group_id = h.group_id
    where g.application_id = ${applicationId} and g.is_active and s.hour >= ${since}::timestamptz
    group by g.id, g.name, g.membership_type, h.profile_count
    having sum(s.entered + s."left") > 0
    order by sum(s.entered + s."left") desc, g.id limit ${limit}`);
  return rows;
}

export interface Waiting {
  rows: number;
  oldest: Instant | null;
}

/** What waits for evaluation; of what time put there and of the rest each counted up to MOST_COUNTED. */
export async function findWaiting(db: Queryable, applicationId: number): Promise<Waiting> {
  const live = await db.query<Waiting>(sql`
    select count(*) as rows, min(queued_at) as oldest from (
      select queued_at from queue where application_id = ${applicationId} and cause <> 'clock' order by queued_at limit ${MOST_COUNTED}) q`);
  const clock = await db.query<Waiting>(sql`
    select count(*) as rows, min(queued_at) as oldest from (
      select queued_at from queue where application_id = ${applicationId} and cause = 'clock' order by since limit ${MOST_COUNTED}) q`);
  const both = [...live.rows, ...clock.rows];
  const oldest = both.flatMap((row) => row.oldest ?? []);
  return {
    rows: both.reduce((sum, row) => sum + row.rows, 0),
    oldest: oldest.length === 0 ? null : Math.min(...oldest),
  };
}

export interface VerificationTotals {
  at: Instant | null;
  groups: number;
  checked: number;
  missing: number;
  extra: number;
}

/** The newest verification since then of each active group, added up; `at` is the newest of all. */
export async function sumVerifications(
  db: Queryable,
  applicationId: number,
  since: Instant,
): Promise<VerificationTotals> {
  const { rows } = await db.query<VerificationTotals>(sql`
    select max(v.at) as at, count(*) as groups, coalesce(sum(v.checked), 0)::bigint as checked,
      coalesce(sum(v.missing), 0)::bigint as missing, coalesce(sum(v.extra), 0)::bigint as extra
    from (
      select distinct on (v.group_id) v.at, v.checked, v.missing, v.extra
      from groups g join verifications v on v.group_id = g.id
      where g.application_id = ${applicationId} and g.is_active and v.id >= ${firstIdAt(since)}::uuid
      order by v.group_id, v.id desc) v`);
  return rows[0] ?? { at: null, groups: 0, checked: 0, missing: 0, extra: 0 };
}

/** Ids begin with the millisecond in which they were made, so that their index knows the time. */
function firstIdAt(instant: Instant): string {
  const millis = Math.floor(instant / 1000)
    .toString(16)
    .padStart(12, '0');
  return `${millis.slice(0, 8)}-${millis.slice(8)}-0000-0000-000000000000`;
}
