// Days in a time zone. A day is the numbers of days since 1970-01-01 by the calendar of that zone; it begins at the first
// instant whose local date is that day or later, and ends where the next one begins. So days that are 23 or 25 hours long,
// days that begin at 01:00 and a day that was left out (it is empty) are all right, and every instant lies in one day.

import { MICROS_PER_DAY, type Instant } from '../instant.ts';

/** Days since 1970-01-01. */
export type Day = number;

export interface Zone {
  name: string;
  /** The first instant of a day. */
  startOf(day: Day): Instant;
  /** The day in which an instant lies. */
  dayOf(instant: Instant): Day;
}

const DAY_MS = 86_400_000;
/** More than any zone was ever off UTC, in milliseconds. */
const FAR_MS = 26 * 3_600_000;
const MOST_KEPT = 20_000;

export const UTC: Zone = {
  name: 'UTC',
  startOf: (day) => day * MICROS_PER_DAY,
  dayOf: (instant) => Math.floor(instant / MICROS_PER_DAY),
};

/** Whether there is such a time zone, by the IANA's names. */
export function isZoneName(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    formatterOf(name);
    return true;
  } catch {
    return false;
  }
}

const zones = new Map<string, Zone>([['UTC', UTC]]);

/** The zone of a name that `isZoneName` knows. */
export function zoneOf(name: string): Zone {
  const known = zones.get(name);
  if (known) return known;
  const zone = createZone(name);
  zones.set(name, zone);
  return zone;
}

function createZone(name: string): Zone {
  const offsetAt = offsetReader(name);
  const starts = new Map<Day, Instant>();
  const startOf = (day: Day): Instant => {
    const known = starts.get(day);
    if (known !== undefined) return known;
    if (starts.size >= MOST_KEPT) starts.clear();
    const start = firstOf(day * DAY_MS, offsetAt) * 1000;
    starts.set(day, start);
    return start;
  };
  return {
    name,
    startOf,
    dayOf(instant) {
      const ms = Math.floor(instant / 1000);
      let day = Math.floor((ms + offsetAt(ms)) / DAY_MS);
      while (startOf(day + 1) <= instant) day++; // the clock was set back over midnight, or a day was left out
      return day;
    },
  };
}

/** The first millisecond at which the zone's clocks show this local time or a later one. */
function firstOf(local: number, offsetAt: (ms: number) => number): number {
  let [low, high] = [local - FAR_MS, local + FAR_MS];
  const [before, after] = [offsetAt(low), offsetAt(high)];
  if (before === after || local - before <= low) return local - before;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle) === before) low = middle;
    else high = middle;
  }
  return local - before < high ? local - before : Math.max(high, local - after);
}

const formatterOf = (timeZone: string): Intl.DateTimeFormat =>
  new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });

/** By how many milliseconds the zone's clocks are ahead of UTC. */
function offsetReader(name: string): (ms: number) => number {
  const formatter = formatterOf(name);
  return (ms) => {
    const parts: Record<string, number> = {};
    for (const { type, value } of formatter.formatToParts(ms)) parts[type] = Number(value);
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(ms / 1000) * 1000;
  };
}

const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** The day that a date without a time names; undefined for anything else. The text was read as an instant before. */
export const dayNamed = (text: string): Day | undefined =>
  DATE.test(text) ? Date.parse(`${text}T00:00:00Z`) / DAY_MS : undefined;

/** A day as `2025-04-28`. */
export const formatDay = (day: Day): string => new Date(day * DAY_MS).toISOString().slice(0, 10);

/**
 * The anniversary of a day in a year: that day of that month, and of a 29th of February in a year without one the 1st of March.
 */
export function anniversaryIn(year: number, of: Day): Day {
  const date = new Date(of * DAY_MS);
  return Date.UTC(year, date.getUTCMonth(), date.getUTCDate()) / DAY_MS; // Date takes the 29th of such a February as the 1st of March
}

export const yearOf = (day: Day): number => new Date(day * DAY_MS).getUTCFullYear();

/** Of the 29th of February in a year that has one. */
export const LEAP_DAY: Day = Date.UTC(2000, 1, 29) / DAY_MS;

export function isLeapDay(day: Day): boolean {
  const date = new Date(day * DAY_MS);
  return date.getUTCMonth() === 1 && date.getUTCDate() === 29;
}

/** The years that instants are accepted of, with their first days. */
export const YEARS: readonly { year: number; first: Day; isLeap: boolean }[] = Array.from(
  { length: 301 },
  (_, index) => {
    const year = 1900 + index;
    return { year, first: Date.UTC(year, 0, 1) / DAY_MS, isLeap: isLeapDay(anniversaryIn(year, LEAP_DAY)) };
  },
);

/** The first day that begins at this instant or later. */
export function firstDayFrom(instant: Instant, zone: Zone): Day {
  let day = zone.dayOf(instant);
  if (zone.startOf(day) < instant) return day + 1;
  while (zone.startOf(day - 1) === instant) day--; // a day that was left out begins with the next one
  return day;
}
