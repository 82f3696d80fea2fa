// What /metrics says about the evaluation. Counts come from the worker, through messages where it has a thread of its
// own; what waits and how far the truth reaches are asked of the database at each scrape, so they hold for all
// workers together and are right even while none runs.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Clock } from '../clock.ts';
import { sql, type Database } from '../database/database.ts';
import { MICROS_PER_SECOND, type Instant } from '../instant.ts';
import { MOST_COUNTED } from '../queue/queue.ts';
import type { BackfillOutcome } from './backfill.ts';
import type { SliceResult } from './live.ts';

/** Plain data, so that it crosses threads. */
export interface EvaluationCounts {
  slices: number;
  rows: number;
  evaluated: number;
  /** Membership changes by cause. */
  changes: Record<string, number>;
  /** Seconds from what was acknowledged to the membership that follows, of each row that was no clock's. */
  freshness: number[];
  backfills: { outcome: BackfillOutcome; seconds: number }[];
}

export const noCounts = (): EvaluationCounts => ({
  slices: 0,
  rows: 0,
  evaluated: 0,
  changes: {},
  freshness: [],
  backfills: [],
});

export function countSlice(counts: EvaluationCounts, slice: SliceResult, now: Instant): void {
  counts.slices++;
  counts.rows += slice.rows;
  counts.evaluated += slice.evaluated;
  for (const { cause } of slice.changes) counts.changes[cause] = (counts.changes[cause] ?? 0) + 1;
  for (const at of slice.queuedAt) counts.freshness.push(Math.max(0, now - at) / MICROS_PER_SECOND);
}

export interface EvaluationMeters {
  add(counts: EvaluationCounts): void;
}

export function evaluationMeters(registry: Registry): EvaluationMeters {
  const registers = [registry];
  const slices = new Counter({
    name: 'grandstand_evaluation_slices_total',
    help: 'Slices of the queue that were evaluated.',
    registers,
  });
  const rows = new Counter({ name: 'grandstand_evaluation_rows_total', help: 'Rows taken off the queue.', registers });
  const evaluations = new Counter({
    name: 'grandstand_evaluations_total',
    help: 'Rules evaluated for a profile.',
    registers,
  });
  const changes = new Counter({
    name: 'grandstand_membership_changes_total',
    help: 'Memberships that the evaluation changed, by cause; those by `clock` are flips of time.',
    labelNames: ['cause'],
    registers,
  });
  const freshness = new Histogram({
    name: 'grandstand_freshness_seconds',
    help: 'From the acknowledgement of an activity or change to the memberships that follow from it.',
    buckets: [0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.5, 1, 2.5, 10, 60],
    registers,
  });
  const backfills = new Histogram({
    name: 'grandstand_backfill_duration_seconds',
    help: 'Duration of attempts to backfill a group, by outcome.',
    labelNames: ['outcome'],
    buckets: [0.05, 0.25, 1, 5, 15, 60, 300, 1800],
    registers,
  });
  return {
    add(counts) {
      slices.inc(counts.slices);
      rows.inc(counts.rows);
      evaluations.inc(counts.evaluated);
      for (const [cause, count] of Object.entries(counts.changes)) changes.inc({ cause }, count);
      for (const seconds of counts.freshness) freshness.observe(seconds);
      for (const { outcome, seconds } of counts.backfills) backfills.observe({ outcome }, seconds);
    },
  };
}

interface State {
  rows: { live: number; clock: number };
  oldest: Instant | null;
  swept: Instant | null;
  backfills: { group_id: string; progress: number }[];
  failed: number;
  /** Since when the group that was verified longest ago waits for its turn. */
  unverified: Instant | null;
  verified: { checked: number; missing: number; extra: number };
}

