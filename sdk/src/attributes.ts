// Attributes changed one by one: what a program has (numbers, dates, lists) as the pairs of text that travel.

import type { SentPair } from './resources.ts';

/** A list stands for several pairs of one key. */
export type AttributeValue = string | number | boolean | Date | readonly (string | number | boolean | Date)[];

/** By key; null removes. */
export type AttributeValues = Record<string, AttributeValue | null>;

/** Some keys are set, some removed, and the rest stays. */
export interface AttributePatch {
  set?: SentPair[];
  remove?: string[];
}

export function toPatch(values: AttributeValues): AttributePatch {
  const set: SentPair[] = [];
  const remove: string[] = [];
  for (const key of Object.keys(values)) {
    const value = values[key] ?? [];
    const list = [value].flat() as (string | number | boolean | Date)[]; // of either shape
    if (list.length === 0) remove.push(key);
    for (const one of list) set.push({ key, value: one instanceof Date ? one.toISOString() : String(one) });
  }
  return { set, remove };
}
