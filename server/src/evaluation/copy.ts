// Reads the binary form of COPY: rows of one or two columns, the first an int4, as they arrive in chunks.

const SIGNATURE_BYTES = 11;

/**
 * Hands each row over as places in a buffer: where the first column's four bytes start, where the second column's
 * value starts and how long it is (-1: null; -2: there is no second column). The buffer is reused, so read at once.
 */
export async function readRows(
  chunks: AsyncIterable<Buffer>,
  row: (buffer: Buffer, at: number, valueAt: number, length: number) => void,
): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  let inHeader = true;
  let ended = false;
  for await (const chunk of chunks) {
    if (ended) continue;
    const buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let position = 0;
    if (inHeader) {
      const flags = SIGNATURE_BYTES + 4; // then the length of an extension, then that many bytes
      if (buffer.length < flags + 4 || buffer.length < flags + 4 + buffer.readInt32BE(flags)) {
        rest = buffer;
        continue;
      }
      position = flags + 4 + buffer.readInt32BE(flags);
      inHeader = false;
    }
    while (position + 2 <= buffer.length) {
      const columns = buffer.readInt16BE(position);
      if (columns === -1) {
        ended = true;
        break;
      }
      const first = position + 6;
      let end = first + 4;
      if (columns === 1) {
        if (end > buffer.length) break;
        row(buffer, first, end, -2);
      } else {
        if (end + 4 > buffer.length) break;
        const length = buffer.readInt32BE(end);
        const valueAt = end + 4;
        end = length < 0 ? valueAt : valueAt + length;
        if (end > buffer.length) break;
        row(buffer, first, valueAt, length);
      }
      position = end;
    }
    rest = buffer.subarray(position);
  }
  if (!ended) throw new Error('the stream of rows ended early');
}

/** An int8 that is a safe integer. */
export function readInt8(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * 0x1_0000_0000 + buffer.readUInt32BE(at + 4);
}

export function readUuid(buffer: Buffer, at: number): string {
  const hex = buffer.toString('hex', at, at + 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
