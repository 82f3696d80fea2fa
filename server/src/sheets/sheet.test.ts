import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePart, encodeSheet, PART_SIZE } from './sheet.ts';

const decode = (ordinals: Int32Array): number[] => {
  const into = new Int32Array(PART_SIZE);
  return encodeSheet(ordinals).flatMap((part) => [...into.subarray(0, decodePart(part, into))]);
};

const sets = fc
  .uniqueArray(fc.oneof(fc.nat(300), fc.nat(PART_SIZE * 3), fc.nat(2_000_000_000)), { maxLength: 400 })
  .map((ordinals) => Int32Array.from(ordinals).sort());

describe('a sheet', () => {
  it('gives back what was put in, in order', () => {
    fc.assert(fc.property(sets, (ordinals) => void expect(decode(ordinals)).toEqual([...ordinals])));
  });

  it('holds the edges of its parts', () => {
    const edges = [0, PART_SIZE - 1, PART_SIZE, 2 * PART_SIZE - 1, 2 ** 31 - 1];
    expect(decode(Int32Array.from(edges))).toEqual(edges);
    expect(decode(new Int32Array())).toEqual([]);
  });

  it('costs about a byte an entry where many profiles are active', () => {
    const dense = Int32Array.from({ length: 100_000 }, (_, n) => n * 3);
    const bytes = encodeSheet(dense).reduce((sum, part) => sum + part.body.length, 0);
    expect(bytes / dense.length).toBeLessThan(1.01);
  });

  it('is refused, never misread, where bytes are missing, changed or of another version', () => {
    const into = new Int32Array(PART_SIZE);
    const part = encodeSheet(Int32Array.from([1, 200, 70_000]))[0];
    if (!part) throw new Error('there is a part');
    const read = (body: Buffer, entries = part.entries): unknown => decodePart({ ...part, body, entries }, into);
    expect(() => read(Buffer.concat([Buffer.from([2]), part.body.subarray(1)]))).toThrow('version 2');
    expect(() => read(part.body.subarray(0, -1))).toThrow('a sheet');
    expect(() => read(Buffer.from([]))).toThrow('version none');
    expect(() => read(part.body, 4)).toThrow('3 entries instead of 4');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(40), (bytes, entries) => {
        const body = Buffer.from([1, ...bytes]);
        try {
          const count = decodePart({ part: 0, entries, body }, into);
          expect(encodeSheet(into.slice(0, count))[0]?.entries ?? 0).toBe(entries);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});
