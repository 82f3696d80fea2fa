// A generated nickname: adjective + noun, such as "Final Horse".

import { randomInt } from 'node:crypto';
import { MAX_NICKNAME } from './profile.ts';
import { ADJECTIVES, NOUNS } from './nickname-words.ts';

export function generateNickname(): string {
  return `${ADJECTIVES[randomInt(ADJECTIVES.length)] ?? ''} ${NOUNS[randomInt(NOUNS.length)] ?? ''}`;
}

/** What is wrong with a nickname that was sent, trimmed already. */
export function nicknameProblem(nickname: string): string | undefined {
  const length = [...nickname].length;
  if (length < 1 || length > MAX_NICKNAME) return `This must have 1 to ${MAX_NICKNAME} characters after trimming.`;
  if (/\p{Cc}/u.test(nickname)) return 'This may not contain control characters.';
  // They turn around whatever stands beside the name. Right-to-left text needs none of them, emoji only their joiners.
  if (/[\u202a-\u202e\u2066-\u2069]/.test(nickname))
    return 'This may not contain characters that override the direction of text.';
  if (!VISIBLE.test(nickname)) return 'This must have a character that can be seen.';
  return undefined;
}

/** Anything but blanks, formatting and what fonts show as nothing: joiners, fillers, variation selectors, the empty Braille cell. */
const VISIBLE = /[^\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u;
