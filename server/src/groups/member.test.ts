// Members of static groups over HTTP: what a call may send and what it answers, lists while others write, races.

import {
  type AdminClient,
  type Member,
  type MemberFilter,
  type MemberIds,
  type MembershipChange,
  type Page,
} from '@grandstand/sdk/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../database/database.ts';
import { CLIENT_ID, pagesOf, refusal, startTestServer, type TestServer } from '../testing/server.ts';
import { addProfiles } from '../testing/profiles.ts';

type Ordering = NonNullable<MemberFilter['ordering']>;

const GROUPS = `applications/${CLIENT_ID}/profile-groups/`;

describe('members of static groups', () => {
  let server: TestServer;
  let groups: AdminClient['groups'];
  let profiles: string[];
  beforeAll(async () => {
    server = await startTestServer();
    ({ groups } = server.sdk);
    profiles = await addProfiles(server, 300);
  });
  afterAll(() => server.close());

  const createGroup = async (): Promise<string> => (await groups.create({ name: 'Members' })).id;
  const add = (group: string, ids: MemberIds) => groups.addMembers(group, ids);
  const remove = (group: string, ids: MemberIds) => groups.removeMembers(group, ids);
  const count = async (group: string): Promise<number> => (await groups.get(group)).profile_count;
  const all = async (group: string, size = 1000): Promise<string[]> =>
    (await groups.members(group, { page_size: size }).all()).map(({ id }) => id);
  const feed = async (group: string, after = 0, pageSize = 1000): Promise<MembershipChange[]> => {
    const changes: MembershipChange[] = [];
    for await (const change of groups.changes(group, { after, pageSize })) changes.push(change);
    return changes;
  };
  const get = async <T>(path: string): Promise<Page<T>> => (await server.call<Page<T>>('GET', path)).body;

  it('report each sent id once, in the list that it belongs to', async () => {
    const group = await createGroup();
    const [one = '', two = '', three = ''] = profiles;
    expect(await add(group, { profile_ids: [one, two, one] })).toEqual({
      successfully_added: [one, two],
      already_added: [],
      invalid_ids: [],
    });
    const unknown = crypto.randomUUID();
    const mixed = await add(group, {
      profile_ids: ['no uuid', two.toUpperCase(), three, unknown, three, 'no uuid', two],
    });
    expect(mixed).toEqual({
      successfully_added: [three],
      already_added: [two.toUpperCase()],
      invalid_ids: ['no uuid', unknown],
    });
    expect(await count(group)).toBe(3);
  });

  it('are told apart in a long list too, wherever those stand that are members already', async () => {
    const group = await createGroup();
    const many = await addProfiles(server, 1000);
    const [, hidden = ''] = many;
    await add(group, { profile_ids: [hidden] });
    const unknown = crypto.randomUUID();
    const rest = many.filter((id) => id !== hidden);
    const sent = [unknown, ...many];
    expect(await add(group, { profile_ids: sent })).toEqual({
      successfully_added: rest,
      already_added: [hidden],
      invalid_ids: [unknown],
    });
    const other = await createGroup();
    expect(await add(other, { profile_ids: sent })).toEqual({
      successfully_added: many,
      already_added: [],
      invalid_ids: [unknown],
    });
    for (const each of [group, other]) {
      expect(await count(each)).toBe(1000);
      const changes = await feed(each);
      expect(changes.map((change) => change.sequence)).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1));
      expect(changes.map((change) => change.profile_id).toSorted()).toEqual(many.toSorted());
    }
  });

  it('may be named by custom ids, answered as they were sent', async () => {
    const group = await createGroup();
    const customIds = ['fan ü/1', '0'.repeat(255)];
    for (const id of customIds) await server.sdk.profiles.createByCustomId(id);
    expect(await add(group, { custom_ids: [...customIds, 'nobody', 'nobody'] })).toEqual({
      successfully_added: customIds,
      already_added: [],
      invalid_ids: ['nobody'],
    });
    const listed = await groups.members(group).all();
    expect(listed.map((member) => member.custom_id).toSorted()).toEqual(customIds.toSorted());
    await remove(group, { custom_ids: ['nobody', ...customIds.slice(0, 1)] });
    expect(await count(group)).toBe(1);
  });

  it('refuse both kinds of ids, none, no list, other things than strings, and more than 10,000', async () => {
    const group = await createGroup();
    const bad: unknown[] = [
      {},
      { profile_ids: [profiles[0]], custom_ids: ['x'] },
      { profile_ids: [] },
      { profile_ids: profiles[0] },
      { profile_ids: [1] },
      { profile_ids: [null] },
      { custom_ids: [['x']] },
      { profile_ids: Array.from({ length: 10_001 }, () => profiles[0]) },
      { custom_ids: ['nul\0'] },
      { custom_ids: ['\ud800'] },
      [],
      'text',
    ];
    for (const body of bad) {
      const text = JSON.stringify(body);
      const headers = { 'content-type': 'application/json' };
      expect(
        (await server.call('POST', `${GROUPS}${group}/members/`, { body: text, headers })).status,
        text.slice(0, 60),
      ).toBe(400);
      expect(
        (await server.call('DELETE', `${GROUPS}${group}/members/`, { body: text, headers })).status,
        text.slice(0, 60),
      ).toBe(400);
    }
    const most = await add(group, { profile_ids: Array.from({ length: 10_000 }, (_, i) => profiles[i % 300] ?? '') });
    expect(most.successfully_added).toHaveLength(300);
  });

  it('are removed by JSON under any Content-Type and under the name of old clients', async () => {
    const group = await createGroup();
    await add(group, { profile_ids: profiles.slice(0, 4) });
    const path = `${GROUPS}${group}/members/`;
    const types = ['application/x-www-form-urlencoded', 'text/plain', 'application/octet-stream', 'nonsense'];
    for (const [index, type] of types.entries()) {
      const body = JSON.stringify({ [index % 2 === 0 ? 'profile_ids' : 'application_profile_ids']: [profiles[index]] });
      expect((await server.call('DELETE', path, { body, headers: { 'content-type': type } })).status, type).toBe(204);
      expect(await count(group)).toBe(3 - index);
    }
    await remove(group, { profile_ids: [...profiles.slice(0, 1), 'no uuid', crypto.randomUUID()] });
    expect((await server.call('DELETE', path)).status).toBe(400);
  });

  it('are listed by entry, newest first, and paged without repeats or gaps in both directions', async () => {
    const group = await createGroup();
    const expected: string[] = [];
    for (let i = 0; i < 30; i += 10) {
      const batch = profiles.slice(i, i + 10);
      await add(group, { profile_ids: batch });
      expected.unshift(...batch.toSorted().toReversed());
    }
    expect(await all(group, 7)).toEqual(expected);
    const path = `${GROUPS}${group}/members/`;
    let page = await get<Member>(`${path}?page_size=7`);
    expect(page.count).toBe(30);
    const forward = [page.results];
    while (page.next) forward.push((page = await get<Member>(page.next)).results);
    const back: Member[][] = [page.results];
    while (page.previous) back.unshift((page = await get<Member>(page.previous)).results);
    expect(back).toEqual(forward);
    expect((await get<Member>(`${path}?page=5&page_size=7`)).results).toEqual(forward[4]);
    expect((await server.call('GET', `${path}?page=6&page_size=7`)).status).toBe(404);
    expect((await server.call('GET', `${path}?cursor=abc`)).status).toBe(404);
    expect(await pagesOf(groups.members(group, { count: false }))).toMatchObject([{ count: null }, { count: null }]);
    const [whole, ...more] = await pagesOf(groups.members(group, { page_size: 5000 }));
    expect(whole?.results).toHaveLength(30);
    expect(more).toEqual([]);
  });

  it('number every change once, without gaps, and replay to the members', async () => {
    const group = await createGroup();
    await add(group, { profile_ids: profiles.slice(0, 50) });
    await remove(group, { profile_ids: profiles.slice(10, 30) });
    await add(group, { profile_ids: profiles.slice(20, 60) });
    const changes = await feed(group, 0, 7);
    expect(changes.map((change) => change.sequence)).toEqual(Array.from({ length: 90 }, (_, i) => i + 1));
    expect(new Set(changes.map((change) => change.cause))).toEqual(new Set(['manual']));
    const replayed = new Set<string>();
    for (const { change, profile_id: id } of changes) {
      expect(replayed.has(id)).toBe(change === 'left');
      if (change === 'entered') replayed.add(id);
      else replayed.delete(id);
    }
    expect([...replayed].toSorted()).toEqual((await all(group)).toSorted());
    expect(await feed(group, 88)).toEqual(changes.slice(88));
    const path = `${GROUPS}${group}/changes/`;
    expect(await get(`${path}?after=1000`)).toEqual({ count: 0, next: null, previous: null, results: [] });
    expect((await refusal(groups.changes(group, { after: -1 }).next())).status).toBe(400);
    expect(await get(`${path}?page=2&page_size=60`)).toMatchObject({
      count: 90,
      next: null,
      results: changes.slice(60),
    });
  });

  it('that are erased leave with that cause', async () => {
    const group = await createGroup();
    const [gone = ''] = await addProfiles(server, 1);
    await add(group, { profile_ids: [gone] });
    await server.sdk.profiles.erase(gone);
    expect(await count(group)).toBe(0);
    expect((await feed(group)).at(-1)).toMatchObject({ change: 'left', profile_id: gone, cause: 'erased' });
    expect((await add(group, { profile_ids: [gone] })).invalid_ids).toEqual([gone]);
  });

  it('are told one by one whether they are in, and since when', async () => {
    const group = await createGroup();
    const [one = '', two = ''] = profiles;
    await add(group, { profile_ids: [one] });
    const since = (await groups.members(group).all())[0]?.membership_created_at;
    const rest = { pin: null, next_change_at: null, explanation: null };
    expect(await groups.explain(group, one)).toEqual({ is_member: true, since, ...rest });
    expect(await groups.explain(group, two)).toEqual({ is_member: false, since: null, ...rest });
    expect((await refusal(groups.explain(group, crypto.randomUUID()))).status).toBe(404);
    expect((await refusal(groups.explain(group, 'nobody'))).status).toBe(404);
  });

  it('are listed in the order that was asked for, page by page and back', async () => {
    const group = await createGroup();
    const names = ['berta', 'Anna', 'anna', 'Zoë', '木村', 'Émile', 'carl'];
    const made: string[] = [];
    for (const nickname of names) {
      const { id } = await server.sdk.profiles.create({ nickname });
      await add(group, { profile_ids: [id] });
      made.push(id);
    }
    const walk = async (ordering: Ordering): Promise<string[]> => {
      const pages = await pagesOf(groups.members(group, { ordering, page_size: 2 }));
      expect(pages[0]?.count).toBe(names.length);
      const back = await get<Member>(pages.at(-1)?.previous ?? '');
      expect(back.results).toEqual(pages.at(-2)?.results);
      return pages.flatMap((page) => page.results.map((member) => member.id));
    };
    const [berta, anna, annaAgain, zoe, kimura, emile, carl] = made;
    const byName = [...[anna, annaAgain].toSorted(), berta, carl, emile, zoe, kimura];
    expect(await walk('membership_created_at')).toEqual(made);
    expect(await walk('-membership_created_at')).toEqual(made.toReversed());
    expect(await walk('nickname')).toEqual(byName);
    expect(await walk('-nickname')).toEqual(byName.toReversed());
    const [first] = await pagesOf(groups.members(group, { ordering: 'nickname', page_size: 2 }));
    const mixed = (first?.next ?? '').replace('ordering=nickname', 'ordering=-nickname');
    expect((await server.call('GET', mixed)).status).toBe(404);
    const refused = await refusal(groups.members(group, { ordering: 'size' as Ordering }).all()); // there is none
    expect([refused.status, refused.fields]).toEqual([
      400,
      { ordering: ['This must be one of: -membership_created_at, membership_created_at, nickname, -nickname.'] },
    ]);
    const [one, other] = await pagesOf(groups.members(group, { nickname: 'AN', page_size: 1 }));
    expect([one?.count, one?.results.map((member) => member.id)]).toEqual([2, [annaAgain]]);
    expect([other?.count, other?.next, other?.results.map((member) => member.id)]).toEqual([2, null, [anna]]);
    expect(await groups.members(group, { nickname: '%' }).all()).toEqual([]);
    const past = { ordering: 'nickname', as_of: new Date().toISOString() } as const;
    expect((await refusal(groups.members(group, past).all())).fields).toHaveProperty('ordering');
  });

  it('of a large group are not sorted by nickname', async () => {
    const group = await createGroup();
    await add(group, { profile_ids: profiles.slice(0, 3) });
    const { db } = server.app.context;
    await db.query(sql`update group_heads set profile_count = 10001 where group_id = ${group}`); // as if there were more
    const refused = await refusal(groups.members(group, { ordering: '-nickname' }).all());
    expect([refused.status, refused.fields]).toEqual([
      400,
      { ordering: ['Groups of more than 10000 members cannot be ordered by nickname or searched.'] },
    ]);
    expect((await refusal(groups.members(group, { nickname: 'a' }).all())).fields).toHaveProperty('nickname');
    expect(await groups.members(group, { ordering: 'membership_created_at' }).all()).toHaveLength(3);
  });

  it('enter once when fifty requests race to add them', async () => {
    const group = await createGroup();
    const racing = profiles.slice(0, 20);
    const answers = await Promise.all(Array.from({ length: 50 }, () => add(group, { profile_ids: racing })));
    expect(answers.flatMap((answer) => answer.successfully_added).toSorted()).toEqual(racing.toSorted());
    expect(await count(group)).toBe(20);
    expect(await feed(group)).toHaveLength(20);
  });

  it('never contradict their count, while others add and remove', { timeout: 120_000 }, async () => {
    const group = await createGroup();
    let writing = true;
    const write = async (seed: number): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        const from = (seed * 37 + i * 13) % 250;
        const ids = profiles.slice(from, from + 1 + ((i * 7) % 40));
        await (i % 2 === 0 ? add : remove)(group, { profile_ids: ids });
      }
    };
    const newest = { sequence: 0 };
    const read = async (): Promise<number> => {
      let reads = 0;
      const replayed = new Set<string>();
      while (writing) {
        const [page] = await pagesOf(groups.members(group, { page_size: 1000 }));
        expect(page?.results.length).toBe(page?.count);
        expect(new Set(page?.results.map((member) => member.id)).size).toBe(page?.count);
        const polled = await feed(group, newest.sequence);
        polled.forEach((change, index) => expect(change.sequence).toBe(newest.sequence + index + 1));
        for (const { change, profile_id: id } of polled) {
          expect(replayed.has(id)).toBe(change === 'left');
          if (change === 'entered') replayed.add(id);
          else replayed.delete(id);
        }
        newest.sequence = polled.at(-1)?.sequence ?? newest.sequence;
        reads++;
      }
      return reads;
    };
    const reading = read();
    await Promise.all([1, 2, 3, 4].map(write)).finally(() => (writing = false));
    expect(await reading).toBeGreaterThan(5);
    expect(await count(group)).toBe((await all(group)).length);
  });
});
