// One history becomes part of another: activities and totals, as if the target had done it all. Of an id that both have,
// the target's activity stays. Exact without reading the target again: what the source counted, less what both did, is
// added up as intake would have added it. The caller has locked both histories (totals.ts).

import { sql, type Queryable } from '../database/database.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { NEWER_STATE, plainFact, recomputeTotals, STATE_COLUMNS, type CountedFact } from './totals.ts';

export interface HistoryOwner {
  id: string;
  ordinal: number;
}

export interface MergedHistory {
  /** That came along. */
  activities: number;
  /** That both had. */
  duplicates: number;
}

export async function mergeHistories(
  tx: Queryable,
  applicationId: number,
  source: HistoryOwner,
  target: HistoryOwner,
): Promise<MergedHistory> {
  const facts = await listFacts(tx, applicationId);
  const duplicates = await dropCommon(tx, applicationId, source.id, target.id, facts);
  const activities = await moveActivities(tx, source.id, target);
  await addTotals(tx, applicationId, source.id, target);
  const unbuilt = facts.filter((fact) => !fact.built);
  // Whoever builds them may have passed one of the two and not the other.
  if (unbuilt.length > 0) await recomputeTotals(tx, applicationId, [target.id], unbuilt);
  await forgetNothing(tx, target.id);
  return { activities, duplicates };
}

type ListedFact = CountedFact & { built: boolean };

/** Those beyond plain types. */
async function listFacts(tx: Queryable, applicationId: number): Promise<ListedFact[]> {
  const { rows } = await tx.query<ListedFact>(sql`
    select id, type_id as "typeId", key, equals, value_type as "valueType", built from facts
    where application_id in (0, ${applicationId})`);
  return rows;
}

/** Removes from the source what the target has as well, with its effects. */
async function dropCommon(
  tx: Queryable,
  applicationId: number,
  sourceId: string,
  targetId: string,
  facts: readonly ListedFact[],
): Promise<number> {
  const { rows } = await tx.query<{ type_id: number; data: Record<string, unknown> | null }>(sql`
    with common as materialized (
      select id from activities where profile_id = ${targetId} and id in (select id from activities where profile_id = ${sourceId}))
    delete from activities a using common c where a.profile_id = ${sourceId} and a.id = c.id returning a.type_id, a.data`);
  if (rows.length === 0) return 0;
  const types = [...new Set(rows.map((row) => row.type_id))];
  const touched = facts.filter((fact) =>
    rows.some(
      (row) =>
        (fact.typeId === 0 || fact.typeId === row.type_id) &&
        row.data !== null &&
        Object.hasOwn(row.data, fact.key ?? ''),
    ),
  );
  await recomputeTotals(tx, applicationId, [sourceId], [plainFact(0), ...types.map(plainFact), ...touched]);
  return rows.length;
}

/** In two statements, since the two may lie on different nodes. */
async function moveActivities(tx: Queryable, sourceId: string, target: HistoryOwner): Promise<number> {
  await tx.query(sql`
    insert into activities (profile_id, id, application_id, ordinal, type_id, occurred_at, value, data, received_at)
    select ${target.id}::uuid, id, application_id, ${target.ordinal}::int, type_id, occurred_at, value, data, received_at
    from activities where profile_id = ${sourceId}`);
  const { count } = await tx.query(sql`delete from activities where profile_id = ${sourceId}`);
  return count;
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
  const { rows } = await tx.query<TotalRow>(sql`
    select fact_id, count, sum, first_at, last_at, state::text as state, state_at, state_activity, state_instant
    from totals where profile_id = ${sourceId} and count > 0
      and fact_id in (select 0 union all select id from activity_types where application_id in (0, ${applicationId})
        union all select id from facts where application_id in (0, ${applicationId}))
    order by fact_id`);
  await tx.query(sql`delete from totals where profile_id = ${sourceId}`);
  if (rows.length === 0) return;
  const column = <T>(read: (row: TotalRow) => T): T[] => rows.map(read);
  const instants = (read: (row: TotalRow) => Instant | null): (string | null)[] =>
    column(read).map((at) => (at === null ? null : formatInstant(at)));
  await tx.query(sql`
    insert into totals (profile_id, fact_id, application_id, ordinal, count, sum, first_at, last_at${STATE_COLUMNS})
    select ${target.id}::uuid, s.fact_id, ${applicationId}::int, ${target.ordinal}::int, s.count, s.sum, s.first_at, s.last_at${STATE_COLUMNS}
    from unnest(${column((row) => row.fact_id)}::int[], ${column((row) => row.count)}::bigint[], ${column((row) => row.sum)}::bigint[],
      ${instants((row) => row.first_at)}::timestamptz[], ${instants((row) => row.last_at)}::timestamptz[],
      ${column((row) => row.state)}::jsonb[], ${instants((row) => row.state_at)}::timestamptz[],
      ${column((row) => row.state_activity)}::text[], ${instants((row) => row.state_instant)}::timestamptz[])
      as s (fact_id, count, sum, first_at, last_at, state, state_at, state_activity, state_instant)
    on conflict (profile_id, fact_id) do update set count = totals.count + excluded.count, sum = totals.sum + excluded.sum,
      first_at = least(totals.first_at, excluded.first_at), last_at = greatest(totals.last_at, excluded.last_at)${NEWER_STATE}`);
  await tx.query(sql`update profiles set has_activities = true where id = ${target.id} and not has_activities`);
}

/** The row that locking made for a history without activities. */
async function forgetNothing(tx: Queryable, profileId: string): Promise<void> {
  await tx.query(sql`delete from totals where profile_id = ${profileId} and fact_id = 0 and count = 0`);
}
