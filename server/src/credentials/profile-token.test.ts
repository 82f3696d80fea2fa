import { SignJWT, generateKeyPair } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApplication } from '../applications/application-service.ts';
import {
  CLIENT_ID,
  CLIENT_SECRET,
  startTestServer,
  testClock,
  type TestClock,
  type TestServer,
} from '../testing/server.ts';
import { bytes, claimsOf, forge } from './testing.ts';

interface Created {
  id: string;
  access_token: string;
}

/** Another character of base64url that stands for the same four bits at the end of 32 bytes. */
const sibling = (last: string): string => String.fromCharCode(last.charCodeAt(0) + 1);

describe('profile access tokens', () => {
  let server: TestServer;
  let clock: TestClock;
  beforeAll(async () => {
    clock = testClock();
    server = await startTestServer({ clock });
  });
  afterAll(() => server.close());

  const create = async (clientId = CLIENT_ID): Promise<Created> =>
    (await server.call<Created>('POST', `applications/${clientId}/profile/`, { token: null })).body;
  const use = (token: string) => server.call('GET', `applications/${CLIENT_ID}/profile/`, { token });
  const key = (): Uint8Array => bytes(server.app.context.secrets.tokenKey);
  const resign = (claims: Record<string, unknown>, alg = 'HS256', secret = key()) =>
    new SignJWT(claims).setProtectedHeader({ alg, typ: 'JWT' }).sign(secret);

  it('name the profile, have an issuer that no client id can be, a token id and no expiry', async () => {
    const made = await create();
    const claims = claimsOf(made.access_token);
    expect(claims).toMatchObject({
      client_id: CLIENT_ID,
      id: made.id,
      iat: expect.any(Number) as number,
      jti: expect.any(String) as string,
    });
    expect(String(claims['iss'])).not.toMatch(/^[A-Za-z0-9_-]*$/);
    expect(claims).not.toHaveProperty('exp');
    expect((await use(made.access_token)).body).toMatchObject({ id: made.id });
  });

  it('are taken after Bearer and after Token, in any case, with any spaces', async () => {
    const { id, access_token: token } = await create();
    for (const value of [
      `Bearer ${token}`,
      `bearer ${token}`,
      `BEARER   ${token} `,
      `Token ${token}`,
      `tOkEn ${token}`,
    ]) {
      const answer = await server.call('GET', `applications/${CLIENT_ID}/profile/`, {
        token: null,
        headers: { authorization: value },
      });
      expect(answer, value).toMatchObject({ status: 200, body: { id } });
    }
    for (const value of ['Bearer', 'Bearer ', token, `Basic ${token}`, `Bearer${token}`, `Bearer ${token} ${token}`]) {
      const answer = await server.call('GET', `applications/${CLIENT_ID}/profile/`, {
        token: null,
        headers: { authorization: value },
      });
      expect(answer, value).toMatchObject({ status: 401, body: { error_code: 'authentication_failed' } });
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    }
    const none = await server.call('GET', `applications/${CLIENT_ID}/profile/`, { token: null });
    expect(none).toMatchObject({ status: 401, body: { error_code: 'not_authenticated' } });
    expect(none.headers.get('www-authenticate')).toMatch(/^Bearer/);
  });

  it('are refused without a signature, with another algorithm and with another key', async () => {
    const { access_token: token } = await create();
    const claims = claimsOf(token);
    const [head, body, signature = ''] = token.split('.');
    const rs256 = await generateKeyPair('RS256');
    const attempts: Record<string, string> = {
      'alg none': forge({ alg: 'none', typ: 'JWT' }, claims),
      'alg None': forge({ alg: 'None', typ: 'JWT' }, claims),
      'alg none, signature kept': forge({ alg: 'none', typ: 'JWT' }, claims, signature),
      'no alg': forge({ typ: 'JWT' }, claims, signature),
      'signature removed': `${head}.${body}.`,
      'signature shortened': `${head}.${body}.${signature.slice(0, -4)}`,
      'signature with a bit that stands for nothing': `${head}.${body}.${signature.slice(0, -1)}${sibling(signature.at(-1) ?? '')}`,
      'signature changed': `${head}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`,
      HS384: await resign(claims, 'HS384'),
      HS512: await resign(claims, 'HS512'),
      RS256: await new SignJWT(claims).setProtectedHeader({ alg: 'RS256' }).sign(rs256.privateKey),
      'key of an application': await resign(claims, 'HS256', bytes(CLIENT_SECRET)),
      'empty key': await resign(claims, 'HS256', bytes('\0')),
      'claims changed': `${head}.${Buffer.from(JSON.stringify({ ...claims, id: (await create()).id })).toString('base64url')}.${signature}`,
      'two dots only': '..',
      'not base64': '!!.!!.!!',
    };
    expect((await use(await resign(claims))).status).toBe(200); // the harness itself makes good ones
    for (const [what, attempt] of Object.entries(attempts)) expect((await use(attempt)).status, what).toBe(401);
  });

  it('are refused when iat is more than five minutes ahead or is none', async () => {
    const { access_token: token } = await create();
    const claims = claimsOf(token);
    const seconds = Math.floor(clock.now() / 1e6);
    expect((await use(await resign({ ...claims, iat: seconds + 299 }))).status).toBe(200);
    for (const iat of [seconds + 302, 1e15, 'now', null, undefined]) {
      expect((await use(await resign({ ...claims, iat }))).status, String(iat)).toBe(401);
    }
  });

  it('are refused when a claim is missing, of another type, or names somebody else', async () => {
    const { access_token: token } = await create();
    const other = await create();
    const claims = claimsOf(token);
    const changes = [
      { id: other.id },
      { id: undefined },
      { id: 7 },
      { id: 'x' },
      { id: [claims['id']] },
      { jti: undefined },
      { jti: claimsOf(other.access_token)['jti'] },
      { jti: 'x\0' },
      { client_id: undefined },
      { client_id: 'no-such-app' },
      { client_id: '\0' },
      { iss: 'somebody' },
      { iss: 'no such issuer' },
      { iss: '\0' },
      { iss: undefined },
      { iss: [claims['iss']] },
    ];
    for (const change of changes)
      expect((await use(await resign({ ...claims, ...change }))).status, JSON.stringify(change)).toBe(401);
  });

  it('of another application get 403 where the path names one, and 404 for its objects elsewhere', async () => {
    await createApplication(server.app.context, { clientId: 'other-app', name: 'Other' });
    const ours = await create();
    const theirs = await create('other-app');
    expect((await use(theirs.access_token)).status).toBe(403);
    expect((await server.call('GET', `profiles/${ours.id}/`, { token: theirs.access_token })).status).toBe(404);
    expect((await server.call('DELETE', `profiles/${ours.id}/`, { token: theirs.access_token })).status).toBe(404);
    expect((await server.call('GET', `profiles/${theirs.id}/`, {})).status).toBe(404);
  });

  it('change and erase only their own profile, and see the public part of others', async () => {
    const [mine, other] = [await create(), await create()];
    const path = `profiles/${other.id}/`;
    const token = mine.access_token;
    const seen = await server.call('GET', path, { token });
    // Beside these only addresses that clients of LiveLike follow, of what is not offered here.
    const shown = Object.entries(seen.body).filter(([, value]) => !String(value).includes('/api/v1/not-offered/'));
    expect(shown.map(([key]) => key)).toEqual(['id', 'nickname', 'created_at', 'url', 'attributes']);
    expect((await server.call('PATCH', path, { token, body: { nickname: 'Mine now' } })).status).toBe(403);
    expect((await server.call('DELETE', path, { token })).status).toBe(403);
    expect((await server.call('POST', `${path}access-tokens/`, { token })).status).toBe(403);
    expect((await server.call('DELETE', `${path}access-tokens/`, { token })).status).toBe(403);
    expect((await server.call('GET', `applications/${CLIENT_ID}/profiles/${other.id}/`, { token })).status).toBe(403);
    expect((await server.call('GET', `applications/${CLIENT_ID}/profiles/`, { token })).status).toBe(403);
    expect((await server.call('GET', `profile-by-custom-id/${CLIENT_ID}/x/`, { token })).status).toBe(403);
    expect((await server.call('GET', `applications/${CLIENT_ID}/access-tokens/`, { token })).status).toBe(403);
  });

  it('die when their profile is erased', async () => {
    const made = await create();
    expect((await server.call('DELETE', `profiles/${made.id}/`, { token: made.access_token })).status).toBe(204);
    expect((await use(made.access_token)).status).toBe(401);
    expect((await server.call('DELETE', `profiles/${made.id}/`, { token: made.access_token })).status).toBe(401);
  });

  it('die on rotation unless they are kept', async () => {
    const made = await create();
    const rotate = async (token: string, body?: object) =>
      server.call<{ access_token: string }>('POST', `profiles/${made.id}/access-tokens/`, {
        token,
        ...(body && { body }),
      });
    const kept = await rotate(made.access_token, { keep_existing: true });
    expect(kept.status).toBe(201);
    expect(kept.headers.get('cache-control')).toBe('no-store');
    for (const token of [made.access_token, kept.body.access_token]) expect((await use(token)).status).toBe(200);

    const fresh = await rotate(made.access_token);
    for (const token of [made.access_token, kept.body.access_token]) expect((await use(token)).status).toBe(401);
    expect((await use(fresh.body.access_token)).status).toBe(200);

    const strict = await rotate(fresh.body.access_token, { keep_existing: false });
    expect((await use(fresh.body.access_token)).status).toBe(401);
    expect((await use(strict.body.access_token)).status).toBe(200);
    expect((await rotate(strict.body.access_token, { keep_existing: 'yes' })).body).toEqual({
      keep_existing: [expect.any(String)],
    });
  });

  it('all die when they are revoked, and an admin can make a new one', async () => {
    const made = await create();
    expect(
      (await server.call('DELETE', `profiles/${made.id}/access-tokens/`, { token: made.access_token })).status,
    ).toBe(204);
    expect((await use(made.access_token)).status).toBe(401);
    const again = await server.call<{ access_token: string }>('POST', `profiles/${made.id}/access-tokens/`);
    expect((await use(again.body.access_token)).body).toMatchObject({ id: made.id });
  });

  it('are never in an answer but that of the call that made them', async () => {
    const made = await create();
    const answers = await Promise.all([
      use(made.access_token),
      server.call('GET', `profiles/${made.id}/`, { token: made.access_token }),
      server.call('GET', `profiles/${made.id}/`),
      server.call('PATCH', `applications/${CLIENT_ID}/profile/`, {
        token: made.access_token,
        body: { nickname: 'Quiet' },
      }),
      server.call('GET', `applications/${CLIENT_ID}/profiles/`),
    ]);
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      expect(JSON.stringify(answer.body)).not.toMatch(/access_token|eyJ/);
    }
  });
});
