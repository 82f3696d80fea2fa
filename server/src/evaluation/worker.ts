// The worker: takes its share of buckets, evaluates what waits there, lets the clock's part into the queue and runs
// backfills. Tests drive it by `tick()`, production by `start()`; both are made of the same steps. Several workers on one
// database share the work by leases.

import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import { empty, sql, type Database } from '../database/database.ts';
import type { Refills } from '../membership/switch-attempt.ts';
import type { MembershipChange } from '../membership/membership.ts';
import { formatInstant, type Instant } from '../instant.ts';
import type { QueueRow } from './decide.ts';
import { failGroup } from './failures.ts';
import { bucketOfGroup, listDueBackfills, runBackfill, type DueBackfill, type BackfillOutcome } from './backfill.ts';
import { LEASE_TTL_MS, LeaseLost, leases, type LeaseOptions } from './leases.ts';
import { evaluateSlice, type LiveContext, type SliceResult } from './live.ts';
import { verifyNext } from './nightly.ts';
import { BUCKETS, createQueueStart, type QueueStart } from '../queue/queue.ts';
import { rests, wakeSignal } from './rests.ts';
import { rulesCache } from './rules-cache.ts';
import { listSweepable, sweeper, type Sweepable } from './sweep.ts';

export interface WorkerContext {
  db: Database;
  clock: Clock;
  log: Logger;
  dynamicGroups: Refills;
}

export interface WorkerOptions extends LeaseOptions {
  /** Microseconds between batches; 0: at once. */
  evaluationInterval?: number;
  /** How soon is found what nobody woke this worker for. */
  lookEveryMs?: number;
  /** Told after every slice. */
  onSlice?: (result: SliceResult) => void;
  onBackfill?: (backfill: DueBackfill, outcome: BackfillOutcome, seconds: number) => void;
}

/** What a tick did. */
export interface TickResult {
  swept: number;
  rows: number;
  evaluated: number;
  changes: MembershipChange[];
  backfills: number;
}

export interface Worker {
  /**
   * Evaluates everything that is due at `clock.now()` and backfills everything that waits, then returns. With an interval,
   * evaluates only where the last batch lies that far back.
   */
  tick(): Promise<TickResult>;
  start(): void;
  /** Something was committed that may concern it: looks now instead of at its next turn. */
  wake(): void;
  /** Finishes the slice at hand and leaves the rest to others. */
  stop(): Promise<void>;
  /** As if the process had died: nothing more is begun, and its leases are left to run out. */
  abandon(): void;
}

const SLICE = 500;
/** Where more waits: what costs the same for a slice of any size is shared by more rows. */
const SLICE_OF_MANY = 1_500;
const CLOCK_SLICE_WHILE_BUSY = 100;
const SWEEP_EVERY_MS = 200;
const BUSY_POLL_MS = 10;
/** Where nobody wakes this worker: at first so soon, then the less often, the longer nothing comes. */
const IDLE_POLL_MS = 40;
const BACKBACKFILL_POLL_MS = 200;
const NIGHTLY_POLL_MS = 60_000;
const AFTER_ERROR_MS = 500;
const REBALANCE_EVERY_MS = 1_000;

