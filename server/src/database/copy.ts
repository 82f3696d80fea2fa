// Reads the binary form of COPY as it arrives in chunks: rows of two columns, the first an int4, or a single value in
// which records of equal size lie one after the other.

import { endianness } from 'node:os';

const SIGNATURE_BYTES = 11;
const IS_LITTLE_ENDIAN = endianness() === 'LE';
/** Little enough to stay in the processor's cache between its filling and its reading. */
const INTEGERS_AT_ONCE = 4096;

/**
 * Hands each row over as places in a buffer: where the first column's four bytes start, where the second column's
 * value starts and how long it is (-1: null). Read at once.
 */
export async function readRows(
  chunks: AsyncIterable<Buffer>,
  row: (buffer: Buffer, at: number, valueAt: number, length: number) => void,
): Promise<void> {
  let ended = false;
  await readBody(chunks, (buffer) => {
    let position = 0;
    while (!ended && position + 2 <= buffer.length) {
      if (buffer.readInt16BE(position) === -1) {
        ended = true;
        break;
      }
      const first = position + 6;
      if (first + 8 > buffer.length) break;
      const length = buffer.readInt32BE(first + 4);
      const end = first + 8 + Math.max(length, 0);
      if (end > buffer.length) break;
      row(buffer, first, first + 8, length);
      position = end;
    }
    return position;
  });
  if (!ended) throw new Error('the stream of rows ended early');
}

/**
 * Hands over the int4s of the one value of the one row, thousands at a time. Read at once: the array is filled again. A
 * call for each would cost several times what is done with it.
 */
export async function readIntegers(chunks: AsyncIterable<Buffer>, batch: (values: Int32Array) => void): Promise<void> {
  const values = new Int32Array(INTEGERS_AT_ONCE);
  const bytes = Buffer.from(values.buffer);
  await readValue(chunks, 4, (buffer, start, end) => {
    for (let at = start; at < end; at += bytes.length) {
      const length = buffer.copy(bytes, 0, at, Math.min(end, at + bytes.length));
      if (IS_LITTLE_ENDIAN) bytes.subarray(0, length).swap32();
      batch(values.subarray(0, length / 4));
    }
  });
}

/** Hands over each record of the one value of the one row, as its place in a buffer. Read at once. */
export async function readRecords(
  chunks: AsyncIterable<Buffer>,
  size: number,
  record: (buffer: Buffer, at: number) => void,
): Promise<void> {
  await readValue(chunks, size, (buffer, start, end) => {
    for (let at = start; at < end; at += size) record(buffer, at);
  });
}

/** Hands over stretches of whole records of the one value of the one row. */
async function readValue(
  chunks: AsyncIterable<Buffer>,
  size: number,
  stretch: (buffer: Buffer, start: number, end: number) => void,
): Promise<void> {
  let left = -1; // bytes of the value to come; unknown until its length has been read
  await readBody(chunks, (buffer) => {
    let position = 0;
    if (left < 0) {
      if (buffer.length < 6) return 0;
      left = Math.max(buffer.readInt32BE(2), 0); // null: there was nothing to put together
      position = 6;
    }
    const here = Math.min(left, buffer.length - position);
    const end = position + here - (here % size);
    stretch(buffer, position, end);
    left -= end - position;
    return left === 0 ? buffer.length : end; // what follows the value is the trailer
  });
  if (left !== 0) throw new Error('the stream of records ended early');
}

/** Strips the header and hands over what has arrived; `read` says how much of it is done with. */
async function readBody(chunks: AsyncIterable<Buffer>, read: (buffer: Buffer) => number): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  let inHeader = true;
  for await (const chunk of chunks) {
    let buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (inHeader) {
      const flags = SIGNATURE_BYTES + 4; // then the length of an extension, then that many bytes
      const end = buffer.length < flags + 4 ? Infinity : flags + 4 + buffer.readInt32BE(flags);
      if (buffer.length < end) {
        rest = buffer;
        continue;
      }
      buffer = buffer.subarray(end);
      inHeader = false;
    }
    rest = buffer.subarray(read(buffer));
  }
}

/** Microseconds from 1970 to 2000, where PostgreSQL's binary timestamps begin. */
export const BINARY_EPOCH = 946_684_800_000_000;

/** An int8 that is a safe integer. */
export function readInt8(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * 0x1_0000_0000 + buffer.readUInt32BE(at + 4);
}

export function readUuid(buffer: Buffer, at: number): string {
  const hex = buffer.toString('hex', at, at + 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
