// What a request that is refused may cost: an answer of 64 KiB, a tenth of a second of everybody's time, 64 MiB.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_REFUSAL_BYTES } from '../problems.ts';
import { listOf } from '../testing/large-bodies.ts';
import { insertProfiles } from '../testing/profiles.ts';
import { sendRaw, type RawAnswer } from '../testing/raw.ts';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';
import { costOf, slowness, type Cost } from '../testing/stall.ts';

const MIB = 1024 * 1024;
const ATTEMPTS = 3;

const application = (path: string): string => `applications/${CLIENT_ID}/${path}`;
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
  type = 'application/json',
  live = false,
): Promise<Cost<RawAnswer>> {
  const bytes = Buffer.from(body);
  const head = [
    `${method} /api/v1/${path} HTTP/1.1`,
    'Host: x',
    'Connection: close',
    `Content-Type: ${type}`,
    `Content-Length: ${bytes.length}`,
    ...(token === null ? [] : [`Authorization: Bearer ${token}`]),
  ];
  const request = Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), bytes]);
  return costOf(() => sendRaw(server.url, request), { live });
}

/** Sends it a few times at most: a collection of garbage that fell into it is no fault of the request. */
async function taken(...request: Parameters<typeof send>): Promise<RawAnswer> {
  let cost = await send(...request);
  for (let attempt = 1; attempt < ATTEMPTS && cost.stallMs > allowedMs; attempt++) cost = await send(...request);
  expect(cost.stallMs).toBeLessThan(allowedMs);
  expect(cost.heapBytes).toBeLessThan(64 * MIB + request[2].length);
  return cost.result;
}

async function refused(...request: Parameters<typeof send>): Promise<RawAnswer> {
  const answer = await taken(...request);
  expect(Buffer.byteLength(answer.text)).toBeLessThanOrEqual(MAX_REFUSAL_BYTES);
  return answer;
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

it('files of very many rows, none of which is good, stop nobody', async () => {
  const { id } = await server.sdk.groups.create({ name: 'Rows' });
  const members = application(`profile-groups/${id}/members/`);
  for (const [type, file] of [
    ['text/csv', `profile_id\n${'\n'.repeat(MIB / 4)}`],
    ['text/csv', `profile_id\n${'a\n'.repeat(MIB / 8)}`],
    ['application/x-ndjson', '""\n'.repeat(MIB / 8)],
  ] as const) {
    const { result: answer, stallMs } = await send('PUT', members, file, ADMIN_TOKEN, type);
    expect(stallMs).toBeLessThan(allowedMs);
    // Of a stream as it passes: what every row leaves behind is garbage at once, and how much of it waits is not ours to say.
    const { heapBytes } = await send('PUT', members, file, ADMIN_TOKEN, type, true);
    expect(heapBytes).toBeLessThan(16 * MIB);
    expect(answer.status).toBe(409);
  }
});

describe('a large request that is taken stops nobody either', () => {
  let ids: string[];
  beforeAll(async () => {
    const { db, applications } = server.app.context;
    ids = await insertProfiles(db, (await applications.get(CLIENT_ID)).id, 10_000, 'é'.repeat(100));
  });

  it('ten thousand members', async () => {
    const { id } = await server.sdk.groups.create({ name: 'Many' });
    const customIds = ids.map((_, n) => `${'é'.repeat(100)}${n}`);
    const members = application(`profile-groups/${id}/members/`);
    expect((await taken('POST', members, JSON.stringify({ custom_ids: customIds }))).status).toBe(200);
    expect((await taken('DELETE', members, JSON.stringify({ profile_ids: ids }))).status).toBe(204);
  });

  it('a thousand activities of four kilobytes', async () => {
    for (const data of [{ a: 'x'.repeat(4000) }, { a: Array(1300).fill({}) }]) {
      const items = ids.slice(0, 1000).map((profile, n) => ({ id: `a-${n}`, type: 'own', profile_id: profile, data }));
      expect((await taken('POST', application('activities/'), JSON.stringify({ activities: items }))).status).toBe(200);
    }
  });

  it('many profiles of a hundred attributes, and a rule of a hundred thousand values', async () => {
    const attributes = Array.from({ length: 100 }, (_, n) => ({ key: `key-${n}`, value: 'x'.repeat(50) }));
    const item = (n: number) => ({ custom_id: `bulk-${n}`, attributes, custom_data: 'x'.repeat(60_000) });
    const profiles = JSON.stringify({ profiles: Array.from({ length: 100 }, (_, n) => item(n)) });
    expect((await taken('POST', application('profiles/bulk/'), profiles)).status).toBe(200);
    const values = Array.from({ length: 500 }, (_, n) => `${n}`);
    const leaves = Array(200).fill({ attribute: 'nickname', condition: 'in', value: values });
    const rule = JSON.stringify({ rule_tree: { operator: 'OR', children: leaves } });
    expect((await taken('POST', application('profile-groups/preview/'), rule)).status).toBe(200);
  });
});

it('a list that stands in a body twice is refused: one of the two would not be read', async () => {
  for (const body of ['{"activities": [{]}], "activities": []}', '{"activities": [{}], "activities": 5}']) {
    const answer = await refused('POST', application('activities/'), body);
    expect(answer.status).toBe(400);
  }
  const twice = await refused('POST', application('activities/'), '{"activities": [{}], "activities": [{}]}');
  expect(JSON.parse(twice.text)).toEqual({ activities: ['This field stands in the body twice.'] });
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
      ['profile-attributes/', '{"key": "a", "type": 5, "derived_from": {"__proto__": 1}}', 'derived_from.__proto__'],
    ] as const) {
      const answer = await post<Record<string, unknown>>(path, body);
      expect([path, answer.status]).toEqual([path, 400]);
      expect(Object.entries(answer.body), body).toContainEqual([field, reason]);
      // Together with what else is wrong.
      if (path !== 'profile-groups/')
        expect(Object.keys(answer.body)).toContain(path === 'profile/' ? 'nickname' : 'type');
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect('isAdmin' in {}).toBe(false);
  });
});
