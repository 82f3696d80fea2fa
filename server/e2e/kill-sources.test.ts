// The official clients of Segment and RudderStack against a server that is killed and comes back, that is too busy or away,
// and whose answers get lost: what they say was taken is there, and nothing is there twice.

import { randomBytes } from 'node:crypto';
import {
  createServer,
  request,
  type ClientRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdminClient } from '@grandstand/sdk/server';
import RudderAnalytics from '@rudderstack/rudder-sdk-node';
import { Analytics } from '@segment/analytics-node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../src/testing/database.ts';
import { BOOTSTRAP, SECRET_KEY, startProcess, type ServerProcess } from './server-process.ts';

/** Segment's client waits up to a minute between two tries, and a server on a busy machine takes as long to start. */
const PATIENCE_MS = 600_000;

type Trouble = (incoming: IncomingMessage, answer: ServerResponse) => void;

let database: TestDatabase;
let server: ServerProcess;
/** Between client and server: what comes next happens to the next request. */
let front: Server;
let host: string;
let troubles: Trouble[] = [];

const start = (): Promise<ServerProcess> =>
  startProcess({
    DATABASE_URL: database.url,
    SECRET_KEY,
    ...BOOTSTRAP,
    LOG_LEVEL: 'silent',
    RATE_LIMIT_ADDRESS: '0',
    RATE_LIMIT_PROFILE: '0',
  });
const sdk = () =>
  createAdminClient({
    clientId: BOOTSTRAP.BOOTSTRAP_CLIENT_ID,
    endpoint: server.url,
    accessToken: BOOTSTRAP.BOOTSTRAP_ADMIN_TOKEN,
  });

