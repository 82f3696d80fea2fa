// When a message that was not taken is sent again.

import { MICROS_PER_DAY, MICROS_PER_SECOND, type Instant, type Micros } from '../instant.ts';

const DELAYS_IN_SECONDS = [5, 30, 120, 600, 1_800, 3_600];
const LATER_IN_SECONDS = 10_800;
/** So long without success, and the webhook is turned off. */
export const DISABLED_AFTER: Micros = 5 * MICROS_PER_DAY;
const LONGEST_RETRY_AFTER: Micros = MICROS_PER_DAY;

/** Until the next attempt, after so many. */
export const delayAfter = (attempts: number): Micros =>
  (DELAYS_IN_SECONDS[attempts - 1] ?? LATER_IN_SECONDS) * MICROS_PER_SECOND;

/** `Retry-After` as the instant that it asks for: seconds, or an HTTP date. Undefined where it is neither. At most a day. */
export function readRetryAfter(text: string | undefined, now: Instant): Instant | undefined {
  if (text === undefined) return undefined;
  const seconds = /^\d{1,9}$/.test(text.trim()) ? Number(text) : undefined;
  const at = seconds === undefined ? Date.parse(text) * 1000 : now + seconds * MICROS_PER_SECOND;
  return Number.isNaN(at) ? undefined : Math.min(Math.max(at, now), now + LONGEST_RETRY_AFTER);
}
