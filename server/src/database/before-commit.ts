// A statement that belongs into whatever transaction the work inside commits first: the audit row of a
// request. The work knows nothing of it.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Queryable } from './database.ts';

interface Waiting {
  write: ((tx: Queryable) => Promise<unknown>) | undefined;
}

export interface BeforeCommit {
  /** What the first transaction that commits inside the work is to write as its last statement. */
  run<T>(write: (tx: Queryable) => Promise<unknown>, work: () => Promise<T>): Promise<T>;
  /** Takes it, once: for the transaction that is about to commit. */
  take(): ((tx: Queryable) => Promise<unknown>) | undefined;
  /** Puts it back: that transaction did not commit. */
  giveBack(write: (tx: Queryable) => Promise<unknown>): void;
  isWaiting(): boolean;
  /** Work whose transactions are not the change. */
  without<T>(work: () => Promise<T>): Promise<T>;
}

export function createBeforeCommit(): BeforeCommit {
  const storage = new AsyncLocalStorage<Waiting | undefined>();
  let running = 0;
  const current = (): Waiting | undefined => (running === 0 ? undefined : storage.getStore());
  return {
    async run(write, work) {
      running++;
      try {
        return await storage.run({ write }, work);
      } finally {
        // On Node 20 a store that is in use slows every promise of the process.
        if (--running === 0) storage.disable();
      }
    },
    take() {
      const waiting = current();
      const write = waiting?.write;
      if (waiting) waiting.write = undefined;
      return write;
    },
    giveBack(write) {
      const waiting = current();
      if (waiting) waiting.write = write;
    },
    isWaiting: () => current()?.write !== undefined,
    without: (work) => (running === 0 ? work() : storage.run(undefined, work)),
  };
}
