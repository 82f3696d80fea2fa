// The rules of an application, compiled, as they stood at one definitions_version: who reads what, in which order groups
// that read each other are evaluated, and where the clock enters. A worker compares the number in each of its
// transactions and reads again when it moved; where it moves faster than that, the transaction holds it.

import { sql, type Database, type Queryable } from '../database/database.ts';
import { findGroupIdsByReference } from '../groups/group-store.ts';
import type { Catalogue } from '../rules/attribute.ts';
import { loadCatalogue } from '../rules/catalogue-store.ts';
import { dependency, inReadingOrder } from '../rules/depends.ts';
import type { compileRule } from '../rules/compile.ts';
import type { CompiledRule } from '../rules/evaluate.ts';
import type { Boundary } from '../rules/boundary.ts';
import { mergeNeeds, type Needs } from '../rules/state.ts';
import { leavesOf, type RuleNode } from '../rules/tree.ts';
import { createCompiler, type Compiler } from './compiled-rules.ts';
import { watchedBy } from './watched.ts';

/** Keys in the queue beside the dependency keys: this very group is to be looked at. */
export const groupKey = {
  /** Something that its rule reads crossed an edge of time. */
  rule: (groupId: string): string => `rule:${groupId}`,
  /** Its pin was set, taken away or expired. */
  pin: (groupId: string): string => `pin:${groupId}`,
} as const;

export interface GroupRules {
  id: string;
  /** What readers see follows from this ruleset; null before the first backfill. */
  servedRulesetId: string | null;
  served: CompiledRule | undefined;
  /** What was saved last: what a backfill brings in. */
  rulesetId: string;
  latest: CompiledRule | undefined;
  isPaused: boolean;
  /** Why a rule does not compile. */
  error: string | undefined;
}

/** Where time enters, and which keys a profile that crosses there is queued under. */
export interface WatchedBoundary {
  boundary: Boundary;
  keys: string[];
}

export interface ApplicationRules {
  applicationId: number;
  version: number;
  catalogue: Catalogue;
  /** Active dynamic groups. */
  groups: ReadonlyMap<string, GroupRules>;
  /** Every group's place in the order of reading: one that reads another has the higher place. */
  places: ReadonlyMap<string, number>;
  /** The keys that concern a group: `readersOf` seen from there. */
  keysOf(groupId: string): ReadonlySet<string>;
  /** The groups that one of these keys concerns, by what they serve or are being filled with. */
  readersOf(changed: Iterable<string>): Set<string>;
  /** The same as it is wanted for profile after profile: in reading order, with what is to be loaded for them. */
  dependencySetOf(changed: readonly string[]): DependencySet;
  /** Of these very groups. */
  dependencySetOfGroups(ids: ReadonlySet<string>): DependencySet;
  boundaries: readonly WatchedBoundary[];
}

/** Groups that are looked at together; the same object for the same groups. */
export interface DependencySet {
  /** In reading order. */
  groups: readonly string[];
  has(groupId: string): boolean;
  /** What the rules that they serve need. */
  needs: Needs;
  /** The groups, and those that their rules read. */
  read: ReadonlySet<string>;
}

export interface RulesCache {
  /** As this process read them last; read now where it never did. */
  get(applicationId: number): Promise<ApplicationRules | undefined>;
  /** Reads them now, or in the snapshot of a transaction. */
  refresh(applicationId: number, tx?: Queryable): Promise<ApplicationRules | undefined>;
  /** Reads them in a transaction, until whose end no others are saved: before it locks anything but its lease. */
  hold(applicationId: number, tx: Queryable): Promise<ApplicationRules | undefined>;
}

/** After so many readings that were old when they were used, a worker holds the rules: it must come on however often they are saved. */
export const MOST_READINGS = 3;

