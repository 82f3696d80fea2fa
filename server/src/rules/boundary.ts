// Where time enters a leaf, and whose instants it reaches between two instants: what the clock's part looks for.

import { FIRST_INSTANT, INSTANT_LIMIT, MICROS_PER_DAY, type Instant, type Micros } from '../instant.ts';
import { anniversaryIn, LEAP_DAY, yearOf, YEARS, zoneOf, type Day, type Zone } from './zone.ts';

/**
 * A profile may flip where an instant of the source crosses, and nowhere else. No activity and no profile lies in the future of
 * the instant of evaluation (the worker evaluates at the later of its clock and the newest activity that it loaded), so
 * those sources need no crossing at the instant itself or before it.
 */
export type Boundary = { source: BoundarySource } & Crossing;

/** `zone`: its name. Equal crossings are equal as JSON. */
export type Crossing =
  /** At the instant plus so much. */
  | { offset: Micros }
  /** The same where the instant is the start of a day that was stored as a date, which is at midnight UTC. */
  | { dated: Micros; zone: string }
  /** At the start of the day that is so many days after the one in which the instant lies. */
  | { days: number; zone: string }
  /** At the start of the day so many days before each anniversary, and at the end of the anniversary. */
  | { anniversary: number; zone: string };

export type BoundarySource =
  /** occurred_at of activities of these types; 0 among them is any type. */
  | { kind: 'activities'; typeIds: readonly number[] }
  /** created_at of profiles. */
  | { kind: 'created_at' }
  /** profile_attributes.instant under this key. */
  | { kind: 'attribute'; key: string }
  /** totals.state_instant of this fact. */
  | { kind: 'state'; factId: number };

/** Instants after `low` and up to `high`. */
export interface InstantRange {
  low: Instant;
  high: Instant;
}

/** The instants that cross after `since` and up to `until`, and perhaps some that do not: whoever is looked at in vain stays as they are. */
export function crossedRanges(crossing: Crossing, since: Instant, until: Instant): InstantRange[] {
  return rangesOf(crossing, since, until).map(({ low, high }) => ({ low: clamp(low), high: clamp(high) }));
}

/** Nothing happened before the first instant, however many days a rule asks for. */
const clamp = (at: Instant): Instant => Math.min(Math.max(at, FIRST_INSTANT), INSTANT_LIMIT);

function rangesOf(crossing: Crossing, since: Instant, until: Instant): InstantRange[] {
  if ('offset' in crossing) return [{ low: since - crossing.offset, high: until - crossing.offset }];
  const zone = zoneOf(crossing.zone);
  if ('dated' in crossing) {
    const [first, last] = daysBegun(zone, since - crossing.dated, until - crossing.dated);
    return first > last ? [] : [{ low: first * MICROS_PER_DAY - 1, high: last * MICROS_PER_DAY }];
  }
  const [first, last] = daysBegun(zone, since, until);
  if (first > last) return [];
  if ('days' in crossing) return [instantsOf(zone, first - crossing.days, last - crossing.days)];
  return anniversaries(zone, crossing.anniversary, first, last);
}

/** The first and the last day that begin after `since` and up to `until`; none where the first is the greater. */
const daysBegun = (zone: Zone, since: Instant, until: Instant): [first: Day, last: Day] => [
  zone.dayOf(since) + 1,
  zone.dayOf(until),
];

/** The instants of these days, and midnights UTC of dates that name them. */
const instantsOf = (zone: Zone, first: Day, last: Day): InstantRange => ({
  low: Math.min(zone.startOf(first), first * MICROS_PER_DAY) - 1,
  high: Math.max(zone.startOf(last + 1) - 1, last * MICROS_PER_DAY),
});

/** More days at once, after a long rest, are looked through as all there are: each has a range in every year. */
const MANY_DAYS = 3;

function anniversaries(zone: Zone, before: number, first: Day, last: Day): InstantRange[] {
  if (last - first > MANY_DAYS) return [{ low: -Infinity, high: Infinity }];
  const found: InstantRange[] = [];
  for (let begun = first; begun <= last; begun++) {
    for (const anniversary of [begun + before, begun - 1]) {
      const isForLeapDays = anniversaryIn(yearOf(anniversary), LEAP_DAY) === anniversary;
      for (const { year, isLeap } of YEARS) {
        const days = [
          anniversaryIn(year, anniversary),
          ...(isForLeapDays && isLeap ? [anniversaryIn(year, LEAP_DAY)] : []),
        ];
        for (const day of new Set(days)) found.push(instantsOf(zone, day, day));
      }
    }
  }
  return found;
}
