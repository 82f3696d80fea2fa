// Loads what the functions of the leaves read, for hundreds of profiles at once: one statement per kind of fact, each
// only where something needs it.

import { sql, type Queryable } from '../database/database.ts';
import { packed } from '../database/packed.ts';
import { listMoves, sourcesByTarget } from '../facts/moves.ts';
import type { Instant } from '../instant.ts';
import type { Scalar } from '../rules/attribute.ts';
import type { FactTotal, Needs, ProfileState } from '../rules/state.ts';
import { batchesInput, type ProfileBatch, type BatchesInput } from './profile-batches.ts';
import { FIRST_DEPTH, loadRecents, type Asked } from './recents.ts';

/**
 * The states of the profiles that exist, by id. They are good for evaluations at `from` and at any later instant.
 * In a transaction under REPEATABLE READ they are of one snapshot; else a change between the statements is followed by
 * its own row in the queue. `from` may still be on its way: it is needed by the second statements alone. `depth` is how many activities of a type are read before it is known to take more.
 */
export function loadStates(
  db: Queryable,
  applicationId: number,
  profileIds: readonly string[],
  needs: Needs,
  from: Instant | Promise<Instant>,
  depth: number = FIRST_DEPTH,
): Promise<Map<string, ProfileState>> {
  return loadStatesOf(db, applicationId, [{ ids: profileIds, needs }], from, depth);
}

/** The same of several batches of profiles, each with what it needs. */
export async function loadStatesOf(
  db: Queryable,
  applicationId: number,
  given: readonly ProfileBatch[],
  from: Instant | Promise<Instant>,
  depth: number = FIRST_DEPTH,
): Promise<Map<string, ProfileState>> {
  const batches = given.filter((batch) => batch.ids.length > 0);
  if (batches.length === 0) return new Map();
  const some = (needs: (of: Needs) => ReadonlySet<unknown> | ReadonlyMap<unknown, unknown>): boolean =>
    batches.some((batch) => needs(batch.needs).size > 0);
  const input = batchesInput(batches);
  const [states, totals, pairs, groups, moves] = await Promise.all([
    loadProfiles(db, applicationId, input.ids),
    some((needs) => needs.facts) || some((needs) => needs.recent) ? loadTotals(db, input, batches) : [],
    some((needs) => needs.attributes) ? loadPairs(db, input, batches) : [],
    some((needs) => needs.groups)
      ? loadMemberships(db, input.ids, [...new Set(batches.flatMap((batch) => [...batch.needs.groups]))])
      : [],
    some((needs) => needs.recent) ? listMoves(db, applicationId) : [],
  ]);
  const stateAt = (place: number): ProfileState | undefined => states.get(input.ids[place - 1] ?? '');
  for (const row of totals) stateAt(row.place)?.totals.set(row.fact_id, totalOf(row));
  for (const row of pairs) {
    const attributes = stateAt(row.place)?.attributes;
    const pair = { value: row.value, number: row.number, instant: row.instant, writtenBy: row.written_by };
    const known = attributes?.get(row.key);
    if (known) known.push(pair);
    else attributes?.set(row.key, [pair]);
  }
  for (const row of groups) states.get(row.profile_id)?.groups.set(row.group_id, { member: true, flips: [] });
  const since = await from;
  const asked = batches.flatMap((batch) => askedOf(batch, states, since));
  for (const { profileId, key, recent } of await loadRecents(
    db,
    applicationId,
    asked,
    since,
    depth,
    sourcesByTarget(moves),
  ))
    states.get(profileId)?.recent.set(key, recent);
  return states;
}

/**
 * Of whom recent activities must be read: totals tell who never did enough for any window to matter, and who did nothing
 * after `from`. They may lack what a condition on the data lets through, since such totals are gathered after the fact.
 */
function askedOf({ ids, needs }: ProfileBatch, states: ReadonlyMap<string, ProfileState>, from: Instant): Asked[] {
  return [...needs.recent.values()].flatMap((need): Asked[] => {
    if (need.fact.where) return [{ ids, need, later: true }];
    const asked = [false, true].map((later) => ({ ids: [] as string[], need, later }));
    for (const id of ids) {
      const total = states.get(id)?.totals.get(need.fact.factId);
      if (!total || (total.count < need.leastCount && total.sum < need.leastSum)) continue;
      asked[Number((total.lastAt ?? from) > from)]?.ids.push(id);
    }
    return asked.filter((each) => each.ids.length > 0);
  });
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
    where id = any(${packed(profileIds)}::uuid[]) and application_id = ${applicationId}
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
  place: number;
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

async function loadTotals(
  db: Queryable,
  { profiles }: BatchesInput,
  batches: readonly ProfileBatch[],
): Promise<TotalRow[]> {
  const facts = batches.flatMap(({ needs }, batch) => {
    const recent = [...needs.recent.values()].flatMap(({ fact }) => (fact.where ? [] : [fact.factId]));
    return [...new Set([...needs.facts, ...recent])].map((factId) => ({ batch, factId }));
  });
  const { rows } = await db.query<TotalRow>(sql`
    select p.place, t.fact_id, t.count, t.sum, t.first_at, t.last_at, t.state, t.state_at, t.state_activity, t.state_instant
    from ${profiles}
    join unnest(${packed(facts.map(({ batch }) => batch))}::int[], ${packed(facts.map(({ factId }) => factId))}::int[])
      as f (batch, fact_id) on f.batch = p.batch
    join totals t on t.profile_id = p.id and t.fact_id = f.fact_id
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
  place: number;
  key: string;
  value: string;
  number: number | null;
  instant: Instant | null;
  written_by: 'admin' | 'profile';
}

async function loadPairs(
  db: Queryable,
  { profiles }: BatchesInput,
  batches: readonly ProfileBatch[],
): Promise<PairRow[]> {
  const keys = batches.flatMap(({ needs }, batch) => [...needs.attributes].map((key) => ({ batch, key })));
  const { rows } = await db.query<PairRow>(sql`
    select p.place, a.key, a.value, a.number, a.instant, a.written_by
    from ${profiles}
    join unnest(${packed(keys.map(({ batch }) => batch))}::int[], ${keys.map(({ key }) => key)}::text[]) as k (batch, key) on k.batch = p.batch
    join profile_attributes a on a.profile_id = p.id and a.key = k.key
    order by p.place, a.position
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
