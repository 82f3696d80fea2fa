// Counts, sums and existence of some of a profile's activities: of the last W (now - W < occurred_at <= now), of a stretch
// of time that stands still, of those whose data meets conditions. In the last W an activity enters at its occurred_at and
// leaves exactly at occurred_at + W, so the total is a staircase of time, and the leaf flips where the staircase crosses one
// of its thresholds. Only the newest activities up to the highest threshold matter: those beyond it are older, hence gone
// before any of these. What does not move with the clock never flips. Numbers of data may be negative: of those all matter.

import type { Instant, Micros } from '../../instant.ts';
import { addedBy, filterConditions, filterOf, SUM_SCALE, type ActivityFilter } from '../activity-filter.ts';
import type { Derivation, FactRef } from '../attribute.ts';
import { numberTest, thresholds, type ValueTest } from '../conditions.ts';
import { activityConditions, within } from '../relations.ts';
import { NO_NEEDS, recentKey, type Needs, type ProfileState, type Recent } from '../state.ts';
import type { RuleLeaf } from '../tree.ts';
import { parseWindow } from '../values.ts';
import type { Zone } from '../zone.ts';
import { activityDepends, createTally, typeIds, type LeafParts } from './parts.ts';
import { countedPast } from './past-parts.ts';
import { existenceTest, numberSet, tallyActivities } from './totals.ts';

const NONE: Recent = { at: [], value: [], complete: true };

export function activitiesLeaf(
  leaf: RuleLeaf,
  { of, facts, exists }: Extract<Derivation, { kind: 'total' }>,
  zone: Zone,
): LeafParts {
  const filter = filterOf(leaf, zone);
  const span = typeof leaf.window === 'string' ? (parseWindow(leaf.window) ?? 0) : undefined;
  const isSum = of === 'sum' || filter?.sumOf != null;
  const anyNumber = filter?.sumOf != null;
  const test = exists ? existenceTest(leaf) : anyNumber ? scaledTest(leaf) : numberTest(leaf);
  const steps = exists ? [1] : anyNumber ? [Infinity] : thresholds(test, leaf);
  const highest = steps.at(-1) ?? 0;
  const holds = (total: number): boolean => test.matches(total) !== test.negated;
  const added = isSum ? (filter ? addedBy(filter) : 'value') : undefined;
  const recent = (state: ProfileState): Recent =>
    mergeRecent(facts.map((fact) => state.recent.get(recentKey(fact, filter)) ?? NONE));
  const weigh = (from: Recent): readonly number[] | undefined => (isSum ? from.value : undefined);
  const totalOf = (newest: Recent, now: Instant, enough: number): number =>
    span === undefined
      ? totalOfAll(newest, weigh(newest), enough)
      : totalWithin(newest.at, weigh(newest), span, now, enough);
  const needs = (rank: number, lowest: number): Needs =>
    recentNeeds(facts, { filter, isSum, anyNumber, span }, rank, lowest);
  return {
    scope: filter,
    test: (state, now) => holds(totalOf(recent(state), now, highest)),
    flips(state, now, until) {
      if (span === undefined) return NO_FLIPS;
      const newest = recent(state);
      return windowFlips(newest.at, weigh(newest), span, now, holds, until);
    },
    actual(state, now) {
      const total = totalOf(recent(state), now, Infinity);
      return exists ? total >= 1 : anyNumber ? total / SUM_SCALE : total;
    },
    async set(reader) {
      const tally = createTally();
      const only = [
        ...(span === undefined ? [] : [within(reader.now - span, reader.now)]),
        ...(filter ? filterConditions(filter) : []),
      ];
      const conditions = activityConditions(reader, facts).map((where) => [where, ...only].join(' and '));
      await tallyActivities(reader, tally, added, conditions);
      return numberSet(reader, test, tally.values);
    },
    past(reader) {
      const only = filter ? filterConditions(filter) : [];
      const conditions = activityConditions(reader, facts).map((where) => [where, ...only].join(' and '));
      return countedPast(reader, { conditions, added, span, passes: holds });
    },
    boundaries: span === undefined ? [] : [{ source: { kind: 'activities', typeIds: typeIds(facts) }, offset: span }],
    needs: needs(highest, steps[0] ?? 0),
    explainNeeds: needs(Infinity, 1),
    depends: activityDepends(facts),
  };
}

/** A test over a number of data, as one over its ten-thousandths. */
function scaledTest(leaf: RuleLeaf): ValueTest<number> {
  const test = numberTest(leaf);
  return { ...test, matches: (total) => test.matches(total / SUM_SCALE) };
}

