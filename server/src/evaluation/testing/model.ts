// The engine's promise in memory: profiles with raw activities, groups with rules, pins and pauses, and who is a member at
// an instant. It knows no queue, no totals and no epochs, and asks the naive evaluator of the rules about everything.

import type { Instant } from '../../instant.ts';
import type { Catalogue } from '../../rules/attribute.ts';
import { holdsNaively } from '../../rules/testing/naive.ts';
import type { Profile, World } from '../../rules/testing/world.ts';
import { leavesOf, type RuleNode } from '../../rules/tree.ts';
import { parseWindow } from '../../rules/values.ts';
import { anniversaryIn, UTC, yearOf } from '../../rules/zone.ts';
import { INSTANT_LIMIT, MICROS_PER_DAY, parseInstant } from '../../instant.ts';

export interface ModelPin {
  pin: 'in' | 'out';
  until: Instant;
}

export interface ModelGroup {
  id: string;
  /** Undefined: static. */
  tree: RuleNode | undefined;
  /** Of a static group. */
  members: Set<string>;
  pins: Map<string, ModelPin>;
  /** The rule that was served when the group was paused: a newer one waits until it goes on. */
  served?: RuleNode;
  /** What the rule said when the group was paused; undefined while it is not. */
  frozen: Map<string, boolean> | undefined;
  isActive: boolean;
}

export interface Model extends World {
  profiles: Profile[];
  /** Each after those that it reads. */
  all: ModelGroup[];
}

export function createModel(catalogue: Catalogue, start: Instant): Model {
  return { catalogue, profiles: [], groups: [], all: [], start, end: start };
}

/** Who is in which group at an instant, by group. */
export function membershipAt(model: Model, now: Instant): Map<string, Set<string>> {
  const result = new Map(model.all.map((group) => [group.id, new Set<string>()]));
  for (const profile of model.profiles) {
    profile.groups = [];
    for (const group of model.all) {
      if (!isIn(model, group, profile, now)) continue;
      profile.groups.push(group.id);
      result.get(group.id)?.add(profile.id);
    }
  }
  return result;
}

function isIn(model: Model, group: ModelGroup, profile: Profile, now: Instant): boolean {
  if (!group.tree) return group.members.has(profile.id);
  const pin = group.pins.get(profile.id);
  if (pin && pin.until > now) return pin.pin === 'in';
  if (group.frozen) return group.frozen.get(profile.id) ?? false;
  return holdsNaively(group.tree, model, profile, now, group.id);
}

/** The rule's word about a profile, which a paused group keeps and takes anew when a pin over it ends. */
export function ruleSays(model: Model, group: ModelGroup, profile: Profile, now: Instant): boolean {
  membershipAt(model, now);
  const tree = group.served ?? group.tree;
  return tree !== undefined && holdsNaively(tree, model, profile, now, group.id);
}

/** Beginnings of days, at which leaves that count days may flip; of anniversaries those of as many years as leaves look back. */
function dayEdges(model: Model, at: Instant, from: Instant): Instant[] {
  const day = UTC.dayOf(at);
  const leaves = model.all.flatMap((group) => (group.tree ? leavesOf(group.tree) : []));
  const days = leaves.flatMap(({ condition, value }) => {
    const [low = 0, high = 0] = [value].flat().map(Number);
    if (condition === 'days_ago_between') return [day + low, day + high + 1];
    if (condition !== 'anniversary_within_next_x_days') return [];
    const year = yearOf(UTC.dayOf(from));
    return Array.from({ length: 14 }, (_, more) => anniversaryIn(year + more, day)).flatMap((of) => [of - low, of + 1]);
  });
  return days.map(UTC.startOf);
}

/** Every instant in (from, to] at which anything may change for this profile, without asking how. */
export function edges(model: Model, profile: Profile, from: Instant, to: Instant): Instant[] {
  const offsets = new Set([0]);
  for (const group of model.all) {
    for (const leaf of group.tree ? leavesOf(group.tree) : []) {
      if (typeof leaf.window === 'string') offsets.add(parseWindow(leaf.window) ?? 0);
      if (leaf.condition === 'within_last_x_days') offsets.add(Number(leaf.value) * MICROS_PER_DAY);
      if (leaf.condition === 'within_next_x_days') offsets.add(-Number(leaf.value) * MICROS_PER_DAY);
      if (!/^days_in/.test(leaf.attribute)) continue;
      for (const value of [leaf.value].flat()) {
        for (const more of [0, 1, 2]) offsets.add((Math.floor(Number(value)) + more) * MICROS_PER_DAY);
      }
    }
  }
  const texts = [
    ...profile.activities.flatMap((row) => Object.values(row.data ?? {})),
    ...profile.pairs.map((pair) => pair.value),
  ];
  const sources = [
    profile.createdAt,
    ...profile.activities.map((row) => row.at),
    ...texts.flatMap((text) => (typeof text === 'string' ? (parseInstant(text) ?? []) : [])),
  ];
  const pins = model.all.flatMap((group) => group.pins.get(profile.id)?.until ?? []);
  const found = [
    ...sources.flatMap((at) => [...offsets].map((offset) => at + offset)),
    ...sources.flatMap((at) => dayEdges(model, at, from)),
    ...pins,
  ];
  return [...new Set(found)].filter((at) => at > from && at <= Math.min(to, INSTANT_LIMIT - 1)).sort((a, b) => a - b);
}
