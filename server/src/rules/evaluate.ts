// The tree, once, over booleans and over bitsets. A compiled rule holds its leaves in a list and its tree as indexes
// into it, so that walking time means toggling leaves and asking the tree again.

import type { Instant } from '../instant.ts';
import { and, andNot, atLeast, or, type Bitset } from './bitset.ts';
import type { Boundary } from './boundary.ts';
import type { CompiledLeaf } from './leaf.ts';
import type { Needs, ProfileState } from './state.ts';
import type { Operator, RuleLeaf, RuleNode } from './tree.ts';

export type CompiledTree =
  | { leaf: number; source: RuleLeaf }
  | { operator: Operator; count: number; children: readonly CompiledTree[]; node: RuleNode };

export interface CompiledRule {
  /** As stored: normalised. */
  tree: RuleNode;
  root: CompiledTree;
  /** Leaves that mean the same stand once. */
  leaves: readonly CompiledLeaf[];
  needs: Needs;
  /** Like `needs`, but enough for the actual values of an explanation. */
  explainNeeds: Needs;
  depends: ReadonlySet<string>;
  boundaries: readonly Boundary[];
}

export interface Change {
  at: Instant;
  member: boolean;
}

/** Whether the tree holds over the results of its leaves. */
export function holds(tree: CompiledTree, results: (leaf: number) => boolean): boolean {
  if ('leaf' in tree) return results(tree.leaf);
  switch (tree.operator) {
    case 'AND':
      return tree.children.every((child) => holds(child, results));
    case 'OR':
      return tree.children.some((child) => holds(child, results));
    case 'NOT':
      return !tree.children.every((child) => holds(child, results));
    case 'AT_LEAST': {
      let missing = tree.count;
      return tree.children.some((child) => holds(child, results) && --missing <= 0);
    }
  }
}

export function isMember(rule: CompiledRule, state: ProfileState, now: Instant): boolean {
  return holds(rule.root, (index) => leafAt(rule, index).test(state, now));
}

/**
 * Membership at `from`, and each instant in (from, to] at which it changes if the state stays as it is, in order. The
 * state must have been loaded for `from` or earlier. What the profile was like before its newest activity cannot be told
 * from it, so from there on alone does the walk say what was.
 */
export function timeline(
  rule: CompiledRule,
  state: ProfileState,
  from: Instant,
  to: Instant,
): { member: boolean; changes: Change[] } {
  const results = rule.leaves.map((leaf) => leaf.test(state, from));
  const result = (index: number): boolean => results[index] ?? false;
  const first = holds(rule.root, result);
  const changes: Change[] = [];
  const toggles = togglesOf(rule, state, from, to);
  let member = first;
  for (const [i, { at, leaf }] of toggles.entries()) {
    results[leaf] = !results[leaf];
    if (toggles[i + 1]?.at === at) continue; // all that flips at one instant flips before the tree is asked
    if (holds(rule.root, result) === member) continue;
    member = !member;
    changes.push({ at, member });
  }
  return { member: first, changes };
}

interface Toggle {
  at: Instant;
  leaf: number;
}

const NO_TOGGLES: readonly Toggle[] = [];

/** Where leaves flip after `from` and up to `to`, in order. Nearly always nowhere, in the walks of live evaluation. */
function togglesOf(rule: CompiledRule, state: ProfileState, from: Instant, to: Instant): readonly Toggle[] {
  let toggles: Toggle[] | undefined;
  for (const [leaf, compiled] of rule.leaves.entries())
    for (const at of compiled.flips(state, from, to)) if (at <= to) (toggles ??= []).push({ at, leaf });
  return toggles?.sort((a, b) => a.at - b.at) ?? NO_TOGGLES;
}

/** The first instant after `now` at which membership changes if nothing else happens, null if never. */
export function nextChangeAt(rule: CompiledRule, state: ProfileState, now: Instant): Instant | null {
  return timeline(rule, state, now, Infinity).changes[0]?.at ?? null;
}

/** Whether the tree asks for a complement, so that its set needs the universe. */
export function hasNot(tree: CompiledTree): boolean {
  return 'children' in tree && (tree.operator === 'NOT' || tree.children.some(hasNot));
}

/**
 * The members, given the set of each leaf by its index. The universe (all profiles) may be left out where the tree has
 * no NOT: the sets of leaves never hold anything else.
 */
export function treeSet(rule: CompiledRule, sets: readonly Bitset[], universe: Bitset | undefined): Bitset {
  const setOf = (tree: CompiledTree): Bitset => {
    if ('leaf' in tree) {
      const set = sets[tree.leaf];
      if (!set) throw new RangeError(`no set of leaf ${tree.leaf}`);
      return set;
    }
    const children = tree.children.map(setOf);
    switch (tree.operator) {
      case 'AND':
        return children.reduce(and);
      case 'OR':
        return children.reduce(or);
      case 'NOT':
        if (!universe) throw new TypeError('NOT needs the universe');
        return andNot(universe, children.reduce(and));
      case 'AT_LEAST':
        return atLeast(tree.count, children);
    }
  };
  return setOf(rule.root);
}

export function leafAt(rule: CompiledRule, index: number): CompiledLeaf {
  const leaf = rule.leaves[index];
  if (!leaf) throw new RangeError(`no leaf ${index}`);
  return leaf;
}
