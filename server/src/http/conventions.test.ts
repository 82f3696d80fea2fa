import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';
import { sendRaw } from '../testing/raw.ts';

const OWN = `applications/${CLIENT_ID}/profile/`;
const LIST = `applications/${CLIENT_ID}/profiles/`;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const post = (
  body: string | Buffer,
  headers: Record<string, string> = { 'content-type': 'application/json' },
  path = OWN,
) => fetch(server.api(path), { method: 'POST', headers, body: typeof body === 'string' ? body : new Uint8Array(body) });

describe('paths', () => {
  it('work with and without the slash at their end, without a redirect', async () => {
    for (const path of [LIST, LIST.slice(0, -1), `${LIST.slice(0, -1)}?page_size=1`]) {
      const answer = await fetch(server.api(path), {
        redirect: 'manual',
        headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
      });
      expect(answer.status, path).toBe(200);
    }
  });

  it('hold 255 characters of four bytes, percent-encoded, and slashes and dots too', async () => {
    for (const customId of ['𝄞'.repeat(255), 'a/b', '...', 'ä b+c%20', '?#&', 'custom:x', ' ']) {
      const path = `profile-by-custom-id/${CLIENT_ID}/${encodeURIComponent(customId).replaceAll('.', '%2E')}/`;
      const raw = (method: string) =>
        sendRaw(
          server.url,
          `${method} /api/v1/${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Token ${ADMIN_TOKEN}\r\nConnection: close\r\n\r\n`,
        );
      expect((await raw('POST')).status, customId).toBe(201);
      expect(JSON.parse((await raw('GET')).text), customId).toMatchObject({ custom_id: customId });
    }
  });

  it('that are not ours are 404 in our shape, as are the ones that hold too much', async () => {
    for (const path of [
      'nothing/',
      'applications/',
      `profiles/${'x'.repeat(5000)}/`,
      'profiles/x/y/z/',
      'applications/nobody/',
    ]) {
      const answer = await server.call('GET', path);
      expect(answer, path.slice(0, 30)).toMatchObject({
        status: 404,
        body: { detail: expect.any(String) as string, error_code: 'not_found' },
      });
      expect(answer.headers.get('x-request-id')).toBeTruthy();
    }
    expect((await server.call('GET', `${server.url}/api/v2/`)).body).toMatchObject({ error_code: 'not_found' });
  });

  it('that another method has are 405, with Allow', async () => {
    for (const [method, path, allow] of [
      ['DELETE', OWN, 'GET, HEAD, PATCH, POST'],
      ['PUT', OWN.slice(0, -1), 'GET, HEAD, PATCH, POST'],
      ['POST', LIST, 'GET, HEAD'],
      ['POST', 'profiles/x/', 'DELETE, GET, HEAD, PATCH'],
    ] as const) {
      const answer = await server.call(method, path);
      expect(answer, `${method} ${path}`).toMatchObject({ status: 405, body: { error_code: 'method_not_allowed' } });
      expect(answer.headers.get('allow')).toBe(allow);
      expect(answer.headers.get('x-request-id')).toBeTruthy();
    }
  });
});

describe('what cannot be stored', () => {
  it('is 400 in paths and queries', async () => {
    for (const path of [
      'profiles/a%00b/',
      `profile-by-custom-id/${CLIENT_ID}/%00/`,
      `${LIST}?nickname=a%00`,
      `${LIST}?attributes=a:b%00`,
      `${LIST}?a%00=1`,
    ]) {
      expect(await server.call('GET', path), path).toMatchObject({ status: 400 });
    }
    // No UTF-8: a lone surrogate, a broken sequence, a percent sign that encodes nothing.
    for (const part of ['%ED%A0%80', '%C3', '%FF', '%', '%zz']) {
      for (const path of [`profiles/${part}/`, `${LIST}?nickname=${part}`, `${LIST}?page_size=1&x=${part}`]) {
        const answer = await server.call('GET', path);
        expect(answer, path).toMatchObject({ status: 400, body: { non_field_errors: [expect.any(String)] } });
        expect(answer.headers.get('x-request-id'), path).toBeTruthy();
      }
    }
  });

  it('is 400 anywhere in a body, and the field is named', async () => {
    for (const bad of ['\\u0000', '\\ud800', '\\udc00x', 'a\\uD83Da']) {
      for (const [body, field] of [
        [`{"nickname": "${bad}"}`, 'nickname'],
        [`{"custom_data": "x${bad}"}`, 'custom_data'],
        [`{"attributes": [{"key": "a", "value": "b"}, {"key": "${bad}", "value": "b"}]}`, 'attributes[1].key'],
        [`{"unknown": {"deep": ["${bad}"]}}`, 'unknown.deep[0]'],
        [`{"${bad}": 1}`, 'non_field_errors'],
        [`"${bad}"`, 'non_field_errors'],
      ] as const) {
        const answer = await post(body);
        expect(answer.status, body).toBe(400);
        expect(Object.keys((await answer.json()) as object), body).toEqual([field]);
      }
    }
    for (const raw of [
      Buffer.from('{"nickname": "\xff"}', 'latin1'),
      Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]),
      Buffer.from('{"a": "\0"}'),
    ]) {
      expect((await post(raw)).status).toBe(400);
    }
    // What only looks like it is no such thing.
    const fine = await post(JSON.stringify({ custom_data: '\\u0000 \\\\ud800 😀 \ud83d\ude00' }));
    expect(fine.status).toBe(201);
    expect(await fine.json()).toMatchObject({ custom_data: '\\u0000 \\\\ud800 😀 \ud83d\ude00' });
  });
});

