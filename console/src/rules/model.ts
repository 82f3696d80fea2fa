// A rule while it is edited: the API's tree with an id on every part, so that rows keep their place and focus. Pure
// functions over it; nothing here knows React.

import { isNode, type Attribute, type DataCondition, type RuleLeaf, type RuleNode, type RuleTree } from '../types.ts';

export interface DraftLeaf extends Omit<RuleLeaf, 'attribute' | 'condition'> {
  id: number;
  attribute: string;
  condition: string;
}

export interface DraftNode {
  id: number;
  operator: RuleNode['operator'];
  children: Draft[];
  count?: number;
}

export type Draft = DraftNode | DraftLeaf;

export const isDraftNode = (draft: Draft): draft is DraftNode => 'operator' in draft;

/** Begins where no page before this one has been: what it kept in a draft goes on with the ids that it gave. */
let lastId = Date.now();
export const newId = (): number => ++lastId;

export const emptyLeaf = (): DraftLeaf => ({ id: newId(), attribute: '', condition: '' });
export const newNode = (operator: RuleNode['operator'], children: Draft[]): DraftNode => ({
  id: newId(),
  operator,
  children,
});
export const emptyRule = (): DraftNode => newNode('AND', [newNode('OR', [emptyLeaf()])]);

export function toDraft(tree: RuleTree): Draft {
  if (!isNode(tree)) return { id: newId(), ...tree };
  return {
    id: newId(),
    operator: tree.operator,
    children: tree.children.map(toDraft),
    ...(tree.count !== undefined && { count: tree.count }),
  };
}

/** The root as the API stores it: AND. */
export function toRoot(tree: RuleTree): DraftNode {
  const draft = toDraft(tree);
  if (!isDraftNode(draft)) return newNode('AND', [newNode('OR', [draft])]);
  return draft.operator === 'AND' ? draft : newNode('AND', [draft]);
}

export function toTree(draft: DraftNode): RuleNode;
export function toTree(draft: Draft): RuleTree;
export function toTree(draft: Draft): RuleTree {
  const { id: _id, ...rest } = draft;
  if (!('operator' in rest)) {
    const { salt, window, ...leaf } = rest;
    return { ...leaf, ...(window && { window }), ...(salt && { salt }) };
  }
  const { count, ...node } = rest;
  return {
    ...node,
    children: rest.children.map((child) => toTree(child)),
    ...(rest.operator === 'AT_LEAST' && { count: count ?? 1 }),
  };
}

/** The part with this id replaced; removed where `change` gives nothing. */
export function replace<T extends Draft>(tree: T, id: number, change: (part: Draft) => Draft | undefined): T {
  if (!isDraftNode(tree)) return tree;
  const children = tree.children.flatMap((child) => {
    if (child.id === id) return change(child) ?? [];
    return replace(child, id, change);
  });
  return { ...tree, children };
}

/** Nodes that lost their last child go too, but for the root. */
export function prune(root: DraftNode): DraftNode {
  const clean = (part: Draft): Draft | undefined => {
    if (!isDraftNode(part)) return part;
    const children = part.children.flatMap((child) => clean(child) ?? []);
    if (children.length === 0) return undefined;
    const count = part.count === undefined ? undefined : Math.min(part.count, children.length);
    return { ...part, children, ...(count !== undefined && { count }) };
  };
  return { ...root, children: root.children.flatMap((child) => clean(child) ?? []) };
}

/** Buckets joined by AND, rules inside by OR; undefined where the tree says more than that. */
export function toBuckets(
  root: DraftNode,
): { id: number; node: DraftNode | undefined; leaves: DraftLeaf[] }[] | undefined {
  if (root.operator !== 'AND') return undefined;
  const buckets = root.children.map((child) => {
    if (!isDraftNode(child)) return { id: child.id, node: undefined, leaves: [child] };
    if (child.operator !== 'OR') return undefined;
    const leaves = child.children.filter((one): one is DraftLeaf => !isDraftNode(one));
    return leaves.length === child.children.length ? { id: child.id, node: child, leaves } : undefined;
  });
  return buckets.every((bucket) => bucket !== undefined) ? buckets : undefined;
}

/** Every child of the root an OR of its own, as the bucket view edits it. */
export function wrapBareLeaves(root: DraftNode): DraftNode {
  return { ...root, children: root.children.map((child) => (isDraftNode(child) ? child : newNode('OR', [child]))) };
}

export function leavesOf(draft: Draft): DraftLeaf[] {
  return isDraftNode(draft) ? draft.children.flatMap(leavesOf) : [draft];
}

export function depthOf(draft: Draft): number {
  return isDraftNode(draft) ? 1 + Math.max(0, ...draft.children.map(depthOf)) : 1;
}

const NEEDS_NO_VALUE = ['is_empty', 'is_not_empty'];
export const needsValue = (condition: string): boolean => !NEEDS_NO_VALUE.includes(condition);

/** Whether there is enough to ask the server about. What is there may still be wrong: the server says so. */
export function isComplete(draft: Draft): boolean {
  if (isDraftNode(draft)) return draft.children.length > 0 && draft.children.every(isComplete);
  if (draft.attribute === '' || draft.condition === '') return false;
  if (!isCountedComplete(draft)) return false;
  if (!needsValue(draft.condition)) return true;
  const { value, condition } = draft;
  if (Array.isArray(value))
    return (
      value.length >= (condition.endsWith('between') ? 2 : 1) &&
      value.every((item) => item !== '' && item !== undefined)
    );
  return value !== undefined && value !== '';
}

