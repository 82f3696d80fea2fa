// What a rule builder must know about the conditions: how they are called, and what value they take.

import type { Condition } from '../rules/attribute.ts';

export interface ConditionInfo {
  condition: Condition;
  label: string;
  /** Of what the attribute's own type is, unless it says otherwise. */
  value: 'one' | 'range' | 'list' | 'days' | 'days_range' | 'boolean' | 'none';
}

const CONDITIONS: readonly [Condition, string, ConditionInfo['value']][] = [
  ['equals', 'is', 'one'],
  ['not_equals', 'is not', 'one'],
  ['greater_than', 'is greater than', 'one'],
  ['greater_than_or_equal', 'is at least', 'one'],
  ['less_than', 'is less than', 'one'],
  ['less_than_or_equal', 'is at most', 'one'],
  ['between', 'is between', 'range'],
  ['in', 'is one of', 'list'],
  ['not_in', 'is none of', 'list'],
  ['contains', 'contains', 'one'],
  ['not_contains', 'does not contain', 'one'],
  ['starts_with', 'starts with', 'one'],
  ['ends_with', 'ends with', 'one'],
  ['before', 'is before', 'one'],
  ['after', 'is after', 'one'],
  ['on_or_before', 'is on or before', 'one'],
  ['on_or_after', 'is on or after', 'one'],
  ['within_last_x_days', 'is within the last days', 'days'],
  ['within_next_x_days', 'is within the next days', 'days'],
  ['days_ago_between', 'is so many days ago', 'days_range'],
  ['anniversary_within_next_x_days', 'has its anniversary within the next days', 'days'],
  ['is', 'is', 'boolean'],
  ['is_empty', 'has no value', 'none'],
  ['is_not_empty', 'has a value', 'none'],
];

export const CONDITION_INFO: readonly ConditionInfo[] = CONDITIONS.map(([condition, label, value]) => ({
  condition,
  label,
  value,
}));
