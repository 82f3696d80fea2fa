// The form of a sheet: sorted ordinals as differences in variable-length integers, in parts of 2^18 ordinals each. What it
// costs is about a byte an entry. docs/sheets.md describes it byte by byte; a reader refuses a version that it does not know.

/** Which profiles a sheet holds. */
export const PRESENCE = 0;
export const CREATIONS = -1;

const PART_BITS = 18;
/** More entries no part has. */
export const PART_SIZE = 1 << PART_BITS;
const VERSION = 1;
/** Of a difference of up to 2^18. */
const MAX_BYTES = 3;

export interface SheetPart {
  part: number;
  entries: number;
  body: Buffer;
}

/** `ordinals` ascending, each once. */
export function encodeSheet(ordinals: Int32Array): SheetPart[] {
  const parts: SheetPart[] = [];
  for (let from = 0; from < ordinals.length;) {
    const part = partOf(ordinals[from] as number); // from is below the length
    let to = from;
    while (to < ordinals.length && partOf(ordinals[to] as number) === part) to++;
    parts.push({ part, entries: to - from, body: encodePart(ordinals.subarray(from, to), part) });
    from = to;
  }
  return parts;
}

const partOf = (ordinal: number): number => ordinal >>> PART_BITS;

function encodePart(ordinals: Int32Array, part: number): Buffer {
  const body = Buffer.allocUnsafe(1 + ordinals.length * MAX_BYTES);
  body[0] = VERSION;
  let at = 1;
  let before = part * PART_SIZE - 1;
  for (const ordinal of ordinals) {
    let difference = ordinal - before;
    if (difference <= 0) throw new RangeError('the ordinals of a sheet ascend');
    before = ordinal;
    while (difference > 0x7f) {
      body[at++] = (difference & 0x7f) | 0x80;
      difference >>>= 7;
    }
    body[at++] = difference;
  }
  return body.subarray(0, at);
}

/** Writes the ordinals of a part to `into`, which has room for PART_SIZE; how many there are. */
export function decodePart({ part, entries, body }: SheetPart, into: Int32Array): number {
  if (body[0] !== VERSION)
    throw new RangeError(`a sheet of version ${body[0] ?? 'none'} cannot be read; known: ${VERSION}`);
  const end = (part + 1) * PART_SIZE;
  let ordinal = part * PART_SIZE - 1;
  let count = 0;
  for (let at = 1; at < body.length;) {
    let difference = 0;
    let shift = 0;
    for (;;) {
      const byte = body[at++];
      if (byte === undefined || shift > 14) throw new RangeError('a sheet ends within an entry');
      difference |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
      shift += 7;
    }
    ordinal += difference;
    if (difference === 0 || ordinal >= end || count >= into.length) throw new RangeError('a sheet leaves its part');
    into[count++] = ordinal;
  }
  if (count !== entries) throw new RangeError(`a sheet has ${count} entries instead of ${entries}`);
  return count;
}
