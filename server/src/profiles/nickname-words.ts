export const ADJECTIVES = ['Final'];
export const NOUNS = ['Horse'];
