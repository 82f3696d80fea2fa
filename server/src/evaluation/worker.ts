// The worker: takes its share of buckets, evaluates what waits there, lets the clock's part into the queue and runs
// backfills. Tests drive it by `tick()`, production by `start()`; both are made of the same steps. Several workers on one
// database share the work by leases.

import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/database.ts';
import type { Refills } from '../membership/switch-attempt.ts';
import type { MembershipChange } from '../membership/membership.ts';
import type { Instant } from '../instant.ts';
import type { BackfillOutcome, DueBackfill } from './backfill.ts';
import { LEASE_TTL_MS, LeaseLost, leases, type LeaseOptions } from '../database/leases.ts';
import type { LiveContext, SliceResult } from './live.ts';
import { verifyNext } from './nightly.ts';
import { EVALUATION } from '../queue/queue.ts';
import { rests, wakeSignal } from '../rests.ts';
import { rulesCache, type RulesCache } from './rules-cache.ts';
import { SLICE, workerSteps } from './worker-steps.ts';

export interface WorkerContext {
  db: Database;
  clock: Clock;
  log: Logger;
  dynamicGroups: Refills;
  /** Where others of the process read rules too. Default: its own. */
  rules?: RulesCache;
}

export interface WorkerOptions extends LeaseOptions {
  /** Microseconds between batches; 0: at once. */
  evaluationInterval?: number;
  /** How soon is found what this worker was not woken for. */
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

const SWEEP_EVERY_MS = 200;
const BUSY_POLL_MS = 10;
/** Where nothing wakes this worker: at first so soon, then the less often, the longer nothing comes. */
const IDLE_POLL_MS = 40;
const BACKFILL_POLL_MS = 200;
const NIGHTLY_POLL_MS = 60_000;
const AFTER_ERROR_MS = 500;
const REBALANCE_EVERY_MS = 1_000;

export function createWorker(context: WorkerContext, options: WorkerOptions = {}): Worker {
  const { db, clock, log, rules = rulesCache(context.db) } = context;
  const own = leases(db, EVALUATION, options);
  const live: LiveContext = { db, clock, leases: own, rules };
  const { evaluateSome, sweepAll, sweepWorthwhile, backfillSome, readFromStart } = workerSteps(
    context,
    options,
    live,
    () => ended,
  );
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
      const backfills = await backfillSome();
      result.swept += swept;
      result.backfills += backfills;
      let rows = 0;
      while (due) {
        const slices = await orAgain(evaluateSome(interval === 0 ? undefined : batchAt));
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
    if (interval === 0) readFromStart();
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
        while (!ended && (await orAgain(evaluateSome(interval === 0 ? undefined : batchAt))).length > 0);
        return;
      }
      if (performance.now() - sweptAt >= sweepEvery) {
        sweptAt = performance.now();
        await sweepWorthwhile();
      }
      woken = wakeSignal();
      const slices = await evaluateSome(interval === 0 ? undefined : batchAt);
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
      if ((await backfillSome()) > 0) return;
      if (performance.now() - nightlyAt < NIGHTLY_POLL_MS)
        return rest(isWorking ? (options.lookEveryMs ?? BACKFILL_POLL_MS) : IDLE_POLL_MS, wokenToBackfill);
      if (!(await verifyNext({ db, clock, rules, log }, own.buckets(), () => ended))) nightlyAt = performance.now();
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
