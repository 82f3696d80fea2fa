// Idempotency-Key on any POST: the same bytes under the same key give the first 2xx answer again. The key is reserved first,
// for as long as a request may take; then the handler runs inside one transaction, and the answer is written as its last
// statement. So there is never an effect without its answer, nor an answer without its effect, also after a crash.
// Why it is made like this: docs/decisions/0007-idempotency-key.md.

import { createHash, randomUUID, type Hash } from 'node:crypto';
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import type { Context } from '../context.ts';
import { sql, type Queryable } from '../database/database.ts';
import { ApiError, conflict, invalid } from '../errors.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { seal, unseal } from '../secrets.ts';
import type { App } from './route.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** SHA-256 of the body's bytes, where the request has an Idempotency-Key. */
    bodyHash: Hash | undefined;
  }
}

const HEADER = 'idempotency-key';
const KEPT = 24 * 3_600_000_000;
/** Beyond the time limit of a request, until another one may try. */
const GRACE_MS = 15_000;
const CLEAN_EVERY_MS = 300_000;
const CLEAN_SLICE = 1000;
/** Repeated with the answer; what else a handler sets is of its own moment. */
const KEPT_HEADERS = ['content-type', 'cache-control', 'location', 'etag', 'set-cookie'];

export function registerIdempotency(app: App, context: Context): void {
  app.decorateRequest('bodyHash', undefined);
  app.addHook('onRoute', (route) => {
    const { access, ownIdempotency } = route.config ?? {};
    if (![route.method].flat().includes('POST') || access === undefined || ownIdempotency === true) return;
    route.handler = idempotent(context, route.handler);
  });
  const timer = setInterval(() => {
    cleanIdempotencyKeys(context).catch((error: unknown) =>
      context.log.warn({ err: error }, 'old idempotency keys stay for now'),
    );
  }, CLEAN_EVERY_MS);
  timer.unref();
  app.addHook('onClose', async () => clearInterval(timer));
}

/** Called where the body's bytes are still at hand, with one part after the other. */
export function noteBody(request: FastifyRequest, part: Buffer): void {
  if (request.headers[HEADER] !== undefined) (request.bodyHash ??= createHash('sha256')).update(part);
}

type Handler = RouteOptions['handler'];

function idempotent(context: Context, handler: Handler): Handler {
  return function (this: ThisParameterType<Handler>, request, reply) {
    const key = request.headers[HEADER];
    if (key === undefined) return handler.call(this, request, reply);
    return answerOnce(context, request, reply, String(key), () => handler.call(this, request, reply));
  };
}

/** The key of a request in its scope, as a hash, for a route that sees to repeats itself. */
export function readIdempotencyKey(context: Context, request: FastifyRequest): Buffer | undefined {
  const key = request.headers[HEADER];
  if (key === undefined) return undefined;
  checkKey(String(key), request.credential !== undefined);
  return scopeHash(context, request, String(key));
}

const scopeHash = (context: Context, request: FastifyRequest, key: string): Buffer =>
  context.secrets.fingerprint('idempotency-key', JSON.stringify([...scopeOf(request), key]));

interface Held {
  scope: Buffer;
  holder: string;
  answerKey: Buffer;
}

interface Answer {
  status: number;
  headers: Record<string, string | string[]>;
  body: string;
}

async function answerOnce(
  context: Context,
  request: FastifyRequest,
  reply: FastifyReply,
  key: string,
  handle: () => unknown,
): Promise<FastifyReply> {
  checkKey(key, request.credential !== undefined);
  const held: Held = {
    scope: scopeHash(context, request, key),
    holder: randomUUID(),
    answerKey: context.secrets.fingerprint('idempotency-answer', key),
  };
  const kept = await reserve(context, held, hashOf(request));
  if (kept) return sendAnswer(reply.header('idempotent-replayed', 'true'), kept);
  try {
    const work = async (tx: Queryable): Promise<Answer> => {
      const made = await capture(reply, handle);
      if (made.status < 300) await keep(tx, held, made);
      else await release(tx, held);
      return made;
    };
    // What changes nothing has no effect that could be without its answer: it holds no transaction while it reads.
    const answer =
      request.routeOptions.config.reads === true
        ? await work(context.db)
        : await context.db.together(work, request.clientId);
    return sendAnswer(reply, { ...answer, headers: {} }); // they stand on the reply; a cookie would be set twice
  } catch (error) {
    // Best effort: a reservation that stays runs out by itself.
    await release(context.db, held).catch(() => {});
    throw error;
  }
}

