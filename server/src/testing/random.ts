// A small seeded source of randomness, so that a failing run can be repeated by its seed.

import { spawnSync } from 'node:child_process';

export interface Random {
  /** An integer from 0 to below the limit. */
  below(limit: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
  some<T>(from: readonly T[], most: number): T[];
}

/** mulberry32: 32 bits of state, good enough to pick test data. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  const pick = <T>(from: readonly T[]): T => {
    const one = from[below(from.length)];
    if (one === undefined) throw new RangeError('nothing to pick from');
    return one;
  };
  return {
    below,
    chance: (probability) => next() < probability,
    pick,
    some: (from, most) => Array.from({ length: 1 + below(most) }, () => pick(from)),
  };
}

/**
 * The seed to use: GRANDSTAND_SEED where it is set. Else a new one, but where CI runs the commit's own: so each commit sees
 * other worlds, and the same commit the same ones, wherever it is judged. Print it.
 */
export function chooseSeed(): number {
  const given = process.env['GRANDSTAND_SEED'];
  if (given !== undefined) return Number(given);
  const seed = process.env['CI'] === 'true' ? seedOfCommit() : undefined;
  return seed ?? Math.floor(Math.random() * LIMIT);
}

const LIMIT = 0x7fffffff;

/** Undefined outside of a repository. */
function seedOfCommit(): number | undefined {
  const { stdout, status } = spawnSync('git', ['rev-parse', '--short=8', 'HEAD'], { encoding: 'utf8' });
  return status === 0 ? Number.parseInt(stdout, 16) % LIMIT : undefined;
}

/** How many runs a property takes: GRANDSTAND_PROPERTY_RUNS where it is set. */
export function propertyRuns(usual: number): number {
  return Number(process.env['GRANDSTAND_PROPERTY_RUNS'] ?? usual);
}

const SECONDS = Number(process.env['GRANDSTAND_PROPERTY_SECONDS'] ?? 0);

/** A seed for each run of a property: as many as are usual or asked for, and for GRANDSTAND_PROPERTY_SECONDS. */
export function* runSeeds(first: number, usual: number): Generator<number> {
  const end = performance.now() + SECONDS * 1000;
  for (let run = 0; run < propertyRuns(usual) || performance.now() < end; run++) yield first + run;
}

/** Until a property that takes its seeds from `runSeeds` hangs, in milliseconds. */
export const propertyTimeout = (): number => 5 * 60_000 + SECONDS * 1000 + propertyRuns(0) * 10_000;