describe('bodies', () => {
  it('that are not JSON are 400', async () => {
    for (const body of [
      '{',
      '{"nickname": }',
      'nickname=x',
      '{"a":1}}',
      '﻿{',
      '[1,]',
      "{'a': 1}",
      'NaN',
      '{"a": 1',
      '\u0001',
    ]) {
      const answer = await post(body);
      expect(answer.status, body).toBe(400);
      expect(await answer.json(), body).toEqual({ non_field_errors: [expect.stringContaining('JSON')] });
    }
  });

  it('that are JSON and no object are 400', async () => {
    for (const body of ['[]', '7', '"x"', 'null', 'true']) {
      const answer = await post(body, undefined, `applications/${CLIENT_ID}/profiles/bulk/`);
      expect(answer.status, body).toBe(401); // who asks comes before what they ask
      const own = await post(body);
      expect([own.status, body]).toEqual([body === 'null' ? 201 : 400, body]);
    }
  });

  it('may be absent where nothing is required, with or without a Content-Type', async () => {
    expect((await post('', {})).status).toBe(201);
    expect((await post('', { 'content-type': 'application/json' })).status).toBe(201);
    const answer = await server.call('POST', `applications/${CLIENT_ID}/profiles/bulk/`, {
      headers: { 'content-type': 'application/json' },
    });
    expect(answer).toMatchObject({ status: 400, body: { non_field_errors: [expect.any(String)] } });
  });

  it('are JSON in every spelling of the Content-Type, and 415 in any other', async () => {
    for (const type of [
      'application/json',
      'application/json; charset=utf-8',
      'APPLICATION/JSON',
      'application/json;charset=UTF-8',
      'application/vnd.api+json',
    ]) {
      expect((await post('{}', { 'content-type': type })).status, type).toBe(201);
    }
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonp',
      'text/json-ish',
      'image/png',
      'x',
    ]) {
      const answer = await post('{}', { 'content-type': type });
      expect(answer.status, type).toBe(415);
      expect(await answer.json(), type).toMatchObject({ error_code: 'unsupported_media_type' });
    }
  });

  it('above 1 MiB are 413, with and without a Content-Length', async () => {
    const big = JSON.stringify({ custom_data: 'x'.repeat(1024 * 1024) });
    expect((await post(big)).status).toBe(413);
    const chunked = await fetch(server.api(OWN), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new Blob([big]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(413);
    expect(await chunked.json()).toMatchObject({ error_code: 'payload_too_large' });
    const allowed = await server.call('POST', `applications/${CLIENT_ID}/profiles/bulk/`, {
      body: {
        profiles: Array.from({ length: 30 }, (_, i) => ({ custom_id: `large-${i}`, custom_data: 'x'.repeat(60_000) })),
      },
    });
    expect(allowed.status).toBe(200);
  });

  it('deeper than 64 levels are 400, and a million brackets cost nothing', async () => {
    const nested = (levels: number): string => `{"unknown": ${'['.repeat(levels)}${']'.repeat(levels)}}`;
    expect((await post(nested(63))).status).toBe(201);
    for (const body of [nested(64), '['.repeat(1_000_000), '{"a":'.repeat(200_000)])
      expect((await post(body)).status).toBe(400);
  });

  it('cannot set prototypes', async () => {
    for (const body of ['{"__proto__": {"nickname": "x"}}', '{"constructor": {"prototype": {"nickname": "x"}}}'])
      expect((await post(body)).status).toBe(400);
  });

  it('are not decompressed: a small one can hold more than the limit', async () => {
    expect(
      (await post(gzipSync('{}'), { 'content-type': 'application/json', 'content-encoding': 'gzip' })).status,
    ).toBe(415);
    expect((await post('{}', { 'content-type': 'application/json', 'content-encoding': 'identity' })).status).toBe(201);
  });

  it('may carry unknown fields at their top, which are ignored', async () => {
    const answer = await server.call('POST', OWN, {
      token: null,
      body: { nickname: 'Known', accessToken: 'x', data: { a: [1] }, id: 'mine' },
    });
    expect(answer).toMatchObject({ status: 201, body: { nickname: 'Known' } });
    expect(answer.body['id']).not.toBe('mine');
  });

  it('get every problem at once, with the paths that were sent', async () => {
    const answer = await server.call('POST', OWN, {
      token: null,
      body: {
        nickname: 7,
        custom_data: ['x'],
        attributes: [{ key: '', value: 'a' }, { key: 'a' }, { key: 'a', value: 'b', more: 1 }],
      },
    });
    expect(answer.status).toBe(400);
    expect(Object.keys(answer.body).sort()).toEqual([
      'attributes[0].key',
      'attributes[1].value',
      'attributes[2].more',
      'custom_data',
      'nickname',
    ]);
    for (const messages of Object.values(answer.body)) expect(messages).toEqual([expect.any(String)]);
    const values = await server.call('POST', OWN, {
      token: null,
      body: { nickname: ' ', custom_id: 'x', custom_data: 'x'.repeat(65_537) },
    });
    expect(Object.keys(values.body).sort()).toEqual(['custom_data', 'custom_id', 'nickname']);
  });
});

