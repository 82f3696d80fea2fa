// Live evaluation: a slice of the queue, of one application, in one transaction. What it writes rests on what it read
// there: definitions, epochs and its own lease are checked, and whatever moved makes it start again. Rows of the queue
// are read before the facts, so that a row is deleted only once what it stands for was seen.

import { empty, sql, type Database, type Queryable } from '../database/database.ts';
import type { Clock } from '../clock.ts';
import { holdOffErasing } from '../membership/erasing.ts';
import { changeMembership, type MembershipChange } from '../membership/membership.ts';
import { packed } from '../database/packed.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { findAliases } from '../profiles/alias-store.ts';
import { enqueueRows } from '../queue/queue.ts';
import { NO_NEEDS, type ProfileState } from '../rules/state.ts';
import {
  changedIn,
  decide,
  GroupFailure,
  type Decision,
  type Head,
  type Pin,
  type QueueRow,
  type Subject,
} from './decide.ts';
import { failGroup } from './failures.ts';
import { findLastChanges } from './last-changes.ts';
import { LeaseLost, type Leases } from '../database/leases.ts';
import { MOST_READINGS, type ApplicationRules, type DependencySet, type RulesCache } from './rules-cache.ts';
import { loadStatesOf } from './state.ts';

export interface LiveContext {
  db: Database;
  clock: Clock;
  leases: Leases;
  rules: RulesCache;
}

export interface SliceResult {
  rows: number;
  /** When what was not the clock's doing was queued. */
  queuedAt: Instant[];
  profiles: number;
  evaluated: number;
  changes: MembershipChange[];
  /** The instant of evaluation. */
  at: Instant;
}

/** Rules or heads are newer than what this process read. */
export class StaleRules extends Error {}

export const MAX_ATTEMPTS = 20;

/** Evaluates these rows and takes them off the queue. */
export async function evaluateSlice(
  context: LiveContext,
  applicationId: number,
  rows: QueueRow[],
): Promise<SliceResult> {
  for (let attempt = 0; ; attempt++) {
    const rules = attempt === 0 ? await context.rules.get(applicationId) : await context.rules.refresh(applicationId);
    if (!rules) return { rows: 0, queuedAt: [], profiles: 0, evaluated: 0, changes: [], at: context.clock.now() };
    const hold = attempt >= MOST_READINGS;
    try {
      return await context.db.transaction((tx) => evaluateInTransaction(tx, context, rules, rows, hold), {
        retries: 10,
      });
    } catch (error) {
      if (attempt >= MAX_ATTEMPTS || error instanceof LeaseLost) throw error;
      if (error instanceof GroupFailure) await failGroup(context, applicationId, error.groupId, error.message);
      else if (!(error instanceof StaleRules)) throw error;
    }
  }
}

async function evaluateInTransaction(
  tx: Queryable,
  context: LiveContext,
  known: ApplicationRules,
  given: QueueRow[],
  hold: boolean,
): Promise<SliceResult> {
  const { applicationId } = known;
  await context.leases.hold(tx);
  const rules = hold ? ((await context.rules.hold(applicationId, tx)) ?? known) : known;
  const times = await readTimes(tx, context.clock, applicationId);
  if (times.version !== rules.version) throw new StaleRules();

  // What was swept is in the queue, and comes along: decided together, each change gets its own instant and cause.
  const rows = await withClockRows(tx, given);
  const byProfile = new Map<string, QueueRow[]>();
  for (const row of rows) {
    const list = byProfile.get(row.profile_id);
    if (list) list.push(row);
    else byProfile.set(row.profile_id, [row]);
  }
  const slice = await loadSlice(tx, rules, byProfile, Math.min(times.swept, context.clock.now()));
  const now = Math.max(
    context.clock.now(),
    times.sweeping,
    times.swept,
    ...rows.map((row) => row.queued_at),
    newestActivity(slice.subjects.values()),
  );

  const decisions = await decideAll(tx, rules, slice, now);
  const changes = [...decisions].flatMap(([profileId, decision]) =>
    decision.changes.map((change): MembershipChange => ({
      ...change,
      profileId,
      ordinal: slice.subjects.get(profileId)?.state.ordinal ?? 0,
    })),
  );
  changes.sort((a, b) => a.at - b.at);
  const touched = [...decisions].flatMap(([profileId, decision]) =>
    decision.touched.map((groupId) => ({ groupId, profileId })),
  );
  const epochs = new Map([...slice.heads].map(([groupId, head]) => [groupId, head.epoch]));
  const done = await changeMembership(tx, changes, {
    applicationId,
    now,
    queueReaders: false,
    epochs,
    touched,
    settled: true,
  });
  await deleteExpiredPins(tx, slice.subjects, decisions, now);
  await passOn(
    tx,
    applicationId,
    rows.filter((row) => !slice.subjects.has(row.profile_id)),
  );
  await deleteRows(tx, rows);
  // Losing this with the machine costs an evaluation, not a change that was seen.
  if (done.length === 0 && touched.length === 0) await tx.query(sql`set local synchronous_commit = off`);
  let evaluated = 0;
  for (const decision of decisions.values()) evaluated += decision.evaluated;
  const queuedAt = rows.filter((row) => row.cause !== 'clock').map((row) => row.queued_at);
  return { rows: rows.length, queuedAt, profiles: byProfile.size, evaluated, changes: done, at: now };
}

