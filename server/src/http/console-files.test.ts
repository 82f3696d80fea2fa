import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sendRaw, type RawAnswer } from '../testing/raw.ts';
import { startTestServer, type TestServer } from '../testing/server.ts';

const ASSETS = fileURLToPath(new URL('../../../console/dist/assets/', import.meta.url));
const script = readdirSync(ASSETS).find((name) => name.endsWith('.js')) ?? '';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const get = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<RawAnswer> =>
  sendRaw(
    server.url,
    [
      `${method} ${path} HTTP/1.1`,
      'Host: x',
      'Connection: close',
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      '\r\n',
    ].join('\r\n'),
  );

it('gives the copy that was compressed in advance to those who take it', async () => {
  for (const [accepted, encoding] of [
    ['br, gzip', 'br'],
    ['gzip', 'gzip'],
    ['br;q=0, gzip', 'gzip'],
    ['identity', null],
  ] as const) {
    const { status, headers } = await get(`/assets/${script}`, { 'accept-encoding': accepted });
    expect([accepted, status, headers.get('content-encoding')]).toEqual([accepted, 200, encoding]);
    expect(headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(headers.get('vary')?.toLowerCase()).toContain('accept-encoding');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  }
});

it('keeps what has no hash in its name for an hour only', async () => {
  for (const [path, type] of [
    ['/theme.js', 'text/javascript; charset=utf-8'],
    ['/favicon.svg', 'image/svg+xml'],
  ] as const) {
    const { status, headers, text } = await get(path);
    expect([path, status, headers.get('content-type')]).toEqual([path, 200, type]);
    expect(headers.get('cache-control')).toBe('public, max-age=3600');
    expect(text.length).toBeGreaterThan(10);
  }
});

it('gives no other file, and says so as every other path does', async () => {
  for (const path of [
    '/assets/nothing.js',
    '/assets/',
    '/assets/../index.html',
    '/assets/..%2findex.html',
    '/assets/%2e%2e/index.html',
    '/assets/..%5c..%5cpackage.json',
    '/assets/%00',
    `/assets/${script}.map`,
  ]) {
    const { status, headers, text } = await get(path);
    expect([path, status]).toEqual([path, 404]);
    expect(JSON.parse(text)).toEqual({ detail: 'Not found.', error_code: 'not_found' });
    expect(headers.get('cache-control') ?? '').not.toContain('immutable');
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  }
});
