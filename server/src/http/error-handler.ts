// The one place where an error becomes an answer: the caller's as it stands in the table of errors, the world's as 503,
// ours as 500 with a stack in the log.

import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import findMyWay from 'find-my-way';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import { isRetryable } from '../database/faults.ts';
import { ApiError, ERRORS, Unavailable, ValidationError, invalid, notFound, type ErrorCode } from '../errors.ts';
import { explainAll } from './all-problems.ts';
import type { App } from './route.ts';

const RETRY_AFTER = 2;

/** What pages of other origins may read of an answer, beside its body. */
export const EXPOSED_HEADERS = ['X-Request-Id', 'Retry-After', 'Idempotent-Replayed'];

const IS_WORKER = 'This process is a worker (ROLE=worker): it answers /healthz, /readyz and /metrics only.';

export function registerErrors(app: App, context: Context): void {
  app.setErrorHandler((error: unknown, request, reply) => {
    if (!isFastifyError(error) || !error.validation) return send(context, error, request, reply);
    return explainAll(request, error.validation, error.validationContext).then(
      (fields) => send(context, new ValidationError(fields), request, reply),
      (failure: unknown) => send(context, failure, request, reply),
    );
  });
}

/** A path that is not there, or not with this method, is refused before its body has come. */
export function registerUnknownPaths(app: App, context: Context): void {
  const methods = methodTable(app);
  const nowhere = notFound(context.config.role === 'worker' ? IS_WORKER : undefined);
  const refusalOf = ({ method, url }: FastifyRequest): ApiError => {
    const allowed = methods(url.split('?', 1)[0] ?? '/');
    if (allowed.length === 0) return nowhere;
    const detail = `${method} is not allowed here; ${allowed.join(', ')} ${allowed.length === 1 ? 'is' : 'are'}.`;
    return new ApiError('method_not_allowed', { detail, headers: { allow: allowed.join(', ') } });
  };
  app.addHook('onRequest', (request, _reply, done) => done(request.is404 ? refusalOf(request) : undefined));
  app.setNotFoundHandler((request) => {
    throw refusalOf(request); // where a route gives up
  });
}

/** Which methods a path has, so that the others answer 405. */
function methodTable(app: App): (path: string) => string[] {
  const router = findMyWay({ ignoreTrailingSlash: true, maxParamLength: 4096 });
  const known = new Map<string, Set<string>>();
  app.addHook('onRoute', (route) => {
    if (route.url.endsWith('*')) return;
    const list = [route.method].flat();
    const pattern = route.url.length > 1 ? route.url.replace(/\/$/, '') : route.url;
    const methods = known.get(pattern);
    if (methods) for (const method of list) methods.add(method);
    else {
      const set = new Set(list);
      known.set(pattern, set);
      router.on('GET', pattern, () => undefined, set);
    }
  });
  return (path) => {
    const found = router.find('GET', path);
    // The store is the set that was registered with the pattern.
    return found ? [...(found.store as Set<string>)].filter((method) => method !== 'OPTIONS').sort() : [];
  };
}

/** What Fastify finds before there is a route: a path that cannot be read. */
export function answerFrameworkError(
  context: Context,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  reply.header('access-control-allow-origin', '*').header('access-control-expose-headers', EXPOSED_HEADERS.join(', '));
  send(context, error, request, reply);
}

/** What Node finds before there is a request: the bytes are no HTTP. There is no reply yet, only a socket. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const [code, detail] = CLIENT_ERRORS[error.code ?? ''] ?? ['invalid', 'This is not a valid HTTP request.'];
  const body = JSON.stringify(code === 'invalid' ? { non_field_errors: [detail] } : { detail, error_code: code });
  const head = [
    `HTTP/1.1 ${ERRORS[code].status} ${STATUS_CODES[ERRORS[code].status] ?? ''}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${randomUUID()}`,
    'Connection: close',
  ];
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroySoon();
}

const CLIENT_ERRORS: Record<string, [ErrorCode, string]> = {
  HPE_HEADER_OVERFLOW: ['headers_too_large', ERRORS.headers_too_large.detail],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', ERRORS.request_timeout.detail],
};

function send(context: Context, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.header('x-request-id', request.id);
  const known = recognise(error);
  if (known instanceof ValidationError)
    return reply.code(400).type('application/json; charset=utf-8').send(known.fields);
  if (known.status >= 500) {
    context.log.error(
      {
        err: error,
        cause: known.cause,
        request_id: request.id,
        method: request.method,
        route: request.routeOptions.url,
      },
      known.detail,
    );
  }
  return reply
    .code(known.status)
    .headers(known.headers)
    .type('application/json; charset=utf-8')
    .send({ detail: known.detail, error_code: known.code, ...known.data });
}

function recognise(error: unknown): ApiError | ValidationError {
  if (error instanceof ApiError || error instanceof ValidationError) return error;
  // Of what others were in the way of, again and again, nothing is done.
  if (error instanceof Unavailable || isRetryable(error))
    return new ApiError('unavailable', { retryAfter: RETRY_AFTER, cause: error });
  if (!isFastifyError(error)) return new ApiError('internal_error', { cause: error });
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new ApiError('payload_too_large');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new ApiError('unsupported_media_type');
    case 'FST_ERR_HANDLER_TIMEOUT':
      // Closed, since the rest of a body that comes too slowly may be still to come.
      return new ApiError('unavailable', {
        detail: 'The request took too long.',
        retryAfter: RETRY_AFTER,
        headers: { connection: 'close' },
      });
    case 'FST_ERR_BAD_URL':
      return invalid('non_field_errors', 'The path is not valid percent-encoded UTF-8.');
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new ApiError('not_found');
  }
  if (error.statusCode === 503) return new ApiError('unavailable', { retryAfter: RETRY_AFTER });
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new ValidationError({ non_field_errors: [error.message] });
  }
  return new ApiError('internal_error', { cause: error });
}

function isFastifyError(error: unknown): error is FastifyError {
  return error instanceof Error && 'code' in error;
}
