// Work of the whole installation that goes on beside requests, in rounds: one process at a time does it by itself, under a lease; whoever asks for
// a round has it at once. Rounds of one process come one after the other. What a round does must be harmless when two
// processes do it at once: a lease may end in the middle.

import type { Queryable } from './database/database.ts';
import { createLease } from './database/lease.ts';
import { createLoop, type LoopOptions } from './looping.ts';

export interface Chores {
  start(): void;
  /** Does everything that is due now. */
  run(): Promise<void>;
  /** Waits for the round at hand, and lets another process go on. */
  stop(): Promise<void>;
}

export interface Round {
  /** Asked for, rather than by itself. */
  isForced: boolean;
  isStopping(): boolean;
  /** Takes or renews the lease; false where another process has it. */
  hold(): Promise<boolean>;
}

export interface ChoresOptions extends LoopOptions {
  /** The lease's name. */
  name: string;
  leaseSeconds: number;
}

export function createChores(
  db: Queryable,
  { name, leaseSeconds, ...loopOptions }: ChoresOptions,
  doRound: (round: Round) => Promise<void>,
): Chores {
  const lease = createLease(db, name, leaseSeconds);
  let last: Promise<void> = Promise.resolve();
  const run = (isForced: boolean): Promise<void> => {
    last = last.catch(() => {}).then(() => doRound({ isForced, isStopping: loop.isStopping, hold: lease.hold }));
    return last;
  };
  const loop = createLoop(() => run(false), loopOptions);
  return {
    start: loop.start,
    run: () => run(true),
    async stop() {
      await loop.stop();
      await last.catch(() => {});
      await lease.release().catch(() => {}); // it expires by itself
    },
  };
}