describe('answers', () => {
  it('all have a request id of their own', async () => {
    const seen = new Set<string>();
    for (const [method, path] of [
      ['GET', `applications/${CLIENT_ID}/`],
      ['GET', 'nothing/'],
      ['GET', OWN],
      ['DELETE', OWN],
      ['OPTIONS', OWN],
      ['HEAD', `applications/${CLIENT_ID}/`],
      ['GET', `${server.url}/healthz`],
    ] as const) {
      const answer = await server.call(method, path, {
        token: null,
        headers: { 'x-request-id': 'chosen-by-the-caller' },
      });
      const id = answer.headers.get('x-request-id') ?? '';
      expect(id, `${method} ${path}`).toMatch(/^[0-9a-f-]{36}$/);
      seen.add(id);
    }
    expect(seen.size).toBe(7);
  });

  it('to HEAD are those to GET without the body', async () => {
    const get = await fetch(server.api(`applications/${CLIENT_ID}/`));
    const head = await fetch(server.api(`applications/${CLIENT_ID}/`), { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(await head.text()).toBe('');
    expect(head.headers.get('content-type')).toBe(get.headers.get('content-type'));
    expect((await fetch(server.api(OWN), { method: 'HEAD' })).status).toBe(401);
  });

  it('of 204 have neither body nor Content-Type', async () => {
    const made = await server.call<{ id: string }>('POST', OWN);
    const answer = await server.call('DELETE', `profiles/${made.body.id}/`);
    expect(answer).toMatchObject({ status: 204, body: '' });
    expect(answer.headers.get('content-type')).toBeNull();
  });

  it('are compressed for whoever accepts it, when that pays', async () => {
    const raw = async (accept: string, path: string) =>
      sendRaw(
        server.url,
        `GET /api/v1/${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Token ${ADMIN_TOKEN}\r\nAccept-Encoding: ${accept}\r\nConnection: close\r\n\r\n`,
      );
    for (let i = 0; i < 20; i++) await server.call('POST', OWN);
    expect((await raw('gzip', LIST)).headers.get('content-encoding')).toBe('gzip');
    expect((await raw('gzip', LIST)).headers.get('vary')).toMatch(/accept-encoding/i);
    expect((await raw('identity', LIST)).headers.get('content-encoding')).toBeNull();
    expect((await raw('gzip', `${LIST}?page_size=1`)).headers.get('content-encoding')).toBeNull();
    const list = await fetch(server.api(LIST), { headers: { authorization: `Token ${ADMIN_TOKEN}` } });
    expect(((await list.json()) as { results: unknown[] }).results).toHaveLength(20);
  });

  it('carry the headers that keep browsers out of trouble', async () => {
    for (const path of [`applications/${CLIENT_ID}/`, 'nothing/', OWN]) {
      const { headers } = await fetch(server.api(path));
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain("default-src 'self'");
      expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
      expect(headers.get('content-security-policy')).not.toMatch(/script-src[^;]*unsafe/);
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('cross-origin-resource-policy')).toBe('cross-origin');
      expect(headers.get('strict-transport-security')).toBeNull();
      expect(headers.get('x-powered-by')).toBeNull();
      expect(headers.get('server')).toBeNull();
    }
  });

  it('may be read by pages of any origin, never with credentials', async () => {
    const preflight = await fetch(server.api(OWN), {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example',
        'access-control-request-method': 'PATCH',
        'access-control-request-headers': 'authorization,content-type,if-match',
      },
    });
    expect(preflight.status).toBe(204);
    const list = (name: string): string[] =>
      (preflight.headers.get(name) ?? '')
        .toLowerCase()
        .split(/\s*,\s*/)
        .sort();
    expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
    expect(list('access-control-allow-methods')).toEqual(['delete', 'get', 'patch', 'post', 'put']);
    expect(list('access-control-allow-headers')).toEqual([
      'authorization',
      'content-type',
      'idempotency-key',
      'if-match',
    ]);
    expect(preflight.headers.get('access-control-allow-credentials')).toBeNull();
    for (const path of [`applications/${CLIENT_ID}/`, OWN, 'nothing/', 'profiles/%zz/']) {
      const { headers } = await fetch(server.api(path), { headers: { origin: 'https://app.example' } });
      expect(headers.get('access-control-allow-origin'), path).toBe('*');
      expect(headers.get('access-control-expose-headers')?.toLowerCase(), path).toBe(
        'x-request-id, retry-after, idempotent-replayed',
      );
      expect(headers.get('access-control-allow-credentials'), path).toBeNull();
    }
  });
});

