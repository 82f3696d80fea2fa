// A caller that was answered and goes on to send its body, a byte now and then, does not keep its socket.

import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ restOfBodyMs: 200 });
});
afterAll(() => server.close());

async function open(path: string, token: string, length: number): Promise<Socket> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.write(
    `POST /api/v1/applications/${CLIENT_ID}/${path} HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${token}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`,
  );
  return socket;
}

it('after a refusal a dripping body ends its socket, and the answer came before', async () => {
  for (const path of ['activities/', 'imports/', 'profile-groups/', 'nowhere/', 'audit/']) {
    const socket = await open(path, 'not-a-token', 100_000);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString(), path).toMatch(/^HTTP\/1\.1 40[145] /);
    socket.on('error', () => {}); // writing on what was closed
    const drip = setInterval(() => socket.write('x'), 10);
    await new Promise((resolve) => socket.once('close', resolve)); // not `once`, which an error ends
    clearInterval(drip);
  }
});

it('who sends the rest in time keeps it for the next request', async () => {
  const socket = await open('activities/', 'not-a-token', 20);
  await once(socket, 'data');
  socket.write('x'.repeat(20));
  const { hostname } = new URL(server.url);
  socket.write(
    `GET /api/v1/applications/${CLIENT_ID}/activity-types/?page_size=1 HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n\r\n`,
  );
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /);
  socket.destroy();
});
