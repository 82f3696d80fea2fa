// What a leaf says of the activities that it counts, beside their types: conditions on their data (`where`), a stretch of
// time that stands still (`window` with `from` and `until`), and a number of their data to add instead (`sum_of`). Both
// meanings of the leaf read the same rows by it.

import type { Instant } from '../instant.ts';
import { textTest } from './conditions.ts';
import { sqlInstant, sqlJson, sqlText } from './literals.ts';
import { instantNamed } from './moments.ts';
import type { DataCondition, RuleLeaf } from './tree.ts';
import { dayNamed, type Zone } from './zone.ts';

export interface ActivityFilter {
  /** occurred_at is this or later. */
  from: Instant | null;
  /** occurred_at is before this. */
  until: Instant | null;
  where: readonly DataCondition[];
  /** The key of the data whose numbers are added. */
  sumOf: string | null;
}

/** Numbers of data are added in ten-thousandths: whole numbers, whose sum does not depend on the order. */
export const SUM_SCALE = 10_000;
/** A number beyond this counts as none. */
export const MOST_ADDED = 1_000_000_000;

/** Undefined where the leaf says nothing of the kind. */
export function filterOf(leaf: RuleLeaf, zone: Zone): ActivityFilter | undefined {
  const { window, where = [], sum_of: sumOf = null } = leaf;
  const isAbsolute = typeof window === 'object';
  if (!isAbsolute && where.length === 0 && sumOf === null) return undefined;
  const { from, until } = isAbsolute ? window : {};
  return { from: startOf(from, zone), until: endOf(until, zone), where, sumOf };
}

const startOf = (text: string | undefined, zone: Zone): Instant | null =>
  text === undefined ? null : (instantNamed(text, zone) ?? NaN);

/** A date without a time is a day, which belongs to the window. */
function endOf(text: string | undefined, zone: Zone): Instant | null {
  if (text === undefined) return null;
  const day = dayNamed(text);
  return day === undefined ? startOf(text, zone) : zone.startOf(day + 1);
}

/** The conditions on a row of activities, whose columns are named with the prefix. */
export function filterConditions(filter: ActivityFilter, prefix = ''): string[] {
  const { from, until, where, sumOf } = filter;
  return [
    ...(from === null ? [] : [`${prefix}occurred_at >= ${sqlInstant(from)}`]),
    ...(until === null ? [] : [`${prefix}occurred_at < ${sqlInstant(until)}`]),
    ...where.map((condition) => dataCondition(condition, prefix)),
    ...(sumOf === null ? [] : [isAdded(dataOf(sumOf, prefix))]),
  ];
}

/** What a row adds to a sum: an integer. */
export function addedBy(filter: ActivityFilter, prefix = ''): string {
  if (filter.sumOf === null) return `${prefix}value::int8`;
  const number = dataOf(filter.sumOf, prefix);
  return `case when ${isAdded(number)} then round(${number}::numeric * ${SUM_SCALE})::int8 else 0 end`;
}

const dataOf = (key: string, prefix: string): string => `(${prefix}data -> ${sqlText(key)})`;

const isAdded = (column: string): string => ifTyped(column, 'number', `abs(${column}::numeric) <= ${MOST_ADDED}`);

/** False where the value is missing or of another type. */
const ifTyped = (column: string, type: 'number' | 'string', condition: string): string =>
  `(case when jsonb_typeof(${column}) = '${type}' then ${condition} else false end)`;

const OPPOSITES: Readonly<Record<string, DataCondition['condition']>> = {
  not_equals: 'equals',
  not_in: 'in',
  not_contains: 'contains',
};

function dataCondition({ key, condition, value }: DataCondition, prefix: string): string {
  const column = dataOf(key, prefix);
  if (condition === 'is_empty' || condition === 'is_not_empty') {
    const empty = (condition === 'is_empty') === (value !== false);
    return `coalesce(jsonb_typeof(${column}), 'null') ${empty ? '=' : '<>'} 'null'`;
  }
  const opposite = OPPOSITES[condition];
  return opposite
    ? `(${positive(column, opposite, value)}) is not true`
    : `(${positive(column, condition, value)}) is true`;
}

function positive(column: string, condition: DataCondition['condition'], value: DataCondition['value']): string {
  const values = [value ?? []].flat();
  switch (condition) {
    case 'equals':
    case 'in':
      return `${column} in (${values.map(sqlJson).join(', ')})`;
    case 'contains':
    case 'starts_with':
    case 'ends_with':
      return ifTyped(
        column,
        'string',
        textTest({ attribute: '', condition, value: String(value) }).sql(`(${column} #>> '{}')`),
      );
    default:
      return ifTyped(column, 'number', compared(`${column}::numeric`, condition, values.map(sqlNumeric)));
  }
}

const COMPARISONS: Readonly<Record<string, string>> = {
  greater_than: '>',
  greater_than_or_equal: '>=',
  less_than: '<',
  less_than_or_equal: '<=',
};

function compared(number: string, condition: DataCondition['condition'], [a, b]: readonly string[]): string {
  if (condition === 'between') return `${number} between ${a} and ${b}`;
  const comparison = COMPARISONS[condition];
  if (comparison === undefined) throw new TypeError(`${condition} cannot be asked of data`);
  return `${number} ${comparison} ${a}`;
}

function sqlNumeric(value: string | number | boolean): string {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new RangeError('only finite numbers are compared');
  return `'${value}'::numeric`;
}