describe('requests that are no HTTP', () => {
  it('get 400 in our shape, and the connection is closed', async () => {
    for (const bytes of [
      'nonsense\r\n\r\n',
      'GET\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: x\r\nbroken header\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n',
    ]) {
      const answer = await sendRaw(server.url, bytes);
      expect(answer.status, bytes).toBe(400);
      expect(JSON.parse(answer.text)).toEqual({ non_field_errors: [expect.any(String)] });
      expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    }
    const huge = await sendRaw(server.url, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`);
    expect(huge.status).toBe(431);
    expect(JSON.parse(huge.text)).toMatchObject({ error_code: 'headers_too_large' });
  });

  it('or stop in the middle of a body change nothing', async () => {
    const before = (await server.call<{ count: number }>('GET', LIST)).body.count;
    await sendRaw(
      server.url,
      `POST /api/v1/${OWN} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"nickname": "half`,
      { hangUp: true },
    );
    expect((await server.call<{ count: number }>('GET', LIST)).body.count).toBe(before);
  });
});

describe('instants', () => {
  it('of seven and nine fractional digits are cut to microseconds wherever one is read', async () => {
    const { sdk } = server;
    const fine = (at: string): [string, string] => [`${at}.1234567Z`, `${at}.123456999Z`];
    for (const at of fine('2026-02-01T10:00:00')) {
      const key = `at-${at.length}`;
      await sdk.attributes.define({ key, type: 'datetime' });
      const fan = await sdk.profiles.create({ attributes: [{ key, value: at }] });
      const answer = await sdk.activities.send([
        { id: `a${at.length}`, type: 'comment-created', profile_id: fan.id, occurred_at: at },
      ]);
      expect(answer).toMatchObject({ accepted: 1, rejected: [] });
      const query = new URLSearchParams({ since: at, until: `${at.slice(0, 25)}7999Z` });
      const path = `applications/${CLIENT_ID}/profiles/${fan.id}/activities/?${query.toString()}`;
      const list = await server.call<{ results: { occurred_at: string }[] }>('GET', path);
      expect(list.body.results.map(({ occurred_at: occurred }) => occurred)).toEqual(['2026-02-01T10:00:00.123456Z']);
      expect((await server.call('GET', `${LIST}?created_since=${at}&last_active_until=${at}`)).status).toBe(200);
      const matching = async (value: string): Promise<number> =>
        (await sdk.groups.preview({ attribute: key, condition: 'before', value })).count;
      expect(await matching('2026-02-01T10:00:00.1234569Z')).toBe(0);
      expect(await matching('2026-02-01T10:00:00.123457Z')).toBe(1);
      const group = await sdk.groups.create({
        name: key,
        membership_type: 'dynamic',
        rule_tree: { attribute: key, condition: 'before', value: at },
      });
      const end = at.replace('2026', '2099');
      const pin = await sdk.groups.pin(group.id, fan.id, { pin: 'in', reason: 'asked', expires_at: end });
      expect(pin.expires_at).toBe('2099-02-01T10:00:00.123456Z');
    }
  });
});
