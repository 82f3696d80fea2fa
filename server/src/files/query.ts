// What a caller may have to say of a file, as query parameters.

import { Type } from 'typebox';
import { invalid, readAll } from '../errors.ts';
import type { AskedColumn, IdKind } from './columns.ts';

export const FileQuery = {
  ids: Type.Optional(
    Type.String({
      description:
        'What the ids are: `profile_id` or `custom_id`. Of JSON strings `profile_id` unless told otherwise; CSV says it by its header.',
    }),
  ),
  column: Type.Optional(
    Type.String({ description: 'Of CSV whose header is another one: the header of the column that holds the ids.' }),
  ),
  header: Type.Optional(
    Type.String({
      description:
        '`false`: the CSV has no header; then `ids` is required, and `column` is a number from 1 where there is more than one.',
    }),
  ),
};

export function readAskedColumn(query: { ids?: string; column?: string; header?: string }): AskedColumn {
  const { ids, column, header = 'true' } = query;
  const [kind, hasHeader] = readAll(
    () => readIdKind(ids),
    () => readBoolean('header', header),
  );
  return { ids: kind, column, hasHeader };
}

function readIdKind(text: string | undefined): IdKind | undefined {
  if (text !== undefined && text !== 'profile_id' && text !== 'custom_id')
    throw invalid('ids', 'This must be one of: profile_id, custom_id.');
  return text;
}

export function readBoolean(name: string, text: string): boolean {
  if (text !== 'true' && text !== 'false') throw invalid(name, 'This must be true or false.');
  return text === 'true';
}
