// Why a profile is or is not a member, and when that changes if nothing else happens: the rule with what each leaf
// found, the pin above it, and the flips of the groups that it reads, worked out from their own rules and pins.

import type { Application } from '../applications/application.ts';
import type { Clock } from '../clock.ts';
import { sql, type Database, type Queryable } from '../database/database.ts';
import type { Group } from '../groups/group.ts';
import { readUuid } from '../ids.ts';
import { formatInstant, INSTANT_LIMIT, type Instant } from '../instant.ts';
import { timeline, type CompiledRule } from '../rules/evaluate.ts';
import { explainRule, type Explanation } from '../rules/explain.ts';
import { mergeNeeds, type ProfileState } from '../rules/state.ts';
import { newestActivity } from './live.ts';
import { presentPin, type PinRow, type PinResource } from './pin.ts';
import type { ApplicationRules, RulesCache } from './rules-cache.ts';
import { loadStates } from './state.ts';

export interface ExplainedMembership {
  is_member: boolean;
  since: string | null;
  pin: PinResource | null;
  next_change_at: string | null;
  explanation: Explanation | null;
}

export interface ExplainContext {
  db: Database;
  clock: Clock;
  rules: RulesCache;
}

/** Undefined where there is no such profile. */
export async function explainMember(
  context: ExplainContext,
  application: Application,
  group: Group,
  profileId: string,
): Promise<ExplainedMembership | undefined> {
  const id = readUuid(profileId);
  if (id === undefined) return undefined;
  return context.db.transaction((tx) => explainInSnapshot(tx, context, application.id, group.id, id), {
    isolation: 'repeatable read',
  });
}

interface MembershipRow {
  group_id: string;
  served_ruleset_id: string | null;
  as_of: Instant | null;
  since: Instant | null;
}

async function explainInSnapshot(
  tx: Queryable,
  context: ExplainContext,
  applicationId: number,
  groupId: string,
  profileId: string,
): Promise<ExplainedMembership | undefined> {
  const rules = await currentRules(tx, context.rules, applicationId, (known) => [...readBy(known, groupId)]);
  const order = innersFirst(rules, groupId);
  const reads = readBy(rules, groupId);
  const memberships = await loadMemberships(tx, profileId, [...reads]);
  const pins = await loadPins(tx, profileId, order);
  const needs = mergeNeeds(order.flatMap((id) => servedOf(rules, id)?.explainNeeds ?? []));
  const before = context.clock.now();
  const states = await loadStates(tx, applicationId, [profileId], { ...needs, groups: new Set() }, before);
  const state = states.get(profileId);
  if (!state) return undefined;
  const now = Math.max(before, newestActivity([{ state }]));
  for (const id of reads)
    state.groups.set(id, {
      member: memberships.get(id)?.since !== undefined && memberships.get(id)?.since !== null,
      flips: [],
    });
  const next = walkGroups(rules, order, state, now, {
    isLive: (id) => memberships.get(id)?.as_of === null && rules.groups.get(id)?.isPaused === false,
    pinOf: (id) => pins.get(id),
  });
  const rule = servedOf(rules, groupId);
  const [change = INSTANT_LIMIT] = next;
  const since = memberships.get(groupId)?.since ?? null;
  const pin = pins.get(groupId);
  return {
    is_member: since !== null,
    since: since === null ? null : formatInstant(since),
    pin: pin && isOn(pin, now) ? presentPin(pin) : null,
    next_change_at: change < INSTANT_LIMIT ? formatInstant(change) : null,
    explanation: rule ? explainRule(rule, state, now).explanation : null,
  };
}

/**
 * The instants after `now` at which membership of the last of these groups changes. Each is walked after those that it reads,
 * whose flips are left in the state.
 */
export function walkGroups(
  rules: ApplicationRules,
  order: readonly string[],
  state: ProfileState,
  now: Instant,
  { isLive, pinOf }: { isLive: (id: string) => boolean; pinOf: (id: string) => PinRow | undefined },
): Instant[] {
  let next: Instant[] = [];
  for (const id of order) {
    if (!rules.groups.has(id)) continue;
    next = flipsOf(servedOf(rules, id), isLive(id), state, pinOf(id), now);
    state.groups.set(id, { member: state.groups.get(id)?.member ?? false, flips: next });
  }
  return next;
}

/** What readers see follows from it; before the first backfill, what they are going to see. */
export const servedOf = (rules: ApplicationRules, groupId: string): CompiledRule | undefined => {
  const group = rules.groups.get(groupId);
  return group?.servedRulesetId === null ? group.latest : group?.served;
};

