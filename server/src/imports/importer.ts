// Brings in, piece by piece, what was received. A piece is deleted in the transaction that brings it in: whoever dies in the
// middle leaves it for the next process, and nothing is done or counted twice. One process at a time does it, under a lease;
// imports take turns, so that a long one does not hold up a short one. Everything goes at the pace of evaluation, as
// intake does (activities/gate.ts).

import { createIntake, type Intake } from '../activities/intake.ts';
import type { Context } from '../context.ts';
import { sql } from '../database/database.ts';
import { createLease } from '../database/lease.ts';
import { Unavailable } from '../errors.ts';
import { formatInstant } from '../instant.ts';
import { createLoop } from '../looping.ts';
import { applyRows, isPassing, type Applied } from './apply.ts';
import { MAX_REJECTIONS, REJECTIONS_KEPT, type Import, type Rejection } from './import.ts';
import * as store from './import-store.ts';
import { openPiece } from './receive.ts';

export interface Importer {
  /** Brings in one piece; false where there was none, or another process is at it. */
  tick(): Promise<boolean>;
  start(): void;
  /** Looks now rather than at the next interval. */
  wake(): void;
  stop(): Promise<void>;
}

const LEASE_SECONDS = 30;
const RENEW_MS = 5_000;
const INTERVAL_MS = 3_000;
const CLEAN_EVERY_MS = 600_000;
/** A file whose sender has been silent for so long is given up. */
const ABANDONED = 2 * 3_600_000_000;
const MAX_PASSING = 10;
const MAX_FAILURES = 8;
const FIRST_RETRY = 2_000_000;

export function createImporter(context: Context): Importer {
  const { db, log, clock } = context;
  const lease = createLease(db, 'imports', LEASE_SECONDS);
  const intake = createIntake(context);
  let heldAt = -Infinity;
  let cleanedAt = -Infinity;
  let last: Promise<unknown> = Promise.resolve();

  const hold = async (): Promise<boolean> => {
    if (performance.now() - heldAt < RENEW_MS) return true;
    if (!(await lease.hold())) return false;
    heldAt = performance.now();
    return true;
  };

  const clean = async (): Promise<void> => {
    if (performance.now() - cleanedAt < CLEAN_EVERY_MS) return;
    cleanedAt = performance.now();
    const now = clock.now();
    await store.cleanImports(db, {
      abandonedBefore: formatInstant(now - ABANDONED),
      oldBefore: formatInstant(now - REJECTIONS_KEPT),
    });
  };

  const doPiece = async (): Promise<boolean> => {
    if (!(await hold())) return false;
    await clean();
    const next = await store.findNext(db, formatInstant(clock.now()));
    if (!next) {
      heldAt = -Infinity;
      await lease.release();
      return false;
    }
    const piece = await store.findPiece(db, next.id);
    if (!piece) {
      await store.markDone(db, next.id, formatInstant(clock.now()));
      log.info({ import: next.id, of: next.kind }, 'an import is done');
      return true;
    }
    try {
      await bringIn(context, intake, next, piece);
    } catch (error) {
      await fail(next, error);
    }
    return true;
  };

  const fail = async (row: Import & { failures: number }, error: unknown): Promise<void> => {
    if (error instanceof PieceTaken) return;
    // The world's fault is nothing that the file could mend.
    if (error instanceof Unavailable) throw error;
    const text = error instanceof Error ? error.message : String(error);
    const now = clock.now();
    log.error({ err: error, import: row.id }, 'a piece of an import failed');
    if (row.failures + 1 >= MAX_FAILURES) return store.markFailed(db, row.id, text.slice(0, 500), formatInstant(now));
    const retryAt = formatInstant(now + FIRST_RETRY * 2 ** row.failures);
    await store.recordFailure(db, row.id, { error: text.slice(0, 500), retryAt, now: formatInstant(now) });
  };

  const tick = (): Promise<boolean> => {
    const turn = last.then(() => (loop.isStopping() ? false : doPiece()));
    last = turn.catch(() => {});
    return turn;
  };

  const loop = createLoop(tick, {
    restMs: INTERVAL_MS,
    onError: (error) => log.warn({ err: error }, 'imports wait; they are tried again'),
  });

  return {
    tick,
    start: loop.start,
    wake: loop.wake,
    async stop() {
      await loop.stop();
      await last;
      await lease.release().catch(() => {}); // it expires by itself
    },
  };
}

/** Another process brought the piece in. */
class PieceTaken extends Error {}

async function bringIn(context: Context, intake: Intake, row: Import, piece: store.Piece): Promise<void> {
  const rows = await openPiece(piece.content);
  const application = await context.applications.getById(row.application_id);
  for (let attempt = 1; ; attempt++) {
    const leave = row.is_dry_run ? () => {} : await intake.enter(application.client_id, rows.length);
    try {
      await context.db.transaction(async (tx) => {
        // What a crash may forget, it forgets together: rows and piece. The end of the import is flushed, and all before it.
        tx.query(sql`set local synchronous_commit = off`).catch(() => {}); // the next statement says what is wrong
        const applied = await applyRows(tx, { context, application, intake }, row, rows);
        if (!(await store.deletePiece(tx, row.id, piece.number))) throw new PieceTaken();
        await store.recordPiece(tx, row.id, { ...applied, kept: keptOf(row, applied) }, context.clock.now());
      });
      return;
    } catch (error) {
      if (!isPassing(error) || attempt >= MAX_PASSING) throw error;
    } finally {
      leave();
    }
  }
}

/** The first million can be looked up. */
const keptOf = (row: Import, { rejections }: Applied): Rejection[] =>
  rejections.slice(0, Math.max(0, MAX_REJECTIONS - row.rejected));
