// Brings a group to the rule that was saved last: its set, read in one snapshot, goes through the switch
// (groups/switch.ts). What asked for it is a row in `backfills`, which stays until the switch is done and cleaned up: a backfill
// that dies is begun again by the worker that finds the row, and one that fails says why and waits the longer each time.

import type { Clock } from '../clock.ts';
import { onClient } from '../database/client.ts';
import { sql, type Database, type Queryable } from '../database/database.ts';
import { drain } from '../database/drain.ts';
import type { Refills } from '../membership/switch-attempt.ts';
import { isTakingIn } from '../queue/pace.ts';
import { cleanSwitch, runSwitch, SwitchLost, type SwitchPlan, type SwitchProgress } from '../membership/switch.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { andNot, fromOrdinals, or, type Bitset } from '../rules/bitset.ts';
import { isMember, type CompiledRule } from '../rules/evaluate.ts';
import { delayRetry, recordFailure } from './failures.ts';
import { unwatchOthers } from './definitions.ts';
import { BUCKETS } from '../queue/queue.ts';
import type { ApplicationRules, GroupRules, RulesCache } from './rules-cache.ts';
import { createSetReader, inSnapshot, readRuleSet } from './sets.ts';
import { loadStates } from './state.ts';

export interface BackfillContext {
  db: Database;
  clock: Clock;
  rules: RulesCache;
  dynamicGroups: Refills;
}

export interface DueBackfill {
  group_id: string;
  application_id: number;
  ruleset_id: string;
  stage: string;
  attempts: number;
}

/** What became of a backfill: done, given up because something newer came, failed, or not possible yet. */
export type BackfillOutcome = 'done' | 'superseded' | 'failed' | 'waiting';

/** The bucket whose lease covers the backfills of a group. */
export const bucketOfGroup = (groupId: string): number => Number.parseInt(groupId.slice(-4), 16) % BUCKETS;

/** Backfills to be run now, those asked for first first. */
export async function listDueBackfills(db: Queryable, now: Instant): Promise<DueBackfill[]> {
  const { rows } = await db.query<DueBackfill>(sql`
    select group_id, application_id, ruleset_id, stage, attempts from backfills
    where kind = 'rule' and (retry_at is null or retry_at <= ${formatInstant(now)}) order by started_at, group_id limit 1000`);
  return rows;
}

/** Runs one backfill to its end. `shouldStop` is asked between its steps. */
export async function runBackfill(
  context: BackfillContext,
  due: DueBackfill,
  shouldStop: () => boolean = () => false,
): Promise<BackfillOutcome> {
  if (due.stage === 'clean') {
    for await (const _progress of cleanSwitch(context.db, due.application_id, due.group_id, due.attempts))
      if (shouldStop()) return 'superseded';
    return 'done';
  }
  try {
    const rules = await context.rules.refresh(due.application_id);
    const group = rules?.groups.get(due.group_id);
    if (!rules || !group || group.isPaused || group.rulesetId !== due.ruleset_id) return 'superseded';
    if (!group.latest) throw new Error(group.error ?? 'the rule cannot be evaluated');
    if (!areFactsBuilt(rules, group.latest)) {
      await context.db.query(
        sql`update backfills set stage = 'build' where group_id = ${group.id} and stage = 'discard'`,
      );
      return 'waiting';
    }
    const steps = runSwitch(context, planOf(context, rules, group, group.latest));
    for await (const _progress of steps) if (shouldStop()) return 'superseded';
    return 'done';
  } catch (error) {
    if (error instanceof SwitchLost) return 'superseded';
    await noteFailure(context, due, error);
    return 'failed';
  }
}

/** Totals of a fact that was defined lately may still be gathered from past activities. */
function areFactsBuilt({ catalogue }: ApplicationRules, rule: CompiledRule): boolean {
  return catalogue.facts.every((fact) => fact.built || !rule.needs.facts.has(fact.id));
}

