import { afterAll, beforeAll, expect, it } from 'vitest';
import { CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';

let server: TestServer;
let worker: TestServer;
/** As an operator would have it: nothing to be warned of. */
const SECRET_KEY = '5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8';
beforeAll(async () => {
  server = await startTestServer({ env: { SECRET_KEY } });
  worker = await startTestServer({ databaseUrl: server.databaseUrl, env: { SECRET_KEY, ROLE: 'worker' } });
});
afterAll(async () => {
  await worker.close();
  await server.close();
});

it('a worker answers whether it lives and what it measures, and says why it answers nothing else', async () => {
  for (const path of ['/healthz', '/readyz', '/metrics'])
    expect((await worker.call('GET', `${worker.url}${path}`)).status, path).toBe(200);
  for (const [method, path] of [
    ['GET', '/'],
    ['GET', '/docs'],
    ['GET', '/api/v1/openapi.json'],
    ['GET', `/api/v1/applications/${CLIENT_ID}/`],
    ['POST', `/api/v1/applications/${CLIENT_ID}/profile/`],
    ['GET', '/examples/fan/'],
  ] as const) {
    expect(await worker.call(method, `${worker.url}${path}`), path).toMatchObject({
      status: 404,
      body: { detail: expect.stringContaining('worker') as string, error_code: 'not_found' },
    });
  }
  expect(await server.call('GET', `${server.url}/nothing`)).toMatchObject({
    status: 404,
    body: { detail: 'Not found.' },
  });
});

it('readiness says where any Host would be echoed, and nothing once PUBLIC_URL is set', async () => {
  const read = async (url: string): Promise<unknown> => (await fetch(`${url}/readyz`)).json();
  expect(await read(server.url)).toEqual({
    status: 'ready',
    warnings: [expect.stringMatching(/^PUBLIC_URL is not set/)],
  });
  const named = await startTestServer({
    databaseUrl: server.databaseUrl,
    env: { SECRET_KEY, PUBLIC_URL: 'https://fans.example.com', TRUST_PROXY: '1' },
  });
  expect(await read(named.url)).toEqual({ status: 'ready' });
  await named.close();
});

it('metrics count answers by operation and class of status, and time them from 5 ms to 2.5 s', async () => {
  await server.sdk.profiles.create();
  await server.call('POST', `applications/${CLIENT_ID}/profile/`, { body: { nickname: 5 } });
  await server.call('GET', `${server.url}/nothing`);
  const text = String((await server.call('GET', `${server.url}/metrics`)).body);
  for (const line of [
    'grandstand_http_requests_total{operation="createProfile",status="2xx"} 1',
    'grandstand_http_requests_total{operation="createProfile",status="4xx"} 1',
    'grandstand_http_requests_total{operation="other",status="4xx"}',
    'grandstand_http_request_duration_seconds_bucket{le="0.005",operation="createProfile"}',
    'grandstand_http_request_duration_seconds_bucket{le="2.5",operation="createProfile"} 2',
  ]) {
    expect(text).toContain(line);
  }
});

it('metrics stay small though every other operation was called, well and badly', async () => {
  const { body } = await server.call<{ paths: Record<string, Record<string, unknown>> }>('GET', 'openapi.json');
  const calls = Object.entries(body.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => [method.toUpperCase(), path.replace('{client_id}', CLIENT_ID)] as const),
  );
  for (const [method, path] of calls.filter((_call, index) => index % 2 === 0)) {
    if (path.includes('stream')) continue;
    await server.call(method, `${server.url}${path}`);
    await server.call(method, `${server.url}${path}`, { token: null });
  }
  const text = String((await server.call('GET', `${server.url}/metrics`)).body);
  expect(text.length).toBeLessThan(500 * calls.length);
});
