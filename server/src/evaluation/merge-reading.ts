// What a merge of two profiles reads: what both were, and, once nobody else may change them, where they stand.

import type { Clock } from '../clock.ts';
import { sql, type Queryable } from '../database/database.ts';
import type { MergingProfile } from '../groups/dynamic.ts';
import type { Instant } from '../instant.ts';
import { lockForErasing } from '../membership/erasing.ts';
import { NO_NEEDS, type ProfileState } from '../rules/state.ts';
import type { Head, Pin, QueueRow } from './decide.ts';
import { loadHeads, loadPins, newestActivity, readTimes, sinceOf, StaleRules } from './live.ts';
import type { ApplicationRules, DependencySet } from './rules-cache.ts';
import { loadStates } from './state.ts';

export interface Merge {
  tx: Queryable;
  rules: ApplicationRules;
  /** Every dynamic group. */
  every: DependencySet;
  source: MergingProfile;
  target: MergingProfile;
  /** Up to when memberships are right but for what waits. */
  swept: Instant;
  now: Instant;
}

/** What both were. */
export interface Before {
  states: Map<string, ProfileState>;
  swept: Instant;
  /** The merge is not before this. */
  earliest: Instant;
}

export async function readBefore(
  tx: Queryable,
  { clock }: { clock: Clock },
  rules: ApplicationRules,
  every: DependencySet,
  ids: readonly string[],
): Promise<Before> {
  const waiting = Promise.all([readTimes(tx, clock, rules.applicationId), loadRows(tx, ids)]).then(([times, rows]) => {
    if (times.version !== rules.version) throw new StaleRules();
    return { ...times, rows, swept: Math.min(times.swept, clock.now()) };
  });
  const since = waiting.then(({ rows, swept }) => sinceOf(rows, swept));
  since.catch(() => {}); // loading says it, unless it fails before it asks
  const [{ sweeping, rows, swept }, states] = await Promise.all([waiting, loadFacts(tx, rules, every, ids, since)]);
  const earliest = Math.max(
    sweeping,
    swept,
    ...rows.map((row) => row.queued_at),
    newestActivity([...states.values()].map((state) => ({ state }))),
  );
  return { states, swept, earliest };
}

export const loadFacts = (
  tx: Queryable,
  { applicationId }: ApplicationRules,
  { needs }: DependencySet,
  ids: readonly string[],
  since: Instant | Promise<Instant>,
): Promise<Map<string, ProfileState>> =>
  loadStates(tx, applicationId, ids, { ...needs, groups: NO_NEEDS.groups }, since);

async function loadRows(tx: Queryable, profileIds: readonly string[]): Promise<QueueRow[]> {
  const { rows } = await tx.query<QueueRow>(sql`
    select profile_id, seq, application_id, cause, changed, since, queued_at from queue
    where profile_id = any (${profileIds}::uuid[]) order by seq`);
  return rows;
}

export interface Held {
  /** What waits for either. */
  rows: QueueRow[];
  filling: string[];
  /** Of the groups that either is in. */
  statics: ReadonlySet<string>;
  heads: Map<string, Head>;
  members: Map<string, Set<string>>;
  pins: Map<string, Map<string, Pin>>;
}

export async function hold({ tx, rules, every, source, target }: Merge): Promise<Held> {
  const ids = [source.id, target.id];
  // In one round trip and in this order: what waits is read before what it stands for. Of facts nothing came since they
  // were locked.
  const [, rows, held, filling] = await Promise.all([
    lockBoth(tx, rules.applicationId, ids),
    loadRows(tx, ids),
    holdMembers(tx, ids),
    listFilling(tx, rules.applicationId),
  ]);
  const heldIds = [...new Set(held.map((row) => row.group_id))];
  const heads = new Map<string, Head>();
  const [statics, , pins] = await Promise.all([
    listStatic(tx, heldIds),
    loadHeads(tx, { rules, heads }, [...new Set([...every.read, ...heldIds, ...filling])]),
    loadPins(tx, ids), // also in groups that nobody evaluates: they may be restored
  ]);
  return { rows, filling, statics, heads, members: visible(held, heads), pins };
}

/** The groups of each that readers see at these epochs. Nobody writes rows of theirs since they are held. */
function visible(held: readonly MemberRow[], heads: ReadonlyMap<string, Head>): Map<string, Set<string>> {
  const members = new Map<string, Set<string>>();
  for (const { profile_id, group_id, since_epoch, until_epoch } of held) {
    const epoch = heads.get(group_id)?.epoch;
    if (epoch === undefined || since_epoch > epoch || (until_epoch ?? Infinity) <= epoch) continue;
    members.set(profile_id, (members.get(profile_id) ?? new Set()).add(group_id));
  }
  return members;
}

/** In one order, whichever of the two is the source. */
async function lockBoth(tx: Queryable, applicationId: number, ids: readonly string[]): Promise<void> {
  const ordered = ids.toSorted((a, b) => (a.slice(-1) < b.slice(-1) ? -1 : 1));
  await Promise.all(ordered.map((id) => lockForErasing(tx, applicationId, id)));
}

interface MemberRow {
  profile_id: string;
  group_id: string;
  since_epoch: number;
  until_epoch: number | null;
}

/** Every member row of the two, seen or prepared, until the end: a removal waits, or has happened. */
async function holdMembers(tx: Queryable, ids: readonly string[]): Promise<MemberRow[]> {
  const found = await Promise.all(
    ids.toSorted().map((id) =>
      tx.query<MemberRow>(sql`
        select profile_id, group_id, since_epoch, until_epoch from members where profile_id = ${id} order by group_id for update`),
    ),
  );
  return found.flatMap(({ rows }) => rows);
}

async function listStatic(tx: Queryable, groupIds: readonly string[]): Promise<Set<string>> {
  if (groupIds.length === 0) return new Set();
  const { rows } = await tx.query<{ id: string }>(sql`
    select id from groups where id = any (${groupIds}::uuid[]) and membership_type = 'static'`);
  return new Set(rows.map((row) => row.id));
}

/** The groups for which somebody prepares another membership and may have read either profile before. */
async function listFilling(tx: Queryable, applicationId: number): Promise<string[]> {
  const { rows } = await tx.query<{ group_id: string }>(sql`
    select group_id from backfills where application_id = ${applicationId} and stage <> 'clean'`);
  return rows.map((row) => row.group_id);
}
