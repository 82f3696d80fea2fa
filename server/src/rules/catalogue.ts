// Builds the catalogue of one application: the platform's attributes and its own, with the names in `derived_from`
// resolved to the ids of types and facts.

import type {
  ActivityType,
  Attribute,
  BasicDerivation,
  Catalogue,
  Derivation,
  DerivedFrom,
  Fact,
  FactRef,
  FactSpec,
  StateType,
  ValueType,
} from './attribute.ts';
import {
  BUCKET_CONDITIONS,
  CUSTOM_CONDITIONS,
  GROUP_CONDITIONS,
  PLATFORM_ATTRIBUTES,
  PLATFORM_FACTS,
  PLATFORM_TYPES,
  type PlatformAttribute,
} from './platform.ts';
import { zoneOf } from './zone.ts';

/** A row of attribute_definitions, as far as rules are concerned. */
export interface DefinitionRow {
  key: string;
  label: string;
  description: string;
  category: string;
  type: ValueType;
  unit: string | null;
  choices: string[] | null;
  writable_by: 'admin' | 'profile';
  visible_to: 'admin' | 'owner' | 'public';
  derived_from: BasicDerivation | null;
}

export interface CatalogueSource {
  applicationId: number;
  version: number;
  /** The application's own, not the platform's. */
  types: readonly ActivityType[];
  facts: readonly Fact[];
  definitions: readonly DefinitionRow[];
  /** Default: UTC. */
  timeZone?: string;
  /** Default: none. */
  moves?: readonly { targetId: string; sourceId: string }[];
}

export function buildCatalogue(source: CatalogueSource): Catalogue {
  const allTypes = [...PLATFORM_TYPES, ...source.types];
  const types = new Map(allTypes.map((type) => [type.type, type]));
  const facts = [...PLATFORM_FACTS, ...source.facts];
  const attributes = new Map<string, Attribute>();
  for (const row of PLATFORM_ATTRIBUTES) attributes.set(row.key, platformAttribute(row, types, facts));
  for (const row of [...source.definitions].sort((a, b) => (a.key < b.key ? -1 : 1))) {
    if (!attributes.has(row.key)) attributes.set(row.key, customAttribute(row, types, facts));
  }
  return {
    applicationId: source.applicationId,
    version: source.version,
    zone: zoneOf(source.timeZone ?? 'UTC'),
    attributes,
    types,
    typesById: new Map(allTypes.map((type) => [type.id, type])),
    facts,
    sources: sourcesByTarget(source.moves ?? []),
  };
}

function sourcesByTarget(moves: readonly { targetId: string; sourceId: string }[]): Map<string, string[]> {
  const sources = new Map<string, string[]>();
  for (const { targetId, sourceId } of moves) sources.set(targetId, [...(sources.get(targetId) ?? []), sourceId]);
  return sources;
}

/** The leaves that stand beside the catalogue; their keys cannot be defined. */
export const SPECIAL_ATTRIBUTES: ReadonlyMap<string, Attribute> = new Map(
  [
    special({
      key: 'profile_group',
      label: 'Profile group',
      description: 'Whether the profile is a member of one of these groups.',
      type: 'list',
      conditions: GROUP_CONDITIONS,
      derivation: { kind: 'groups' },
    }),
    special({
      key: 'random_bucket',
      label: 'Random bucket',
      description: 'A number from 0 to 9,999 that profile and salt alone decide.',
      type: 'number',
      conditions: BUCKET_CONDITIONS,
      derivation: { kind: 'bucket' },
    }),
  ].map((attribute) => [attribute.key, attribute]),
);

function special(
  given: Pick<Attribute, 'key' | 'label' | 'description' | 'type' | 'conditions' | 'derivation'>,
): Attribute {
  return {
    ...given,
    category: 'audience',
    supports_window: false,
    missing: null,
    source: 'platform',
    writable_by: 'admin',
    visible_to: 'admin',
  };
}

/** What a rule may name: an attribute of the catalogue or one of the two leaves beside it. */
export function findAttribute(catalogue: Catalogue, key: string): Attribute | undefined {
  return catalogue.attributes.get(key) ?? SPECIAL_ATTRIBUTES.get(key);
}

/** An attribute as the API shows it. */
export function presentAttribute({ derivation: _internal, ...shown }: Attribute): Omit<Attribute, 'derivation'> {
  return shown;
}

export function supportsWindow(derived: DerivedFrom): boolean {
  return derived.fn === 'count' || derived.fn === 'sum' || derived.fn === 'exists';
}