const isOn = (pin: PinRow, at: Instant): boolean => (pin.expires_at ?? Infinity) > at;

/** The instants after `now` at which membership changes: by the rule while the group is live, and by the end of the pin. */
function flipsOf(
  rule: CompiledRule | undefined,
  isLive: boolean,
  state: ProfileState,
  pin: PinRow | undefined,
  now: Instant,
): Instant[] {
  if (!rule) return [];
  if (pin === undefined || !isOn(pin, now))
    return isLive ? timeline(rule, state, now, Infinity).changes.map((change) => change.at) : [];
  const end = pin.expires_at;
  if (end === null) return [];
  const pinned = pin.pin === 'in';
  const walk = timeline(rule, state, now, isLive ? Infinity : end);
  let member = walk.member;
  for (const change of walk.changes) if (change.at <= end) member = change.member;
  const later = walk.changes.filter((change) => change.at > end).map((change) => change.at);
  return member === pinned ? later : [end, ...later];
}

/** The group and all dynamic groups that it reads, directly or not, each after those that it reads. */
export function innersFirst(rules: ApplicationRules, groupId: string): string[] {
  const found = new Set<string>();
  const visit = (id: string): void => {
    if (found.has(id) || !rules.groups.has(id)) return;
    found.add(id);
    for (const inner of servedOf(rules, id)?.needs.groups ?? []) visit(inner);
  };
  visit(groupId);
  return [...found].sort((a, b) => (rules.places.get(a) ?? 0) - (rules.places.get(b) ?? 0));
}

/** Those, and what they read beside: static groups. */
export function readBy(rules: ApplicationRules, groupId: string): Set<string> {
  const order = innersFirst(rules, groupId);
  return new Set([...order, ...order.flatMap((id) => [...(servedOf(rules, id)?.needs.groups ?? [])])]);
}

/** Compiled rules as this snapshot has them; what is served is looked at of the groups that are wanted alone. */
export async function currentRules(
  tx: Queryable,
  cache: RulesCache,
  applicationId: number,
  wanted: (known: ApplicationRules) => readonly string[],
): Promise<ApplicationRules> {
  const { rows } = await tx.query<{ version: number }>(
    sql`select definitions_version as version from applications where id = ${applicationId}`,
  );
  const version = rows[0]?.version;
  const known = await cache.get(applicationId);
  if (known && known.version === version && (await areServed(tx, known, wanted(known)))) return known;
  const rules = await cache.refresh(applicationId, tx);
  if (!rules) throw new Error(`there is no application ${applicationId}`);
  return rules;
}

/** A switch changes what a group serves, and no definition. */
async function areServed(tx: Queryable, { groups }: ApplicationRules, ids: readonly string[]): Promise<boolean> {
  const { rows } = await tx.query<{ group_id: string; served_ruleset_id: string | null }>(sql`
    select group_id, served_ruleset_id from group_heads where group_id = any (${ids}::uuid[])`);
  return rows.every((row) => {
    const group = groups.get(row.group_id);
    return !group || group.servedRulesetId === row.served_ruleset_id;
  });
}

async function loadMemberships(
  tx: Queryable,
  profileId: string,
  groupIds: string[],
): Promise<Map<string, MembershipRow>> {
  const { rows } = await tx.query<MembershipRow>(sql`
    with mine as materialized (
      select group_id, since_epoch, until_epoch, entered_at from members
      where profile_id = ${profileId} and group_id = any (${groupIds}::uuid[]))
    select h.group_id, h.served_ruleset_id, h.as_of, case when m.entered_at = '-infinity' then e.switched_at else m.entered_at end as since
    from group_heads h
    left join mine m on m.group_id = h.group_id and m.since_epoch <= h.epoch and (m.until_epoch is null or m.until_epoch > h.epoch)
    left join group_epochs e on e.group_id = h.group_id and e.epoch = m.since_epoch
    where h.group_id = any (${groupIds}::uuid[])`);
  return new Map(rows.map((row) => [row.group_id, row]));
}

async function loadPins(tx: Queryable, profileId: string, groupIds: string[]): Promise<Map<string, PinRow>> {
  const { rows } = await tx.query<PinRow>(sql`
    select group_id, profile_id, pin, reason, expires_at, created_at, created_by from pins
    where profile_id = ${profileId} and group_id = any (${groupIds}::uuid[])`);
  return new Map(rows.map((row) => [row.group_id, row]));
}
