// One leaf as sent: attribute, condition, value and salt (parse-counted.ts: which activities it counts), each checked as far as the others let it be.

import type { Attribute, Catalogue, Condition, ValueType } from './attribute.ts';
import { findAttribute } from './catalogue.ts';
import { own, type Report, reportUnknownFields, shorten } from './fields.ts';
import { missingGroup, type ResolveGroup } from './leaf.ts';
import { checkCounted } from './parse-counted.ts';
import type { RuleLeaf, RuleValue } from './tree.ts';
import { checkText, NOT_AN_INSTANT } from './check-text.ts';
import { isUnstorable, parseInstant } from './values.ts';

const LEAF_FIELDS = ['attribute', 'condition', 'value', 'window', 'where', 'sum_of', 'salt'];
export const MAX_IN_LIST = 1000;
export const MAX_DAYS = 3650;
/** Days to an anniversary: with one more every day would have it. */
export const MAX_ANNIVERSARY = 364;

/** The leaf with the fields that it may have, undefined where something was reported. */
export function checkLeaf(
  input: Record<string, unknown>,
  path: string,
  catalogue: Catalogue,
  resolveGroup: ResolveGroup,
  report: Report,
): RuleLeaf | undefined {
  let sound = true;
  const fail: Report = (at, message) => {
    sound = false;
    report(at, message);
  };
  reportUnknownFields(input, LEAF_FIELDS, path, fail);
  const attribute = checkAttribute(own(input, 'attribute'), `${path}.attribute`, catalogue, fail);
  const condition = checkCondition(own(input, 'condition'), `${path}.condition`, attribute, fail);
  const value = own(input, 'value');
  if (attribute && condition) checkValue(value, `${path}.value`, attribute, condition, resolveGroup, fail);

  const counted = checkCounted(input, path, attribute, catalogue.zone, fail);
  const salt = own(input, 'salt');
  if (salt !== undefined) checkSalt(salt, `${path}.salt`, attribute, fail);

  if (!attribute || !condition || !sound) return undefined;
  return {
    attribute: attribute.key,
    condition,
    // Checked above: each `as` repeats what the checks found.
    ...(value !== undefined && { value: value as RuleValue }),
    ...counted,
    ...(salt !== undefined && { salt: salt as string }),
  };
}

function checkAttribute(key: unknown, path: string, catalogue: Catalogue, fail: Report): Attribute | undefined {
  if (key === undefined) fail(path, 'This field is required.');
  else if (typeof key !== 'string') fail(path, 'Must be the key of an attribute.');
  else {
    const attribute = findAttribute(catalogue, key);
    if (attribute) return attribute;
    fail(path, `There is no attribute '${shorten(key)}' in the catalogue.`);
  }
  return undefined;
}

function checkCondition(
  condition: unknown,
  path: string,
  attribute: Attribute | undefined,
  fail: Report,
): Condition | undefined {
  if (condition === undefined) {
    fail(
      path,
      attribute ? `This field is required. Allowed: ${attribute.conditions.join(', ')}.` : 'This field is required.',
    );
  } else if (typeof condition !== 'string') {
    fail(path, 'Must be the name of a condition.');
  } else if (attribute) {
    const known = attribute.conditions.find((allowed) => allowed === condition);
    if (known) return known;
    fail(
      path,
      `'${shorten(condition)}' is not allowed for ${attribute.key}. Allowed: ${attribute.conditions.join(', ')}.`,
    );
  }
  return undefined;
}

function checkSalt(salt: unknown, path: string, attribute: Attribute | undefined, fail: Report): void {
  if (attribute && attribute.derivation.kind !== 'bucket') fail(path, 'Is allowed only with random_bucket.');
  else checkText(salt, path, fail, 1);
}