function platformAttribute(
  row: PlatformAttribute,
  types: ReadonlyMap<string, ActivityType>,
  facts: readonly Fact[],
): Attribute {
  return {
    key: row.key,
    label: row.label,
    description: row.description,
    category: row.category,
    type: row.type,
    conditions: row.conditions,
    supports_window: supportsWindow(row.derived),
    missing: row.missing,
    ...(row.unit !== undefined && { unit: row.unit }),
    source: 'platform',
    writable_by: 'admin',
    visible_to: row.derived.fn === 'profile' && row.key !== 'custom_id' ? 'public' : 'owner',
    derived_from: row.derived,
    derivation: resolveDerivation(row.derived, types, facts),
  };
}

function customAttribute(
  row: DefinitionRow,
  types: ReadonlyMap<string, ActivityType>,
  facts: readonly Fact[],
): Attribute {
  const derived = row.derived_from;
  return {
    key: row.key,
    label: row.label,
    description: row.description,
    category: row.category,
    type: row.type,
    conditions: CUSTOM_CONDITIONS[row.type],
    supports_window: derived !== null && supportsWindow(derived),
    missing: derived === null ? null : missingOf(derived, row.type),
    ...(row.choices !== null && { choices: row.choices }),
    ...(row.unit !== null && { unit: row.unit }),
    source: 'custom',
    writable_by: row.writable_by,
    visible_to: row.visible_to,
    ...(derived !== null && { derived_from: derived }),
    derivation:
      derived === null
        ? { kind: 'stored', adminOnly: row.writable_by === 'admin' }
        : resolveDerivation(derived, types, facts),
  };
}

/** Counts and sums 0, booleans false, all else null. */
function missingOf(derived: BasicDerivation, type: ValueType): 0 | false | null {
  if (derived.fn === 'count' || derived.fn === 'sum') return 0;
  return type === 'boolean' ? false : null;
}

/** The facts, beyond those of plain types, that totals must be kept of for this derivation. */
export function factSpecs(
  derived: BasicDerivation,
  valueType: ValueType,
  types: ReadonlyMap<string, ActivityType>,
): FactSpec[] {
  return derived.types.flatMap((name): FactSpec[] => {
    const typeId = typeIdOf(name, types);
    if (derived.fn === 'state') {
      return [{ typeId, key: derived.key, equals: null, valueType: valueType as StateType }]; // a definition's state is no list
    }
    return derived.where ? [{ typeId, ...derived.where, valueType: null }] : [];
  });
}

function typeIdOf(name: string, types: ReadonlyMap<string, ActivityType>): number {
  if (name === '*') return 0;
  const id = types.get(name)?.id;
  if (id === undefined) throw new Error(`unknown activity type '${name}'`);
  return id;
}

function resolveDerivation(
  derived: DerivedFrom,
  types: ReadonlyMap<string, ActivityType>,
  facts: readonly Fact[],
): Derivation {
  const refs = (basic: BasicDerivation): FactRef[] => factRefs(basic, types, facts);
  const term = (basic: BasicDerivation): { of: 'count' | 'sum'; facts: FactRef[] } => ({
    of: basic.fn === 'sum' ? 'sum' : 'count',
    facts: refs(basic),
  });
  switch (derived.fn) {
    case 'count':
    case 'sum':
    case 'exists':
      return { kind: 'total', ...term(derived), exists: derived.fn === 'exists' };
    case 'first':
    case 'last':
      return { kind: 'instant', fn: derived.fn, facts: refs(derived) };
    case 'state':
      return { kind: 'state', facts: refs(derived), positive: false };
    case 'positive':
      return { kind: 'state', facts: refs(derived.of[0]), positive: true };
    case 'difference':
    case 'exceeds':
      return { kind: 'difference', terms: derived.of.map(term), positive: derived.fn === 'exceeds' };
    case 'ratio':
      return { kind: 'ratio', part: refs(derived.of[0]), whole: refs(derived.of[1]) };
    case 'age_in_days': {
      const [since] = derived.of;
      return { kind: 'age', facts: refs(since), orCreated: derived.or === 'created_at' };
    }
    case 'profile':
      return { kind: 'profile', field: derived.key };
  }
}

function factRefs(basic: BasicDerivation, types: ReadonlyMap<string, ActivityType>, facts: readonly Fact[]): FactRef[] {
  return basic.types.map((name) => {
    const typeId = typeIdOf(name, types);
    if (basic.fn !== 'state' && !basic.where) return { factId: typeId, typeId };
    const key = basic.fn === 'state' ? basic.key : (basic.where?.key ?? '');
    const equals = basic.fn === 'state' ? null : (basic.where?.equals ?? null);
    const fact = facts.find((row) => row.typeId === typeId && row.key === key && row.equals === equals);
    if (!fact) throw new Error(`no totals are kept of '${name}' by '${key}'`);
    return basic.fn === 'state'
      ? { factId: fact.id, typeId, key }
      : { factId: fact.id, typeId, where: { key, equals: equals as NonNullable<typeof equals> } }; // `where` has a value
  });
}
