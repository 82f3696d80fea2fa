// The way to the API: one fetch with the session's credential, errors with their fields, and a note of whether the
// server can be reached at all.

import { connection } from './connection.ts';

export type Query = Record<string, string | number | boolean | readonly string[] | null | undefined>;

export interface RequestOptions {
  method?: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  query?: Query | undefined;
  /** Sent as JSON; a Blob is sent as it is, under its own type. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** How a request proves who sends it. */
export type Credential = { kind: 'token'; token: string } | { kind: 'cookie'; csrfToken: string | undefined };

export type FieldErrors = Record<string, string[]>;

/** What the server answered instead of a result. `fields` holds the messages of a 400 by field, else nothing. */
export class RequestError extends Error {
  readonly status: number;
  readonly code: string;
  readonly fields: FieldErrors;
  readonly requestId: string | null;
  constructor(status: number, code: string, message: string, fields: FieldErrors, requestId: string | null) {
    super(message);
    this.name = 'RequestError';
    this.status = status;
    this.code = code;
    this.fields = fields;
    this.requestId = requestId;
  }
}

export interface Client {
  request<T>(path: string, options?: RequestOptions): Promise<T>;
}

export function createClient(credential: () => Credential | undefined): Client {
  return {
    async request<T>(path: string, options: RequestOptions = {}): Promise<T> {
      const { method = 'GET', query, body, headers = {}, signal } = options;
      const response = await reach(address(path, query), {
        method,
        headers: {
          accept: 'application/json',
          ...proof(credential(), method),
          ...(body !== undefined && !(body instanceof Blob) && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: body instanceof Blob ? body : JSON.stringify(body) }),
        ...(signal && { signal }),
        credentials: 'same-origin',
      });
      if (!response.ok) throw await failure(response);
      const text = await response.text();
      return (text === '' ? undefined : JSON.parse(text)) as T; // the API's shapes are its contract
    },
  };
}

/** Below the API's base; an absolute address (a `next` link) keeps its path and query. */
export function address(path: string, query: Query = {}): string {
  const base = path.startsWith('http') ? new URL(path) : new URL(`/api/v1/${path}`, window.location.origin);
  for (const [key, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === '') continue;
    if (Array.isArray(value)) for (const item of value as readonly string[]) base.searchParams.append(key, item);
    else base.searchParams.set(key, String(value));
  }
  return base.pathname + base.search;
}

export function proof(credential: Credential | undefined, method: string): Record<string, string> {
  if (credential?.kind === 'token') return { authorization: `Bearer ${credential.token}` };
  if (method === 'GET' || credential?.csrfToken === undefined) return {};
  return { 'x-csrf-token': credential.csrfToken };
}

async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    const response = await fetch(url, init);
    // 502 to 504 come from a proxy before us, or say that our database is away.
    connection.report(response.status < 502 || response.status > 504);
    return response;
  } catch (error) {
    if (init.signal?.aborted) throw error;
    connection.report(false);
    throw new RequestError(0, 'unreachable', 'The server cannot be reached.', {}, null);
  }
}

export async function failure(response: Response): Promise<RequestError> {
  const requestId = response.headers.get('x-request-id');
  const body: unknown = await response.json().catch(() => undefined);
  return toError(response.status, body, requestId);
}

export function toError(status: number, body: unknown, requestId: string | null): RequestError {
  const record = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}; // JSON objects have string keys
  if (typeof record['detail'] === 'string') {
    return new RequestError(status, String(record['error_code'] ?? status), record['detail'], {}, requestId);
  }
  const fields: FieldErrors = {};
  for (const [field, messages] of Object.entries(record)) {
    if (Array.isArray(messages)) fields[field] = messages.map(String);
  }
  const first = fields['non_field_errors']?.[0] ?? Object.values(fields)[0]?.[0];
  return new RequestError(status, 'invalid', first ?? `The server answered with status ${status}.`, fields, requestId);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
