// A list of profiles as a file: JSON strings a line, or the column of a table. Nothing may be done with it before it has
// come to its end and was well formed throughout.

import type { FileFormat } from './body.ts';
import { findIdColumn, knownIdHeaders, type AskedColumn, type IdColumn, type IdKind } from './columns.ts';
import { readCsv } from './csv-read.ts';
import { plainCell } from './csv-write.ts';
import { readLines } from './ndjson-read.ts';
import { malformed, readText } from './text.ts';

export interface SentId {
  kind: IdKind;
  id: string;
  line: number;
}

const MAX_LINE = 8192;

/** What a file may need to be told by; of NDJSON only `ids`, by default `profile_id`. */
export type IdListOptions = AskedColumn;

/** The ids, as many at a time as come at once. Blank cells are left out. */
export async function* readIdList(
  format: FileFormat,
  body: AsyncIterable<Buffer>,
  options: IdListOptions = {},
): AsyncGenerator<SentId[]> {
  const text = readText(body);
  if (format === 'ndjson') {
    const { ids: kind = 'profile_id' } = options;
    for await (const lines of readLines(text, MAX_LINE))
      yield lines.map((line) => ({ kind, id: readString(line.text, line.line), line: line.line }));
    return;
  }
  const { hasHeader = true } = options;
  const table = await readCsv(text, { known: knownIdHeaders, hasHeader });
  const column = findIdColumn(table.header, options);
  for await (const { rows } of table.batches) {
    yield rows.flatMap(({ line, cells }) => {
      if (cells.length !== table.header.length)
        throw malformed(line, `${cells.length} cells, where the header has ${table.header.length}.`);
      const id = readCell(cells, column);
      return id === '' ? [] : [{ kind: column.kind, id, line }];
    });
  }
}

const readCell = (cells: string[], { index }: IdColumn): string => plainCell(cells[index] ?? '').trim();

function readString(line: string, number: number): string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw malformed(number, 'not JSON.');
  }
  if (typeof value !== 'string') throw malformed(number, 'not a JSON string.');
  // A NUL or half a character is no misspelt id but a broken export.
  if (value.includes('\0') || !value.isWellFormed())
    throw malformed(number, 'NUL characters and lone surrogates are not allowed.');
  return value;
}