function recentNeeds(
  facts: readonly FactRef[],
  { filter, isSum, anyNumber, span = Infinity }: Counted,
  rank: number,
  lowest: number,
): Needs {
  if (rank === 0) return NO_NEEDS; // a constant: nothing that a profile does changes it
  const least = facts.length === 1 ? lowest : 1; // several add up
  const ranks = anyNumber
    ? { count: Infinity, sum: Infinity, leastCount: 1, leastSum: Infinity }
    : isSum
      ? { count: 0, sum: rank, leastCount: Infinity, leastSum: least }
      : { count: rank, sum: 0, leastCount: least, leastSum: Infinity };
  const need = { span, ...ranks, ...(filter && { filter }) };
  return { ...NO_NEEDS, recent: new Map(facts.map((fact) => [recentKey(fact, filter), { fact, ...need }])) };
}

interface Counted {
  filter: ActivityFilter | undefined;
  isSum: boolean;
  /** What is added may be of any size and sign. */
  anyNumber: boolean;
  /** Undefined: the window does not move. */
  span: Micros | undefined;
}

function totalOfAll({ at, value: values }: Recent, value: readonly number[] | undefined, enough: number): number {
  if (!value) return Math.min(at.length, enough);
  let total = 0;
  for (let i = 0; i < values.length && total < enough; i++) total += values[i] ?? 0;
  return total;
}

/**
 * The newest activities of several facts as one list, newest first. A list that is not complete ends somewhere; what
 * others hold from before that instant is left out, since the list would have activities between.
 */
export function mergeRecent(lists: readonly Recent[]): Recent {
  const [only] = lists;
  if (only && lists.length === 1) return only;
  const end = Math.max(...lists.map((list) => (list.complete ? -Infinity : (list.at.at(-1) ?? Infinity))));
  const rows = lists.flatMap((list) => list.at.map((at, index) => ({ at, value: list.value[index] ?? 0 })));
  const kept = rows.filter((row) => row.at >= end).sort((a, b) => b.at - a.at);
  return {
    at: kept.map((row) => row.at),
    value: kept.map((row) => row.value),
    complete: lists.every((list) => list.complete),
  };
}

/** The total in (now - span, now], counting on until it reaches `enough`. `at` is newest first; no values: a count. */
export function totalWithin(
  at: readonly Instant[],
  value: readonly number[] | undefined,
  span: Micros,
  now: Instant,
  enough: number,
): number {
  let total = 0;
  for (let i = 0; i < at.length && total < enough; i++) {
    const instant = at[i] ?? 0;
    if (instant <= now - span) break;
    if (instant <= now) total += value ? (value[i] ?? 0) : 1;
  }
  return total;
}

const NO_FLIPS: Instant[] = [];

/** The instants after `now`, up to `until`, at which `holds` of the total changes, as activities enter and leave the window. */
export function windowFlips(
  at: readonly Instant[],
  value: readonly number[] | undefined,
  span: Micros,
  now: Instant,
  holds: (total: number) => boolean,
  until: Instant = Infinity,
): Instant[] {
  if (isQuiet(at, span, now, until)) return NO_FLIPS;
  const weight = (i: number): number => (value ? (value[i] ?? 0) : 1);
  const time = (i: number): Instant => at[i] ?? 0;
  let total = 0;
  let leaving = -1; // the oldest that has not left: indexes fall as time passes
  let entering = -1; // the oldest that has not entered
  for (let i = 0; i < at.length && time(i) > now - span; i++) {
    leaving = i;
    if (time(i) > now) entering = i;
    else total += weight(i);
  }
  const flips: Instant[] = [];
  let held = holds(total);
  while (leaving >= 0) {
    const next = Math.min(time(leaving) + span, entering >= 0 ? time(entering) : Infinity);
    if (next > until) break;
    for (; entering >= 0 && time(entering) <= next; entering--) total += weight(entering);
    for (; leaving >= 0 && time(leaving) + span <= next; leaving--) total -= weight(leaving);
    if (holds(total) !== held) {
      held = !held;
      flips.push(next);
    }
  }
  return flips;
}

/** Whether nothing enters or leaves after `now` and up to `until`. */
function isQuiet(at: readonly Instant[], span: Micros, now: Instant, until: Instant): boolean {
  if ((at[0] ?? -Infinity) > now) return false;
  let [low, high] = [0, at.length]; // how many lie within the window now
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((at[middle] ?? 0) > now - span) low = middle + 1;
    else high = middle;
  }
  return low === 0 || (at[low - 1] ?? 0) + span > until;
}
