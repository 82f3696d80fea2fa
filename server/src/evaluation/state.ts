// Loads what the functions of the leaves read, for hundreds of profiles at once: one statement per kind of fact, each
// only where something needs it.

import { sql, type Queryable } from '../database/database.ts';
import type { Instant } from '../instant.ts';
import type { Scalar } from '../rules/attribute.ts';
import type { FactTotal, Needs, ProfileState } from '../rules/state.ts';
import { FIRST_DEPTH, loadRecents } from './recents.ts';

/**
 * The states of the profiles that exist, by id. They are good for evaluations at `from` and at any later instant.
 * In a transaction under REPEATABLE READ they are of one snapshot; else a change between the statements is followed by
 * its own row in the queue. `depth` is how many activities of a type are read before it is known to take more.
 */
export async function loadStates(
  db: Queryable,
  applicationId: number,
  profileIds: readonly string[],
  needs: Needs,
  from: Instant,
  depth: number = FIRST_DEPTH,
): Promise<Map<string, ProfileState>> {
  if (profileIds.length === 0) return new Map();
  const [states, totals, pairs, groups, recents] = await Promise.all([
    loadProfiles(db, applicationId, profileIds),
    needs.facts.size > 0 ? loadTotals(db, profileIds, [...needs.facts]) : [],
    needs.attributes.size > 0 ? loadPairs(db, profileIds, [...needs.attributes]) : [],
    needs.groups.size > 0 ? loadMemberships(db, profileIds, [...needs.groups]) : [],
    needs.recent.size > 0 ? loadRecents(db, applicationId, profileIds, [...needs.recent.values()], from, depth) : [],
  ]);
  for (const row of totals) states.get(row.profile_id)?.totals.set(row.fact_id, totalOf(row));
  for (const row of pairs) {
    const attributes = states.get(row.profile_id)?.attributes;
    const pair = { value: row.value, number: row.number, instant: row.instant, writtenBy: row.written_by };
    const known = attributes?.get(row.key);
    if (known) known.push(pair);
    else attributes?.set(row.key, [pair]);
  }
  for (const row of groups) states.get(row.profile_id)?.groups.set(row.group_id, { member: true, flips: [] });
  for (const { profileId, factId, recent } of recents) states.get(profileId)?.recent.set(factId, recent);
  return states;
}

async function loadProfiles(
  db: Queryable,
  applicationId: number,
  profileIds: readonly string[],
): Promise<Map<string, ProfileState>> {
  const { rows } = await db.query<{
    id: string;
    ordinal: number;
    created_at: Instant;
    nickname: string;
    custom_id: string | null;
  }>(sql`
    select id, ordinal, created_at, nickname, custom_id
    from profiles
    where id = any(${profileIds}::uuid[]) and application_id = ${applicationId}
  `);
  return new Map(
    rows.map((row) => [
      row.id,
      {
        id: row.id,
        ordinal: row.ordinal,
        createdAt: row.created_at,
        nickname: row.nickname,
        customId: row.custom_id,
        totals: new Map(),
        recent: new Map(),
        attributes: new Map(),
        groups: new Map(),
      },
    ]),
  );
}

interface TotalRow {
  profile_id: string;
  fact_id: number;
  count: number;
  sum: number;
  first_at: Instant | null;
  last_at: Instant | null;
  state: Scalar | null;
  state_at: Instant | null;
  state_activity: string | null;
  state_instant: Instant | null;
}

async function loadTotals(db: Queryable, profileIds: readonly string[], facts: number[]): Promise<TotalRow[]> {
  const { rows } = await db.query<TotalRow>(sql`
    select profile_id, fact_id, count, sum, first_at, last_at, state, state_at, state_activity, state_instant
    from totals
    where profile_id = any(${profileIds}::uuid[]) and fact_id = any(${facts}::integer[])
  `);
  return rows;
}

function totalOf(row: TotalRow): FactTotal {
  return {
    count: row.count,
    sum: row.sum,
    firstAt: row.first_at,
    lastAt: row.last_at,
    state: row.state,
    stateAt: row.state_at,
    stateActivity: row.state_activity,
    stateInstant: row.state_instant,
  };
}

interface PairRow {
  profile_id: string;
  key: string;
  value: string;
  number: number | null;
  instant: Instant | null;
  written_by: 'admin' | 'profile';
}

async function loadPairs(db: Queryable, profileIds: readonly string[], keys: string[]): Promise<PairRow[]> {
  const { rows } = await db.query<PairRow>(sql`
    select profile_id, key, value, number, instant, written_by
    from profile_attributes
    where profile_id = any(${profileIds}::uuid[]) and key = any(${keys}::text[])
    order by profile_id, position
  `);
  return rows;
}

/** Memberships as readers see them, at the epochs of the groups' heads. */
async function loadMemberships(
  db: Queryable,
  profileIds: readonly string[],
  groups: string[],
): Promise<{ profile_id: string; group_id: string }[]> {
  const heads = await db.query<{ group_id: string; epoch: number }>(sql`
    select group_id, epoch from group_heads where group_id = any(${groups}::uuid[])
  `);
  const { rows } = await db.query<{ profile_id: string; group_id: string }>(sql`
    select m.profile_id, m.group_id
    from members m
    join unnest(
      ${heads.rows.map((head) => head.group_id)}::uuid[], ${heads.rows.map((head) => head.epoch)}::bigint[]
    ) h (group_id, epoch) on h.group_id = m.group_id
    where m.profile_id = any(${profileIds}::uuid[])
      and m.since_epoch <= h.epoch and (m.until_epoch is null or m.until_epoch > h.epoch)
  `);
  return rows;
}
