// Bytes of a file as text. Files come from everywhere: with a byte order mark or none, in the UTF-16 that spreadsheets
// write as "Unicode text", cut off by a connection that broke, or no text at all. What cannot be read for certain is refused
// with a sentence that says what it seems to be.

import { TextDecoder } from 'node:util';
import { ValidationError, invalid } from '../errors.ts';

export const refused = (what: string): ValidationError => invalid('non_field_errors', what);

/** Of a line that cannot be read, from 1. */
export const malformed = (line: number, what: string): ValidationError => refused(`Line ${line}: ${what}`);

/** How files begin that people send for text. */
const NO_TEXT: [magic: string, what: string][] = [
  ['504b0304', 'This is an Excel workbook or another zip archive. Save the sheet as CSV (UTF-8) and send that.'],
  ['d0cf11e0', 'This is an old Excel workbook. Save the sheet as CSV (UTF-8) and send that.'],
  ['25504446', 'This is a PDF. Send CSV or NDJSON.'],
  ['1f8b', 'This is gzip within gzip. Compress the file once.'],
  ['28b52ffd', 'This is compressed with Zstandard. Send it as it is, or compressed with gzip.'],
  ['425a68', 'This is compressed with bzip2. Send it as it is, or compressed with gzip.'],
];

const LONGEST_MAGIC = 4;

/** Chunks as text. Throws a ValidationError where the bytes are no text, end early, or hold what cannot be stored. */
export async function* readText(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let decoder: TextDecoder | undefined;
  let held: Buffer = Buffer.alloc(0);
  let isBlank = true;
  try {
    for await (const chunk of body) {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      if (!decoder && held.length < LONGEST_MAGIC) continue;
      decoder ??= decoderOf(held);
      const text = requireStorable(decoder.decode(held, { stream: true }));
      held = Buffer.alloc(0);
      isBlank &&= text.trim() === '';
      if (text !== '') yield text;
    }
    decoder ??= decoderOf(held);
    const text = requireStorable(decoder.decode(held));
    isBlank &&= text.trim() === '';
    if (text !== '') yield text;
  } catch (error) {
    if (error instanceof TypeError)
      throw refused(`The file is not valid ${decoder?.encoding.toUpperCase() ?? 'UTF-8'}. Save it as UTF-8.`);
    throw endedEarly(error);
  }
  if (isBlank) throw refused('The file is empty.');
}

/** UTF-8 unless a byte order mark says otherwise; the decoder drops the mark. */
function decoderOf(start: Buffer): TextDecoder {
  const hex = start.subarray(0, LONGEST_MAGIC).toString('hex');
  if (hex.startsWith('0000feff') || hex.startsWith('fffe0000')) throw refused('The file is UTF-32. Save it as UTF-8.');
  if (hex.startsWith('fffe')) return new TextDecoder('utf-16le', { fatal: true });
  if (hex.startsWith('feff')) return new TextDecoder('utf-16be', { fatal: true });
  const known = NO_TEXT.find(([magic]) => hex.startsWith(magic));
  if (known) throw refused(known[1]);
  return new TextDecoder('utf-8', { fatal: true });
}

function requireStorable(text: string): string {
  if (!text.includes('\0')) return text;
  throw refused('The file holds NUL characters: it is no text, or UTF-16 without a byte order mark. Save it as UTF-8.');
}

/** The connection, or the compressed stream, broke before the end. */
function endedEarly(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE') return refused('The body ended early.');
  return error;
}
