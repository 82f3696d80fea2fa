// Text as searches compare it: one function for what is stored and for what is asked, so that neither the database's
// locale nor its version has a say.

const COMBINING_MARKS = /[\u0300-\u036f]/g;
/** Letters and digits with their marks, or symbols such as emoji. */
const WORDS = /[\p{L}\p{N}\p{M}]+|\p{S}+/gu;
/** An index entry has at most 2 KiB. */
const MAX_WORD = 100;

/**
 * Without case, accents of Latin, Greek and Cyrillic letters, and the fancy forms of Unicode: `İpek`, `IPEK` and `ipek`
 * are one, as are `Straße` and `STRASSE`, `ΝΙΚΟΣ` and `Νίκος`.
 */
export function fold(text: string): string {
  const letters = caseless(text).normalize('NFKD').replace(COMBINING_MARKS, '');
  return caseless(letters).replaceAll('ς', 'σ').normalize('NFKC');
}

/** Down, up and down again: only that makes one of ẞ, ß and SS, and of ı and I. The locale has no say in these. */
const caseless = (text: string): string => text.toLowerCase().toUpperCase().toLowerCase();

/** The words of a folded text, each once. */
export function wordsOf(folded: string): string[] {
  return [...new Set((folded.match(WORDS) ?? []).map((word) => [...word].slice(0, MAX_WORD).join('')))];
}
