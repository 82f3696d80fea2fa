// What a JSON text holds, counted before it is parsed: parsing is one step that nothing interrupts, and a text of a few
// megabytes can hold millions of values. Says nothing of whether the text is JSON; where it is not, parsing finds that.

/** Of a text, or of an element that is parsed by itself. */
export interface TextSize {
  /** At least as many as there are values in it. */
  values: number;
  /** Named fields of objects. */
  fields: number;
}

/** An element of the list that is parsed one by one: where it stands in the text. */
export interface Element extends TextSize {
  from: number;
  to: number;
}

export interface MeasuredList {
  /** Where the elements stand: behind the bracket that opens, before the one that closes. */
  from: number;
  to: number;
  /** The first `most + 1` of them. */
  elements: Element[];
  count: number;
}

export interface Measured {
  /** Of everything but the list's elements. */
  size: TextSize;
  depth: number;
  /** The field of the outermost object that was being read last. */
  field: () => string | undefined;
  /** A field may stand there twice; the last one counts. */
  lists: MeasuredList[];
}

export interface Measure {
  /** Goes on from where it stopped, up to this place of the text. */
  scan(to: number): void;
  result(): Measured;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];
const SPACES = [0x20, 0x0a, 0x0d, 0x09];

/** Undefined of one that is not JSON. */
function nameOf(quoted: string): string | undefined {
  if (!quoted.includes('\\')) return quoted;
  try {
    return String(JSON.parse(`"${quoted}"`));
  } catch {
    return undefined;
  }
}

/** `list`: the field of the outermost object whose elements are measured one by one. */
export function measureJson(text: Buffer, list?: { field: string; most: number }): Measure {
  const size: TextSize = { values: 1, fields: 0 };
  const lists: MeasuredList[] = [];
  let current: MeasuredList | undefined;
  /** What is counted into: an element of the list, or all that stands around it. */
  let part = size;
  /** One for all: there may be millions of them. */
  const element: TextSize = { values: 1, fields: 0 };
  let elementFrom = 0;
  let place = 0;
  let depth = 0;
  let deepest = 0;
  let isQuoted = false;
  /** Where the string began that is being read or was read last. */
  let stringFrom = 0;
  let stringTo = 0;
  // The name of the outermost object's field.
  let nameFrom = 0;
  let nameTo = 0;

  const field = (): string | undefined => (nameTo === 0 ? undefined : nameOf(text.toString('utf8', nameFrom, nameTo)));
  const begin = (from: number): void => {
    elementFrom = from;
    element.values = 1;
    element.fields = 0;
    part = element;
  };
  const end = (to: number): void => {
    if (!current) return;
    // Between the brackets of an empty list there is no element.
    const isEmpty = current.count === 0 && text[to] === CLOSE_LIST && isBlank(text, elementFrom, to);
    if (isEmpty || current.count++ > (list?.most ?? 0)) return;
    current.elements.push({ values: part.values, fields: part.fields, from: elementFrom, to });
  };
  /** A bracket opened the second level: perhaps that of the list. */
  const openField = (at: number): void => {
    if (list === undefined || text[at] !== OPEN_LIST || field() !== list.field) return;
    current = { from: at + 1, to: at + 1, elements: [], count: 0 };
    lists.push(current);
    begin(at + 1);
  };
  const closeField = (at: number): void => {
    if (!current) return;
    end(at);
    current.to = at;
    current = undefined;
    part = size;
  };
  const nextElement = (at: number): void => {
    end(at);
    begin(at + 1);
  };

  // Every byte passes through here: what stands deeper than the second level is only counted.
  const scan = (to: number): void => {
    let at = place;
    while (at < to) {
      if (isQuoted) {
        while (at < to && text[at] !== QUOTE) at += text[at] === BACKSLASH ? 2 : 1;
        if (at >= to) break; // the string goes on
        isQuoted = false;
        stringTo = at;
      } else {
        const byte = text[at] ?? 0;
        if (byte === QUOTE) {
          isQuoted = true;
          stringFrom = at + 1;
        } else if (byte === COMMA) {
          if (depth === 2 && current) nextElement(at);
          else part.values++;
        } else if (byte === COLON) {
          part.fields++;
          if (depth === 1) [nameFrom, nameTo] = [stringFrom, stringTo];
        } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
          part.values++;
          if (++depth > deepest) deepest = depth;
          if (depth === 2) openField(at);
        } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
          if (depth === 2) closeField(at);
          depth--;
        }
      }
      at++;
    }
    place = at;
  };
  return { scan, result: () => ({ size, depth: deepest, field, lists }) };
}

function isBlank(text: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (!SPACES.includes(text[at] ?? 0)) return false;
  return true;
}
