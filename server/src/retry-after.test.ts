import { expect, it } from 'vitest';
import { formatRetryAfter, readRetryAfter } from './retry-after.ts';

const NOW = Date.UTC(2026, 2, 1, 12);

it.each([
  ['7', 7_000],
  [' 120 ', 120_000],
  ['0', 0],
  ['1.5', 1_500],
  ['99999999999', 99_999_999_999_000],
  ['Sun, 01 Mar 2026 12:01:00 GMT', 60_000],
  ['Sunday, 01-Mar-26 12:01:00 GMT', 60_000],
  ['Sun Mar  1 12:01:00 2026', 60_000],
  ['Sun, 01 Mar 2026 11:00:00 GMT', 0],
])('%j is %d ms', (text, ms) => {
  expect(readRetryAfter(text, NOW)).toBe(ms);
});

it.each(['', ' ', '-5', '0x10', '1e3', 'soon', 'Someday, when it is better', '12:00', null, undefined])(
  '%j says nothing',
  (text) => {
    expect(readRetryAfter(text, NOW)).toBeUndefined();
  },
);

it('is said in whole seconds, one at least', () => {
  expect([-3, 0, 0.2, 1, 1.01, 86_399.5].map(formatRetryAfter)).toEqual(['1', '1', '1', '1', '2', '86400']);
});
