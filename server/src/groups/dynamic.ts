// Where the groups feature hands over to the evaluation: everything that dynamic groups need beyond what all groups share.
// evaluation/dynamic-groups.ts implements it and app.ts puts it on the context, so that groups/ never imports evaluation/.

import type { Application } from '../applications/application.ts';
import { sql, type Queryable } from '../database/database.ts';
import { ApiError, ValidationError } from '../errors.ts';
import { readUuid } from '../ids.ts';
import type { Instant } from '../instant.ts';
import type { Refills } from '../membership/switch-attempt.ts';
import { loadCatalogue } from '../rules/catalogue-store.ts';
import { isDeepAsStored, parseRuleTree } from '../rules/parse.ts';
import type { ResolveGroup } from '../rules/leaf.ts';
import { MAX_LEVELS, type RuleNode } from '../rules/tree.ts';
import type { DynamicFields, Group } from './group.ts';
import { findGroupsByReference } from './group-store.ts';

/** A rule that was parsed in the transaction that saves it, after definitions_version was raised there. */
export interface NewRule {
  tree: RuleNode;
  /** `token:<name>` or `producer:<email>`. */
  createdBy: string;
}

export interface DynamicGroups extends Refills {
  /**
   * Each of these runs in the caller's transaction, whose first statement raised `applications.definitions_version` and so
   * holds that row: no other rule, definition or group of the application is saved, deactivated or deleted at the same
   * time. `now` is the instant of the change. The caller writes the row of `groups` but for ruleset_id and is_paused,
   * which are set here, as are rulesets, watched_keys, backfills and served_ruleset_id.
   */
  /** The group's row and head were just inserted. Stores the rule, watches what it reads, asks for a backfill. 400 on a cycle. */
  create(tx: Queryable, group: Group, rule: NewRule, now: Instant): Promise<void>;
  /** A second edit supersedes the first; an equal tree changes nothing. */
  update(tx: Queryable, group: Group, change: { rule?: NewRule; isPaused?: boolean }, now: Instant): Promise<void>;
  /** No longer evaluated; members are kept. */
  deactivate(tx: Queryable, group: Group, now: Instant): Promise<void>;
  /** Asks for a backfill first: the caller has set is_active. 409 where the rule reads what is gone by now. */
  restore(tx: Queryable, group: Group, now: Instant): Promise<void>;
  /** Forgets backfills, watched keys and pins; the caller deletes the group's row (rulesets follow it), head and members. */
  remove(tx: Queryable, group: Group, now: Instant): Promise<void>;
  /** `ruleset` and `evaluation` of these dynamic groups, by id, in the caller's snapshot. */
  present(db: Queryable, groups: Group[]): Promise<ReadonlyMap<string, DynamicFields>>;
  /** The answer of `GET …/members/{profile_id}/` for a dynamic group; undefined where there is no such profile. */
  explain(application: Application, group: Group, profileId: string): Promise<Record<string, unknown> | undefined>;
  /** Up to when `?as_of=` may ask: evaluation.as_of. */
  asOf(db: Queryable, group: Group): Promise<Instant | null>;
  /** A transaction in which two profiles become one, and with them their memberships. Tried again where it met others. */
  merge<T>(applicationId: number, work: (tx: Queryable, merge: MembershipMerge) => Promise<T>): Promise<T>;
}

export interface MergingProfile {
  id: string;
  ordinal: number;
}

/** What of a merge concerns memberships: the calls come in this order, in one transaction. */
export interface MembershipMerge {
  /**
   * Reads what both are. The caller has locked both histories and the rows of both profiles by statements that may still be
   * under way, since these go out behind them, and has changed nothing of them.
   */
  read(profileIds: readonly string[]): Promise<void>;
  /** Returns the instant of the merge, which is not before the one given. */
  begin(source: MergingProfile, target: MergingProfile, earliest: Instant): Instant;
  /** From here on nobody else lets them enter a group. */
  hold(): Promise<void>;
  /**
   * Facts and attributes are the target's by now. Brings both profiles' memberships up to the instant as if nothing had
   * happened, then lets the source leave every group and gives the target what all of it amounts to.
   * The source's row is still there; its rows in pins, members and queue are going.
   */
  finish(): Promise<FinishedMerge>;
}

export interface FinishedMerge {
  groups: MergedMembership;
  /** Resolves once the source's rows are gone; its statements are under way, and what follows goes out behind them. */
  forgotten: Promise<void>;
}

/** What changed for the target, by group. */
export interface MergedMembership {
  entered: string[];
  left: string[];
}

/**
 * Parses a rule in the transaction that saves it, against definitions that cannot change meanwhile. A rule that
 * the group has had comes back as it was given out, also where normalising made it a level deeper than one may send.
 */
export async function parseRule(
  tx: Queryable,
  applicationId: number,
  input: unknown,
  groupId?: string,
): Promise<RuleNode> {
  const catalogue = await loadCatalogue(tx, applicationId);
  if (!catalogue) throw new ApiError('not_found');
  const resolveGroup = await groupResolver(tx, applicationId, input);
  const isKnown = groupId !== undefined && isDeepAsStored(input) && (await hasHad(tx, groupId, input));
  const parsed = parseRuleTree(input, { catalogue, resolveGroup, levels: isKnown ? MAX_LEVELS + 1 : MAX_LEVELS });
  if (!parsed.ok) throw new ValidationError(parsed.errors);
  return parsed.tree;
}

async function hasHad(tx: Queryable, groupId: string, tree: unknown): Promise<boolean> {
  const { rows } = await tx.query(sql`
    select from rulesets where group_id = ${groupId} and rule_tree = ${JSON.stringify(tree)}::jsonb limit 1`);
  return rows.length > 0;
}

/** Finds the active groups that a tree names, by id or `custom:…`, in one query. */
export async function groupResolver(db: Queryable, applicationId: number, input: unknown): Promise<ResolveGroup> {
  const ids = new Set<string>();
  const customIds = new Set<string>();
  for (const reference of groupReferences(input)) {
    const id = readUuid(reference);
    if (id !== undefined) ids.add(id);
    else if (reference.startsWith('custom:')) customIds.add(reference.slice('custom:'.length));
  }
  const found =
    ids.size + customIds.size === 0 ? [] : await findGroupsByReference(db, applicationId, [...ids], [...customIds]);
  const byReference = new Map<string, (typeof found)[number]>();
  for (const group of found) {
    byReference.set(group.id, group);
    if (group.custom_id !== null) byReference.set(`custom:${group.custom_id}`, group);
  }
  const find = (reference: string) => byReference.get(readUuid(reference) ?? reference);
  const resolve = (reference: string): string | undefined => {
    const group = find(reference);
    return group?.is_active === true ? group.id : undefined;
  };
  return Object.assign(resolve, { inactive: (reference: string) => find(reference)?.name });
}

const MAX_REFERENCES = 10_000;

/** Every string that may name a group, from input that is not checked yet. JSON is at most 64 levels deep (http/body.ts). */
function groupReferences(input: unknown): Set<string> {
  const found = new Set<string>();
  const visit = (part: unknown, isValue: boolean): void => {
    if (found.size >= MAX_REFERENCES) return;
    if (typeof part === 'string') {
      if (isValue) found.add(part);
    } else if (Array.isArray(part)) for (const item of part) visit(item, isValue);
    else if (typeof part === 'object' && part !== null) {
      const isGroupLeaf = 'attribute' in part && part.attribute === 'profile_group';
      for (const [key, value] of Object.entries(part)) visit(value, isGroupLeaf && key === 'value');
    }
  };
  visit(input, false);
  return found;
}
