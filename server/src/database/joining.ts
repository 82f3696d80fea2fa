// One transaction around work that knows nothing of it. Inside `together`, what the work does by transaction() and through
// `own` becomes part of one outer transaction, each piece behind a savepoint; all else goes its own way as ever. Made for
// POSTs with an Idempotency-Key (http/idempotency.ts), whose answer is written in the transaction of their effect.

import { AsyncLocalStorage } from 'node:async_hooks';
import sql from 'sql-template-tag';
import type { Queryable } from './database.ts';

/** The outer transaction as the work inside sees it. */
export interface Joined {
  /** Runs the work behind a savepoint; what fails undoes only itself. */
  nested<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
  /** To be done once the outer transaction has committed. */
  afterwards: (() => Promise<unknown>)[];
}

export interface Joining {
  /** What is being joined here, if anything. Free of cost while nothing joins. */
  current(): Joined | undefined;
  run<T>(tx: Queryable, afterwards: Joined['afterwards'], work: () => Promise<T>): Promise<T>;
  /** Work that must not join: it would show others what is not committed yet. */
  apart<T>(work: () => Promise<T>): Promise<T>;
}

export function createJoining(): Joining {
  const storage = new AsyncLocalStorage<Joined | undefined>();
  let running = 0;

  const join = (tx: Queryable, afterwards: Joined['afterwards']): Joined => {
    // Pieces that run at the same time take turns: savepoints on one connection cannot overlap.
    let last: Promise<unknown> = Promise.resolve();
    return {
      afterwards,
      nested(work) {
        const turn = last.then(() => behindSavepoint(tx, () => storage.run(join(tx, afterwards), () => work(tx))));
        last = turn.catch(() => {});
        return turn;
      },
    };
  };

  return {
    current: () => (running === 0 ? undefined : storage.getStore()),
    async run(tx, afterwards, work) {
      running++;
      try {
        return await storage.run(join(tx, afterwards), work);
      } finally {
        // On Node 20 a store that is in use slows every promise of the process.
        if (--running === 0) storage.disable();
      }
    },
    apart: (work) => (running === 0 ? work() : storage.run(undefined, work)),
  };
}

async function behindSavepoint<T>(tx: Queryable, work: () => Promise<T>): Promise<T> {
  // Not awaited: what follows on the connection goes out in the same round trip, and says what is wrong with it.
  tx.query(sql`savepoint joined`).catch(() => {});
  try {
    const result = await work();
    tx.query(sql`release savepoint joined`).catch(() => {});
    return result;
  } catch (error) {
    await tx.query(sql`rollback to savepoint joined`);
    await tx.query(sql`release savepoint joined`);
    throw error;
  }
}
