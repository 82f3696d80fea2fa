// Two profiles become one: their memberships. In one transaction both are brought up to its instant by what they were, so
// that no flip of either is lost; then the source leaves everything, and the target is decided by what it is now. Nobody
// evaluates either of them meanwhile: workers hold erasing off (membership/erasing.ts), and a merge waits for them as
// erasing does.

import { SEQUENTIALLY, sql, type Database, type Queryable } from '../database/database.ts';
import type { Clock } from '../clock.ts';
import type { FinishedMerge, MembershipMerge, MergingProfile } from '../groups/dynamic.ts';
import type { Instant } from '../instant.ts';
import { changeMembership, deletePrepared, type MembershipChange } from '../membership/membership.ts';
import { dependency } from '../rules/depends.ts';
import type { ProfileState } from '../rules/state.ts';
import { decide, GroupFailure, type Decision, type Head, type Pin, type QueueRow, type Subject } from './decide.ts';
import { failGroup } from './failures.ts';
import { findLastChanges } from './last-changes.ts';
import { MAX_ATTEMPTS, sinceOf, StaleRules } from './live.ts';
import { hold, loadFacts, readBefore, type Before, type Held, type Merge } from './merge-reading.ts';
import { groupKey, MOST_READINGS, type ApplicationRules, type RulesCache } from './rules-cache.ts';

interface MergeContext {
  db: Database;
  clock: Clock;
  rules: RulesCache;
}

export async function mergeMemberships<T>(
  context: MergeContext,
  applicationId: number,
  work: (tx: Queryable, merge: MembershipMerge) => Promise<T>,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const known = attempt === 0 ? await context.rules.get(applicationId) : await context.rules.refresh(applicationId);
    if (!known) throw new Error(`there is no application ${applicationId}`);
    try {
      return await context.db.transaction(
        async (tx) => {
          if (context.db.isDistributed === true) await tx.query(SEQUENTIALLY);
          const held = attempt >= MOST_READINGS ? await context.rules.hold(applicationId, tx) : undefined;
          const rules = held ?? known;
          return work(tx, createMerge(tx, context, rules));
        },
        { retries: 10 },
      );
    } catch (error) {
      if (attempt >= MAX_ATTEMPTS) throw error;
      if (error instanceof GroupFailure) await failGroup(context, applicationId, error.groupId, error.message);
      else if (!(error instanceof StaleRules)) throw error;
    }
  }
}

function createMerge(tx: Queryable, context: MergeContext, rules: ApplicationRules): MembershipMerge {
  const every = rules.dependencySetOfGroups(new Set(rules.groups.keys()));
  let before: Before | undefined;
  let merge: Merge | undefined;
  let held: Held | undefined;
  return {
    async read(profileIds) {
      before = await readBefore(tx, context, rules, every, profileIds);
    },
    begin(source, target, earliest) {
      if (!before) throw new Error('what both are was not read');
      const now = Math.max(context.clock.now(), earliest, before.earliest);
      merge = { tx, rules, every, source, target, swept: before.swept, now };
      return now;
    },
    async hold() {
      if (!merge) throw new Error('the merge has not begun');
      held = await hold(merge);
    },
    async finish() {
      if (!before || !merge || !held) throw new Error('the merge has not begun');
      return finish(merge, before.states, held);
    },
  };
}

