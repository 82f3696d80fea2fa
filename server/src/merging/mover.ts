// Brings long histories over, slice by slice, after their merges (facts/moves.ts). Each slice is one transaction under the
// lock of the target's history and the move's own row, and changes only where rows stand: so whatever dies in between,
// nothing is half done, and two at once do no harm. One process at a time does it, under a lease; one that dies is replaced.
//
// First a move settles. An intake of the target that had begun before the merge and waited for its end knew nothing of the
// source's ids: once every such intake is over, what both have by then is removed from the source with its effects. No
// later one adds to that.

import type { Context } from '../context.ts';
import { isUniqueViolation } from '../database/faults.ts';
import { drain } from '../database/drain.ts';
import { createLease } from '../database/lease.ts';
import { raiseDefinitionsVersion } from '../facts/definitions.ts';
import { lockHistories } from '../facts/totals.ts';
import { listFacts, recomputeAfter } from '../facts/merge-histories.ts';
import { giveWay } from '../queue/pace.ts';
import { enqueue } from '../queue/queue.ts';
import { activityDependencies } from '../rules/depends.ts';
import { markInstant } from '../sheets/sheet-store.ts';
import { createLoop } from '../looping.ts';
import * as store from './mover-store.ts';

export interface Mover {
  /** From so many activities of the source on they come over in slices. */
  readonly atOnce: number;
  start(): void;
  /** Looks now rather than at the next interval. */
  wake(): void;
  /** Brings over everything that waits; false where another process is at it. */
  run(): Promise<boolean>;
  stop(): Promise<void>;
}

export interface MoverOptions {
  /** Default 10,000: some tenths of a second. */
  atOnce?: number;
  /** Rows of a slice. Default 5,000, and fewer beside intake. */
  slice?: number;
  /** Tests end it here as a process that dies would. */
  at?: (stage: 'drained' | 'settled' | 'sliced' | 'emptied') => void | Promise<void>;
}

const AT_ONCE = 10_000;
const SLICE = 5_000;
/** Nothing waits for a move, so beside intake it takes a quarter of the time that there is, in bits. */
const BESIDE_INTAKE = { beside: 250, rest: 3 };
const INTERVAL_MS = 5_000;
const LEASE_SECONDS = 15;

export function createMover(
  context: Pick<Context, 'db' | 'clock' | 'log'>,
  { atOnce = AT_ONCE, slice = SLICE, at = () => {} }: MoverOptions = {},
): Mover {
  const { db, log } = context;
  const lease = createLease(db, 'moves', LEASE_SECONDS);
  let running: Promise<boolean> | undefined;

  const isOver = async (): Promise<boolean> => loop.isStopping() || !(await lease.hold());

  const bringOver = async (move: store.StoredMove): Promise<void> => {
    if (move.stage === 'settle') {
      await drain(db);
      await at('drained');
      if ((await isOver()) || !(await settle(context, move))) return;
      await at('settled');
    }
    for (let left = true; left;) {
      if (await isOver()) return;
      try {
        left = await giveWay(
          db,
          move.applicationId,
          slice,
          (size) => moveSlice(context, move, Math.min(size, slice)),
          BESIDE_INTAKE,
        );
      } catch (error) {
        // The target has one of these ids after all: both are compared once more.
        if (isUniqueViolation(error)) return store.setStage(db, move, 'settle');
        throw error;
      }
      await at('sliced');
    }
    await at('emptied');
    await finish(context, move);
  };

  const round = async (): Promise<boolean> => {
    const moves = await store.listAllMoves(db);
    if (moves.length === 0) return true;
    if (await isOver()) return false;
    try {
      for (const move of moves) {
        if (loop.isStopping()) return false;
        await bringOver(move);
      }
    } finally {
      await lease.release();
    }
    return true;
  };
  const run = (): Promise<boolean> => (running ??= round().finally(() => (running = undefined)));

  const runOnce = async (): Promise<void> => void (await run());
  const loop = createLoop(runOnce, {
    restMs: INTERVAL_MS,
    onError: (error) => log.error({ err: error }, 'moving activities failed; it is tried again'),
  });

  return {
    atOnce,
    start: loop.start,
    wake: loop.wake,
    run,
    async stop() {
      await loop.stop();
      await running?.catch(() => {});
    },
  };
}

type MoverContext = Pick<Context, 'db' | 'clock'>;

/** False where the move is gone or another one's by now: then it is met again in another round. */
async function settle({ db, clock }: MoverContext, move: store.StoredMove): Promise<boolean> {
  const { applicationId, targetId, sourceId, ordinal } = move;
  const common = await store.listCommon(db, sourceId, targetId);
  return db.transaction(async (tx) => {
    await lockHistories(tx, applicationId, [targetId]);
    if (!(await store.holdMove(tx, move))) return false;
    const removed = await store.deleteActivities(tx, sourceId, common);
    if (removed.length > 0) {
      const types = [...new Set(removed.map((row) => row.type_id))];
      const counted = types.map((type) => ({ type_id: type, count: 1 }));
      await recomputeAfter(tx, applicationId, targetId, await listFacts(tx, applicationId), counted);
      for (const { occurred_at: at } of removed) await markInstant(tx, applicationId, targetId, at);
      const changed = [...new Set(types.flatMap(activityDependencies))];
      await enqueue(tx, { profileId: targetId, ordinal, applicationId, cause: 'activity', changed, now: clock.now() });
    }
    await store.setStage(tx, move, 'move');
    return true;
  });
}

/** Whether there may be more. */
async function moveSlice({ db }: MoverContext, move: store.StoredMove, size: number): Promise<boolean> {
  return db.transaction(async (tx) => {
    await lockHistories(tx, move.applicationId, [move.targetId]);
    if (!(await store.holdMove(tx, move))) return false;
    // Lost with the machine, it is done again: rows stand where they stood.
    if (db.isDistributed !== true) await store.waitForNoDisk(tx);
    return store.moveActivities(tx, move, size);
  });
}

async function finish({ db }: MoverContext, move: store.StoredMove): Promise<void> {
  await db.transaction(async (tx) => {
    await lockHistories(tx, move.applicationId, [move.targetId]);
    if (!(await store.holdMove(tx, move)) || (await store.hasActivities(tx, move.sourceId))) return;
    await store.deleteMove(tx, move);
    await raiseDefinitionsVersion(tx, move.applicationId);
  });
}
