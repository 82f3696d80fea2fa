// What a condition asks of an instant. At any `now` that is a set of stretches of time, by which the set side looks into
// indexes; the function side asks of one value, and walks the instants at which its answer may change.

import { MICROS_PER_DAY, type Instant } from '../instant.ts';
import type { Crossing } from './boundary.ts';
import { elements, emptiness, impossible } from './conditions.ts';
import { sqlInstant, sqlMultirange } from './literals.ts';
import { instantNamed } from './moments.ts';
import type { RuleLeaf } from './tree.ts';
import {
  anniversaryIn,
  firstDayFrom,
  dayNamed,
  isLeapDay,
  LEAP_DAY,
  yearOf,
  YEARS,
  type Day,
  type Zone,
} from './zone.ts';

/** From the first on and up to but without the second; infinite where there is no end. */
export type Stretch = readonly [from: Instant, until: Instant];

export interface InstantTest {
  /** Holds where no value matches, rather than where one does. */
  negated: boolean;
  matches(value: Instant, now: Instant): boolean;
  /** The values that match at this instant. */
  stretches(now: Instant): readonly Stretch[];
  /** The same over a column; `text` is what the value was written as, where it was written as text. */
  sql(column: string, now: Instant, text?: string): string;
  /** The instants up to `until` at which `matches` may change for a value, and perhaps others. */
  changes(value: Instant, now: Instant, until: Instant): Instant[];
  /** The same as they are looked for from the other side. */
  crossings: readonly Crossing[];
}

interface Meaning {
  stretches(now: Instant): readonly Stretch[];
  /** Default: whether one of the stretches holds the value. */
  matches?(value: Instant, now: Instant): boolean;
  changes?: InstantTest['changes'];
  crossings?: readonly Crossing[];
}

const ALWAYS: Stretch = [-Infinity, Infinity];

export function instantTest(leaf: RuleLeaf, zone: Zone): InstantTest {
  const empty = emptiness(leaf);
  const {
    stretches,
    matches,
    changes = () => [],
    crossings = [],
  } = empty ? { stretches: () => [ALWAYS] } : meaningOf(leaf, zone);
  return {
    negated: empty?.negated ?? false,
    matches: matches ?? ((value, now) => stretches(now).some(([from, until]) => from <= value && value < until)),
    stretches,
    sql: (column, now, text) => stretchesSql(column, stretches(now), zone, text),
    changes,
    crossings,
  };
}

function meaningOf(leaf: RuleLeaf, zone: Zone): Meaning {
  const [first, second] = elements(leaf.value);
  const days = Number(first);
  switch (leaf.condition) {
    case 'within_last_x_days':
      return within(0, days * MICROS_PER_DAY);
    case 'within_next_x_days':
      return within(-days * MICROS_PER_DAY, 0);
    case 'days_ago_between':
      return daysAgo(days, Number(second), zone);
    case 'anniversary_within_next_x_days':
      return anniversary(days, zone);
    default: {
      const stretches = [absolute(leaf, zone)];
      return { stretches: () => stretches };
    }
  }
}

/** Of rules that name instants. A date without a time is the start of its day, and for `on_or_before` the whole day. */
function absolute(leaf: RuleLeaf, zone: Zone): Stretch {
  const [low = NaN, high = low] = elements(leaf.value).map((text) => instantNamed(String(text), zone) ?? NaN);
  switch (leaf.condition) {
    case 'before':
      return [-Infinity, low];
    case 'after':
      return [low + 1, Infinity];
    case 'on_or_before': {
      const day = dayNamed(String(leaf.value));
      return [-Infinity, day === undefined ? low + 1 : zone.startOf(day + 1)];
    }
    case 'on_or_after':
      return [low, Infinity];
    case 'between':
      return [low, high + 1];
    default:
      return impossible(leaf);
  }
}

/** Holds from so long after the value (before it, where that is negative) until so long after. */
function within(begins: number, ends: number): Meaning {
  return {
    stretches: (now) => [[now - ends + 1, now - begins + 1]],
    changes: (value) => [value + begins, value + ends],
    crossings: [{ offset: begins }, { offset: ends }],
  };
}

