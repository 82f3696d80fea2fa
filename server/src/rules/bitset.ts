// Sets of profiles as bits by ordinal: word i of the array holds ordinals 32 i to 32 i + 31. Arrays of different lengths
// mix freely; what lies beyond the end is absent. Results are always fresh, arguments are never changed.

export type Bitset = Uint32Array;

export function emptyBitset(ordinals = 0): Bitset {
  return new Uint32Array((ordinals + 31) >>> 5);
}

/** A set that grows as ordinals come, in any order and however often. */
export interface BitsetBuilder {
  add(ordinal: number): void;
  addAll(ordinals: Int32Array): void;
  /** What has been added so far; adding more may leave it behind. */
  readonly set: Bitset;
}

export function buildBitset(ordinals = 0): BitsetBuilder {
  let set = emptyBitset(ordinals);
  const growTo = (words: number): void => {
    const grown = new Uint32Array(Math.max(words, set.length * 2, 128));
    grown.set(set);
    set = grown;
  };
  /* Below `!` reads within bounds: the set has been grown if need be. */
  return {
    add(ordinal) {
      const word = ordinal >>> 5;
      if (word >= set.length) growTo(word + 1);
      set[word]! |= 1 << (ordinal & 31);
    },
    addAll(all) {
      let words = set;
      for (let i = 0; i < all.length; i++) {
        const ordinal = all[i]!;
        if (ordinal >>> 5 >= words.length) {
          growTo((ordinal >>> 5) + 1);
          words = set;
        }
        words[ordinal >>> 5]! |= 1 << (ordinal & 31);
      }
    },
    get set() {
      return set;
    },
  };
}

export function fromOrdinals(ordinals: Iterable<number>): Bitset {
  const builder = buildBitset();
  for (const ordinal of ordinals) builder.add(ordinal);
  return builder.set;
}

export function has(set: Bitset, ordinal: number): boolean {
  return ((set[ordinal >>> 5] ?? 0) & (1 << (ordinal & 31))) !== 0;
}

/* In the loops below `!` reads within bounds: i stays under the length of the array it indexes. */

export function and(a: Bitset, b: Bitset): Bitset {
  const length = Math.min(a.length, b.length);
  const result = new Uint32Array(length);
  for (let i = 0; i < length; i++) result[i] = a[i]! & b[i]!;
  return result;
}

export function or(a: Bitset, b: Bitset): Bitset {
  const [long, short] = a.length >= b.length ? [a, b] : [b, a];
  const result = long.slice();
  for (let i = 0; i < short.length; i++) result[i] = result[i]! | short[i]!;
  return result;
}

/** What is in a and not in b. */
export function andNot(a: Bitset, b: Bitset): Bitset {
  const result = a.slice();
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) result[i] = result[i]! & ~b[i]!;
  return result;
}

/** What is in exactly one of them. */
export function xor(a: Bitset, b: Bitset): Bitset {
  const [long, short] = a.length >= b.length ? [a, b] : [b, a];
  const result = long.slice();
  for (let i = 0; i < short.length; i++) result[i] = result[i]! ^ short[i]!;
  return result;
}

/** What is in at least `count` of the sets: binary counters, one bit plane per power of two, 32 profiles at a time. */
export function atLeast(count: number, sets: readonly Bitset[]): Bitset {
  const length = Math.max(0, ...sets.map((set) => set.length));
  const result = new Uint32Array(length);
  const planeCount = 32 - Math.clz32(sets.length);
  const planes = new Uint32Array(planeCount);
  for (let i = 0; i < length; i++) {
    planes.fill(0);
    for (const set of sets) {
      let carry = set[i] ?? 0;
      for (let plane = 0; carry !== 0 && plane < planeCount; plane++) {
        const before = planes[plane]!;
        planes[plane] = before ^ carry;
        carry = before & carry;
      }
    }
    // Compares the counters with `count` from the highest plane down: greater is decided, equal goes on.
    let greater = 0;
    let equal = 0xffffffff;
    for (let plane = planeCount - 1; plane >= 0; plane--) {
      const bit = (count >>> plane) & 1 ? 0xffffffff : 0;
      greater |= equal & planes[plane]! & ~bit;
      equal &= ~(planes[plane]! ^ bit);
    }
    result[i] = greater | equal;
  }
  return result;
}

export function popcount(set: Bitset): number {
  let total = 0;
  for (let i = 0; i < set.length; i++) {
    let word = set[i]!;
    word -= (word >>> 1) & 0x55555555;
    word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
    total += (((word + (word >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
  }
  return total;
}

/** The ordinals upwards. */
export function* iterate(set: Bitset): Generator<number> {
  for (let i = 0; i < set.length; i++) {
    for (let word = set[i]!; word !== 0; word &= word - 1) yield (i << 5) + 31 - Math.clz32(word & -word);
  }
}

/** The ordinals from `from` (included) upwards, at most `limit` of them. */
export function take(set: Bitset, limit: number, from = 0): number[] {
  const taken: number[] = [];
  for (let i = from >>> 5; i < set.length && taken.length < limit; i++) {
    let word = set[i]!;
    if (i === from >>> 5) word &= 0xffffffff << (from & 31);
    for (; word !== 0 && taken.length < limit; word &= word - 1) taken.push((i << 5) + 31 - Math.clz32(word & -word));
  }
  return taken;
}
