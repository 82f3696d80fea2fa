// One history becomes part of another: activities and totals, as if the target had done it all. Of an id that both have,
// the target's activity stays. Exact without reading the target again: what the source counted, less what both did, is
// added up as intake would have added it. The caller has locked both histories (totals.ts).

import { empty, raw, sql, type Queryable } from '../database/database.ts';
import { formatInstant, parseInstant, type Instant } from '../instant.ts';
import { listSources } from './moves.ts';
import { NEWER_STATE, plainFact, recomputeTotals, STATE_COLUMNS, type CountedFact } from './totals.ts';

export interface HistoryOwner {
  id: string;
  ordinal: number;
}

export interface MergedHistory {
  /** That come along, or are on their way. */
  activities: number;
  /** That both had. */
  duplicates: number;
  /** Whether they are on their way (moves.ts). */
  isMoving: boolean;
  /** Brings them and the totals over. */
  finish(): Promise<void>;
}

/** What is read before anything changes. */
export interface Histories {
  facts: readonly ListedFact[];
  /** The ids under which activities of each still stand. */
  ofSource: readonly string[];
  ofTarget: readonly string[];
  /** Activities of the source. */
  before: number;
}

export interface MergeOptions {
  /** From so many activities of the source on they come over in slices afterwards. */
  atOnce: number;
  now: Instant;
}

export async function readHistories(
  tx: Queryable,
  applicationId: number,
  sourceId: string,
  targetId: string,
): Promise<Histories> {
  const [facts, ofSource, ofTarget, before] = await Promise.all([
    listFacts(tx, applicationId),
    listSources(tx, sourceId),
    listSources(tx, targetId),
    countOf(tx, sourceId),
  ]);
  return { facts, ofSource, ofTarget, before };
}

/** Settles what comes along; nothing has come before `finish`. What needs nothing of each other goes out in one round trip. */
export async function mergeHistories(
  tx: Queryable,
  applicationId: number,
  source: HistoryOwner,
  target: HistoryOwner,
  { facts, ofSource, ofTarget, before }: Histories,
  { atOnce, now }: MergeOptions,
): Promise<MergedHistory> {
  const ids = { source: [source.id, ...ofSource], target: [target.id, ...ofTarget] };
  const removed = before === 0 ? [] : await deleteCommon(tx, ids.source, ids.target, before);
  await recomputeAfter(tx, applicationId, source.id, facts, removed);
  const activities = removed.length === 0 ? before : await countOf(tx, source.id);
  const own = activities - (ofSource.length === 0 ? 0 : await countUnder(tx, ofSource));
  const isMoving = own > atOnce;
  if (ofSource.length > 0) await passMovesOn(tx, source.id, target);
  if (isMoving) await insertMove(tx, applicationId, source, target, own, now);
  const unbuilt = facts.filter((fact) => !fact.built);
  return {
    activities,
    duplicates: removed.reduce((sum, { count }) => sum + count, 0),
    isMoving: isMoving || ofSource.length > 0,
    async finish() {
      await Promise.all([
        !isMoving && own > 0 ? moveActivities(tx, source.id, target) : undefined,
        addTotals(tx, applicationId, source.id, target),
      ]);
      // Whoever builds them may have passed one of the two and not the other.
      if (unbuilt.length > 0) await recomputeTotals(tx, applicationId, [target.id], unbuilt);
    },
  };
}

type ListedFact = CountedFact & { built: boolean };

/** Those beyond plain types. */
export async function listFacts(tx: Queryable, applicationId: number): Promise<ListedFact[]> {
  const { rows } = await tx.query<ListedFact>(sql`
    select id, type_id as "typeId", key, equals, value_type as "valueType", built from facts
    where application_id in (0, ${applicationId})`);
  return rows;
}

/** Activities that were removed, by type. */
export interface Removed {
  type_id: number;
  count: number;
  /** The days of UTC on which they occurred. */
  days: Instant[];
}

/** How many ids one statement compares: a long one would run into the time limit of statements. */
const COMPARED = 100_000;

/**
 * Removes from the one what the other has as well: both are lists of ids under which a profile's activities stand. `most`: no
 * more does the one have.
 */
export async function deleteCommon(
  tx: Queryable,
  from: readonly string[],
  other: readonly string[],
  most = Infinity,
): Promise<Removed[]> {
  const removed: Removed[] = [];
  for (let after: string | null = ''; after !== null;) {
    const end: string | null = most <= COMPARED ? null : await findEnd(tx, from, after);
    const range = sql`id > ${after}${end === null ? empty : sql` and id <= ${end}`}`;
    const { rows } = await tx.query<Omit<Removed, 'days'> & { days: string[] }>(sql`
      with common as materialized (
        select id from activities where profile_id = any (${other}::uuid[]) and ${range}
          and id in (select id from activities where profile_id = any (${from}::uuid[]) and ${range})),
      gone as (
        delete from activities a using common c where a.profile_id = any (${from}::uuid[]) and a.id = c.id
        returning a.type_id, a.occurred_at)
      select type_id, count(*) as count, array_agg(distinct to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD')) as days from gone group by type_id`);
    removed.push(
      ...rows.map((row) => ({ ...row, days: row.days.map((day) => parseInstant(`${day}T00:00:00Z`) ?? 0) })),
    );
    after = end;
  }
  return removed;
}

async function findEnd(tx: Queryable, profileIds: readonly string[], after: string): Promise<string | null> {
  const { rows } = await tx.query<{ id: string }>(sql`
    select id from activities where profile_id = any (${profileIds}::uuid[]) and id > ${after}
    order by id offset ${raw(String(COMPARED))} limit 1`);
  return rows[0]?.id ?? null;
}

