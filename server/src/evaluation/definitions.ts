// What saving a rule writes: the ruleset, the keys that it reads, and the check that no group comes to read itself.

import { loadCatalogue } from '../rules/catalogue-store.ts';
import { sql, type Queryable } from '../database/database.ts';
import { ValidationError } from '../errors.ts';
import { groupResolver } from '../groups/dynamic.ts';
import { findGroupsByReference } from '../groups/group-store.ts';
import { newId } from '../ids.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { compileRule } from '../rules/compile.ts';
import { dependency, findCycle } from '../rules/depends.ts';
import type { CompiledRule } from '../rules/evaluate.ts';
import type { RuleNode } from '../rules/tree.ts';
import { watchedBy } from './watched.ts';

export interface RulesetRow {
  id: string;
  rule_tree: RuleNode;
  created_at: Instant;
  created_by: string;
}

/** Compiles against the definitions that the transaction sees. Throws RuleError. */
export async function compileNow(
  tx: Queryable,
  applicationId: number,
  groupId: string,
  tree: RuleNode,
): Promise<CompiledRule> {
  const catalogue = await loadCatalogue(tx, applicationId);
  if (!catalogue) throw new Error(`there is no application ${applicationId}`);
  const resolveGroup = await groupResolver(tx, applicationId, tree);
  return compileRule(tree, { catalogue, groupId, resolveGroup });
}

export async function insertRuleset(
  tx: Queryable,
  applicationId: number,
  groupId: string,
  rule: { tree: RuleNode; createdBy: string },
  now: Instant,
): Promise<string> {
  const id = newId();
  await tx.query(sql`
    insert into rulesets (id, application_id, group_id, rule_tree, created_at, created_by)
    values (${id}, ${applicationId}, ${groupId}, ${JSON.stringify(rule.tree)}, ${formatInstant(now)}, ${rule.createdBy})`);
  await tx.query(sql`update groups set ruleset_id = ${id} where id = ${groupId}`);
  return id;
}

export async function findRuleset(db: Queryable, groupId: string, id: string): Promise<RulesetRow | undefined> {
  const { rows } = await db.query<RulesetRow>(sql`
    select id, rule_tree, created_at, created_by from rulesets where group_id = ${groupId} and id = ${id}`);
  return rows[0];
}

/** From its commit on, whatever the rule reads is queued when it changes. The keys of a rule still served stay. */
export async function watch(tx: Queryable, applicationId: number, groupId: string, rule: CompiledRule): Promise<void> {
  await tx.query(sql`
    insert into watched_keys (application_id, key, group_id)
    select ${applicationId}::int, k, ${groupId}::uuid from unnest(${[...watchedBy(rule)]}::text[]) k on conflict do nothing`);
}

export async function unwatchOthers(
  tx: Queryable,
  applicationId: number,
  groupId: string,
  rule: CompiledRule | undefined,
): Promise<void> {
  await tx.query(sql`
    delete from watched_keys where application_id = ${applicationId} and group_id = ${groupId}
      and key <> all (${[...(rule ? watchedBy(rule) : [])]}::text[])`);
}

/** The groups that a group may not come to read, since they read it, by name and id. */
export async function findReadingCycle(
  tx: Queryable,
  applicationId: number,
  groupId: string,
  rule: CompiledRule,
): Promise<string[] | undefined> {
  if (rule.needs.groups.size === 0) return undefined;
  const prefix = dependency.group('');
  const { rows } = await tx.query<{ group_id: string; key: string }>(sql`
    select group_id, key from watched_keys where application_id = ${applicationId} and starts_with(key, ${prefix})`);
  const reads = new Map<string, string[]>();
  for (const row of rows) {
    const list = reads.get(row.group_id);
    if (list) list.push(row.key.slice(prefix.length));
    else reads.set(row.group_id, [row.key.slice(prefix.length)]);
  }
  const cycle = findCycle(groupId, rule.needs.groups, reads);
  if (!cycle) return undefined;
  const names = new Map((await findGroupsByReference(tx, applicationId, cycle)).map(({ id, name }) => [id, name]));
  return cycle.map((id) => (names.has(id) ? `'${names.get(id) ?? ''}' (${id})` : id));
}

export async function refuseCycle(
  tx: Queryable,
  applicationId: number,
  groupId: string,
  rule: CompiledRule,
): Promise<void> {
  const cycle = await findReadingCycle(tx, applicationId, groupId, rule);
  if (!cycle) return;
  throw new ValidationError({ rule_tree: [`The group would read itself: ${cycle.join(' → ')}.`] });
}

/** Whether two stored trees are the same rule; jsonb orders the fields of an object its own way. */
export function sameTree(a: RuleNode, b: RuleNode): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
