// The only reader of CSV: replacements of members, imports and previews of files, on behalf of programs, the command line
// and the console. What it leaves open is never guessed: the delimiter is settled once, by the header, and which column is
// which is settled in columns.ts, by the header too.

import { CsvError, parse } from 'csv-parse';
import { isLastRow } from './last-line.ts';
import { malformed, refused } from './text.ts';

export interface CsvRow {
  /** Of the file, from 1: where the row begins. */
  line: number;
  cells: string[];
}

/** What is read at once: the rows of a piece of text. */
export interface CsvBatch {
  rows: CsvRow[];
}

export interface CsvTable {
  delimiter: Delimiter;
  /** The cells of the first row; as many as the first row has where the file is said to have no header. */
  header: string[];
  batches: AsyncGenerator<CsvBatch>;
  /** Once all was read: whether the last row ends without a line end. */
  isOpen(): boolean;
}

export type Delimiter = ',' | ';' | '\t';

const DELIMITERS: Delimiter[] = [',', ';', '\t'];
/** A quote that is never closed would make one record of the rest of the file. */
const MAX_RECORD = 1024 * 1024;

export interface CsvOptions {
  /** How many of these headers are known: the delimiter by which most are, counts. */
  known?: (headers: string[]) => number;
  /** False: the first row is one like the others. */
  hasHeader?: boolean;
}

/** Reads as far as the header; the rows come as they are asked for. Text is what `readText` gives. */
export async function readCsv(text: AsyncGenerator<string>, options: CsvOptions = {}): Promise<CsvTable> {
  const { known = () => 0, hasHeader = true } = options;
  const start = await readFirstRecord(text);
  const said = /^\s*"?sep=([,;\t])"?[ \t]*(\r\n|\n|\r)/i.exec(start.first); // what Excel puts before the header
  const delimiter = (said?.[1] as Delimiter | undefined) ?? settle(start.first, known); // one of the three
  let tail = '';
  const whole = rejoin(start, said?.[0].length ?? 0, text, (piece) => (tail = piece.slice(-1)));
  const records = readRecords(whole, delimiter, said ? 2 : 1);
  const [first, ...others] = await opening(records);
  if (!first) throw refused('The file has no header.');
  return {
    delimiter,
    header: hasHeader ? first.cells : first.cells.map(() => ''),
    batches: batchesOf(hasHeader ? others : [first, ...others], first.cells.length, records),
    isOpen: () => tail !== '\n' && tail !== '\r',
  };
}

interface Start {
  /** From the beginning to the end of the first record that is not blank, if the file has one. */
  first: string;
  rest: string;
}

/** Enough of the text to hold its first record, a `sep=` line included. */
async function readFirstRecord(text: AsyncGenerator<string>): Promise<Start> {
  let held = '';
  for (;;) {
    const end = endOfRecords(held);
    if (end !== undefined) return { first: held.slice(0, end), rest: held.slice(end) };
    if (held.length > MAX_RECORD) throw malformed(1, `the header is longer than ${MAX_RECORD} characters.`);
    const { done, value } = await text.next();
    if (done) return { first: held, rest: '' };
    held += value;
  }
}

/** Where the first record ends that is neither blank nor names the delimiter; a line end within quotes ends none. */
function endOfRecords(held: string): number | undefined {
  let quoted = false;
  let from = 0;
  // The character after a line end is looked at too: CR may be half of one.
  for (let at = 0; at < held.length - 1; at++) {
    const code = held.charCodeAt(at);
    if (code === 0x22) quoted = !quoted;
    if (quoted || (code !== 0x0a && code !== 0x0d) || (code === 0x0d && held.charCodeAt(at + 1) === 0x0a)) continue;
    const line = held.slice(from, at).trim();
    if (line !== '' && !/^"?sep=.?"?$/i.test(line)) return at + 1;
    from = at + 1;
  }
  return undefined;
}

async function* rejoin(
  start: Start,
  skipped: number,
  text: AsyncGenerator<string>,
  onPiece: (piece: string) => void,
): AsyncGenerator<string> {
  const opening = start.first.slice(skipped) + start.rest;
  onPiece(opening);
  yield opening;
  for await (const piece of text) {
    onPiece(piece);
    yield piece;
  }
}

/** The first rows. The parser looks ahead: the header of a file that has nothing else comes with the end. */
async function opening(records: AsyncGenerator<CsvRow[]>): Promise<CsvRow[]> {
  for (;;) {
    const { done, value } = await records.next();
    if (done) return [];
    if (value.length > 0) return value;
  }
}

/** By which delimiter most headers are known; else the one that makes most columns of the first row. */
function settle(first: string, known: (headers: string[]) => number): Delimiter {
  const candidates = DELIMITERS.map((delimiter) => {
    const cells = splitHeader(first, delimiter);
    return { delimiter, known: known(cells), cells: cells.length };
  });
  candidates.sort((a, b) => b.known - a.known || b.cells - a.cells); // stable: a comma before the others
  return candidates[0]?.delimiter ?? ',';
}

