// The attributes of two profiles that become one: what the target says stays, what it does not say comes along, lists unite.

import type { Catalogue } from '../rules/attribute.ts';
import { MAX_ATTRIBUTES, type AttributePair } from '../profiles/profile.ts';

export interface MergedAttributes {
  pairs: AttributePair[];
  /** Of the source, for which there was no room. */
  leftOut: number;
}

/** Each pair keeps who wrote it. */
export function mergeAttributes(
  target: readonly AttributePair[],
  source: readonly AttributePair[],
  catalogue: Pick<Catalogue, 'attributes'>,
): MergedAttributes {
  const own = new Map<string, Set<string>>();
  for (const { key, value } of target) own.set(key, (own.get(key) ?? new Set()).add(value));
  const coming = source.filter(({ key, value }) => {
    const values = own.get(key);
    return values === undefined || (catalogue.attributes.get(key)?.type === 'list' && !values.has(value));
  });
  const room = Math.max(0, MAX_ATTRIBUTES - target.length);
  return { pairs: [...target, ...coming.slice(0, room)], leftOut: Math.max(0, coming.length - room) };
}
