// The HTTP server without any route: parsing, limits, authentication, errors, metrics. It knows no feature; app.ts
// hands it the features' routes and the function that turns an Authorization header into a credential.

import { randomUUID } from 'node:crypto';
import cors from '@fastify/cors';
import compress from '@fastify/compress';
import { LogController, fastify, type FastifyBaseLogger, type FastifyRequest } from 'fastify';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Context } from '../context.ts';
import { ApiError, ValidationError, invalid, throwFound } from '../errors.ts';
import { hostOf, trusts } from './address.ts';
import { explainFound } from './all-problems.ts';
import { registerBodies } from './body.ts';
import { registerDocs } from './docs.ts';
import {
  EXPOSED_HEADERS,
  answerClientError,
  answerFrameworkError,
  registerErrors,
  registerUnknownPaths,
} from './error-handler.ts';
import { registerIdempotency } from './idempotency.ts';
import type { Limits } from './limits.ts';
import { BODY_LIMIT, LONGEST_UPLOAD_MS, type AccessRule, type App, type Caller, type Routes } from './route.ts';
import { registerSecurityHeaders } from './security-headers.ts';
import { registerShares } from './shares.ts';
import { findTooLong } from './sizes.ts';
import { registerStrictQuery } from './strict-query.ts';
import { findUnsound } from './unsound.ts';

export interface HttpOptions {
  /** Keeps the caller's credential on the request; throws 401 or 403 where the rule is not met. */
  admit(request: FastifyRequest, rule: AccessRule): Promise<Caller>;
  /** What wraps handlers beside the Idempotency-Key: outside of it. */
  wrap(app: App): void;
  routes: Routes[];
  limits: Limits;
  /** How long a body may go on to arrive once its request was answered. Default: 10 s. */
  restOfBodyMs?: number | undefined;
  /** After the answer to every request that may have changed something. */
  onChange(): void;
  /** Around all that may write, in the application of this client id or in an unknown one: before it, and before its answer. */
  onWrite(clientId: string | undefined): void;
}

const MAX_PARAM_LENGTH = 255 * 12; // 255 characters of four bytes, percent-encoded

export async function createHttp(context: Context, options: HttpOptions): Promise<App> {
  const { config } = context;
  const app: App = fastify<Server, IncomingMessage, ServerResponse, FastifyBaseLogger>({
    loggerInstance: context.log,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    trustProxy: trusts(config.trustProxy),
    bodyLimit: BODY_LIMIT,
    // Of the socket: the longest upload of all. What a single route may take is up to registerTimeLimit.
    requestTimeout: Math.max(config.requestTimeoutMs, LONGEST_UPLOAD_MS),
    keepAliveTimeout: 65_000,
    return503OnClosing: false, // registerClosing answers in our own shape
    forceCloseConnections: 'idle',
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: MAX_PARAM_LENGTH, caseSensitive: true },
    frameworkErrors: (error, request, reply) => answerFrameworkError(context, error, request, reply),
    clientErrorHandler: answerClientError,
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        allErrors: true,
        allowUnionTypes: true,
      },
    },
  }).withTypeProvider<TypeBoxTypeProvider>();

  app.decorateRequest('credential', undefined);
  app.decorateRequest('clientId', undefined);
  app.decorateRequest('origin', '');
  app.decorateRequest('address', '');
  app.decorateRequest('unsound', undefined);
  registerErrors(app, context);
  registerBodies(app);
  registerMeasures(app, context, options);
  registerClosing(app);
  registerTimeLimit(app, config.requestTimeoutMs);
  registerRestOfBody(app, options.restOfBodyMs ?? REST_OF_BODY_MS);
  registerSecurityHeaders(app, config.publicUrl?.startsWith('https:') ?? false);
  await app.register(cors, {
    origin: '*',
    credentials: false,
    methods: ['GET', 'POST', 'PATCH', 'PUT', 'DELETE'],
    allowedHeaders: ['authorization', 'content-type', 'idempotency-key', 'if-match'],
    exposedHeaders: EXPOSED_HEADERS,
    maxAge: 86_400,
    strictPreflight: false,
  });
  registerUnknownPaths(app, context);
  registerShares(app, context); // before what makes streams of answers
  await app.register(compress, {
    threshold: 1024,
    encodings: ['gzip', 'deflate', 'identity'],
    // Ids hardly shrink any further, and every answer waits for it.
    zlibOptions: { level: 1 },
    globalDecompression: false,
  });
  registerGuards(app, context, options);
  registerStrictQuery(app);
  registerWrites(app, options);
  registerIdempotency(app, context);
  options.wrap(app);
  if (config.role !== 'worker') registerDocs(app);
  for (const routes of options.routes) await app.register(async (scope) => routes(scope as App, context));
  return app;
}

/** What /metrics calls everything that is no operation of the API: the console, health, paths that are not ours. */
const OUTSIDE = 'other';

function registerMeasures(app: App, context: Context, { onChange }: HttpOptions): void {
  // Hooks that wait for nothing call `done`: a promise each would cost every request.
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    if (request.method !== 'GET' && reply.statusCode < 400) onChange();
    const route = request.routeOptions.url ?? 'unknown';
    const operation = request.routeOptions.schema?.operationId ?? OUTSIDE;
    context.metrics.requestSeconds.observe({ operation }, reply.elapsedTime / 1000);
    context.metrics.requests.inc({ operation, status: `${Math.floor(reply.statusCode / 100)}xx` });
    if (reply.statusCode >= 500 || context.log.isLevelEnabled('debug')) {
      request.log[reply.statusCode >= 500 ? 'error' : 'debug'](
        { method: request.method, route, status: reply.statusCode, ms: Math.round(reply.elapsedTime * 10) / 10 },
        'request',
      );
    }
    done();
  });
}

