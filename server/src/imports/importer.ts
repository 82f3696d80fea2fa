// Brings in, piece by piece, what was received. A piece is deleted in the transaction that brings it in: whoever dies in the
// middle leaves it for the next process, and nothing is done or counted twice. One process at a time does it, under a lease;
// imports take turns, so that a long one does not hold up a short one. Everything goes at the pace of evaluation, through
// the gate that requests go through (activities/gate.ts).

import type { Intake } from '../activities/intake.ts';
import type { Context } from '../context.ts';
import { sql } from '../database/database.ts';
import { createLease } from '../database/lease.ts';
import { Unavailable } from '../errors.ts';
import { readUuid } from '../ids.ts';
import { formatInstant } from '../instant.ts';
import { createLoop } from '../looping.ts';
import type { Application } from '../applications/application.ts';
import { applyRows, isPassing, type Applied, type OpenPiece } from './apply.ts';
import { MAX_REJECTIONS, REJECTIONS_KEPT, type Import, type Rejection } from './import.ts';
import * as store from './import-store.ts';
import { NotNew } from '../profiles/upsert.ts';
import { isRecord } from '../rules/fields.ts';
import { createLine } from './line.ts';
import { openPiece } from './receive.ts';
import { readItem } from './rows.ts';

export interface Importer {
  /** Brings in some pieces; false where there was none, or another process is at it. */
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
/** Of one import, before another one that waits has its turn, and where none waits. */
const PIECES_A_TURN = 8;
const MOST_A_TURN = 64;
/** Stored or waiting to be. Of members the later piece must find what the one before it left. */
const AT_ONCE = { activities: 3, profiles: 2, members: 1 };
const MAX_PASSING = 10;
const MAX_FAILURES = 8;
const FIRST_RETRY = 2_000_000;

export function createImporter(context: Context, intake: Intake): Importer {
  const { db, log, clock } = context;
  const lease = createLease(db, 'imports', LEASE_SECONDS);
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

  const doTurn = async (): Promise<boolean> => {
    if (!(await hold())) return false;
    await clean();
    const next = await store.findNext(db, formatInstant(clock.now()));
    if (!next) {
      heldAt = -Infinity;
      await lease.release();
      return false;
    }
    try {
      if (await bringInSome(next)) return true;
    } catch (error) {
      await fail(next, error);
      return true;
    }
    await store.markDone(db, next.id, formatInstant(clock.now()));
    log.info({ import: next.id, of: next.kind }, 'an import is done');
    return true;
  };

  /** One piece is opened while those before it are stored. Resolves once none is at work; false where there is none left. */
  const bringInSome = async (row: Import): Promise<boolean> => {
    const work = createLine(AT_ONCE[row.kind]);
    const application = await context.applications.getById(row.application_id);
    let after = -1;
    try {
      for (let count = 0; count < MOST_A_TURN && !loop.isStopping() && (await hold()); count++) {
        const isTurnOver = count > 0 && count % PIECES_A_TURN === 0;
        if (isTurnOver && (await store.isAnotherWaiting(db, row.id, formatInstant(clock.now())))) return true;
        const piece = await store.findPiece(db, row.id, after);
        if (!piece) return count > 0;
        after = piece.number;
        const opened = await readPiece(row, piece);
        await work.add(idsOf(row, opened), (last) =>
          bringIn({ context, application, intake }, row, { number: piece.number, opened, last }),
        );
      }
    } finally {
      await work.end();
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
    const turn = last.then(() => (loop.isStopping() ? false : doTurn()));
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

async function readPiece(row: Import, { content }: store.Piece): Promise<OpenPiece> {
  const rows = await openPiece(content);
  return { rows, items: row.kind === 'members' ? [] : rows.map((each) => readItem(row, each)) };
}

/**
 * What two pieces must not have in common to be stored beside each other: of an activity the first content stays, and what
 * names a profile leads to what the piece before made of it.
 */
function idsOf({ kind }: Import, { items }: OpenPiece): Set<unknown> {
  const ids = new Set<unknown>();
  for (const item of items) {
    if (!('value' in item) || !isRecord(item.value)) continue;
    const { id, custom_id: customId, access_token: token } = item.value;
    if (id != null) ids.add(kind === 'profiles' ? (readUuid(String(id)) ?? id) : id);
    if (kind === 'activities') continue;
    if (customId != null) ids.add(`custom:${String(customId)}`);
    if (token != null) ids.add(`token:${String(token)}`);
  }
  return ids;
}

interface Doors {
  context: Context;
  application: Application;
  intake: Intake;
}

interface NextPiece {
  number: number;
  opened: OpenPiece;
  /** Waits for the pieces before it, where some are under way. */
  last: (() => Promise<void>) | undefined;
}

async function bringIn(doors: Doors, row: Import, { number, opened: piece, last }: NextPiece): Promise<void> {
  const { context, application, intake } = doors;
  let isLast = last === undefined;
  for (let attempt = 1; ; attempt++) {
    // Beside the application's own requests, as another application would be.
    const leave = row.is_dry_run ? () => {} : await intake.enter(application.client_id, piece.rows.length, 'import');
    try {
      await context.db.transaction(async (tx) => {
        // What a crash may forget, it forgets together: rows and piece. The end of the import is flushed, and all before it.
        tx.query(sql`set local synchronous_commit = off`).catch(() => {}); // the next statement says what is wrong
        const applied = await applyRows(tx, doors, row, piece, { onlyNew: !isLast });
        if (!(await store.deletePiece(tx, row.id, number))) throw new PieceTaken();
        await store.recordPiece(tx, row.id, { ...applied, kept: keptOf(row, applied) }, context.clock.now());
      });
      return;
    } catch (error) {
      if (!(error instanceof NotNew) && (!isPassing(error) || attempt >= MAX_PASSING)) throw error;
    } finally {
      leave();
    }
    if (last) {
      await last();
      isLast = true;
    }
  }
}

/** The first million can be looked up. */
const keptOf = (row: Import, { rejections }: Applied): Rejection[] =>
  rejections.slice(0, Math.max(0, MAX_REJECTIONS - row.rejected));
