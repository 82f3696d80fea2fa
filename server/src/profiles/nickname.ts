// A generated nickname: adjective + noun, such as "Final Horse".

import { randomInt } from 'node:crypto';
import { ADJECTIVES, NOUNS } from './nickname-words.ts';

export function generateNickname(): string {
  return `${ADJECTIVES[randomInt(ADJECTIVES.length)] ?? ''} ${NOUNS[randomInt(NOUNS.length)] ?? ''}`;
}
