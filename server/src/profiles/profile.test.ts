import { type AdminClient, type OwnProfile, type ProfileOptions } from '@grandstand/sdk/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLIENT_ID, pagesOf, refusal, startTestServer, type TestServer } from '../testing/server.ts';

describe('profiles', () => {
  let server: TestServer;
  let profiles: AdminClient['profiles'];
  beforeAll(async () => {
    server = await startTestServer();
    ({ profiles } = server.sdk);
  });
  afterAll(() => server.close());

  /** As a fan's app does, without a credential. */
  const create = (fields?: ProfileOptions): Promise<OwnProfile> => server.as(null).profiles.create(fields);

  it('are made without a credential or a body, with a nickname and an access token', async () => {
    const made = await server.call<OwnProfile>('POST', `applications/${CLIENT_ID}/profile/`, { token: null });
    expect(made.status).toBe(201);
    expect(made.body.nickname).toMatch(/^\S+ \S+$/);
    const { access_token: token, ...rest } = made.body;
    const { access_token: _passed, ...own } = await server.fan(token).getUserProfile({ accessToken: token });
    expect(own).toEqual(rest);
  });

  it('cannot be given a custom id without an admin token', async () => {
    const refused = await refusal(server.as(null).profiles.create({ custom_id: 'fan-1' }));
    expect(refused).toMatchObject({ status: 400, fields: { custom_id: ['Only an admin access token may set this.'] } });
    expect(Object.keys(refused.fields)).toEqual(['custom_id']);
  });

  it('may send their own custom id back, as whole objects do, but not another', async () => {
    const made = await profiles.createByCustomId('sent-back');
    const own = `applications/${CLIENT_ID}/profile/`;
    for (const path of [own, `profiles/${made.id}/`]) {
      const change = (body: unknown) => server.call('PATCH', path, { token: made.access_token, body });
      const { body: whole } = await server.call('GET', path, { token: made.access_token });
      expect(await change({ ...whole, nickname: 'Anew' })).toMatchObject({
        status: 200,
        body: { nickname: 'Anew', custom_id: 'sent-back' },
      });
      for (const customId of ['another', null]) {
        expect(await change({ custom_id: customId })).toMatchObject({
          status: 400,
          body: { custom_id: ['Only an admin access token may set this.'] },
        });
      }
    }
    const nameless = await create();
    const back = await server.call('PATCH', own, { token: nameless.access_token, body: { custom_id: null } });
    expect(back.status).toBe(200);
  });

  it('are found by custom id, which belongs to one profile', async () => {
    await profiles.createByCustomId('fan/7');
    expect(await refusal(profiles.createByCustomId('fan/7'))).toMatchObject({
      status: 409,
      code: 'conflict',
      message: "profile with custom_id 'fan/7' already exists.",
    });
    expect(await profiles.getByCustomId('fan/7')).toMatchObject({ custom_id: 'fan/7' });
  });

  it('cannot be given a custom id to which no path leads', async () => {
    const refusedBy = async (call: Promise<unknown>) => (await refusal(call)).fields['custom_id'];
    const made = await profiles.create();
    for (const customId of ['.', '..']) {
      const words = ["'.' and '..' cannot be ids: no URL leads to them."];
      expect(await refusedBy(profiles.create({ custom_id: customId }))).toEqual(words);
      expect(await refusedBy(profiles.update(made.id, { custom_id: customId }))).toEqual(words);
      const [result] = await profiles.upsert([{ custom_id: customId }]);
      expect(result).toMatchObject({ status: 'rejected', errors: { custom_id: words } });
    }
    const { id } = await profiles.create({ custom_id: '...' });
    expect(await profiles.getByCustomId('...')).toMatchObject({ id });
  });

  it('keep what an admin wrote when their own token replaces attributes', async () => {
    const made = await create({ attributes: [{ key: 'team', value: 'lions' }] });
    const attributes = [
      { key: 'team', value: 'lions' },
      { key: 'vip', value: '1' },
    ];
    await profiles.update(made.id, { attributes });
    const removed = await server.as(made.access_token).profiles.update(made.id, { attributes: [] });
    // The pair that the admin sent back as it was is still the profile's own.
    expect(removed).toMatchObject({ attributes: [{ key: 'vip', value: '1' }] });
  });

  it('keep the writer of each pair that a write leaves as it was, whatever the way of writing', async () => {
    const count = async (): Promise<number> => {
      const rule = { attribute: 'kept_tier', condition: 'equals' as const, value: 'gold' };
      return (await server.sdk.groups.preview(rule)).count;
    };
    const byThemselves = [{ key: 'kept_tier', value: 'gold' }];
    const more = [...byThemselves, { key: 'since', value: '2024' }];
    const waysBack: ((id: string) => Promise<unknown>)[] = [
      (id) => profiles.update(id, { attributes: more }),
      async (id) => {
        const customId = `kept-${id}`;
        await profiles.update(id, { custom_id: customId });
        const [result] = await profiles.upsert([{ custom_id: customId, attributes: more }]);
        expect(result).toMatchObject({ status: 'updated', id });
      },
      async (id) => profiles.update(id, { attributes: (await profiles.get(id)).attributes.toReversed() }),
    ];
    const made = [];
    for (const sendBack of waysBack) {
      const { id } = await create({ attributes: byThemselves });
      await sendBack(id);
      made.push(id);
    }
    await server.sdk.attributes.define({ key: 'kept_tier', type: 'string', writable_by: 'admin' });
    expect(await count()).toBe(0);
    // What an admin wrote counts: another value at once, the same one after it was taken away.
    await profiles.update(made[0] ?? '', { attributes: [] });
    await profiles.update(made[0] ?? '', { attributes: byThemselves });
    expect(await count()).toBe(1);
    await profiles.update(made[1] ?? '', { attributes: [{ key: 'kept_tier', value: 'silver' }] });
    await profiles.upsert([{ custom_id: `kept-${made[1]}`, attributes: byThemselves }]);
    expect(await count()).toBe(2);
  });

  it('die with their tokens when erased', async () => {
    const made = await create();
    await server.as(made.access_token).profiles.erase(made.id);
    const own = server.fan(made.access_token).getUserProfile({ accessToken: made.access_token });
    expect(await refusal(own)).toMatchObject({ status: 401, name: 'InvalidTokenError' });
    expect((await refusal(profiles.get(made.id))).status).toBe(404);
  });

  it('are listed newest first, in pages that cursors tie together', async () => {
    for (let i = 0; i < 5; i++) await create({ nickname: `Paged ${i}` });
    const pages = await pagesOf(profiles.list({ nickname: 'paged', page_size: 2 }));
    expect(pages[0]?.count).toBe(5);
    const seen = pages.flatMap(({ results }) => results.map((profile) => profile.nickname));
    expect(seen).toEqual(['Paged 4', 'Paged 3', 'Paged 2', 'Paged 1', 'Paged 0']);
    const back = await server.call<(typeof pages)[0]>('GET', pages.at(-1)?.previous ?? '');
    expect(back.body.results.map((profile) => profile.nickname)).toEqual(['Paged 2', 'Paged 1']);
    expect(back.body.count).toBe(5);
  });

  it('are found by several ids at once, and by what they have, with the exact count', async () => {
    const made: { id: string }[] = [];
    for (const team of ['lions', 'lions', 'bears'])
      made.push(
        (
          await server.call<{ id: string }>('POST', `applications/${CLIENT_ID}/profile/`, {
            body: {
              attributes: [
                { key: 'counted_team', value: team },
                { key: 'other', value: 'lions' },
              ],
            },
          })
        ).body,
      );
    const [one, two, three] = made.map(({ id }) => id);
    const list = async (query: string): Promise<[number | null, string[]]> => {
      const { body } = await server.call<{ count: number | null; results: { id: string }[] }>(
        'GET',
        `applications/${CLIENT_ID}/profiles/?${query}`,
      );
      return [body.count, body.results.map(({ id }) => id)];
    };
    expect(await list(`id=${one}&id=${three?.toUpperCase()}&id=${crypto.randomUUID()}`)).toEqual([2, [three, one]]);
    expect(await list('attributes=counted_team:lions&page_size=1')).toEqual([2, [two]]);
    expect(await list('attributes=counted_team:lions&attributes=other:bears')).toEqual([0, []]);
    expect(await list(`attributes=counted_team:lions&id=${one}`)).toEqual([1, [one]]);
    expect((await server.call('GET', `applications/${CLIENT_ID}/profiles/?id=${one}&id=nobody`)).body).toEqual({
      id: ['This must be the UUID of a profile.'],
    });
  });
});