function checkValue(
  value: unknown,
  path: string,
  attribute: Attribute,
  condition: Condition,
  resolveGroup: ResolveGroup,
  fail: Report,
): void {
  if (condition === 'is_empty' || condition === 'is_not_empty') {
    if (value !== undefined && typeof value !== 'boolean') fail(path, 'Must be true, false or absent.');
    return;
  }
  if (value === undefined) {
    fail(path, `This field is required: ${expectation(attribute, condition)}.`);
    return;
  }
  const checkOne = elementCheck(attribute, resolveGroup);
  switch (condition) {
    case 'in':
    case 'not_in':
      if (!Array.isArray(value) || value.length < 1 || value.length > MAX_IN_LIST) {
        fail(path, `Must be ${expectation(attribute, condition)}.`);
      } else {
        value.forEach((element, index) => checkOne(element, `${path}[${index}]`, fail));
      }
      return;
    case 'between':
      checkBetween(value, path, expectation(attribute, condition), checkOne, fail);
      return;
    case 'within_last_x_days':
    case 'within_next_x_days':
      if (!isDays(value, 1, MAX_DAYS)) fail(path, `Must be ${expectation(attribute, condition)}.`);
      return;
    case 'anniversary_within_next_x_days':
      if (!isDays(value, 0, MAX_ANNIVERSARY)) fail(path, `Must be ${expectation(attribute, condition)}.`);
      return;
    case 'days_ago_between':
      checkBetween(value, path, expectation(attribute, condition), checkDaysAgo, fail);
      return;
    case 'contains':
    case 'not_contains':
    case 'starts_with':
    case 'ends_with':
      checkText(value, path, fail, attribute.type === 'list' ? 0 : 1);
      return;
    default:
      checkOne(value, path, fail);
  }
}

const isDays = (value: unknown, least: number, most: number): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;

const checkDaysAgo: ElementCheck = (value, path, fail) => {
  if (isDays(value, 0, MAX_DAYS)) return true;
  fail(path, `Must be an integer from 0 to ${MAX_DAYS}.`);
  return false;
};

function checkBetween(value: unknown, path: string, expected: string, checkOne: ElementCheck, fail: Report): void {
  if (!Array.isArray(value) || value.length !== 2) {
    fail(path, `Must be ${expected}.`);
    return;
  }
  const [low, high]: unknown[] = value;
  const sound = [checkOne(low, `${path}[0]`, fail), checkOne(high, `${path}[1]`, fail)].every(Boolean);
  if (sound && orderOf(low) > orderOf(high)) fail(path, 'The first must not be greater than the second.');
}

/** A checked number or datetime, to be compared. */
function orderOf(value: unknown): number {
  return typeof value === 'number' ? value : (parseInstant(String(value)) ?? NaN);
}

type ElementCheck = (value: unknown, path: string, fail: Report) => boolean;

function elementCheck(attribute: Attribute, resolveGroup: ResolveGroup): ElementCheck {
  if (attribute.derivation.kind === 'groups') {
    return (value, path, fail) => {
      if (typeof value !== 'string') fail(path, "Must be a group's id or custom:<custom_id>.");
      else if (isUnstorable(value)) fail(path, `There is no group '${shorten(value)}'.`);
      else if (resolveGroup(value) === undefined) fail(path, missingGroup(resolveGroup, shorten(value)));
      else return true;
      return false;
    };
  }
  return ELEMENT_CHECKS[attribute.type];
}

const ELEMENT_CHECKS: Readonly<Record<ValueType, ElementCheck>> = {
  number: (value, path, fail) => {
    if (typeof value === 'number' && Number.isFinite(value)) return true;
    fail(path, 'Must be a number.');
    return false;
  },
  boolean: (value, path, fail) => {
    if (typeof value === 'boolean') return true;
    fail(path, 'Must be true or false.');
    return false;
  },
  datetime: (value, path, fail) => {
    if (typeof value === 'string' && parseInstant(value) !== undefined) return true;
    fail(path, NOT_AN_INSTANT);
    return false;
  },
  string: (value, path, fail) => checkText(value, path, fail, 0),
  list: (value, path, fail) => checkText(value, path, fail, 0),
};

const NOUNS: Readonly<Record<ValueType, [one: string, many: string]>> = {
  string: ['a text', 'texts'],
  number: ['a number', 'numbers'],
  boolean: ['true or false', 'booleans'],
  datetime: ['an ISO 8601 date and time', 'ISO 8601 dates and times'],
  list: ['a text', 'texts'],
};

/** What the value of this condition must be, in words. */
function expectation(attribute: Attribute, condition: Condition): string {
  const [one, many] = attribute.derivation.kind === 'groups' ? ['a group', 'groups'] : NOUNS[attribute.type];
  switch (condition) {
    case 'in':
    case 'not_in':
      return `a list of 1 to ${MAX_IN_LIST} ${many}`;
    case 'between':
      return `a list of two ${many}, the lowest and the highest`;
    case 'anniversary_within_next_x_days':
      return `an integer from 0, today, to ${MAX_ANNIVERSARY}`;
    case 'days_ago_between':
      return `a list of two integers from 0, today, to ${MAX_DAYS}, the lowest and the highest`;
    case 'within_last_x_days':
    case 'within_next_x_days':
      return `an integer from 1 to ${MAX_DAYS}`;
    default:
      return one;
  }
}
