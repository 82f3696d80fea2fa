// A batch of activities in one statement: what is new is stored, added to the totals and queued for evaluation, and
// nothing of it without the rest. Keeps these invariants:
// - An (profile, id) counts once. The first content wins; `fresh` holds exactly the rows that were new.
// - Rows are locked in the order of their keys, activities before totals, so concurrent batches wait instead of deadlocking.
// - A profile's totals row of fact 0 is the lock of its history: erasing, removing and rebuilding take it first
//   (totals.ts). Where it was not there before, the profile is marked as one with activities; it may just have been erased
//   instead, and then the statement fails as a whole.
// - A batch that was read under other definitions than the database's stores nothing and says so.

import { sql, empty, type Queryable, type Sql } from '../database/database.ts';
import { packed, packedTexts } from '../database/packed.ts';
import type { Instant } from '../instant.ts';
import { markDays } from '../sheets/sheet-store.ts';
import { enqueueRows } from '../queue/queue.ts';
import type { Fact } from '../rules/attribute.ts';
import { dependency } from '../rules/depends.ts';
import { NEWER_STATE, STATE_COLUMNS } from '../facts/totals.ts';
import type { Columns } from './read-items.ts';

export interface IntakeBatch {
  applicationId: number;
  /** The definitions_version under which the items were read. */
  version: number;
  columns: Columns;
  /** The facts, beyond plain types, that activities of these types may touch. */
  facts: readonly Fact[];
  now: Instant;
}

export interface Stored {
  /** False: the definitions changed, and nothing was stored. */
  current: boolean;
  accepted: number;
  /** Places in the columns, from 1, whose profile does not exist. */
  unknown: number[];
}

export async function storeBatch(db: Queryable, batch: IntakeBatch): Promise<Stored> {
  const { rows } = await db.query<Stored>(batchStatement(batch));
  const row = rows[0];
  if (!row) throw new Error('the intake statement gives one row');
  return row;
}

/** What storing these columns would come to. */
export async function judgeColumns(db: Queryable, applicationId: number, columns: Columns): Promise<Stored> {
  if (columns.id.length === 0) return { current: true, accepted: 0, unknown: [] };
  const { rows } = await db.query<Stored>(sql`
    with input as materialized (
      select * from unnest(${packedTexts(columns.id)}::text[], ${packed(columns.profileId)}::uuid[], ${packedTexts(columns.customId)}::text[]) with ordinality
        as i (id, profile_id, custom_id, n)),
    owned as materialized (
      select i.id, i.profile_id, i.n from input i where i.profile_id is not null
      union all
      select i.id, c.profile_id, i.n from input i join custom_ids c on c.custom_id = i.custom_id and c.application_id = ${applicationId}::int
      where i.profile_id is null),
    found as materialized (
      select o.id, o.profile_id, o.n from owned o join profiles p on p.id = o.profile_id where p.application_id = ${applicationId}::int),
    known as materialized (
      select a.profile_id, a.id from found f join activities a on a.profile_id = f.profile_id and a.id = f.id)
    select true as current,
      (select count(*) from (select profile_id, id from found except select profile_id, id from known) f) as accepted,
      array(select n::int from input except select n::int from found) as unknown`);
  return rows[0] ?? { current: true, accepted: 0, unknown: [] };
}

/** What the statement fails with when a profile was erased under it: division by zero. */
export const ERASED_MEANWHILE = '22012';

function batchStatement({ applicationId, version, columns, facts, now }: IntakeBatch): Sql {
  const hasCustomIds = columns.customId.some((id) => id !== null);
  const typeIds = [...new Set(columns.typeId)];
  const touched = facts.filter((fact) => fact.typeId === 0 || typeIds.includes(fact.typeId));
  const hasFacts = touched.length > 0 && columns.data.some((data) => data !== null);
  const watchable = [0, ...typeIds];
  const input = sql`
    with input as materialized (
      select * from unnest(${packedTexts(columns.id)}::text[], ${packed(columns.profileId)}::uuid[], ${packed(columns.typeId)}::int[],
        ${packed(columns.occurredAt)}::timestamptz[], ${packed(columns.value)}::int[], ${packedTexts(columns.data)}::jsonb[]${
          hasCustomIds ? sql`, ${packedTexts(columns.customId)}::text[]` : empty
        }) with ordinality
        as i (id, profile_id, type_id, occurred_at, value, data${hasCustomIds ? sql`, custom_id` : empty}, n)
      where (select a.definitions_version from applications a where a.id = ${applicationId}::int) = ${version}::bigint)`;
  return sql`${input}, owned as materialized (${hasCustomIds ? resolved(applicationId) : sql`select * from input`}),
    found as materialized (
      select o.id, o.profile_id, p.ordinal, o.type_id, o.occurred_at, o.value, o.data, o.n
      from owned o join profiles p on p.id = o.profile_id where p.application_id = ${applicationId}::int),
    fresh as (
      insert into activities (profile_id, id, application_id, ordinal, type_id, occurred_at, value, data, received_at)
      select f.profile_id, f.id, ${applicationId}::int, f.ordinal, f.type_id, f.occurred_at, f.value, f.data, (select clock_timestamp())
      from found f order by f.profile_id, f.id, f.n
      on conflict (profile_id, id) do nothing
      returning profile_id, id, ordinal, type_id, occurred_at, value, data),
    ${hasFacts ? addedWithFacts(touched) : ADDED},
    counted as (
      insert into totals (profile_id, fact_id, application_id, ordinal, count, sum, first_at, last_at${hasFacts ? STATE_COLUMNS : empty})
      select a.profile_id, a.fact_id, ${applicationId}::int, a.ordinal, a.count, a.sum, a.first_at, a.last_at${hasFacts ? STATE_COLUMNS : empty}
      from added a order by a.profile_id, a.fact_id
      on conflict (profile_id, fact_id) do update set count = totals.count + excluded.count, sum = totals.sum + excluded.sum,
        first_at = least(totals.first_at, excluded.first_at), last_at = greatest(totals.last_at, excluded.last_at)${
          hasFacts ? NEWER_STATE : empty
        }
      returning profile_id, fact_id, count),
    started as (
      select t.profile_id from (
        select profile_id, count from counted where fact_id = 0
        union all select profile_id, -count from added where fact_id = 0) t
      group by t.profile_id having sum(t.count) = 0),
    confirmed as (
      update profiles p set has_activities = true from started s where p.id = s.profile_id returning p.id),
    marked as (${markDays(applicationId, sql`select profile_id, occurred_at as at from fresh`)}),
    watched as materialized (
      select k.type_id, k.key
      from unnest(${packed(watchable)}::int[], ${packedTexts(watchable.map((id) => dependency.activity(id)))}::text[]) as k (type_id, key)
      where exists (select from watched_keys w where w.application_id = ${applicationId}::int and w.key = k.key)),
    queued as (${enqueueRows(
      { applicationId, cause: 'activity', now },
      sql`select f.profile_id, f.ordinal, array_agg(distinct w.key) as changed
      from fresh f join watched w on w.type_id = f.type_id or w.type_id = 0
      group by f.profile_id, f.ordinal`,
    )})
    select exists (select from input) as current,
      (select count(*) from fresh) as accepted,
      array(select n::int from input except select n::int from found) as unknown,
      1 / (case when (select count(*) from started) = (select count(*) from confirmed) then 1 else 0 end) as sound`;
}