beforeAll(async () => {
  database = await createTestDatabase();
  server = await start();
  front = createServer((incoming, answer) => {
    const meet = isRestarting ? away : (troubles.shift() ?? pass);
    meet(incoming, answer);
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  host = `http://127.0.0.1:${(front.address() as AddressInfo).port}`; // it listens
});
afterAll(async () => {
  front.close();
  front.closeAllConnections();
  server.kill('SIGTERM');
  await server.exit;
  await database.drop();
});
beforeEach(() => {
  troubles = [];
  restarted = undefined;
});

/** To the server and back; `onAnswer` may see to it that the answer never arrives. */
function forward(incoming: IncomingMessage, answer: ServerResponse, onAnswer?: () => void): ClientRequest {
  const onward = request(`${server.url}${incoming.url}`, { method: 'POST', headers: incoming.headers }, (response) => {
    if (onAnswer) {
      onAnswer();
      response.resume().on('error', () => {});
      away(incoming, answer);
      return;
    }
    answer.writeHead(response.statusCode ?? 502, response.headers);
    response.on('error', () => answer.destroy()).pipe(answer);
  });
  onward.on('error', () => away(incoming, answer));
  return incoming.on('error', () => {}).pipe(onward);
}
const pass: Trouble = (incoming, answer) => void forward(incoming, answer);
const lose: Trouble = (incoming, answer) => void forward(incoming, answer, () => {});
/** Its socket: a request that was read to its end is destroyed by itself, and its client would go on waiting. */
const away: Trouble = (incoming) => void incoming.socket.destroy();
const refuse =
  (status: number, headers: Record<string, string> = {}): Trouble =>
  (incoming, answer) => {
    incoming.resume();
    answer.writeHead(status, { 'content-type': 'application/json', ...headers }).end('{"detail": "Later."}');
  };

let restarted: Promise<void> | undefined;
let isRestarting = false;
async function killAndStart(): Promise<void> {
  isRestarting = true;
  server.kill('SIGKILL');
  await server.exit;
  server = await start();
  isRestarting = false;
}
/** One that is being killed is not killed again: clients that send several requests at once meet that. */
const kill = (): void => void (isRestarting || (restarted = killAndStart()));
/** Killed while the request is under way; another one takes its place. */
const killDuring: Trouble = (incoming, answer) => {
  forward(incoming, answer);
  incoming.once('end', kill);
};
/** Killed once the request was done and before that could be said; where it came to nothing, the next is waited for. */
const killAfter: Trouble = (incoming, answer) =>
  forward(incoming, answer, kill).on('error', () => void troubles.unshift(killAfter));

const ALL = Array.from({ length: 60 }, (_, n) => n);
async function numbersOf(customId: string): Promise<number[]> {
  const { id } = await sdk().profiles.getByCustomId(customId);
  const activities = await sdk().profiles.activities(id).all(1_000);
  return activities.map(({ data }) => Number(data?.['n'])).sort((a, b) => a - b);
}
/** Its promise is the callback of each event: without an error, the event was taken. */
function rudderOf(writeKey: string, axiosRetryConfig: object) {
  const client = new RudderAnalytics(writeKey, {
    dataPlaneUrl: host,
    flushAt: 20,
    flushInterval: 100,
    logLevel: 'none',
    axiosRetryConfig,
    errorHandler: () => {}, // without one, its flushes reject where nobody can catch it
  });
  return (userId: string, n: number): Promise<unknown> =>
    new Promise((resolve) => {
      client.track({ userId, event: 'Goal Seen', properties: { n } }, (error?: unknown) => {
        resolve(error);
      });
    });
}
const source = (name: string) => sdk().sources.create({ name, kind: 'segment' });

const TROUBLES: Record<string, () => Trouble[]> = {
  'is killed while it works, and once it is done': () => [pass, killDuring, killAfter],
  'is too busy, away, or loses its answers': () => [
    lose,
    refuse(503, { 'retry-after': '1' }),
    refuse(429, { 'retry-after': '1' }),
    away,
    lose,
  ],
};

describe.each(Object.keys(TROUBLES))('where the server %s', (what) => {
  beforeEach(() => {
    troubles = TROUBLES[what]?.() ?? [];
  });

  it('@segment/analytics-node loses nothing, and sends nothing twice', { timeout: PATIENCE_MS }, async () => {
    const { write_key: writeKey } = await source(`Node, ${what}`);
    const userId = `node, ${what}`;
    const analytics = new Analytics({ writeKey, host, flushAt: 20, maxRetries: 20 });
    const failed: unknown[] = [];
    analytics.on('error', (error) => failed.push(error));
    for (const n of ALL) analytics.track({ userId, event: 'Goal Seen', properties: { n } });
    await analytics.closeAndFlush({ timeout: PATIENCE_MS });
    await restarted;
    expect(failed).toEqual([]);
    expect(troubles).toEqual([]);
    expect(await numbersOf(userId)).toEqual(ALL);
  });

  it('@rudderstack/rudder-sdk-node loses nothing, and sends nothing twice', { timeout: PATIENCE_MS }, async () => {
    const { write_key: writeKey } = await source(`Rudder, ${what}`);
    const userId = `rudder, ${what}`;
    // Its own pauses double each time, so that it might wait for minutes where a server needs seconds to start.
    const track = rudderOf(writeKey, { retries: 1_000, retryDelay: () => 100 });
    // The first is sent alone, the others as three batches at once when it was taken.
    const errors = await Promise.all(ALL.map((n) => track(userId, n)));
    await restarted;
    expect(errors).toEqual(ALL.map(() => undefined));
    expect(troubles).toEqual([]);
    expect(await numbersOf(userId)).toEqual(ALL);
  });
});
it('@rudderstack/rudder-sdk-node says what it gave up, and goes on', { timeout: 60_000 }, async () => {
  const { write_key: writeKey } = await source('Rudder, for long');
  const track = rudderOf(writeKey, { retries: 2, retryDelay: () => 1 });
  troubles = [lose, refuse(503), away];
  expect(await track('rudder, for long', 1)).toBeInstanceOf(Error);
  expect(troubles).toEqual([]);
  expect(await Promise.all([track('rudder, for long', 2), track('rudder, for long', 3)])).toEqual([
    undefined,
    undefined,
  ]);
  // The answer to the first was lost, not the first: what is given up may have been taken.
  expect(await numbersOf('rudder, for long')).toEqual([1, 2, 3]);
});

describe('what is larger than a request may be', () => {
  /** As texts are, that gzip makes little smaller. */
  const filling = (): string => randomBytes(25_000).toString('hex');

  it('is not sent again by @segment/analytics-node once it was told so', { timeout: 60_000 }, async () => {
    const { write_key: writeKey } = await source('Told');
    let told = 0;
    const tell: Trouble = (incoming, answer) => {
      told++;
      refuse(413)(incoming, answer);
    };
    troubles = [tell, tell, tell];
    const analytics = new Analytics({ writeKey, host, flushAt: 1, maxRetries: 10 });
    const failed: unknown[] = [];
    analytics.on('error', (error) => failed.push(error));
    analytics.track({ userId: 'told', event: 'Goal Seen' });
    await analytics.closeAndFlush({ timeout: 10_000 });
    expect([told, failed.length]).toEqual([1, 1]);
  });

  it('is 413 to anybody, every time', { timeout: 60_000 }, async () => {
    const { write_key: writeKey } = await source('Anybody');
    const batch = Array.from({ length: 100 }, () => ({
      type: 'track',
      userId: 'anybody',
      event: 'X',
      fill: filling(),
    }));
    const body = JSON.stringify({ batch });
    const headers = { authorization: `Basic ${btoa(`${writeKey}:`)}` };
    const answers = await Promise.all(
      Array.from({ length: 24 }, async () => {
        const answer = await fetch(`${server.url}/v1/batch`, { method: 'POST', body, headers });
        return [answer.status, ((await answer.json()) as { error_code: string }).error_code];
      }),
    );
    expect(new Set(answers.map(String))).toEqual(new Set(['413,payload_too_large']));
  });
});
