// What the families of operators share: the parts that each gives, and how a set follows from a select.

import type { Instant } from '../../instant.ts';
import { andNot, buildBitset, type Bitset } from '../bitset.ts';
import type { FactRef } from '../attribute.ts';
import type { ValueTest } from '../conditions.ts';
import { dependency } from '../depends.ts';
import type { CompiledLeaf, SetReader } from '../leaf.ts';
import { NO_NEEDS, type Needs, type StoredValue } from '../state.ts';

export type LeafParts = Omit<CompiledLeaf, 'leaf' | 'key' | 'explainNeeds'> & {
  explainNeeds?: Needs;
  /** What else tells this leaf from others with the same words: resolved groups, the salt. */
  scope?: unknown;
};

/** Whether a leaf holds over the values of one profile. */
export function holdsOver<T>(test: ValueTest<T>, values: readonly T[]): boolean {
  return values.some((value) => test.matches(value)) !== test.negated;
}

/**
 * The profiles of a leaf whose attribute has at most one value in a row, or a default where there is no row. `select`
 * takes a condition over its column and gives the ordinals of the rows that meet it. When the default itself matches,
 * the profiles that do not match are read, since those are the ones that have rows.
 */
export async function scalarSet<T>(
  reader: SetReader,
  test: ValueTest<T>,
  missing: T | null,
  select: (condition: (column: string) => string) => string,
): Promise<Bitset> {
  const missingMatches = missing !== null && test.matches(missing);
  const rows = await reader.ordinals(
    select((column) => (missingMatches ? `not (${test.sql(column)})` : test.sql(column))),
  );
  return missingMatches === test.negated ? rows : andNot(await reader.universe(), rows);
}

/** Numbers by ordinal. */
export type Numbers = Uint16Array | Float64Array;

/** Numbers by ordinal, growing as ordinals come. */
export interface Tally {
  add(ordinal: number, value: number): void;
  addAll(ordinals: Int32Array, value: number): void;
  readonly values: Numbers;
}

/**
 * Counts stay two bytes each for as long as they fit, and nothing but 1 is added: adding at random places of a large array
 * costs what its size costs, not its arithmetic.
 */
export function createTally(): Tally {
  let values: Numbers = new Uint16Array(1 << 12);
  const growTo = (length: number): void => {
    const size = Math.max(length, values.length * 2);
    const grown = values instanceof Uint16Array ? new Uint16Array(size) : new Float64Array(size);
    grown.set(values);
    values = grown;
  };
  const widen = (): Float64Array => {
    if (values instanceof Uint16Array) values = new Float64Array(values);
    return values as Float64Array; // the only other type
  };
  /* Below `!` reads within bounds. */
  const add = (ordinal: number, value: number): void => {
    if (ordinal >= values.length) growTo(ordinal + 1);
    widen()[ordinal]! += value;
  };
  return {
    add,
    addAll(ordinals, value) {
      let from = 0;
      while (value === 1 && values instanceof Uint16Array) {
        from = countFrom(values, ordinals, from);
        const stuckAt = ordinals[from];
        if (stuckAt === undefined) return;
        if (stuckAt >= values.length) growTo(stuckAt + 1);
        else widen();
      }
      for (; from < ordinals.length; from++) add(ordinals[from]!, value);
    },
    get values() {
      return values;
    },
  };
}

const MOST = 0xffff;

/** Adds one for each of the ordinals. Stops, and says where, at one that lies beyond the array or has as much as fits. */
function countFrom(counts: Uint16Array, ordinals: Int32Array, from: number): number {
  for (let i = from; i < ordinals.length; i++) {
    const ordinal = ordinals[i]!;
    const count = counts[ordinal] ?? MOST;
    if (count === MOST) return i;
    counts[ordinal] = count + 1;
  }
  return ordinals.length;
}

/** The profiles whose number passes; those without a row have 0. */
export async function tallySet(
  reader: SetReader,
  length: number,
  passes: (ordinal: number) => boolean,
  zeroPasses: boolean,
): Promise<Bitset> {
  const found = buildBitset(length);
  for (let ordinal = 0; ordinal < length; ordinal++) if (passes(ordinal) !== zeroPasses) found.add(ordinal);
  return zeroPasses ? andNot(await reader.universe(), found.set) : found.set;
}

export function factNeeds(facts: readonly FactRef[]): Needs {
  return { ...NO_NEEDS, facts: new Set(facts.map((fact) => fact.factId)) };
}

export function activityDepends(facts: readonly FactRef[]): string[] {
  return [...new Set(facts.map((fact) => dependency.activity(fact.typeId)))];
}

export function typeIds(facts: readonly FactRef[]): number[] {
  return [...new Set(facts.map((fact) => fact.typeId))];
}

/** The pairs that count: what no admin wrote is no value of an attribute that only admins write. */
export function countingPairs(pairs: readonly StoredValue[] | undefined, adminOnly: boolean): readonly StoredValue[] {
  if (!pairs) return [];
  return adminOnly ? pairs.filter((pair) => pair.writtenBy === 'admin') : pairs;
}

/** Those of the candidate instants after `now` at which `holdsAt` really changes, in order. */
export function changesAmong(
  candidates: Iterable<Instant>,
  now: Instant,
  holdsAt: (instant: Instant) => boolean,
): Instant[] {
  let held = holdsAt(now);
  const later = [...new Set(candidates)].filter((at) => at > now).sort((a, b) => a - b);
  return later.filter((at) => {
    if (holdsAt(at) === held) return false;
    held = !held;
    return true;
  });
}
