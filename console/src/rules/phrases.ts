// Rules in plain language: the words for conditions, windows and values, and whole sentences made of them.

import { formatMoment, formatNumber } from '../format.ts';
import { isNode, type Attribute, type DataCondition, type RuleLeaf, type RuleNode, type RuleTree } from '../types.ts';
import type { Line } from '../ui/align.ts';

const CONDITIONS: Record<string, string> = {
  equals: 'is',
  not_equals: 'is not',
  greater_than: 'is more than',
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
  on_or_before: 'is on or before',
  on_or_after: 'is on or after',
  within_last_x_days: 'is within the last',
  within_next_x_days: 'is within the next',
  days_ago_between: 'is so many days ago:',
  anniversary_within_next_x_days: 'has its anniversary within the next',
  is: 'is',
  is_empty: 'has no value',
  is_not_empty: 'has a value',
};

export function conditionLabel(condition: string, attribute?: Pick<Attribute, 'key' | 'type'>): string {
  if (attribute?.key === 'profile_group')
    return condition === 'in' ? 'is a member of any of' : 'is a member of none of';
  if (attribute?.type === 'list' && condition === 'contains') return 'includes';
  if (attribute?.type === 'list' && condition === 'not_contains') return 'does not include';
  return CONDITIONS[condition] ?? condition;
}

const UNITS: Record<string, string> = { W: 'week', D: 'day', H: 'hour', M: 'minute', S: 'second' };

/** Which activities are counted: " in the last 7 days where match is 6". */
function countedPhrase({ window, where = [] }: RuleLeaf): string {
  const time =
    window === undefined
      ? ''
      : typeof window === 'string'
        ? ` in the last ${windowLabel(window)}`
        : `${window.from === undefined ? '' : ` from ${dateLabel(window.from)}`}${window.until === undefined ? '' : ` until ${dateLabel(window.until)}`}`;
  const data = where.map((one) => `${one.key || '…'} ${dataPhrase(one)}`);
  return `${time}${data.length === 0 ? '' : ` where ${data.join(' and ')}`}`;
}

const dateLabel = (text: string): string => (isInstant(text) ? formatMoment(text) : text);

function dataPhrase({ condition, value }: DataCondition): string {
  const verb = conditionLabel(condition);
  if (condition === 'is_empty' || condition === 'is_not_empty')
    return conditionLabel((condition === 'is_empty') === (value !== false) ? 'is_empty' : 'is_not_empty');
  if (value === undefined) return `${verb} …`;
  if (condition === 'between' && Array.isArray(value))
    return `${verb} ${valueLabel(value[0])} and ${valueLabel(value[1])}`;
  return `${verb} ${valueLabel(value)}`;
}

/** `P1DT12H` as "1 day 12 hours". */
export function windowLabel(window: string): string {
  const parts = [...window.matchAll(/(\d+)([WDHMS])/g)].map(
    ([, count, unit]) => `${Number(count)} ${UNITS[unit ?? ''] ?? ''}${Number(count) === 1 ? '' : 's'}`,
  );
  return parts.length > 0 ? parts.join(' ') : window;
}

const isInstant = (value: unknown): value is string => typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value);

const isDate = (text: string): boolean => /^\d{4}-\d\d-\d\d$/.test(text);

export function valueLabel(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return Number.isInteger(value) ? formatNumber(value) : String(value);
  if (isInstant(value)) return formatMoment(value);
  if (typeof value === 'string' && isDate(value)) return value;
  if (Array.isArray(value)) return value.length === 0 ? 'nothing' : value.map(valueLabel).join(', ');
  return `“${String(value)}”`;
}

export interface Words {
  attribute(key: string): Attribute | undefined;
  group(reference: string): string;
}

