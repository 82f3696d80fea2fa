// What a request that is refused may cost: an answer of 64 KiB, a tenth of a second of everybody's time, 64 MiB.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_REFUSAL_BYTES } from '../problems.ts';
import { sendRaw, type RawAnswer } from '../testing/raw.ts';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';
import { costOf, slowness, type Cost } from '../testing/stall.ts';

const MIB = 1024 * 1024;
const ATTEMPTS = 3;

const application = (path: string): string => `applications/${CLIENT_ID}/${path}`;
/** As many of a piece of JSON as make a list of so many bytes. */
const listOf = (piece: string, bytes: number): string =>
  `[${Array(Math.floor((bytes - 2) / (piece.length + 1)))
    .fill(piece)
    .join(',')}]`;

let server: TestServer;
let allowedMs: number;
beforeAll(async () => {
  server = await startTestServer({ env: { RATE_LIMIT_APPLICATION: '0', RATE_LIMIT_PROFILE: '0' } });
  allowedMs = 100 * slowness();
});
afterAll(() => server.close());

async function send(
  method: string,
  path: string,
  body: string | Buffer,
  token: string | null = ADMIN_TOKEN,
): Promise<Cost<RawAnswer>> {
  const bytes = Buffer.from(body);
  const head = [
    `${method} /api/v1/${path} HTTP/1.1`,
    'Host: x',
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${bytes.length}`,
    ...(token === null ? [] : [`Authorization: Bearer ${token}`]),
  ];
  const request = Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), bytes]);
  return costOf(() => sendRaw(server.url, request));
}

/** Sends it a few times at most: a collection of garbage that fell into it is no fault of the request. */
async function refused(...request: Parameters<typeof send>): Promise<RawAnswer> {
  let cost = await send(...request);
  for (let attempt = 1; attempt < ATTEMPTS && cost.stallMs > allowedMs; attempt++) cost = await send(...request);
  const { result, stallMs, heapBytes } = cost;
  if (process.env['SHOW_COSTS'])
    console.log(
      request[0],
      request[1],
      result.status,
      result.text.length,
      Math.round(stallMs),
      Math.round(heapBytes / MIB),
    );
  expect(Buffer.byteLength(result.text)).toBeLessThanOrEqual(MAX_REFUSAL_BYTES);
  expect(stallMs).toBeLessThan(allowedMs);
  expect(heapBytes).toBeLessThan(64 * MIB + request[2].length);
  return result;
}

describe('a large request that is refused stops nobody', () => {
  it('a megabyte of numbers for attributes, from anybody', async () => {
    const answer = await refused('POST', application('profile/'), `{"attributes": ${listOf('0', MIB - 100)}}`, null);
    expect(answer.status).toBe(400);
    expect(Object.keys(JSON.parse(answer.text) as object)).toEqual(['attributes']);
  });

  it('a rule of three hundred thousand leaves', async () => {
    for (const leaf of ['0', '{}']) {
      const rule = `{"rule_tree": {"operator": "AND", "children": ${listOf(leaf, 300_000 * (leaf.length + 1))}}}`;
      const answer = await refused('POST', application('profile-groups/preview/'), rule);
      expect(answer.status).toBe(400);
      expect(answer.text).toContain('rule_tree');
    }
  });

  it('sixteen megabytes of numbers for members', async () => {
    const { id } = await server.sdk.groups.create({ name: 'Large' });
    const body = `{"profile_ids": ${listOf('0', 16 * MIB - 100)}}`;
    for (const method of ['POST', 'DELETE']) {
      const answer = await refused(method, application(`profile-groups/${id}/members/`), body);
      expect(answer.status).toBe(400);
      expect(Object.keys(JSON.parse(answer.text) as object)).toEqual(['profile_ids']);
    }
  });

  it('a thousand activities of seven hundred unknown fields each: every one of them is named', async () => {
    const fields = Array.from({ length: 700 }, (_, n) => `"unknown_${n}": 0`).join(',');
    const items = Array.from({ length: 1000 }, (_, n) => `{"id": "a-${n}", "type": "x", ${fields}}`);
    const answer = await refused('POST', application('activities/'), `{"activities": [${items.join(',')}]}`);
    expect(answer.status).toBe(200);
    const { accepted, rejected } = JSON.parse(answer.text) as {
      accepted: number;
      rejected: { index: number; id: string | null; errors: object }[];
    };
    expect(accepted).toBe(0);
    expect(rejected.map(({ index }) => index)).toEqual(items.map((_, index) => index));
    expect(rejected[0]).toMatchObject({ id: 'a-0', errors: { unknown_0: ['This field is not known.'] } });
  });
});

describe('names that would reach into prototypes', () => {
  const post = <T>(path: string, body: string, token?: null) =>
    server.call<T>('POST', application(path), {
      body,
      headers: { 'content-type': 'application/json' },
      ...(token === null && { token }),
    });
  const BAD = ['{"__proto__": 1}', '{"constructor": {"prototype": {}}}', '{"\\u005f_proto__": {"a": 1}}'];
  const reason = ['This name is not allowed.'];

  it('cost an activity, never the batch', async () => {
    const fan = await server.sdk.profiles.create({});
    const item = (id: string, data: string): string =>
      `{"id": "${id}", "type": "comment-created", "profile_id": "${fan.id}", "data": ${data}}`;
    const items = [item('first', '{"a": 1}'), ...BAD.map((data, n) => item(`bad-${n}`, data)), item('last', '{}')];
    items.push(
      item('nested', `{"a": [{"b": ${BAD[0] ?? ''}}]}`),
      item('harmless', '{"constructor": 1, "prototype": {}}'),
    );
    const { body } = await post('activities/', `{"activities": [${items.join(',')}]}`);
    expect(body).toEqual({
      accepted: 3,
      duplicates: 0,
      rejected: [
        { index: 1, id: 'bad-0', errors: { 'data.__proto__': reason } },
        { index: 2, id: 'bad-1', errors: { 'data.constructor': reason } },
        { index: 3, id: 'bad-2', errors: { 'data.__proto__': reason } },
        { index: 5, id: 'nested', errors: { 'data.a[0].b.__proto__': reason } },
      ],
    });
  });

  it('cost a profile of many, never the others', async () => {
    const items = [
      '{"custom_id": "proto-1"}',
      '{"custom_id": "proto-2", "more": {"__proto__": {}}}',
      '{"custom_id": "proto-3"}',
    ];
    const { body } = await post<{ results: object[] }>('profiles/bulk/', `{"profiles": [${items.join(',')}]}`);
    expect(body.results).toMatchObject([
      { status: 'created' },
      { index: 1, custom_id: 'proto-2', status: 'rejected', errors: { 'more.__proto__': reason } },
      { status: 'created' },
    ]);
  });

  it('are named like any other problem of a field, and change nothing', async () => {
    for (const [path, body, field] of [
      ['profile/', '{"nickname": 5, "__proto__": {"nickname": "x"}}', '__proto__'],
      ['profile/', '{"nickname": 5, "constructor": {"prototype": {"isAdmin": true}}}', 'constructor'],
      [
        'profile/',
        '{"nickname": 5, "attributes": [{"key": "a", "value": "b", "__proto__": 1}]}',
        'attributes[0].__proto__',
      ],
      [
        'profile-groups/',
        '{"name": "a", "nickname": 5, "membership_type": "dynamic", "rule_tree": {"__proto__": {}}}',
        'rule_tree.__proto__',
      ],
      [
        'profile-attributes/',
        '{"key": "a", "type": "string", "derived_from": {"__proto__": 1}}',
        'derived_from.__proto__',
      ],
    ] as const) {
      const answer = await post<Record<string, unknown>>(path, body);
      expect([path, answer.status]).toEqual([path, 400]);
      expect(Object.entries(answer.body), body).toContainEqual([field, reason]);
      if (path === 'profile/') expect(Object.keys(answer.body)).toContain('nickname');
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect('isAdmin' in {}).toBe(false);
  });
});