function isCountedComplete({ window, where = [], sum_of }: DraftLeaf): boolean {
  if (sum_of === '') return false;
  if (typeof window === 'object' && window.from === undefined && window.until === undefined) return false;
  return where.every((one) => {
    const { value } = one;
    if (one.key === '') return false;
    if (Array.isArray(value)) return value.length > 0 && value.every((item) => item !== undefined);
    return dataValueKind(one) === 'none' || value !== undefined;
  });
}

/** What can be asked of the data of activities. */
export const DATA_CONDITIONS = [
  'equals',
  'not_equals',
  'in',
  'not_in',
  'greater_than',
  'greater_than_or_equal',
  'less_than',
  'less_than_or_equal',
  'between',
  'contains',
  'not_contains',
  'starts_with',
  'ends_with',
  'is_empty',
  'is_not_empty',
];

export function dataValueKind({
  condition,
}: Pick<DataCondition, 'condition'>): 'none' | 'scalar' | 'list' | 'number' | 'numbers' | 'text' {
  if (!needsValue(condition)) return 'none';
  if (condition === 'equals' || condition === 'not_equals') return 'scalar';
  if (condition === 'in' || condition === 'not_in') return 'list';
  if (condition === 'between') return 'numbers';
  return /contains|with/.test(condition) ? 'text' : 'number';
}

/** What a condition's value is, so that an input for it can be shown. */
export type ValueKind =
  | 'none'
  | 'number'
  | 'days'
  | 'days-range'
  | 'date'
  | 'text'
  | 'boolean'
  | 'datetime'
  | 'numbers'
  | 'texts'
  | 'datetimes'
  | 'number-list'
  | 'groups';

export function valueKind(attribute: Pick<Attribute, 'key' | 'type'>, condition: string): ValueKind {
  if (!needsValue(condition)) return 'none';
  if (attribute.key === 'profile_group') return 'groups';
  if (/within_(last|next)_x_days$/.test(condition)) return 'days';
  if (condition === 'days_ago_between') return 'days-range';
  if (condition === 'on_or_before' || condition === 'on_or_after') return 'date';
  if (condition === 'between') return attribute.type === 'datetime' ? 'datetimes' : 'numbers';
  if (condition === 'in' || condition === 'not_in') return attribute.type === 'number' ? 'number-list' : 'texts';
  switch (attribute.type) {
    case 'number':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'datetime':
      return 'datetime';
    default:
      return 'text';
  }
}

/** A value to start from, so that what needs no thought needs no click. */
export function initialValue(kind: ValueKind): unknown {
  switch (kind) {
    case 'boolean':
      return true;
    case 'days':
      return 7;
    case 'days-range':
      return [1, 7];
    case 'texts':
    case 'number-list':
    case 'groups':
      return [];
    default:
      return undefined;
  }
}

/** The leaf with another attribute: the condition stays where the new one knows it, the value where it is of the same kind. */
export function withAttribute(leaf: DraftLeaf, next: Attribute, previous: Attribute | undefined): DraftLeaf {
  const condition = next.conditions.includes(leaf.condition)
    ? leaf.condition
    : (next.conditions.find((one) => PREFERRED.includes(one)) ?? next.conditions[0] ?? '');
  const kind = valueKind(next, condition);
  const keeps = previous !== undefined && valueKind(previous, leaf.condition) === kind && leaf.value !== undefined;
  const { window, where, sum_of, salt: _salt, value: _value, ...rest } = leaf;
  const value = keeps ? leaf.value : initialValue(kind);
  return {
    ...rest,
    attribute: next.key,
    condition,
    ...(value !== undefined && { value }),
    ...(window && next.supports_window && { window }),
    ...(where && next.supports_window && { where }),
    ...(sum_of !== undefined && next.supports_window && next.type === 'number' && { sum_of }),
  };
}

const PREFERRED = ['greater_than_or_equal', 'equals', 'is', 'within_last_x_days', 'in', 'contains'];

export function withCondition(leaf: DraftLeaf, condition: string, attribute: Attribute | undefined): DraftLeaf {
  const { value, ...rest } = leaf;
  if (!attribute) return { ...leaf, condition };
  const before = leaf.condition === '' ? undefined : valueKind(attribute, leaf.condition);
  const kind = valueKind(attribute, condition);
  if (kind === before) return { ...leaf, condition };
  const carried = carry(value, before, kind);
  return { ...rest, condition, ...(carried !== undefined && { value: carried }) };
}

/** One value into a list of them and back, where that keeps what was typed. */
function carry(value: unknown, from: ValueKind | undefined, to: ValueKind): unknown {
  if (value === undefined) return initialValue(to);
  if ((from === 'text' && to === 'texts') || (from === 'number' && to === 'number-list'))
    return value === '' ? [] : [value];
  if ((from === 'number' && to === 'numbers') || (from === 'datetime' && to === 'datetimes')) return [value, value];
  if (
    Array.isArray(value) &&
    ((from === 'texts' && to === 'text') ||
      (from === 'number-list' && to === 'number') ||
      (from === 'numbers' && to === 'number') ||
      (from === 'datetimes' && to === 'datetime'))
  ) {
    return value[0] as unknown;
  }
  return initialValue(to);
}

/** Whether two rules are the same to the server. */
export const sameRule = (a: RuleTree, b: RuleTree): boolean => canonical(a) === canonical(b);

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
