import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApplication, rotateClientSecret } from '../applications/application-service.ts';
import {
  CLIENT_ID,
  CLIENT_SECRET,
  startTestServer,
  testClock,
  type TestClock,
  type TestServer,
} from '../testing/server.ts';
import { forge, signClientToken, type SignOptions } from './testing.ts';

const SECOND = 1_000_000;

interface Own {
  id: string;
  nickname: string;
  custom_id: string;
}

describe('client-signed tokens', () => {
  let server: TestServer;
  let clock: TestClock;
  beforeAll(async () => {
    clock = testClock();
    server = await startTestServer({ clock });
  });
  afterAll(() => server.close());

  const sign = (claims: Record<string, unknown>, options?: SignOptions) =>
    signClientToken(clock.now(), claims, options);
  const use = (token: string, on = server) => on.call<Own>('GET', `applications/${CLIENT_ID}/profile/`, { token });
  const byCustomId = (customId: string) =>
    server.call<Own>('GET', `profile-by-custom-id/${CLIENT_ID}/${encodeURIComponent(customId)}/`);

  it('make the profile at their first use and speak for it from then on', async () => {
    const first = await use(await sign({ custom_profile_id: 'fan-1', nickname: ' Ada ' }));
    expect(first).toMatchObject({ status: 200, body: { custom_id: 'fan-1', nickname: 'Ada' } });
    clock.advance(60 * SECOND);
    const later = await use(await sign({ custom_profile_id: 'fan-1', nickname: 'Another' }));
    expect(later.body).toEqual(first.body);
    expect((await byCustomId('fan-1')).body).toMatchObject({ id: first.body.id });
    const changed = await server.call('PATCH', `profiles/${first.body.id}/`, {
      token: await sign({ custom_profile_id: 'fan-1' }),
      body: { nickname: 'Countess' },
    });
    expect(changed.body).toMatchObject({ nickname: 'Countess' });
  });

  it('may also be a credential for making activities of nobody: on public calls they are ignored', async () => {
    const made = await server.call<Own>('POST', `applications/${CLIENT_ID}/profile/`, {
      token: await sign({ custom_profile_id: 'ignored' }),
    });
    expect(made).toMatchObject({ status: 201, body: { custom_id: null } });
    expect((await byCustomId('ignored')).status).toBe(404);
  });

  it('ignore every other claim, and a nickname that cannot be one', async () => {
    const token = await sign({
      custom_profile_id: 'fan-2',
      id: 'x',
      client_id: 'y',
      jti: 7,
      scope: ['admin'],
      nbf: 4e9,
      aud: 'z',
      nickname: '\u0007',
    });
    const answer = await use(token);
    expect(answer.status).toBe(200);
    expect(answer.body.nickname).toMatch(/^\S+ \S+$/);
    expect((await use(await sign({ custom_profile_id: 'fan-3', nickname: 7 }))).status).toBe(200);
    expect(
      (await use(await sign({ custom_profile_id: 'fan-4', nickname: 'x'.repeat(101) }))).body.nickname,
    ).not.toMatch(/^x+$/);
  });

  it('are refused with another algorithm, another key, or none', async () => {
    const claims = { iss: CLIENT_ID, iat: Math.floor(clock.now() / SECOND), custom_profile_id: 'forged' };
    const attempts: Record<string, string> = {
      none: forge({ alg: 'none' }, claims),
      'empty signature': forge({ alg: 'HS256', typ: 'JWT' }, claims),
      HS512: await sign(claims, { alg: 'HS512' }),
      HS384: await sign(claims, { alg: 'HS384' }),
      'another secret': await sign(claims, { secret: `${CLIENT_SECRET}x` }),
      'the server key': await sign(claims, { secret: server.app.context.secrets.tokenKey }),
    };
    for (const [what, token] of Object.entries(attempts)) expect((await use(token)).status, what).toBe(401);
    expect((await byCustomId('forged')).status).toBe(404);
  });

  it('are refused when issued over five minutes ahead, expired, or without iat', async () => {
    const now = Math.floor(clock.now() / SECOND);
    const good = { custom_profile_id: 'timely' };
    expect((await use(await sign(good, { iat: now + 299 }))).status).toBe(200);
    expect((await use(await sign({ ...good, exp: now + 5 }))).status).toBe(200);
    const bad = [
      await sign(good, { iat: now + 302 }),
      await sign(good, { iat: null }),
      await sign({ ...good, iat: '7' }),
      await sign({ ...good, exp: now }),
      await sign({ ...good, exp: 0 }),
      await sign({ ...good, exp: 'never' }),
      await sign({ ...good, exp: null }),
    ];
    for (const [index, token] of bad.entries()) expect((await use(token)).status, `token ${index}`).toBe(401);
  });

  it('that are cached as good still expire', async () => {
    const token = await sign({ custom_profile_id: 'expiring', exp: Math.floor(clock.now() / SECOND) + 10 });
    expect((await use(token)).status).toBe(200);
    clock.advance(11 * SECOND);
    expect((await use(token)).status).toBe(401);
  });

  it('are refused for an unknown issuer and for ids that cannot be stored', async () => {
    for (const iss of ['nobody', '', 'a\0b', '\ud800', 'x'.repeat(10_000)]) {
      expect(
        (await use(await sign({ custom_profile_id: 'a' }, { iss }))).status,
        JSON.stringify(iss).slice(0, 50),
      ).toBe(401);
    }
    const long = '𝄞'.repeat(255);
    expect((await use(await sign({ custom_profile_id: long }))).body.custom_id).toBe(long);
    for (const custom_profile_id of ['', 'a\0', 'a\ud800', `${long}x`, 7, null, undefined, ['a'], {}]) {
      expect((await use(await sign({ custom_profile_id }))).status, String(custom_profile_id).slice(0, 20)).toBe(401);
    }
  });

  it('of another application are 403 where the path names one', async () => {
    const secret = 'the-client-secret-of-the-second-application';
    await createApplication(server.app.context, { clientId: 'second-app', name: 'Second', clientSecret: secret });
    expect((await use(await sign({ custom_profile_id: 'fan-1' }, { iss: 'second-app', secret }))).status).toBe(403);
    expect((await use(await sign({ custom_profile_id: 'fan-1' }, { iss: 'second-app' }))).status).toBe(401);
    expect((await use(await sign({ custom_profile_id: 'fan-1' }, { secret }))).status).toBe(401);
  });

  it('make one profile when fifty first uses race, over several servers', async () => {
    const second = await startTestServer({ clock, databaseUrl: server.databaseUrl });
    try {
      for (const round of [1, 2, 3]) {
        const token = await sign({ custom_profile_id: `raced-${round}` });
        const count = async (): Promise<number> =>
          (await server.call<{ count: number }>('GET', `applications/${CLIENT_ID}/profiles/`)).body.count;
        const before = await count();
        const answers = await Promise.all(
          Array.from({ length: 50 }, (_, i) => use(token, i % 2 === 0 ? server : second)),
        );
        expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 50 }, () => 200));
        expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
        expect(await count()).toBe(before + 1);
      }
    } finally {
      await second.close();
    }
  });

  it('die with an erased profile: those issued up to then are refused, a later one makes a fresh profile', async () => {
    const before = await sign({ custom_profile_id: 'erased' });
    const first = await use(before);
    expect((await server.call('DELETE', `profiles/${first.body.id}/`, { token: before })).status).toBe(204);
    expect((await use(before)).status).toBe(401);
    expect((await byCustomId('erased')).status).toBe(404);
    // A backdated one and one of the same second as the erasure are no better.
    expect((await use(await sign({ custom_profile_id: 'erased' }, { iat: 1 }))).status).toBe(401);
    expect((await use(await sign({ custom_profile_id: 'erased' }))).status).toBe(401);
    clock.advance(2 * SECOND);
    const fresh = await use(await sign({ custom_profile_id: 'erased' }));
    expect(fresh.status).toBe(200);
    expect(fresh.body.id).not.toBe(first.body.id);
    expect((await use(before)).status).toBe(401);
  });

  it('leave a tombstone that does not tell the custom id', async () => {
    const { context } = server.app;
    const { rows } = await context.db.withClient((client) =>
      client.query<{ t: string }>('select t::text from tombstones t'),
    );
    expect(rows.length).toBeGreaterThan(0);
    const { createHash } = await import('node:crypto');
    const plain = createHash('sha256').update('erased').digest('hex');
    for (const row of rows) {
      expect(row.t).not.toContain('erased');
      expect(row.t).not.toContain(plain);
    }
  });

  it('issued before a revocation or a rotation die with it', async () => {
    const revoke = async (id: string, method: string) => {
      clock.advance(2 * SECOND);
      expect((await server.call(method, `profiles/${id}/access-tokens/`)).status).toBeLessThan(300);
    };
    for (const method of ['DELETE', 'POST']) {
      const token = await sign({ custom_profile_id: `revoked-${method}` });
      const { id } = (await use(token)).body;
      await revoke(id, method);
      expect((await use(token)).status, method).toBe(401);
      clock.advance(2 * SECOND);
      const later = await use(await sign({ custom_profile_id: `revoked-${method}` }));
      expect(later.body.id).toBe(id);
      expect((await use(token)).status, method).toBe(401);
    }
    const kept = await sign({ custom_profile_id: 'kept' });
    const { id } = (await use(kept)).body;
    await server.call('POST', `profiles/${id}/access-tokens/`, { body: { keep_existing: true } });
    expect((await use(kept)).status).toBe(200);
  });

  it('signed with the old secret are good for the grace after a rotation, with the new one at once, on every server', async () => {
    const clientId = 'rotating';
    const old = 'the-old-client-secret-of-the-rotating-app';
    const { context } = server.app;
    const { application } = await createApplication(context, { clientId, name: 'Rotating', clientSecret: old });
    const second = await startTestServer({ clock, databaseUrl: server.databaseUrl });
    const status = async (secret: string, on: TestServer): Promise<number> => {
      const token = await sign({ custom_profile_id: 'fan' }, { iss: clientId, secret });
      return (await on.call('GET', `applications/${clientId}/profile/`, { token })).status;
    };
    try {
      for (const on of [server, second]) expect(await status(old, on)).toBe(200);
      clock.advance(2 * SECOND);
      const { clientSecret, previousUntil } = await rotateClientSecret(context, application);
      expect(previousUntil - clock.now()).toBeGreaterThan(23 * 3600 * SECOND);
      for (const on of [server, second]) {
        expect(await status(clientSecret, on)).toBe(200);
        expect(await status(old, on)).toBe(200);
      }
      clock.set(previousUntil - 10 * SECOND);
      expect(await status(old, server)).toBe(200);
      clock.set(previousUntil + 10 * SECOND);
      for (const on of [server, second]) {
        expect(await status(old, on)).toBe(401);
        expect(await status(clientSecret, on)).toBe(200);
      }
    } finally {
      await second.close();
    }
  });
});
