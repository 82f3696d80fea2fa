// The compiled rules of one application. A ruleset never changes, so its rule is compiled again only where what it names has
// become another: an attribute, or the group behind a reference. Saving one rule of a thousand compiles one.

import type { Catalogue } from '../rules/attribute.ts';
import { findAttribute } from '../rules/catalogue.ts';
import { compileRule } from '../rules/compile.ts';
import type { CompiledRule } from '../rules/evaluate.ts';
import { leavesOf, type RuleNode } from '../rules/tree.ts';

export interface Compiler {
  /** For one reading of the definitions. What does not compile throws a RuleError each time. */
  begin(
    catalogue: Catalogue,
    resolveGroup: (reference: string) => string | undefined,
  ): (groupId: string, rulesetId: string, tree: RuleNode) => CompiledRule;
  /** Forgets the rulesets that were not asked for since `begin`. */
  forgetOthers(): void;
}

interface Kept {
  /** What the leaves' names meant. */
  names: string;
  rule: CompiledRule;
}

export function createCompiler(compile: typeof compileRule = compileRule): Compiler {
  /** What attributes meant, by a number for each text. */
  const meanings = new Map<string, number>();
  let kept = new Map<string, Kept>();
  let asked = new Map<string, Kept>();
  return {
    begin(catalogue, resolveGroup) {
      asked = new Map();
      const numbers = new Map<string, number>();
      const meaningOf = (key: string): number => {
        const known = numbers.get(key);
        if (known !== undefined) return known;
        const text = JSON.stringify(findAttribute(catalogue, key) ?? null);
        const number = meanings.get(text) ?? meanings.size;
        meanings.set(text, number);
        numbers.set(key, number);
        return number;
      };
      return (groupId, rulesetId, tree) => {
        const names = leavesOf(tree)
          .map(({ attribute, value }) =>
            attribute === 'profile_group' && Array.isArray(value)
              ? JSON.stringify(value.map((reference) => resolveGroup(String(reference)) ?? null))
              : meaningOf(attribute),
          )
          .concat(catalogue.zone.name)
          .join();
        const known = kept.get(rulesetId);
        const current =
          known?.names === names ? known : { names, rule: compile(tree, { catalogue, groupId, resolveGroup }) };
        asked.set(rulesetId, current);
        return current.rule;
      };
    },
    forgetOthers() {
      kept = asked;
    },
  };
}
