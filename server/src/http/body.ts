// What arrives in a body: JSON in UTF-8, not too deep, free of what cannot be stored. Other media types only where a
// route reads them itself.

import { TextDecoder } from 'node:util';
import type { FastifyRequest } from 'fastify';
import secureJson from 'secure-json-parse';
import { ApiError, invalid } from '../errors.ts';
import { noteBody } from './idempotency.ts';
import type { App } from './route.ts';

export const MAX_DEPTH = 64;

export function registerBodies(app: App): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    /^application\/(json|[a-z0-9.+-]+\+json)\s*(;|$)/i,
    { parseAs: 'buffer' },
    (request, body, done) => {
      if (isEncoded(request)) return done(unsupported('Send the body without a Content-Encoding.'));
      noteBody(request, body as Buffer); // parseAs: 'buffer'
      settle(() => parseJson(request, body as Buffer), done); // likewise
    },
  );
  // No Content-Type at all, or any other: routes opt in; the rest is 415.
  app.addContentTypeParser('*', (request, payload, done) => {
    const { rawBody, anyContentType } = request.routeOptions.config;
    if (rawBody === true) return done(null, payload);
    const isEmpty = request.headers['content-length'] === '0';
    if ((anyContentType !== true && request.headers['content-type'] !== undefined && !isEmpty) || isEncoded(request)) {
      payload.resume();
      return done(unsupported('Send JSON, with Content-Type: application/json and without a Content-Encoding.'));
    }
    collect(payload, request.routeOptions.bodyLimit).then(
      (body) => {
        noteBody(request, body);
        settle(() => parseJson(request, body), done);
      },
      (error: unknown) => done(error as Error), // collect rejects with errors only
    );
  });
}

const unsupported = (detail: string): ApiError => new ApiError('unsupported_media_type', { detail });

/** Compressed bodies are not taken: a small one can hold more than the limit. */
const isEncoded = (request: FastifyRequest): boolean =>
  (request.headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity';

function settle(work: () => unknown, done: (error: Error | null, body?: unknown) => void): void {
  try {
    done(null, work());
  } catch (error) {
    done(error as Error); // parseJson throws errors only
  }
}

async function collect(payload: AsyncIterable<Buffer>, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of payload) {
    size += chunk.length;
    if (size > limit) throw new ApiError('payload_too_large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The value of a JSON text; undefined where there are no bytes. Throws a ValidationError. Notes what cannot be stored. */
function parseJson(request: FastifyRequest, body: Buffer): unknown {
  if (body.length === 0) return undefined;
  const text = decode(body);
  if (isTooDeep(text)) throw invalid('non_field_errors', `JSON may be at most ${MAX_DEPTH} levels deep.`);
  const value = parse(text);
  if (/\\u(0000|d[89a-f])/i.test(text)) {
    const found = unstorable(value);
    if (found.length > 0) request.unstorable = found;
  }
  return value;
}

function decode(body: Buffer): string {
  try {
    return utf8.decode(body);
  } catch {
    throw invalid('non_field_errors', 'The body is not valid UTF-8.');
  }
}

function parse(text: string): unknown {
  try {
    return secureJson.parse(text, null, { protoAction: 'error', constructorAction: 'error' });
  } catch (error) {
    throw invalid(
      'non_field_errors',
      `The body is not valid JSON: ${error instanceof Error ? error.message.slice(0, 100) : ''}`,
    );
  }
}

function isTooDeep(text: string): boolean {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (quoted) {
      if (code === 0x5c) i++;
      else if (code === 0x22) quoted = false;
    } else if (code === 0x22) quoted = true;
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_DEPTH) return true;
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  return false;
}

const bad = (text: string): boolean => text.includes('\0') || !text.isWellFormed();

const MAX_FOUND = 100;

/** The paths of strings that cannot be stored, `a.b[0]`; of a key the path of what holds it. */
export function unstorable(value: unknown, path = '', found: string[] = []): string[] {
  const add = (): void => {
    const field = path || 'non_field_errors';
    if (found.length < MAX_FOUND && !found.includes(field)) found.push(field);
  };
  if (typeof value === 'string' && bad(value)) add();
  if (typeof value !== 'object' || value === null || found.length >= MAX_FOUND) return found;
  for (const [key, item] of Object.entries(value)) {
    if (bad(key)) add();
    else unstorable(item, Array.isArray(value) ? `${path}[${key}]` : path ? `${path}.${key}` : key, found);
  }
  return found;
}
