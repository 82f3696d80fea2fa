import { describe, expect, it } from 'vitest';
import { readInt8, readIntegers, readRecords, readRows, readUuid } from './copy.ts';

const header = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);
const trailer = Buffer.from([0xff, 0xff]);

function field(value: Buffer | null): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(value === null ? -1 : value.length);
  return value === null ? length : Buffer.concat([length, value]);
}

function tuple(...fields: (Buffer | null)[]): Buffer {
  return Buffer.concat([Buffer.from([0, fields.length]), ...fields.map(field)]);
}

function int4(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}

async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe('a binary COPY', () => {
  const body = [
    tuple(int4(7), int4(0)),
    tuple(int4(8), Buffer.from('é🏆')),
    tuple(int4(9), null),
    tuple(int4(-1), Buffer.alloc(0)),
    tuple(int4(2 ** 31 - 1), int4(5)),
  ];
  const bytes = Buffer.concat([header, ...body, trailer]);

  it('reads the same rows however it is cut into chunks', async () => {
    for (let size = 1; size <= bytes.length; size++) {
      const rows: [number, string | null][] = [];
      await readRows(inChunks(bytes, size), (buffer, at, valueAt, length) => {
        rows.push([buffer.readInt32BE(at), length < 0 ? null : buffer.toString('utf8', valueAt, valueAt + length)]);
      });
      expect(rows).toEqual([
        [7, '\0\0\0\0'],
        [8, 'é🏆'],
        [9, null],
        [-1, ''],
        [2 ** 31 - 1, '\0\0\0\u0005'],
      ]);
    }
  });

  it('that ends early is an error, not a smaller set', async () => {
    const cut = bytes.subarray(0, bytes.length - 3);
    await expect(readRows(inChunks(cut, 16), () => {})).rejects.toThrow('ended early');
  });

  it('skips an extension of the header', async () => {
    const extended = Buffer.concat([
      header.subarray(0, 15),
      int4(3),
      Buffer.from('abc'),
      tuple(int4(4), null),
      trailer,
    ]);
    const ordinals: number[] = [];
    await readRows(inChunks(extended, 5), (buffer, at) => ordinals.push(buffer.readInt32BE(at)));
    expect(ordinals).toEqual([4]);
  });

  it('reads packed records however it is cut, none of an empty value and none of null', async () => {
    const value = Buffer.concat([int4(5), int4(-6), int4(2 ** 31 - 1)]);
    for (const [packed, expected] of [
      [tuple(value), [5, -6, 2 ** 31 - 1]],
      [tuple(Buffer.alloc(0)), []],
      [tuple(null), []],
    ] as const) {
      const whole = Buffer.concat([header, packed, trailer]);
      for (let size = 1; size <= whole.length; size++) {
        const found: number[] = [];
        await readRecords(inChunks(whole, size), 4, (buffer, at) => found.push(buffer.readInt32BE(at)));
        expect(found).toEqual(expected);
        const integers: number[] = [];
        await readIntegers(inChunks(whole, size), (values) => integers.push(...values));
        expect(integers).toEqual(expected);
      }
      const cut = whole.subarray(0, header.length + 4 + (expected.length > 0 ? 8 : 0));
      await expect(readRecords(inChunks(cut, 7), 4, () => {})).rejects.toThrow('ended early');
      await expect(readIntegers(inChunks(cut, 7), () => {})).rejects.toThrow('ended early');
    }
  });

  it('hands over many integers, each once and in order', async () => {
    const expected = Array.from({ length: 20_000 }, (_, n) => (n * 2_654_435_761) | 0);
    const whole = Buffer.concat([header, tuple(Buffer.concat(expected.map(int4))), trailer]);
    for (const size of [whole.length, 65_536, 16_384, 16_383, 1_000]) {
      const integers: number[] = [];
      await readIntegers(inChunks(whole, size), (values) => integers.push(...values));
      expect(integers).toEqual(expected);
    }
  });

  it('gives large integers and ids exactly', () => {
    const buffer = Buffer.alloc(16);
    for (const value of [0, 1, -1, 2 ** 32, 2 ** 53 - 1, -(2 ** 53 - 1), -(2 ** 32) + 5]) {
      buffer.writeBigInt64BE(BigInt(value));
      expect(readInt8(buffer, 0)).toBe(value);
    }
    expect(readUuid(Buffer.from('0190aaaa000070008000000000000001', 'hex'), 0)).toBe(
      '0190aaaa-0000-7000-8000-000000000001',
    );
  });
});
