// What texts in a rule must be, and what is said of those that are not.

import type { Report } from './fields.ts';
import { codePoints, isUnstorable, MAX_TEXT } from './values.ts';

export const NOT_AN_INSTANT =
  'Must be an ISO 8601 date and time between the years 1900 and 2200, like 2025-04-28T12:16:49.670053Z.';

export function checkText(value: unknown, path: string, fail: Report, shortest: number): boolean {
  if (typeof value !== 'string') fail(path, 'Must be a text.');
  else if (isUnstorable(value)) fail(path, 'May not contain NUL or half of a surrogate pair.');
  else if (value.length < shortest) fail(path, 'May not be empty.');
  else if (codePoints(value) > MAX_TEXT) fail(path, `May have at most ${MAX_TEXT} characters.`);
  else return true;
  return false;
}
