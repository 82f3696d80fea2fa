// The newest activities of each fact that windows ask for: of each profile and type as many as the highest threshold
// needs, by the index on (profile, type, occurred_at), and all that lie after `from`.

import { raw, sql, type Queryable, type Sql } from '../database/database.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { mergeRecent } from '../rules/operators/windows.ts';
import type { Recent, RecentNeed } from '../rules/state.ts';

/** How many activities of a type are read at first; more only for profiles whose thresholds lie deeper. */
export const FIRST_DEPTH = 256;
const DEEPER = 16;

export interface RecentOf {
  profileId: string;
  factId: number;
  recent: Recent;
}

export async function loadRecents(
  db: Queryable,
  applicationId: number,
  profileIds: readonly string[],
  needs: readonly RecentNeed[],
  from: Instant,
  firstDepth: number,
): Promise<RecentOf[]> {
  const found = new Map<string, RecentOf>();
  let ids = profileIds;
  let asked = needs;
  for (let depth = firstDepth; asked.length > 0; depth *= DEEPER) {
    const shallow: RecentOf[] = [];
    for (const one of await loadToDepth(db, applicationId, ids, asked, from, depth)) {
      found.set(`${one.profileId} ${one.factId}`, one);
      const need = asked.find((candidate) => candidate.fact.factId === one.factId);
      if (need && !isEnough(one.recent, need, from)) shallow.push(one);
    }
    const facts = new Set(shallow.map((one) => one.factId));
    ids = [...new Set(shallow.map((one) => one.profileId))];
    asked = asked.filter((need) => facts.has(need.fact.factId));
  }
  return [...found.values()];
}

/** Whether count and sum reach their ranks by activities up to `from`, or there is nothing more to read. */
function isEnough(recent: Recent, need: RecentNeed, from: Instant): boolean {
  if (recent.complete) return true;
  let count = 0;
  let sum = 0;
  for (const [index, at] of recent.at.entries()) {
    if (at > from) continue;
    count += 1;
    sum += recent.value[index] ?? 0;
  }
  return count >= need.count && sum >= need.sum;
}

interface RecentRow {
  profile_id: string;
  fact_id: number;
  type_id: number;
  at: Instant;
  value: number;
}

async function loadToDepth(
  db: Queryable,
  applicationId: number,
  profileIds: readonly string[],
  needs: readonly RecentNeed[],
  from: Instant,
  depth: number,
): Promise<RecentOf[]> {
  const kinds = [true, false].flatMap((conditional) =>
    [true, false].map((anyType) =>
      needs.filter(({ fact }) => (fact.where !== undefined) === conditional && (fact.typeId === 0) === anyType),
    ),
  );
  const loaded = await Promise.all(
    kinds.map(async (of) => {
      if (of.length === 0) return [];
      const { rows } = await db.query<RecentRow>(recentsStatement(applicationId, profileIds, of, from, depth));
      return rows;
    }),
  );
  const limits = new Map(needs.map((need) => [need.fact.factId, limitOf(need, depth)]));
  return collect(loaded.flat(), limits, from);
}

/** A count needs as many rows as its rank; a sum that many at most, and mostly far fewer. Null: all. */
function limitOf(need: RecentNeed, depth: number): number | null {
  const rank = Math.max(need.count, need.sum);
  return rank === Infinity ? null : Math.min(rank, depth);
}

/**
 * One statement for facts of one kind: with or without a condition on the data (which leaves the covering index for
 * the rows), of a type or of any, which is every type that the profile has a total of, one after the other.
 */
function recentsStatement(
  applicationId: number,
  profileIds: readonly string[],
  needs: readonly RecentNeed[],
  from: Instant,
  depth: number,
): Sql {
  const [{ fact } = { fact: undefined }] = needs;
  const conditional = fact?.where !== undefined;
  const anyType = fact?.typeId === 0;
  const type = raw(anyType ? 't.type_id' : 'f.type_id');
  const types = anyType
    ? sql`cross join lateral (
        select t.fact_id as type_id, t.last_at
        from totals t
        where t.profile_id = p.id
          and t.fact_id = any(array(select id from activity_types where application_id in (0, ${applicationId})))
      ) t`
    : sql``;
  const data = conditional ? sql`and a.data -> f.key = f.equals` : sql``;
  const until = formatInstant(from);
  const later = anyType ? sql`and t.last_at > ${until}` : sql``; // spares a look into the index for nearly every type
  return sql`
    select p.id as profile_id, f.fact_id, r.type_id, r.occurred_at as at, r.value
    from profiles p
    cross join unnest(
      ${needs.map((need) => need.fact.factId)}::integer[],
      ${needs.map((need) => need.fact.typeId)}::integer[],
      ${needs.map((need) => formatInstant(from - need.span))}::timestamptz[],
      ${needs.map((need) => limitOf(need, depth))}::integer[],
      ${needs.map((need) => need.fact.where?.key ?? null)}::text[],
      ${needs.map((need) => (need.fact.where ? JSON.stringify(need.fact.where.equals) : null))}::jsonb[]
    ) f (fact_id, type_id, since, depth, key, equals)
    ${types}
    cross join lateral (
      (
        select a.type_id, a.occurred_at, a.value
        from activities a
        where a.profile_id = p.id and a.type_id = ${type} and a.occurred_at > f.since and a.occurred_at <= ${until}
          ${data}
        order by a.occurred_at desc
        limit f.depth
      )
      union all
      select a.type_id, a.occurred_at, a.value
      from activities a
      where a.profile_id = p.id and a.type_id = ${type} and a.occurred_at > ${until} ${data} ${later}
    ) r
    where p.id = any(${profileIds}::uuid[])
  `;
}

/** Rows gathered by profile, fact and type, newest first; a list as long as its limit may go on. */
function collect(rows: readonly RecentRow[], limits: ReadonlyMap<number, number | null>, from: Instant): RecentOf[] {
  const lists = new Map<string, { profileId: string; factId: number; rows: RecentRow[] }>();
  for (const row of rows) {
    const key = `${row.profile_id} ${row.fact_id} ${row.type_id}`;
    const list = lists.get(key);
    if (list) list.rows.push(row);
    else lists.set(key, { profileId: row.profile_id, factId: row.fact_id, rows: [row] });
  }
  const byFact = new Map<string, { profileId: string; factId: number; recents: Recent[] }>();
  for (const { profileId, factId, rows: list } of lists.values()) {
    list.sort((a, b) => b.at - a.at);
    const past = list.filter((row) => row.at <= from).length;
    const recent = {
      at: list.map((row) => row.at),
      value: list.map((row) => row.value),
      complete: past < (limits.get(factId) ?? Infinity),
    };
    const key = `${profileId} ${factId}`;
    const known = byFact.get(key);
    if (known) known.recents.push(recent);
    else byFact.set(key, { profileId, factId, recents: [recent] });
  }
  return [...byFact.values()].map(({ profileId, factId, recents }) => ({
    profileId,
    factId,
    recent: mergeRecent(recents),
  }));
}
