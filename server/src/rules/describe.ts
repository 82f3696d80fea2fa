// A rule as a sentence, for people who read groups in the console.

import type { Attribute, Catalogue, Condition } from './attribute.ts';
import { findAttribute } from './catalogue.ts';
import { isNode, type RuleLeaf, type RuleTree } from './tree.ts';

/** "Comments posted is greater than 10 in the last 7 days, or Has voted is true." Names of groups by `groupName`. */
export function describeRule(
  tree: RuleTree,
  catalogue: Catalogue,
  groupName: (reference: string) => string = (reference) => reference,
): string {
  return `Profiles where ${describe(tree, { catalogue, groupName }, true)}.`;
}

interface Names {
  catalogue: Catalogue;
  groupName: (reference: string) => string;
}

function describe(tree: RuleTree, names: Names, outermost: boolean): string {
  if (!isNode(tree)) return describeLeaf(tree, names);
  const [first] = tree.children;
  if (first && tree.children.length === 1 && tree.operator !== 'NOT') return describe(first, names, outermost);
  const parts = tree.children.map((child) => describe(child, names, false));
  switch (tree.operator) {
    case 'AND':
      return grouped(parts.join(' and '), outermost);
    case 'OR':
      return grouped(parts.join(' or '), outermost);
    case 'NOT':
      return `not ${grouped(parts.join(' and '), first !== undefined && isNode(first))}`;
    case 'AT_LEAST':
      return `at least ${tree.count} of (${parts.join('; ')})`;
  }
}

function grouped(text: string, bare: boolean): string {
  return bare ? text : `(${text})`;
}

const PHRASES: Readonly<Record<Condition, string>> = {
  equals: 'is',
  not_equals: 'is not',
  greater_than: 'is greater than',
  greater_than_or_equal: 'is at least',
  less_than: 'is less than',
  less_than_or_equal: 'is at most',
  between: 'is between',
  in: 'is one of',
  not_in: 'is none of',
  contains: 'contains',
  not_contains: 'does not contain',
  starts_with: 'starts with',
  ends_with: 'ends with',
  before: 'is before',
  after: 'is after',
  within_last_x_days: 'is within the last',
  is: 'is',
  is_empty: 'has no value',
  is_not_empty: 'has a value',
};

function describeLeaf(leaf: RuleLeaf, { catalogue, groupName }: Names): string {
  const attribute = findAttribute(catalogue, leaf.attribute);
  const window = leaf.window === undefined ? '' : ` in the last ${describeWindow(leaf.window)}`;
  if (attribute?.derivation.kind === 'groups') {
    const groups = ((leaf.value ?? []) as readonly string[]).map((reference) => `“${groupName(reference)}”`);
    return `the profile is ${leaf.condition === 'not_in' ? 'in none of' : 'in'} ${groups.join(' or ')}`;
  }
  const label = attribute?.label ?? leaf.attribute;
  return `${label} ${describeCondition(leaf, attribute)}${window}`;
}

function describeCondition(leaf: RuleLeaf, attribute: Attribute | undefined): string {
  const { condition, value } = leaf;
  if (condition === 'is_empty' || condition === 'is_not_empty') {
    return PHRASES[(condition === 'is_empty') === (value !== false) ? 'is_empty' : 'is_not_empty'];
  }
  const unit = attribute?.unit === undefined ? '' : ` ${attribute.unit}`;
  if (condition === 'within_last_x_days') return `${PHRASES[condition]} ${value} ${value === 1 ? 'day' : 'days'}`;
  if (Array.isArray(value)) {
    const separator = condition === 'between' ? ' and ' : ', ';
    return `${PHRASES[condition]} ${(value as readonly (string | number)[]).map(describeValue).join(separator)}${unit}`;
  }
  return `${PHRASES[condition]} ${describeValue(value as string | number | boolean)}${unit}`; // not an array: above
}

function describeValue(value: string | number | boolean): string {
  return typeof value === 'string' && !/^\d{4}-\d\d-\d\d/.test(value) ? `“${value}”` : String(value);
}

const UNITS: Readonly<Record<string, string>> = { W: 'week', D: 'day', H: 'hour', M: 'minute', S: 'second' };

/** `P1DT12H` as "1 day 12 hours". */
export function describeWindow(window: string): string {
  return [...window.matchAll(/(\d+)([WDHMS])/g)]
    .map(([, count, unit]) => `${Number(count)} ${UNITS[unit ?? '']}${Number(count) === 1 ? '' : 's'}`)
    .join(' ');
}
