// Who will have entered or left a dynamic group by an instant to come if nothing else happens: the set of its rule at that
// instant, against its members of now. Groups that it reads are brought to that instant by their own rules first. When
// exactly, each profile's own timeline says (explain-member.ts), of so many profiles as are shown.

import type { Application } from '../applications/application.ts';
import { onClient } from '../database/client.ts';
import { sql, type Queryable } from '../database/database.ts';
import { invalid } from '../errors.ts';
import { getGroup } from '../groups/group-service.ts';
import { formatInstant, MICROS_PER_SECOND, type Instant } from '../instant.ts';
import {
  and,
  andNot,
  buildBitset,
  emptyBitset,
  fromOrdinals,
  or,
  popcount,
  take,
  type Bitset,
} from '../rules/bitset.ts';
import type { CompiledRule } from '../rules/evaluate.ts';
import type { SetReader } from '../rules/leaf.ts';
import { mergeNeeds } from '../rules/state.ts';
import { currentRules, innersFirst, readBy, servedOf, walkGroups } from './explain-member.ts';
import { newestActivity } from './live.ts';
import type { PinRow } from './pin.ts';
import type { ApplicationRules, RulesCache } from './rules-cache.ts';
import { createSetReader, readRuleSet } from './sets.ts';
import type { Snapshot } from './snapshots.ts';
import { loadStates } from './state.ts';
import { requireLive } from './verify.ts';
import { visibleMembers } from './visible-members.ts';

export interface ComingProfile {
  profile_id: string;
  nickname: string;
  custom_id: string | null;
  at: string;
}

export interface ComingSide {
  count: number;
  results: ComingProfile[];
}

export interface Coming {
  as_of: string;
  until: string;
  entering: ComingSide;
  leaving: ComingSide;
}

export const MOST_HOURS = 168;
const DEFAULT_HOURS = 24;
const HOUR = 3600 * MICROS_PER_SECOND;
const SHOWN = 20;
/** Whose timelines are walked to find the soonest. */
const LOOKED_AT = 500;
/** How often the time is halved where more than those change in it. */
const HALVINGS = 5;

export function readHours(hours: unknown): number {
  if (hours === undefined) return DEFAULT_HOURS;
  const number = typeof hours === 'string' && /^\d{1,3}$/.test(hours) ? Number(hours) : 0;
  if (number >= 1 && number <= MOST_HOURS) return number;
  throw invalid('hours', `This must be a whole number from 1 to ${MOST_HOURS}.`);
}

interface Sides {
  entering: Bitset;
  leaving: Bitset;
}

export async function comingIn(
  snapshot: Snapshot,
  cache: RulesCache,
  application: Application,
  text: string,
  hours: number,
  isDistributed: boolean,
): Promise<Coming> {
  const tx = onClient(snapshot.client, isDistributed);
  const { id: groupId } = await getGroup(tx, application.id, text);
  await requireLive(tx, groupId);
  const rules = await currentRules(tx, cache, application.id, (known) => [...readBy(known, groupId)]);
  const world = await readWorld(tx, snapshot, rules, groupId);
  const { now } = snapshot;
  const until = now + hours * HOUR;
  const all = await sidesAt(world, until);
  const soonest: Sides = { ...all };
  for (let part = 1; part <= HALVINGS && isMany(soonest); part++) {
    const sooner = await sidesAt(world, now + Math.floor((until - now) / 2 ** part));
    for (const side of ['entering', 'leaving'] as const) {
      const found = and(sooner[side], all[side]);
      if (popcount(found) >= SHOWN) soonest[side] = found;
    }
  }
  return {
    as_of: formatInstant(now),
    until: formatInstant(until),
    entering: await describe(world, all.entering, soonest.entering, until),
    leaving: await describe(world, all.leaving, soonest.leaving, until),
  };
}

const isMany = ({ entering, leaving }: Sides): boolean =>
  popcount(entering) > LOOKED_AT || popcount(leaving) > LOOKED_AT;

/** What the group and those that it reads are made of, in one snapshot. */
interface World {
  tx: Queryable;
  snapshot: Snapshot;
  rules: ApplicationRules;
  groupId: string;
  /** Those with rules, each after those that it reads; the group itself comes last. */
  order: string[];
  /** Those that follow their rules now; the others stay as they are. */
  live: ReadonlySet<string>;
  pins: (PinRow & { ordinal: number })[];
  members: ReadonlyMap<string, Bitset>;
}

