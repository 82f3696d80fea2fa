// Which column of a table is which: by the header, in any case and however its words are joined, or by what the caller
// says. A header that is not known is refused with the headers that were seen.

import { invalid } from '../errors.ts';

/** `Custom ID`, `custom-id` and `customId` are all `customid`. */
export const headerKey = (header: string): string => header.toLowerCase().replace(/[\s_\-.]+/g, '');

const MAX_TOLD = 30;
const MAX_LENGTH = 60;

/** The headers of a file as a message tells them. */
export function tellHeaders(headers: string[]): string {
  const told = headers.slice(0, MAX_TOLD).map((header) => JSON.stringify(header.slice(0, MAX_LENGTH)));
  const more = headers.length - told.length;
  return `${told.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

export type IdKind = 'profile_id' | 'custom_id';

export interface IdColumn {
  kind: IdKind;
  index: number;
}

const ID_HEADERS: Record<string, IdKind> = {
  profileid: 'profile_id',
  profileids: 'profile_id',
  customid: 'custom_id',
  customids: 'custom_id',
};

export const idKindOf = (header: string): IdKind | undefined => {
  const key = headerKey(header);
  return Object.hasOwn(ID_HEADERS, key) ? ID_HEADERS[key] : undefined;
};

export const knownIdHeaders = (headers: string[]): number =>
  headers.filter((header) => idKindOf(header) !== undefined).length;

export interface AskedColumn {
  /** A header, in any case; or, where the file has none, a number from 1. */
  column?: string | undefined;
  /** What that column holds, where its header does not say so. */
  ids?: IdKind | undefined;
  hasHeader?: boolean | undefined;
}

/** The column that holds the ids. Exports carry both kinds; the profile's own id is the surer one. */
export function findIdColumn(headers: string[], { column, ids, hasHeader = true }: AskedColumn): IdColumn {
  if (!hasHeader) return numbered(headers.length, column, ids);
  if (column !== undefined) {
    const index = findHeader(headers, column);
    const kind = ids ?? idKindOf(column);
    if (kind === undefined)
      throw invalid('ids', `Say what the column ${JSON.stringify(column)} holds: ids=profile_id or ids=custom_id.`);
    return { kind, index };
  }
  const wanted: IdKind[] = ids === undefined ? ['profile_id', 'custom_id'] : [ids];
  for (const kind of wanted) {
    const found = headers.flatMap((header, index) => (idKindOf(header) === kind ? [index] : []));
    if (found.length > 1)
      throw invalid('column', `More than one column is called ${kind}: ${tellHeaders(headers)}. Leave one.`);
    if (found[0] !== undefined) return { kind, index: found[0] };
  }
  throw invalid(
    'column',
    `No header is ${wanted.join(' or ')}. These were seen: ${tellHeaders(headers)}. Name the column that holds the ids: ` +
      'column=<its header>&ids=profile_id or ids=custom_id.',
  );
}

function numbered(count: number, column: string | undefined, ids: IdKind | undefined): IdColumn {
  if (ids === undefined) throw invalid('ids', 'Without a header, say what the column holds: profile_id or custom_id.');
  if (column === undefined && count > 1)
    throw invalid('column', `Without a header, give the number of the column, 1 to ${count}.`);
  const number = Number(column ?? 1);
  if (!Number.isInteger(number) || number < 1 || number > count)
    throw invalid('column', `Without a header, this must be the number of a column, 1 to ${count}.`);
  return { kind: ids, index: number - 1 };
}

/** The index of the column of this header: as it stands, else in any case and however its words are joined. */
export function findHeader(headers: string[], column: string): number {
  const exact = headers.flatMap((header, index) => (header === column ? [index] : []));
  const found =
    exact.length > 0 ? exact : headers.flatMap((h, index) => (headerKey(h) === headerKey(column) ? [index] : []));
  if (found.length === 1 && found[0] !== undefined) return found[0];
  throw invalid(
    'column',
    found.length === 0
      ? `No header is ${JSON.stringify(column)}. These were seen: ${tellHeaders(headers)}.`
      : `More than one column is called ${JSON.stringify(column)}.`,
  );
}
