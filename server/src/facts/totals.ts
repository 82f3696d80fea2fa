// Totals and their lock. A profile's totals row of fact 0 ('*') is the lock of its history: intake takes it with its
// upsert, and a transaction that erases a profile, removes an activity or recomputes totals takes it first, here. Under it totals
// are computed anew from the raw activities, which gives exactly what intake would have added up.

import { raw, sql, type Queryable } from '../database/database.ts';
import { activitiesOfProfiles, listMoves, type Move } from './moves.ts';
import { formatInstant, parseInstant, type Instant } from '../instant.ts';
import type { Fact } from '../rules/attribute.ts';
import { compareText } from '../rules/values.ts';

/** What totals are kept of; a plain type has no key. */
export type CountedFact = Pick<Fact, 'id' | 'typeId' | 'equals' | 'valueType'> & { key: string | null };

export const plainFact = (typeId: number): CountedFact => ({
  id: typeId,
  typeId,
  key: null,
  equals: null,
  valueType: null,
});

export const STATE_COLUMNS = sql`, state, state_at, state_activity, state_instant`;

/** The newest by (occurred_at, id) stands, in whatever order they come. */
export const NEWER_STATE = (() => {
  const isNewer = sql`(totals.state_at is null or (excluded.state_at, excluded.state_activity) > (totals.state_at, totals.state_activity))`;
  return sql`,
        state = case when ${isNewer} then excluded.state else totals.state end,
        state_at = case when ${isNewer} then excluded.state_at else totals.state_at end,
        state_activity = case when ${isNewer} then excluded.state_activity else totals.state_activity end,
        state_instant = case when ${isNewer} then excluded.state_instant else totals.state_instant end`;
})();

/** How many activities are in memory while states are read again. */
const PAGE = 2_000;

/**
 * Waits for intake of these profiles and holds it off until the transaction ends. Later statements see all of it. Returns
 * those of them that exist.
 */
export async function lockHistories(
  tx: Queryable,
  applicationId: number,
  profileIds: readonly string[],
): Promise<string[]> {
  const { rows } = await tx.query<{ profile_id: string; count: number }>(sql`
    insert into totals (profile_id, fact_id, application_id, ordinal, count, sum)
    select p.id, 0, p.application_id, p.ordinal, 0, 0 from profiles p
    where p.id = any (${profileIds}::uuid[]) and p.application_id = ${applicationId} order by p.id
    on conflict (profile_id, fact_id) do update set count = totals.count
    returning profile_id, count`);
  const empty = rows.filter(({ count }) => count === 0).map((row) => row.profile_id);
  const gone = new Set(empty.length === 0 ? [] : await deleteOfGone(tx, empty));
  return rows.map((row) => row.profile_id).filter((id) => !gone.has(id));
}

/** Who waited for an erasure has put a row where there is no profile any more. */
async function deleteOfGone(tx: Queryable, profileIds: readonly string[]): Promise<string[]> {
  const { rows } = await tx.query<{ profile_id: string }>(sql`
    delete from totals t where t.profile_id = any (${profileIds}::uuid[]) and t.fact_id = 0
      and not exists (select from profiles p where p.id = t.profile_id)
    returning profile_id`);
  return rows.map((row) => row.profile_id);
}

/** Sets the totals of these profiles and facts, and with '*' their mark, to what the raw activities say. Needs the locks of the histories. */
export async function recomputeTotals(
  tx: Queryable,
  applicationId: number,
  profileIds: readonly string[],
  facts: readonly CountedFact[],
): Promise<void> {
  const states = facts.filter((fact) => fact.valueType !== null);
  const counts = facts.filter((fact) => fact.valueType === null);
  const moves = await listMoves(tx, applicationId);
  if (counts.length > 0) await recount(tx, applicationId, profileIds, counts, moves);
  for (const fact of states) await rereadState(tx, applicationId, profileIds, fact, moves);
}

async function recount(
  tx: Queryable,
  applicationId: number,
  profileIds: readonly string[],
  facts: readonly CountedFact[],
  moves: readonly Move[],
): Promise<void> {
  const ids = facts.map((fact) => fact.id);
  const { rows } = await tx.query<{ profile_id: string; fact_id: number }>(sql`
    insert into totals (profile_id, fact_id, application_id, ordinal, count, sum, first_at, last_at)
    select a.profile_id, k.fact_id, ${applicationId}::int, a.ordinal, count(*), sum(a.value), min(a.occurred_at), max(a.occurred_at)
    from unnest(${ids}::int[], ${facts.map((fact) => fact.typeId)}::int[], ${facts.map((fact) => fact.key)}::text[],
      ${facts.map((fact) => (fact.equals === null ? null : JSON.stringify(fact.equals)))}::jsonb[]) as k (fact_id, type_id, key, equals)
    join ${activitiesOfProfiles(profileIds, moves)} on (k.type_id = 0 or a.type_id = k.type_id) and (k.key is null or a.data -> k.key = k.equals)
    where ${typeCondition(facts)}
    group by a.profile_id, a.ordinal, k.fact_id
    on conflict (profile_id, fact_id) do update set count = excluded.count, sum = excluded.sum, first_at = excluded.first_at, last_at = excluded.last_at
    returning profile_id, fact_id`);
  await deleteOthers(tx, profileIds, ids, rows);
  if (ids.includes(0)) {
    await unmark(
      tx,
      profileIds,
      rows.filter((row) => row.fact_id === 0).map((row) => row.profile_id),
    );
  }
}

