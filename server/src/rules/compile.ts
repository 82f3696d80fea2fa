// From a stored rule tree to what can be evaluated: each leaf resolved against the catalogue, equal leaves shared.

import { mergeNeeds } from './state.ts';
import { findAttribute } from './catalogue.ts';
import type { CompiledRule, CompiledTree } from './evaluate.ts';
import type { Boundary } from './boundary.ts';
import { RuleError, type CompileContext, type CompiledLeaf } from './leaf.ts';
import { compileLeaf } from './operators.ts';
import { isNode, type RuleLeaf, type RuleNode, type RuleTree } from './tree.ts';

/** Compiles a normalised tree. Throws RuleError where an attribute or a group that it reads does not exist. */
export function compileRule(tree: RuleNode, context: CompileContext): CompiledRule {
  const leaves: CompiledLeaf[] = [];
  const byKey = new Map<string, number>();
  const compileOne = (leaf: RuleLeaf): number => {
    const attribute = findAttribute(context.catalogue, leaf.attribute);
    if (!attribute) throw new RuleError(`There is no attribute '${leaf.attribute}'.`);
    const compiled = compileLeaf(leaf, attribute, context);
    const known = byKey.get(compiled.key);
    if (known !== undefined) return known;
    byKey.set(compiled.key, leaves.length);
    return leaves.push(compiled) - 1;
  };
  const compileTree = (part: RuleTree): CompiledTree =>
    isNode(part)
      ? { operator: part.operator, count: part.count ?? 0, children: part.children.map(compileTree), node: part }
      : { leaf: compileOne(part), source: part };
  const root = compileTree(tree);
  return {
    tree,
    root,
    leaves,
    needs: mergeNeeds(leaves.map((leaf) => leaf.needs)),
    explainNeeds: mergeNeeds(leaves.map((leaf) => leaf.explainNeeds)),
    depends: new Set(leaves.flatMap((leaf) => leaf.depends)),
    boundaries: distinctBoundaries(leaves.flatMap((leaf) => leaf.boundaries)),
  };
}

function distinctBoundaries(boundaries: readonly Boundary[]): Boundary[] {
  return [...new Map(boundaries.map((boundary) => [JSON.stringify(boundary), boundary])).values()];
}
