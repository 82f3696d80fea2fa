// Reads past activities into the totals of new facts, slice by slice, while intake goes on. Exact, because each slice
// locks the histories of its profiles and then computes from the raw activities (activities/totals.ts), and because every
// intake that might not know the fact is over before the first slice. One process at a time does it, under a lease; one
// that dies is replaced, and its successor begins the fact again.

import { setTimeout as wait } from 'node:timers/promises';
import { lockHistories, recomputeTotals } from '../activities/totals.ts';
import type { Context } from '../context.ts';
import { sql } from '../database/database.ts';
import { drain } from '../database/drain.ts';
import { newId } from '../ids.ts';
import * as store from './attribute-store.ts';
import { raiseDefinitionsVersion } from './definitions.ts';

export interface FactBuilder {
  /** Builds everything that waits; false where another process is at it. */
  tick(): Promise<boolean>;
  start(): void;
  /** Looks now rather than at the next interval. */
  wake(): void;
  stop(): Promise<void>;
}

const LEASE = 'facts';
const LEASE_SECONDS = 15;
const SLICE = 500;
const INTERVAL_MS = 5_000;

export function createFactBuilder(context: Context): FactBuilder {
  const { db, log } = context;
  const holder = newId();
  let stopping = false;
  let running: Promise<void> | undefined;
  let rouse = new AbortController();

  /** Takes or renews the lease; false where another process has it. */
  const hold = async (): Promise<boolean> => {
    await db.query(sql`insert into leases (name) values (${LEASE}) on conflict do nothing`);
    const { count } = await db.query(sql`
      update leases set fence = fence + case when holder = ${holder}::uuid then 0 else 1 end, holder = ${holder}::uuid,
        expires_at = clock_timestamp() + make_interval(secs => ${LEASE_SECONDS})
      where name = ${LEASE} and (holder is null or holder = ${holder}::uuid or expires_at < clock_timestamp())`);
    return count === 1;
  };

  const release = (): Promise<unknown> =>
    db.query(sql`update leases set holder = null where name = ${LEASE} and holder = ${holder}::uuid`);

  const build = async (fact: store.UnbuiltFact): Promise<void> => {
    await drain(db);
    let ordinal = -1;
    for (;;) {
      if (stopping || !(await hold())) return;
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

  const tick = async (): Promise<boolean> => {
    const waiting = await store.listUnbuiltFacts(db);
    if (waiting.length === 0) return true;
    if (!(await hold())) return false;
    try {
      for (const fact of waiting) await build(fact);
    } finally {
      await release();
    }
    return true;
  };

  const loop = async (): Promise<void> => {
    while (!stopping) {
      await tick().catch((error: unknown) => log.error({ err: error }, 'building totals failed; it is tried again'));
      await wait(INTERVAL_MS, undefined, { signal: rouse.signal, ref: false }).catch(() => {});
      rouse = new AbortController();
    }
  };

  return {
    tick,
    start() {
      running ??= loop();
    },
    wake: () => rouse.abort(),
    async stop() {
      stopping = true;
      rouse.abort();
      await running;
    },
  };
}
