// Instants: whole microseconds since 1970-01-01T00:00:00Z, as a plain number. The accepted range (the years 1900 to
// 2200) keeps every instant, and every sum of an instant and the longest window, a safe integer, so that arithmetic
// on them is exact.

/** Whole microseconds since 1970, UTC. */
export type Instant = number;

/** A length of time in whole microseconds. */
export type Micros = number;

export const MICROS_PER_SECOND = 1_000_000;
export const MICROS_PER_DAY = 86_400 * MICROS_PER_SECOND;

/** The first accepted instant, 1900-01-01T00:00:00Z. */
export const FIRST_INSTANT: Instant = Date.UTC(1900, 0, 1) * 1000;
/** The first instant after the accepted range, 2201-01-01T00:00:00Z. */
export const INSTANT_LIMIT: Instant = Date.UTC(2201, 0, 1) * 1000;

/** The start of an instant's day, UTC. */
export const startOfDay = (instant: Instant): Instant => Math.floor(instant / MICROS_PER_DAY) * MICROS_PER_DAY;

/** As the API writes it: `2025-04-28T12:16:49.670053Z`. */
export function formatInstant(instant: Instant): string {
  const millis = Math.floor(instant / 1000);
  const micros = instant - millis * 1000;
  const iso = new Date(millis).toISOString();
  return `${iso.slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
}

const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?(?:([Zz])|([+-])(\d{2}):?(\d{2})?)?)?$/;

/**
 * Reads ISO 8601: a date (midnight UTC) or a date and time with an optional offset (none means UTC), within the years
 * 1900 to 2200. Fractional digits beyond the sixth, which .NET, Go and Java write, are cut off. Anything else, a 30th of February included, is undefined.
 */
export function parseInstant(text: string): Instant | undefined {
  const match = text.length <= 40 ? ISO.exec(text) : null;
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = [1, 2, 3, 4, 5, 6].map((group) => Number(match[group] ?? 0)) as [
    number, // six groups in, six numbers out
    number,
    number,
    number,
    number,
    number,
  ];
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  if (date.getUTCFullYear() !== year || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const offsetHours = Number(match[10] ?? 0);
  const offsetMinutes = Number(match[11] ?? 0);
  if (offsetHours > 23 || offsetMinutes > 59) return undefined;
  const offset = (match[9] === '-' ? -1 : 1) * (offsetHours * 60 + offsetMinutes) * 60 * MICROS_PER_SECOND;
  const micros = Number((match[7] ?? '').slice(0, 6).padEnd(6, '0'));
  const instant = date.getTime() * 1000 + micros - offset;
  return instant >= FIRST_INSTANT && instant < INSTANT_LIMIT ? instant : undefined;
}
