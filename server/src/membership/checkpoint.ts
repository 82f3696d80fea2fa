// The form of a checkpoint: the entries (sequence and ordinal) of who was a member at a place of a group's feed, newest
// first, as differences in variable-length integers, in parts. docs/decisions/0044-checkpoints.md describes it byte by byte; a
// reader refuses a version that it does not know.

/** An entry into a group: the sequence of its change, and the ordinal of the profile. */
export interface Entry {
  sequence: number;
  ordinal: number;
}

export interface CheckpointPart {
  part: number;
  entries: number;
  newest: number;
  oldest: number;
  body: Buffer;
}

/** Entries of a part: some hundred kilobytes, and a millisecond to read. */
export const PART_ENTRIES = 1 << 16;

const VERSION = 1;
/** A difference of sequences (below 2^53) and one of ordinals, zigzag (below 2^33). */
const MOST_BYTES = 8 + 5;

/** Entries of descending sequences, at most PART_ENTRIES of them. */
export function encodePart(part: number, entries: readonly Entry[]): CheckpointPart {
  const [first, last] = [entries[0], entries.at(-1)];
  if (!first || !last) throw new RangeError('a part of a checkpoint has entries');
  const body = Buffer.allocUnsafe(1 + entries.length * MOST_BYTES);
  body[0] = VERSION;
  let at = 1;
  const write = (value: number): void => {
    let rest = value;
    while (rest > 0x7f) {
      body[at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    body[at++] = rest;
  };
  let { sequence, ordinal } = { sequence: first.sequence + 1, ordinal: 0 };
  for (const entry of entries) {
    if (entry.sequence >= sequence) throw new RangeError('the entries of a checkpoint descend');
    write(sequence - entry.sequence);
    const difference = entry.ordinal - ordinal;
    write(difference < 0 ? -2 * difference - 1 : 2 * difference);
    ({ sequence, ordinal } = entry);
  }
  const copied = Buffer.from(body.subarray(0, at));
  return { part, entries: entries.length, newest: first.sequence, oldest: last.sequence, body: copied };
}

/** The entries of a part, newest first. */
export function decodePart({ entries, newest, oldest, body }: Omit<CheckpointPart, 'part'>): Entry[] {
  if (body[0] !== VERSION)
    throw new RangeError(`a checkpoint of version ${body[0] ?? 'none'} cannot be read; known: ${VERSION}`);
  let at = 1;
  const read = (): number => {
    let value = 0;
    for (let unit = 1; ; unit *= 0x80) {
      const byte = body[at++];
      if (byte === undefined || unit > 2 ** 49) throw new RangeError('a checkpoint ends within an entry');
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
    }
  };
  const found: Entry[] = [];
  let { sequence, ordinal } = { sequence: newest + 1, ordinal: 0 };
  while (at < body.length) {
    const down = read();
    const turned = read();
    sequence -= down;
    ordinal += turned % 2 === 0 ? turned / 2 : -(turned + 1) / 2;
    if (down === 0 || sequence < oldest || ordinal < 0 || ordinal > 0x7fff_ffff)
      throw new RangeError('a checkpoint leaves its part');
    found.push({ sequence, ordinal });
  }
  if (found.length !== entries || found[0]?.sequence !== newest || sequence !== oldest)
    throw new RangeError(`a part of a checkpoint has ${found.length} entries instead of ${entries}, or other ends`);
  return found;
}