/** Good enough to count by: the row itself is read by the parser. */
function splitHeader(first: string, delimiter: Delimiter): string[] {
  const cells = [''];
  let quoted = false;
  for (const character of first.trim()) {
    if (character === '"') quoted = !quoted;
    else if (character === delimiter && !quoted) cells.push('');
    else cells[cells.length - 1] += character;
  }
  return cells;
}

async function* batchesOf(
  first: CsvRow[],
  columns: number,
  records: AsyncGenerator<CsvRow[]>,
): AsyncGenerator<CsvBatch> {
  const evened = (rows: CsvRow[]): CsvBatch => ({ rows: rows.map((row) => even(row, columns)) });
  if (first.length > 0) yield evened(first);
  for await (const rows of records) if (rows.length > 0) yield evened(rows);
}

/** Delimiters at a row's end that the header does not have are blank cells; anything else is for the caller to judge. */
function even(row: CsvRow, columns: number): CsvRow {
  while (row.cells.length > columns && row.cells.at(-1) === '') row.cells.pop();
  return row;
}

/** Rows that are not blank, with their lines. Cells lose the blanks around them, but for what is quoted. */
async function* readRecords(
  text: AsyncGenerator<string>,
  delimiter: Delimiter,
  firstLine: number,
): AsyncGenerator<CsvRow[]> {
  let line = firstLine;
  let rows: CsvRow[] = [];
  let began = performance.now();
  const parser = parse({
    bom: false, // readText dropped it
    delimiter,
    record_delimiter: ['\r\n', '\n', '\r'],
    trim: true,
    relax_column_count: true,
    max_record_size: MAX_RECORD,
    // Taken here rather than from the stream: a promise for each of a million rows costs more than reading them.
    on_record(cells: string[]) {
      if ((cells.length > 1 || cells[0] !== '') && !isLastRow(cells)) rows.push({ line, cells });
      line += 1 + lineEnds(cells);
      // Of each record that is not as long as the first one the parser makes an error, stack and all, and drops it: half a
      // million blank lines took half a minute. So each is the first one.
      (parser.info as { records: number }).records = 0; // its types say that it is read only
      return null;
    },
  });
  parser.resume();
  // Not by a race against one promise of failure: it would keep a reaction of every step, in files of any size.
  let fail = (error: Error): void => {
    failure = error;
  };
  let failure: Error | undefined;
  parser.on('error', (error: Error) => fail(error));
  const step = (work: (done: (error?: Error | null) => void) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      fail = reject;
      if (failure) reject(failure);
      else work((error) => (error ? reject(error) : resolve()));
    });
  try {
    for await (const piece of text) {
      for (const slice of slicesOf(piece)) {
        if (performance.now() - began > STEP_MS) {
          await turn();
          began = performance.now();
        }
        await step((done) => parser.write(slice, done));
        yield rows;
        rows = [];
      }
    }
    await step((done) => parser.end(done));
    yield rows;
  } catch (error) {
    if (error instanceof CsvError) throw explain(error, line);
    throw error;
  } finally {
    parser.destroy();
  }
}

/** A piece may hold as many rows as it has characters. */
const SLICE = 4096;
const STEP_MS = 10;

/** Others have theirs: reading rows waits for nothing by itself. */
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

function* slicesOf(text: string): Generator<string> {
  for (let from = 0; from < text.length;) {
    let to = from + SLICE;
    // The parser takes bytes: half of a pair would be lost.
    if (/[\ud800-\udbff]/.test(text[to - 1] ?? '')) to++;
    yield text.slice(from, to);
    from = to;
  }
}

function lineEnds(cells: string[]): number {
  let count = 0;
  for (const cell of cells) {
    if (cell.includes('\n') || cell.includes('\r')) count += cell.match(/\r\n|\n|\r/g)?.length ?? 0;
  }
  return count;
}

function explain(error: CsvError, line: number): Error {
  switch (error.code) {
    case 'CSV_QUOTE_NOT_CLOSED':
      return malformed(line, 'a quote is opened and never closed; perhaps the file is cut off.');
    case 'CSV_MAX_RECORD_SIZE':
      return malformed(line, `the row is longer than ${MAX_RECORD} bytes; perhaps a quote is opened and never closed.`);
    case 'CSV_INVALID_CLOSING_QUOTE':
    case 'INVALID_OPENING_QUOTE':
      return malformed(line, 'a quote stands within a cell. Put the cell in quotes, and write each quote in it twice.');
    default:
      return malformed(line, `the CSV is malformed: ${error.message.slice(0, 200)}`);
  }
}
