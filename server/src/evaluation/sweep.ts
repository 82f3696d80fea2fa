// The clock's part: finds the profiles for which an edge of time lies between the last sweep and now, by index ranges,
// and puts them into the queue. Nothing is stored ahead of time, so nothing can be stored too late.
//
// A sweep first announces how far it will come and commits that; only then does it look. A transaction that evaluates
// without having seen the announcement committed before the look, which therefore sees its facts; one that has seen it
// evaluates at that instant or later. Either way no flip falls between them, whatever their clocks say.
//
// Mostly nothing crosses an edge. So a sweeper asks first whether anything does, in one statement
// that writes nothing; what an earlier sweep reached stays where it is, so nothing is passed over by asking.

import { join, raw, sql, type Queryable, type Sql } from '../database/database.ts';
import { listMoves, ownersOf } from '../facts/moves.ts';
import { formatInstant, MICROS_PER_SECOND, type Instant } from '../instant.ts';
import { crossedRanges, type Boundary, type InstantRange } from '../rules/boundary.ts';
import type { LiveContext } from './live.ts';
import { enqueueRows } from '../queue/queue.ts';
import { groupKey, MOST_READINGS, type ApplicationRules, type WatchedBoundary } from './rules-cache.ts';

/** How much time one statement may look through, and the bounds of how long it should take. */
const FIRST_STEP = 3_600 * MICROS_PER_SECOND;
const SHORTEST_STEP = MICROS_PER_SECOND;
const SLOW_MS = 2_000;
const FAST_MS = 200;
/** What `as_of` may lie behind where nothing happens. */
const LONGEST_REST = MICROS_PER_SECOND;

/** An application whose clock part is work. */
export interface Sweepable {
  applicationId: number;
  swept: Instant;
  /** Of its rules, now. */
  version: number;
}

export async function listSweepable(db: Queryable): Promise<Sweepable[]> {
  const { rows } = await db.query<{ application_id: number; swept_until: Instant; version: number }>(sql`
    select s.application_id, s.swept_until, a.definitions_version as version
    from sweeps s join applications a on a.id = s.application_id order by s.application_id`);
  return rows.map((row) => ({ applicationId: row.application_id, swept: row.swept_until, version: row.version }));
}

export interface Sweeper {
  /** Whether a sweep would find something, or would show how far the truth reaches after it stood still for long. */
  isWorthwhile(application: Sweepable): Promise<boolean>;
  /** Sweeps the application up to now. Returns how many rows went into the queue. */
  sweep(applicationId: number): Promise<number>;
}

export function sweeper(context: LiveContext): Sweeper {
  let step = FIRST_STEP;
  return {
    async isWorthwhile({ applicationId, swept, version }) {
      const now = context.clock.now();
      if (now - swept >= LONGEST_REST) return true;
      const rules = await context.rules.get(applicationId);
      return rules?.version !== version || crossesAny(context.db, rules, swept, now);
    },
    async sweep(applicationId) {
      const until = await announce(context, applicationId);
      if (until === undefined) return 0;
      let queued = 0;
      for (;;) {
        const startedAt = performance.now();
        const done = await look(context, applicationId, until, step).catch((error: unknown) => {
          step = Math.max(SHORTEST_STEP, step / 4); // most likely it took too long
          throw error;
        });
        const took = performance.now() - startedAt;
        if (took > SLOW_MS) step = Math.max(SHORTEST_STEP, step / 2);
        else if (took < FAST_MS) step = Math.min(step * 2, Number.MAX_SAFE_INTEGER / 4);
        queued += done.queued;
        if (done.reached >= until) return queued;
      }
    },
  };
}

async function announce({ db, clock, leases }: LiveContext, applicationId: number): Promise<Instant | undefined> {
  return db.transaction(async (tx) => {
    await leases.hold(tx);
    await tx.query(sql`set local synchronous_commit = off`); // lost with the machine, it is looked through once more
    const { rows } = await tx.query<{ until: Instant }>(sql`
      update sweeps set sweeping_until = greatest(sweeping_until, ${formatInstant(clock.now())}::timestamptz)
      where application_id = ${applicationId} returning sweeping_until as until`);
    return rows[0]?.until;
  });
}

