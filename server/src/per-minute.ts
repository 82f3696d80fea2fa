// How often something may happen a minute: fixed windows, counted in this process.

import { ApiError } from './errors.ts';

const WINDOW_MS = 60_000;
const MAX_KEYS = 100_000;

/** Throws 429 with what `say` says where a key would come to more than `max` within the running minute. */
export type MinuteLimit = (key: string, count?: number) => void;

/** 0: no limit. What is refused does not count, so that something smaller may still fit. */
export function createMinuteLimit(max: number, say: (max: number) => string): MinuteLimit {
  if (max === 0) return () => {};
  let window = 0;
  let counts = new Map<string, number>();
  return (key, count = 1) => {
    const elapsed = performance.now();
    const current = Math.floor(elapsed / WINDOW_MS);
    if (current !== window || counts.size > MAX_KEYS) {
      window = current;
      counts = new Map();
    }
    const counted = (counts.get(key) ?? 0) + count;
    if (counted > max)
      throw new ApiError('throttled', {
        detail: say(max),
        retryAfter: ((current + 1) * WINDOW_MS - elapsed) / 1000,
      });
    counts.set(key, counted);
  };
}
