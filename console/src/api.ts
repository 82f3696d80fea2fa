// The way to the API: the SDK's client for back ends, speaking for the signed-in user. Every answer, and every missing
// one, also tells whether the server can be reached.

import { ApiError, createAdminClient, NetworkError, type FieldErrors, type Query } from '@grandstand/sdk/server';
import { connection } from './connection.ts';

export { ApiError };
export type { FieldErrors, Query };

export interface RequestOptions {
  method?: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  query?: Query | undefined;
  body?: unknown;
  /** Of a body that is not JSON. */
  contentType?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** A POST that changes nothing: sent without an Idempotency-Key, and once. */
  reads?: boolean;
  timeout?: number;
  /** Reads a good answer that is not JSON. */
  read?: (response: Response, alive: () => void) => Promise<unknown>;
}

/** How a request proves who sends it. */
export type Credential = { kind: 'token'; token: string } | { kind: 'cookie'; csrfToken: string | undefined };

export interface Client {
  /** A path below `/api/v1/`, or the absolute address of a next page. */
  request<T>(path: string, options?: RequestOptions): Promise<T>;
}

export function createClient(credential: () => Credential | undefined): Client {
  const sdk = createAdminClient({
    clientId: '-', // calls name their application themselves
    endpoint: window.location.origin,
    credentials: 'same-origin',
    headers: () => proof(credential()),
    fetch: reportingFetch,
  });
  return {
    request<T>(path: string, options: RequestOptions = {}): Promise<T> {
      const { method = 'GET', query, body, contentType, headers, signal, reads, timeout, read } = options;
      return sdk.request<T>(method, path, {
        ...(query && { query: withoutBlanks(query) }),
        ...(body !== undefined && { body }),
        ...(contentType !== undefined && { contentType }),
        ...(headers && { headers }),
        ...(signal && { signal }),
        ...(timeout !== undefined && { timeout }),
        ...(reads && { idempotencyKey: null }),
        ...(read && { read }),
      });
    },
  };
}

export function proof(credential: Credential | undefined): Record<string, string> {
  if (credential?.kind === 'token') return { authorization: `Bearer ${credential.token}` };
  return credential?.csrfToken === undefined ? {} : { 'x-csrf-token': credential.csrfToken };
}

const withoutBlanks = (query: Query): Query =>
  Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ''));

async function reportingFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  try {
    const response = await fetch(input, init);
    // 502 to 504 come from a proxy before the server, or say that its database is away.
    connection.report(response.status < 502 || response.status > 504);
    return response;
  } catch (error) {
    if (!init?.signal?.aborted) connection.report(false);
    throw error;
  }
}

/** What went wrong, for people. */
export function messageOf(error: unknown): string {
  if (error instanceof NetworkError) return 'The server cannot be reached.';
  if (error instanceof ApiError) {
    const messages = Object.values(error.fields).flat();
    return messages.length > 0 ? messages.join(' ') : error.message;
  }
  return error instanceof Error ? error.message : String(error);
}

/** The messages of a 400 by field; none of any other error. */
export const fieldsOf = (error: unknown): FieldErrors => (error instanceof ApiError ? error.fields : {});

/** What no field of the form shows: another error, or messages of fields that are not among these. */
export function restOf(error: unknown, fields: readonly string[]): string | undefined {
  if (error === null || error === undefined) return undefined;
  if (!(error instanceof ApiError) || error.status !== 400) return messageOf(error);
  const rest = Object.entries(error.fields).filter(
    ([field]) =>
      !fields.some((known) => field === known || field.startsWith(`${known}[`) || field.startsWith(`${known}.`)),
  );
  return rest.length === 0
    ? undefined
    : rest
        .map(([field, messages]) =>
          field === 'non_field_errors' ? messages.join(' ') : `${field}: ${messages.join(' ')}`,
        )
        .join(' ');
}
