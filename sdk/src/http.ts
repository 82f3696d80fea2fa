// One request: where it goes, what it carries, how often it is tried and what it fails with. Every other part speaks
// through it. A request that may be repeated without harm is; a POST becomes one by its Idempotency-Key.

import { ApiError, InvalidTokenError, NetworkError, TimeoutError } from './errors.ts';
import { parseJson } from './json.ts';
import { randomId } from './token.ts';

export type Query = Record<string, string | number | boolean | readonly string[] | null | undefined>;

export interface RequestOptions {
  query?: Query | undefined;
  /** Sent as JSON; a string, bytes or a stream is sent as it is, with `contentType`. */
  body?: unknown;
  contentType?: string;
  /** Instead of the client's own token; null sends none. */
  token?: string | null | undefined;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** Milliseconds until a TimeoutError. */
  timeout?: number | undefined;
  /** How often a request that may be repeated is sent again. Default: the client's. */
  retries?: number;
  /** Of a POST. Default: a new one for each call; null sends none, and the call is then sent once. */
  idempotencyKey?: string | null;
  /** The request outlives the page. */
  keepalive?: boolean;
  /** Reads a good answer instead of taking it as JSON. `alive` starts the timeout again. */
  read?: (response: Response, alive: () => void) => Promise<unknown>;
}

/** Sends a request and resolves to the JSON of its answer, undefined where there is none. */
export type Request = <T = unknown>(method: string, path: string, options?: RequestOptions) => Promise<T>;

export interface HttpOptions {
  /** The server's address, with or without `/api/v1/`. */
  endpoint?: string | undefined;
  /** Sent with every request; a function is asked each time. */
  headers?: Record<string, string> | (() => Record<string, string>) | undefined;
  /** As of fetch: `include` sends the cookies of a session. */
  credentials?: RequestCredentials | undefined;
  /** Instead of the global fetch. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Milliseconds until a TimeoutError. Default 30,000. */
  timeout?: number | undefined;
  /** How often a request that may be repeated is sent again. Default 2. */
  retries?: number | undefined;
}

const TIMEOUT = 30_000;
const LONGEST_WAIT = 10_000;

export function createRequest(options: HttpOptions, ownToken: () => string | undefined): Request {
  const endpoint = apiAddress(options.endpoint);
  return async <T>(method: string, path: string, request: RequestOptions = {}): Promise<T> => {
    const { idempotencyKey = randomId(), retries = options.retries ?? 2 } = request;
    const key = method === 'POST' ? idempotencyKey : null;
    const mayRepeat = method === 'POST' ? key !== null : !request.headers?.['if-match'];
    const { token = ownToken() } = request;
    const { body } = request;
    const isRaw = request.contentType !== undefined;
    const init: RequestInit & { duplex?: 'half' } = {
      method,
      headers: {
        ...(typeof options.headers === 'function' ? options.headers() : options.headers),
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': request.contentType ?? 'application/json' }),
        ...(key && { 'idempotency-key': key }),
        ...request.headers,
      },
      // A raw body is of one of fetch's own types: the type of `body` in the calls that set contentType says so.
      ...(body !== undefined && { body: isRaw ? (body as BodyInit) : JSON.stringify(body) }),
      duplex: 'half', // Node wants it with a stream; elsewhere it does no harm
      ...(options.credentials && { credentials: options.credentials }),
      ...(request.keepalive && { keepalive: true }),
    };
    const url = endpoint + checked(relative(path)) + toQuery(request.query);
    for (let attempt = 0; ; attempt++) {
      try {
        return await send<T>(options, url, init, request, token);
      } catch (error) {
        const wait = mayRepeat && attempt < retries ? waitBefore(error, attempt) : undefined;
        if (wait === undefined || (isRaw && typeof body !== 'string')) throw error;
        await delay(wait, request.signal);
      }
    }
  };
}

