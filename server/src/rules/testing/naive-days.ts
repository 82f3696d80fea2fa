// What the naive evaluator knows of days in a time zone: what a calendar on the wall there shows, asked of Intl.

import { MICROS_PER_DAY, parseInstant, type Instant } from '../../instant.ts';

const formatters = new Map<string, Intl.DateTimeFormat>();

/** The date that a calendar shows, as `2025-04-28`. */
export function dateAt(instant: Instant, zone: string): string {
  const formatter = formatters.get(zone) ?? new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short' });
  formatters.set(zone, formatter);
  return formatter.format(Math.floor(instant / 1000));
}

const starts = new Map<string, Instant>();

/** The first quarter of an hour at which the calendar shows the date: all zones of the worlds change then. */
export function startOfDate(date: string, zone: string): Instant {
  const known = starts.get(`${date} ${zone}`);
  if (known !== undefined) return known;
  const quarter = MICROS_PER_DAY / 96;
  let at = (parseInstant(date) ?? NaN) - 64 * quarter;
  while (dateAt(at, zone) < date) at += quarter;
  starts.set(`${date} ${zone}`, at);
  return at;
}

/** An instant as text, or the start of a day there; undefined for anything else. */
export function instantIn(text: string, zone: string): Instant | undefined {
  return /^\d{4}-\d\d-\d\d$/.test(text) && parseInstant(text) !== undefined
    ? startOfDate(text, zone)
    : parseInstant(text);
}

export const daysFrom = (from: string, to: string): number =>
  ((parseInstant(to) ?? NaN) - (parseInstant(from) ?? NaN)) / MICROS_PER_DAY;

/** Whether one of the days from today on is an anniversary of that date: today and so many after it. */
export function hasAnniversary(of: string, today: string, days: number): boolean {
  return [0, 1].some((later) => {
    const year = Number(today.slice(0, 4)) + later;
    const isThere = parseInstant(`${year}-${of.slice(5)}`) !== undefined;
    const away = daysFrom(today, `${year}-${isThere ? of.slice(5) : '03-01'}`);
    return 0 <= away && away <= days;
  });
}