async function look(
  context: LiveContext,
  applicationId: number,
  until: Instant,
  step: number,
): Promise<{ reached: Instant; queued: number }> {
  let rules = await context.rules.get(applicationId);
  for (let attempt = 0; ; attempt++) {
    if (!rules) return { reached: until, queued: 0 };
    const known = rules;
    const done = await context.db.transaction(async (tx) => {
      await context.leases.hold(tx);
      const held = attempt >= MOST_READINGS ? await context.rules.hold(applicationId, tx) : undefined;
      const current = held ?? known;
      const [sweeps, versions] = await Promise.all([
        tx.query<{ swept: Instant }>(
          sql`select swept_until as swept from sweeps where application_id = ${applicationId} for update`,
        ),
        tx.query<{ version: number }>(
          sql`select definitions_version as version from applications where id = ${applicationId}`,
        ),
      ]);
      const [row] = sweeps.rows;
      if (!row) return { reached: until, queued: 0 };
      if (versions.rows[0]?.version !== current.version) return undefined;
      const reached = Math.min(until, row.swept + step);
      if (reached <= row.swept) return { reached: row.swept, queued: 0 };
      await tx.query(sql`set local synchronous_commit = off`);
      const queued = await queueBoundaries(tx, current, row.swept, reached);
      await tx.query(
        sql`update sweeps set swept_until = ${formatInstant(reached)} where application_id = ${applicationId}`,
      );
      return { reached, queued };
    });
    if (done) return done;
    rules = await context.rules.refresh(applicationId);
  }
}

/** Selects of (profile_id, ordinal, keys): whose pins end, and who crosses an edge. */
function edges(rules: ApplicationRules, since: Instant, until: Instant): Sql {
  const { applicationId, boundaries } = rules;
  const pins = sql`
      select p.profile_id, p.ordinal, ${groupKey.pin('')} || p.group_id as keys from pins p
      where p.application_id = ${applicationId} and p.expires_at > ${formatInstant(since)} and p.expires_at <= ${formatInstant(until)}`;
  return join([pins, ...crossed(applicationId, boundaries, since, until)], ' union all ');
}

async function crossesAny(db: Queryable, rules: ApplicationRules, since: Instant, until: Instant): Promise<boolean> {
  const boundaries = rules.boundaries.map(({ boundary }) => ({ boundary, keys: [] })); // who reads them is not asked
  const { rows } = await db.query(sql`select from (${edges({ ...rules, boundaries }, since, until)}) c limit 1`);
  return rows.length > 0;
}

async function queueBoundaries(
  tx: Queryable,
  rules: ApplicationRules,
  since: Instant,
  until: Instant,
): Promise<number> {
  const { applicationId } = rules;
  // What crosses on its way to another profile is that one's, and waits with whatever else crosses for it: decided apart, the
  // later of two would be seen first. A merge that comes between the two statements decides what lies before `until` itself.
  const owners = raw(ownersOf(await listMoves(tx, applicationId)));
  const { count } = await tx.query(
    enqueueRows(
      { applicationId, cause: 'clock', now: until, since },
      sql`select c.profile_id, c.ordinal, string_to_array(string_agg(distinct c.keys, ' '), ' ') as changed
        from (select ${owners}, keys from (${edges(rules, since, until)}) e) c group by c.profile_id, c.ordinal`,
    ),
  );
  return count;
}

/** Selects of (profile_id, ordinal, keys): who crosses where after `since` and up to `until`, once for each boundary. */
export function crossed(
  applicationId: number,
  boundaries: readonly WatchedBoundary[],
  since: Instant,
  until: Instant,
): Sql[] {
  const ranges = boundaries.flatMap((watched) =>
    crossedRanges(watched.boundary, since, until).map((range): Crossed => ({ ...watched, ...range })),
  );
  const bounds = (found: readonly Crossed[]): Bounds => ({
    low: found.map(({ low }) => formatInstant(low)),
    high: found.map(({ high }) => formatInstant(high)),
    keys: found.map(({ keys }) => keys.join(' ')),
  });
  return SOURCES.flatMap(({ rows, select }) => {
    const found = rows(ranges);
    return found.length === 0 ? [] : [select(applicationId, found, bounds(found))];
  });
}

