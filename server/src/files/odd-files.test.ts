// Files as they come from everywhere. Each is either read as it was meant or refused with a sentence that helps, in one piece
// and byte by byte.

import { Readable } from 'node:stream';
import { deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ValidationError } from '../errors.ts';
import { openFile, type Asked } from '../imports/receive.ts';
import type { FileFormat } from './body.ts';

interface File {
  name: string;
  bytes: Buffer;
  format?: FileFormat;
  asked?: Partial<Asked>;
  /** The rows that were meant, or what the sentence says. */
  right: unknown[] | RegExp;
}

const NOTHING: Asked = { columns: [], ignoreUnknown: false, ids: {}, groupId: undefined };

async function read(chunks: Iterable<Buffer>, { format = 'csv', asked = {} }: File): Promise<unknown[]> {
  const file = await openFile(Readable.from(chunks), 'profiles', format, { ...NOTHING, ...asked });
  const rows: unknown[] = [];
  for await (const batch of file.rows) rows.push(...batch.map(([, content]) => content));
  return rows;
}

/** Half of the long ones is a byte each, the rest whole. */
function* byteByByte(bytes: Buffer): Generator<Buffer> {
  const end = Math.min(bytes.length, 2_000);
  for (let at = 0; at < end; at++) yield bytes.subarray(at, at + 1);
  if (end < bytes.length) yield bytes.subarray(end);
}

const ENCODINGS: Record<string, (text: string) => Buffer> = {
  'UTF-8': (text) => Buffer.from(text),
  'UTF-8 with a mark': (text) => Buffer.from(`\ufeff${text}`),
  'UTF-16, little-endian': (text) => Buffer.from(`\ufeff${text}`, 'utf16le'),
  'UTF-16, big-endian': (text) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16(),
};
const LINE_ENDS: Record<string, string> = { LF: '\n', CRLF: '\r\n', 'lone CR': '\r' };
const DELIMITERS: Record<string, string> = { commas: ',', semicolons: ';', tabs: '\t' };

/** One text in every spelling. */
const spellings = (): File[] =>
  Object.entries(ENCODINGS).flatMap(([encoding, encode]) =>
    Object.entries(LINE_ENDS).flatMap(([ends, end]) =>
      Object.entries(DELIMITERS).flatMap(([delimiters, comma]) =>
        [true, false].map((isClosed): File => {
          const rows = [
            ['custom_id', 'Nickname', 'attributes.team'],
            ['a-1', '"Ünï, ;\t""😀"""', 'red'],
            ['a-2', `"two${end}lines"`, ''],
            ['İ', '"  kept  "', '  cut  '],
          ];
          const text = rows.map((cells) => cells.join(comma)).join(end) + (isClosed ? end : '');
          return {
            name: `${encoding}, ${delimiters}, ${ends}${isClosed ? '' : ', the last line open'}`,
            bytes: encode(text),
            right: [
              ['a-1', 'Ünï, ;\t"😀"', 'red'],
              ['a-2', `two${end}lines`, ''],
              ['İ', '  kept  ', 'cut'],
            ],
          };
        }),
      ),
    ),
  );

const csv = (name: string, text: string | Buffer, right: File['right'], asked: Partial<Asked> = {}): File => ({
  name,
  bytes: Buffer.from(text),
  right,
  asked,
});
const lines = (name: string, text: string | Buffer, right: File['right']): File => ({
  ...csv(name, text, right),
  format: 'ndjson',
});
const TABLE = 'custom_id,nickname\na,Ada\nb,Ben\n';
const ROWS = [
  ['a', 'Ada'],
  ['b', 'Ben'],
];
const latin1 = Buffer.from('custom_id,nickname\na,M\u00fcller\n', 'latin1');
const long = 'x'.repeat(1_100_000);

