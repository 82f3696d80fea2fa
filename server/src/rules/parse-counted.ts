// Which activities a leaf counts, as sent: its window, its conditions on their data, and the number that is added.

import { checkText, NOT_AN_INSTANT } from './check-text.ts';
import type { Attribute, Condition } from './attribute.ts';
import { isRecord, own, type Report, reportUnknownFields, shorten } from './fields.ts';
import { instantNamed } from './moments.ts';
import type { DataCondition, FixedWindow, RuleLeaf } from './tree.ts';
import { parseWindow } from './values.ts';
import { dayNamed, type Zone } from './zone.ts';

export const MAX_WHERE = 3;
export const MAX_IN_DATA = 100;

type Counted = Pick<RuleLeaf, 'window' | 'where' | 'sum_of'>;

/** The fields as they were sent, which stand in the leaf where nothing was reported. */
export function checkCounted(
  input: Record<string, unknown>,
  path: string,
  attribute: Attribute | undefined,
  zone: Zone,
  fail: Report,
): Counted {
  const window = own(input, 'window');
  if (window !== undefined) checkWindow(window, `${path}.window`, attribute, zone, fail);
  const where = own(input, 'where');
  if (where !== undefined) checkWhere(where, `${path}.where`, attribute, fail);
  const sumOf = own(input, 'sum_of');
  if (sumOf !== undefined) checkSumOf(sumOf, `${path}.sum_of`, attribute, fail);
  return {
    // Checked above: each `as` repeats what the checks found.
    ...(window !== undefined && { window: window as string | FixedWindow }),
    ...(where !== undefined && { where: where as DataCondition[] }),
    ...(sumOf !== undefined && { sum_of: sumOf as string }),
  };
}

function checkWindow(window: unknown, path: string, attribute: Attribute | undefined, zone: Zone, fail: Report): void {
  if (attribute && !attribute.supports_window) fail(path, `${attribute.key} does not support a window.`);
  else if (isRecord(window)) checkFixed(window, path, zone, fail);
  else if (typeof window !== 'string' || parseWindow(window) === undefined) {
    fail(
      path,
      'Must be an ISO 8601 duration of weeks, days, hours, minutes and seconds, PT1S to P365D, like P7D, or an object with from and until.',
    );
  }
}

function checkFixed(window: Record<string, unknown>, path: string, zone: Zone, fail: Report): void {
  reportUnknownFields(window, ['from', 'until'], path, fail);
  const [from, until] = ['from', 'until'].map((field) => {
    const text = own(window, field);
    const at = typeof text === 'string' ? instantNamed(text, zone) : undefined;
    if (text !== undefined && at === undefined) fail(`${path}.${field}`, NOT_AN_INSTANT);
    const day = field === 'until' && typeof text === 'string' && at !== undefined ? dayNamed(text) : undefined;
    return { text, at: day === undefined ? at : zone.startOf(day + 1) }; // that day belongs to the window
  });
  if (from?.text === undefined && until?.text === undefined) fail(path, 'Must have from, until or both.');
  else if (from?.at !== undefined && until?.at !== undefined && from.at >= until.at)
    fail(path, 'from must lie before until.');
}

const NOT_OVER_ACTIVITIES = 'is not a count, a sum or a yes or no of activities, which alone can be narrowed.';

/** Conditions on data, by the types of the values that they take. */
const DATA_CONDITIONS: Readonly<Record<string, 'any' | 'list' | 'number' | 'pair' | 'text' | 'none'>> = {
  equals: 'any',
  not_equals: 'any',
  in: 'list',
  not_in: 'list',
  greater_than: 'number',
  greater_than_or_equal: 'number',
  less_than: 'number',
  less_than_or_equal: 'number',
  between: 'pair',
  contains: 'text',
  not_contains: 'text',
  starts_with: 'text',
  ends_with: 'text',
  is_empty: 'none',
  is_not_empty: 'none',
};

export const DATA_CONDITION_NAMES = Object.keys(DATA_CONDITIONS) as Condition[]; // the keys of that record

function checkWhere(where: unknown, path: string, attribute: Attribute | undefined, fail: Report): void {
  if (attribute && !attribute.supports_window) {
    fail(path, `${attribute.key} ${NOT_OVER_ACTIVITIES}`);
  } else if (!Array.isArray(where) || where.length < 1 || where.length > MAX_WHERE) {
    fail(path, `Must be a list of 1 to ${MAX_WHERE} conditions, each with key, condition and value.`);
  } else {
    for (const [index, condition] of where.entries()) checkDataCondition(condition, `${path}[${index}]`, fail);
  }
}

function checkDataCondition(sent: unknown, path: string, fail: Report): void {
  if (!isRecord(sent)) {
    fail(path, 'Must be an object with key, condition and value.');
    return;
  }
  reportUnknownFields(sent, ['key', 'condition', 'value'], path, fail);
  const key = own(sent, 'key');
  if (key === undefined) fail(`${path}.key`, 'This field is required.');
  else checkText(key, `${path}.key`, fail, 1);
  const condition = own(sent, 'condition');
  const kind =
    typeof condition === 'string' && Object.hasOwn(DATA_CONDITIONS, condition) ? DATA_CONDITIONS[condition] : undefined;
  const allowed = `Allowed: ${DATA_CONDITION_NAMES.join(', ')}.`;
  if (condition === undefined) fail(`${path}.condition`, `This field is required. ${allowed}`);
  else if (!kind) fail(`${path}.condition`, `'${shorten(String(condition))}' is not a condition on data. ${allowed}`);
  else checkDataValue(own(sent, 'value'), `${path}.value`, kind, fail);
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

function checkDataValue(value: unknown, path: string, kind: (typeof DATA_CONDITIONS)[string], fail: Report): void {
  switch (kind) {
    case 'any':
      checkScalar(value, path, fail);
      return;
    case 'list':
      if (!Array.isArray(value) || value.length < 1 || value.length > MAX_IN_DATA)
        fail(path, `Must be a list of 1 to ${MAX_IN_DATA} texts, numbers or booleans.`);
      else value.forEach((element, index) => checkScalar(element, `${path}[${index}]`, fail));
      return;
    case 'number':
      if (!isNumber(value)) fail(path, 'Must be a number.');
      return;
    case 'pair': {
      const [low, high]: unknown[] = Array.isArray(value) && value.length === 2 ? value : [];
      if (!isNumber(low) || !isNumber(high)) fail(path, 'Must be a list of two numbers, the lowest and the highest.');
      else if (low > high) fail(path, 'The first must not be greater than the second.');
      return;
    }
    case 'text':
      checkText(value, path, fail, 1);
      return;
    case 'none':
      if (value !== undefined && typeof value !== 'boolean') fail(path, 'Must be true, false or absent.');
  }
}

function checkScalar(value: unknown, path: string, fail: Report): void {
  if (typeof value === 'string') checkText(value, path, fail, 0);
  else if (typeof value !== 'boolean' && !isNumber(value)) fail(path, 'Must be a text, a number, true or false.');
}

function checkSumOf(key: unknown, path: string, attribute: Attribute | undefined, fail: Report): void {
  if (attribute && (!attribute.supports_window || attribute.type !== 'number'))
    fail(
      path,
      `${attribute.key} is not a count or a sum of activities, in whose place numbers of their data can be added.`,
    );
  else checkText(key, path, fail, 1);
}