const KEY = /^[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?$/;
const MIN_PUBLIC_KEY = 22;
const MIN_DISTINCT = 8;

function checkKey(key: string, hasCredential: boolean): void {
  if (!KEY.test(key)) throw invalid('Idempotency-Key', 'This must be 1 to 255 printable ASCII characters.');
  if (!hasCredential && (key.length < MIN_PUBLIC_KEY || new Set(key).size < MIN_DISTINCT)) {
    throw invalid(
      'Idempotency-Key',
      `Without a credential this must be ${MIN_PUBLIC_KEY} random characters or more: a caller who knows it gets the answer again.`,
    );
  }
}

/** Application, credential, method and path. */
function scopeOf(request: FastifyRequest): string[] {
  const { credential } = request;
  const params = request.params as Record<string, string | undefined>; // path parameters are strings
  const path = (request.url.split('?', 1)[0] ?? '').replace(/\/$/, '');
  const who =
    credential?.kind === 'admin'
      ? ['admin', credential.application.client_id, credential.tokenId]
      : credential?.kind === 'profile'
        ? ['profile', credential.application.client_id, credential.profile.id]
        : credential?.kind === 'producer'
          ? ['producer', params['client_id'] ?? '', credential.producerId]
          : ['public', params['client_id'] ?? '', ''];
  return [...who, request.method, path];
}

function hashOf(request: FastifyRequest): Buffer {
  const query = request.url.indexOf('?');
  return createHash('sha256')
    .update(query === -1 ? '' : request.url.slice(query))
    .update('\0')
    .update(request.bodyHash?.digest() ?? '')
    .digest();
}

/** Undefined: the key is ours for now. Else the answer that is kept under it; throws 409 where there is none yet. */
async function reserve(context: Context, held: Held, requestHash: Buffer): Promise<Answer | undefined> {
  const now = context.clock.now();
  const until = now + (context.config.requestTimeoutMs + GRACE_MS) * 1000;
  const count = await context.db.apart(() =>
    context.db.transaction(async (tx) => {
      // A crash may forget a reservation with nothing done under it; what is done later is flushed together with it.
      tx.query(sql`set local synchronous_commit = off`).catch(() => {}); // the next statement says what is wrong
      const reserved = await tx.query(sql`
      insert into idempotency_keys (scope_hash, request_hash, holder, held_until, created_at)
      values (${held.scope}, ${requestHash}, ${held.holder}, ${formatInstant(until)}, ${formatInstant(now)})
      on conflict (scope_hash) do update
        set request_hash = excluded.request_hash, holder = excluded.holder, held_until = excluded.held_until,
          created_at = excluded.created_at, status = null, answer = null
        where idempotency_keys.created_at <= ${formatInstant(now - KEPT)}
          or (idempotency_keys.status is null and idempotency_keys.held_until <= ${formatInstant(now)})`);
      return reserved.count;
    }),
  );
  if (count === 1) return undefined;
  const { rows } = await context.db.query<{
    request_hash: Buffer;
    status: number | null;
    answer: Buffer | null;
    held_until: Instant;
  }>(sql`
    select request_hash, status, answer, held_until from idempotency_keys where scope_hash = ${held.scope}`);
  const row = rows[0];
  if (row && !row.request_hash.equals(requestHash))
    throw conflict('This Idempotency-Key was used with another request.');
  if (!row || row.status === null || row.answer === null) {
    throw new ApiError('conflict', {
      detail: 'The first request with this Idempotency-Key is still running.',
      retryAfter: 1,
    });
  }
  return JSON.parse(unseal(held.answerKey, row.answer)) as Answer; // keep() wrote it
}

/** The last statement of the effect's transaction, if it has one. Fails where another request took the key over meanwhile. */
async function keep(tx: Queryable, held: Held, answer: Answer): Promise<void> {
  const { count } = await tx.query(sql`
    update idempotency_keys set status = ${answer.status}, answer = ${seal(held.answerKey, JSON.stringify(answer))}
    where scope_hash = ${held.scope} and holder = ${held.holder} and status is null`);
  if (count === 0) throw new ApiError('unavailable', { detail: 'The request took too long.', retryAfter: 1 });
}

async function release(db: Queryable, held: Held): Promise<void> {
  await db.query(sql`
    delete from idempotency_keys where scope_hash = ${held.scope} and holder = ${held.holder} and status is null`);
}

/** Runs the handler and takes its answer instead of sending it. */
async function capture(reply: FastifyReply, handle: () => unknown): Promise<Answer> {
  let sent: unknown;
  const send = reply.send.bind(reply);
  reply.send = (payload?: unknown) => {
    // An error from outside of the handler, such as the end of its time, is for the caller at once.
    if (payload instanceof Error) return send(payload);
    sent = payload;
    return reply;
  };
  // A reply is awaited until it is sent, which it is only after this: a handler that returns it would wait for ever.
  Object.defineProperty(reply, 'then', { value: undefined, configurable: true });
  let result: unknown;
  try {
    result = await handle();
  } finally {
    Reflect.deleteProperty(reply, 'send'); // the prototype's own come back
    Reflect.deleteProperty(reply, 'then');
  }
  const payload = result === reply || result === undefined ? sent : result;
  const body =
    payload === undefined || payload === null
      ? ''
      : typeof payload === 'string'
        ? payload
        : String(reply.serialize(payload));
  if (body !== '' && !reply.hasHeader('content-type')) reply.type('application/json; charset=utf-8');
  const headers: Answer['headers'] = {};
  for (const name of KEPT_HEADERS) {
    const value = reply.getHeader(name);
    if (value !== undefined) headers[name] = Array.isArray(value) ? value : String(value);
  }
  return { status: reply.statusCode, headers, body };
}

function sendAnswer(reply: FastifyReply, answer: Answer): FastifyReply {
  if (reply.sent) return reply;
  return reply
    .code(answer.status)
    .headers(answer.headers)
    .send(answer.body === '' ? null : answer.body);
}

/** Deletes what is older than a day, in slices. */
export async function cleanIdempotencyKeys(context: Pick<Context, 'db' | 'clock'>): Promise<number> {
  const before = formatInstant(context.clock.now() - KEPT);
  for (let deleted = 0; ;) {
    const { count } = await context.db.query(sql`
      delete from idempotency_keys where scope_hash in (
        select scope_hash from idempotency_keys where created_at <= ${before} order by created_at limit ${CLEAN_SLICE})`);
    deleted += count;
    if (count < CLEAN_SLICE) return deleted;
  }
}
