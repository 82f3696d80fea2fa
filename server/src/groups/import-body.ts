// The body of a replacement of members, of any size, as it arrives: JSON strings a line, or CSV. Nothing is changed before
// it has come to its end and was well formed throughout.

import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { ApiError, ValidationError, invalid } from '../errors.ts';

export type IdKind = 'profile_id' | 'custom_id';
export interface SentId {
  kind: IdKind;
  id: string;
}

const MAX_LINE = 8192;

const READERS: Record<string, (body: Readable, kind: IdKind) => AsyncGenerator<SentId>> = {
  'application/x-ndjson': readLines,
  'text/csv': readCsv,
};

/** What reads a body that is announced like this; 415 else. Asked before any of the body is taken. */
export function importReader(headers: IncomingHttpHeaders): (body: Readable, kind: IdKind) => AsyncGenerator<SentId> {
  if ((headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity')
    throw new ApiError('unsupported_media_type', { detail: 'Send the body without a Content-Encoding.' });
  const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const reader = Object.hasOwn(READERS, type) ? READERS[type] : undefined;
  if (reader) return reader;
  throw new ApiError('unsupported_media_type', {
    detail: 'Send application/x-ndjson (JSON strings) or text/csv (with a header).',
  });
}

const malformed = (line: number, what: string): ValidationError => invalid('non_field_errors', `Line ${line}: ${what}`);

/** Chunks as text; UTF-8 that is none is the sender's fault. */
async function* decode(body: Readable): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let isBlank = true;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      const text = decoder.decode(chunk, { stream: true });
      isBlank &&= text.trim() === '';
      yield text;
    }
    yield decoder.decode();
  } catch (error) {
    if (error instanceof TypeError) throw invalid('non_field_errors', 'The body is not valid UTF-8.');
    throw cut(error);
  }
  if (isBlank)
    throw invalid('non_field_errors', 'The body is empty. To leave no member, send CSV with only its header.');
}

/** The connection broke before the body's end. Nobody reads the answer. */
function cut(error: unknown): unknown {
  if (
    error instanceof Error &&
    'code' in error &&
    (error.code === 'ECONNRESET' || error.code === 'ERR_STREAM_PREMATURE_CLOSE')
  ) {
    return new ValidationError({ non_field_errors: ['The body ended early.'] });
  }
  return error;
}

async function* readLines(body: Readable, kind: IdKind): AsyncGenerator<SentId> {
  let rest = '';
  let number = 0;
  for await (const text of decode(body)) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE) throw malformed(number + lines.length + 1, `longer than ${MAX_LINE} characters.`);
    for (const line of lines) {
      number++;
      const id = readLine(line, number);
      if (id !== undefined) yield { kind, id };
    }
  }
  const id = readLine(rest, number + 1);
  if (id !== undefined) yield { kind, id };
}

/** Undefined of a blank line. */
function readLine(line: string, number: number): string | undefined {
  if (line.trim() === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw malformed(number, 'not JSON.');
  }
  if (typeof value !== 'string') throw malformed(number, 'not a JSON string.');
  return requireStorable(value, number);
}

/** A NUL or half a character is no misspelt id but a broken export. */
function requireStorable(id: string, line: number): string {
  if (id.includes('\0') || !id.isWellFormed())
    throw malformed(line, 'NUL characters and lone surrogates are not allowed.');
  return id;
}

async function* readCsv(body: Readable): AsyncGenerator<SentId> {
  const parser = parse({ bom: true, skip_empty_lines: true, trim: true, max_record_size: MAX_LINE * 8 });
  // `compose` would swallow our own errors; so they are handed to the parser, which rejects the loop below with them.
  const source = Readable.from(decode(body));
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);
  let column: { kind: IdKind; index: number } | undefined;
  try {
    for await (const record of parser as AsyncIterable<string[]>) {
      if (!column) column = readHeader(record);
      else yield { kind: column.kind, id: requireStorable(record[column.index] ?? '', parser.info.lines) };
    }
  } catch (error) {
    if (error instanceof CsvError)
      throw invalid('non_field_errors', `The CSV is malformed: ${error.message.slice(0, 200)}`);
    throw error;
  } finally {
    source.destroy();
  }
  if (!column) throw noHeader();
}

function readHeader(record: string[]): { kind: IdKind; index: number } {
  const [profile, custom] = [record.indexOf('profile_id'), record.indexOf('custom_id')];
  if (profile === -1 && custom === -1) throw noHeader();
  // Exports carry both; the profile's own id is the surer one.
  return profile !== -1 ? { kind: 'profile_id', index: profile } : { kind: 'custom_id', index: custom };
}

const noHeader = (): ValidationError =>
  invalid('non_field_errors', 'The first line must be a header with profile_id or custom_id.');
