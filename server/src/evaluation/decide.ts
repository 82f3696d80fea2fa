// What one profile's changes do to its memberships: a pure function of what was loaded. Groups are decided in reading
// order, each over the memberships that this same pass gave the groups that it reads.
//
// Every decision walks the time since the last sweep, not only the present: a flip between that instant and now is
// written at its own instant, whichever row made us look.

import type { ChangeCause } from '../membership/membership.ts';
import type { Instant } from '../instant.ts';
import { dependency } from '../rules/depends.ts';
import { timeline, type CompiledRule } from '../rules/evaluate.ts';
import type { ProfileState } from '../rules/state.ts';
import type { QueueCause } from '../queue/queue.ts';
import { groupKey, type ApplicationRules, type DependencySet, type GroupRules } from './rules-cache.ts';

export interface QueueRow {
  profile_id: string;
  seq: number;
  application_id: number;
  cause: QueueCause;
  changed: string[];
  /** Of a clock row: up to when the profile's memberships were swept before. */
  since: Instant | null;
  queued_at: Instant;
}

export interface Pin {
  pin: 'in' | 'out';
  expires_at: Instant | null;
}

/** A group's head, as the transaction read it. */
export interface Head {
  epoch: number;
  filling: boolean;
  as_of: Instant | null;
  served_ruleset_id: string | null;
}

/** One profile of a slice, with everything that was loaded of it. */
export interface Subject {
  state: ProfileState;
  rows: readonly QueueRow[];
  /** Up to when its memberships are right but for these rows. */
  since: Instant;
  /** The groups that everything needed is known of. */
  loaded: Pick<DependencySet, 'groups' | 'has'>;
  /** The groups, among those loaded, that it is a visible member of. */
  member: ReadonlySet<string>;
  pins: ReadonlyMap<string, Pin>;
  /** When its membership last changed, by group, as far as asked; -Infinity: never. */
  lastChange: ReadonlyMap<string, Instant>;
}

export interface Decided {
  groupId: string;
  change: 'entered' | 'left';
  at: Instant;
  cause: ChangeCause;
}

export interface Decision {
  changes: Decided[];
  /** Groups being filled that this profile's changes concern. */
  touched: string[];
  /** Groups that must be loaded before the decision stands. */
  wantsGroups: string[];
  /** Groups whose last change must be known before the decision stands. */
  wantsLast: string[];
  /** Of the groups with a pin, those whose time was walked up to now, the end of the pin included. */
  walked: string[];
  /** How many rules were evaluated. */
  evaluated: number;
}

/** A rule threw: its group is to be marked, and the slice evaluated without it. */
export class GroupFailure extends Error {
  readonly groupId: string;
  constructor(groupId: string, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.groupId = groupId;
  }
}

interface Walk {
  member: boolean;
  changes: { at: Instant; member: boolean; cause: ChangeCause; isEntry: boolean }[];
}

export function decide(
  subject: Subject,
  rules: ApplicationRules,
  heads: ReadonlyMap<string, Head>,
  now: Instant,
): Decision {
  const decision: Decision = { changes: [], touched: [], wantsGroups: [], wantsLast: [], walked: [], evaluated: 0 };
  const changedInners = new Map<string, Instant[]>();
  const order = inOrder(rules.dependencySetOf(changedIn(subject.rows)).groups, rules);
  for (let id = order.next(); id !== undefined; id = order.next()) {
    const head = heads.get(id);
    if (!head || !subject.loaded.has(id)) {
      decision.wantsGroups.push(id);
      continue;
    }
    if (head.filling) decision.touched.push(id);
    const decided = decideGroup(id, head, subject, rules, now, changedInners, decision);
    if (decided.length === 0) continue;
    decision.changes.push(...decided);
    changedInners.set(
      id,
      decided.map((change) => change.at),
    );
    for (const reader of rules.readersOf([dependency.group(id)])) order.add(reader);
  }
  return decision;
}

