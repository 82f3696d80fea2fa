// What arrives in a body: JSON in UTF-8, not too deep, not of too many values, free of what cannot be stored. Other media
// types only where a route reads them itself. The work on a large body is cut into steps, between which others have a turn.

import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import type { FastifyRequest } from 'fastify';
import { ApiError, invalid } from '../errors.ts';
import { parseText, unreadList, type ElementLimits } from './elements.ts';
import { noteBody } from './idempotency.ts';
import { measureJson, type Measured } from './json-text.ts';
import type { App } from './route.ts';
import { findUnsound, mayBeUnsound } from './unsound.ts';

export const MAX_DEPTH = 64;
/** Of what is parsed in one step, as everything is but the elements of a batch. */
export const MAX_VALUES = 250_000;
export const MAX_FIELDS = 20_000;
/** Bytes that a step goes over. */
const STEP = 1024 * 1024;

export function registerBodies(app: App): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    /^application\/(json|[a-z0-9.+-]+\+json)\s*(;|$)/i,
    { parseAs: 'buffer' },
    async (request: FastifyRequest, body: Buffer) => {
      if (isEncoded(request)) throw unsupported('Send the body without a Content-Encoding.');
      return readJson(request, body);
    },
  );
  // No Content-Type at all, or any other: routes opt in; the rest is 415.
  app.addContentTypeParser('*', async (request: FastifyRequest, payload: IncomingMessage) => {
    const { rawBody, anyContentType } = request.routeOptions.config;
    if (rawBody === true) return payload;
    const isEmpty = request.headers['content-length'] === '0';
    if ((anyContentType !== true && request.headers['content-type'] !== undefined && !isEmpty) || isEncoded(request)) {
      payload.resume();
      throw unsupported('Send JSON, with Content-Type: application/json and without a Content-Encoding.');
    }
    return readJson(request, await collect(payload, request.routeOptions.bodyLimit));
  });
}

const unsupported = (detail: string): ApiError => new ApiError('unsupported_media_type', { detail });

/** Compressed bodies are not taken: a small one can hold more than the limit. */
const isEncoded = (request: FastifyRequest): boolean =>
  (request.headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity';

export async function collect(payload: AsyncIterable<Buffer>, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of payload) {
    size += chunk.length;
    if (size > limit) throw new ApiError('payload_too_large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The value of a JSON text; undefined where there are no bytes. Throws a ValidationError. Notes what is unsound in it. */
export async function readJson(request: FastifyRequest, sent: Buffer): Promise<unknown> {
  await inSteps(sent, (from, to) => noteBody(request, sent.subarray(from, to)));
  if (sent.length === 0) return undefined;
  if (!isUtf8(sent)) throw invalid('non_field_errors', 'The body is not valid UTF-8.');
  const body = sent[0] === 0xef && sent[1] === 0xbb && sent[2] === 0xbf ? sent.subarray(3) : sent; // a mark of byte order
  const { elements } = request.routeOptions.config;
  const measure = measureJson(body, elements);
  await inSteps(body, (_from, to) => {
    measure.scan(to);
    requireSize(measure.result());
  });
  const { lists } = measure.result();
  const text = textAround(body, lists);
  if (body.length > STEP) await setImmediate();
  const value = parseText(text);
  if (mayBeUnsound(text)) {
    if (body.length > STEP) await setImmediate();
    request.unsound = findUnsound(value);
  }
  if (elements) putList(value, body, lists, elements);
  return value;
}

async function inSteps(body: Buffer, work: (from: number, to: number) => void): Promise<void> {
  for (let from = 0; ; from += STEP) {
    work(from, Math.min(from + STEP, body.length));
    if (from + STEP >= body.length) return;
    await setImmediate();
  }
}

function requireSize({ depth, size, field }: Measured): void {
  if (depth > MAX_DEPTH) throw invalid('non_field_errors', `JSON may be at most ${MAX_DEPTH} levels deep.`);
  const [count, most, what] =
    size.fields > MAX_FIELDS ? [size.fields, MAX_FIELDS, 'named fields'] : [size.values, MAX_VALUES, 'values'];
  if (count > most)
    throw invalid(field() ?? 'non_field_errors', `JSON may have at most ${most} ${what}; this has more.`);
}

/** The text without the elements that are parsed one by one. */
function textAround(body: Buffer, lists: Measured['lists']): string {
  let text = '';
  let from = 0;
  for (const list of lists) {
    text += body.toString('utf8', from, list.from);
    from = list.to;
  }
  return text + body.toString('utf8', from);
}

/** In place of the empty list that stands in its field now. One that another field of its name hides would stay unread. */
function putList(value: unknown, body: Buffer, lists: Measured['lists'], limits: ElementLimits): void {
  const [list] = lists;
  if (!list || typeof value !== 'object' || value === null || Array.isArray(value)) return;
  const fields = value as Record<string, unknown>; // an object has string keys
  if (lists.length > 1 || !Array.isArray(fields[limits.field]))
    throw invalid(limits.field, 'This field stands in the body twice.');
  fields[limits.field] = unreadList(body, list, limits);
}
