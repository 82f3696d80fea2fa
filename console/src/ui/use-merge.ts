// A form over something that others change too. What one has not touched follows them; where both changed the same field,
// both versions stay in sight until one is chosen. What is written outlives the page.

import { useLayoutEffect } from 'react';
import { useDraft } from './use-draft.ts';

interface Written<F> {
  /** What the form began with, and of when that was. */
  base: F;
  at: string;
  mine: F;
}

export interface Merge<F> {
  fields: F;
  set(changes: Partial<F>): void;
  /** What differs from what is stored: all that has to be sent. */
  changes: Partial<F>;
  isDirty: boolean;
  /** Fields that both changed, each to something else. */
  conflicts: (keyof F)[];
  takeTheirs(): void;
  discard(): void;
  /** The server has stored what was sent. */
  saved(sent: F, now: F, at: string): void;
  /** Whether a state of the server holds nothing against these fields that is not in sight already. */
  isKnown(newer: F): boolean;
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** `name`: under which it is kept by this tab. `theirs`: the newest known state, `at` its `updated_at`. */
export function useMerge<F extends object>(name: string, theirs: F, at: string): Merge<F> {
  const [{ base, at: baseAt, mine }, write, forget] = useDraft<Written<F>>(name, () => ({
    base: theirs,
    at,
    mine: theirs,
  }));
  const keys = Object.keys(theirs) as (keyof F)[]; // an object of these fields and no others
  const touched = keys.filter((key) => !same(mine[key], base[key]));
  const against = (state: F): (keyof F)[] =>
    touched.filter((key) => !same(state[key], base[key]) && !same(state[key], mine[key]));
  const isNewer = at > baseAt;
  const conflicts = isNewer ? against(theirs) : [];
  const follows = isNewer && conflicts.length === 0;

  useLayoutEffect(() => {
    if (!follows) return;
    write((before) => ({ base: theirs, at, mine: merge(before, theirs, keys) }));
    if (touched.length === 0) forget();
  });

  return {
    fields: mine,
    set: (changes) => write((before) => ({ ...before, mine: { ...before.mine, ...changes } })),
    changes: Object.fromEntries(touched.map((key) => [key, mine[key]])) as Partial<F>, // of its own keys
    isDirty: touched.length > 0,
    conflicts,
    takeTheirs: () =>
      write((before) => ({
        base: theirs,
        at,
        mine: { ...merge(before, theirs, keys), ...pick(theirs, conflicts) },
      })),
    discard() {
      write(() => (isNewer ? { base: theirs, at, mine: theirs } : { base, at: baseAt, mine: base }));
      forget();
    },
    saved(sent, now, nowAt) {
      write((before) => ({ base: now, at: nowAt, mine: merge({ base: sent, mine: before.mine }, now, keys) }));
      forget();
    },
    isKnown: (newer) => {
      const known = new Set(conflicts);
      return against(newer).every((key) => known.has(key) && same(newer[key], theirs[key]));
    },
  };
}

const pick = <F extends object>(from: F, keys: (keyof F)[]): Partial<F> =>
  Object.fromEntries(keys.map((key) => [key, from[key]])) as Partial<F>; // of its own keys

/** Theirs, but for what was touched. */
function merge<F extends object>({ base, mine }: { base: F; mine: F }, theirs: F, keys: (keyof F)[]): F {
  return {
    ...theirs,
    ...pick(
      mine,
      keys.filter((key) => !same(mine[key], base[key])),
    ),
  };
}
