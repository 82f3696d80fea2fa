// Rate limits: fixed windows of a minute, counted in this process, by address, profile and application.

import { ApiError } from '../errors.ts';
import type { Limits as Maxima } from '../config.ts';

const WINDOW_MS = 60_000;
const MAX_KEYS = 100_000;

type Limiter = (key: string) => void;

/** Throws 429 once a key came more than `max` times within the running minute. */
function limiter(max: number, what: string): Limiter {
  if (max === 0) return () => {};
  let window = 0;
  let counts = new Map<string, number>();
  return (key) => {
    const elapsed = performance.now();
    const current = Math.floor(elapsed / WINDOW_MS);
    if (current !== window || counts.size > MAX_KEYS) {
      window = current;
      counts = new Map();
    }
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    if (count > max) {
      const retryAfter = ((current + 1) * WINDOW_MS - elapsed) / 1000;
      throw new ApiError('throttled', { detail: `More than ${max} requests a minute ${what}.`, retryAfter });
    }
  };
}

/** Each throws 429 once its key came too often. One set a process: what comes by any door counts together. */
export interface Limits {
  address: Limiter;
  profile: Limiter;
  application: Limiter;
}

export function createLimits(max: Maxima): Limits {
  return {
    address: limiter(max.perAddress, 'from this address'),
    profile: limiter(max.perProfile, 'for this profile'),
    application: limiter(max.perApplication, 'for this application'),
  };
}
