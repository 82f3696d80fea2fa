// What a credential makes ends with it: tokens, invitations, streams. And what a read-only token does not see.

import { get, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { formatInstant } from '../instant.ts';
import { CLIENT_ID, startTestServer, testClock, type Answer, type TestServer } from '../testing/server.ts';
import { signClientToken } from './testing.ts';

const SECOND = 1_000_000;
const HOUR = 3600 * SECOND;
const APPLICATION = `applications/${CLIENT_ID}/`;
const TOKENS = `${APPLICATION}access-tokens/`;
const PASSWORD = 'correct horse battery';

interface Token {
  id: string;
  token: string;
  expires_at: string | null;
  created_by: string | null;
}

interface Profile {
  id: string;
  access_token: string;
}

describe('what a credential makes', () => {
  const clock = testClock();
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ clock });
  });
  afterAll(() => server.close());

  const make = (body: Record<string, unknown>, token?: string) =>
    server.call<Token>('POST', TOKENS, { body: { name: 'made', ...body }, ...(token !== undefined && { token }) });
  const use = async (token: string) => (await server.call('GET', `${APPLICATION}profiles/`, { token })).status;
  const after = (micros: number): string => formatInstant(clock.now() + micros);
  const revoke = (id: string) => server.call('DELETE', `${TOKENS}${id}/`);
  const listed = async () =>
    (await server.call<{ count: number; results: Token[] }>('GET', `${TOKENS}?page_size=100`)).body;

  it('a token: it ends when its maker does, at the latest', async () => {
    const parent = (await make({ expires_at: after(HOUR) })).body;
    const child = (await make({ name: 'without an end' }, parent.token)).body;
    expect(child.expires_at).toBe(parent.expires_at);
    const sooner = (await make({ expires_at: after(HOUR / 2) }, parent.token)).body;
    expect(Date.parse(sooner.expires_at ?? '')).toBeLessThan(Date.parse(parent.expires_at ?? ''));
    const later = await make({ expires_at: after(2 * HOUR) }, parent.token);
    expect(later).toMatchObject({
      status: 400,
      body: { expires_at: [`This may be at most ${parent.expires_at}, when the token that makes it ends.`] },
    });
    const grandchild = (await make({}, child.token)).body;
    expect(grandchild.expires_at).toBe(parent.expires_at);
    for (const { token } of [child, sooner, grandchild]) expect(await use(token)).toBe(200);
    clock.advance(HOUR + SECOND);
    for (const { token } of [parent, child, sooner, grandchild]) expect(await use(token)).toBe(401);
  });

  it('a token: it is revoked with its maker, and so is what it made', async () => {
    const parent = (await make({ name: 'parent' })).body;
    const child = (await make({ name: 'child' }, parent.token)).body;
    const grandchild = (await make({ name: 'grandchild' }, child.token)).body;
    const sibling = (await make({ name: 'sibling' })).body;
    expect([parent, child, grandchild].map((token) => token.created_by)).toEqual([
      'token:bootstrap',
      'token:parent',
      'token:child',
    ]);
    const before = await listed();
    expect((await revoke(child.id)).status).toBe(204);
    expect(await use(parent.token)).toBe(200);
    for (const { token } of [child, grandchild]) expect(await use(token)).toBe(401);
    const now = await listed();
    expect(now.count).toBe(before.count - 2);
    expect(now.results.map(({ id }) => id)).not.toContain(grandchild.id);
    expect((await revoke(grandchild.id)).status).toBe(404);
    expect((await revoke(parent.id)).status).toBe(204);
    expect(await use(sibling.token)).toBe(200);
  });

  it('a token: no longer a line than ten, since each is checked with all before it', async () => {
    let { token } = (await make({})).body;
    const answers: Answer<Token>[] = [];
    for (let depth = 0; depth < 12; depth++) {
      const answer = await make({}, token);
      answers.push(answer);
      if (answer.status === 201) token = answer.body.token;
    }
    expect(answers.map(({ status }) => status).indexOf(403)).toBeGreaterThan(5);
    expect(answers.at(-1)).toMatchObject({ status: 403, body: { error_code: 'permission_denied' } });
  });

  it('says why it is dead', async () => {
    const why = async (token: string) =>
      (await server.call<{ detail: string }>('GET', `${APPLICATION}profiles/`, { token })).body.detail;
    const revoked = (await make({})).body;
    const child = (await make({}, revoked.token)).body;
    const expiring = (await make({ expires_at: after(HOUR) })).body;
    await revoke(revoked.id);
    clock.advance(HOUR + SECOND);
    expect(await why(revoked.token)).toMatch(/^The access token was revoked at 2026-.*\.$/);
    expect(await why(child.token)).toMatch(/^The access token was revoked at 2026-.*, with the token that made it\.$/);
    expect(await why(expiring.token)).toBe(`The access token expired at ${expiring.expires_at}.`);
    expect(await why('nothing-that-was-ever-a-token')).toBe('The access token is not valid.');
  });

  describe('a producer', () => {
    interface Signed {
      cookie: string;
      csrf: string;
    }
    const sessionOf = (answer: Answer<{ csrf_token: string }>): Signed => ({
      cookie: (answer.headers.getSetCookie() ?? []).map((cookie) => cookie.split(';')[0]).join('; '),
      csrf: answer.body.csrf_token,
    });
    const accept = (token: string, email?: string) =>
      server.call<{ csrf_token: string }>('POST', 'producers/invitations/accept/', {
        token: null,
        body: { token, ...(email !== undefined && { email }), name: 'N', password: PASSWORD },
      });
    const as = <T = Record<string, unknown>>(who: Signed, method: string, path: string, body?: unknown) =>
      server.call<T>(method, path, {
        token: null,
        headers: { cookie: who.cookie, 'x-csrf-token': who.csrf },
        ...(body !== undefined && { body }),
      });
    const invite = async (who: Signed, email: string, role: string) => {
      const answer = await as<{ link: string }>(who, 'POST', `${APPLICATION}producers/invitations/`, { email, role });
      return answer.status === 201 ? new URL(answer.body.link).hash.slice(1) : String(answer.status);
    };
    const showInvitation = async (token: string) =>
      (await server.call('POST', 'producers/invitations/show/', { token: null, body: { token } })).status;

    it('invites for as long as it owns: what it invited is void once it does not', async () => {
      const owner = sessionOf(await accept(server.app.firstOwnerToken ?? '', 'owner@example.com'));
      const second = sessionOf(await accept(await invite(owner, 'second@example.com', 'owner')));
      const [waiting, another] = [
        await invite(second, 'own-second-address@example.com', 'owner'),
        await invite(second, 'x@example.com', 'viewer'),
      ];
      expect(await showInvitation(waiting)).toBe(200);
      const producers = await as<{ results: { id: string; email: string }[]; invitations: { email: string }[] }>(
        owner,
        'GET',
        `${APPLICATION}producers/`,
      );
      expect(producers.body.invitations).toHaveLength(2);
      const { id } = producers.body.results.find(({ email }) => email === 'second@example.com') ?? { id: '' };
      const path = `${APPLICATION}producers/${id}/`;
      expect((await as(owner, 'PATCH', path, { role: 'editor' })).status).toBe(204);
      for (const token of [waiting, another]) {
        expect(await showInvitation(token)).toBe(404);
        expect((await accept(token)).status).toBe(404);
      }
      const left = await as<{ invitations: unknown[] }>(owner, 'GET', `${APPLICATION}producers/`);
      expect(left.body.invitations).toEqual([]);
      // An owner again: what was void stays so.
      expect((await as(owner, 'PATCH', path, { role: 'owner' })).status).toBe(204);
      expect(await showInvitation(waiting)).toBe(404);
    });

    it('is named as the maker of a token', async () => {
      const owner = sessionOf(
        await server.call('POST', 'producers/sessions/', {
          token: null,
          body: { email: 'owner@example.com', password: PASSWORD },
        }),
      );
      const { body } = await as<Token>(owner, 'POST', TOKENS, { name: 'by hand' });
      expect(body.created_by).toBe('producer:owner@example.com');
      expect((await listed()).results[0]).toMatchObject({ created_by: 'producer:owner@example.com' });
    });
  });

  it('is not for read-only tokens to see: neither tokens nor producers, nor who did what', async () => {
    const reader = (await make({ name: 'reader', read_only: true })).body.token;
    for (const path of [TOKENS, `${APPLICATION}producers/`]) {
      expect(await server.call('GET', path, { token: reader }), path).toMatchObject({
        status: 403,
        body: {
          error_code: 'permission_denied',
          detail: 'A read-only access token sees neither tokens nor producers.',
        },
      });
    }
    const { sdk } = server;
    const group = await sdk.groups.create({
      name: 'g',
      membership_type: 'dynamic',
      rule_tree: { attribute: 'total_comments_posted', condition: 'greater_than', value: 1 },
    });
    const profile = await sdk.profiles.create();
    await server.call('PUT', `${APPLICATION}profile-groups/${group.id}/pins/${profile.id}/`, {
      body: { pin: 'in', reason: 'r' },
    });
    const paths = ['rulesets/', `members/${profile.id}/`].map(
      (path) => `${APPLICATION}profile-groups/${group.id}/${path}`,
    );
    for (const path of paths) {
      const full = await server.call('GET', path);
      const seen = await server.call('GET', path, { token: reader });
      expect([full.status, seen.status], path).toEqual([200, 200]);
      expect(JSON.stringify(full.body), path).toContain('"token:bootstrap"');
      expect(JSON.stringify(seen.body), path).toContain('"created_by":"token"');
      expect(JSON.stringify(seen.body), path).not.toContain('bootstrap');
    }
  });

  describe('a stream', () => {
    const group = async () => (await server.sdk.groups.create({ name: 'streamed' })).id;
    const path = (profile: { id: string }) => `${APPLICATION}profiles/${profile.id}/profile-groups/events/`;
    const fan = async (): Promise<Profile> => server.as(null).profiles.create();

    /** What it told, and when it ended. */
    async function follow(profile: { id: string }, token: string) {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const headers = { authorization: `Bearer ${token}` };
        get(server.api(path(profile)), { headers, agent: false }, resolve).on('error', reject);
      });
      expect(response.statusCode).toBe(200);
      const told: string[] = [];
      response.setEncoding('utf8').on('data', (text: string) => {
        if (text.includes('data: ')) told.push(text);
      });
      const ended = new Promise<void>((resolve) => response.once('end', resolve));
      await vi.waitFor(() => expect(told).toHaveLength(1));
      return { told, ended };
    }

    it('tells nothing more once its token is revoked, its profile erased, or its admin token revoked', async () => {
      const kinds: Record<string, (profile: Profile) => Promise<{ token: string; end: () => Promise<unknown> }>> = {
        revoked: async ({ id, access_token: token }) => ({
          token,
          end: () => server.call('DELETE', `profiles/${id}/access-tokens/`),
        }),
        rotated: async ({ id, access_token: token }) => ({
          token,
          end: () => server.call('POST', `profiles/${id}/access-tokens/`, { body: {} }),
        }),
        admin: async () => {
          const { id, token } = (await make({})).body;
          return { token, end: () => revoke(id) };
        },
        'admin whose maker was revoked': async () => {
          const parent = (await make({})).body;
          return { token: (await make({}, parent.token)).body.token, end: () => revoke(parent.id) };
        },
        'client-signed, revoked': async ({ id }) => {
          await server.call('PATCH', `profiles/${id}/`, { body: { custom_id: `c-${id}` } });
          clock.advance(2 * SECOND);
          return {
            token: await signClientToken(clock.now(), { custom_profile_id: `c-${id}` }),
            end: async () => {
              clock.advance(2 * SECOND);
              return server.call('DELETE', `profiles/${id}/access-tokens/`);
            },
          };
        },
        'client-signed, its custom id given away and back': async ({ id }) => {
          const give = (customId: string | null) =>
            server.call('PATCH', `profiles/${id}/`, { body: { custom_id: customId } });
          await give(`d-${id}`);
          clock.advance(2 * SECOND);
          const token = await signClientToken(clock.now(), { custom_profile_id: `d-${id}` });
          return { token, end: async () => [await give(null), await give(`d-${id}`)] };
        },
        'client-signed, expired': async ({ id }) => {
          await server.call('PATCH', `profiles/${id}/`, { body: { custom_id: `e-${id}` } });
          clock.advance(2 * SECOND);
          const exp = Math.floor(clock.now() / SECOND) + 10;
          const token = await signClientToken(clock.now(), { custom_profile_id: `e-${id}`, exp });
          return { token, end: async () => clock.advance(20 * SECOND) };
        },
      };
      for (const [what, kind] of Object.entries(kinds)) {
        const profile = await fan();
        const [other, late] = [await group(), await group()];
        const { token, end } = await kind(profile);
        const stream = await follow(profile, token);
        await server.sdk.groups.addMembers(other, { profile_ids: [profile.id] });
        await vi.waitFor(() => expect(stream.told).toHaveLength(2));
        await end();
        await server.sdk.groups.addMembers(late, { profile_ids: [profile.id] });
        await stream.ended;
        expect(stream.told, what).toHaveLength(2);
      }
    });

    it('goes on for a token that is older than its profile, and for a custom id that came by merging', async () => {
      const sign = (customId: string) => signClientToken(clock.now(), { custom_profile_id: customId });
      const early = await sign('foretold');
      clock.advance(60 * SECOND);
      const [one, source] = [
        await server.sdk.profiles.createByCustomId('foretold'),
        await server.sdk.profiles.createByCustomId('merged-away'),
      ];
      clock.advance(60 * SECOND);
      const merged = await server.call('POST', `${APPLICATION}profiles/${source.id}/merge/`, {
        body: { into: one.id, tokens: 'follow', force: true },
      });
      expect(merged.status).toBe(200);
      clock.advance(60 * SECOND);
      const streams = [await follow(one, early), await follow(one, await sign('merged-away'))];
      await server.sdk.groups.addMembers(await group(), { profile_ids: [one.id] });
      for (const stream of streams) await vi.waitFor(() => expect(stream.told.at(-1)).toContain('streamed'));
      clock.advance(2 * SECOND);
      await server.call('DELETE', `profiles/${one.id}/access-tokens/`);
      await server.sdk.groups.addMembers(await group(), { profile_ids: [one.id] });
      for (const stream of streams) await stream.ended;
    });

    it('of an erased profile ends without a word, whoever follows it', async () => {
      const admin = (await make({})).body.token;
      for (const isOwn of [true, false]) {
        const profile = await fan();
        await server.sdk.groups.addMembers(await group(), { profile_ids: [profile.id] });
        const stream = await follow(profile, isOwn ? profile.access_token : admin);
        await server.sdk.profiles.erase(profile.id);
        await stream.ended;
        expect(stream.told).toHaveLength(1);
      }
    });
  });
});
