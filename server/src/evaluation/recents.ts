// The newest activities of each fact that windows ask for: of each profile and type as many as the highest threshold
// needs, by the index on (profile, type, occurred_at), and all that lie after `from`. Those of a profile and type come as
// one value in binary form: a row of the driver's for each of them would cost more than all the rest.

import { empty, raw, sql, type Queryable, type Sql } from '../database/database.ts';
import { packed } from '../groups/packed.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { mergeRecent } from '../rules/operators/windows.ts';
import type { Recent, RecentNeed } from '../rules/state.ts';
import { BINARY_EPOCH, readInt8 } from './copy.ts';
import { lotsInput, type Lot, type LotsInput } from './lots.ts';

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
  lots: readonly Lot[],
  from: Instant,
  firstDepth: number,
): Promise<RecentOf[]> {
  const found = new Map<string, RecentOf>();
  let asked = lots.map((lot): Asked => ({ ids: lot.ids, needs: [...lot.needs.recent.values()] }));
  for (let depth = firstDepth; asked.length > 0; depth *= DEEPER) {
    const shallow = new Map<RecentNeed, string[]>();
    const loaded = await loadToDepth(db, applicationId, asked, from, depth);
    for (const { need, ...one } of loaded) {
      found.set(`${one.profileId} ${one.factId}`, one);
      if (isEnough(one.recent, need, from)) continue;
      const ids = shallow.get(need);
      if (ids) ids.push(one.profileId);
      else shallow.set(need, [one.profileId]);
    }
    asked = [...shallow].map(([need, ids]) => ({ ids, needs: [need] }));
  }
  return [...found.values()];
}

/** Profiles, and what is wanted of each of them. */
interface Asked {
  ids: readonly string[];
  needs: readonly RecentNeed[];
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
  place: number;
  /** Of the need in its statement, from 0. */
  need: number;
  /** The instants, int8 each, and the values, int4 each. */
  at: Buffer;
  value: Buffer | null;
}

interface Found extends RecentOf {
  need: RecentNeed;
}

async function loadToDepth(
  db: Queryable,
  applicationId: number,
  asked: readonly Asked[],
  from: Instant,
  depth: number,
): Promise<Found[]> {
  const kinds = [true, false].flatMap((conditional) =>
    [true, false].map((anyType) =>
      asked
        .map(({ ids, needs }) => ({
          ids,
          needs: needs.filter(
            ({ fact }) => (fact.where !== undefined) === conditional && (fact.typeId === 0) === anyType,
          ),
        }))
        .filter(({ needs }) => needs.length > 0),
    ),
  );
  const loaded = await Promise.all(
    kinds.map(async (of) => {
      if (of.length === 0) return [];
      const input = lotsInput(of);
      const needs = of.flatMap((each, lot) => each.needs.map((need) => ({ lot, need })));
      const { rows } = await db.query<RecentRow>(
        db.isDistributed === true
          ? clusterStatement(input, needs, from, depth)
          : recentsStatement(applicationId, input, needs, from, depth),
      );
      return collect(rows, input, needs, from, depth);
    }),
  );
  return loaded.flat();
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
  { profiles }: LotsInput,
  asked: readonly LotNeed[],
  from: Instant,
  depth: number,
): Sql {
  const fact = asked[0]?.need.fact;
  const conditional = fact?.where !== undefined;
  const anyType = fact?.typeId === 0;
  const type = raw(anyType ? 't.type_id' : 'f.type_id');
  const types = anyType
    ? sql`cross join lateral (
        select t.fact_id as type_id, t.last_at
        from totals t
        where t.profile_id = q.id
          and t.fact_id = any(array(select id from activity_types where application_id in (0, ${applicationId})))
      ) t`
    : empty;
  const data = conditional ? sql`and a.data -> f.key = f.equals` : empty;
  const until = formatInstant(from);
  const later = anyType ? sql`and t.last_at > ${until}` : empty; // spares a look into the index for nearly every type
  const values = hasSums(asked) ? sql`string_agg(int4send(r.value), ''::bytea)` : sql`null::bytea`;
  return sql`
    select p.place, f.need, r.at, r.value
    from profiles q
    join ${profiles} on p.id = q.id
    join ${needed(asked, from, depth)} on f.lot = p.lot
    ${types}
    cross join lateral (
      select string_agg(timestamptz_send(r.occurred_at), ''::bytea) as at, ${values} as value
      from (
        (
          select a.occurred_at, a.value
          from activities a
          where a.profile_id = q.id and a.type_id = ${type} and a.occurred_at > f.since and a.occurred_at <= ${until}
            ${data}
          order by a.occurred_at desc
          limit f.depth
        )
        union all
        select a.occurred_at, a.value
        from activities a
        where a.profile_id = q.id and a.type_id = ${type} and a.occurred_at > ${until} ${data} ${later}
      ) r
    ) r
    where r.at is not null
  `;
}