/** What several rows say that changed, each key once. */
export function changedIn(rows: readonly QueueRow[]): readonly string[] {
  const [only] = rows;
  return only && rows.length === 1 ? only.changed : [...new Set(rows.flatMap((row) => row.changed))].sort();
}

/** Hands out groups in reading order, each once; what reads the one handed out last may be added. */
function inOrder(
  ordered: readonly string[],
  rules: ApplicationRules,
): { next(): string | undefined; add(id: string): void } {
  const placeOf = (id: string): number => rules.places.get(id) ?? 0;
  let grown: { seen: Set<string>; list: string[] } | undefined;
  let position = 0;
  return {
    next: () => (grown?.list ?? ordered)[position++],
    add(id) {
      grown ??= { seen: new Set(ordered), list: [...ordered] };
      const { seen, list } = grown;
      if (seen.has(id)) return;
      seen.add(id);
      let at = list.length;
      while (at > position && placeOf(list[at - 1] ?? '') > placeOf(id)) at--;
      list.splice(at, 0, id);
    },
  };
}

/** Those of the profile's rows that concern the group. */
function rowsOf(groupId: string, subject: Subject, rules: ApplicationRules): readonly QueueRow[] {
  return subject.rows.filter((row) => rules.dependencySetOf(row.changed).has(groupId));
}

const NOTHING: readonly Decided[] = [];

/** One group of a profile: what its members' list says, and how it is walked. */
interface Turn {
  groupId: string;
  group: GroupRules;
  subject: Subject;
  rules: ApplicationRules;
  isMember: boolean;
  isPinned: boolean;
  now: Instant;
  changedInners: ReadonlyMap<string, Instant[]>;
  walk(from: Instant): Walk;
}

function decideGroup(
  groupId: string,
  head: Head,
  subject: Subject,
  rules: ApplicationRules,
  clock: Instant,
  changedInners: ReadonlyMap<string, Instant[]>,
  decision: Decision,
): readonly Decided[] {
  const group = rules.groups.get(groupId);
  if (!group) return NOTHING;
  const isPinned = subject.rows.some((row) => row.changed.includes(groupKey.pin(groupId)));
  const isLive = head.as_of === null && !group.isPaused && group.served !== undefined;
  if (!isLive && !isPinned) return NOTHING;
  if (subject.pins.has(groupId)) decision.walked.push(groupId);

  const isMember = subject.member.has(groupId);
  const last = subject.lastChange.get(groupId);
  const now = Math.max(clock, last ?? clock);
  const walk = (from: Instant): Walk => {
    decision.evaluated++;
    return walkWithPin(group.served, subject, groupId, isMember, changedInners, from, now);
  };
  const turn: Turn = { groupId, group, subject, rules, isMember, isPinned, now, changedInners, walk };
  const found = walkSince(turn, isLive ? Math.max(subject.since, last ?? subject.since) : now);
  if (!found) return NOTHING;
  if (last === undefined) decision.wantsLast.push(groupId);
  return toChanges(turn, found);
}

interface Found {
  base: Walk;
  from: Instant;
  rows: readonly QueueRow[];
}

const isQuiet = (walk: Walk, isMember: boolean): boolean => walk.member === isMember && walk.changes.length === 0;

/** The walk that readers are to see; undefined where nothing changes. */
function walkSince({ groupId, subject, rules, isMember, now, walk }: Turn, since: Instant): Found | undefined {
  try {
    const base = walk(since);
    if (isQuiet(base, isMember)) return undefined;
    const rows = rowsOf(groupId, subject, rules);
    const queued = Math.min(...rows.filter((row) => row.cause !== 'clock').map((row) => row.queued_at));
    // What was done takes effect when it was acknowledged, not when it is said to have happened: the past stays as it is.
    const tooEarly = base.member !== isMember || base.changes.some((change) => change.isEntry && change.at <= queued);
    if (queued === Infinity || !tooEarly || queued <= since) return { base, from: since, rows };
    const from = Math.min(queued, now);
    const again = walk(from);
    return isQuiet(again, isMember) ? undefined : { base: again, from, rows };
  } catch (error) {
    throw new GroupFailure(groupId, error);
  }
}

