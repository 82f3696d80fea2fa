// A file as the body of a request: what its headers announce, and its bytes, decompressed where they are gzip.

import type { IncomingHttpHeaders } from 'node:http';
import { Readable, pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { ApiError } from '../errors.ts';
import { refused } from './text.ts';

export type FileFormat = 'csv' | 'ndjson';

const FORMATS: Record<string, FileFormat> = {
  'text/csv': 'csv',
  'text/tab-separated-values': 'csv',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
};

/** What a body is that is announced like this; 415 else. Asked before any of the body is taken. */
export function formatOf(headers: IncomingHttpHeaders): FileFormat {
  const encoding = (headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding !== 'identity' && encoding !== 'gzip' && encoding !== 'x-gzip')
    throw new ApiError('unsupported_media_type', { detail: 'Send the body as it is, or with Content-Encoding: gzip.' });
  const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const format = Object.hasOwn(FORMATS, type) ? FORMATS[type] : undefined;
  if (format) return format;
  throw new ApiError('unsupported_media_type', {
    detail: 'Send text/csv (with a header) or application/x-ndjson (JSON, a line each).',
  });
}

/** Whatever Content-Encoding said: gzip tells itself by its first bytes, and browsers upload compressed files as they are. */
export async function* inflated(body: Readable, onChunk: (chunk: Buffer) => void = () => {}): AsyncGenerator<Buffer> {
  const chunks = watched(body, onChunk);
  let start: Buffer = Buffer.alloc(0);
  let isOver = false;
  while (start.length < 2 && !isOver) {
    const { done, value } = await chunks.next();
    if (done === true) isOver = true;
    else start = Buffer.concat([start, value]);
  }
  const rejoined = rejoin(start, chunks);
  if (start[0] === 0x1f && start[1] === 0x8b) yield* gunzipped(rejoined);
  else yield* rejoined;
}

async function* watched(body: AsyncIterable<Buffer>, onChunk: (chunk: Buffer) => void): AsyncGenerator<Buffer> {
  for await (const chunk of body) {
    onChunk(chunk);
    yield chunk;
  }
}

async function* rejoin(start: Buffer, chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  if (start.length > 0) yield start;
  yield* chunks;
}

/** Text shrinks to a tenth, lists that repeat themselves to a fiftieth; what shrank to less was made to do harm. */
const MOST_EXPANSION = 200;
const FREE_BYTES = 4 * 1024 * 1024;

async function* gunzipped(chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip();
  pipeline(Readable.from(chunks), gunzip, () => {}); // an error comes out of the loop below
  let size = 0;
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > FREE_BYTES && size > MOST_EXPANSION * gunzip.bytesWritten)
        throw refused(`Decompressed, the body is more than ${MOST_EXPANSION} times as large. Send it uncompressed.`);
      yield chunk;
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'Z_BUF_ERROR') throw refused('The gzip data ends early: the file is cut off.');
    if (typeof code === 'string' && code.startsWith('Z_'))
      throw refused('The gzip data is damaged. Compress the file again.');
    throw error;
  }
}
