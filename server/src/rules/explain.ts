// Why a profile is or is not a member: the tree as it stands, with what each part of it says.

import type { Instant } from '../instant.ts';
import { formatInstant, INSTANT_LIMIT } from '../instant.ts';
import { holds, leafAt, nextChangeAt, type CompiledRule, type CompiledTree } from './evaluate.ts';
import type { Actual } from './leaf.ts';
import type { ProfileState } from './state.ts';
import type { Operator, RuleLeaf } from './tree.ts';

export type Explanation = ExplainedNode | ExplainedLeaf;

export interface ExplainedNode {
  operator: Operator;
  /** Of AT_LEAST. */
  count?: number;
  result: boolean;
  children: Explanation[];
}

/** The leaf as it stands in the rule, and beside it what it found. */
export interface ExplainedLeaf extends RuleLeaf {
  actual: Actual;
  result: boolean;
  /** When `result` changes if nothing else happens; null: never. */
  next_flip_at: string | null;
}

export interface Explained {
  /** What the rule says; pins stand above it. */
  is_member: boolean;
  /** The first instant after `now` at which `is_member` changes if nothing else happens. */
  next_change_at: string | null;
  explanation: Explanation;
}

/** The state must have been loaded with the rule's `explainNeeds`. */
export function explainRule(rule: CompiledRule, state: ProfileState, now: Instant): Explained {
  const next = nextChangeAt(rule, state, now);
  const explanation = explainTree(rule, rule.root, state, now);
  return {
    is_member: explanation.result,
    next_change_at: next === null || next >= INSTANT_LIMIT ? null : formatInstant(next),
    explanation,
  };
}

function explainTree(rule: CompiledRule, tree: CompiledTree, state: ProfileState, now: Instant): Explanation {
  if ('leaf' in tree) {
    const leaf = leafAt(rule, tree.leaf);
    const [flip] = leaf.flips(state, now);
    return {
      ...tree.source,
      actual: leaf.actual(state, now),
      result: leaf.test(state, now),
      next_flip_at: flip === undefined || flip >= INSTANT_LIMIT ? null : formatInstant(flip),
    };
  }
  return {
    operator: tree.operator,
    ...(tree.node.count !== undefined && { count: tree.node.count }),
    result: holds(tree, (index) => leafAt(rule, index).test(state, now)),
    children: tree.children.map((child) => explainTree(rule, child, state, now)),
  };
}