function planOf(context: BackfillContext, rules: ApplicationRules, group: GroupRules, rule: CompiledRule): SwitchPlan {
  const { applicationId } = rules;
  return {
    groupId: group.id,
    applicationId,
    kind: 'rule',
    rulesetId: group.rulesetId,
    async *target(): AsyncGenerator<SwitchProgress, Bitset> {
      await drain(context.db);
      yield { stage: 'scan', done: 0, total: 1 };
      return scan(context, applicationId, group.id, rule);
    },
    decide: (tx, profiles) => decideTouched(tx, context.clock, applicationId, group.id, rule, profiles),
    async onSwitch(tx) {
      await tx.query(sql`update group_heads set as_of = null where group_id = ${group.id}`);
      await tx.query(
        sql`update backfills set last_error = null, failures = 0, as_of = null where group_id = ${group.id}`,
      );
      await unwatchOthers(tx, applicationId, group.id, rule);
    },
  };
}

async function scan(
  context: BackfillContext,
  applicationId: number,
  groupId: string,
  rule: CompiledRule,
): Promise<Bitset> {
  return inSnapshot(context.db, async (client) => {
    // Several processes at once would take every core from those who wait for an answer.
    if (await isTakingIn(onClient(client), applicationId))
      await client.query('set local max_parallel_workers_per_gather = 0');
    const sweeping = await client.query<{ at: Instant }>(
      'select sweeping_until as at from sweeps where application_id = $1',
      [applicationId],
    );
    const now = Math.max(context.clock.now(), sweeping.rows[0]?.at ?? -Infinity);
    const pins = await client.query<{ ordinal: number; pin: 'in' | 'out' }>(
      'select ordinal, pin from pins where group_id = $1 and (expires_at is null or expires_at > $2)',
      [groupId, formatInstant(now)],
    );
    const pinned = (pin: 'in' | 'out'): Bitset =>
      fromOrdinals(pins.rows.filter((row) => row.pin === pin).map((row) => row.ordinal));
    const members = await readRuleSet(await createSetReader(client, { applicationId, now }), rule);
    return or(andNot(members, pinned('out')), pinned('in'));
  });
}

/** Profiles that changed since the scan, by the rule's function and their pins. */
async function decideTouched(
  tx: Queryable,
  clock: Clock,
  applicationId: number,
  groupId: string,
  rule: CompiledRule,
  profiles: { profileId: string; ordinal: number }[],
): Promise<Set<number>> {
  const ids = profiles.map((profile) => profile.profileId);
  const { rows: times } = await tx.query<{ at: Instant }>(
    sql`select sweeping_until as at from sweeps where application_id = ${applicationId}`,
  );
  const { rows: pins } = await tx.query<{ profile_id: string; pin: 'in' | 'out'; expires_at: Instant | null }>(sql`
    select profile_id, pin, expires_at from pins where group_id = ${groupId} and profile_id = any (${ids}::uuid[])`);
  const from = Math.max(clock.now(), times[0]?.at ?? -Infinity);
  const states = await loadStates(tx, applicationId, ids, rule.needs, from);
  let now = from;
  for (const state of states.values()) {
    for (const recent of state.recent.values()) now = Math.max(now, recent.at[0] ?? now);
    for (const total of state.totals.values()) now = Math.max(now, total.lastAt ?? now);
  }
  const pinned = new Map(
    pins.filter((pin) => (pin.expires_at ?? Infinity) > now).map((pin) => [pin.profile_id, pin.pin]),
  );
  const wanted = new Set<number>();
  for (const state of states.values()) {
    const pin = pinned.get(state.id);
    if (pin === undefined ? isMember(rule, state, now) : pin === 'in') wanted.add(state.ordinal);
  }
  return wanted;
}

/** The row may have been superseded meanwhile: then the failure no longer matters. */
async function noteFailure({ db, clock }: BackfillContext, due: DueBackfill, error: unknown): Promise<void> {
  const message = (error instanceof Error ? error.message : String(error)).slice(0, 1000);
  await db.transaction(async (tx) => {
    const { rows } = await tx.query<{ failures: number }>(sql`
      update backfills set last_error = ${message}, failures = failures + 1
      where group_id = ${due.group_id} and ruleset_id = ${due.ruleset_id} and stage <> 'clean' returning failures`);
    if (rows.length === 0) return;
    const now = clock.now();
    await delayRetry(tx, due.group_id, now);
    if (rows[0]?.failures === 1) await recordFailure(tx, due.application_id, due.group_id, message, now);
  });
}