interface LotNeed {
  lot: number;
  need: RecentNeed;
}

const hasSums = (asked: readonly LotNeed[]): boolean => asked.some(({ need }) => need.sum > 0);

/** `f`: a row for each need. */
function needed(asked: readonly LotNeed[], from: Instant, depth: number): Sql {
  const needs = asked.map(({ need }) => need);
  return sql`unnest(
      ${packed(asked.map(({ lot }) => lot))}::int[],
      ${packed(needs.map((need) => need.fact.typeId))}::int[],
      ${packed(needs.map((need) => formatInstant(from - need.span)))}::timestamptz[],
      ${packed(needs.map((need) => limitOf(need, depth) ?? 'null'))}::int[],
      ${needs.map((need) => need.fact.where?.key ?? null)}::text[],
      ${needs.map((need) => (need.fact.where ? JSON.stringify(need.fact.where.equals) : null))}::jsonb[],
      ${packed(needs.map((_, index) => index))}::int[]
    ) as f (lot, type_id, since, depth, key, equals, need)`;
}

/** The same where a cluster refuses a limit for each profile: numbered within the window, which reads all of it. */
function clusterStatement({ profiles }: LotsInput, asked: readonly LotNeed[], from: Instant, depth: number): Sql {
  const fact = asked[0]?.need.fact;
  const type = fact?.typeId === 0 ? empty : sql`and a.type_id = f.type_id`;
  const data = fact?.where === undefined ? empty : sql`and a.data -> f.key = f.equals`;
  const until = sql`${formatInstant(from)}::timestamptz`;
  const values = hasSums(asked)
    ? sql`string_agg(int4send(r.value), ''::bytea order by r.occurred_at desc, r.rank)`
    : sql`null::bytea`;
  return sql`
    select r.place, r.need, string_agg(timestamptz_send(r.occurred_at), ''::bytea order by r.occurred_at desc, r.rank) as at, ${values} as value
    from (
      select a.profile_id, p.place, f.need, f.depth, a.type_id, a.occurred_at, a.value,
        row_number() over (
          partition by a.profile_id, p.place, f.need, a.type_id, (a.occurred_at > ${until}) order by a.occurred_at desc
        ) as rank
      from activities a
      join ${profiles} on p.id = a.profile_id
      join ${needed(asked, from, depth)} on f.lot = p.lot and a.occurred_at > f.since ${type} ${data}
    ) r
    where r.occurred_at > ${until} or r.depth is null or r.rank <= r.depth
    group by r.profile_id, r.place, r.need, r.type_id
  `;
}

/** The lists of each profile and fact, newest first; one as long as its limit may go on. */
function collect(
  rows: readonly RecentRow[],
  { ids }: LotsInput,
  needs: readonly LotNeed[],
  from: Instant,
  depth: number,
): Found[] {
  const byFact = new Map<string, { profileId: string; need: RecentNeed; recents: Recent[] }>();
  for (const row of rows) {
    const profileId = ids[row.place - 1];
    const need = needs[row.need]?.need;
    if (profileId === undefined || !need) throw new RangeError('a row of something that was not asked for');
    const recent = readRecent(row, from, limitOf(need, depth) ?? Infinity);
    const key = `${row.place} ${row.need}`;
    const known = byFact.get(key);
    if (known) known.recents.push(recent);
    else byFact.set(key, { profileId, need, recents: [recent] });
  }
  return [...byFact.values()].map(({ profileId, need, recents }) => ({
    profileId,
    factId: need.fact.factId,
    recent: mergeRecent(recents),
    need,
  }));
}

function readRecent(row: RecentRow, from: Instant, limit: number): Recent {
  const length = row.at.length / 8;
  const at = Array.from({ length }, (_, index) => readInt8(row.at, index * 8) + BINARY_EPOCH);
  const value = Array.from({ length }, (_, index) => row.value?.readInt32BE(index * 4) ?? 1);
  const complete = at.filter((instant) => instant <= from).length < limit;
  // Only what lies after `from` comes in any order, and mostly there is none of it.
  if (at.every((instant, index) => index === 0 || instant <= (at[index - 1] ?? 0))) return { at, value, complete };
  const order = Array.from(at.keys()).sort((a, b) => (at[b] ?? 0) - (at[a] ?? 0));
  return { at: order.map((index) => at[index] ?? 0), value: order.map((index) => value[index] ?? 0), complete };
}
