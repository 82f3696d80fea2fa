import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fold, wordsOf } from './fold.ts';
import { chooseSeed } from './testing/random.ts';

describe('folding', () => {
  it.each([
    ['İpek', 'ipek', 'IPEK', 'ıpek'],
    ['ΝΙΚΟΣ', 'νικος', 'Νίκος', 'νικοσ'],
    ['Straße', 'STRASSE', 'strasse', 'STRAẞE'],
    ['José', 'JOSE', 'jose\u0301'],
    ['ﬁnal', 'FINAL', '𝓕𝓲𝓷𝓪𝓵'],
    ['Ёлка', 'елка'],
    ['ǅungla', 'ǆungla', 'Ǆungla'],
    ['ＦＡＮ１', 'fan1'],
    ['Ꭰ', 'ꭰ'],
  ])('makes one of %s and its other spellings', (...spellings) => {
    expect(new Set(spellings.map(fold)).size, spellings.map(fold).join(' ')).toBe(1);
  });

  it.each([
    ['か', 'が'],
    ['कि', 'का'],
    ['л', 'л2'],
  ])('keeps %s and %s apart', (one, other) => {
    expect(fold(one)).not.toBe(fold(other));
  });

  it('finds every text by itself in any case, and folds no further what is folded', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), (text) => {
        const folded = fold(text);
        expect(fold(folded)).toBe(folded);
        for (const spelling of [text.toUpperCase(), text.toLowerCase(), text.normalize('NFD')])
          expect(fold(spelling)).toBe(folded);
      }),
      { seed: chooseSeed(), numRuns: 2000 },
    );
  });

  it('keeps the beginning of a text the beginning of what is folded', () => {
    const letters = fc.array(fc.constantFrom(...'aZİıßΣςσώ́éǅﬁ１ёЙかが漢한🦁 -'), { maxLength: 12 });
    fc.assert(
      fc.property(letters, fc.nat(12), (text, end) => {
        expect(fold(text.join('')).startsWith(fold(text.slice(0, end).join('')))).toBe(true);
      }),
      { seed: chooseSeed(), numRuns: 2000 },
    );
  });
});

describe('words', () => {
  it.each([
    ['Final Horse', ['final', 'horse']],
    ["O'Neil-Smith_99", ['o', 'neil', 'smith', '99']],
    ['🦁Leo🦁', ['🦁', 'leo']],
    ['नमस्ते दुनिया', ['नमस्ते', 'दुनिया']],
    ['?!', []],
    ['', []],
  ])('of %j', (text, words) => {
    expect(wordsOf(fold(text))).toEqual(words);
  });
});