const FILES: File[] = [
  ...spellings(),
  // Read as meant.
  csv('gzip', gzipSync(TABLE), ROWS),
  csv('gzip of two parts', Buffer.concat([gzipSync('custom_id,nickname\na,Ada\n'), gzipSync('b,Ben\n')]), ROWS),
  csv('gzip of UTF-16', gzipSync(Buffer.from(`\ufeff${TABLE}`, 'utf16le')), ROWS),
  csv('blank lines everywhere', `\n\n${TABLE.replaceAll('\n', '\n\n')}\n\n`, ROWS),
  csv('a sep= line', 'sep=;\r\ncustom_id;nickname\r\na;Ada\r\nb;Ben\r\n', ROWS),
  csv('a quoted sep= line', '"sep=\t"\ncustom_id\tnickname\na\tAda\nb\tBen\n', ROWS),
  csv('a header in capitals', TABLE.replace('custom_id', 'CUSTOM ID'), ROWS),
  csv('a header in camel case', TABLE.replace('custom_id', 'customId'), ROWS),
  csv('a quoted header', TABLE.replace('custom_id,nickname', '"custom_id","nickname"'), ROWS),
  csv('a header with blanks', TABLE.replace('custom_id,nickname', '  custom_id , nickname  '), ROWS),
  csv('delimiters at the ends of rows', 'custom_id,nickname\na,Ada,,,\nb,Ben,\n', ROWS),
  csv('mixed line ends', 'custom_id,nickname\r\na,Ada\nb,Ben\r', ROWS),
  csv('commas in cells of a file with semicolons', 'custom_id;nickname\na;A,d,a\n', [['a', 'A,d,a']]),
  csv('one column', 'custom_id\na\nb\n', [['a'], ['b']]),
  csv('empty quoted cells', 'custom_id,nickname\na,""\n', [['a', '']]),
  csv('a cell of nothing but quotes', 'custom_id,nickname\na,""""\n', [['a', '"']]),
  csv('Unicode line separators in a cell', 'custom_id,nickname\na,x\u2028y\u0085z\n', [['a', 'x\u2028y\u0085z']]),
  csv('a byte order mark within', `custom_id,nickname\na,x\ufeffy\n`, [['a', 'x\ufeffy']]),
  csv('cells that spreadsheets calculate', "custom_id,nickname\na,'=1+1\n", [['a', "'=1+1"]]),
  csv('more cells than headers', 'custom_id,nickname\na,Ada,more\n', [['a', 'Ada', 'more']]), // that row's problem
  csv('fewer cells, in the middle', 'custom_id,nickname\na\nb,Ben\n', [['a'], ['b', 'Ben']]),
  csv('a column that is said', 'user,nickname\na,Ada\nb,Ben\n', ROWS, { columns: ['custom_id:user'] }),
  csv('columns that are left out', 'custom_id,x\na,1\n', [['a', '1']], { ignoreUnknown: true }),
  csv('a line that tells completeness', `${TABLE}#complete,2\n`, ROWS),
  csv('half a million blank lines', `${TABLE}${'\n'.repeat(500_000)}`, ROWS),
  csv('a cell of half a megabyte', `custom_id,nickname\na,${'x'.repeat(500_000)}\n`, [['a', 'x'.repeat(500_000)]]),
  lines('lines', '{"custom_id":"a"}\n{"custom_id":"b"}\n', ['{"custom_id":"a"}', '{"custom_id":"b"}']),
  lines('lines with CRLF', '{"custom_id":"a"}\r\n{"custom_id":"b"}\r\n', ['{"custom_id":"a"}', '{"custom_id":"b"}']),
  lines('lines, the last one open', '{"custom_id":"a"}\n{"custom_id":"b"}', ['{"custom_id":"a"}', '{"custom_id":"b"}']),
  lines('lines with a mark', '\ufeff{"custom_id":"a"}\n', ['{"custom_id":"a"}']),
  lines('blank lines between', '\n \n{"custom_id":"a"}\n\t\n', ['{"custom_id":"a"}']),
  lines('a line that is no JSON', 'nonsense\n{"custom_id":"a"}\n', ['nonsense', '{"custom_id":"a"}']), // that row's problem
  lines('a line separator in a text', '{"custom_id":"a\u2028b"}\n', ['{"custom_id":"a\u2028b"}']),
  // Refused.
  csv('nothing', '', /empty/),
  csv('a byte order mark alone', '\ufeff', /empty/),
  csv('blanks alone', ' \n\t\r\n ', /empty/),
  csv('an empty gzip', gzipSync(''), /empty/),
  csv('Latin-1', latin1, /not valid UTF-8\. Save it as UTF-8/),
  csv('Windows-1252', Buffer.from('custom_id,nickname\na,\x93x\x94\n', 'latin1'), /not valid UTF-8/),
  csv('UTF-8 cut within a letter', Buffer.from('custom_id,nickname\na,ü').subarray(0, -1), /not valid UTF-8/),
  csv(
    'half of a pair in UTF-8',
    Buffer.from([...Buffer.from('custom_id\n'), 0xed, 0xa0, 0x80, 0x0a]),
    /not valid UTF-8/,
  ),
  csv('UTF-16 cut within a unit', Buffer.from('\ufeffcustom_id\na', 'utf16le').subarray(0, -1), /not valid UTF-16LE/),
  csv('UTF-16 without a mark', Buffer.from(TABLE, 'utf16le'), /UTF-16 without a byte order mark/),
  csv('UTF-32, little-endian', Buffer.from('fffe000063000000', 'hex'), /UTF-32/),
  csv('UTF-32, big-endian', Buffer.from('0000feff00000063', 'hex'), /UTF-32/),
  csv('NUL in a cell', 'custom_id,nickname\na,x\0y\n', /NUL/),
  csv('NUL in the header', 'custom_id\0\na\n', /NUL/),
  csv('an Excel workbook', Buffer.from('504b0304140006000800', 'hex'), /Excel workbook/),
  csv('an old Excel workbook', Buffer.from('d0cf11e0a1b11ae1', 'hex'), /old Excel workbook/),
  csv('a PDF', '%PDF-1.7 …', /PDF/),
  csv('Zstandard', Buffer.from('28b52ffd0458', 'hex'), /Zstandard/),
  csv('bzip2', 'BZh91AY&SY', /bzip2/),
  csv('deflate', deflateSync(TABLE), /not valid UTF-8|NUL/),
  csv('gzip within gzip', gzipSync(gzipSync(TABLE)), /gzip within gzip/),
  csv('a gzip that is cut off', gzipSync(TABLE).subarray(0, -9), /ends early/),
  csv('a gzip that is cut off in its header', gzipSync(TABLE).subarray(0, 5), /ends early/),
  csv('a gzip that is damaged', flipped(gzipSync(TABLE), -6), /damaged/),
  csv('a gzip bomb', gzipSync(Buffer.alloc(32 * 1024 * 1024, 'custom_id\n')), /times as large/),
  csv('a gzip bomb of one line', gzipSync(Buffer.alloc(32 * 1024 * 1024, 'a')), /times as large|header is longer/),
  csv(
    'a quote that is never closed',
    'custom_id,nickname\na,"Ada\nb,Ben\n',
    /Line 2: a quote is opened and never closed/,
  ),
  csv('a quote that is never closed, of a megabyte', `custom_id,nickname\na,"${long}\n`, /longer than 1048576/),
  csv('a quote within a cell', 'custom_id,nickname\na,"A"da\n', /Line 2: a quote stands within a cell/),
  csv('a header of a megabyte', `custom_id,${long}\na,b\n`, /Line 1: the row is longer|header is longer/),
  csv('a row of a megabyte', `custom_id,nickname\na,${long}\n`, /longer than 1048576/),
  csv('half a file', 'custom_id,nickname\na,Ada\nb', /Line 3: 1 of 2 cells, and the file ends in it/),
  csv('half a file, in quotes', 'custom_id,nickname\na,Ada\nb,"Be', /a quote is opened and never closed/),
  csv('a header that is not known', 'user_id,points\n1,2\n', /These were seen: "user_id", "points"/),
  csv('a header that is misspelt', 'custom_id,nickame\na,b\n', /"nickame"/),
  csv('no header', 'a,Ada\nb,Ben\n', /These were seen: "a", "Ada"/),
  csv('another delimiter', 'custom_id|nickname\na|Ada\n', /These were seen: "custom_id\|nickname"/),
  csv('a header twice', 'custom_id,custom_id\na,b\n', /More than one column is taken for custom_id/),
  csv('JSON for CSV', '[{"custom_id": "a"}]', /Line 1: a quote stands within a cell/),
  csv('HTML', '<!doctype html>\n<title>Sign in</title>\n', /No header is known/),
  lines('lines that are cut off', '{"custom_id":"a"}\n{"custom_id', /Line 2: not JSON, and the file ends in it/),
  lines('a line of a megabyte', `{"custom_id":"${long}"}\n`, /Line 1: longer than 1048576/),
  lines('lines without an end', long, /Line 1: longer than 1048576/),
  lines('lines of lone CR', '{"custom_id":"a"}\r{"custom_id":"b"}\r', ['{"custom_id":"a"}', '{"custom_id":"b"}']),
  lines('lines with NUL', '{"custom_id":"a\0"}\n', /NUL/),
];

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  const place = copy.length + at;
  copy[place] = (copy[place] ?? 0) ^ 0xff;
  return copy;
}

describe('files from everywhere', () => {
  it('are more than a hundred, each under a name of its own', () => {
    expect(FILES.length).toBeGreaterThan(120);
    expect(new Set(FILES.map(({ name }) => name)).size).toBe(FILES.length);
  });

  it.each(FILES)('$name', async (file) => {
    const { bytes, right } = file;
    for (const chunks of [[bytes], byteByByte(bytes)]) {
      const outcome = await read(chunks, file).catch((error: unknown) => {
        if (!(error instanceof ValidationError)) throw error;
        return Object.values(error.fields).flat().join(' ');
      });
      if (right instanceof RegExp) expect(outcome).toMatch(right);
      else expect(outcome).toEqual(right);
    }
  });
});
