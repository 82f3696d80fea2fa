import { describe, expect, it } from 'vitest';
import { chooseSeed, createRandom } from '../../testing/random.ts';
import { createTally } from './parts.ts';

const seed = chooseSeed();

describe('a tally', () => {
  it(`adds up as a map does, in whatever order counts, sums and differences come (seed ${seed})`, () => {
    const random = createRandom(seed);
    for (let run = 0; run < 30; run++) {
      const tally = createTally();
      const expected = new Map<number, number>();
      const steps = random.below(6);
      for (let step = 0; step <= steps; step++) {
        const value = random.pick([1, 1, 1, -1, 5, 2 ** 40]);
        const limit = random.pick([1, 40, 5_000, 20_000]);
        const ordinals = Int32Array.from({ length: random.below(300) }, () => random.below(limit));
        if (random.below(3) === 0) for (const ordinal of ordinals) tally.add(ordinal, value);
        else tally.addAll(ordinals, value);
        for (const ordinal of ordinals) expected.set(ordinal, (expected.get(ordinal) ?? 0) + value);
      }
      const found = [...tally.values].flatMap((value, ordinal) => (expected.has(ordinal) ? [[ordinal, value]] : []));
      expect(found).toEqual([...expected].sort(([a], [b]) => a - b));
      expect([...tally.values].every((value, ordinal) => value === 0 || expected.has(ordinal))).toBe(true);
    }
  });

  it('counts beyond what two bytes hold', () => {
    const tally = createTally();
    for (let n = 0; n < 70; n++) tally.addAll(new Int32Array(1_000).fill(3), 1);
    tally.addAll(Int32Array.of(2, 3, 9_000), 1);
    expect([2, 3, 4, 9_000].map((ordinal) => tally.values[ordinal])).toEqual([1, 70_001, 0, 1]);
  });
});
