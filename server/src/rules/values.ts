// How text becomes a value: the one grammar that stored attributes and rules share (docs/rules.md). What does not parse
// is undefined, never an exception.

import { MICROS_PER_DAY, MICROS_PER_SECOND, type Micros } from '../instant.ts';

export { parseInstant } from '../instant.ts';

/** The longest value of an attribute and of a text in a rule, in code points. */
export const MAX_TEXT = 200;

const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/**
 * A decimal number as the nearest IEEE double: an optional minus, digits, an optional fraction and exponent. No plus,
 * no blanks, no hexadecimal, nothing beyond the range of a double. -0 is 0.
 */
export function parseNumber(text: string): number | undefined {
  if (!NUMBER.test(text)) return undefined;
  const number = Number(text);
  return Number.isFinite(number) ? number + 0 : undefined;
}

/** Exactly `true` or `false`. */
export function parseBoolean(text: string): boolean | undefined {
  return text === 'true' ? true : text === 'false' ? false : undefined;
}

const WINDOW = /^P(?=[\dT])(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?$/;

export const SHORTEST_WINDOW: Micros = MICROS_PER_SECOND;
export const LONGEST_WINDOW: Micros = 365 * MICROS_PER_DAY;

/** An ISO 8601 duration of weeks, days, hours, minutes and seconds (a day is 24 hours), PT1S to P365D. */
export function parseWindow(text: string): Micros | undefined {
  const match = WINDOW.exec(text);
  if (!match) return undefined;
  const part = (group: number): number => Number(match[group] ?? 0);
  const seconds = part(1) * 604_800 + part(2) * 86_400 + part(3) * 3_600 + part(4) * 60 + part(5);
  const micros = seconds * MICROS_PER_SECOND;
  return micros >= SHORTEST_WINDOW && micros <= LONGEST_WINDOW ? micros : undefined;
}

/** Length in code points, which is how every limit counts. */
export function codePoints(text: string): number {
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0xdc00 || unit > 0xdfff) length++;
  }
  return length;
}

const UNSTORABLE = /\0|\p{Surrogate}/u;

/** Whether the text holds NUL or half of a surrogate pair, which no text column takes. */
export function isUnstorable(text: string): boolean {
  return UNSTORABLE.test(text);
}

/** Order by code point, as PostgreSQL orders under collation "C". */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** UTF-16 puts surrogates (code points above U+FFFF) before U+E000 to U+FFFF; code points do not. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