/** From the start of a stop, requests on connections that are still open are sent elsewhere; those in flight finish. */
function registerClosing(app: App): void {
  let closing = false;
  // Connections that carried no request yet: browsers and pools open them in advance. Node counts them as busy.
  const unused = new Set<Socket>();
  app.server.on('connection', (socket: Socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  app.server.on('request', (request) => unused.delete(request.socket));
  app.addHook('preClose', async () => {
    closing = true;
    for (const socket of unused) socket.destroy();
  });
  // A connection that is kept alive would hold up the stop.
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (closing) reply.header('connection', 'close');
    done(null, payload);
  });
  app.addHook('onRequest', (_request, _reply, done) => {
    done(closing ? new ApiError('unavailable', { detail: 'The server is stopping.', retryAfter: 1 }) : undefined);
  });
}

/**
 * The request that waited longest hears that it took too long. Not Fastify's own handlerTimeout, which only gives the routes' limits
 * here: it forgets about a request as soon as its body has been read.
 */
function registerTimeLimit(app: App, defaultMs: number): void {
  const timers = new WeakMap<FastifyRequest, NodeJS.Timeout>();
  app.addHook('onRequest', (request, reply, done) => {
    const timer = setTimeout(() => {
      if (reply.sent) return;
      const headers = { connection: 'close' }; // the body may still be arriving
      reply.send(new ApiError('unavailable', { detail: 'The request took too long.', retryAfter: 2, headers }));
    }, request.routeOptions.handlerTimeout || defaultMs);
    timers.set(request, timer);
    reply.raw.once('close', () => clearTimeout(timer));
    done();
  });
  app.addHook('onResponse', (request, _reply, done) => {
    clearTimeout(timers.get(request));
    done();
  });
}

const REST_OF_BODY_MS = 10_000;

/** A caller who was refused and goes on to send its body, however slowly, would keep its socket for as long as an upload may take. */
function registerRestOfBody(app: App, restMs: number): void {
  app.addHook('onResponse', (request, _reply, done) => {
    const { raw } = request;
    if (!raw.complete && !raw.destroyed) {
      const timer = setTimeout(() => raw.socket.destroy(), restMs).unref();
      raw.once('close', () => clearTimeout(timer));
    }
    done();
  });
}

function registerGuards(app: App, context: Context, options: HttpOptions): void {
  const { limits } = options;
  app.addHook('onRequest', async (request) => {
    request.address = hostOf(request.ip);
    request.origin = context.config.publicUrl ?? originOf(request);
    const access = request.routeOptions.config.access;
    if (access === undefined) return;
    limits.address(request.address);
    refuseUnstorable(request);
    const params = request.params as Record<string, string | undefined>; // path parameters are strings
    const caller = await options.admit(request, { access, reads: readsOnly(request), clientId: params['client_id'] });
    request.clientId = caller.clientId ?? params['client_id'];
    if (request.clientId !== undefined) limits.application(request.clientId);
    if (caller.profileId !== undefined) limits.profile(caller.profileId);
  });
  app.addHook('preValidation', (request, _reply, done) => {
    const { config, schema } = request.routeOptions;
    if (config.optionalBody === true) request.body ??= {};
    const tooLong = schema?.body === undefined ? undefined : findTooLong(schema.body as object, request.body); // routes give JSON schemas
    if (!request.unsound && !tooLong) return done();
    explainFound(request, { ...tooLong, ...request.unsound }).then((fields) => done(new ValidationError(fields)), done);
  });
}

const readsOnly = (request: FastifyRequest): boolean =>
  request.routeOptions.config.reads ?? (request.method === 'GET' || request.method === 'HEAD');

/** What is kept of the past ends when a request that may write begins, and is not begun again before its answer leaves. */
function registerWrites(app: App, { onWrite }: HttpOptions): void {
  app.addHook('preHandler', (request, _reply, done) => {
    if (!readsOnly(request)) onWrite(request.clientId);
    done();
  });
  app.addHook('onSend', (request, _reply, payload, done) => {
    if (!readsOnly(request)) onWrite(request.clientId);
    done(null, payload);
  });
}

const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/i;

/** The origin that the caller used: absolute URLs lead back there. */
function originOf(request: FastifyRequest): string {
  // HTTP/1.0 may come without a Host.
  const host = request.host || `${request.socket.localAddress ?? 'localhost'}:${request.socket.localPort ?? 80}`;
  if (!HOST.test(host) || !/^https?$/.test(request.protocol))
    throw invalid('non_field_errors', 'The Host header is not valid.');
  return `${request.protocol}://${host}`;
}

/** NUL, lone surrogates and what is no UTF-8 cannot be stored; they are refused wherever they come from. */
function refuseUnstorable(request: FastifyRequest): void {
  const query = request.url.indexOf('?');
  if (query !== -1 && request.url.includes('%', query) && !isDecodable(request.url.slice(query + 1))) {
    throw invalid('non_field_errors', 'The query is not valid percent-encoded UTF-8.');
  }
  throwFound({ ...findUnsound(request.params), ...findUnsound(request.query) });
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
