// A whole server for a test: real HTTP on a free port, a database of its own, a clock that the test may move.

import { createClient, type Client } from '@grandstand/sdk';
import { ApiError, createAdminClient, type AdminClient, type List, type Page } from '@grandstand/sdk/server';
import { pino } from 'pino';
import { createApp, type AppOptions, type GrandstandApp } from '../app.ts';
import type { Clock } from '../clock.ts';
import { readConfig } from '../config.ts';
import { parseInstant, type Instant } from '../instant.ts';
import { createTestDatabase } from './database.ts';

export const CLIENT_ID = 'test-app';
export const CLIENT_SECRET = 'a-client-secret-that-is-long-enough-0123456789';
export const ADMIN_TOKEN = 'an-admin-token-that-is-long-enough';

export interface TestClock extends Clock {
  set(instant: Instant | string): void;
  advance(micros: number): void;
}

/** Stands still but for the microsecond that keeps two readings apart. */
export function testClock(start = '2026-03-01T12:00:00.000000Z'): TestClock {
  let now = parseInstant(start) ?? 0;
  return {
    now: () => ++now,
    set(instant) {
      now = typeof instant === 'string' ? (parseInstant(instant) ?? now) : instant;
    },
    advance(micros) {
      now += micros;
    },
  };
}

export interface TestServer {
  app: GrandstandApp;
  /** Origin, without a slash at its end. */
  url: string;
  /** Below /api/v1/, or from the root where it begins with a slash. */
  api: (path: string) => string;
  databaseUrl: string;
  /** The admin's client, for what the API does. It never repeats a request: what fails once has failed. */
  sdk: AdminClient;
  /** The same calls with another token; null: with none. */
  as(token: string | null): AdminClient;
  /** A fan's own client. */
  fan(accessToken: string): Client;
  /** For the bytes on the wire: statuses, headers, shapes, what no client sends. A request with an admin token unless told otherwise; a body that is not a string is sent as JSON. */
  call<T = Record<string, unknown>>(method: string, path: string, options?: CallOptions): Promise<Answer<T>>;
  close(): Promise<void>;
}

export interface CallOptions {
  body?: unknown;
  /** Undefined: the admin token; null: none. */
  token?: string | null;
  headers?: Record<string, string>;
}

export interface Answer<T> {
  status: number;
  headers: Headers;
  body: T;
}

export interface TestServerOptions {
  clock?: Clock;
  env?: Record<string, string>;
  /** With the statements of a cluster, though the database is one node. */
  isDistributed?: boolean;
  /** A server on the database of another one. */
  databaseUrl?: string;
  /** How soon its evaluation, where ROLE has it run by itself, finds what it was not woken for. */
  lookEveryMs?: number;
  webhooks?: AppOptions['webhooks'];
  /** When histories come over after their merges, and in which steps. */
  moves?: AppOptions['moves'];
  restOfBodyMs?: number;
}

export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const database = options.databaseUrl === undefined ? await createTestDatabase() : undefined;
  const databaseUrl = options.databaseUrl ?? database?.url ?? '';
  const config = readConfig({
    DATABASE_URL: databaseUrl,
    SECRET_KEY: 'a-secret-key-for-tests-0123456789abcdef',
    BOOTSTRAP_CLIENT_ID: CLIENT_ID,
    BOOTSTRAP_CLIENT_SECRET: CLIENT_SECRET,
    BOOTSTRAP_ADMIN_TOKEN: ADMIN_TOKEN,
    ROLE: 'api',
    PORT: '0',
    RATE_LIMIT_ADDRESS: '0',
    ...options.env,
  });
  const log = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
  const app = await createApp(config, {
    log,
    watchesInstallation: false,
    ...(options.clock && { clock: options.clock }),
    ...(options.isDistributed !== undefined && { isDistributed: options.isDistributed }),
    ...(options.lookEveryMs !== undefined && { lookEveryMs: options.lookEveryMs }),
    ...(options.webhooks && { webhooks: options.webhooks }),
    ...(options.moves && { moves: options.moves }),
    ...(options.restOfBodyMs !== undefined && { restOfBodyMs: options.restOfBodyMs }),
  });
  const url = await app.http.listen({ host: '127.0.0.1', port: 0 });
  const api = (path: string): string => (path.startsWith('/') ? `${url}${path}` : `${url}/api/v1/${path}`);
  const sdkOptions = { clientId: CLIENT_ID, endpoint: url, retries: 0 };
  const as = (token: string | null): AdminClient =>
    createAdminClient({ ...sdkOptions, accessToken: token ?? undefined });
  return {
    app,
    url,
    api,
    databaseUrl,
    sdk: as(ADMIN_TOKEN),
    as,
    fan: (accessToken) => createClient({ ...sdkOptions, accessToken, storage: 'memory' }),
    async call<T>(method: string, path: string, { body, token = ADMIN_TOKEN, headers = {} }: CallOptions = {}) {
      const response = await fetch(path.startsWith('http') ? path : api(path), {
        method,
        headers: {
          ...(token !== null && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && typeof body !== 'string' && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      const isJson = response.headers.get('content-type')?.includes('json') ?? false;
      return {
        status: response.status,
        headers: response.headers,
        body: (isJson && text !== '' ? JSON.parse(text) : text) as T,
      }; // the test says what it expects
    },
    async close() {
      await app.close();
      await database?.drop();
    },
  };
}

/** What the server said no with. Fails where it did not. */
export async function refusal(call: Promise<unknown>): Promise<ApiError> {
  const answer = await call.then(
    (value) => `it answered ${JSON.stringify(value)}`,
    (error: unknown) => error,
  );
  if (answer instanceof ApiError) return answer;
  throw answer instanceof Error ? answer : new Error(String(answer));
}

/** A list's pages, for what only they have: `count` above all. */
export async function pagesOf<T>(list: List<T>): Promise<Page<T>[]> {
  const pages: Page<T>[] = [];
  for await (const page of list.pages()) pages.push(page);
  return pages;
}