async function finish(merge: Merge, before: Map<string, ProfileState>, held: Held): Promise<FinishedMerge> {
  const { tx, rules, source, target, now } = merge;
  const { rows, filling, statics, heads, members, pins } = held;
  const ids = [source.id, target.id];
  const known: Known = { merge, heads, members, pins, lastChange: new Map() };

  // As they were.
  const own = new Map<string, Decision>();
  for (const id of ids) {
    const state = before.get(id);
    const asked = [...rows.filter((row) => row.profile_id === id), clockRow(known, id)];
    if (state) own.set(id, await decideAs(known, id, state, asked, sinceOf(asked, merge.swept)));
  }
  const changes = [...own].flatMap(([profileId, decision]) => {
    const { ordinal } = profileId === source.id ? source : target;
    return decision.changes.map((change): MembershipChange => ({ ...change, profileId, ordinal }));
  });
  changes.sort((a, b) => a.at - b.at);
  for (const change of changes) follow(known, change);

  // As one.
  const gained = [...membersOf(known, source.id)].filter(
    (id) => statics.has(id) && !membersOf(known, target.id).has(id),
  );
  const [moved, state] = await Promise.all([
    movePins(known, own),
    loadMerged(merge),
    findLast(known, [
      ...[...membersOf(known, source.id)].map((groupId) => ({ profileId: source.id, groupId })),
      ...gained.map((groupId) => ({ profileId: target.id, groupId })),
    ]),
  ]);
  const merged: MembershipChange[] = [
    ...[...membersOf(known, source.id)].map((groupId) => changeOf(known, source, groupId, 'left')),
    ...gained.map((groupId) => changeOf(known, target, groupId, 'entered')),
  ];
  for (const change of merged) follow(known, change);
  const decision = await decideMerged(known, state, gained, moved);
  for (const change of decision.changes)
    merged.push({ ...change, cause: 'merged', profileId: target.id, ordinal: target.ordinal });

  const noted = [...new Set([...filling, ...decision.touched])];
  const done = await changeMembership(tx, [...changes, ...merged], {
    applicationId: rules.applicationId,
    now,
    queueReaders: false,
    epochs: new Map([...heads].map(([id, head]) => [id, head.epoch])),
    touched: noted.flatMap((groupId) => ids.map((profileId) => ({ groupId, profileId }))),
    settled: true,
  });
  const forgotten = forget(merge, rows);
  forgotten.catch(() => {}); // the caller waits for it
  const ofTarget = done.filter((change) => change.profileId === target.id && change.cause === 'merged');
  const groupsOf = (change: 'entered' | 'left'): string[] =>
    ofTarget.filter((one) => one.change === change).map((one) => one.groupId);
  return { groups: { entered: groupsOf('entered'), left: groupsOf('left') }, forgotten };
}

interface Known {
  merge: Merge;
  heads: ReadonlyMap<string, Head>;
  members: Map<string, Set<string>>;
  pins: Map<string, Map<string, Pin>>;
  /** By profile, then group. */
  lastChange: Map<string, Map<string, Instant>>;
}

const membersOf = ({ members }: Known, id: string): ReadonlySet<string> => members.get(id) ?? new Set();

/** A change that was decided becomes what is known. */
function follow({ members, lastChange }: Known, { profileId, groupId, change, at }: MembershipChange): void {
  const set = new Set(members.get(profileId));
  if (change === 'entered') set.add(groupId);
  else set.delete(groupId);
  members.set(profileId, set);
  lastChange.set(profileId, new Map(lastChange.get(profileId)).set(groupId, at));
}

function changeOf(
  known: Known,
  profile: MergingProfile,
  groupId: string,
  change: 'entered' | 'left',
): MembershipChange {
  const last = known.lastChange.get(profile.id)?.get(groupId) ?? -Infinity;
  const at = Math.max(known.merge.now, last);
  return { groupId, profileId: profile.id, ordinal: profile.ordinal, change, at, cause: 'merged' };
}

async function findLast(known: Known, pairs: { profileId: string; groupId: string }[]): Promise<void> {
  const { merge, heads, lastChange } = known;
  const open = pairs.filter(({ profileId, groupId }) => lastChange.get(profileId)?.get(groupId) === undefined);
  if (open.length === 0) return;
  const found = await findLastChanges(
    merge.tx,
    open.map((pair) => ({ ...pair, epoch: heads.get(pair.groupId)?.epoch })),
  );
  for (const { profileId, groupId, at } of found)
    lastChange.set(profileId, new Map(lastChange.get(profileId)).set(groupId, at ?? -Infinity));
}

/** Looks at every rule, as if each had something that time did. */
function clockRow({ merge: { rules, swept, now }, pins }: Known, profileId: string): QueueRow {
  const ended = [...(pins.get(profileId) ?? [])].filter(([, pin]) => (pin.expires_at ?? Infinity) <= now);
  return {
    profile_id: profileId,
    seq: -1,
    application_id: rules.applicationId,
    cause: 'clock',
    changed: [...everyRule(rules), ...ended.map(([groupId]) => groupKey.pin(groupId))],
    since: swept,
    queued_at: now,
  };
}

