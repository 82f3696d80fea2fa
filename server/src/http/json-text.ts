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
  field: string | undefined;
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
const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

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
  let elementFrom = 0;
  let [place, depth, deepest] = [0, 0, 0];
  let isQuoted = false;
  let quoteFrom = 0;
  // The string that was read last at the level of the outermost object's fields.
  let [nameFrom, nameTo] = [0, 0];
  let name: string | undefined;

  const begin = (from: number): void => {
    elementFrom = from;
    part = { values: 1, fields: 0 };
  };
  const end = (to: number): void => {
    if (!current) return;
    // Between the brackets of an empty list there is no element.
    const isEmpty = current.count === 0 && text[to] !== COMMA && text.subarray(elementFrom, to).every(isSpace);
    if (isEmpty || current.count++ > (list?.most ?? 0)) return;
    current.elements.push({ ...part, from: elementFrom, to });
  };
  const comma = (at: number): void => {
    if (depth === 2 && current) {
      end(at);
      begin(at + 1);
    } else part.values++;
  };
  const open = (at: number): void => {
    part.values++;
    if (++depth > deepest) deepest = depth;
    if (depth !== 2 || text[at] !== 0x5b || name === undefined || name !== list?.field) return;
    current = { from: at + 1, to: at + 1, elements: [], count: 0 };
    lists.push(current);
    begin(at + 1);
  };
  const close = (at: number): void => {
    if (depth === 2 && current) {
      end(at);
      current.to = at;
      current = undefined;
      part = size;
    }
    depth--;
  };
  const unquote = (at: number): void => {
    if (depth === 1) [nameFrom, nameTo] = [quoteFrom, at];
  };
  const colon = (): void => {
    part.fields++;
    if (depth === 1) name = nameOf(text.toString('utf8', nameFrom, nameTo));
  };

  return {
    scan(to) {
      let at = place;
      let quoted = isQuoted;
      for (; at < to; at++) {
        const byte = text[at];
        if (quoted) {
          if (byte === BACKSLASH) at++;
          else if (byte === QUOTE) {
            quoted = false;
            unquote(at);
          }
        } else if (byte === QUOTE) {
          quoted = true;
          quoteFrom = at + 1;
        } else if (byte === COMMA) comma(at);
        else if (byte === COLON) colon();
        else if (byte === 0x7b || byte === 0x5b) open(at);
        else if (byte === 0x7d || byte === 0x5d) close(at);
      }
      place = at;
      isQuoted = quoted;
    },
    result: () => ({ size, depth: deepest, field: name, lists }),
  };
}
