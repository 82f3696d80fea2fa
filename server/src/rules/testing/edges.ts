// The instants at which a rule may say something else of a profile, for tests that look where it is narrow.

import { MICROS_PER_DAY, parseInstant, type Instant } from '../../instant.ts';
import { instantNamed } from '../moments.ts';
import { leavesOf, type RuleNode } from '../tree.ts';
import { parseWindow } from '../values.ts';
import { anniversaryIn, yearOf, type Zone } from '../zone.ts';
import type { Profile, World } from './world.ts';

/** How far after an instant of the profile something may happen, by what the leaves name. */
function offsets(tree: RuleNode): number[] {
  const found = [0];
  for (const leaf of leavesOf(tree)) {
    if (typeof leaf.window === 'string') found.push(parseWindow(leaf.window) ?? NaN);
    if (leaf.condition === 'within_last_x_days') found.push(Number(leaf.value) * MICROS_PER_DAY);
    if (leaf.condition === 'within_next_x_days') found.push(-Number(leaf.value) * MICROS_PER_DAY);
    if (!/^days_in/.test(leaf.attribute)) continue;
    for (const value of [leaf.value].flat()) {
      for (const more of [0, 1, 2]) found.push((Math.floor(Number(value)) + more) * MICROS_PER_DAY);
    }
  }
  return found.filter((offset) => Math.abs(offset) <= 4000 * MICROS_PER_DAY);
}

function instantsOf(profile: Profile, zone: Zone): Instant[] {
  const states = profile.activities.flatMap((row) => Object.values(row.data ?? {}));
  const read = [...states, ...profile.pairs.map((pair) => pair.value)].flatMap((value) => [
    parseInstant(String(value)) ?? NaN,
    instantNamed(String(value), zone) ?? NaN,
  ]);
  return [profile.createdAt, ...profile.activities.map((row) => row.at), ...read.filter((at) => !Number.isNaN(at))];
}

/** Beginnings of days at which a leaf that counts days may flip. */
function dayEdges(tree: RuleNode, instants: readonly Instant[], { catalogue, end }: World): Instant[] {
  const { zone } = catalogue;
  const days = [...new Set(instants.map((at) => zone.dayOf(at)))];
  const found = leavesOf(tree).flatMap(({ condition, value }): number[] => {
    const [low = 0, high = 0] = [value].flat().map(Number);
    if (condition === 'days_ago_between') return days.flatMap((day) => [day + low, day + high + 1]);
    if (condition !== 'anniversary_within_next_x_days') return [];
    const years = [-2, -1, 0, 1, 2].map((more) => yearOf(zone.dayOf(end)) + more);
    return days.flatMap((day) => years.map((year) => anniversaryIn(year, day)).flatMap((at) => [at - low, at + 1]));
  });
  return [...new Set(found)].map((day) => zone.startOf(day));
}

/** Anniversaries come back for ever, so they are looked at for a while. */
export const lastEdge = (tree: RuleNode, world: World): Instant =>
  leavesOf(tree).some((leaf) => leaf.condition === 'anniversary_within_next_x_days')
    ? world.end + 400 * MICROS_PER_DAY
    : Infinity;

/** Every instant at which something might happen to the profile, and the microseconds beside it. */
export function edges(tree: RuleNode, profile: Profile, world: World): Instant[] {
  const instants = instantsOf(profile, world.catalogue.zone);
  const shifts = offsets(tree);
  const all = [...instants.flatMap((at) => shifts.map((offset) => at + offset)), ...dayEdges(tree, instants, world)];
  const last = lastEdge(tree, world);
  return [...new Set(all.flatMap((at) => [at - 1, at, at + 1]))].filter((at) => at <= last).sort((a, b) => a - b);
}