export async function readTimes(
  tx: Queryable,
  clock: Clock,
  applicationId: number,
): Promise<{ version: number; swept: Instant; sweeping: Instant }> {
  const { rows } = await tx.query<{ version: number; swept: Instant | null; sweeping: Instant | null }>(sql`
    select a.definitions_version as version, s.swept_until as swept, s.sweeping_until as sweeping
    from applications a left join sweeps s on s.application_id = a.id where a.id = ${applicationId}`);
  const [row] = rows;
  if (!row) throw new StaleRules();
  return { version: row.version, swept: row.swept ?? clock.now(), sweeping: row.sweeping ?? -Infinity };
}

async function withClockRows(tx: Queryable, given: QueueRow[]): Promise<QueueRow[]> {
  const { rows } = await tx.query<QueueRow>(sql`
    select profile_id, seq, application_id, cause, changed, since, queued_at from queue
    where cause = 'clock' and profile_id = any (${packed([...new Set(given.map((row) => row.profile_id))])}::uuid[])`);
  const known = new Set(given.map((row) => row.seq));
  return [...given, ...rows.filter((row) => !known.has(row.seq))];
}

interface Slice {
  rules: ApplicationRules;
  subjects: Map<string, Subject>;
  heads: Map<string, Head>;
  swept: Instant;
}

/** Since when time must be walked for these rows: a clock row is about what lies before the sweep that queued it. */
export const sinceOf = (rows: readonly QueueRow[], swept: Instant): Instant =>
  Math.min(swept, ...rows.map((row) => row.since ?? swept));

async function loadSlice(
  tx: Queryable,
  rules: ApplicationRules,
  byProfile: Map<string, QueueRow[]>,
  swept: Instant,
): Promise<Slice> {
  // Until the end: a profile that is being erased waits, and leaves every group that we put it in.
  await holdOffErasing(tx, rules.applicationId, [...byProfile.keys()]);
  const slice: Slice = { rules, subjects: new Map(), heads: new Map(), swept };
  const wanted = [...byProfile].map(([id, rows]) => ({
    id,
    rows,
    dependencySet: rules.dependencySetOf(changedIn(rows)),
  }));
  await loadSubjects(tx, slice, wanted);
  return slice;
}

interface Wanted {
  id: string;
  rows: readonly QueueRow[];
  dependencySet: DependencySet;
}