async function readWorld(tx: Queryable, snapshot: Snapshot, rules: ApplicationRules, groupId: string): Promise<World> {
  const order = innersFirst(rules, groupId);
  const reader = await createSetReader(snapshot.client, { applicationId: rules.applicationId, now: snapshot.now });
  const members = new Map<string, Bitset>();
  for (const id of readBy(rules, groupId)) members.set(id, await visibleMembers(snapshot, reader, id));
  const { rows: heads } = await tx.query<{ group_id: string }>(sql`
    select group_id from group_heads where group_id = any (${order}::uuid[]) and as_of is null`);
  const { rows: pins } = await tx.query<PinRow & { ordinal: number }>(sql`
    select group_id, profile_id, ordinal, pin, reason, expires_at, created_at, created_by from pins
    where group_id = any (${order}::uuid[])`);
  const live = new Set(heads.map((row) => row.group_id).filter((id) => rules.groups.get(id)?.isPaused === false));
  return { tx, snapshot, rules, groupId, order, live, pins, members };
}

/** Who will have come and gone by then. */
async function sidesAt(world: World, at: Instant): Promise<Sides> {
  const { snapshot, rules, groupId } = world;
  const reader = await createSetReader(snapshot.client, { applicationId: rules.applicationId, now: at });
  const then = new Map(world.members);
  const leaves = new Map<string, Bitset>();
  for (const id of world.order) {
    const rule = servedOf(rules, id);
    if (!rule || !world.live.has(id)) continue;
    await foreseeGroups(reader, rule, then, leaves);
    const pinned = (pin: 'in' | 'out'): Bitset =>
      fromOrdinals(
        world.pins
          .filter((row) => row.group_id === id && row.pin === pin && (row.expires_at ?? Infinity) > at)
          .map((row) => row.ordinal),
      );
    then.set(id, or(andNot(await readRuleSet(reader, rule, leaves), pinned('out')), pinned('in')));
  }
  const before = world.members.get(groupId) ?? emptyBitset();
  const after = then.get(groupId) ?? before;
  return { entering: andNot(after, before), leaving: andNot(before, after) };
}

/** Leaves over other groups read who will be in them then. */
async function foreseeGroups(
  reader: SetReader,
  rule: CompiledRule,
  then: ReadonlyMap<string, Bitset>,
  leaves: Map<string, Bitset>,
): Promise<void> {
  for (const leaf of rule.leaves) {
    if (leaf.needs.groups.size === 0 || leaves.has(leaf.key)) continue;
    const inAny = [...leaf.needs.groups].map((id) => then.get(id) ?? emptyBitset()).reduce(or, buildBitset().set);
    leaves.set(leaf.key, leaf.leaf.condition === 'not_in' ? andNot(await reader.universe(), inAny) : inAny);
  }
}

/** How many, and the soonest of those that are looked at with when. */
async function describe(world: World, all: Bitset, soonest: Bitset, until: Instant): Promise<ComingSide> {
  const { tx, rules, order, live, snapshot } = world;
  const { rows } = await tx.query<{ id: string; ordinal: number; nickname: string; custom_id: string | null }>(sql`
    select id, ordinal, nickname, custom_id from profiles
    where application_id = ${rules.applicationId} and ordinal = any (${take(soonest, LOOKED_AT)}::int[])`);
  const needs = mergeNeeds(order.flatMap((id) => servedOf(rules, id)?.needs ?? []));
  const reads = readBy(rules, world.groupId);
  const ids = rows.map(({ id }) => id);
  const pins = new Map(world.pins.map((pin) => [`${pin.group_id} ${pin.profile_id}`, pin]));
  const states = await loadStates(tx, rules.applicationId, ids, { ...needs, groups: reads }, snapshot.now);
  const found = rows.flatMap((row) => {
    const state = states.get(row.id);
    if (!state) return [];
    const now = Math.max(snapshot.now, newestActivity([{ state }]));
    for (const id of reads) if (!state.groups.has(id)) state.groups.set(id, { member: false, flips: [] });
    const flips = walkGroups(rules, order, state, now, {
      isLive: (id) => live.has(id),
      pinOf: (id) => pins.get(`${id} ${row.id}`),
    });
    // Of one whose change is due and waits to be evaluated, the rule has no flip to tell.
    const at = flips.find((flip) => flip <= until) ?? snapshot.now;
    return [{ profile_id: row.id, nickname: row.nickname, custom_id: row.custom_id, at }];
  });
  found.sort((a, b) => a.at - b.at || (a.profile_id < b.profile_id ? -1 : 1));
  return {
    count: popcount(all),
    results: found.slice(0, SHOWN).map((row) => ({ ...row, at: formatInstant(row.at) })),
  };
}
