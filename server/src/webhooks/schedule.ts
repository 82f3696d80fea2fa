// When a message that was not taken is sent again.

import { MICROS_PER_DAY, MICROS_PER_SECOND, type Instant, type Micros } from '../instant.ts';
import { readRetryAfter } from '../retry-after.ts';

const DELAYS_IN_SECONDS = [5, 30, 120, 600, 1_800, 3_600];
const LATER_IN_SECONDS = 10_800;
/** So long without success, and the webhook is turned off. */
export const DISABLED_AFTER: Micros = 5 * MICROS_PER_DAY;
const MICROS_PER_MILLISECOND = 1_000;
const LONGEST_RETRY_AFTER: Micros = MICROS_PER_DAY;

/** Until the next attempt, after so many. */
export const delayAfter = (attempts: number): Micros =>
  (DELAYS_IN_SECONDS[attempts - 1] ?? LATER_IN_SECONDS) * MICROS_PER_SECOND;

/** When a receiver asks to be tried again, where it says so in a way that we understand. At most a day later. */
export function pauseUntil(retryAfter: string | undefined, now: Instant): Instant | undefined {
  const ms = readRetryAfter(retryAfter, now / MICROS_PER_MILLISECOND);
  return ms === undefined ? undefined : now + Math.min(Math.round(ms * MICROS_PER_MILLISECOND), LONGEST_RETRY_AFTER);
}