/** Takes the mark of activities, which intake sets, off those of the profiles that have none any more. */
async function unmark(tx: Queryable, profileIds: readonly string[], active: readonly string[]): Promise<void> {
  await tx.query(sql`
    update profiles set has_activities = false
    where id = any (${profileIds}::uuid[]) and has_activities and not (id = any (${active}::uuid[]))`);
}

function typeCondition(facts: readonly CountedFact[]): ReturnType<typeof sql> {
  const types = facts.map((fact) => fact.typeId);
  return types.includes(0) ? sql`true` : sql`a.type_id = any (${types}::int[])`;
}

/** Rows of facts that nothing counts towards any more. */
async function deleteOthers(
  tx: Queryable,
  profileIds: readonly string[],
  factIds: readonly number[],
  kept: readonly { profile_id: string; fact_id: number }[],
): Promise<void> {
  await tx.query(sql`
    delete from totals t where t.profile_id = any (${profileIds}::uuid[]) and t.fact_id = any (${factIds}::int[])
      and not exists (
        select from unnest(${kept.map((row) => row.profile_id)}::uuid[], ${kept.map((row) => row.fact_id)}::int[]) as k (profile_id, fact_id)
        where k.profile_id = t.profile_id and k.fact_id = t.fact_id)`);
}

interface StateRow {
  profile_id: string;
  ordinal: number;
  id: string;
  occurred_at: Instant;
  value: number;
  state: unknown;
}

interface StateTotal {
  profileId: string;
  ordinal: number;
  count: number;
  sum: number;
  firstAt: Instant;
  newest: StateRow;
}

async function rereadState(
  tx: Queryable,
  applicationId: number,
  profileIds: readonly string[],
  fact: CountedFact,
  moves: readonly Move[],
): Promise<void> {
  const totals = new Map<string, StateTotal>();
  // What was stored before the definition may have another type: then it is as if the activity did not have the key.
  for await (const row of readStates(tx, profileIds, fact, moves))
    if (row.state === null || isTyped(row.state, fact)) addState(totals, row);
  const all = [...totals.values()];
  const column = (read: (total: StateTotal) => string | null): (string | null)[] => all.map(read);
  await tx.query(sql`
    insert into totals (profile_id, fact_id, application_id, ordinal, count, sum, first_at, last_at, state, state_at, state_activity, state_instant)
    select t.profile_id, ${fact.id}::int, ${applicationId}::int, t.ordinal, t.count, t.sum, t.first_at, t.state_at, t.state, t.state_at, t.state_activity, t.state_instant
    from unnest(${all.map((total) => total.profileId)}::uuid[], ${all.map((total) => total.ordinal)}::int[], ${all.map((total) => total.count)}::bigint[],
      ${all.map((total) => total.sum)}::bigint[], ${column((total) => formatInstant(total.firstAt))}::timestamptz[],
      ${column((total) => JSON.stringify(total.newest.state))}::jsonb[], ${column((total) => formatInstant(total.newest.occurred_at))}::timestamptz[],
      ${column((total) => total.newest.id)}::text[], ${column((total) => stateInstant(total.newest.state, fact))}::timestamptz[])
      as t (profile_id, ordinal, count, sum, first_at, state, state_at, state_activity, state_instant)
    on conflict (profile_id, fact_id) do update set count = excluded.count, sum = excluded.sum, first_at = excluded.first_at, last_at = excluded.last_at,
      state = excluded.state, state_at = excluded.state_at, state_activity = excluded.state_activity, state_instant = excluded.state_instant`);
  await deleteOthers(
    tx,
    profileIds,
    [fact.id],
    all.map((total) => ({ profile_id: total.profileId, fact_id: fact.id })),
  );
}

/** A page at a time: one profile may have any number of them. */
async function* readStates(
  tx: Queryable,
  profileIds: readonly string[],
  fact: CountedFact,
  moves: readonly Move[],
): AsyncGenerator<StateRow, void> {
  await tx.query(sql`
    declare states no scroll cursor for
    select a.profile_id, a.ordinal, a.id, a.occurred_at, a.value, a.data -> ${fact.key}::text as state
    from ${activitiesOfProfiles(profileIds, moves)} where ${typeCondition([fact])} and a.data ? ${fact.key}::text`);
  for (let read = PAGE; read === PAGE;) {
    const { rows } = await tx.query<StateRow>(sql`fetch ${raw(String(PAGE))} from states`);
    read = rows.length;
    yield* rows;
  }
  await tx.query(sql`close states`);
}

function addState(totals: Map<string, StateTotal>, row: StateRow): void {
  const total = totals.get(row.profile_id);
  if (!total) {
    totals.set(row.profile_id, {
      profileId: row.profile_id,
      ordinal: row.ordinal,
      count: 1,
      sum: row.value,
      firstAt: row.occurred_at,
      newest: row,
    });
    return;
  }
  total.count++;
  total.sum += row.value;
  total.firstAt = Math.min(total.firstAt, row.occurred_at);
  const { newest } = total;
  const later = row.occurred_at - newest.occurred_at;
  if (later > 0 || (later === 0 && compareText(row.id, newest.id) > 0)) total.newest = row;
}

function isTyped(state: unknown, { valueType }: CountedFact): boolean {
  return valueType === 'datetime'
    ? typeof state === 'string' && parseInstant(state) !== undefined
    : typeof state === valueType;
}

function stateInstant(state: unknown, { valueType }: CountedFact): string | null {
  const at = valueType === 'datetime' && typeof state === 'string' ? parseInstant(state) : undefined;
  return at === undefined ? null : formatInstant(at);
}
