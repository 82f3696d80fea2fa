import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAdminToken } from '../applications/application-service.ts';
import { sql } from '../database/database.ts';
import {
  ADMIN_TOKEN,
  CLIENT_ID,
  startTestServer,
  testClock,
  type CallOptions,
  type TestClock,
  type TestServer,
} from '../testing/server.ts';
import { cleanIdempotencyKeys } from './idempotency.ts';

const OWN = `applications/${CLIENT_ID}/profile/`;
const BULK = `applications/${CLIENT_ID}/profiles/bulk/`;
const TOKENS = `applications/${CLIENT_ID}/access-tokens/`;
const MINUTE = 60_000_000;

interface Created {
  id: string;
  access_token: string;
  nickname: string;
}

describe('Idempotency-Key', () => {
  let server: TestServer;
  let clock: TestClock;
  beforeAll(async () => {
    clock = testClock();
    server = await startTestServer({ clock });
  });
  afterAll(() => server.close());

  const newKey = (): string => randomBytes(18).toString('base64url');
  const post = <T = Created>(key: string, path = OWN, options: CallOptions = {}, on = server) =>
    on.call<T>('POST', path, { ...options, headers: { 'idempotency-key': key, ...options.headers } });
  const count = async (): Promise<number> =>
    (await server.call<{ count: number }>('GET', `applications/${CLIENT_ID}/profiles/`)).body.count;
  const db = () => server.app.context.db;

  it('gives the first answer again, to the byte, and does nothing twice', async () => {
    const before = await count();
    const key = newKey();
    const body = { nickname: 'Once', attributes: [{ key: 'a', value: 'b' }] };
    const first = await post(key, OWN, { body });
    expect(first.status).toBe(201);
    expect(first.headers.get('idempotent-replayed')).toBeNull();
    clock.advance(23 * 60 * MINUTE);
    for (let i = 0; i < 3; i++) {
      const again = await post(key, OWN, { body });
      expect(again).toMatchObject({ status: 201, body: first.body });
      expect(again.headers.get('idempotent-replayed')).toBe('true');
      expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'));
    }
    expect(await count()).toBe(before + 1);
    expect((await server.call('GET', OWN, { token: first.body.access_token })).body).toMatchObject({
      id: first.body.id,
      nickname: 'Once',
    });
  });

  it('does so for every kind of answer: one with a secret, a list, one without a body', async () => {
    const made = await post(newKey());
    for (const [path, body] of [
      [TOKENS, { name: 'kept' }],
      [
        BULK,
        {
          profiles: [
            { custom_id: 'bulk-1' },
            { custom_id: 'bulk-2' },
            { custom_id: '' },
            { custom_id: 'bulk-1', nickname: 'Twice' },
          ],
        },
      ],
      [`profiles/${made.body.id}/access-tokens/`, { keep_existing: true }],
      [`profile-by-custom-id/${CLIENT_ID}/by-custom-id/`, undefined],
    ] as const) {
      const key = newKey();
      const first = await post<Record<string, unknown>>(key, path, { body });
      expect(first.status, path).toBeLessThan(300);
      const again = await post<Record<string, unknown>>(key, path, { body });
      expect(again, path).toMatchObject({ status: first.status, body: first.body });
      expect(again.headers.get('idempotent-replayed'), path).toBe('true');
      expect(again.headers.get('cache-control'), path).toBe(first.headers.get('cache-control'));
    }
  });

  it('answers where a handler sends its answer itself, with its cookies', async () => {
    const password = 'correct horse battery';
    const person = { email: 'owner@example.com', name: 'Olga Owner', password };
    const token = server.app.firstOwnerToken ?? '';
    const accepted = await post(newKey(), 'producers/invitations/accept/', { token: null, body: { token, ...person } });
    expect(accepted.status).toBe(201);
    const key = newKey();
    const body = { email: person.email, password };
    const [first, again] = [
      await post(key, 'producers/sessions/', { token: null, body }),
      await post(key, 'producers/sessions/', { token: null, body }),
    ];
    expect(first.status).toBe(201);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(again.headers.get('set-cookie')).toBe(first.headers.get('set-cookie'));
  });

  it('answers a bulk call the same as without a key, each item by itself', async () => {
    const profiles = [
      { custom_id: 'same-1' },
      { custom_id: 'same-2', attributes: [{ key: 'k', value: 'v' }] },
      { custom_id: 'same-1', nickname: 'Changed' },
      { custom_id: 7 },
      { custom_id: 'same-3', nickname: ' ' },
    ];
    const answer = await post<{ results: { status: string }[] }>(newKey(), BULK, { body: { profiles } });
    expect(answer.body.results.map((result) => result.status)).toEqual([
      'created',
      'created',
      'updated',
      'rejected',
      'rejected',
    ]);
    expect((await server.call('GET', `profile-by-custom-id/${CLIENT_ID}/same-1/`)).body).toMatchObject({
      nickname: 'Changed',
    });
  });

  it('with other bytes is 409', async () => {
    const key = newKey();
    await post(key, OWN, { body: { nickname: 'First' } });
    for (const body of [{ nickname: 'Second' }, '{"nickname": "First"}', undefined]) {
      const answer = await post(key, OWN, { body, headers: { 'content-type': 'application/json' } });
      expect(answer).toMatchObject({ status: 409, body: { error_code: 'conflict' } });
      expect(answer.headers.get('retry-after')).toBeNull();
    }
    expect((await post(key, `${OWN}?x=1`, { body: { nickname: 'First' } })).status).toBe(409);
    expect((await post(key, OWN, { body: { nickname: 'First' } })).status).toBe(201);
  });

  it('counts for one application, credential, method and path', async () => {
    const key = newKey();
    const { token } = await createAdminToken(server.app.context, 1, { name: 'another' });
    const profile = (await post(newKey())).body;
    const seen = new Set<string>();
    for (const options of [{}, { token }, { token: null }] satisfies CallOptions[])
      seen.add((await post(key, OWN, options)).body.id);
    seen.add((await post(key, `profile-by-custom-id/${CLIENT_ID}/scoped/`)).body.id);
    expect(seen.size).toBe(4);
    expect((await post(key, OWN.slice(0, -1))).headers.get('idempotent-replayed')).toBe('true');
    // The tokens of a profile are one credential: the first one may be lost with the answer.
    const rotate = `profiles/${profile.id}/access-tokens/`;
    const first = await post(key, rotate, { token: profile.access_token, body: { keep_existing: true } });
    const again = await post(key, rotate, { token: first.body.access_token, body: { keep_existing: true } });
    expect(again.body).toEqual(first.body);
  });

  it('needs 22 random characters where nobody authenticates', async () => {
    for (const key of ['short', 'x'.repeat(40), randomBytes(15).toString('base64url'), 'abcabcabcabcabcabcabcabc']) {
      expect(await post(key, OWN, { token: null }), key).toMatchObject({
        status: 400,
        body: { 'Idempotency-Key': [expect.any(String)] },
      });
    }
    // An ignored token is no credential.
    expect((await post('short', OWN, { token: 'dead' })).status).toBe(400);
    expect((await post(newKey(), OWN, { token: null })).status).toBe(201);
    expect((await post('1', OWN)).status).toBe(201);
    for (const key of ['', ' ', 'x'.repeat(256), 'ümlaut']) expect((await post(key, OWN)).status, key).toBe(400);
  });

  it('keeps nothing of what failed, so that the same key works afterwards', async () => {
    const key = newKey();
    const path = `profile-by-custom-id/${CLIENT_ID}/failing/`;
    expect((await post(key, path, { body: { nickname: ' ' } })).status).toBe(400);
    const made = await post(newKey(), path);
    expect((await post(key, path)).status).toBe(409);
    await server.call('DELETE', `profiles/${made.body.id}/`);
    const again = await post(key, path);
    expect(again.status).toBe(201);
    expect(again.headers.get('idempotent-replayed')).toBeNull();
  });

  it('under which the first request still runs is 409 with Retry-After, and there is one effect of many at once', async () => {
    const second = await startTestServer({ clock, databaseUrl: server.databaseUrl });
    try {
      for (let round = 0; round < 5; round++) {
        const before = await count();
        const key = newKey();
        const answers = await Promise.all(
          Array.from({ length: 20 }, (_, i) => post(key, OWN, {}, i % 2 === 0 ? server : second)),
        );
        const fresh = answers.filter(
          (answer) => answer.status === 201 && answer.headers.get('idempotent-replayed') === null,
        );
        expect(fresh).toHaveLength(1);
        for (const answer of answers) {
          if (answer.status === 201) expect(answer.body.id).toBe(fresh[0]?.body.id);
          else {
            expect(answer).toMatchObject({ status: 409, body: { error_code: 'conflict' } });
            expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
          }
        }
        expect(await count()).toBe(before + 1);
      }
    } finally {
      await second.close();
    }
  });

  it('is written in the transaction of the effect: without the one there is not the other', async () => {
    const before = await count();
    const key = newKey();
    // The last statement of the transaction fails, as a crash there would.
    await db().query(sql`alter table idempotency_keys add constraint broken check (status is null) not valid`);
    expect((await post(key)).status).toBe(500);
    expect(await count()).toBe(before);
    await db().query(sql`alter table idempotency_keys drop constraint broken`);
    expect((await post(key)).status).toBe(201);
    expect(await count()).toBe(before + 1);
  });

  it('of a request that died holding it is free once its time is over, and the dead one cannot commit any more', async () => {
    const key = newKey();
    const before = await count();
    let resume = (): void => {};
    const stalled = new Promise<void>((resolve) => (resume = resolve));
    const { ordinals } = server.app.context;
    const { next } = ordinals;
    let arrived = (): void => {};
    const inHandler = new Promise<void>((resolve) => (arrived = resolve));
    ordinals.next = async (id) => {
      ordinals.next = next;
      arrived();
      await stalled;
      return next(id);
    };
    const first = post(key);
    await inHandler;
    expect(await post(key)).toMatchObject({ status: 409 });
    clock.advance(2 * MINUTE);
    const taken = await post(key);
    expect(taken).toMatchObject({ status: 201 });
    resume();
    expect((await first).status).toBe(503);
    expect(await count()).toBe(before + 1);
    expect((await post(key)).body).toEqual(taken.body);
  });

  it('is kept for 24 hours and then deleted', async () => {
    const key = newKey();
    const first = await post(key);
    const rows = async (): Promise<number> =>
      (await db().query<{ n: number }>(sql`select count(*) as n from idempotency_keys`)).rows[0]?.n ?? 0;
    clock.advance(24 * 60 * MINUTE + 1);
    const later = await post(key);
    expect(later.status).toBe(201);
    expect(later.body.id).not.toBe(first.body.id);
    expect(await rows()).toBeGreaterThan(1);
    await cleanIdempotencyKeys(server.app.context);
    expect(await rows()).toBe(1);
    expect((await post(key)).body).toEqual(later.body);
  });

  it('leaves neither the key nor the answer readable in the database', async () => {
    const key = newKey();
    const answer = await post(key, OWN, { token: null, body: { nickname: 'Invisible' } });
    const { rows } = await db().withClient((client) =>
      client.query<{ row: string }>(
        `select encode(scope_hash || request_hash || coalesce(answer, ''), 'escape') as row from idempotency_keys`,
      ),
    );
    const text = rows.map((row) => row.row).join('\n');
    for (const secret of [key, answer.body.access_token, 'Invisible', ADMIN_TOKEN]) expect(text).not.toContain(secret);
    expect((await post(key, OWN, { token: null, body: { nickname: 'Invisible' } })).body).toEqual(answer.body);
  });

  it('means nothing on other methods', async () => {
    const made = await post(newKey());
    const key = newKey();
    for (const nickname of ['One', 'Two']) {
      const answer = await server.call('PATCH', `profiles/${made.body.id}/`, {
        body: { nickname },
        headers: { 'idempotency-key': key },
      });
      expect(answer.body).toMatchObject({ nickname });
      expect(answer.headers.get('idempotent-replayed')).toBeNull();
    }
  });
});
