import { describe, expect, it } from 'vitest';
import { createRandom } from '../testing/random.ts';
import { decodePart, encodePart, type Entry } from './checkpoint.ts';

describe('a part of a checkpoint', () => {
  it('gives back what was written, however far apart', () => {
    const random = createRandom(7);
    for (let run = 0; run < 200; run++) {
      const entries: Entry[] = [];
      let sequence = random.pick([1, 100, 2 ** 31, 2 ** 52]);
      for (let i = 0; i < 1 + random.below(40); i++) {
        sequence -= 1 + random.below(random.pick([1, 3, 300, 2 ** 31]));
        if (sequence < 1) break;
        entries.push({ sequence, ordinal: random.pick([0, 1, 127, 128, random.below(2 ** 31), 2 ** 31 - 1]) });
      }
      if (entries.length === 0) continue;
      expect(decodePart(encodePart(3, entries))).toEqual(entries);
    }
  });

  it('is refused where it is of another version, cut, or not what its row says', () => {
    const part = encodePart(0, [
      { sequence: 900, ordinal: 300 },
      { sequence: 7, ordinal: 2 },
    ]);
    const refuses = (changed: Partial<typeof part>): void =>
      expect(() => decodePart({ ...part, ...changed })).toThrow(RangeError);
    refuses({ body: Buffer.concat([Buffer.from([2]), part.body.subarray(1)]) });
    for (let length = 0; length < part.body.length; length++) refuses({ body: part.body.subarray(0, length) });
    refuses({ body: Buffer.concat([part.body, Buffer.from([1, 0])]) });
    refuses({ entries: 3 });
    refuses({ newest: 901 });
    refuses({ oldest: 6 });
    refuses({ oldest: 8 });
  });

  it('takes descending sequences only', () => {
    const entry = { sequence: 5, ordinal: 1 };
    expect(() => encodePart(0, [entry, entry])).toThrow(RangeError);
    expect(() => encodePart(0, [])).toThrow(RangeError);
  });
});