/** `compile`: tests count it. */
export function rulesCache(db: Database, compile?: typeof compileRule): RulesCache {
  const cache = new Map<number, ApplicationRules>();
  const compilers = new Map<number, Compiler>();
  const load = async (tx: Queryable, applicationId: number): Promise<ApplicationRules | undefined> => {
    const compiler = compilers.get(applicationId) ?? createCompiler(compile);
    compilers.set(applicationId, compiler);
    return loadRules(tx, applicationId, compiler);
  };
  db.onBroken(() => {
    cache.clear(); // other rules may come to have the same number
    compilers.clear();
  });
  const refresh = async (applicationId: number, tx?: Queryable): Promise<ApplicationRules | undefined> => {
    const rules = tx
      ? await load(tx, applicationId)
      : await db.transaction((own) => load(own, applicationId), { isolation: 'repeatable read' });
    if (rules) cache.set(applicationId, rules);
    else {
      cache.delete(applicationId);
      compilers.delete(applicationId);
    }
    return rules;
  };
  return {
    refresh,
    get: async (applicationId) => cache.get(applicationId) ?? refresh(applicationId),
    async hold(applicationId, tx) {
      await tx.query(sql`select from applications where id = ${applicationId} for share`);
      return refresh(applicationId, tx);
    },
  };
}

interface RuleRow {
  id: string;
  is_paused: boolean;
  ruleset_id: string;
  rule_tree: RuleNode;
  served_ruleset_id: string | null;
  served_tree: RuleNode | null;
}

/** In one snapshot. */
async function loadRules(
  tx: Queryable,
  applicationId: number,
  compiler: Compiler,
): Promise<ApplicationRules | undefined> {
  const catalogue = await loadCatalogue(tx, applicationId);
  if (!catalogue) return undefined;
  const { rows } = await tx.query<RuleRow>(sql`
    select g.id, g.is_paused, g.ruleset_id, r.rule_tree, h.served_ruleset_id, s.rule_tree as served_tree
    from groups g
    join rulesets r on r.id = g.ruleset_id
    join group_heads h on h.group_id = g.id
    left join rulesets s on s.id = h.served_ruleset_id
    where g.application_id = ${applicationId} and g.membership_type = 'dynamic' and g.is_active
    order by g.created_at, g.id`);
  const trees = rows.flatMap((row) => [row.rule_tree, ...(row.served_tree ? [row.served_tree] : [])]);
  const resolveGroup = await resolver(tx, applicationId, trees);
  const compile = compiler.begin(catalogue, resolveGroup);
  const groups = new Map<string, GroupRules>();
  for (const row of rows) groups.set(row.id, compileGroup(row, compile));
  compiler.forgetOthers();
  const places = placesOf(groups);
  const keys = keysOf(groups);
  const readers = readersOf(keys);
  return {
    applicationId,
    version: catalogue.version,
    catalogue,
    groups,
    places,
    keysOf: (groupId) => keys.get(groupId) ?? NO_KEYS,
    readersOf: readers,
    ...dependencySets(groups, places, readers),
    boundaries: boundariesOf(groups, catalogue),
  };
}

async function resolver(
  tx: Queryable,
  applicationId: number,
  trees: RuleNode[],
): Promise<(reference: string) => string | undefined> {
  const references = new Set(
    trees.flatMap(
      (tree) =>
        leavesOf(tree).flatMap((leaf) =>
          leaf.attribute === 'profile_group' && Array.isArray(leaf.value) ? (leaf.value as string[]) : [],
        ), // parsed as strings
    ),
  );
  if (references.size === 0) return () => undefined;
  const isCustom = (reference: string): boolean => reference.startsWith('custom:');
  const ids = [...references].filter((reference) => !isCustom(reference));
  const customIds = [...references].filter(isCustom).map((reference) => reference.slice('custom:'.length));
  const found = await findGroupIdsByReference(tx, applicationId, ids, customIds);
  const byReference = new Map<string, string>();
  for (const { id, custom_id } of found) {
    byReference.set(id, id);
    if (custom_id !== null) byReference.set(`custom:${custom_id}`, id);
  }
  return (reference) => byReference.get(isCustom(reference) ? reference : reference.toLowerCase());
}

function compileGroup(row: RuleRow, compileOne: ReturnType<Compiler['begin']>): GroupRules {
  let error: string | undefined;
  const compile = (id: string | null, tree: RuleNode | null): CompiledRule | undefined => {
    if (id === null || tree === null) return undefined;
    try {
      return compileOne(row.id, id, tree);
    } catch (problem) {
      error = problem instanceof Error ? problem.message : String(problem);
      return undefined;
    }
  };
  const served = compile(row.served_ruleset_id, row.served_tree);
  const latest = row.served_ruleset_id === row.ruleset_id ? served : compile(row.ruleset_id, row.rule_tree);
  return {
    id: row.id,
    servedRulesetId: row.served_ruleset_id,
    served,
    rulesetId: row.ruleset_id,
    latest,
    isPaused: row.is_paused,
    error,
  };
}