/** Loads or loads again these profiles, each with what its groups need and no more. */
async function loadSubjects(tx: Queryable, slice: Slice, wanted: readonly Wanted[]): Promise<void> {
  const { rules, heads } = slice;
  const batches = new Map<DependencySet, string[]>();
  for (const { id, dependencySet } of wanted) {
    const ids = batches.get(dependencySet);
    if (ids) ids.push(id);
    else batches.set(dependencySet, [id]);
  }
  const read = new Set([...batches.keys()].flatMap((dependencySet) => [...dependencySet.read]));
  const missing = [...read].filter((id) => !heads.has(id));
  if (missing.length > 0) await loadHeads(tx, slice, missing);
  const since = sinceOf(
    wanted.flatMap(({ rows }) => rows),
    slice.swept,
  );
  const ids = wanted.map(({ id }) => id);
  const needed = [...batches].map(([{ needs }, of]) => ({ ids: of, needs: { ...needs, groups: NO_NEEDS.groups } }));
  const [states, members, pins] = await Promise.all([
    loadStatesOf(tx, rules.applicationId, needed, since),
    loadMembers(tx, ids, [...read], heads),
    loadPins(tx, ids, [...new Set([...batches.keys()].flatMap(({ groups }) => groups))]),
  ]);
  for (const { id, rows, dependencySet } of wanted) {
    const state = states.get(id);
    if (!state) continue;
    slice.subjects.set(id, {
      state,
      rows,
      since: sinceOf(rows, slice.swept),
      loaded: dependencySet,
      member: members.get(id) ?? NO_GROUPS,
      pins: pins.get(id) ?? NO_PINS,
      lastChange: slice.subjects.get(id)?.lastChange ?? NEVER,
    });
  }
}

const NO_GROUPS: ReadonlySet<string> = new Set();
const NO_PINS: ReadonlyMap<string, Pin> = new Map();
const NEVER: ReadonlyMap<string, Instant> = new Map();

export async function loadHeads(
  tx: Queryable,
  { rules, heads }: Pick<Slice, 'rules' | 'heads'>,
  groupIds: string[],
): Promise<void> {
  const { rows } = await tx.query<Head & { group_id: string }>(sql`
    select group_id, epoch, filling, as_of, served_ruleset_id from group_heads where group_id = any (${groupIds}::uuid[])`);
  for (const { group_id, ...head } of rows) {
    const group = rules.groups.get(group_id);
    if (group && group.servedRulesetId !== head.served_ruleset_id) throw new StaleRules();
    heads.set(group_id, head);
  }
  // Deleted since the rules were compared: what is to be decided would wait for its head for ever.
  if (groupIds.some((id) => rules.groups.has(id) && !heads.has(id))) throw new StaleRules();
}

export async function loadMembers(
  tx: Queryable,
  profileIds: string[],
  groupIds: string[],
  heads: ReadonlyMap<string, Head>,
): Promise<Map<string, Set<string>>> {
  const known = groupIds.filter((id) => heads.has(id));
  const found = new Map<string, Set<string>>();
  if (known.length === 0) return found;
  const { rows } = await tx.query<{ profile_id: string; group_id: string }>(sql`
    select m.profile_id, m.group_id
    from members m
    join unnest(${known}::uuid[], ${known.map((id) => heads.get(id)?.epoch)}::bigint[]) h (group_id, epoch) on h.group_id = m.group_id
    where m.profile_id = any (${packed(profileIds)}::uuid[]) and m.since_epoch <= h.epoch and (m.until_epoch is null or m.until_epoch > h.epoch)`);
  for (const row of rows) {
    const set = found.get(row.profile_id);
    if (set) set.add(row.group_id);
    else found.set(row.profile_id, new Set([row.group_id]));
  }
  return found;
}

/** The pins of these profiles in these groups, or in every group. */
export async function loadPins(
  tx: Queryable,
  profileIds: string[],
  groupIds?: string[],
): Promise<Map<string, Map<string, Pin>>> {
  const { rows } = await tx.query<Pin & { profile_id: string; group_id: string }>(sql`
    select profile_id, group_id, pin, expires_at from pins
    where profile_id = any (${packed(profileIds)}::uuid[])
      ${groupIds ? sql`and group_id = any (${packed(groupIds)}::uuid[])` : empty}`);
  const found = new Map<string, Map<string, Pin>>();
  for (const { profile_id, group_id, ...pin } of rows) {
    const pins = found.get(profile_id) ?? new Map<string, Pin>();
    found.set(profile_id, pins.set(group_id, pin));
  }
  return found;
}

/** No activity lies in the future of an evaluation that knows it, whatever the clocks of several processes say. */
export function newestActivity(subjects: Iterable<{ state: ProfileState }>): Instant {
  let newest = -Infinity;
  for (const { state } of subjects) {
    for (const recent of state.recent.values()) newest = Math.max(newest, recent.at[0] ?? -Infinity);
    for (const total of state.totals.values()) newest = Math.max(newest, total.lastAt ?? -Infinity);
  }
  return newest;
}

