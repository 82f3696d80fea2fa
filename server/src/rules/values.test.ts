import { describe, expect, it } from 'vitest';
import { MICROS_PER_DAY } from '../instant.ts';
import { codePoints, compareText, isUnstorable, parseBoolean, parseNumber, parseWindow } from './values.ts';

describe('numbers', () => {
  it.each([
    ['0', 0],
    ['-0', 0],
    ['007', 7],
    ['-12.50', -12.5],
    ['1e3', 1000],
    ['1E-3', 0.001],
    ['0.30000000000000004', 0.30000000000000004],
    ['9007199254740993', 9007199254740992], // the nearest double
    ['1e-400', 0],
    ['1.7976931348623157e308', Number.MAX_VALUE],
  ])('%s reads as the nearest double', (text, number) => {
    expect(parseNumber(text)).toBe(number);
  });

  it.each([
    '',
    ' 1',
    '1 ',
    '+1',
    '.5',
    '1.',
    '1e',
    '0x10',
    '1_000',
    '1,5',
    'NaN',
    'Infinity',
    '1e309',
    '--1',
    '１',
    '1\n',
  ])('%j is no number', (text) => expect(parseNumber(text)).toBeUndefined());
});

it('booleans are exactly true and false', () => {
  expect(['true', 'false', 'TRUE', '1', ''].map(parseBoolean)).toEqual([true, false, undefined, undefined, undefined]);
});

describe('windows', () => {
  it.each([
    ['P7D', 7 * MICROS_PER_DAY],
    ['P1W', 7 * MICROS_PER_DAY],
    ['P1W1DT1H1M1S', 8 * MICROS_PER_DAY + 3_661_000_000],
    ['PT1S', 1_000_000],
    ['P365D', 365 * MICROS_PER_DAY],
    ['PT8760H', 365 * MICROS_PER_DAY],
    ['PT05S', 5_000_000],
  ])('%s is read exactly', (text, micros) => {
    expect(parseWindow(text)).toBe(micros);
  });

  it.each([
    'P',
    'PT',
    'P7',
    '7D',
    'P7DT',
    'PT0S',
    'P0D',
    'P366D',
    'P365DT1S',
    'P53W',
    'P1M',
    'P1Y',
    'PT0.5S',
    'PT1.5H',
    'p7d',
    '-P7D',
    'P-7D',
    'P1D1W',
    'PT1S1M',
    ' P7D',
    'P7D\n',
    'P99999999999D',
    'P٧D',
  ])('%j is no window', (text) => {
    expect(parseWindow(text)).toBeUndefined();
  });
});

it('lengths count code points', () => {
  expect(['', 'a', 'é', 'e\u0301', '🏆🏅'].map(codePoints)).toEqual([0, 1, 1, 2, 2]);
});

it('NUL and halves of surrogate pairs cannot be stored, whole pairs can', () => {
  expect(['\0', 'a\ud800', '\udc00b', '\udc00\ud800', '🏆', 'é\n'].map(isUnstorable)).toEqual([
    true,
    true,
    true,
    true,
    false,
    false,
  ]);
});

it('texts are ordered by code point, not by UTF-16 unit', () => {
  const texts = ['🏆', '\uffee', 'é', 'e\u0301', 'a', '', 'ab', 'B'];
  const bytes = [...texts].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect([...texts].sort(compareText)).toEqual(bytes);
});