/** Brings the totals of a profile to what is left of its activities. */
export async function recomputeAfter(
  tx: Queryable,
  applicationId: number,
  profileId: string,
  facts: readonly CountedFact[],
  removed: readonly Pick<Removed, 'type_id' | 'count'>[],
): Promise<void> {
  if (removed.length === 0) return;
  const types = new Set(removed.map((row) => row.type_id));
  const touched = facts.filter((fact) => fact.typeId === 0 || types.has(fact.typeId));
  await recomputeTotals(tx, applicationId, [profileId], [plainFact(0), ...[...types].map(plainFact), ...touched]);
}

async function countOf(tx: Queryable, profileId: string): Promise<number> {
  const { rows } = await tx.query<{ count: number }>(
    sql`select count from totals where profile_id = ${profileId} and fact_id = 0`,
  );
  return rows[0]?.count ?? 0;
}

async function countUnder(tx: Queryable, ids: readonly string[]): Promise<number> {
  const { rows } = await tx.query<{ count: number }>(
    sql`select count(*) as count from activities where profile_id = any (${ids}::uuid[])`,
  );
  return rows[0]?.count ?? 0;
}

/** What is on its way to the source is on its way to the target. */
async function passMovesOn(tx: Queryable, sourceId: string, target: HistoryOwner): Promise<void> {
  await tx.query(sql`
    insert into moves (profile_id, source_id, application_id, ordinal, source_ordinal, stage, moved, total, started_at)
    select ${target.id}::uuid, source_id, application_id, ${target.ordinal}::int, source_ordinal, 'settle', moved, total, started_at
    from moves where profile_id = ${sourceId}`);
  await tx.query(sql`delete from moves where profile_id = ${sourceId}`);
}

async function insertMove(
  tx: Queryable,
  applicationId: number,
  source: HistoryOwner,
  target: HistoryOwner,
  total: number,
  now: Instant,
): Promise<void> {
  await tx.query(sql`
    insert into moves (profile_id, source_id, application_id, ordinal, source_ordinal, stage, total, started_at)
    values (${target.id}, ${source.id}, ${applicationId}, ${target.ordinal}, ${source.ordinal}, 'settle', ${total}, ${formatInstant(now)})`);
}

/** In two statements, since the two may lie on different nodes. */
async function moveActivities(tx: Queryable, sourceId: string, target: HistoryOwner): Promise<void> {
  await Promise.all([
    tx.query(sql`
      insert into activities (profile_id, id, application_id, ordinal, type_id, occurred_at, value, data, received_at)
      select ${target.id}::uuid, id, application_id, ${target.ordinal}::int, type_id, occurred_at, value, data, received_at
      from activities where profile_id = ${sourceId}`),
    tx.query(sql`delete from activities where profile_id = ${sourceId}`),
  ]);
}

interface TotalRow {
  fact_id: number;
  count: number;
  sum: number;
  first_at: Instant | null;
  last_at: Instant | null;
  state: string | null;
  state_at: Instant | null;
  state_activity: string | null;
  state_instant: Instant | null;
}

async function addTotals(tx: Queryable, applicationId: number, sourceId: string, target: HistoryOwner): Promise<void> {
  const [{ rows }] = await Promise.all([
    tx.query<TotalRow>(sql`
      select fact_id, count, sum, first_at, last_at, state::text as state, state_at, state_activity, state_instant
      from totals where profile_id = ${sourceId} and count > 0
        and fact_id in (select 0 union all select id from activity_types where application_id in (0, ${applicationId})
          union all select id from facts where application_id in (0, ${applicationId}))
      order by fact_id`),
    tx.query(sql`delete from totals where profile_id = ${sourceId}`),
  ]);
  if (rows.length === 0) return deleteEmpty(tx, target.id);
  const column = <T>(read: (row: TotalRow) => T): T[] => rows.map(read);
  const instants = (read: (row: TotalRow) => Instant | null): (string | null)[] =>
    column(read).map((at) => (at === null ? null : formatInstant(at)));
  await Promise.all([
    tx.query(sql`
    insert into totals (profile_id, fact_id, application_id, ordinal, count, sum, first_at, last_at${STATE_COLUMNS})
    select ${target.id}::uuid, s.fact_id, ${applicationId}::int, ${target.ordinal}::int, s.count, s.sum, s.first_at, s.last_at${STATE_COLUMNS}
    from unnest(${column((row) => row.fact_id)}::int[], ${column((row) => row.count)}::bigint[], ${column((row) => row.sum)}::bigint[],
      ${instants((row) => row.first_at)}::timestamptz[], ${instants((row) => row.last_at)}::timestamptz[],
      ${column((row) => row.state)}::jsonb[], ${instants((row) => row.state_at)}::timestamptz[],
      ${column((row) => row.state_activity)}::text[], ${instants((row) => row.state_instant)}::timestamptz[])
      as s (fact_id, count, sum, first_at, last_at, state, state_at, state_activity, state_instant)
    on conflict (profile_id, fact_id) do update set count = totals.count + excluded.count, sum = totals.sum + excluded.sum,
      first_at = least(totals.first_at, excluded.first_at), last_at = greatest(totals.last_at, excluded.last_at)${NEWER_STATE}`),
    tx.query(sql`update profiles set has_activities = true where id = ${target.id} and not has_activities`),
    deleteEmpty(tx, target.id),
  ]);
}

/** The row that locking made for a history without activities. */
async function deleteEmpty(tx: Queryable, profileId: string): Promise<void> {
  await tx.query(sql`delete from totals where profile_id = ${profileId} and fact_id = 0 and count = 0`);
}
