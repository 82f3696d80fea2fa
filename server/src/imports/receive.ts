// A file as it arrives: read to its end, in rows, and laid down in compressed pieces, each of which will be brought in by one
// transaction. What is malformed as a whole, or ends early, leaves nothing behind.

import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { Context } from '../context.ts';
import { inflated, type FileFormat } from '../files/body.ts';
import { findIdColumn, headerKey, knownIdHeaders, type AskedColumn } from '../files/columns.ts';
import { readCsv, type CsvTable } from '../files/csv-read.ts';
import { readLines } from '../files/ndjson-read.ts';
import { malformed, readText, refused } from '../files/text.ts';
import { invalid } from '../errors.ts';
import { formatInstant } from '../instant.ts';
import { findFields, knownFields, type AskedColumns } from './columns.ts';
import { MAX_ROW, PIECE_BYTES, PIECE_ROWS, type ImportKind, type ImportOptions } from './import.ts';
import * as store from './import-store.ts';
import { createLine } from './line.ts';
import { parseLine, type PieceRow } from './rows.ts';

export interface Asked extends AskedColumns {
  ids: AskedColumn;
  groupId: string | undefined;
}

export interface OpenFile {
  options: ImportOptions;
  rows: AsyncGenerator<PieceRow[]>;
  /** Of the bytes as they came; once they have all come. */
  bodyHash(): Buffer;
}

/** Reads as far as the header; throws where it cannot be made sense of. */
export async function openFile(body: Readable, kind: ImportKind, format: FileFormat, asked: Asked): Promise<OpenFile> {
  const hash = createHash('sha256');
  const text = readText(inflated(body, (chunk) => hash.update(chunk)));
  const bodyHash = (): Buffer => hash.digest();
  const group = asked.groupId === undefined ? {} : { groupId: asked.groupId };
  if (format === 'ndjson') {
    const options = kind === 'members' ? { ...group, ids: { kind: asked.ids.ids ?? 'profile_id', index: 0 } } : {};
    return { options, rows: linesOf(text), bodyHash };
  }
  const { hasHeader = true } = asked.ids;
  const known = kind === 'members' ? knownIdHeaders : knownFields(kind);
  const table = await readCsv(text, { known, hasHeader });
  if (kind === 'members')
    return { options: { ...group, ...memberColumns(table, asked) }, rows: cellsOf(table), bodyHash };
  if (!hasHeader) throw invalid('header', 'A table of profiles or activities needs a header.');
  return { options: { columns: findFields(kind, table.header, asked) }, rows: cellsOf(table), bodyHash };
}

function memberColumns({ header }: CsvTable, { ids: asked, groupId }: Asked): ImportOptions {
  const ids = findIdColumn(header, asked);
  const columns = header.map((text, index) =>
    index === ids.index ? ids.kind : groupId === undefined && headerKey(text) === 'groupid' ? 'group_id' : null,
  );
  if (groupId === undefined && !columns.includes('group_id'))
    throw invalid('group', 'Say which group they become members of, or send a column group_id.');
  return { ids, columns };
}

async function* linesOf(text: AsyncGenerator<string>): AsyncGenerator<PieceRow[]> {
  let last: PieceRow | undefined;
  let isOpen = false;
  const watched = watchEnd(text, (open) => (isOpen = open));
  for await (const lines of readLines(watched, MAX_ROW)) {
    const rows = lines.map(({ line, text: content }): PieceRow => [line, content]);
    last = rows.at(-1) ?? last;
    yield rows;
  }
  if (isOpen && last && parseLine(String(last[1])) === undefined)
    throw malformed(last[0], 'not JSON, and the file ends in it; perhaps it is cut off.');
}

async function* cellsOf(table: CsvTable): AsyncGenerator<PieceRow[]> {
  let last: PieceRow | undefined;
  for await (const { rows } of table.batches) {
    const read = rows.map(({ line, cells }): PieceRow => [line, cells]);
    last = read.at(-1) ?? last;
    yield read;
  }
  if (table.isOpen() && last && last[1].length < table.header.length)
    throw malformed(
      last[0],
      `${last[1].length} of ${table.header.length} cells, and the file ends in it; it is cut off.`,
    );
}

/** Tells whether the text ends without a line end. */
async function* watchEnd(text: AsyncGenerator<string>, tell: (isOpen: boolean) => void): AsyncGenerator<string> {
  for await (const piece of text) {
    tell(!/[\r\n]\s*$/.test(piece.slice(-100)));
    yield piece;
  }
}

const compress = promisify(gzip);
const decompress = promisify(gunzip);

const WRITES_AT_ONCE = 3;
const NO_IDS: ReadonlySet<unknown> = new Set();

/** Lays the rows down; resolves to how many there are. */
export async function keepPieces(
  context: Pick<Context, 'db' | 'clock'>,
  importId: string,
  rows: AsyncGenerator<PieceRow[]>,
): Promise<number> {
  let number = 0;
  let total = 0;
  let piece: PieceRow[] = [];
  let size = 0;
  // Some are written while the next is read: each waits for the disk.
  const writing = createLine(WRITES_AT_ONCE);
  const flush = async (): Promise<void> => {
    const full = { number: number++, rows: piece.length, content: piece };
    piece = [];
    size = 0;
    await writing.add(NO_IDS, () => write(context, importId, full));
  };
  try {
    for await (const batch of rows) {
      for (const row of batch) {
        piece.push(row);
        size += sizeOf(row);
        if (piece.length >= PIECE_ROWS || size >= PIECE_BYTES) await flush();
      }
      total += batch.length;
    }
    if (piece.length > 0) await flush();
  } finally {
    await writing.end(); // nothing is written any more when the caller takes back what is there
  }
  if (total === 0) throw refused('The file holds no rows.');
  return total;
}

const sizeOf = ([, content]: PieceRow): number =>
  typeof content === 'string' ? content.length : content.reduce((sum, cell) => sum + cell.length, 0);

async function write(
  { db, clock }: Pick<Context, 'db' | 'clock'>,
  importId: string,
  piece: { number: number; rows: number; content: PieceRow[] },
): Promise<void> {
  const content = await compress(JSON.stringify(piece.content), { level: 1 });
  await store.insertPiece(db, importId, { ...piece, content }, formatInstant(clock.now()));
}

export async function openPiece(content: Buffer): Promise<PieceRow[]> {
  return JSON.parse((await decompress(content)).toString('utf8')) as PieceRow[]; // keepPieces wrote it
}