/** Decides every profile; those that turn out to need more (groups that read what changed, last changes) again with it. */
async function decideAll(
  tx: Queryable,
  rules: ApplicationRules,
  slice: Slice,
  now: Instant,
): Promise<Map<string, Decision>> {
  const decisions = new Map<string, Decision>();
  let open = [...slice.subjects.keys()];
  while (open.length > 0) {
    const wanting: Wanted[] = [];
    const wantsLast: { profileId: string; groupId: string }[] = [];
    const again = new Set<string>();
    for (const id of open) {
      const subject = slice.subjects.get(id);
      if (!subject) continue;
      const decision = decide(subject, rules, slice.heads, now);
      decisions.set(id, decision);
      if (decision.wantsGroups.length > 0) {
        const groups = new Set([...subject.loaded.groups, ...decision.wantsGroups]);
        wanting.push({ id, rows: subject.rows, dependencySet: rules.dependencySetOfGroups(groups) });
      }
      for (const groupId of decision.wantsLast) wantsLast.push({ profileId: id, groupId });
      if (decision.wantsGroups.length + decision.wantsLast.length > 0) again.add(id);
    }
    if (wantsLast.length > 0) await loadLastChanges(tx, slice, wantsLast);
    if (wanting.length > 0) await loadSubjects(tx, slice, wanting);
    open = [...again];
  }
  return decisions;
}

async function loadLastChanges(
  tx: Queryable,
  slice: Slice,
  pairs: { profileId: string; groupId: string }[],
): Promise<void> {
  const rows = await findLastChanges(
    tx,
    pairs.map((pair) => ({ ...pair, epoch: slice.heads.get(pair.groupId)?.epoch })),
  );
  for (const { profileId, groupId, at } of rows) {
    const subject = slice.subjects.get(profileId);
    if (!subject) continue;
    slice.subjects.set(profileId, {
      ...subject,
      lastChange: new Map(subject.lastChange).set(groupId, at ?? -Infinity),
    });
  }
}

/** Only of groups whose time was walked beyond the end: of another group, a pin is loaded for other profiles' sake. */
async function deleteExpiredPins(
  tx: Queryable,
  subjects: ReadonlyMap<string, Subject>,
  decisions: ReadonlyMap<string, Decision>,
  now: Instant,
): Promise<void> {
  const expired = [...decisions].flatMap(([profileId, { walked }]) =>
    walked
      .filter((groupId) => (subjects.get(profileId)?.pins.get(groupId)?.expires_at ?? Infinity) <= now)
      .map((groupId) => ({ profileId, groupId })),
  );
  if (expired.length === 0) return;
  await tx.query(sql`
    delete from pins p using unnest(${expired.map((pair) => pair.profileId)}::uuid[], ${expired.map((pair) => pair.groupId)}::uuid[]) e (profile_id, group_id)
    where p.profile_id = e.profile_id and p.group_id = e.group_id and p.expires_at <= ${formatInstant(now)}`);
}

/**
 * Rows of profiles that are gone: of one that was merged, what time did to its activities concerns the target. A sweep may
 * have looked before the merge and beyond its instant; what lies before that, the merge itself decided.
 */
async function passOn(tx: Queryable, applicationId: number, rows: readonly QueueRow[]): Promise<void> {
  if (rows.length === 0) return;
  const targets = await findAliases(tx, applicationId, [...new Set(rows.map((row) => row.profile_id))]);
  for (const { profile_id: id, cause, changed, since, queued_at: now } of rows) {
    const target = targets.get(id);
    if (!target) continue;
    const entry = { applicationId, cause, now, ...(since !== null && { since: Math.max(since, target.mergedAt) }) };
    await tx.query(
      enqueueRows(
        entry,
        sql`select ${target.id}::uuid as profile_id, ${target.ordinal}::int as ordinal, ${changed}::text[] as changed`,
      ),
    );
  }
}

async function deleteRows(tx: Queryable, rows: QueueRow[]): Promise<void> {
  await tx.query(sql`
    delete from queue q using unnest(${packed(rows.map((row) => row.profile_id))}::uuid[], ${packed(rows.map((row) => row.seq))}::bigint[]) r (profile_id, seq)
    where q.profile_id = r.profile_id and q.seq = r.seq`);
}
