// One attempt to hand a message over: a POST that follows no redirect, with one time limit for all of it. What becomes of
// it is a value, never an exception.

import { Pool } from 'undici';
import { AddressRefused, createConnector, type Resolve } from './address.ts';

export interface Answer {
  /** Null where there was none. */
  status: number | null;
  /** Why it was not taken, for people. Null where it was. */
  error: string | null;
  durationMs: number;
  /** The first KiB of the body. */
  body: string;
  retryAfter: string | undefined;
}

export interface Message {
  url: string;
  headers: Record<string, string>;
  body: string;
}

export interface SenderOptions {
  allowPrivate: boolean;
  resolve: Resolve;
  timeoutMs: number;
}

export interface Sender {
  /** `owner`: messages of one owner share connections, those of two never wait for each other. */
  send(owner: string, message: Message): Promise<Answer>;
  /** Closes the connections of an owner that is no longer. */
  forget(owner: string): void;
  close(): Promise<void>;
}

export const SEND_TIMEOUT_MS = 15_000;
/** Connections to one webhook at once. */
export const CONNECTIONS = 8;
const KEPT_BYTES = 1024;

export function createSender(options: SenderOptions): Sender {
  const pools = new Map<string, { origin: string; pool: Pool }>();
  const connect = createConnector(options);

  const poolOf = (owner: string, origin: string): Pool => {
    const known = pools.get(owner);
    if (known?.origin === origin) return known.pool;
    known?.pool.close().catch(() => {});
    const pool = new Pool(origin, { connections: CONNECTIONS, connect, keepAliveTimeout: 10_000 });
    pools.set(owner, { origin, pool });
    return pool;
  };

  return {
    async send(owner, { url, headers, body }) {
      const startedAt = performance.now();
      const { origin, pathname, search } = new URL(url);
      const duration = (): number => Math.round((performance.now() - startedAt) * 10) / 10;
      try {
        const response = await poolOf(owner, origin).request({
          path: pathname + search,
          method: 'POST',
          headers: { 'content-type': 'application/json', 'user-agent': 'Grandstand-Webhooks/1', ...headers },
          body,
          signal: AbortSignal.timeout(options.timeoutMs),
          headersTimeout: options.timeoutMs,
          bodyTimeout: options.timeoutMs,
        });
        const text = await readStart(response.body);
        const location = response.headers['location'];
        return {
          status: response.statusCode,
          error: explainStatus(response.statusCode, [location].flat()[0]),
          durationMs: duration(),
          body: text,
          retryAfter: [response.headers['retry-after']].flat()[0],
        };
      } catch (error) {
        return {
          status: null,
          error: explain(error, options.timeoutMs),
          durationMs: duration(),
          body: '',
          retryAfter: undefined,
        };
      }
    },
    forget(owner) {
      const known = pools.get(owner);
      pools.delete(owner);
      known?.pool.close().catch(() => {});
    },
    async close() {
      await Promise.allSettled([...pools.values()].map(({ pool }) => pool.destroy()));
      pools.clear();
    },
  };
}

/** As much as is kept; the rest is not read, however long it is. The status has told what became of the message: whatever happens here changes nothing. */
async function readStart(body: AsyncIterable<Buffer> & { destroy(): unknown }): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= KEPT_BYTES) break; // which destroys the stream
    }
  } catch {
    // Cut, or out of time.
  }
  const text = new TextDecoder().decode(Buffer.concat(chunks).subarray(0, KEPT_BYTES));
  return text.replaceAll('\0', '\ufffd'); // the database takes no NUL
}

function explainStatus(status: number, location: string | undefined): string | null {
  if (status >= 200 && status < 300) return null;
  if (status === 410) return 'It answered 410 Gone, which turns the webhook off.';
  if (status >= 300 && status < 400)
    return `It answered ${status}${location === undefined ? '' : ` and pointed to ${location.slice(0, 200)}`}; redirects are not followed.`;
  return `It answered ${status}.`;
}

const EXPLAINED: Record<string, string> = {
  ECONNREFUSED: 'Nothing listens there: the connection was refused.',
  ECONNRESET: 'The connection was cut before there was an answer.',
  EPIPE: 'The connection was cut before there was an answer.',
  UND_ERR_SOCKET: 'The connection was cut before there was an answer.',
  EHOSTUNREACH: 'There is no way to its address.',
  ENETUNREACH: 'There is no way to its address.',
};
const TIMEOUTS = ['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'];

function explain(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AddressRefused) return error.message;
  const code = 'code' in error ? String(error.code) : '';
  if (error.name === 'TimeoutError' || TIMEOUTS.includes(code))
    return `It did not answer within ${timeoutMs / 1000} seconds.`;
  return EXPLAINED[code] ?? error.message.slice(0, 500);
}