const everyRule = (rules: ApplicationRules): string[] => [...rules.groups.keys()].map(groupKey.rule);

async function decideAs(
  known: Known,
  id: string,
  state: ProfileState,
  rows: readonly QueueRow[],
  since: Instant,
): Promise<Decision> {
  const { merge, heads } = known;
  for (;;) {
    const subject: Subject = {
      state,
      rows,
      since,
      loaded: merge.every,
      member: membersOf(known, id),
      pins: known.pins.get(id) ?? new Map(),
      lastChange: known.lastChange.get(id) ?? new Map(),
    };
    const decision = decide(subject, merge.rules, heads, merge.now);
    if (decision.wantsGroups.length > 0) throw new StaleRules();
    if (decision.wantsLast.length === 0) return decision;
    await findLast(
      known,
      decision.wantsLast.map((groupId) => ({ profileId: id, groupId })),
    );
  }
}

async function loadMerged({ tx, rules, every, target, now }: Merge): Promise<ProfileState> {
  const states = await loadFacts(tx, rules, every, [target.id], now);
  const state = states.get(target.id);
  if (!state) throw new Error(`profile ${target.id} is gone although it is held`);
  return state;
}

/** The target by what it is now, all of it at once and at this instant. */
function decideMerged(
  known: Known,
  state: ProfileState,
  gained: readonly string[],
  pinned: readonly string[],
): Promise<Decision> {
  const { rules, target, now } = known.merge;
  const row: QueueRow = {
    profile_id: target.id,
    seq: -1,
    application_id: rules.applicationId,
    cause: 'profile',
    changed: [...everyRule(rules), ...gained.map(dependency.group), ...pinned.map(groupKey.pin)],
    since: null,
    queued_at: now,
  };
  return decideAs(known, target.id, state, [row], now);
}

/**
 * The source's pins come along where the target has none. Those whose end was walked past, or of which nothing will be
 * told since their group is deactivated, are gone. Returns the groups of those that came.
 */
async function movePins(known: Known, own: ReadonlyMap<string, Decision>): Promise<string[]> {
  const { tx, rules, source, target, now } = known.merge;
  const isOver = (id: string, groupId: string, pin: Pin): boolean =>
    (pin.expires_at ?? Infinity) <= now &&
    (own.get(id)?.walked.includes(groupId) === true || !rules.groups.has(groupId));
  const pinsOf = (id: string): Map<string, Pin> =>
    new Map([...(known.pins.get(id) ?? [])].filter(([groupId, pin]) => !isOver(id, groupId, pin)));
  const kept = pinsOf(target.id);
  const over = [...(known.pins.get(target.id)?.keys() ?? [])].filter((groupId) => !kept.has(groupId));
  const moving = new Map([...pinsOf(source.id)].filter(([groupId]) => !kept.has(groupId)));
  await Promise.all([
    ...(over.length > 0
      ? [tx.query(sql`delete from pins where profile_id = ${target.id} and group_id = any (${over}::uuid[])`)]
      : []),
    ...(moving.size > 0
      ? [
          tx.query(sql`
      insert into pins (profile_id, group_id, application_id, ordinal, pin, reason, expires_at, created_at, created_by)
      select ${target.id}::uuid, group_id, application_id, ${target.ordinal}::int, pin, reason, expires_at, created_at, created_by
      from pins where profile_id = ${source.id} and group_id = any (${[...moving.keys()]}::uuid[])`),
        ]
      : []),
    tx.query(sql`delete from pins where profile_id = ${source.id}`),
  ]);
  known.pins.set(target.id, new Map([...kept, ...moving]));
  return [...moving.keys()];
}

/** What was evaluated waits no longer, and of the source nothing is left that a switch prepared. */
async function forget({ tx, source, target }: Merge, rows: readonly QueueRow[]): Promise<void> {
  const ofTarget = rows.filter((row) => row.profile_id === target.id).map((row) => row.seq);
  await Promise.all([
    ...(ofTarget.length > 0
      ? [tx.query(sql`delete from queue where profile_id = ${target.id} and seq = any (${ofTarget}::bigint[])`)]
      : []),
    tx.query(sql`delete from queue where profile_id = ${source.id}`),
    deletePrepared(tx, source.id),
  ]);
}
