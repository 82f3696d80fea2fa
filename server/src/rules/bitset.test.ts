import { describe, expect, it } from 'vitest';
import {
  and,
  andNot,
  atLeast,
  buildBitset,
  emptyBitset,
  fromOrdinals,
  has,
  iterate,
  or,
  popcount,
  take,
  xor,
} from './bitset.ts';
import { chooseSeed, createRandom } from '../testing/random.ts';

const seed = chooseSeed();

describe('bitsets', () => {
  it(`agree with sets of numbers under every operation, whatever their lengths (seed ${seed})`, () => {
    const random = createRandom(seed);
    for (let run = 0; run < 300; run++) {
      const sets = Array.from({ length: 1 + random.below(9) }, () => {
        const limit = random.pick([1, 31, 32, 33, 64, 500, 5000]);
        return new Set(Array.from({ length: random.below(60) }, () => random.below(limit)));
      });
      const bits = sets.map((set) => fromOrdinals(set));
      const [a = new Set<number>(), b = new Set<number>()] = sets;
      const [x = emptyBitset(), y = emptyBitset()] = bits;
      const all = [...new Set(sets.flatMap((set) => [...set]))].sort((p, q) => p - q);
      const sorted = (set: Iterable<number>): number[] => [...set].sort((p, q) => p - q);
      expect([...iterate(x)]).toEqual(sorted(a));
      expect(popcount(x)).toBe(a.size);
      expect([...iterate(and(x, y))]).toEqual(sorted(a).filter((n) => b.has(n)));
      expect([...iterate(or(x, y))]).toEqual(sorted(new Set([...a, ...b])));
      expect([...iterate(andNot(x, y))]).toEqual(sorted(a).filter((n) => !b.has(n)));
      expect([...iterate(xor(x, y))]).toEqual(sorted(new Set([...a, ...b])).filter((n) => a.has(n) !== b.has(n)));
      for (let count = 1; count <= sets.length; count++) {
        const expected = all.filter((n) => sets.filter((set) => set.has(n)).length >= count);
        expect([...iterate(atLeast(count, bits))]).toEqual(expected);
      }
      expect(all.every((n) => has(x, n) === a.has(n))).toBe(true);
      const from = random.below(600);
      expect(take(x, 5, from)).toEqual(
        sorted(a)
          .filter((n) => n >= from)
          .slice(0, 5),
      );
    }
  });

  it('count up to 200 sets without losing a carry', () => {
    const bits = Array.from({ length: 200 }, (_, index) =>
      fromOrdinals(Array.from({ length: 200 - index }, (_, n) => n)),
    );
    for (const count of [1, 2, 127, 128, 129, 199, 200]) {
      expect(popcount(atLeast(count, bits))).toBe(201 - count);
    }
  });

  it('hold the highest bit of a word and grow to where an ordinal lies', () => {
    const builder = buildBitset();
    for (const ordinal of [31, 63, 1_000_000, 31]) builder.add(ordinal);
    expect([...iterate(builder.set)]).toEqual([31, 63, 1_000_000]);
    builder.addAll(Int32Array.of(5_000_031, 0, 31));
    builder.addAll(new Int32Array());
    expect([...iterate(builder.set)]).toEqual([0, 31, 63, 1_000_000, 5_000_031]);
    expect(popcount(fromOrdinals(Array.from({ length: 64 }, (_, n) => n)))).toBe(64);
  });
});
