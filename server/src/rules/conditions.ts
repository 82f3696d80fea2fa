// What a condition asks of a single value, in both languages (of instants: instant-test.ts). A leaf holds where one of the profile's values matches,
// or, negated, where none does: two-valued logic over missing values follows from that alone, since a profile without
// a value has none that matches.

import { sqlIn, sqlNumber, sqlText } from './literals.ts';
import type { RuleLeaf, RuleValue } from './tree.ts';
import { codePoints } from './values.ts';

export interface ValueTest<T> {
  /** Holds where no value matches, rather than where one does. */
  negated: boolean;
  matches(value: T): boolean;
  /** The same over a column that is not null. */
  sql(column: string): string;
}

/** A leaf that passed parsing yet makes no sense: a stored rule from before a change of the code. */
export function impossible(leaf: RuleLeaf): never {
  throw new TypeError(`${leaf.condition} cannot be asked of ${leaf.attribute}`);
}

/** is_empty and is_not_empty, undefined for every other condition. */
export function emptiness(leaf: RuleLeaf): ValueTest<unknown> | undefined {
  if (leaf.condition !== 'is_empty' && leaf.condition !== 'is_not_empty') return undefined;
  const negated = (leaf.condition === 'is_empty') === (leaf.value !== false);
  return { negated, matches: () => true, sql: () => 'true' };
}

export function numberTest(leaf: RuleLeaf): ValueTest<number> {
  const empty = emptiness(leaf);
  if (empty) return empty;
  const [a, b] = pair(leaf.value);
  const affirm = (matches: (value: number) => boolean, sql: (column: string) => string): ValueTest<number> => ({
    negated: false,
    matches,
    sql,
  });
  switch (leaf.condition) {
    case 'greater_than':
      return affirm(
        (value) => value > a,
        (column) => `${column} > ${sqlNumber(a)}`,
      );
    case 'greater_than_or_equal':
      return affirm(
        (value) => value >= a,
        (column) => `${column} >= ${sqlNumber(a)}`,
      );
    case 'less_than':
      return affirm(
        (value) => value < a,
        (column) => `${column} < ${sqlNumber(a)}`,
      );
    case 'less_than_or_equal':
      return affirm(
        (value) => value <= a,
        (column) => `${column} <= ${sqlNumber(a)}`,
      );
    case 'between':
      return affirm(
        (value) => value >= a && value <= b,
        (column) => `${column} between ${sqlNumber(a)} and ${sqlNumber(b)}`,
      );
    case 'equals':
    case 'not_equals':
    case 'in':
    case 'not_in':
      return membershipTest(leaf, elements(leaf.value).map(Number), sqlNumber);
    default:
      return impossible(leaf);
  }
}

export function textTest(leaf: RuleLeaf): ValueTest<string> {
  const empty = emptiness(leaf);
  if (empty) return empty;
  const text = String(leaf.value);
  switch (leaf.condition) {
    case 'equals':
    case 'not_equals':
    case 'in':
    case 'not_in':
      return membershipTest(leaf, elements(leaf.value).map(String), sqlText);
    case 'contains':
    case 'not_contains':
      return {
        negated: leaf.condition === 'not_contains',
        matches: (value) => value.includes(text),
        sql: (column) => `strpos(${column}, ${sqlText(text)}) > 0`,
      };
    case 'starts_with':
      return {
        negated: false,
        matches: (value) => value.startsWith(text),
        sql: (column) => `starts_with(${column}, ${sqlText(text)})`,
      };
    case 'ends_with':
      return {
        negated: false,
        matches: (value) => value.endsWith(text),
        sql: (column) => `right(${column}, ${codePoints(text)}) = ${sqlText(text)}`,
      };
    default:
      return impossible(leaf);
  }
}

/** Over the elements of a list: contains is an equal element. */
export function elementTest(leaf: RuleLeaf): ValueTest<string> {
  const empty = emptiness(leaf);
  if (empty) return empty;
  if (leaf.condition !== 'contains' && leaf.condition !== 'not_contains') return impossible(leaf);
  const text = String(leaf.value);
  return {
    negated: leaf.condition === 'not_contains',
    matches: (value) => value === text,
    sql: (column) => `${column} = ${sqlText(text)}`,
  };
}

export function booleanTest(leaf: RuleLeaf): ValueTest<boolean> {
  const empty = emptiness(leaf);
  if (empty) return empty;
  if (leaf.condition !== 'is') return impossible(leaf);
  const wanted = leaf.value === true;
  return { negated: false, matches: (value) => value === wanted, sql: (column) => `${column} = ${wanted}` };
}

/** equals, in and their opposites. */
function membershipTest<T extends string | number>(
  leaf: RuleLeaf,
  values: readonly T[],
  literal: (value: T) => string,
): ValueTest<T> {
  const known = new Set<unknown>(values);
  return {
    negated: leaf.condition === 'not_equals' || leaf.condition === 'not_in',
    matches: (value) => known.has(value),
    sql: (column) => sqlIn(column, values.map(literal)),
  };
}

/** The values at which a test over whole numbers from 0 up changes, ascending: `matches(n - 1) !== matches(n)`. */
export function thresholds(test: ValueTest<number>, leaf: RuleLeaf): number[] {
  // Every change lies next to a number that the leaf names.
  const candidates = elements(leaf.value)
    .filter((value) => typeof value === 'number')
    .flatMap((value) => [Math.floor(value), Math.floor(value) + 1, Math.ceil(value) + 1])
    .filter((n) => n >= 1 && Number.isSafeInteger(n));
  return [...new Set(candidates)].filter((n) => test.matches(n - 1) !== test.matches(n)).sort((x, y) => x - y);
}

export function elements(value: RuleValue | undefined): readonly (string | number | boolean)[] {
  return Array.isArray(value) ? (value as readonly (string | number)[]) : value === undefined ? [] : [value as string];
}

function pair(value: RuleValue | undefined): [number, number] {
  const [a, b] = elements(value).map(Number);
  return [a ?? NaN, b ?? NaN];
}
