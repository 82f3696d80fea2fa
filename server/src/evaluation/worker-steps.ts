// What a worker does, step by step; worker.ts says when. Each step works through what waits in the buckets that are held.

import { empty, sql, type Database } from '../database/database.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { BUCKETS, createQueueStart, type QueueStart } from '../queue/queue.ts';
import { bucketOfGroup, listDueBackfills, runBackfill, type DueBackfill } from './backfill.ts';
import type { QueueRow } from './decide.ts';
import { failGroup } from './failures.ts';
import { evaluateSlice, type LiveContext, type SliceResult } from './live.ts';
import { listSweepable, sweeper, type Sweepable } from './sweep.ts';
import type { WorkerContext, WorkerOptions } from './worker.ts';

export const SLICE = 500;
/** Where more waits: what costs the same for a slice of any size is shared by more rows. */
const SLICE_OF_MANY = 1_500;
const CLOCK_SLICE_WHILE_BUSY = 100;

export interface WorkerSteps {
  /** A slice of what waits; nothing that was queued after `until`. */
  evaluateSome(until: Instant | undefined): Promise<SliceResult[]>;
  /** Queues what the clock changed, in every application of which this worker holds the bucket. */
  sweepAll(): Promise<number>;
  /** The same where something is due. */
  sweepWorthwhile(): Promise<number>;
  backfillSome(): Promise<number>;
  /** From now on the queue is read from where it was seen to begin; until then all of it. */
  readFromStart(): void;
}

export function workerSteps(
  context: WorkerContext,
  options: WorkerOptions,
  live: LiveContext,
  isEnded: () => boolean,
): WorkerSteps {
  const evaluation = evaluationStep(options, live);
  const sweeps = sweepSteps(context, live, isEnded);
  return { ...evaluation, ...sweeps, backfillSome: backfillStep(context, options, live, isEnded) };
}

function evaluationStep(
  options: WorkerOptions,
  live: LiveContext,
): Pick<WorkerSteps, 'evaluateSome' | 'readFromStart'> {
  let limit = SLICE;
  /** Where the queue is read from once the worker runs; ticks see all of it. Rows of other buckets may lie anywhere. */
  let queueStart: { of: QueueStart; buckets: string } | undefined;
  const startFor = (held: readonly number[]): QueueStart | undefined => {
    const buckets = held.toSorted((a, b) => a - b).join();
    if (queueStart && queueStart.buckets !== buckets) queueStart = { of: createQueueStart(), buckets };
    return queueStart?.of;
  };

  /** Live rows before clock rows; a little of the clock's all the same while there is much of the others. */
  const evaluateSome = async (until: Instant | undefined): Promise<SliceResult[]> => {
    const buckets = live.leases.buckets();
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
    const first = await listLiveRows(live.db, buckets, limit, from?.after() ?? 0, until);
    from?.saw(first[0]?.seq);
    const isBusy = first.length === limit;
    limit = isBusy ? SLICE_OF_MANY : SLICE;
    if (first.length > 0) await take(first);
    const clockRows = await listClockRows(live.db, buckets, isBusy ? CLOCK_SLICE_WHILE_BUSY : SLICE);
    if (clockRows.length > 0) await take(clockRows);
    return results;
  };
  return {
    evaluateSome,
    readFromStart: () => void (queueStart = { of: createQueueStart(), buckets: '' }),
  };
}

function sweepSteps(
  context: WorkerContext,
  live: LiveContext,
  isEnded: () => boolean,
): Pick<WorkerSteps, 'sweepAll' | 'sweepWorthwhile'> {
  const { sweep, isWorthwhile } = sweeper(live);

  /** Rules that do not compile any more are marked as soon as they are met, not when a profile needs them. */
  const marked = new Map<number, number>();
  const failUncompiled = async (applicationId: number): Promise<void> => {
    const current = await live.rules.get(applicationId);
    if (!current || marked.get(applicationId) === current.version) return;
    marked.set(applicationId, current.version);
    for (const group of current.groups.values()) {
      if (group.error !== undefined && group.servedRulesetId !== null && !group.served)
        await failGroup(context, applicationId, group.id, group.error);
    }
  };

  const sweepAll = async (
    isWanted: (application: Sweepable) => Promise<boolean> = async () => true,
  ): Promise<number> => {
    const held = new Set(live.leases.buckets());
    let queued = 0;
    for (const application of await listSweepable(live.db)) {
      const { applicationId: id } = application;
      if (!held.has(id % BUCKETS) || isEnded() || !(await isWanted(application))) continue;
      queued += await sweep(id);
      await failUncompiled(id);
    }
    return queued;
  };
  return { sweepAll: () => sweepAll(), sweepWorthwhile: () => sweepAll(isWorthwhile) };
}

function backfillStep(
  context: WorkerContext,
  options: WorkerOptions,
  live: LiveContext,
  isEnded: () => boolean,
): WorkerSteps['backfillSome'] {
  const { db, clock, log } = context;

  const backfillSome = async (): Promise<number> => {
    const held = new Set(live.leases.buckets());
    const due = (await listDueBackfills(db, clock.now())).filter((backfill) =>
      held.has(bucketOfGroup(backfill.group_id)),
    );
    let done = 0;
    for (const backfill of await inReadingOrder(due)) {
      if (isEnded()) break;
      const startedAt = performance.now();
      const outcome = await runBackfill(
        { db, clock, rules: live.rules, dynamicGroups: context.dynamicGroups },
        backfill,
        isEnded,
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
        place: (await live.rules.get(backfill.application_id))?.places.get(backfill.group_id) ?? Infinity,
      })),
    );
    return placed.sort((a, b) => a.place - b.place).map(({ backfill }) => backfill);
  };
  return backfillSome;
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
