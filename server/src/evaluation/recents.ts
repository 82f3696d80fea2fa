// The newest activities of each fact that windows ask for: of each profile and type as many as the highest threshold
// needs, by the index on (profile, type, occurred_at), and all that lie after `from`. Those of a profile and type come as
// one value in binary form: a row of the driver's for each of them would cost more than all the rest.

import { empty, join, raw, sql, unnamed, type Queryable, type Sql } from '../database/database.ts';
import { packed } from '../database/packed.ts';
import { FIRST_INSTANT, formatInstant, type Instant } from '../instant.ts';
import { addedBy, filterConditions, type ActivityFilter } from '../rules/activity-filter.ts';
import { mergeRecent } from '../rules/operators/windows.ts';
import { recentKey, type Recent, type RecentKey, type RecentNeed } from '../rules/state.ts';
import { BINARY_EPOCH, readInt8 } from '../database/copy.ts';
import { batchesInput } from './profile-batches.ts';

/** How many activities of a type are read at first; more only for profiles whose thresholds lie deeper. */
export const FIRST_DEPTH = 256;
const DEEPER = 16;

export interface RecentOf {
  profileId: string;
  key: RecentKey;
  recent: Recent;
}

/** Profiles, and what is wanted of each of them. */
export interface Asked {
  ids: readonly string[];
  need: RecentNeed;
  /** Whether some lie after `from`. */
  later: boolean;
}

/** The ids under which activities of a profile still stand, by its own (facts/moves.ts). */
type Sources = ReadonlyMap<string, readonly string[]>;
const NO_SOURCES: Sources = new Map();

/**
 * `p`: whose activities are read, with the places that batchesInput gives, and the profile that has the totals. What still
 * stands under other ids has the place of the profile that it is one's of: read by one statement, no activity on its way is
 * missed or read twice.
 */
function readFrom(asked: readonly Asked[], sources: Sources): { profiles: Sql; owner: Sql } {
  const { ids, profiles } = batchesInput(asked);
  if (!ids.some((id) => sources.has(id))) return { profiles, owner: sql`p.id` };
  const numbers = asked.flatMap((each, number) => each.ids.map(() => number));
  const rows = ids.flatMap((owner, index) =>
    [owner, ...(sources.get(owner) ?? [])].map((id) => ({ id, owner, batch: numbers[index] ?? 0, place: index + 1 })),
  );
  return {
    profiles: sql`unnest(${packed(rows.map((row) => row.id))}::uuid[], ${packed(rows.map((row) => row.owner))}::uuid[],
      ${packed(rows.map((row) => row.batch))}::int[], ${packed(rows.map((row) => row.place))}::bigint[]) as p (id, owner, batch, place)`,
    owner: sql`p.owner`,
  };
}

