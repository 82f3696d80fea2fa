// Many profiles in one call: by id or custom id, with what another system gave them, each item by itself.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AdminClient } from '@grandstand/sdk/server';
import { CLIENT_ID, refusal, startTestServer, type TestServer } from '../testing/server.ts';

const OWN = `applications/${CLIENT_ID}/profile/`;

describe('profiles of one call', () => {
  let server: TestServer;
  let sdk: AdminClient;
  beforeAll(async () => {
    server = await startTestServer();
    ({ sdk } = server);
  });
  afterAll(() => server.close());

  it('keep the ids, the access tokens and the age that another system gave them', async () => {
    const id = crypto.randomUUID();
    const token = 'eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJibGFzdCIsImlkIjoieCJ9.c2lnbmF0dXJlLW9mLWFub3RoZXI';
    const item = { id, custom_id: 'theirs', access_token: token, created_at: '2023-04-05T06:07:08Z', nickname: 'Ada' };
    const [made] = await sdk.profiles.upsert([item]);
    expect(made).toMatchObject({ index: 0, status: 'created', id, custom_id: 'theirs' });
    expect(await sdk.profiles.get(id)).toMatchObject({ created_at: '2023-04-05T06:07:08.000000Z', nickname: 'Ada' });
    for (const one of [token, made?.access_token ?? ''])
      expect((await server.call('GET', OWN, { token: one })).body).toMatchObject({ id });
    expect(await sdk.profiles.upsert([item])).toMatchObject([{ status: 'unchanged', id }]);
    expect(await sdk.profiles.upsert([{ id, nickname: 'Ada L.' }])).toMatchObject([{ status: 'updated', id }]);
    const [taken] = await sdk.profiles.upsert([{ custom_id: 'another', access_token: token }]);
    expect(taken).toMatchObject({
      status: 'rejected',
      errors: { access_token: ['This is the token of another profile.'] },
    });
    await sdk.profiles.rotateToken(id);
    expect((await server.call('GET', OWN, { token })).status).toBe(401);
  });

  it('are named by their ids where they have no custom id, and rejected where they have neither', async () => {
    const answers = await sdk.profiles.upsert([
      { id: crypto.randomUUID(), nickname: 'Without' },
      { nickname: 'Nobody' },
      { id: 'no uuid', custom_id: 'no-uuid' },
    ]);
    expect(answers).toMatchObject([
      { status: 'created', custom_id: null },
      { status: 'rejected', errors: { custom_id: ['This field is required, or id.'] } },
      { status: 'rejected', errors: { id: ['This must be a UUID.'] } },
    ]);
  });

  it('are made once by many calls at once', async () => {
    const items = Array.from({ length: 30 }, (_, n) => ({ custom_id: `race-${n}`, nickname: `Racer ${n}` }));
    const calls = await Promise.all(
      Array.from({ length: 8 }, (_, n) => sdk.profiles.upsert(n % 2 === 0 ? items : items.toReversed())),
    );
    const results = calls.flat();
    expect(results.filter(({ status }) => status === 'created')).toHaveLength(30);
    expect(results.filter(({ status }) => status === 'rejected')).toEqual([]);
    expect(new Set(results.map(({ id }) => id)).size).toBe(30);
  });
});

describe('attributes as JSON numbers and booleans', () => {
  let server: TestServer;
  let sdk: AdminClient;
  beforeAll(async () => {
    server = await startTestServer();
    ({ sdk } = server);
    await sdk.attributes.define({ key: 'age', type: 'number' });
    await sdk.attributes.define({ key: 'vip', type: 'boolean' });
  });
  afterAll(() => server.close());

  const sent = [
    { key: 'age', value: 36.5 },
    { key: 'vip', value: true },
    { key: 'shirt', value: 7 },
  ];
  const kept = [
    { key: 'age', value: '36.5' },
    { key: 'vip', value: 'true' },
    { key: 'shirt', value: '7' },
  ];

  it('are kept and answered as text, whichever way they are written', async () => {
    const anonymous = await sdk.profiles.create();
    const ways: (() => Promise<{ id: string | null }>)[] = [
      () => sdk.profiles.create({ attributes: sent }),
      () => sdk.profiles.createByCustomId('numbers', { attributes: sent }),
      () => sdk.profiles.update(anonymous.id, { attributes: sent }),
      () => sdk.profiles.update(anonymous.id, { attributes: { set: sent } }),
      async () => (await sdk.profiles.upsert([{ custom_id: 'bulk', attributes: sent }]))[0] ?? { id: null },
      async () => {
        const line = JSON.stringify({ custom_id: 'imported', attributes: sent });
        const { id } = await sdk.imports.create('profiles', `${line}\n`, 'application/x-ndjson');
        expect(await sdk.imports.wait(id, { interval: 20 })).toMatchObject({ accepted: 1, rejected: 0 });
        return sdk.profiles.getByCustomId('imported');
      },
      async () => {
        const text = `custom_id,attributes\nfrom-csv,"${JSON.stringify(sent).replaceAll('"', '""')}"\n`;
        const { id } = await sdk.imports.create('profiles', text, 'text/csv');
        expect(await sdk.imports.wait(id, { interval: 20 })).toMatchObject({ accepted: 1, rejected: 0 });
        return sdk.profiles.getByCustomId('from-csv');
      },
    ];
    for (const write of ways) {
      const { id } = await write();
      expect((await sdk.profiles.get(id ?? '')).attributes).toEqual(kept);
    }
    const rule = { attribute: 'age', condition: 'greater_than' as const, value: 36 };
    expect((await sdk.groups.preview(rule)).count).toBe(ways.length - 1); // two of them change one profile
    const again = await sdk.profiles.upsert([{ custom_id: 'bulk', attributes: sent }]);
    expect(again).toMatchObject([{ status: 'unchanged' }]);
  });

  it('are refused where a number is not what was sent, or of another type than the key', async () => {
    const fields = async (value: unknown, key = 'shirt'): Promise<string[]> => {
      const answer = await server.call('POST', OWN, {
        headers: { 'content-type': 'application/json' },
        body: `{"attributes": [{"key": "${key}", "value": ${String(value)}}]}`,
      });
      expect(answer.status).toBe(400);
      return Object.keys(answer.body as object);
    };
    for (const value of ['9007199254740993', '1e400', '-12345678901234567890', 'null', '[1]', '{}'])
      expect([value, await fields(value)]).toEqual([value, ['attributes[0].value']]);
    expect(await fields('true', 'age')).toEqual(['attributes[0].value']);
    expect(await fields('1', 'vip')).toEqual(['attributes[0].value']);
    const twice = sdk.profiles.create({
      attributes: [
        { key: 'a', value: 1 },
        { key: 'a', value: '1' },
      ],
    });
    expect((await refusal(twice)).fields).toEqual({ 'attributes[1]': ['The same key and value stand here twice.'] });
  });
});
