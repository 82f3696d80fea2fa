// What a compiled leaf is: both its meanings side by side, and what must be known about it to keep it true.

import type { Instant } from '../instant.ts';
import type { Catalogue } from './attribute.ts';
import type { Bitset } from './bitset.ts';
import type { Boundary } from './boundary.ts';
import type { Film, PastReader } from './past.ts';
import type { Needs, ProfileState } from './state.ts';
import type { RuleLeaf } from './tree.ts';

/** A leaf's value as an explanation shows it: an instant as ISO text, a list as its elements, null for none. */
export type Actual = string | number | boolean | readonly string[] | null;

/** How the set side of a leaf reads the database, all of it in one snapshot (evaluation/sets.ts). */
export interface SetReader {
  readonly applicationId: number;
  readonly now: Instant;
  /** Whether lifetime facts are read from their totals or, to prove those, from the raw activities. */
  readonly from: 'totals' | 'activities';
  /**
   * What to read activities from: the table, or the same with each row under the profile that it is one's of, while some
   * still stand under that of a profile that was merged.
   */
  readonly activities: string;
  /** Under which other ids activities of a profile still stand, by its own. */
  readonly sources: ReadonlyMap<string, readonly string[]>;
  /** All profiles of the application. */
  universe(): Promise<Bitset>;
  /** The profiles of a select of `ordinal`. */
  ordinals(select: string): Promise<Bitset>;
  /** The rows of a select of `ordinal`, thousands at a time. Read at once: the array is filled again. */
  each(select: string, batch: (ordinals: Int32Array) => void): Promise<void>;
  /** The rows of a select of `ordinal` and an integer `v`. */
  pairs(select: string, row: (ordinal: number, value: number) => void): Promise<void>;
  /** The rows of a select of `ordinal` and an instant. */
  instants(select: string, row: (ordinal: number, at: Instant) => void): Promise<void>;
  /** The same of at most one row a profile, `ordinal` and `v`. */
  profileInstants(select: string, row: (ordinal: number, at: Instant) => void): Promise<void>;
  /** The rows of a select of `ordinal` and a text. */
  texts(select: string, row: (ordinal: number, value: string | null) => void): Promise<void>;
  /** All profiles with their ids. */
  profiles(row: (ordinal: number, id: string) => void): Promise<void>;
  /** The epoch at which readers see each of these groups. */
  epochs(groups: readonly string[]): Promise<Map<string, number>>;
}

export interface CompiledLeaf {
  leaf: RuleLeaf;
  /** The same for leaves that mean the same, in whatever rule they stand. */
  key: string;
  /** Whether the leaf holds at this instant; the state is taken as it is. */
  test(state: ProfileState, now: Instant): boolean;
  /**
   * The instants after `now` at which `test` changes if nothing else happens, in order. Those after `until` may be left
   * out, by leaves for which that is less work.
   */
  flips(state: ProfileState, now: Instant, until?: Instant): Instant[];
  actual(state: ProfileState, now: Instant): Actual;
  /** The ordinals of all profiles for which `test` holds at `reader.now`. */
  set(reader: SetReader): Promise<Bitset>;
  /** The same at the ends of days gone by, by activities as they were then. None: it reads nothing that was otherwise. */
  past?(reader: PastReader): Promise<Film>;
  boundaries: readonly Boundary[];
  needs: Needs;
  /** Like `needs`, but enough for `actual` to be exact. */
  explainNeeds: Needs;
  /** Dependency keys, see depends.ts. */
  depends: readonly string[];
}

export interface CompileContext {
  catalogue: Catalogue;
  /** The default salt of random_bucket: the id of the group that the rule belongs to, or is to belong to. */
  groupId: string;
  resolveGroup: ResolveGroup;
}

/** The id behind `custom:…` or an id, undefined where there is no such active group. */
export type ResolveGroup = ((reference: string) => string | undefined) & {
  /** The name of a group that is there and inactive. */
  inactive?(reference: string): string | undefined;
};

/** What to say of a reference that leads nowhere. */
export function missingGroup(resolveGroup: ResolveGroup, reference: string): string {
  const name = resolveGroup.inactive?.(reference);
  return name === undefined ? `There is no group '${reference}'.` : `The group '${name}' (${reference}) is not active.`;
}

/** A stored rule that no longer means anything: what it reads has gone. */
export class RuleError extends Error {
  override name = 'RuleError';
}
