import { describe, expect, it } from 'vitest';
import { ADJECTIVES, NOUNS } from './nickname-words.ts';
import { generateNickname, nicknameProblem } from './nickname.ts';

/** Parts that make a word rude wherever they stand, within a word or across the two. */
const RUDE = `
  anal anus arse ass balls bastard bitch boob bollock breast butt clit cock coon crap cum cunt damn dick dildo
  dyke fag fanny fart fuck gay hell homo horny jap jerk jew kill kike knob lust milf moron nazi nigg nipple nude
  orgasm orgy paki penis piss poo porn prick pube pussy queer rape retard scrot semen sex shag shit slag slut
  smut spic suck tard tit tramp turd twat vagina wank whore wog
`
  .trim()
  .split(/\s+/);
/** Where such a part is innocent: the word is another one altogether. */
const INNOCENT = ['compass', 'grasshopper', 'sunlit', 'illustrious', 'butterfly', 'classic', 'skillful'];

const rudeParts = (text: string): string[] => {
  const letters = INNOCENT.reduce((rest, word) => rest.replaceAll(word, '-'), text.toLowerCase().replaceAll(' ', ''));
  return RUDE.filter((part) => letters.includes(part));
};

describe('generated nicknames', () => {
  it('have 100,000 combinations or more, none of them twice', () => {
    expect(new Set(ADJECTIVES).size).toBe(ADJECTIVES.length);
    expect(new Set(NOUNS).size).toBe(NOUNS.length);
    expect(ADJECTIVES.length * NOUNS.length).toBeGreaterThanOrEqual(100_000);
    expect(NOUNS.filter((noun) => ADJECTIVES.includes(noun))).toEqual([]);
  });

  it('are made of plain capitalised words that fit every screen', () => {
    for (const word of [...ADJECTIVES, ...NOUNS]) expect(word).toMatch(/^[A-Z][a-z]{2,13}$/);
  });

  it('contain nothing rude in any combination, nor across the gap', () => {
    expect(rudeParts('Basic Ockham')).toEqual(['cock']);
    const rude: string[] = [];
    for (const adjective of ADJECTIVES) {
      for (const noun of NOUNS) {
        const parts = rudeParts(`${adjective} ${noun}`);
        if (parts.length > 0) rude.push(`${adjective} ${noun}: ${parts.join()}`);
      }
    }
    expect(rude).toEqual([]);
  });

  it('are drawn from all of the words', () => {
    const drawn = Array.from({ length: 40_000 }, generateNickname);
    expect(new Set(drawn.map((name) => name.split(' ')[0])).size).toBe(ADJECTIVES.length);
    expect(new Set(drawn.map((name) => name.split(' ')[1])).size).toBe(NOUNS.length);
    expect(drawn.filter((name) => name.split(' ').length !== 2)).toEqual([]);
  });
});

it('refuses nicknames that nobody sees and those that turn the text around them', () => {
  for (const bad of [
    '',
    '\u200b',
    '\u200d\u2060\ufeff',
    '\u00ad',
    '\u3164',
    '\u2800 \u115f',
    '\u{e0061}\u{e007f}',
    '\ufe0f',
    '\u2003\u200b',
    ...[...'\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069'].map((override) => `a${override}b`),
    'a\u0007',
    'a\u0085b',
    'x'.repeat(101),
  ]) {
    expect(nicknameProblem(bad), JSON.stringify(bad)).toEqual(expect.any(String));
  }
});

it('takes nicknames in every script, with joiners, and of symbols that are newer than we', () => {
  for (const good of [
    'שלום',
    'مرحبا 7',
    'می\u200cخواهم',
    'a\u200f\u200eb',
    '👩‍👩‍👧‍👦',
    '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}',
    '❤️',
    '\u{1faff}',
    'क्‍ष',
    '𝄞'.repeat(100),
  ]) {
    expect(nicknameProblem(good), good).toBeUndefined();
  }
});
