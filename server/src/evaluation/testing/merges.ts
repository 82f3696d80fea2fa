// Merging in the engine's property test: what the model says of two profiles that became one, as if the target had done it
// all, and what is known of the ids and tokens that led to the one that is gone.

import type { Instant } from '../../instant.ts';
import type { Profile } from '../../rules/testing/world.ts';
import type { Model } from './model.ts';

export interface Former {
  /** Ids that lead to a profile beside its own, by profile. */
  ids: Map<string, string[]>;
  /** Tokens, and the profile that each speaks for: undefined where it is dead. */
  tokens: Map<string, string | undefined>;
}

export const createFormer = (): Former => ({ ids: new Map(), tokens: new Map() });

export function mergeInModel(
  model: Model,
  former: Former,
  source: Profile,
  target: Profile,
  { follow }: { follow: boolean },
): void {
  const own = new Set(target.activities.map(({ id }) => id));
  target.activities.push(...source.activities.filter(({ id }) => !own.has(id)));
  const keys = new Set(target.pairs.map(({ key }) => key));
  const isList = (key: string): boolean => model.catalogue.attributes.get(key)?.type === 'list';
  for (const pair of source.pairs) {
    const isKnown = target.pairs.some(({ key, value }) => key === pair.key && value === pair.value);
    if (!keys.has(pair.key) || (isList(pair.key) && !isKnown)) target.pairs.push(pair);
  }
  target.customId ??= source.customId;
  for (const group of model.all) {
    if (group.members.delete(source.id)) group.members.add(target.id);
    const pin = group.pins.get(source.id);
    if (pin && !group.pins.has(target.id)) group.pins.set(target.id, pin);
    group.pins.delete(source.id);
    group.frozen?.delete(source.id);
  }
  model.profiles.splice(model.profiles.indexOf(source), 1);
  former.ids.set(target.id, [...(former.ids.get(target.id) ?? []), source.id, ...(former.ids.get(source.id) ?? [])]);
  former.ids.delete(source.id);
  for (const [token, of] of former.tokens)
    if (of === source.id) former.tokens.set(token, follow ? target.id : undefined);
}

/** Patches attributes as `set` and `remove` do: the other keys stay. */
export function patchInModel(
  profile: Profile,
  set: readonly { key: string; value: string }[],
  remove: readonly string[],
): void {
  const named = new Set([...remove, ...set.map(({ key }) => key)]);
  profile.pairs = [
    ...profile.pairs.filter(({ key }) => !named.has(key)),
    ...set.map((pair) => ({ ...pair, writtenBy: 'admin' as const })),
  ];
}

/**
 * Profiles whose `updated_at` lies before this instant: merging and erasing are told after whatever happened to a profile,
 * and each change of it after the one before, a microsecond later where both came at one instant.
 */
export const untouched = (model: Model, touched: ReadonlyMap<string, Instant>, now: Instant): Profile[] =>
  model.profiles.filter(({ id, createdAt }) => (touched.get(id) ?? createdAt) < now);
