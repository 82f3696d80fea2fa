// How a file would be read, from its beginning: for whoever must say which column is which before it is sent.

import { Type, type Static } from 'typebox';
import { nullable } from '../http/schemas.ts';
import type { FileFormat } from '../files/body.ts';
import { idKindOf, knownIdHeaders } from '../files/columns.ts';
import { readCsv } from '../files/csv-read.ts';
import { readLines } from '../files/ndjson-read.ts';
import { readText } from '../files/text.ts';
import { fieldOf, knownFields } from './columns.ts';
import { MAX_ROW, type ImportKind } from './import.ts';

const MOST_BYTES = 65_536;
const ROWS = 5;

export const FilePreview = Type.Object(
  {
    format: Type.Unsafe<FileFormat>({ type: 'string', enum: ['csv', 'ndjson'] }),
    delimiter: nullable({ description: 'Of CSV: a comma, a semicolon or a tab.' }),
    columns: Type.Array(
      Type.Object({
        header: Type.String(),
        field: nullable({
          description: 'What it is taken for; null: its header is not known, or says what nobody writes.',
        }),
        known: Type.Boolean(),
      }),
    ),
    rows: Type.Array(Type.Array(Type.String()), { description: `The first ${ROWS}; of NDJSON each is one text.` }),
  },
  { $id: 'FilePreview' },
);
export type FilePreview = Static<typeof FilePreview>;

export async function previewFile(
  kind: ImportKind,
  format: FileFormat,
  body: AsyncIterable<Buffer>,
  hasHeader: boolean,
): Promise<FilePreview> {
  const { bytes, isCut } = await beginning(body);
  const text = readText(once(bytes));
  if (format === 'ndjson') {
    const rows: string[][] = [];
    for await (const lines of readLines(text, MAX_ROW)) {
      rows.push(...lines.map((line) => [line.text]));
      if (rows.length >= ROWS) break;
    }
    return { format, delimiter: null, columns: [], rows: rows.slice(0, ROWS) };
  }
  const known = kind === 'members' ? knownIdHeaders : knownFields(kind);
  const table = await readCsv(text, { known, hasHeader });
  const rows: string[][] = [];
  try {
    for await (const batch of table.batches) {
      rows.push(...batch.rows.map((row) => row.cells));
      if (rows.length >= ROWS) break;
    }
  } catch (error) {
    if (!isCut) throw error; // a row that is cut is none that is wrong
  }
  const columns = table.header.map((header) => {
    const field = kind === 'members' ? idKindOf(header) : fieldOf(kind, header);
    return { header, field: field ?? null, known: field !== undefined };
  });
  return { format, delimiter: table.delimiter, columns, rows: rows.slice(0, ROWS) };
}

/** As far as rows are whole. */
async function beginning(body: AsyncIterable<Buffer>): Promise<{ bytes: Buffer; isCut: boolean }> {
  let bytes: Buffer = Buffer.alloc(0);
  let isCut = false;
  try {
    for await (const chunk of body) {
      bytes = Buffer.concat([bytes, chunk]);
      isCut = bytes.length >= MOST_BYTES;
      if (isCut) break;
    }
  } catch (error) {
    if (bytes.length === 0) throw error;
    isCut = true; // the beginning of a compressed file is cut off too
  }
  if (!isCut) return { bytes, isCut };
  const whole = bytes.subarray(0, MOST_BYTES);
  const end = Math.max(whole.lastIndexOf(0x0a), whole.lastIndexOf(0x0d)) + 1;
  // Of UTF-16 a line end is two bytes; little-endian, the second one follows.
  const isLittleEndian = whole[0] === 0xff && whole[1] === 0xfe;
  return { bytes: end === 0 ? whole : whole.subarray(0, isLittleEndian ? end + (end % 2) : end), isCut };
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
