// What one request costs everybody else: how long the process does nothing but it, and how much memory that takes. Measured
// in processor time, which other programs on the machine hardly change.

import { existsSync, readFileSync } from 'node:fs';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export interface Cost<T> {
  result: T;
  /** The longest time between two turns of the event loop, in milliseconds of the processor. */
  stallMs: number;
  /** By which the heap had grown at its largest. */
  heapBytes: number;
}

/** Of the thread that runs the event loop; the process has others, which collect garbage beside it. */
const OWN_THREAD = `/proc/self/task/${process.pid}/schedstat`;
const hasOwnThread = existsSync(OWN_THREAD);

/** Milliseconds of the processor. */
function processorMs(): number {
  if (hasOwnThread) return Number(readFileSync(OWN_THREAD, 'latin1').split(' ', 1)[0]) / 1e6;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const heapBytes = (): number => getHeapStatistics().used_heap_size;

const TICK_MS = 2;
const LIVE_TICK_MS = 100;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void; // the flag puts it there

/**
 * `afresh`: without the garbage of what was before, which takes longer than most requests do. `live`: the heap is what is
 * still in use at each look, and the stall says nothing, since garbage is collected every time.
 */
export async function costOf<T>(work: () => Promise<T>, { afresh = true, live = false } = {}): Promise<Cost<T>> {
  if (afresh) collectGarbage();
  const before = heapBytes();
  const cost = { stallMs: 0, heapBytes: 0 };
  let last = processorMs();
  const look = (): void => {
    if (live) collectGarbage();
    const now = processorMs();
    cost.stallMs = Math.max(cost.stallMs, now - last);
    last = now;
    cost.heapBytes = Math.max(cost.heapBytes, heapBytes() - before);
  };
  const timer = setInterval(look, live ? LIVE_TICK_MS : TICK_MS);
  try {
    const result = await work();
    look();
    return { result, ...cost };
  } finally {
    clearInterval(timer);
  }
}

/** How many times longer this machine needs for a piece of work than the one on which the limits were set, 1 or more. */
export function slowness(): number {
  const text = `[${Array(200_000).fill('{"a":1}').join(',')}]`;
  const times = Array.from({ length: 5 }, () => {
    const from = processorMs();
    JSON.parse(text);
    return processorMs() - from;
  });
  return Math.max(1, Math.min(...times) / REFERENCE_MS);
}

const REFERENCE_MS = 30;
