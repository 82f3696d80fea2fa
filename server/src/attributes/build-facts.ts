// Reads past activities into the totals of new facts, slice by slice, while intake goes on. Exact, because each slice
// locks the histories of its profiles and then computes from the raw activities (activities/totals.ts), and because every
// intake that might not know the fact is over before the first slice. Totals of facts that nothing reads any more are
// deleted the same way, once every intake that still knew them is over. One process at a time does it, under a lease; one
// that dies is replaced, and its successor begins the fact again.

import { lockHistories, recomputeTotals } from '../facts/totals.ts';
import type { Context } from '../context.ts';
import { drain } from '../database/drain.ts';
import { createLease } from '../database/lease.ts';
import { createLoop } from '../looping.ts';
import * as store from './attribute-store.ts';
import { raiseDefinitionsVersion } from '../facts/definitions.ts';

export interface FactBuilder {
  /** Builds and deletes everything that waits; false where another process is at it. */
  tick(): Promise<boolean>;
  start(): void;
  /** Looks now rather than at the next interval. */
  wake(): void;
  stop(): Promise<void>;
}

const LEASE_SECONDS = 15;
const SLICE = 500;
const DELETED_AT_ONCE = 5_000;
const INTERVAL_MS = 5_000;

export function createFactBuilder(context: Context): FactBuilder {
  const { db, log } = context;
  const lease = createLease(db, 'facts', LEASE_SECONDS);

  const build = async (fact: store.UnbuiltFact): Promise<void> => {
    await drain(db);
    let ordinal = -1;
    for (;;) {
      if (loop.isStopping() || !(await lease.hold())) return;
      const slice = await store.listProfilesWithFact(db, fact.applicationId, fact.typeId, ordinal, SLICE);
      if (slice.length === 0) break;
      const ids = slice.map((profile) => profile.profile_id);
      await db.transaction(async (tx) => {
        await lockHistories(tx, fact.applicationId, ids);
        await recomputeTotals(tx, fact.applicationId, ids, [fact]);
      });
      ordinal = slice.at(-1)?.ordinal ?? ordinal;
    }
    await db.transaction(async (tx) => {
      await raiseDefinitionsVersion(tx, fact.applicationId);
      await store.markBuilt(tx, fact.applicationId, fact.id);
    });
    log.info({ application: fact.applicationId, fact: fact.id }, 'totals of a new fact are complete');
  };

  const forget = async ({ applicationId, id }: store.DroppedFact): Promise<void> => {
    await drain(db);
    for (let deleted = 1; deleted > 0;) {
      if (loop.isStopping() || !(await lease.hold())) return;
      deleted = await store.deleteTotalsOf(db, applicationId, id, DELETED_AT_ONCE);
    }
    await store.forgetDroppedFact(db, applicationId, id);
  };

  const tick = async (): Promise<boolean> => {
    const [waiting, dropped] = await Promise.all([store.listUnbuiltFacts(db), store.listDroppedFacts(db)]);
    if (waiting.length + dropped.length === 0) return true;
    if (!(await lease.hold())) return false;
    try {
      for (const fact of waiting) await build(fact);
      for (const fact of dropped) await forget(fact);
    } finally {
      await lease.release();
    }
    return true;
  };

  const tickOnce = async (): Promise<void> => void (await tick());
  const loop = createLoop(tickOnce, {
    restMs: INTERVAL_MS,
    onError: (error) => log.error({ err: error }, 'building totals failed; it is tried again'),
  });

  return { tick, start: loop.start, wake: loop.wake, stop: loop.stop };
}
