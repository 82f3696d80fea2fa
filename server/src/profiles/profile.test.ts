import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';

describe('profiles', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());

  const create = async (body?: unknown, token: string | null = null) =>
    server.call<{ id: string; access_token: string; nickname: string; attributes: { key: string; value: string }[] }>(
      'POST',
      `applications/${CLIENT_ID}/profile/`,
      { body, token },
    );

  it('are made without a credential or a body, with a nickname and an access token', async () => {
    const made = await create();
    expect(made.status).toBe(201);
    expect(made.body.nickname).toMatch(/^\S+ \S+$/);
    const own = await server.call('GET', `applications/${CLIENT_ID}/profile/`, { token: made.body.access_token });
    expect(own.status).toBe(200);
    const { access_token: _token, ...rest } = made.body;
    expect(own.body).toEqual(rest);
  });

  it('cannot be given a custom id without an admin token', async () => {
    const refused = await create({ custom_id: 'fan-1' });
    expect(refused.status).toBe(400);
    expect(refused.body).toEqual({ custom_id: ['Only an admin access token may set this.'] });
  });

  it('are found by custom id, which belongs to one profile', async () => {
    const path = `profile-by-custom-id/${CLIENT_ID}/fan%2F7/`;
    expect((await server.call('POST', path)).status).toBe(201);
    const again = await server.call('POST', path);
    expect(again.status).toBe(409);
    expect(again.body).toEqual({ detail: "profile with custom_id 'fan/7' already exists.", error_code: 'conflict' });
    expect((await server.call('GET', path)).body).toMatchObject({ custom_id: 'fan/7' });
  });

  it('keep what an admin wrote when their own token replaces attributes', async () => {
    const made = await create({ attributes: [{ key: 'team', value: 'lions' }] });
    const path = `profiles/${made.body.id}/`;
    await server.call('PATCH', path, {
      body: {
        attributes: [
          { key: 'team', value: 'lions' },
          { key: 'vip', value: '1' },
        ],
      },
    });
    const removed = await server.call('PATCH', path, { token: made.body.access_token, body: { attributes: [] } });
    expect(removed.body).toMatchObject({
      attributes: [
        { key: 'team', value: 'lions' },
        { key: 'vip', value: '1' },
      ],
    });
  });

  it('die with their tokens when erased', async () => {
    const made = await create();
    expect((await server.call('DELETE', `profiles/${made.body.id}/`, { token: made.body.access_token })).status).toBe(
      204,
    );
    expect(
      (await server.call('GET', `applications/${CLIENT_ID}/profile/`, { token: made.body.access_token })).status,
    ).toBe(401);
    expect((await server.call('GET', `profiles/${made.body.id}/`)).status).toBe(404);
  });

  it('are listed newest first, in pages that cursors tie together', async () => {
    for (let i = 0; i < 5; i++) await create({ nickname: `Paged ${i}` });
    const path = `applications/${CLIENT_ID}/profiles/?nickname=paged&page_size=2`;
    const seen: string[] = [];
    type List = { count: number; next: string | null; previous: string | null; results: { nickname: string }[] };
    let page = await server.call<List>('GET', path);
    expect(page.body.count).toBe(5);
    for (;;) {
      seen.push(...page.body.results.map((profile) => profile.nickname));
      if (page.body.next === null) break;
      page = await server.call<List>('GET', page.body.next);
    }
    expect(seen).toEqual(['Paged 4', 'Paged 3', 'Paged 2', 'Paged 1', 'Paged 0']);
    const back = await server.call<List>('GET', page.body.previous ?? '');
    expect(back.body.results.map((profile) => profile.nickname)).toEqual(['Paged 2', 'Paged 1']);
    expect(back.body.count).toBe(5);
  });
});