/** By calendar: today is 0 days ago, yesterday 1. */
function daysAgo(least: number, most: number, zone: Zone): Meaning {
  return {
    stretches(now) {
      const today = zone.dayOf(now);
      return [[zone.startOf(today - most), zone.startOf(today - least + 1)]];
    },
    changes(value) {
      const day = zone.dayOf(value);
      return [zone.startOf(day + least), zone.startOf(day + most + 1)];
    },
    crossings: [
      { days: least, zone: zone.name },
      { days: most + 1, zone: zone.name },
    ],
  };
}

/** By month and day alone, whatever the year: today counts, and so do so many days after it. */
function anniversary(days: number, zone: Zone): Meaning {
  return {
    stretches: (now) => anniversaryStretches(zone.dayOf(now), days, zone),
    matches(value, now) {
      const [day, today] = [zone.dayOf(value), zone.dayOf(now)];
      const year = yearOf(today);
      const next = [year, year + 1].map((each) => anniversaryIn(each, day)).find((each) => each >= today);
      return next !== undefined && next - today <= days;
    },
    changes(value, now, until) {
      const day = zone.dayOf(value);
      const last = until < Infinity ? yearOf(zone.dayOf(until)) + 1 : LAST_YEAR;
      const found: Instant[] = [];
      for (let year = yearOf(zone.dayOf(now)); year <= last; year++) {
        const at = anniversaryIn(year, day);
        found.push(zone.startOf(at - days), zone.startOf(at + 1));
      }
      return found;
    },
    crossings: [{ anniversary: days, zone: zone.name }],
  };
}

const LAST_YEAR = 2201;

/** All days whose anniversary is one of the days from today on: the same days of a year in every year. */
function anniversaryStretches(today: Day, days: number, zone: Zone): Stretch[] {
  const found: Stretch[] = [];
  for (const { first, isLeap } of YEARS) {
    for (const [from, to] of runsOf(today, days, isLeap))
      found.push([zone.startOf(first + from), zone.startOf(first + to + 1)]);
  }
  return found;
}

/** The runs of days of a leap year, or of another, counted from 0, whose anniversary is one of the days from today on. */
function runsOf(today: Day, days: number, isLeap: boolean): [from: number, to: number][] {
  const model = isLeap ? 2000 : 2001;
  const first = anniversaryIn(model, 0); // its 1st of January
  const wanted = new Set<number>();
  for (let day = today; day <= today + days; day++) {
    const place = anniversaryIn(model, day) - first;
    if (isLeap || !isLeapDay(day)) wanted.add(place); // else no day of that year has this for its anniversary
    if (isLeap && anniversaryIn(yearOf(day), LEAP_DAY) === day) wanted.add(LEAP_DAY - first);
  }
  const runs: [number, number][] = [];
  for (const place of [...wanted].sort((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run && run[1] === place - 1) run[1] = place;
    else runs.push([place, place]);
  }
  return runs;
}

/**
 * A date without a time was stored as midnight UTC, and means its day in the zone: where those differ, its days are compared.
 */
function stretchesSql(column: string, stretches: readonly Stretch[], zone: Zone, text: string | undefined): string {
  const ofInstants = columnIn(column, stretches);
  if (text === undefined || zone.name === 'UTC') return ofInstants;
  const ofDates = stretches.map(([from, until]): Stretch => [midnight(from, zone), midnight(until, zone)]);
  return `(case when length(${text}) = 10 then ${columnIn(column, ofDates)} else ${ofInstants} end)`;
}

const midnight = (at: Instant, zone: Zone): Instant =>
  Number.isFinite(at) ? firstDayFrom(at, zone) * MICROS_PER_DAY : at;

function columnIn(column: string, stretches: readonly Stretch[]): string {
  const [only] = stretches;
  if (!only || stretches.length > 1) return `${column} <@ ${sqlMultirange(stretches)}`;
  const [from, until] = only;
  const ends = [
    ...(from === -Infinity ? [] : [`${column} >= ${sqlInstant(from)}`]),
    ...(until === Infinity ? [] : [`${column} < ${sqlInstant(until)}`]),
  ];
  return `(${ends.join(' and ') || 'true'})`;
}