/** What the group's feed is told of a walk. */
function toChanges({ groupId, group, isMember, isPinned, now, changedInners }: Turn, found: Found): Decided[] {
  const { base, from, rows } = found;
  const decided: Decided[] = [];
  if (base.member !== isMember) {
    const innerChanged = [...(group.served?.needs.groups ?? [])].some((inner) => changedInners.has(inner));
    const at = base.changes.length > 0 ? from : now;
    decided.push({ groupId, change: changeTo(base.member), at, cause: isPinned ? 'pin' : causeOf(rows, innerChanged) });
  }
  for (const [index, change] of base.changes.entries()) {
    const isLast = index === base.changes.length - 1;
    const at = change.isEntry && isLast ? now : change.at;
    decided.push({ groupId, change: changeTo(change.member), at, cause: change.cause });
  }
  return decided;
}

const changeTo = (member: boolean): 'entered' | 'left' => (member ? 'entered' : 'left');

const PRECEDENCE: readonly QueueCause[] = ['activity', 'profile', 'group'];

/** A clock row alone, of a profile that changed, met facts that are newer than it: their own row is still to come. */
function causeOf(rows: readonly QueueRow[], innerChanged: boolean): ChangeCause {
  const found = PRECEDENCE.find((cause) => rows.some((row) => row.cause === cause));
  if (innerChanged) return 'group';
  return found === undefined || found === 'clock' ? 'activity' : found;
}

/** The rule's timeline under the profile's pin in this group: what readers are to see from `from` to `now`. */
function walkWithPin(
  rule: CompiledRule | undefined,
  subject: Subject,
  groupId: string,
  isMember: boolean,
  changedInners: ReadonlyMap<string, Instant[]>,
  from: Instant,
  now: Instant,
): Walk {
  const pin = subject.pins.get(groupId);
  const end = pin === undefined ? -Infinity : (pin.expires_at ?? Infinity);
  const pinned = pin?.pin === 'in';
  if (end > now) return { member: pinned, changes: [] };
  const walk = rule ? walkRule(rule, subject, changedInners, from, now) : { member: isMember, changes: [] };
  if (end <= from) return walk;
  let member = walk.member;
  for (const change of walk.changes) if (change.at <= end) member = change.member;
  const later = walk.changes.filter((change) => change.at > end);
  const atEnd = member === pinned ? [] : [{ at: end, member, cause: 'pin' as const, isEntry: false }];
  return { member: pinned, changes: [...atEnd, ...later] };
}

function walkRule(
  rule: CompiledRule,
  subject: Subject,
  changedInners: ReadonlyMap<string, Instant[]>,
  from: Instant,
  now: Instant,
): Walk {
  const { state } = subject;
  let innerFlips: Set<Instant> | undefined;
  for (const inner of rule.needs.groups) {
    const flips = changedInners.get(inner) ?? [];
    const passed = flips.filter((flip) => flip <= from).length;
    const before = subject.member.has(inner);
    state.groups.set(inner, {
      member: passed % 2 === 0 ? before : !before,
      flips: flips.filter((flip) => flip > from),
    });
    for (const flip of flips) (innerFlips ??= new Set()).add(flip);
  }
  const { member, changes } = timeline(rule, state, from, now);
  return {
    member,
    changes: changes.map((change) => {
      if (innerFlips?.has(change.at)) return { ...change, cause: 'group' as const, isEntry: false };
      const entry = entryCause(state, change.at);
      return { ...change, cause: entry ?? 'clock', isEntry: entry !== undefined };
    }),
  };
}

/** Whether a flip is no passing of time but something that the profile did at that instant. */
function entryCause(state: ProfileState, at: Instant): 'activity' | 'profile' | undefined {
  for (const recent of state.recent.values()) if (recent.at.includes(at)) return 'activity';
  for (const total of state.totals.values()) if (total.firstAt === at || total.lastAt === at) return 'activity';
  return state.createdAt === at ? 'profile' : undefined;
}