const rulesOf = (group: GroupRules): CompiledRule[] =>
  [...new Set([group.served, group.latest])].filter((rule) => rule !== undefined);

function placesOf(groups: ReadonlyMap<string, GroupRules>): Map<string, number> {
  const reads = new Map(
    [...groups].map(([id, group]) => [id, new Set(rulesOf(group).flatMap((rule) => [...rule.needs.groups]))]),
  );
  return new Map(inReadingOrder(reads).map((id, place) => [id, place]));
}

const NO_KEYS: ReadonlySet<string> = new Set();

/** By group. A paused one is concerned by its pins alone. */
function keysOf(groups: ReadonlyMap<string, GroupRules>): Map<string, Set<string>> {
  return new Map(
    [...groups].map(([id, group]) => {
      const own = group.isPaused ? [] : [groupKey.rule(id), ...rulesOf(group).flatMap((rule) => [...watchedBy(rule)])];
      return [id, new Set([groupKey.pin(id), ...own])];
    }),
  );
}

function readersOf(keys: ReadonlyMap<string, ReadonlySet<string>>): (changed: Iterable<string>) => Set<string> {
  const readers = new Map<string, string[]>();
  for (const [id, own] of keys)
    for (const key of own) {
      const list = readers.get(key);
      if (list) list.push(id);
      else readers.set(key, [id]);
    }
  return (changed) => {
    const found = new Set<string>();
    for (const key of changed) for (const id of readers.get(key) ?? []) found.add(id);
    return found;
  };
}

const MAX_CONCERNS = 1_000;

function dependencySets(
  groups: ReadonlyMap<string, GroupRules>,
  places: ReadonlyMap<string, number>,
  readers: (changed: Iterable<string>) => Set<string>,
): Pick<ApplicationRules, 'dependencySetOf' | 'dependencySetOfGroups'> {
  const byGroups = new Map<string, DependencySet>();
  const byKeys = new Map<string, DependencySet>();
  const keep = (known: Map<string, DependencySet>, key: string, make: () => DependencySet): DependencySet => {
    const found = known.get(key);
    if (found) return found;
    if (known.size >= MAX_CONCERNS) known.clear();
    const made = make();
    known.set(key, made);
    return made;
  };
  const dependencySetOfGroups = (ids: ReadonlySet<string>): DependencySet => {
    const ordered = [...ids].sort((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0));
    return keep(byGroups, ordered.join(), () => {
      const needs = mergeNeeds(ordered.flatMap((id) => groups.get(id)?.served?.needs ?? []));
      return { groups: ordered, has: (id) => ids.has(id), needs, read: new Set([...ordered, ...needs.groups]) };
    });
  };
  return {
    dependencySetOfGroups,
    dependencySetOf: (changed) => keep(byKeys, changed.join(' '), () => dependencySetOfGroups(readers(changed))),
  };
}

/** Beyond so many groups on one boundary, a clock row names what they all read rather than each of them. */
const MAX_NAMED = 16;

/** Equal boundaries of several groups stand once. */
function boundariesOf(groups: ReadonlyMap<string, GroupRules>, catalogue: Catalogue): WatchedBoundary[] {
  const found = new Map<string, { boundary: Boundary; groups: Set<string> }>();
  for (const [id, group] of groups) {
    if (group.isPaused) continue;
    for (const boundary of rulesOf(group).flatMap((rule) => [...rule.boundaries])) {
      const key = JSON.stringify(boundary);
      const known = found.get(key);
      if (known) known.groups.add(id);
      else found.set(key, { boundary, groups: new Set([id]) });
    }
  }
  return [...found.values()].map(({ boundary, groups: ids }) => ({
    boundary,
    keys: ids.size <= MAX_NAMED ? [...ids].map(groupKey.rule) : sourceKeys(boundary, catalogue),
  }));
}

function sourceKeys({ source }: Boundary, catalogue: Catalogue): string[] {
  switch (source.kind) {
    case 'activities':
      return source.typeIds.map(dependency.activity);
    case 'created_at':
      return [dependency.profile('created_at')];
    case 'attribute':
      return [dependency.attribute(source.key)];
    case 'state':
      return [dependency.activity(catalogue.facts.find((fact) => fact.id === source.factId)?.typeId ?? 0)];
  }
}
