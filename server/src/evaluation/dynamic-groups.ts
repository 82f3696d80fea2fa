// What the groups feature asks of the evaluation (groups/dynamic.ts): rules saved, superseded, paused and brought back.
// Nothing is evaluated here; each call leaves in its transaction what the workers need to go on by themselves.

import type { Context } from '../context.ts';
import { sql, type Queryable } from '../database/database.ts';
import { conflict } from '../errors.ts';
import type { DynamicGroups } from '../groups/dynamic.ts';
import type { DynamicFields, EvaluationState, Group } from '../groups/group.ts';
import { formatInstant, type Instant } from '../instant.ts';
import type { CompiledRule } from '../rules/evaluate.ts';
import { RuleError } from '../rules/leaf.ts';
import type { RuleNode } from '../rules/tree.ts';
import { readAsOf } from '../queue/as-of.ts';
import {
  compileNow,
  findReadingCycle,
  findRuleset,
  insertRuleset,
  refuseCycle,
  sameTree,
  unwatchOthers,
  watch,
} from './definitions.ts';
import { explainMember } from './explain-member.ts';
import { mergeMemberships } from './merge-memberships.ts';
import { freeze, requestFill } from './failures.ts';
import { rulesCache, type RulesCache } from './rules-cache.ts';

export function dynamicGroups(given: Pick<Context, 'db' | 'clock'> & { rules?: RulesCache }): DynamicGroups {
  const context = { ...given, rules: given.rules ?? rulesCache(given.db) };
  return {
    async create(tx, group, rule, now) {
      await saveRule(tx, group, rule, now);
      await tx.query(sql`update group_heads set as_of = '-infinity' where group_id = ${group.id}`);
      await startSweeping(tx, group.application_id, now);
      await backfill(tx, group, now);
    },

    async update(tx, group, { rule, isPaused = group.is_paused }, now) {
      const saved = group.ruleset_id === null ? undefined : await findRuleset(tx, group.id, group.ruleset_id);
      const isNew = rule !== undefined && (saved === undefined || !sameTree(rule.tree, saved.rule_tree));
      if (isNew) await saveRule(tx, group, rule, now);
      if (isPaused !== group.is_paused)
        await tx.query(sql`update groups set is_paused = ${isPaused} where id = ${group.id}`);
      if (isPaused && !group.is_paused) {
        await freeze(tx, group.application_id, group.id);
        await stopFill(tx, group.id);
      }
      if (!isPaused && (isNew || group.is_paused)) await backfill(tx, group, now);
    },

    async deactivate(tx, group) {
      await freeze(tx, group.application_id, group.id);
      await stopFill(tx, group.id);
      await unwatchOthers(tx, group.application_id, group.id, undefined);
    },

    async restore(tx, group, now) {
      const saved = group.ruleset_id === null ? undefined : await findRuleset(tx, group.id, group.ruleset_id);
      if (!saved) throw new Error(`dynamic group ${group.id} has no rule`);
      const rule = await compileAgain(tx, group, saved.rule_tree);
      const cycle = await findReadingCycle(tx, group.application_id, group.id, rule);
      if (cycle) throw conflict(`The group would read itself: ${cycle.join(' → ')}.`);
      await watch(tx, group.application_id, group.id, rule);
      await startSweeping(tx, group.application_id, now);
      if (!group.is_paused) await backfill(tx, group, now);
    },

    async remove(tx, group) {
      for (const table of [sql`backfills`, sql`watched_keys`, sql`pins`])
        await tx.query(sql`delete from ${table} where group_id = ${group.id}`);
    },

    present,
    explain: async (application, group, profileId) => {
      const explained = await explainMember(context, application, group, profileId);
      return explained && { ...explained };
    },
    merge: (applicationId, work) => mergeMemberships(context, applicationId, work),
    asOf: async (db, group) => (await present(db, [group])).get(group.id)?.evaluation.as_of ?? null,

    async refill(tx, applicationId, groupIds, now) {
      for (const groupId of [...groupIds].sort()) {
        const { rows } = await tx.query<{ ruleset_id: string }>(sql`
          select ruleset_id from groups where id = ${groupId} and is_active and not is_paused and membership_type = 'dynamic'`);
        const [group] = rows;
        if (group)
          await requestFill(tx, { id: groupId, applicationId, rulesetId: group.ruleset_id }, now, { asOf: now });
      }
    },
  };
}