async function send<T>(
  options: HttpOptions,
  url: string,
  init: RequestInit,
  request: RequestOptions,
  token?: string | null,
): Promise<T> {
  const { signal, timeout = options.timeout ?? TIMEOUT } = request;
  signal?.throwIfAborted?.();
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort);
  let isLate = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const alive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      isLate = true;
      controller.abort();
    }, timeout);
  };
  alive();
  try {
    const response = await (options.fetch ?? fetch)(url, { ...init, signal: controller.signal });
    if (response.ok && request.read) return (await request.read(response, alive)) as T; // what the caller reads
    const text = await response.text();
    // A page with 200 is a portal's, as in stadiums and hotels: the server itself was not reached.
    if (response.ok) return (text ? JSON.parse(text) : undefined) as T; // what the server promises of this path
    throw new (response.status === 401 && token ? InvalidTokenError : ApiError)(
      response.status,
      parseJson(text),
      response.headers,
    );
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (signal?.aborted) throw signal.reason ?? error;
    if (isLate) throw new TimeoutError(`No answer from ${url} within ${timeout} ms.`, { cause: error });
    throw new NetworkError(`No answer from ${url}.`, { cause: error });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Milliseconds to wait before the same request is sent again; undefined if it should not be. */
function waitBefore(error: unknown, attempt: number): number | undefined {
  if (!isTemporary(error)) return undefined;
  const wait = backOff(attempt, error);
  return wait > LONGEST_WAIT ? undefined : wait;
}

/** Whether the same request may succeed later. */
export function isTemporary(error: unknown): boolean {
  if (error instanceof NetworkError) return true;
  if (!(error instanceof ApiError)) return false;
  const { status } = error;
  // 409 with Retry-After: the first request of this idempotency key is still running.
  return status === 429 || status === 408 || status >= 500 || (status === 409 && error.retryAfter !== undefined);
}

/** Milliseconds: exponential with full jitter from half a second to a minute, and never sooner than the server asked. */
export function backOff(attempt: number, error?: unknown): number {
  const asked = error instanceof ApiError ? (error.retryAfter ?? 0) * 1000 : 0;
  return asked + Math.random() * Math.min(60_000, 500 * 2 ** attempt);
}

export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error); // an AbortSignal's reason is an error unless the caller chose otherwise
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort);
  });
}

/** `https://host/api/v1/` of what the caller gave; the page's own server, or one on this machine, where nothing was given. */
export function apiAddress(endpoint?: string): string {
  const given = endpoint ?? defaultEndpoint();
  return `${given.replace(/\/+$/, '').replace(/\/api\/v1$/, '')}/api/v1/`;
}

/** The origin of the script tag that loaded this package, if one did. Read while it runs: it is gone afterwards. */
const script = globalThis.document?.currentScript?.getAttribute('src');

function defaultEndpoint(): string {
  const environment = (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env; // Node's, where there is one
  const page = globalThis.location?.origin;
  return (
    environment?.['GRANDSTAND_ENDPOINT'] ??
    /^https?:\/\/[^/]+/.exec(script ?? '')?.[0] ??
    (page && page !== 'null' ? page : 'http://localhost:7070')
  );
}

/** Addresses in answers are absolute; what counts is what follows the API's root, so that a token goes to the endpoint alone. */
const relative = (path: string): string => path.replace(/^https?:\/\/.*?\/api\/v1\//, '').replace(/^\//, '');

/**
 * An id that is empty, `.` or `..` would make another path of it, and so another call: `DELETE profiles/x/activities/../`
 * erases the profile. URLs take such segments out, percent-encoded or not, before anything is sent.
 */
function checked(path: string): string {
  const segments = (path.split(/[?#]/, 1)[0] ?? '').replace(/\/$/, '').split(/[/\\]/);
  if (segments.some((segment) => /^(\.|%2e){0,2}$/i.test(segment)))
    throw new TypeError(`An id in the path '${path}' is empty, '.' or '..'.`);
  return path;
}

function toQuery(query: Query = {}): string {
  const parts: string[] = [];
  for (const name in query) {
    const value = query[name];
    if (value === undefined || value === null) continue;
    for (const item of [value].flat()) parts.push(`${name}=${encodeURIComponent(String(item))}`);
  }
  return parts.length > 0 ? `?${parts.join('&')}` : '';
}