export function createWorker(context: WorkerContext, options: WorkerOptions = {}): Worker {
  const { db, clock, log } = context;
  const own = leases(db, options);
  const rules = rulesCache(db);
  const live: LiveContext = { db, clock, leases: own, rules };
  const { sweep, isWorthwhile } = sweeper(live);
  let ended = false;
  const running: Promise<void>[] = [];
  const { rest, end: endRests } = rests();

  /** With an interval, the instant of its last batch: what is queued after it waits for the next one. */
  let batchAt: Instant = -Infinity;
  const interval = options.evaluationInterval ?? 0;
  const isDue = (): boolean => {
    if (interval === 0) return true;
    const now = clock.now();
    if (now - batchAt < interval || own.buckets().length === 0) return false;
    batchAt = now;
    return true;
  };
  /** What broke is tried again at once, not an interval later. */
  const orAgain = <T>(batch: Promise<T>): Promise<T> =>
    batch.catch((error: unknown) => {
      batchAt = -Infinity;
      throw error;
    });

  /** Rings while the queue is looked at, or the rest after it. */
  let woken = wakeSignal();
  /** Set while a round of backfills looks, or rests after it. */
  let wokenToBackfill = wakeSignal();

  let limit = SLICE;
  /** Where the queue is read from once the worker runs; ticks see all of it. Rows of other buckets may lie anywhere. */
  let queueStart: { of: QueueStart; buckets: string } | undefined;
  const startFor = (held: readonly number[]): QueueStart | undefined => {
    const buckets = held.toSorted((a, b) => a - b).join();
    if (queueStart && queueStart.buckets !== buckets) queueStart = { of: createQueueStart(), buckets };
    return queueStart?.of;
  };

  /** Live rows before clock rows; a little of the clock's all the same while there is much of the others. */
  const evaluateSome = async (): Promise<SliceResult[]> => {
    const buckets = own.buckets();
    if (buckets.length === 0) return [];
    const results: SliceResult[] = [];
    const take = async (rows: QueueRow[]): Promise<void> => {
      for (const [applicationId, part] of byApplication(rows)) {
        const result = await evaluateSlice(live, applicationId, part);
        options.onSlice?.(result);
        results.push(result);
      }
    };
    const from = startFor(buckets);
    const first = await listLiveRows(db, buckets, limit, from?.after() ?? 0, interval === 0 ? undefined : batchAt);
    from?.saw(first[0]?.seq);
    const isBusy = first.length === limit;
    limit = isBusy ? SLICE_OF_MANY : SLICE;
    if (first.length > 0) await take(first);
    const clockRows = await listClockRows(db, buckets, isBusy ? CLOCK_SLICE_WHILE_BUSY : SLICE);
    if (clockRows.length > 0) await take(clockRows);
    return results;
  };

  const sweepAll = async (
    isWanted: (application: Sweepable) => Promise<boolean> = async () => true,
  ): Promise<number> => {
    const held = new Set(own.buckets());
    let queued = 0;
    for (const application of await listSweepable(db)) {
      const { applicationId: id } = application;
      if (!held.has(id % BUCKETS) || ended || !(await isWanted(application))) continue;
      queued += await sweep(id);
      await failUncompiled(id);
    }
    return queued;
  };

  /** Rules that do not compile any more are marked as soon as they are met, not when a profile needs them. */
  const marked = new Map<number, number>();
  const failUncompiled = async (applicationId: number): Promise<void> => {
    const current = await rules.get(applicationId);
    if (!current || marked.get(applicationId) === current.version) return;
    marked.set(applicationId, current.version);
    for (const group of current.groups.values()) {
      if (group.error !== undefined && group.servedRulesetId !== null && !group.served)
        await failGroup(context, applicationId, group.id, group.error);
    }
  };

  const backbackfillSome = async (): Promise<number> => {
    const held = new Set(own.buckets());
    const due = (await listDueBackfills(db, clock.now())).filter((backfill) =>
      held.has(bucketOfGroup(backfill.group_id)),
    );
    let done = 0;
    for (const backfill of await inReadingOrder(due)) {
      if (ended) break;
      const startedAt = performance.now();
      const outcome = await runBackfill(
        { db, clock, rules, dynamicGroups: context.dynamicGroups },
        backfill,
        () => ended,
      );
      options.onBackfill?.(backfill, outcome, (performance.now() - startedAt) / 1000);
      if (outcome === 'failed') log.warn({ group: backfill.group_id }, 'a backfill failed and will be tried again');
      if (outcome !== 'waiting') done++;
    }
    return done;
  };

  /** A group after those that it reads: else it would be filled and then follow what they turn into. */
  const inReadingOrder = async (due: DueBackfill[]): Promise<DueBackfill[]> => {
    const placed = await Promise.all(
      due.map(async (backfill) => ({
        backfill,
        place: (await rules.get(backfill.application_id))?.places.get(backfill.group_id) ?? Infinity,
      })),
    );
    return placed.sort((a, b) => a.place - b.place).map(({ backfill }) => backfill);
  };

  let rebalancedAt = -Infinity;
  const keepShare = async (): Promise<void> => {
    if (performance.now() - rebalancedAt < REBALANCE_EVERY_MS && own.buckets().length > 0) return;
    await own.rebalance();
    rebalancedAt = performance.now();
  };

  const tick = async (): Promise<TickResult> => {
    const result: TickResult = { swept: 0, rows: 0, evaluated: 0, changes: [], backfills: 0 };
    await keepShare();
    const due = isDue();
    for (;;) {
      const swept = due ? await orAgain(sweepAll()) : 0;
      const backfills = await backbackfillSome();
      result.swept += swept;
      result.backfills += backfills;
      let rows = 0;
      while (due) {
        const slices = await orAgain(evaluateSome());
        if (slices.length === 0) break;
        for (const slice of slices) {
          rows += slice.rows;
          result.evaluated += slice.evaluated;
          result.changes.push(...slice.changes);
        }
        if (ended) break;
      }
      result.rows += rows;
      if (ended || swept + backfills + rows === 0) return result;
    }
  };

  /** Runs a step for as long as the worker lives; what goes wrong is logged and tried again. */
  const keep = async (name: string, step: () => Promise<void>): Promise<void> => {
    while (!ended) {
      try {
        await step();
      } catch (error) {
        if (ended) return;
        log[error instanceof LeaseLost ? 'warn' : 'error']({ err: error }, `${name} failed`);
        await rest(AFTER_ERROR_MS);
      }
    }
  };

  const start = (): void => {
    if (interval === 0) queueStart = { of: createQueueStart(), buckets: '' };
    let sweptAt = -Infinity;
    let nightlyAt = -Infinity;
    const sweepEvery = options.lookEveryMs ?? SWEEP_EVERY_MS;
    const soon = options.lookEveryMs ?? IDLE_POLL_MS;
    let idlePoll = soon;
    const evaluate = async (): Promise<void> => {
      await keepShare();
      if (interval > 0) {
        if (!isDue()) return rest(SWEEP_EVERY_MS);
        await orAgain(sweepAll());
        while (!ended && (await orAgain(evaluateSome())).length > 0);
        return;
      }
      if (performance.now() - sweptAt >= sweepEvery) {
        sweptAt = performance.now();
        await sweepAll(isWorthwhile);
      }
      woken = wakeSignal();
      const slices = await evaluateSome();
      const rows = slices.reduce((sum, slice) => sum + slice.rows, 0);
      if (rows >= SLICE) return;
      if (rows > 0) {
        idlePoll = soon;
        return rest(BUSY_POLL_MS); // not cut short: what comes meanwhile is evaluated together
      }
      await rest(Math.min(idlePoll, sweptAt + sweepEvery - performance.now()), woken);
      idlePoll = Math.min(idlePoll * 1.5, sweepEvery);
    };
    const backfill = async (): Promise<void> => {
      wokenToBackfill = wakeSignal();
      const isWorking = own.buckets().length > 0;
      if ((await backbackfillSome()) > 0) return;
      if (performance.now() - nightlyAt < NIGHTLY_POLL_MS)
        return rest(isWorking ? (options.lookEveryMs ?? BACKBACKFILL_POLL_MS) : IDLE_POLL_MS, wokenToBackfill);
      if (!(await verifyNext({ db, clock, rules, log }, own.buckets()))) nightlyAt = performance.now();
    };
    const beat = async (): Promise<void> => {
      await own.beat();
      await rest((options.ttlMs ?? LEASE_TTL_MS) / 4);
    };
    running.push(keep('evaluation', evaluate), keep('filling', backfill), keep('the heartbeat', beat));
  };

  return {
    tick,
    start,
    wake() {
      woken.wake();
      wokenToBackfill.wake();
    },
    async stop() {
      ended = true;
      endRests();
      await Promise.all(running);
      await own.release().catch((error: unknown) => log.warn({ err: error }, 'leases were left to run out'));
    },
    abandon() {
      ended = true;
      endRests();
    },
  };
}

async function listLiveRows(
  db: Database,
  buckets: readonly number[],
  limit: number,
  after: number,
  until: Instant | undefined,
): Promise<QueueRow[]> {
  const { rows } = await db.query<QueueRow>(sql`
    select profile_id, seq, application_id, cause, changed, since, queued_at from queue
    where cause <> 'clock' and seq > ${after} and bucket = any (${buckets}::smallint[])${until === undefined ? empty : sql` and queued_at <= ${formatInstant(until)}`}
    order by seq limit ${limit}`);
  return rows;
}

async function listClockRows(db: Database, buckets: readonly number[], limit: number): Promise<QueueRow[]> {
  const { rows } = await db.query<QueueRow>(sql`
    select profile_id, seq, application_id, cause, changed, since, queued_at from queue
    where cause = 'clock' and bucket = any (${buckets}::smallint[]) order by seq limit ${limit}`);
  return rows;
}

function byApplication(rows: QueueRow[]): Map<number, QueueRow[]> {
  const parts = new Map<number, QueueRow[]>();
  for (const row of rows) {
    const part = parts.get(row.application_id);
    if (part) part.push(row);
    else parts.set(row.application_id, [row]);
  }
  return parts;
}
