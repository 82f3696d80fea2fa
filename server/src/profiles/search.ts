// How a fan is found by a part of what one knows. PostgreSQL's own word index does it, which every PostgreSQL and Citus has;
// its words are made here. Each begins with its application's number, so that one application's search reads nothing of another's.

import { sql, type Sql } from '../database/database.ts';
import { fold, wordsOf } from '../fold.ts';

/** Of what is searched for, in code units. */
export const MAX_SEARCH = 255;

/** What is stored beside a nickname. */
export function searchColumns(applicationId: number, nickname: string): { folded: string; words: string } {
  const folded = fold(nickname);
  return { folded, words: lexemes(applicationId, folded).join(' ') };
}

/** As tsvector and tsquery read them. Words hold neither quotes nor backslashes. */
const lexemes = (applicationId: number, folded: string): string[] =>
  wordsOf(folded).map((word) => `'${applicationId}:${word}'`);

export const beginsWith = (column: Sql, text: string): Sql => sql`${column} like ${likePrefix(text)}`;

const likePrefix = (text: string): string => `${text.replace(/[\\%_]/g, '\\$&')}%`;

/** Of a profile `p`: its nickname begins with this, in any case. */
export const nicknameBegins = (text: string): Sql => beginsWith(sql`p.folded`, fold(text));

/** Of a profile `p`: words of its nickname begin with all of these words, in any case, or its custom id begins with all of this. */
export function isFound(applicationId: number, text: string): Sql {
  const folded = fold(text);
  const query = lexemes(applicationId, folded).map((word) => `${word}:*`);
  // A nickname without a word, `?!`, is found by its beginning.
  const byName = query.length > 0 ? sql`p.words @@ ${query.join(' & ')}::tsquery` : beginsWith(sql`p.folded`, folded);
  return sql`(${byName} or ${beginsWith(sql`p.custom_id`, text)})`;
}
