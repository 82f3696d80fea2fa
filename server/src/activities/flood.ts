// How many activities one profile may send a minute with its own token, over fixed windows counted in this process.

import { ApiError } from '../errors.ts';

const WINDOW_MS = 60_000;
const MAX_PROFILES = 100_000;

/** Throws 429 once a profile sent more than `max` activities within the running minute; 0 turns it off. */
export function createFloodGate(max: number): (profileId: string, activities: number) => void {
  if (max === 0) return () => {};
  let window = 0;
  let counts = new Map<string, number>();
  return (profileId, activities) => {
    const elapsed = performance.now();
    const current = Math.floor(elapsed / WINDOW_MS);
    if (current !== window || counts.size > MAX_PROFILES) {
      window = current;
      counts = new Map();
    }
    const count = (counts.get(profileId) ?? 0) + activities;
    // A batch that is refused does not count, so that a smaller one may still fit.
    if (count > max) {
      const retryAfter = ((current + 1) * WINDOW_MS - elapsed) / 1000;
      throw new ApiError('throttled', { detail: `More than ${max} activities a minute of this profile.`, retryAfter });
    }
    counts.set(profileId, count);
  };
}
