import { empty, join, sql, type Database, type Queryable, type Sql } from '../database/database.ts';
import { RUNNING_WRITER } from '../database/drain.ts';
import { pageClause, type Order, type PageRequest } from '../database/page.ts';
import { listSources } from '../facts/moves.ts';
import { formatInstant, type Instant } from '../instant.ts';
import type { Fact } from '../rules/attribute.ts';
import type { Activity } from './activity.ts';

const COLUMNS = sql`a.profile_id, a.id, a.type_id, a.occurred_at, a.received_at, a.value, a.data`;

export const ACTIVITY_ORDER: Order<Activity> = {
  name: 'activities',
  columns: [
    { column: 'a.occurred_at', type: 'timestamptz' },
    { column: 'a.id', type: 'text' },
  ],
  descending: true,
  key: (row) => [formatInstant(row.occurred_at), row.id],
};

export interface ActivityFilter {
  typeId: number | undefined;
  /** Instants, half-open. */
  since: string | undefined;
  until: string | undefined;
}

/** Rows and, where the page wants it, count of one snapshot. */
export async function pageOfActivities(
  db: Database,
  profileId: string,
  filter: ActivityFilter,
  page: PageRequest,
): Promise<{ rows: Activity[]; count: number | undefined }> {
  return db.transaction(
    async (tx) => {
      const count = page.wantsCount ? await countActivities(tx, profileId, filter) : undefined;
      const sources = await listSources(tx, profileId);
      const { rows } = await tx.query<Activity>(
        sources.length > 0 && db.isDistributed === true
          ? clusterStatement([profileId, ...sources], filter, page)
          : pageStatement(profileId, sources, filter, page),
      );
      return { rows: rows.map((row) => ({ ...row, profile_id: profileId })), count };
    },
    { isolation: 'repeatable read' },
  );
}

/** The index is by type, so every type gives its newest, and the newest of these are the page. */
function pageStatement(profileId: string, sources: readonly string[], filter: ActivityFilter, page: PageRequest): Sql {
  const { after, orderAndLimit } = pageClause(page, ACTIVITY_ORDER);
  const range = period(filter);
  const all = page.cursor ? orderAndLimit : withoutOffset(page);
  const newestOf = (id: string, limit: Sql): Sql =>
    filter.typeId !== undefined
      ? sql`select ${COLUMNS} from activities a where a.profile_id = ${id} and a.type_id = ${filter.typeId}${range}${after}${limit}`
      : sql`
    select ${COLUMNS} from totals t cross join lateral (
      select * from activities a where a.profile_id = ${id} and a.type_id = t.fact_id${range}${after}${all}) a
    where t.profile_id = ${profileId} and t.fact_id <> 0${limit}`;
  if (sources.length === 0) return newestOf(profileId, orderAndLimit);
  const places = [profileId, ...sources].map((id) => sql`(${newestOf(id, all)})`);
  return sql`select ${COLUMNS} from (${join(places, ' union all ')}) a${orderAndLimit}`;
}

/** Of a profile that others' activities are on their way to, where a cluster joins nothing that lies on several nodes. */
function clusterStatement(ids: readonly string[], filter: ActivityFilter, page: PageRequest): Sql {
  const { after, orderAndLimit } = pageClause(page, ACTIVITY_ORDER);
  const type = filter.typeId === undefined ? empty : sql` and a.type_id = ${filter.typeId}`;
  return sql`select ${COLUMNS} from activities a where a.profile_id = any (${ids}::uuid[])${type}${period(filter)}${after}${orderAndLimit}`;
}

/** Of a profile and of the ids under which activities of it still stand. */
const isOf = (profileId: string, sources: readonly string[]): Sql =>
  sources.length === 0
    ? sql`a.profile_id = ${profileId}`
    : sql`a.profile_id = any (${[profileId, ...sources]}::uuid[])`;

/** Within a type the page by number needs everything up to its end. */
function withoutOffset(page: PageRequest): Sql {
  return sql` order by a.occurred_at desc, a.id desc limit ${page.number * page.size + 1}`;
}

const period = ({ since, until }: Omit<ActivityFilter, 'typeId'>): Sql =>
  sql`${since === undefined ? empty : sql` and a.occurred_at >= ${since}::timestamptz`}${until === undefined ? empty : sql` and a.occurred_at < ${until}::timestamptz`}`;

async function countActivities(tx: Queryable, profileId: string, filter: ActivityFilter): Promise<number> {
  const { rows } = await tx.query<{ count: number }>(
    filter.since === undefined && filter.until === undefined
      ? sql`select t.count from totals t where t.profile_id = ${profileId} and t.fact_id = ${filter.typeId ?? 0}`
      : sql`select count(*) as count from activities a where ${isOf(profileId, await listSources(tx, profileId))}${
          filter.typeId === undefined ? empty : sql` and a.type_id = ${filter.typeId}`
        }${period(filter)}`,
  );
  return rows[0]?.count ?? 0;
}