export function leafPhrase(leaf: RuleLeaf, words: Words): string {
  const attribute = words.attribute(leaf.attribute);
  const { condition, value } = leaf;
  const name = attribute?.label ?? leaf.attribute;
  const label =
    leaf.attribute === 'profile_group'
      ? ''
      : leaf.sum_of === undefined
        ? name
        : `${name}, adding up ${leaf.sum_of || '…'},`;
  const window = countedPhrase(leaf);
  const unit = attribute?.unit ? ` ${attribute.unit}` : '';
  const verb = conditionLabel(condition, attribute);
  if (condition === 'is_empty' || condition === 'is_not_empty') {
    const empty = (condition === 'is_empty') === (value !== false);
    return `${label} ${conditionLabel(empty ? 'is_empty' : 'is_not_empty')}`;
  }
  if (leaf.attribute === 'profile_group') {
    const names = (Array.isArray(value) ? value : []).map((reference) => `“${words.group(String(reference))}”`);
    return `${verb} ${names.join(', ') || '…'}`;
  }
  if (value === undefined || value === '') return `${label} ${verb} …`;
  if (condition === 'days_ago_between' && Array.isArray(value))
    return `${label} is ${valueLabel(value[0])} to ${valueLabel(value[1])} days ago`;
  if (condition === 'anniversary_within_next_x_days' && value === 0) return `${label} has its anniversary today`;
  if (/within_(last|next)_x_days$/.test(condition))
    return `${label} ${verb} ${valueLabel(value)} ${value === 1 ? 'day' : 'days'}`;
  if (condition === 'between' && Array.isArray(value))
    return `${label} ${verb} ${valueLabel(value[0])} and ${valueLabel(value[1])}${unit}${window}`;
  if (condition === 'is') return `${label}: ${valueLabel(value)}${window}`;
  return `${label} ${verb} ${valueLabel(value)}${unit}${window}`;
}

const HEADS: Record<RuleNode['operator'], (count: number) => string> = {
  AND: () => 'All of these hold:',
  OR: () => 'Any of these holds:',
  NOT: () => 'This does not hold:',
  AT_LEAST: (count) => `At least ${count} of these hold:`,
};

/** The rule line by line, each part below what joins it. */
export function outline(tree: RuleTree, words: Words, level = 0): Line[] {
  if (!isNode(tree)) return [{ level, text: tree.attribute === '' ? '…' : leafPhrase(tree, words) }];
  const [first] = tree.children;
  if (first && tree.children.length === 1 && (tree.operator === 'AND' || tree.operator === 'OR'))
    return outline(first, words, level);
  const head = { level, text: HEADS[tree.operator](tree.count ?? 1) };
  return [head, ...tree.children.flatMap((child) => outline(child, words, level + 1))];
}

/** A sentence for the whole rule. */
export function sentence(tree: RuleTree, words: Words): string {
  const said = phrase(tree, words, true);
  return `Profiles where ${said}${said.endsWith('…') ? '' : '.'}`;
}

/** What a part of a rule says, to stand in a sentence. */
export const partPhrase = (tree: RuleTree, words: Words): string => phrase(tree, words, true);

function phrase(tree: RuleTree, words: Words, bare: boolean): string {
  if (!isNode(tree)) return tree.attribute === '' ? '…' : leafPhrase(tree, words);
  const [first] = tree.children;
  if (first && tree.children.length === 1 && (tree.operator === 'AND' || tree.operator === 'OR'))
    return phrase(first, words, bare);
  const parts = tree.children.map((child) => phrase(child, words, false));
  const wrap = (text: string): string => (bare ? text : `(${text})`);
  switch (tree.operator) {
    case 'AND':
      return wrap(parts.join(', and '));
    case 'OR':
      return wrap(parts.join(', or '));
    case 'NOT':
      return `not ${parts[0]?.startsWith('(') ? parts[0] : `(${parts[0] ?? '…'})`}`;
    case 'AT_LEAST':
      return `at least ${tree.count ?? 1} of these hold: (${parts.join('; ')})`;
  }
}
