import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAdminToken, createApplication } from '../applications/application-service.ts';
import {
  ADMIN_TOKEN,
  CLIENT_ID,
  startTestServer,
  testClock,
  type TestClock,
  type TestServer,
} from '../testing/server.ts';
import { forge } from './testing.ts';

const SECOND = 1_000_000;
const PATH = `applications/${CLIENT_ID}/access-tokens/`;

interface Page {
  next: string | null;
  results: Made[];
}
interface Made {
  id: string;
  token: string;
  name: string;
  hint: string;
}

describe('admin access tokens', () => {
  let server: TestServer;
  let clock: TestClock;
  beforeAll(async () => {
    clock = testClock();
    server = await startTestServer({ clock });
  });
  afterAll(() => server.close());

  const make = (body: Record<string, unknown>, token?: string) =>
    server.call<Made>('POST', PATH, { body, ...(token !== undefined && { token }) });
  const list = async () => (await server.call<{ results: Made[] }>('GET', PATH)).body.results;
  const use = (token: string) => server.call('GET', `applications/${CLIENT_ID}/profiles/`, { token });
  const rows = async () => {
    const { rows } = await server.app.context.db.withClient((client) =>
      client.query<{ text: string }>('select a::text as text from admin_tokens a'),
    );
    return rows.map((row) => row.text).join('\n');
  };

  it('are opaque, shown once and stored hashed', async () => {
    const made = await make({ name: 'import' });
    expect(made).toMatchObject({
      status: 201,
      body: { name: 'import', read_only: false, expires_at: null, last_used_at: null },
    });
    expect(made.headers.get('cache-control')).toBe('no-store');
    expect(made.body.token).toMatch(/^gs_[A-Za-z0-9]{43}$/);
    expect(made.body.hint).toBe(made.body.token.slice(-4));
    expect((await use(made.body.token)).status).toBe(200);
    const listed = (await list()).find((token) => token.id === made.body.id);
    expect(listed).toBeDefined();
    expect(JSON.stringify(await list())).not.toContain(made.body.token);
    expect(await rows()).not.toContain(made.body.token.slice(3));
  });

  it('are taken in any form that was configured, one like a JSON Web Token included', async () => {
    const token = 'three.parts.that-look-like-a-json-web-token';
    await createAdminToken(server.app.context, (await server.app.context.applications.get(CLIENT_ID)).id, {
      name: 'dotted',
      token,
    });
    expect((await use(token)).status).toBe(200);
    expect(
      (await server.call('POST', `applications/${CLIENT_ID}/profile/`, { token, body: { custom_id: 'dotted' } }))
        .status,
    ).toBe(201);
  });

  it('are refused with a character more, less or changed', async () => {
    for (const wrong of [
      `${ADMIN_TOKEN}x`,
      ADMIN_TOKEN.slice(0, -1),
      ADMIN_TOKEN.toUpperCase(),
      `${ADMIN_TOKEN.slice(0, -1)}X`,
      'x',
      forge({}, {}),
    ]) {
      expect(await use(wrong), wrong).toMatchObject({ status: 401, body: { error_code: 'authentication_failed' } });
    }
  });

  it('are dead once revoked, and gone from the list', async () => {
    const made = await make({ name: 'short-lived' });
    const path = `${PATH}${made.body.id}/`;
    expect((await use(made.body.token)).status).toBe(200);
    expect((await server.call('DELETE', path)).status).toBe(204);
    expect((await use(made.body.token)).status).toBe(401);
    expect((await list()).map((token) => token.id)).not.toContain(made.body.id);
    expect((await server.call('DELETE', path)).status).toBe(404);
    expect((await server.call('DELETE', `${PATH}nonsense/`)).status).toBe(404);
    // On calls that need no credential a dead token is ignored rather than refused.
    expect((await server.call('POST', `applications/${CLIENT_ID}/profile/`, { token: made.body.token })).status).toBe(
      201,
    );
  });

  it('are listed in pages like everything else, so that none is out of reach', async () => {
    const names = Array.from({ length: 25 }, (_, index) => `one of many ${index}`);
    const before = (await list()).length;
    for (const name of names) await make({ name });
    const first = await server.call<Page>('GET', `${PATH}?page_size=20`);
    expect(first.body).toMatchObject({ count: 25 + before, previous: null });
    const second = await (
      await fetch(first.body.next ?? '', { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })
    ).json();
    const shown = [...first.body.results, ...(second as Page).results].map((token) => token.name);
    expect(shown.slice(0, 25)).toEqual(names.toReversed());
  });

  it('die at the instant they were given', async () => {
    const expires = new Date(clock.now() / 1000 + 60_000).toISOString();
    const made = await make({ name: 'expiring', expires_at: expires });
    expect(made.body).toMatchObject({ expires_at: expires.replace('Z', '000Z') });
    clock.advance(58 * SECOND);
    expect((await use(made.body.token)).status).toBe(200);
    clock.advance(3 * SECOND);
    expect((await use(made.body.token)).status).toBe(401);
    for (const wrong of [expires, 'tomorrow', '', 7, '2026-02-30T00:00:00Z']) {
      expect(await make({ name: 'x', expires_at: wrong }), String(wrong)).toMatchObject({
        status: 400,
        body: { expires_at: [expect.any(String)] },
      });
    }
  });

  it('that are read-only may look and not touch', async () => {
    const reader = (await make({ name: 'reader', read_only: true })).body.token;
    const profile = await server.call<{ id: string }>('POST', `applications/${CLIENT_ID}/profile/`);
    const own = `profiles/${profile.body.id}/`;
    for (const path of [own, `applications/${CLIENT_ID}/profiles/`])
      expect((await server.call('GET', path, { token: reader })).status, path).toBe(200);
    const refused: [string, string, unknown?][] = [
      ['PATCH', own, { nickname: 'x' }],
      ['DELETE', own],
      ['POST', `${own}access-tokens/`],
      ['DELETE', `${own}access-tokens/`],
      ['POST', `profile-by-custom-id/${CLIENT_ID}/read-only/`],
      ['POST', `applications/${CLIENT_ID}/profiles/bulk/`, { profiles: [{ custom_id: 'a' }] }],
      ['POST', `applications/${CLIENT_ID}/profile/`, { custom_id: 'a' }],
      ['POST', PATH, { name: 'more', read_only: false }],
    ];
    for (const [method, path, body] of refused) {
      const answer = await server.call(method, path, { token: reader, ...(body !== undefined && { body }) });
      expect(answer, `${method} ${path}`).toMatchObject({
        status: 403,
        body: { error_code: 'permission_denied', detail: 'This access token is read-only.' },
      });
    }
    expect((await server.call('GET', own)).body).toMatchObject({ id: profile.body.id, custom_id: null });
  });

  it('reach nothing of another application', async () => {
    const { context } = server.app;
    const { application } = await createApplication(context, { clientId: 'foreign', name: 'Foreign' });
    const { token } = await createAdminToken(context, application.id, { name: 'foreign' });
    const profile = await server.call<{ id: string }>('POST', `applications/${CLIENT_ID}/profile/`);
    for (const path of [`applications/${CLIENT_ID}/profiles/`, `profile-by-custom-id/${CLIENT_ID}/x/`, PATH]) {
      expect(await server.call('GET', path, { token }), path).toMatchObject({
        status: 403,
        body: { error_code: 'permission_denied' },
      });
    }
    expect((await server.call('POST', `applications/${CLIENT_ID}/profile/`, { token })).status).toBe(403);
    for (const method of ['GET', 'PATCH', 'DELETE'])
      expect((await server.call(method, `profiles/${profile.body.id}/`, { token })).status).toBe(404);
    const ours = (await make({ name: 'ours' })).body;
    expect((await server.call('DELETE', `applications/foreign/access-tokens/${ours.id}/`, { token })).status).toBe(404);
    expect((await use(ours.token)).status).toBe(200);
  });

  it('do not show or rotate the client secret', async () => {
    for (const method of ['GET', 'POST'])
      expect((await server.call(method, `applications/${CLIENT_ID}/client-secret/`)).status).toBe(403);
  });

  it('tell when they were last used', async () => {
    const made = await make({ name: 'used' });
    await use(made.body.token);
    expect((await list()).find((token) => token.id === made.body.id)).toMatchObject({
      last_used_at: expect.any(String) as string,
    });
  });
});
