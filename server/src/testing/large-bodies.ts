// The largest bodies that a limit lets through, in the shapes that cost a reader most: very many small values, very many
// names, one after the other or inside each other.

/** As many of a piece of JSON, each after a comma, as fit. */
export const listOf = (piece: string, bytes: number): string =>
  times(piece, Math.max(1, Math.floor((bytes - 2) / (piece.length + 1))));

const times = (piece: string, count: number): string => `[${`${piece},`.repeat(count - 1)}${piece}]`;

/** An object of so many named fields, of names that no other one has. */
function objectOf(fields: number, from = 0): string {
  return `{${Array.from({ length: fields }, (_, n) => `"${(from + n).toString(36)}":0`).join(',')}}`;
}

/** Objects whose names all differ: the shape that engines parse slowest. */
function strangers(fields: number, bytes: number): string {
  const objects: string[] = [];
  for (let size = 2; ;) {
    const object = objectOf(fields, objects.length * fields);
    size += object.length + 1;
    if (size > bytes && objects.length > 0) return `[${objects.join(',')}]`;
    objects.push(object);
  }
}

const nested = (levels: number, open: string, close: string): string => open.repeat(levels) + close.repeat(levels);

/** A little below the values that a body may hold. */
const READ = 230_000;

/** Values of about so many bytes by what they are. */
export const LARGE_VALUES: Record<string, (bytes: number) => string> = {
  'numbers, no more than are read': (bytes) => listOf('0', Math.min(bytes, 2 * READ)),
  'objects, no more than are read': (bytes) => listOf('{}', Math.min(bytes, (3 * READ) / 2)),
  numbers: (bytes) => listOf('0', bytes),
  'empty objects': (bytes) => listOf('{}', bytes),
  'empty texts': (bytes) => listOf('""', bytes),
  'objects of hundreds of unknown names': (bytes) => listOf(objectOf(700), bytes),
  'objects of ever other names': (bytes) => strangers(20, bytes),
  'one object of many names': (bytes) => objectOf(Math.floor((bytes - 2) / 10)),
  'deep lists': (bytes) => listOf(nested(50, '[', ']'), bytes),
  'deep objects': (bytes) => listOf(`${'{"a":'.repeat(50)}0${'}'.repeat(50)}`, bytes),
  'a wide tree': (bytes) => `{"operator":"AND","children":${listOf('{"operator":"OR","children":[0]}', bytes - 40)}}`,
  'one long text': (bytes) => `"${'x'.repeat(bytes - 2)}"`,
  'escapes only': (bytes) => `"${'\\u0041'.repeat((bytes - 2) / 6)}"`,
  'texts that cannot be stored': (bytes) => listOf('"\\u0000"', bytes),
  'names into prototypes': (bytes) => listOf('{"__proto__":{"constructor":{"prototype":0}}}', bytes),
  'one long name': (bytes) => `{"${'n'.repeat(bytes - 6)}":0}`,
};

/** A list that is as long as it may be, of elements that are as large as they may be together. */
export function fullList(count: number, bytes: number, value: (bytes: number) => string): string {
  return times(value(Math.max(8, Math.floor(bytes / count) - 1)), count);
}
