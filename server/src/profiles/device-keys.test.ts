import { randomBytes } from 'node:crypto';
import type { Duplicates, OwnProfile } from '@grandstand/sdk/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApplication } from '../applications/application-service.ts';
import { sql } from '../database/database.ts';
import { ADMIN_TOKEN, CLIENT_ID, pagesOf, startTestServer, testClock, type TestServer } from '../testing/server.ts';

describe('a device key', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ clock: testClock() });
  });
  afterAll(() => server.close());

  const newKey = (): string => randomBytes(16).toString('hex');
  const create = (deviceKey: unknown, fields: object = {}, token: string | null = null, clientId = CLIENT_ID) =>
    server.call<OwnProfile>('POST', `applications/${clientId}/profile/`, {
      token,
      body: { device_key: deviceKey, ...fields },
    });
  const count = async (): Promise<number> => (await pagesOf(server.sdk.profiles.list()))[0]?.count ?? NaN;
  const isGood = async (token: string): Promise<boolean> =>
    (await server.call('GET', `applications/${CLIENT_ID}/profile/`, { token })).status === 200;
  const everything = async (): Promise<string> => {
    const { db } = server.app.context;
    const names = await db.query<{ name: string }>(
      sql`select tablename as name from pg_tables where schemaname = 'public'`,
    );
    const texts = await Promise.all(
      names.rows.map(({ name }) =>
        db.withClient((client) =>
          client.query<{ all: string }>(`select string_agg(t::text, ' ') as all from ${name} t`),
        ),
      ),
    );
    return texts.map(({ rows }) => rows[0]?.all ?? '').join('\n');
  };

  it('gets the profile that it made, as it is now, with a token that is good', async () => {
    const key = newKey();
    const made = await create(key, { nickname: 'Ann' });
    expect(made.status).toBe(201);
    await server.sdk.profiles.update(made.body.id, { nickname: 'Anna' });
    const before = await count();
    const again = await create(key, { nickname: 'Ben' });
    expect(again).toMatchObject({ status: 200, body: { id: made.body.id, nickname: 'Anna' } });
    expect(await isGood(again.body.access_token)).toBe(true);
    expect(await isGood(made.body.access_token)).toBe(true);
    expect(await count()).toBe(before);
    expect((await create(newKey())).body.id).not.toBe(made.body.id);
  });

  it('makes exactly one profile, however many ask at once, also under keys that make repeats harmless', async () => {
    const key = newKey();
    const before = await count();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        server.call<OwnProfile>('POST', `applications/${CLIENT_ID}/profile/`, {
          token: null,
          body: { device_key: key, ...(n % 3 === 0 && { attributes: [{ key: 'n', value: n }] }) },
          headers: n % 2 === 0 ? { 'idempotency-key': newKey() } : {},
        }),
      ),
    );
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(await count()).toBe(before + 1);
    for (const { body } of answers) expect(await isGood(body.access_token)).toBe(true);
  });

  it('dies with its token: revoked or erased, the key makes a new profile, one however many ask', async () => {
    const ways: ((profile: OwnProfile) => Promise<unknown>)[] = [
      (profile) => server.sdk.profiles.erase(profile.id),
      (profile) => server.sdk.profiles.revokeTokens(profile.id),
      (profile) => server.sdk.profiles.rotateToken(profile.id),
    ];
    for (const end of ways) {
      const key = newKey();
      const made = await create(key);
      await end(made.body);
      const answers = await Promise.all(Array.from({ length: 10 }, () => create(key)));
      expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
      expect(answers[0]?.body.id).not.toBe(made.body.id);
      expect((await create(key)).body.id).toBe(answers[0]?.body.id);
    }
    const kept = newKey();
    const made = await create(kept);
    await server.sdk.profiles.rotateToken(made.body.id, { keepExisting: true });
    expect((await create(kept)).body.id).toBe(made.body.id);
  });

  it('leads to the profile that its own was merged into where tokens follow, else it makes a new one', async () => {
    for (const tokens of ['follow', 'revoke'] as const) {
      const key = newKey();
      const made = await create(key);
      const account = await server.sdk.profiles.createByCustomId(`account-${tokens}`);
      await server.sdk.profiles.merge(made.body.id, { into: account.id, tokens });
      const again = await create(key);
      if (tokens === 'follow') {
        expect(again).toMatchObject({ status: 200, body: { id: account.id } });
        await server.sdk.profiles.erase(account.id);
        expect((await create(key)).status).toBe(201);
      } else expect([account.id, made.body.id]).not.toContain(again.body.id);
      expect(await isGood(again.body.access_token)).toBe(tokens === 'revoke');
    }
  });

  it('is of one application', async () => {
    const { application } = await createApplication(server.app.context, { clientId: 'other-app', name: 'Other' });
    const key = newKey();
    const made = await create(key);
    const other = await create(key, {}, null, application.client_id);
    expect(other.status).toBe(201);
    expect(other.body.id).not.toBe(made.body.id);
    expect((await create(key)).body.id).toBe(made.body.id);
  });

  it('is refused where it could be guessed or is not needed, without being repeated, beside all else that is wrong', async () => {
    for (const key of ['', 'short', 'x'.repeat(40), 'abcabcabcabcabcabcabcabcabc', 'k'.repeat(129), `${newKey()} `]) {
      const refused = await create(key, { nickname: ' ' });
      expect(refused.status, key).toBe(400);
      expect(Object.keys(refused.body).sort()).toEqual(['device_key', 'nickname']);
      if (key !== '') expect(JSON.stringify(refused.body)).not.toContain(`"${key}"`);
    }
    expect((await create(5)).body).toMatchObject({ device_key: [expect.any(String)] });
    expect(await create(newKey(), { custom_id: 'x' }, ADMIN_TOKEN)).toMatchObject({
      status: 400,
      body: { device_key: ['A profile with a custom_id has no device key: its custom id finds it again.'] },
    });
    expect((await create(null)).status).toBe(201);
  });

  it('stands nowhere: not in the database, the audit log or an answer', async () => {
    const key = newKey();
    await create(key, {}, ADMIN_TOKEN);
    const again = await create(key, {}, ADMIN_TOKEN);
    expect(JSON.stringify(again.body)).not.toContain(key);
    expect(await everything()).not.toContain(key);
    expect(await server.sdk.audit({ action: 'createProfile' }).all(1)).toMatchObject([
      { request: { device_key: '[not kept]' } },
    ]);
  });

  it('is counted by day as what it spares', async () => {
    const path = `applications/${CLIENT_ID}/usage/duplicates/`;
    const today = async (): Promise<number> =>
      (await server.call<Duplicates>('GET', path)).body.results.at(-1)?.recovered ?? NaN;
    const before = await today();
    const key = newKey();
    for (let n = 0; n < 4; n++) await create(key);
    expect(await today()).toBe(before + 3);
  });
});
