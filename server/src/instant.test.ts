import { describe, expect, it } from 'vitest';
import { FIRST_INSTANT, formatInstant, INSTANT_LIMIT, parseInstant } from './instant.ts';

describe('instants', () => {
  it('are written with six fractional digits in UTC', () => {
    expect(formatInstant(0)).toBe('1970-01-01T00:00:00.000000Z');
    expect(formatInstant(1745842609670053)).toBe('2025-04-28T12:16:49.670053Z');
    expect(formatInstant(-1)).toBe('1969-12-31T23:59:59.999999Z');
  });

  it.each([
    ['2025-04-28T12:16:49.670053Z', 1745842609670053],
    ['2025-04-28T12:16:49.67Z', 1745842609670000],
    ['2025-04-28t12:16:49z', 1745842609000000],
    ['2025-04-28 14:16:49+02:00', 1745842609000000],
    ['2025-04-28T14:16:49+0200', 1745842609000000],
    ['2025-04-28T14:16+02', 1745842560000000],
    ['2025-04-28T12:16:49', 1745842609000000],
    ['2025-04-28', 1745798400000000],
    ['1900-01-01T00:00:00Z', FIRST_INSTANT],
    ['2200-12-31T23:59:59.999999Z', INSTANT_LIMIT - 1],
    ['1969-12-31T23:59:59.999999-00:00', -1],
  ])('%s is read exactly', (text, instant) => {
    expect(parseInstant(text)).toBe(instant);
    expect(parseInstant(formatInstant(instant))).toBe(instant);
  });

  it.each([
    '',
    'now',
    '2025-02-29',
    '2025-04-31T00:00:00Z',
    '2025-13-01',
    '2025-00-10',
    '2025-04-28T24:00:00Z',
    '2025-04-28T12:60:00Z',
    '2025-04-28T12:16:60Z',
    '2025-04-28T12:16:49.1234567Z',
    '2025-04-28T12:16:49.Z',
    '2025-04-28T12Z',
    '2025-04-28Z',
    '28-04-2025',
    '1899-12-31T23:59:59.999999Z',
    '2201-01-01T00:00:00Z',
    '2200-12-31T23:59:59-01:00',
    '0099-01-01',
    '1745842609',
    ' 2025-04-28',
    '2025-04-28\n',
  ])('%j is refused', (text) => {
    expect(parseInstant(text)).toBeUndefined();
  });
});