type Crossed = WatchedBoundary & InstantRange;

type Source<Kind> = Extract<Boundary['source'], { kind: Kind }>;
type Found = Crossed & { id?: number; key?: string };
type Bounds = { low: string[]; high: string[]; keys: string[] };

/** Each kind of source: its boundaries, one for each type or key, and the select of (profile_id, ordinal, keys). */
const SOURCES: {
  rows(boundaries: readonly Crossed[]): Found[];
  select(applicationId: number, found: Found[], bounds: Bounds): Sql;
}[] = [
  {
    rows: (boundaries) =>
      of(boundaries, 'activities').flatMap(({ watched, source }) =>
        source.typeIds.includes(0) ? [] : source.typeIds.map((id) => ({ ...watched, id })),
      ),
    select: (applicationId, found, { low, high, keys }) => sql`
      select a.profile_id, a.ordinal, f.keys
      from unnest(${found.map(({ id }) => id)}::int[], ${low}::timestamptz[], ${high}::timestamptz[], ${keys}::text[]) f (type_id, low, high, keys)
      join activities a on a.application_id = ${applicationId} and a.type_id = f.type_id and a.occurred_at > f.low and a.occurred_at <= f.high`,
  },
  {
    rows: (boundaries) =>
      of(boundaries, 'activities').flatMap(({ watched, source }) => (source.typeIds.includes(0) ? [watched] : [])),
    select: (applicationId, _found, { low, high, keys }) => sql`
      select a.profile_id, a.ordinal, f.keys
      from unnest(${low}::timestamptz[], ${high}::timestamptz[], ${keys}::text[]) f (low, high, keys)
      cross join (select id from activity_types where application_id in (0, ${applicationId})) t
      join activities a on a.application_id = ${applicationId} and a.type_id = t.id and a.occurred_at > f.low and a.occurred_at <= f.high`,
  },
  {
    rows: (boundaries) => of(boundaries, 'created_at').map(({ watched }) => watched),
    select: (applicationId, _found, { low, high, keys }) => sql`
      select p.id, p.ordinal, f.keys
      from unnest(${low}::timestamptz[], ${high}::timestamptz[], ${keys}::text[]) f (low, high, keys)
      join profiles p on p.application_id = ${applicationId} and p.created_at > f.low and p.created_at <= f.high`,
  },
  {
    rows: (boundaries) => of(boundaries, 'attribute').map(({ watched, source }) => ({ ...watched, key: source.key })),
    select: (applicationId, found, { low, high, keys }) => sql`
      select a.profile_id, a.ordinal, f.keys
      from unnest(${found.map(({ key }) => key)}::text[], ${low}::timestamptz[], ${high}::timestamptz[], ${keys}::text[]) f (key, low, high, keys)
      join profile_attributes a on a.application_id = ${applicationId} and a.key = f.key and a.instant > f.low and a.instant <= f.high`,
  },
  {
    rows: (boundaries) => of(boundaries, 'state').map(({ watched, source }) => ({ ...watched, id: source.factId })),
    select: (applicationId, found, { low, high, keys }) => sql`
      select t.profile_id, t.ordinal, f.keys
      from unnest(${found.map(({ id }) => id)}::int[], ${low}::timestamptz[], ${high}::timestamptz[], ${keys}::text[]) f (fact_id, low, high, keys)
      join totals t on t.application_id = ${applicationId} and t.fact_id = f.fact_id and t.state_instant > f.low and t.state_instant <= f.high`,
  },
];

function of<Kind extends Boundary['source']['kind']>(
  boundaries: readonly Crossed[],
  kind: Kind,
): { watched: Crossed; source: Source<Kind> }[] {
  return boundaries.flatMap((watched) => {
    const { source } = watched.boundary;
    return source.kind === kind ? [{ watched, source: source as Source<Kind> }] : []; // the kind was just compared
  });
}