export async function loadRecents(
  db: Queryable,
  applicationId: number,
  given: readonly Asked[],
  from: Instant,
  firstDepth: number,
  sources: Sources = NO_SOURCES,
): Promise<RecentOf[]> {
  const found = new Map<string, RecentOf>();
  let asked = given;
  for (let depth = firstDepth; asked.length > 0; depth *= DEEPER) {
    const shallow = new Map<Asked, string[]>();
    for (const { of, ...one } of await loadToDepth(db, applicationId, asked, from, depth, sources)) {
      found.set(`${one.profileId} ${one.key}`, one);
      if (isEnough(one.recent, of.need, from)) continue;
      const ids = shallow.get(of);
      if (ids) ids.push(one.profileId);
      else shallow.set(of, [one.profileId]);
    }
    asked = [...shallow].map(([of, ids]) => ({ ...of, ids }));
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
  place: number;
  batch: number;
  /** The instants, int8 each, and the values, int4 each, with filters int8. */
  at: Buffer;
  value: Buffer | null;
}

interface Found extends RecentOf {
  of: Asked;
}

async function loadToDepth(
  db: Queryable,
  applicationId: number,
  asked: readonly Asked[],
  from: Instant,
  depth: number,
  sources: Sources,
): Promise<Found[]> {
  const kinds = new Map<string, Asked[]>();
  for (const each of asked) {
    const { fact, filter } = each.need;
    const kind = [fact.where !== undefined, fact.typeId === 0, filter !== undefined].join();
    kinds.set(kind, [...(kinds.get(kind) ?? []), each]);
  }
  const loaded = await Promise.all(
    [...kinds.values()].map(async (of) => {
      const statement =
        db.isDistributed === true
          ? clusterStatement(of, from, depth, sources)
          : recentsStatement(applicationId, of, from, depth, sources);
      // What leaves say stands in the text: each would be planned once and kept for nothing.
      const { rows } = await db.query<RecentRow>(of[0]?.need.filter ? unnamed(statement) : statement);
      return collect(rows, of, from, depth);
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
 * the rows), with filters of leaves or without, of a type or of any, which is every type that the profile has a total of,
 * one after the other.
 */
function recentsStatement(
  applicationId: number,
  asked: readonly Asked[],
  from: Instant,
  depth: number,
  sources: Sources,
): Sql {
  const fact = asked[0]?.need.fact;
  const conditional = fact?.where !== undefined;
  const anyType = fact?.typeId === 0;
  const type = raw(anyType ? 't.type_id' : 'f.type_id');
  const { profiles, owner } = readFrom(asked, sources);
  const types = anyType
    ? sql`cross join lateral (
        select t.fact_id as type_id, t.last_at
        from totals t
        where t.profile_id = ${owner}
          and t.fact_id = any(array(select id from activity_types where application_id in (0, ${applicationId})))
      ) t`
    : empty;
  const { condition, value, send } = filtered(asked);
  const data = join([condition, ...(conditional ? [sql`and a.data -> f.key = f.equals`] : [])], ' ');
  const until = formatInstant(from);
  const later = anyType ? sql`and t.last_at > ${until}` : empty; // spares a look into the index for nearly every type
  const values = hasSums(asked) ? sql`string_agg(${send}(r.value), ''::bytea)` : sql`null::bytea`;
  return sql`
    select p.place, p.batch, r.at, r.value
    from ${profiles}
    join ${needed(asked, from, depth)} on f.batch = p.batch
    ${types}
    cross join lateral (
      select string_agg(timestamptz_send(r.occurred_at), ''::bytea) as at, ${values} as value
      from (
        (
          select a.occurred_at, ${value} as value
          from activities a
          where a.profile_id = p.id and a.type_id = ${type} and a.occurred_at > f.since and a.occurred_at <= ${until}
            ${data}
          order by a.occurred_at desc
          limit f.depth
        )
        union all
        select a.occurred_at, ${value} as value
        from activities a
        where a.profile_id = p.id and a.type_id = ${type} and a.occurred_at > ${until} and f.later ${data} ${later}
      ) r
    ) r
    where r.at is not null
  `;
}

/**
 * What leaves say of the data, of a fixed time and of the number that is added, where the needs have filters. Each batch has
 * its own, so the text tells them apart by their numbers.
 */
function filtered(asked: readonly Asked[]): { condition: Sql; value: Sql; send: Sql } {
  if (asked[0]?.need.filter === undefined) return { condition: empty, value: sql`a.value`, send: sql`int4send` };
  const byBatch = (text: (filter: ActivityFilter) => string): Sql =>
    raw(
      `case f.batch ${asked.map(({ need: { filter } }, batch) => (filter ? `when ${batch} then ${text(filter)}` : '')).join(' ')} end`,
    );
  return {
    condition: sql`and a.occurred_at < f.before and ${byBatch((filter) => filterConditions(filter, 'a.').join(' and ') || 'true')}`,
    value: byBatch((filter) => addedBy(filter, 'a.')),
    send: sql`int8send`,
  };
}

const hasSums = (asked: readonly Asked[]): boolean => asked.some(({ need }) => need.sum > 0);

/** `f`: a row for each batch. */
function needed(asked: readonly Asked[], from: Instant, depth: number): Sql {
  const needs = asked.map(({ need }) => need);
  return sql`unnest(
      ${packed([...asked.keys()])}::int[],
      ${packed(needs.map((need) => need.fact.typeId))}::int[],
      ${packed(needs.map((need) => formatInstant(sinceOf(need, from))))}::timestamptz[],
      ${packed(needs.map((need) => limitOf(need, depth) ?? 'null'))}::int[],
      ${needs.map((need) => need.fact.where?.key ?? null)}::text[],
      ${needs.map((need) => (need.fact.where ? JSON.stringify(need.fact.where.equals) : null))}::jsonb[],
      ${packed(asked.map((each) => String(each.later)))}::boolean[],
      ${packed(needs.map((need) => (need.filter?.until == null ? 'infinity' : formatInstant(need.filter.until))))}::timestamptz[]
    ) as f (batch, type_id, since, depth, key, equals, later, before)`;
}

/** After this. */
const sinceOf = ({ span, filter }: RecentNeed, from: Instant): Instant =>
  Math.max(from - span, (filter?.from ?? FIRST_INSTANT) - 1);

/** The same where a cluster refuses a limit for each profile: numbered within the window, which reads all of it. */
function clusterStatement(asked: readonly Asked[], from: Instant, depth: number, sources: Sources): Sql {
  const fact = asked[0]?.need.fact;
  const type = fact?.typeId === 0 ? empty : sql`and a.type_id = f.type_id`;
  const { condition, value, send } = filtered(asked);
  const data = join([condition, ...(fact?.where === undefined ? [] : [sql`and a.data -> f.key = f.equals`])], ' ');
  const until = sql`${formatInstant(from)}::timestamptz`;
  const values = hasSums(asked)
    ? sql`string_agg(${send}(r.value), ''::bytea order by r.occurred_at desc, r.rank)`
    : sql`null::bytea`;
  return sql`
    select r.place, r.batch, string_agg(timestamptz_send(r.occurred_at), ''::bytea order by r.occurred_at desc, r.rank) as at, ${values} as value
    from (
      select a.profile_id, p.place, p.batch, f.depth, a.type_id, a.occurred_at, ${value} as value,
        row_number() over (
          partition by a.profile_id, p.place, a.type_id, (a.occurred_at > ${until}) order by a.occurred_at desc
        ) as rank
      from activities a
      join ${readFrom(asked, sources).profiles} on p.id = a.profile_id
      join ${needed(asked, from, depth)} on f.batch = p.batch and a.occurred_at > f.since ${type} ${data}
    ) r
    where r.occurred_at > ${until} or r.depth is null or r.rank <= r.depth
    group by r.profile_id, r.place, r.batch, r.type_id
  `;
}

/** The lists of each profile and fact, newest first; one as long as its limit may go on. */
function collect(rows: readonly RecentRow[], asked: readonly Asked[], from: Instant, depth: number): Found[] {
  const ids = asked.flatMap((each) => each.ids);
  const byPlace = new Map<number, { of: Asked; recents: Recent[] }>();
  for (const row of rows) {
    const of = asked[row.batch];
    if (!of) throw new RangeError('a row of something that was not asked for');
    const recent = readRecent(row, from, limitOf(of.need, depth) ?? Infinity, of.need.filter ? 8 : 4);
    const known = byPlace.get(row.place);
    if (known) known.recents.push(recent);
    else byPlace.set(row.place, { of, recents: [recent] });
  }
  return [...byPlace].map(([place, { of, recents }]) => ({
    profileId: ids[place - 1] ?? '',
    key: recentKey(of.need.fact, of.need.filter),
    recent: mergeRecent(recents),
    of,
  }));
}

function readRecent(row: RecentRow, from: Instant, limit: number, bytes: 4 | 8): Recent {
  const length = row.at.length / 8;
  const at = Array.from({ length }, (_, index) => readInt8(row.at, index * 8) + BINARY_EPOCH);
  const value = Array.from({ length }, (_, index) => {
    if (!row.value) return 1;
    return bytes === 8 ? readInt8(row.value, index * 8) : row.value.readInt32BE(index * 4);
  });
  const complete = at.filter((instant) => instant <= from).length < limit;
  // Only what lies after `from` comes in any order, and mostly there is none of it.
  if (at.every((instant, index) => index === 0 || instant <= (at[index - 1] ?? 0))) return { at, value, complete };
  const order = Array.from(at.keys()).sort((a, b) => (at[b] ?? 0) - (at[a] ?? 0));
  return { at: order.map((index) => at[index] ?? 0), value: order.map((index) => value[index] ?? 0), complete };
}
