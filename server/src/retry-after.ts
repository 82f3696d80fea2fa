// The header Retry-After: how long a caller waits before it tries again, as we say it and as others say it to us.

/** Whole seconds, and never none: whoever is told 0 tries again at once. */
export const formatRetryAfter = (seconds: number): string => String(Math.max(1, Math.ceil(seconds)));

/** Names of days and months, which every form of an HTTP date has; Date.parse makes dates of much else. */
const DATE = /^[a-z]{3,9},? .*[a-z]{3}/i;

/** Milliseconds from `now` (since 1970), not below 0: seconds, or an HTTP date. Undefined where it is neither. */
export function readRetryAfter(text: string | null | undefined, now: number): number | undefined {
  const asked = text?.trim() ?? '';
  if (/^\d+(\.\d+)?$/.test(asked)) return Number(asked) * 1000;
  if (!DATE.test(asked)) return undefined;
  const at = Date.parse(/GMT$/i.test(asked) ? asked : `${asked} GMT`); // one of the forms leaves that out
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
