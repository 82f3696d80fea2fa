// The leaves, each with both its meanings side by side, by what they read: operators/totals.ts (lifetime counts, sums
// and what follows from them), windows.ts (the same over some activities: of the last W, of a
// fixed time, by their data), instants.ts, ages.ts (whole days since),
// scalars.ts (states, stored values, profile fields) and audiences.ts (groups, random buckets). docs/rules.md says in
// words what stands there.

import { parseWindow } from './values.ts';
import type { Attribute } from './attribute.ts';
import type { CompileContext, CompiledLeaf } from './leaf.ts';
import { ageLeaf } from './operators/ages.ts';
import { bucketLeaf, groupsLeaf } from './operators/audiences.ts';
import { type LeafParts } from './operators/parts.ts';
import { createdAtLeaf, instantLeaf, storedInstantLeaf } from './operators/instants.ts';
import { profileTextLeaf, stateLeaf, storedLeaf } from './operators/scalars.ts';
import { differenceLeaf, ratioLeaf, totalLeaf } from './operators/totals.ts';
import { activitiesLeaf } from './operators/windows.ts';
import type { RuleLeaf } from './tree.ts';

export function compileLeaf(leaf: RuleLeaf, attribute: Attribute, context: CompileContext): CompiledLeaf {
  const parts = partsOf(leaf, attribute, context);
  const { attribute: _key, condition, value, window } = leaf;
  const meaning = [
    attribute.key,
    attribute.type,
    attribute.derivation,
    condition,
    value,
    typeof window === 'string' && parseWindow(window),
  ];
  return { explainNeeds: parts.needs, ...parts, leaf, key: JSON.stringify([...meaning, parts.scope]) };
}

function partsOf(leaf: RuleLeaf, attribute: Attribute, context: CompileContext): LeafParts {
  const { derivation, type, missing } = attribute;
  const { zone } = context.catalogue;
  switch (derivation.kind) {
    case 'total':
      return leaf.window === undefined && leaf.where === undefined && leaf.sum_of === undefined
        ? totalLeaf(leaf, derivation)
        : activitiesLeaf(leaf, derivation, zone);
    case 'difference':
      return differenceLeaf(leaf, derivation);
    case 'ratio':
      return ratioLeaf(leaf, derivation);
    case 'instant':
      return instantLeaf(leaf, derivation, zone);
    case 'state':
      return stateLeaf(leaf, derivation, type, missing, zone);
    case 'age':
      return ageLeaf(leaf, derivation);
    case 'profile':
      return derivation.field === 'created_at' ? createdAtLeaf(leaf, zone) : profileTextLeaf(leaf, derivation.field);
    case 'stored':
      return type === 'datetime'
        ? storedInstantLeaf(leaf, attribute.key, derivation.adminOnly, zone)
        : storedLeaf(leaf, attribute.key, derivation.adminOnly, type);
    case 'groups':
      return groupsLeaf(leaf, context);
    case 'bucket':
      return bucketLeaf(leaf, context);
  }
}
