// The rule tree as the API takes and gives it, and walks over it.

import type { Condition } from './attribute.ts';

export type Operator = 'AND' | 'OR' | 'NOT' | 'AT_LEAST';
export const OPERATORS: readonly Operator[] = ['AND', 'OR', 'NOT', 'AT_LEAST'];

export interface RuleNode {
  operator: Operator;
  children: RuleTree[];
  /** Of AT_LEAST. */
  count?: number;
}

export interface RuleLeaf {
  attribute: string;
  condition: Condition;
  /** As sent; its type follows from attribute and condition. Absent only with is_empty and is_not_empty. */
  value?: RuleValue;
  /** An ISO 8601 duration, or a stretch of time that stands still; as sent. */
  window?: string | FixedWindow;
  /** Of a leaf over activities: only those whose data meets all of these. */
  where?: readonly DataCondition[];
  /** Of a leaf over activities: the key of a number of their data, which is added. */
  sum_of?: string;
  /** Of random_bucket. */
  salt?: string;
}

/** Instants, of which either may be absent: `from` belongs to the window, `until` does not. */
export interface FixedWindow {
  from?: string;
  until?: string;
}

/** Of an activity's `data[key]`. */
export interface DataCondition {
  key: string;
  condition: Condition;
  /** Absent only with is_empty and is_not_empty. */
  value?: string | number | boolean | readonly (string | number | boolean)[];
}

export type RuleValue = string | number | boolean | readonly (string | number)[];

export type RuleTree = RuleNode | RuleLeaf;

export const MAX_LEVELS = 8;
export const MAX_LEAVES = 200;

export function isNode(tree: RuleTree): tree is RuleNode {
  return 'operator' in tree;
}

/** The leaves in the order in which they stand. */
export function leavesOf(tree: RuleTree): RuleLeaf[] {
  return isNode(tree) ? tree.children.flatMap(leavesOf) : [tree];
}

/** For an answer: the documented fields first and in their order, which the database does not keep. */
export function presentTree(tree: RuleNode): RuleNode {
  const { children, operator, ...rest } = tree;
  return {
    children: children.map((child) => (isNode(child) ? presentTree(child) : presentLeaf(child))),
    operator,
    ...rest,
  };
}

function presentLeaf({ value, attribute, condition, ...rest }: RuleLeaf): RuleLeaf {
  return { ...(value !== undefined && { value }), attribute, condition, ...rest };
}

/** The stored form: the root is AND; any other root is wrapped in one, a bare leaf in OR in AND. */
export function normalise(tree: RuleTree): RuleNode {
  if (!isNode(tree)) return { operator: 'AND', children: [{ operator: 'OR', children: [tree] }] };
  return tree.operator === 'AND' ? tree : { operator: 'AND', children: [tree] };
}
