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

  describe('and a custom id that passes from one profile to another', () => {
    const make = (path: string, body: object) => server.call<Own>('POST', path, { body });
    const give = (id: string, customId: string | null) =>
      server.call('PATCH', `profiles/${id}/`, { body: { custom_id: customId } });
    const second = async () => (await make(`applications/${CLIENT_ID}/profile/`, {})).body;

    it('by erasing: the erased account’s token does not read the older profile that has its id now', async () => {
      const other = await second();
      clock.advance(60 * SECOND);
      const token = await sign({ custom_profile_id: 'passed-1' });
      const { id } = (await use(token)).body;
      clock.advance(60 * SECOND);
      expect((await server.call('DELETE', `profiles/${id}/`)).status).toBe(204);
      clock.advance(60 * SECOND);
      const between = await sign({ custom_profile_id: 'passed-1' });
      clock.advance(60 * SECOND);
      // The other profile is older than the token, and was another's all the time.
      const old = await second();
      expect((await give(other.id, 'passed-1')).status).toBe(200);
      expect(await use(token)).toMatchObject({ status: 401, body: { error_code: 'authentication_failed' } });
      expect((await use(between)).body).toMatchObject({ id: other.id });
      expect((await give(other.id, null)).status).toBe(200);
      expect((await give(old.id, 'passed-1')).status).toBe(200);
      for (const dead of [token, between]) expect((await use(dead)).status).toBe(401);
    });

    it('by an admin’s change, to a younger, an older or the same profile', async () => {
      const older = await second();
      clock.advance(60 * SECOND);
      const token = await sign({ custom_profile_id: 'passed-2' });
      const first = (await use(token)).body;
      clock.advance(60 * SECOND);
      const younger = await second();
      clock.advance(60 * SECOND);
      const tokens = [token];
      let holder = first.id;
      for (const next of [older.id, younger.id, first.id]) {
        expect((await give(holder, `was-${holder}`)).status).toBe(200);
        for (const dead of tokens) expect((await use(dead)).status, 'while it is no one’s').toBe(401);
        expect((await give(next, 'passed-2')).status).toBe(200);
        for (const dead of tokens) expect((await use(dead)).status).toBe(401);
        clock.advance(60 * SECOND);
        const good = await sign({ custom_profile_id: 'passed-2' });
        expect((await use(good)).body).toMatchObject({ id: next });
        tokens.push(good);
        clock.advance(60 * SECOND);
        holder = next;
      }
    });

    it('by making one with it: what was signed for the profile before is refused', async () => {
      const token = await sign({ custom_profile_id: 'passed-3' });
      const { id } = (await use(token)).body;
      clock.advance(60 * SECOND);
      await give(id, null);
      expect((await make(`profile-by-custom-id/${CLIENT_ID}/passed-3/`, {})).status).toBe(201);
      expect((await use(token)).status).toBe(401);
    });

    it('and what was signed before the profile was made is good where the id was never another’s', async () => {
      const token = await sign({ custom_profile_id: 'foretold' });
      clock.advance(60 * SECOND);
      const made = await make(`profile-by-custom-id/${CLIENT_ID}/foretold/`, {});
      expect((await use(token)).body).toMatchObject({ id: made.body.id });
    });
  });

  it('say why they are refused, in words that name the claim', async () => {
    const now = Math.floor(clock.now() / SECOND);
    const why = async (token: string) => {
      const answer = await use(token);
      expect(answer).toMatchObject({ status: 401, body: { error_code: 'authentication_failed' } });
      expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
      return (answer.body as unknown as { detail: string }).detail;
    };
    const good = { custom_profile_id: 'told' };
    const told: [token: string, words: RegExp][] = [
      [await sign(good, { iss: 'nobody-here' }), /'nobody-here'.*iss.*no application/i],
      [await sign(good, { secret: `${CLIENT_SECRET}x` }), /signature.*client secret.*'test-app'/i],
      [await sign(good, { alg: 'HS512' }), /HS256.*HS512/],
      [forge({ alg: 'none' }, { iss: CLIENT_ID, iat: now, ...good }), /HS256.*none/],
      [forge({ alg: 'HS256' }, { iss: CLIENT_ID, iat: now, ...good }), /signature/i],
      [await sign(good, { iat: null }), /iat.*seconds/],
      [await sign({ ...good, iat: '7' }), /iat.*seconds/],
      [await sign(good, { iat: now * 1000 }), /iat.*seconds.*milliseconds/],
      [await sign(good, { iat: now + 400 }), /iat.*5 minutes/],
      [await sign({ ...good, exp: now - 60 }), /expired.*exp.*\d{4}-\d\d-\d\dT/],
      [await sign({ ...good, exp: 'never' }), /exp.*seconds/],
      [await sign({}), /custom_profile_id.*required/],
      [await sign({ custom_profile_id: 7 }), /custom_profile_id.*string of 1 to 255/],
      [await sign({ custom_profile_id: '' }), /custom_profile_id.*string of 1 to 255/],
      [await sign({ custom_profile_id: '..' }), /custom_profile_id.*'\.\.'/],
    ];
    for (const [token, words] of told) expect(await why(token)).toMatch(words);
    const token = await sign(good);
    const { id } = (await use(token)).body;
    await server.call('DELETE', `profiles/${id}/access-tokens/`);
    expect(await why(token)).toMatch(/iat.*revoked/);
    await server.call('DELETE', `profiles/${id}/`);
    expect(await why(token)).toMatch(/iat.*(erased|given)/);
    // Nothing of what it says is believed before its signature is.
    expect(await why(await sign({ custom_profile_id: '' }, { secret: `${CLIENT_SECRET}x` }))).toMatch(/signature/i);
  });

  it('are refused when a bit of the signature differs that stands for nothing', async () => {
    const token = await sign({ custom_profile_id: 'canonical' });
    expect((await use(token)).status).toBe(200);
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const at = alphabet.indexOf(token.at(-1) ?? '');
    for (const bits of [1, 2, 3]) {
      const same = `${token.slice(0, -1)}${alphabet[at ^ bits]}`;
      expect(Buffer.from(same.split('.')[2] ?? '', 'base64url')).toEqual(
        Buffer.from(token.split('.')[2] ?? '', 'base64url'),
      );
      expect((await use(same)).status, `${bits}`).toBe(401);
    }
    expect((await use(`${token}A`)).status).toBe(401);
    expect((await use(`${token}=`)).status).toBe(401);
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
