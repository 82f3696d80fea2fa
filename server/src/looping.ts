// Work that a process does again and again beside its requests: a step, a rest, and again, until it is stopped. What fails
// is handed over and tried again after the rest. The rest keeps no process alive, and a wake ends it.

import { setTimeout as wait } from 'node:timers/promises';

export interface Loop {
  start(): void;
  /** Ends the rest at hand, or leaves out the next one. */
  wake(): void;
  isStopping(): boolean;
  /** Resolves once the step at hand is over. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  restMs: number;
  /** Before the first step. Default: none. */
  firstMs?: number;
  /** Not called for what fails because it is stopped. */
  onError: (error: unknown) => void;
}

/** A step that resolves to true is followed by the next one at once. */
export function createLoop(step: () => Promise<unknown>, { restMs, firstMs = 0, onError }: LoopOptions): Loop {
  let isStopping = false;
  let running: Promise<void> | undefined;
  let rouse = new AbortController();
  const rest = async (ms: number): Promise<void> => {
    if (!isStopping) await wait(ms, undefined, { signal: rouse.signal, ref: false }).catch(() => {});
    rouse = new AbortController();
  };
  const run = async (): Promise<void> => {
    if (firstMs > 0) await rest(firstMs);
    while (!isStopping) {
      const goesOn = await step().catch((error: unknown) => {
        if (!isStopping) onError(error);
        return false;
      });
      if (goesOn !== true) await rest(restMs);
    }
  };
  return {
    start() {
      running ??= run();
    },
    wake: () => rouse.abort(),
    isStopping: () => isStopping,
    async stop() {
      isStopping = true;
      rouse.abort();
      await running;
    },
  };
}