async function saveRule(
  tx: Queryable,
  group: Group,
  rule: { tree: RuleNode; createdBy: string },
  now: Instant,
): Promise<void> {
  const compiled = await compileNow(tx, group.application_id, group.id, rule.tree);
  await refuseCycle(tx, group.application_id, group.id, compiled);
  await insertRuleset(tx, group.application_id, group.id, rule, now);
  await watch(tx, group.application_id, group.id, compiled);
}

async function compileAgain(tx: Queryable, group: Group, tree: RuleNode): Promise<CompiledRule> {
  try {
    return await compileNow(tx, group.application_id, group.id, tree);
  } catch (error) {
    if (error instanceof RuleError) throw conflict(error.message);
    throw error;
  }
}

/** Clock-driven changes are looked for from here on; a backfill evaluates at this instant or later. */
async function startSweeping(tx: Queryable, applicationId: number, now: Instant): Promise<void> {
  const at = formatInstant(now);
  await tx.query(sql`
    insert into sweeps (application_id, swept_until, sweeping_until) values (${applicationId}, ${at}, ${at}) on conflict do nothing`);
}

async function backfill(tx: Queryable, group: Group, now: Instant): Promise<void> {
  const { rows } = await tx.query<{ ruleset_id: string }>(sql`select ruleset_id from groups where id = ${group.id}`);
  const rulesetId = rows[0]?.ruleset_id;
  if (rulesetId !== undefined)
    await requestFill(tx, { id: group.id, applicationId: group.application_id, rulesetId }, now);
}

/** An attempt that runs finds its row gone and writes no more; what it left is discarded by the next. */
async function stopFill(tx: Queryable, groupId: string): Promise<void> {
  const { count } = await tx.query(sql`delete from backfills where group_id = ${groupId} and stage <> 'clean'`);
  if (count > 0) await tx.query(sql`update group_heads set filling = false where group_id = ${groupId}`);
}

interface StateRow {
  id: string;
  rule_tree: RuleNode;
  served_ruleset_id: string | null;
  as_of: Instant | null;
  stage: string | null;
  prepared: number | null;
  total: number | null;
  backfill_as_of: Instant | null;
  last_error: string | null;
}

async function present(db: Queryable, groups: Group[]): Promise<ReadonlyMap<string, DynamicFields>> {
  const dynamic = groups.filter((group) => group.membership_type === 'dynamic');
  if (dynamic.length === 0) return new Map();
  const { rows } = await db.query<StateRow>(sql`
    select g.id, r.rule_tree, h.served_ruleset_id, h.as_of, f.stage, f.prepared, f.total, f.as_of as backfill_as_of, f.last_error
    from groups g
    join rulesets r on r.id = g.ruleset_id
    join group_heads h on h.group_id = g.id
    left join backfills f on f.group_id = g.id and f.stage <> 'clean'
    where g.id = any (${dynamic.map((group) => group.id)}::uuid[])`);
  const asOf = new Map<number, Instant | null>();
  for (const { application_id: id } of dynamic) if (!asOf.has(id)) asOf.set(id, await readAsOf(db, id));
  const byId = new Map(rows.map((row) => [row.id, row]));
  return new Map(
    dynamic.flatMap((group) => {
      const row = byId.get(group.id);
      return row ? [[group.id, fieldsOf(group, row, asOf.get(group.application_id) ?? null)]] : [];
    }),
  );
}

function fieldsOf(group: Group, row: StateRow, live: Instant | null): DynamicFields {
  const state = stateOf(group, row);
  return {
    ruleset: { id: group.ruleset_id ?? '', rule_tree: row.rule_tree },
    evaluation: {
      state,
      ruleset_id: row.served_ruleset_id,
      as_of: asOfOf(row, live),
      progress: state === 'filling' ? Math.min(1, (row.prepared ?? 0) / Math.max(1, row.total ?? 1)) : null,
      last_error: row.last_error,
    },
  };
}

function stateOf(group: Group, row: StateRow): EvaluationState {
  if (group.is_paused || !group.is_active) return 'paused';
  if (row.last_error !== null) return 'failed';
  return row.stage !== null || row.as_of !== null ? 'filling' : 'live';
}

/** A frozen group is right up to where it was frozen. A live one that is filled again may lack what made that necessary. */
function asOfOf(row: StateRow, live: Instant | null): Instant | null {
  if (row.as_of !== null) return row.as_of === -Infinity ? null : row.as_of;
  return live === null ? null : Math.min(live, row.backfill_as_of ?? live);
}
