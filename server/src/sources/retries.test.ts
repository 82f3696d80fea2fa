// The official clients against a server that is now too busy, now away, and now gone before its answer arrives: what they
// were told was taken is there, and nothing is there twice.

import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Analytics } from '@segment/analytics-node';
import RudderAnalytics from '@rudderstack/rudder-sdk-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../testing/server.ts';

type Trouble = (incoming: IncomingMessage, answer: ServerResponse) => void;

let server: TestServer;
let troubles: Trouble[] = [];
let front: Server;
let host: string;
beforeAll(async () => {
  server = await startTestServer();
  front = createServer((incoming, answer) => (troubles.shift() ?? pass)(incoming, answer));
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  host = `http://127.0.0.1:${(front.address() as AddressInfo).port}`; // it listens
});
afterAll(async () => {
  front.close();
  front.closeAllConnections();
  await server.close();
});

/** To the server and back. `isLost`: it does all that is asked, but the connection breaks before its answer. */
function forward(incoming: IncomingMessage, answer: ServerResponse, isLost: boolean): void {
  const onward = request(`${server.url}${incoming.url}`, { method: 'POST', headers: incoming.headers }, (response) => {
    if (isLost) {
      response.resume().on('end', () => incoming.destroy());
      return;
    }
    answer.writeHead(response.statusCode ?? 502, response.headers);
    response.pipe(answer);
  });
  incoming.pipe(onward);
}
const pass: Trouble = (incoming, answer) => forward(incoming, answer, false);
const lose: Trouble = (incoming, answer) => forward(incoming, answer, true);
const away: Trouble = (incoming) => incoming.destroy();
const refuse =
  (status: number, headers: Record<string, string> = {}): Trouble =>
  (incoming, answer) => {
    incoming.resume();
    answer.writeHead(status, { 'content-type': 'application/json', ...headers }).end('{"detail": "Later."}');
  };

async function idsOf(customId: string): Promise<string[]> {
  const { id } = await server.sdk.profiles.getByCustomId(customId);
  return (await server.sdk.profiles.activities(id).all()).map(({ data }) => String(data?.['n'])).sort();
}
const ALL = Array.from({ length: 40 }, (_, n) => String(n)).sort();

it('@segment/analytics-node', { timeout: 60_000 }, async () => {
  const { write_key: writeKey } = await server.sdk.sources.create({ name: 'Node', kind: 'segment' });
  troubles = [lose, refuse(503, { 'retry-after': '1' }), refuse(429, { 'retry-after': '1' }), away, lose];
  const analytics = new Analytics({ writeKey, host, flushAt: 20, maxRetries: 10 });
  const failed: unknown[] = [];
  analytics.on('error', (error) => failed.push(error));
  for (const n of ALL) analytics.track({ userId: 'node', event: 'Goal Seen', properties: { n } });
  await analytics.closeAndFlush({ timeout: 50_000 });
  expect(failed).toEqual([]);
  expect(troubles).toEqual([]);
  expect(await idsOf('node')).toEqual(ALL);
});

it('@rudderstack/rudder-sdk-node', { timeout: 60_000 }, async () => {
  const { write_key: writeKey } = await server.sdk.sources.create({ name: 'Rudder', kind: 'segment' });
  troubles = [lose, refuse(503), refuse(429), away];
  const options = { dataPlaneUrl: host, flushAt: 20, retryCount: 10, logLevel: 'none' as never }; // missing in its types
  const rudder = new RudderAnalytics(writeKey, options);
  for (const n of ALL) rudder.track({ userId: 'rudder', event: 'Goal Seen', properties: { n } });
  await rudder.flush();
  await expect.poll(async () => idsOf('rudder').catch(() => []), { timeout: 40_000 }).toEqual(ALL);
  expect(troubles).toEqual([]);
});

it('is told 413 for what is too large, which they do not send again', { timeout: 60_000 }, async () => {
  const { write_key: writeKey } = await server.sdk.sources.create({ name: 'Large', kind: 'segment' });
  const events = Array.from({ length: 100 }, (_, n) => ({
    type: 'track',
    userId: 'large',
    event: 'X',
    n,
    fill: 'x'.repeat(50_000),
  }));
  const answer = await fetch(`${server.url}/v1/batch`, {
    method: 'POST',
    body: JSON.stringify({ writeKey, batch: events }),
    headers: { authorization: `Basic ${btoa(`${writeKey}:`)}` },
  });
  expect(answer.status).toBe(413);
  expect(await answer.json()).toMatchObject({ error_code: 'payload_too_large' });
  let asked = 0;
  const count: Trouble = (incoming, response) => {
    asked++;
    refuse(413)(incoming, response);
  };
  troubles = [count, count, count];
  const analytics = new Analytics({ writeKey, host, flushAt: 1, maxRetries: 10 });
  const failed: unknown[] = [];
  analytics.on('error', (error) => failed.push(error));
  analytics.track({ userId: 'large', event: 'Goal Seen' });
  await analytics.closeAndFlush({ timeout: 10_000 });
  expect([asked, failed.length]).toEqual([1, 1]);
});