const resolved = (applicationId: number): Sql => sql`
      select i.id, i.profile_id, i.type_id, i.occurred_at, i.value, i.data, i.n from input i where i.profile_id is not null
      union all
      select i.id, c.profile_id, i.type_id, i.occurred_at, i.value, i.data, i.n
      from input i join custom_ids c on c.custom_id = i.custom_id and c.application_id = ${applicationId}::int
      where i.profile_id is null`;

/** What the new rows add to the totals of '*' and of their types. */
const ADDED = sql`added as (
      select f.profile_id, f.ordinal, k.fact_id, count(*) as count, sum(f.value) as sum, min(f.occurred_at) as first_at, max(f.occurred_at) as last_at
      from fresh f cross join lateral (values (0), (f.type_id)) as k (fact_id)
      group by f.profile_id, f.ordinal, k.fact_id)`;

/** As parseInstant reads it: PostgreSQL by itself rounds what is finer than microseconds. */
const instantOf = (text: Sql): Sql => sql`regexp_replace(${text}, '([.][0-9]{6})[0-9]+', '\\1')::timestamptz`;

/** As ADDED, and to those of types under a condition and of states. Values of states were checked (read-items.ts). */
function addedWithFacts(facts: readonly Fact[]): Sql {
  return sql`facts_of_batch as materialized (
      select * from unnest(${packed(facts.map((fact) => fact.id))}::int[], ${packed(facts.map((fact) => fact.typeId))}::int[],
        ${packedTexts(facts.map((fact) => fact.key))}::text[], ${packedTexts(facts.map(jsonOf))}::jsonb[], ${packed(facts.map((fact) => fact.valueType))}::text[])
        as k (fact_id, type_id, key, equals, value_type)),
    touched as (
      select f.profile_id, f.id, f.ordinal, k.fact_id, f.occurred_at, f.value, k.value_type,
        case when k.value_type is not null then f.data -> k.key end as state
      from fresh f join facts_of_batch k on (k.type_id = f.type_id or k.type_id = 0)
        and f.data ? k.key and (k.value_type is not null or f.data -> k.key = k.equals)),
    added as (
      select a.profile_id, a.ordinal, a.fact_id, a.count, a.sum, a.first_at, a.last_at, a.newest[1][1]::jsonb as state,
        case when a.newest is not null then a.last_at end as state_at, a.newest[1][2] as state_activity,
        case when a.value_type = 'datetime' and a.newest[1][1] <> 'null' then ${instantOf(sql`a.newest[1][1]::jsonb #>> '{}'`)} end as state_instant
      from (
        select t.profile_id, t.ordinal, t.fact_id, t.value_type, count(*) as count, sum(t.value) as sum,
          min(t.occurred_at) as first_at, max(t.occurred_at) as last_at,
          case when t.value_type is not null then (array_agg(array[t.state::text, t.id] order by t.occurred_at desc, t.id desc))[1:1] end as newest
        from (
          select f.profile_id, f.id, f.ordinal, k.fact_id, f.occurred_at, f.value, null::text as value_type, null::jsonb as state
          from fresh f cross join lateral (values (0), (f.type_id)) as k (fact_id)
          union all select profile_id, id, ordinal, fact_id, occurred_at, value, value_type, state from touched) t
        group by t.profile_id, t.ordinal, t.fact_id, t.value_type) a)`;
}

const jsonOf = (fact: Fact): string | null => (fact.equals === null ? null : JSON.stringify(fact.equals));
