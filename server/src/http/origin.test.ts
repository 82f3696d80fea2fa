import { afterEach, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer, type TestServer, type TestServerOptions } from '../testing/server.ts';
import { sendRaw } from '../testing/raw.ts';

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const start = async (env: Record<string, string> = {}, options: TestServerOptions = {}): Promise<TestServer> => {
  server = await startTestServer({ env, ...options });
  return server;
};
const application = `applications/${CLIENT_ID}/`;
const urlOf = async (headers: Record<string, string>): Promise<unknown> => {
  const lines = Object.entries({ connection: 'close', ...headers }).map(([name, value]) => `${name}: ${value}`);
  const answer = await sendRaw(
    server?.url ?? '',
    `GET /api/v1/${application} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`,
  );
  return answer.status === 200 ? (JSON.parse(answer.text) as { url: string }).url : answer.status;
};

describe('absolute URLs', () => {
  it('have the origin of the request, and forwarded headers count for nothing', async () => {
    await start();
    expect(await urlOf({ host: 'fans.example:8080' })).toBe(`http://fans.example:8080/api/v1/${application}`);
    expect(await urlOf({ host: '[::1]:7070' })).toBe(`http://[::1]:7070/api/v1/${application}`);
    const forwarded = {
      host: 'inner',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      'x-forwarded-for': '10.9.8.7',
    };
    expect(await urlOf(forwarded)).toBe(`http://inner/api/v1/${application}`);
  });

  it('follow forwarded headers with TRUST_PROXY', async () => {
    await start({ TRUST_PROXY: 'true' });
    const forwarded = { host: 'inner', 'x-forwarded-host': 'fans.example', 'x-forwarded-proto': 'https' };
    expect(await urlOf(forwarded)).toBe(`https://fans.example/api/v1/${application}`);
    expect(await urlOf({ host: 'inner' })).toBe(`http://inner/api/v1/${application}`);
    expect(await urlOf({ host: 'inner', 'x-forwarded-host': 'a b', 'x-forwarded-proto': 'https' })).toBe(400);
    expect(await urlOf({ host: 'inner', 'x-forwarded-host': 'x', 'x-forwarded-proto': 'javascript' })).toBe(400);
  });

  it('follow them only from the proxies that TRUST_PROXY names', async () => {
    await start({ TRUST_PROXY: '10.0.0.0/8' });
    expect(await urlOf({ host: 'inner', 'x-forwarded-host': 'evil.example' })).toBe(
      `http://inner/api/v1/${application}`,
    );
  });

  it('have the origin of PUBLIC_URL, whatever the request says', async () => {
    await start({ PUBLIC_URL: 'https://fans.example.com/', TRUST_PROXY: 'true' });
    expect(await urlOf({ host: 'x', 'x-forwarded-host': 'evil.example' })).toBe(
      `https://fans.example.com/api/v1/${application}`,
    );
    expect(await urlOf({ host: 'not a host at all' })).toBe(`https://fans.example.com/api/v1/${application}`);
    for (let i = 0; i < 2; i++) await server?.call('POST', `${application}profile/`);
    const list = await server?.call<{ next: string }>('GET', `${application}profiles?page_size=1`);
    expect(list?.body.next).toMatch(
      new RegExp(`^https://fans\\.example\\.com/api/v1/${application}profiles/\\?page_size=1&cursor=`),
    );
    expect(list?.headers.get('strict-transport-security')).toMatch(/max-age/);
  });

  it('are not made from a host that is none, nor from a request line that names another', async () => {
    await start();
    for (const host of ['a b', 'x"y', '<script>', 'a/b', 'user@host', 'x:y', ''])
      expect([host, await urlOf({ host })]).toEqual([host, host === '' ? expect.anything() : 400]);
    for (let i = 0; i < 2; i++) await server?.call('POST', `${application}profile/`);
    const answer = await sendRaw(
      server?.url ?? '',
      `GET http://evil.example/api/v1/${application}profiles/?page_size=1 HTTP/1.1\r\nHost: good.example\r\nAuthorization: Token ${ADMIN_TOKEN}\r\nConnection: close\r\n\r\n`,
    );
    expect(answer.status).toBe(200);
    expect((JSON.parse(answer.text) as { next: string }).next).toMatch(/^http:\/\/good\.example\/api\/v1\//);
  });

  it('are made for HTTP/1.0, which needs no Host', async () => {
    await start();
    const answer = await sendRaw(server?.url ?? '', `GET /api/v1/${application} HTTP/1.0\r\n\r\n`);
    expect((JSON.parse(answer.text) as { url: string }).url).toBe(`${server?.url}/api/v1/${application}`);
  });
});

describe('rate limits', () => {
  const statuses = async (count: number, token: string | null, path = application): Promise<number[]> => {
    const seen: number[] = [];
    for (let i = 0; i < count; i++) seen.push((await server?.call('GET', path, { token }))?.status ?? 0);
    return seen;
  };

  it('by address answer 429 with Retry-After', async () => {
    await start({ RATE_LIMIT_ADDRESS: '3' });
    expect(await statuses(5, null)).toEqual([200, 200, 200, 429, 429]);
    const answer = await server?.call('GET', application, { token: null });
    expect(answer).toMatchObject({
      status: 429,
      body: { error_code: 'throttled', detail: expect.any(String) as string },
    });
    const seconds = Number(answer?.headers.get('retry-after'));
    expect(seconds).toBeGreaterThanOrEqual(1);
    expect(seconds).toBeLessThanOrEqual(60);
    expect((await server?.call('GET', `${server.url}/healthz`))?.status).toBe(200);
  });

  it('count the forwarded address only with TRUST_PROXY', async () => {
    const attempt = async (from: string) =>
      (await server?.call('GET', application, { token: null, headers: { 'x-forwarded-for': from } }))?.status;
    await start({ RATE_LIMIT_ADDRESS: '2' });
    expect([await attempt('10.0.0.1'), await attempt('10.0.0.2'), await attempt('10.0.0.3')]).toEqual([200, 200, 429]);
    await server?.close();
    await start({ RATE_LIMIT_ADDRESS: '2', TRUST_PROXY: 'true' });
    expect([await attempt('10.0.0.1'), await attempt('10.0.0.2'), await attempt('10.0.0.3')]).toEqual([200, 200, 200]);
  });

  it('by profile and by application count each by itself', async () => {
    await start({ RATE_LIMIT_PROFILE: '2', RATE_LIMIT_APPLICATION: '8' });
    const tokens: string[] = [];
    for (let i = 0; i < 2; i++)
      tokens.push(
        (await server?.call<{ access_token: string }>('POST', `${application}profile/`, { token: null }))?.body
          .access_token ?? '',
      );
    expect(await statuses(3, tokens[0] ?? null, `${application}profile/`)).toEqual([200, 200, 429]);
    expect(await statuses(2, tokens[1] ?? null, `${application}profile/`)).toEqual([200, 200]);
    // Two creates and five reads: the eighth request is the last of the application.
    expect(await statuses(2, ADMIN_TOKEN, `${application}profiles/`)).toEqual([200, 429]);
  });
});