export interface ActivityStep {
  at: Instant;
  count: number;
  sum: number;
}

/** Count and sum of values by hour or day (UTC) of a half-open range; those without any are left out. */
export async function listActivitySteps(
  db: Queryable,
  profileId: string,
  { typeId, ...range }: ActivityFilter,
  interval: 'hour' | 'day',
): Promise<ActivityStep[]> {
  const { rows } = await db.query<ActivityStep>(sql`
    select date_trunc(${interval}::text, a.occurred_at, 'UTC') as at, count(*) as count, sum(a.value)::bigint as sum
    from activities a
    where ${isOf(profileId, await listSources(db, profileId))} and a.type_id = any (array(
      select t.fact_id from totals t where t.profile_id = ${profileId} and t.fact_id <> 0${typeId === undefined ? empty : sql` and t.fact_id = ${typeId}`}))${period(range)}
    group by 1 order by 1`);
  return rows;
}

export interface RemovedActivity {
  ordinal: number;
  type_id: number;
  occurred_at: Instant;
  data: Record<string, unknown> | null;
}

/** Those of the stored ids that the profile has. */
export async function listKnown(
  tx: Queryable,
  applicationId: number,
  profileId: string,
  ids: string[],
): Promise<string[]> {
  const { rows } = await tx.query<{ id: string }>(sql`
    select a.id from activities a
    where ${isOf(profileId, await listSources(tx, profileId))} and a.id = any (${ids}::text[]) and a.application_id = ${applicationId}`);
  return rows.map(({ id }) => id);
}

export async function deleteActivity(
  tx: Queryable,
  applicationId: number,
  profileId: string,
  id: string,
): Promise<RemovedActivity | undefined> {
  const sources = await listSources(tx, profileId);
  const { rows } = await tx.query<RemovedActivity>(sql`
    delete from activities a where ${isOf(profileId, sources)} and a.id = ${id} and a.application_id = ${applicationId}
    returning ordinal, type_id, occurred_at, data`);
  const [removed] = rows;
  if (!removed || sources.length === 0) return removed;
  const { rows: owners } = await tx.query<{ ordinal: number }>(
    sql`select ordinal from profiles where id = ${profileId}`,
  );
  return { ...removed, ordinal: owners[0]?.ordinal ?? removed.ordinal };
}

/** The facts, beyond plain types, that an activity of this type may count towards. */
export async function listFactsOfType(tx: Queryable, applicationId: number, typeId: number): Promise<Fact[]> {
  const { rows } = await tx.query<Fact>(sql`
    select id, type_id as "typeId", key, equals, value_type as "valueType", built from facts
    where application_id in (0, ${applicationId}) and type_id in (0, ${typeId})`);
  return rows;
}

/**
 * Everything received before it is visible to whatever statement comes later: a running intake is seen here by its start,
 * and stamps its rows (clock_timestamp()) after that.
 */
export async function findTailHorizon(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ horizon: number }>(sql`
    select least(statement_timestamp(), min(s.xact_start)) as horizon from pg_stat_activity s where ${RUNNING_WRITER}`);
  return rows[0]?.horizon ?? 0;
}

export interface TailPosition {
  receivedAt: string;
  profileId: string;
  id: string;
}

/** What was received after this one and before the horizon, oldest first. */
export async function listReceivedAfter(
  db: Queryable,
  applicationId: number,
  after: TailPosition,
  until: string,
  limit: number,
): Promise<Activity[]> {
  const { rows } = await db.query<Activity>(sql`
    select ${COLUMNS} from activities a
    where a.application_id = ${applicationId} and a.received_at >= ${after.receivedAt}::timestamptz and a.received_at < ${until}::timestamptz
      and (a.received_at, a.profile_id, a.id) > (${after.receivedAt}::timestamptz, ${after.profileId}::uuid, ${after.id}::text)
    order by a.received_at, a.profile_id, a.id limit ${limit}`);
  return rows;
}

/** The newest received before the horizon, oldest first. */
export async function listNewestReceived(
  db: Queryable,
  applicationId: number,
  until: string,
  limit: number,
): Promise<Activity[]> {
  const { rows } = await db.query<Activity>(sql`
    select ${COLUMNS} from activities a where a.application_id = ${applicationId} and a.received_at < ${until}::timestamptz
    order by a.received_at desc, a.profile_id desc, a.id desc limit ${limit}`);
  return rows.reverse();
}