/** Gauges that read the database when they are collected, once a scrape. */
export function evaluationGauges(registry: Registry, { db, clock }: { db: Database; clock: Clock }): void {
  let state: Promise<State> | undefined;
  const read = (): Promise<State> => {
    state ??= readState(db).finally(() => setTimeout(() => (state = undefined), 500).unref());
    return state;
  };
  const gauge = (
    name: string,
    help: string,
    set: (gauge: Gauge, state: State) => void,
    labelNames: string[] = [],
  ): void => {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        const current = await read().catch(() => undefined);
        if (current) set(this, current);
        // Not 0, which would say that nothing waits.
        else if (labelNames.length > 0) this.reset();
        else this.set(NaN);
      },
    });
  };
  const seconds = (since: Instant | null): number =>
    since === null ? 0 : Math.max(0, clock.now() - since) / MICROS_PER_SECOND;
  gauge(
    'grandstand_queue_rows',
    'Rows that wait for evaluation, by whether time or something else put them there; of each at most 100,000 are counted.',
    (it, { rows }) => {
      it.set({ cause: 'live' }, rows.live);
      it.set({ cause: 'clock' }, rows.clock);
    },
    ['cause'],
  );
  gauge('grandstand_queue_age_seconds', 'Age of the oldest row that waits.', (it, { oldest }) =>
    it.set(seconds(oldest)),
  );
  gauge(
    'grandstand_sweep_lag_seconds',
    'How long ago the clock’s changes were last looked for, in the application where that is longest.',
    (it, { swept }) => it.set(seconds(swept)),
  );
  gauge('grandstand_groups_filling', 'Groups that are being filled.', (it, { backfills }) => it.set(backfills.length));
  gauge(
    'grandstand_backfill_progress',
    'How far each running backfill is, 0 to 1.',
    (it, { backfills }) => {
      it.reset();
      for (const backfill of backfills) it.set({ group: backfill.group_id }, backfill.progress);
    },
    ['group'],
  );
  gauge('grandstand_groups_failed', 'Groups whose evaluation failed and is tried again.', (it, { failed }) =>
    it.set(failed),
  );
  gauge(
    'grandstand_verify_age_seconds',
    'Since the last nightly verification, or else the making, of the live group for which that is longest ago.',
    (it, { unverified }) => it.set(seconds(unverified)),
  );
  gauge(
    'grandstand_verify_checked',
    'Memberships compared by the last nightly verification of each group.',
    (it, { verified }) => it.set(verified.checked),
  );
  gauge(
    'grandstand_verify_missing',
    'Memberships that it found missing: 0, or the promise does not hold.',
    (it, { verified }) => it.set(verified.missing),
  );
  gauge(
    'grandstand_verify_extra',
    'Memberships that it found too many: 0, or the promise does not hold.',
    (it, { verified }) => it.set(verified.extra),
  );
}

/** What waits longest, counted so far as figures count. Rows are numbered as they come, so the oldest is among the first. */
async function readQueue(db: Database): Promise<Pick<State, 'rows' | 'oldest'>> {
  const [live, clock] = await Promise.all(
    [sql`cause <> 'clock'`, sql`cause = 'clock'`].map(async (isOfPart) => {
      const { rows } = await db.query<{ count: number; oldest: Instant | null }>(sql`
        select count(*) as count, min(queued_at) as oldest from (
          select queued_at from queue where ${isOfPart} order by seq limit ${MOST_COUNTED}) q`);
      return rows[0] ?? { count: 0, oldest: null };
    }),
  );
  const oldest = [live, clock].flatMap((part) => part?.oldest ?? []);
  return {
    rows: { live: live?.count ?? 0, clock: clock?.count ?? 0 },
    oldest: oldest.length === 0 ? null : Math.min(...oldest),
  };
}

async function readState(db: Database): Promise<State> {
  const [queue, sweeps, backfills, unverified, verified] = await Promise.all([
    readQueue(db),
    db.query<{ swept: Instant | null }>(sql`select min(swept_until) as swept from sweeps`),
    db.query<{ group_id: string; progress: number; last_error: string | null }>(sql`
      select group_id, prepared::float8 / greatest(total, 1) as progress, last_error from backfills
      where kind = 'rule' and stage <> 'clean' order by started_at limit 1000`),
    db.query<{ since: Instant | null }>(sql`
      with newest as materialized (select group_id, max(at) as at from verifications where nightly group by group_id)
      select min(coalesce(v.at, g.created_at)) as since from groups g left join newest v on v.group_id = g.id
      where g.membership_type = 'dynamic' and g.is_active and not g.is_paused`),
    db.query<{ checked: number; missing: number; extra: number }>(sql`
      select coalesce(sum(v.checked), 0)::float8 as checked, coalesce(sum(v.missing), 0)::float8 as missing,
        coalesce(sum(v.extra), 0)::float8 as extra
      from (
        select distinct on (v.group_id) v.checked, v.missing, v.extra from verifications v join groups g on g.id = v.group_id
        where v.nightly order by v.group_id, v.at desc) v`),
  ]);
  return {
    ...queue,
    swept: sweeps.rows[0]?.swept ?? null,
    backfills: backfills.rows.filter((backfill) => backfill.last_error === null),
    failed: backfills.rows.filter((backfill) => backfill.last_error !== null).length,
    unverified: unverified.rows[0]?.since ?? null,
    verified: verified.rows[0] ?? { checked: 0, missing: 0, extra: 0 },
  };
}
