// What became of a group's members: the past by `as_of`, size over time, and who reads a group.

import { type AdminClient, type Member, type RuleTree } from '@grandstand/sdk/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../database/database.ts';
import { addProfiles } from '../testing/profiles.ts';
import {
  CLIENT_ID,
  pagesOf,
  refusal,
  startTestServer,
  testClock,
  type TestClock,
  type TestServer,
} from '../testing/server.ts';

const GROUPS = `applications/${CLIENT_ID}/profile-groups/`;

describe('the history of a group', () => {
  let server: TestServer;
  let clock: TestClock;
  let groups: AdminClient['groups'];
  let profiles: string[];
  beforeAll(async () => {
    clock = testClock('2026-03-01T10:00:00Z');
    server = await startTestServer({ clock });
    ({ groups } = server.sdk);
    profiles = await addProfiles(server, 40);
  });
  afterAll(() => server.close());

  const createGroup = async (): Promise<string> => (await groups.create({ name: 'History' })).id;
  const add = (group: string, ids: string[]) => groups.addMembers(group, { profile_ids: ids });
  const remove = (group: string, ids: string[]) => groups.removeMembers(group, { profile_ids: ids });
  const replace = (group: string, ids: string[]) =>
    groups.replaceMembers(group, ids.map((id) => `"${id}"\n`).join('') || '\n', 'application/x-ndjson');
  const asOf = async (
    group: string,
    at: string,
    size = 1000,
  ): Promise<{ ids: string[]; count: number | null | undefined; rows: Member[] }> => {
    const pages = await pagesOf(groups.members(group, { as_of: at, page_size: size }));
    const rows = pages.flatMap(({ results }) => results);
    return { ids: rows.map((row) => row.id), count: pages.at(-1)?.count, rows };
  };

  it('gives the members at any instant of the past, whatever happened since', async () => {
    const group = await createGroup();
    clock.set('2026-03-01T10:10:00Z');
    await add(group, profiles.slice(0, 10));
    clock.set('2026-03-01T10:20:00Z');
    await remove(group, profiles.slice(0, 5));
    clock.set('2026-03-01T10:30:00Z');
    await replace(group, profiles.slice(3, 20));
    clock.set('2026-03-01T10:40:00Z');
    await remove(group, profiles.slice(3, 4));
    await server.sdk.profiles.erase(profiles[19] ?? '');
    clock.set('2026-03-01T11:00:00Z');

    const at = async (minute: string) => (await asOf(group, `2026-03-01T10:${minute}:00Z`)).ids.toSorted();
    expect(await at('05')).toEqual([]);
    expect(await at('10')).toEqual([]);
    expect(await at('15')).toEqual(profiles.slice(0, 10).toSorted());
    expect(await at('25')).toEqual(profiles.slice(5, 10).toSorted());
    expect(await at('35')).toEqual(profiles.slice(3, 20).toSorted());
    expect(await at('45')).toEqual(profiles.slice(4, 19).toSorted());

    const paged = await asOf(group, '2026-03-01T10:35:00Z', 4);
    expect(paged.count).toBe(17);
    expect(paged.ids.toSorted()).toEqual(profiles.slice(3, 20).toSorted());
    const entered = paged.rows.map((row) => row.membership_created_at);
    expect(entered).toEqual(entered.toSorted().toReversed());
    expect(paged.rows.find((row) => row.id === profiles[19])).toMatchObject({ nickname: null, custom_id: null });
    const now = await asOf(group, '2026-03-01T11:00:00Z');
    const present = await groups.members(group, { page_size: 100 }).all();
    expect(now.ids.toSorted()).toEqual(present.map((row) => row.id).toSorted());
  });

  it('does not tell the future', async () => {
    const group = await createGroup();
    clock.set('2026-03-01T11:10:00Z');
    for (const at of ['2026-03-01T11:20:00Z', 'yesterday', '2026-02-30']) {
      const refused = await refusal(groups.members(group, { as_of: at }).all());
      expect(refused.status, at).toBe(400);
      expect(Object.keys(refused.fields)).toEqual(['as_of']);
    }
  });

  it('counts entries, leaves and size by hour and by day', async () => {
    clock.set('2026-03-02T08:30:00Z');
    const group = await createGroup();
    await add(group, profiles.slice(0, 6));
    clock.set('2026-03-02T08:59:59.5Z');
    await remove(group, profiles.slice(0, 2));
    clock.set('2026-03-02T11:00:00Z');
    await replace(group, profiles.slice(5, 15));
    clock.set('2026-03-03T01:15:00Z');
    await remove(group, profiles.slice(5, 6));
    clock.set('2026-03-03T01:30:00Z');

    const hours = await groups.size(group, {
      interval: 'hour',
      since: '2026-03-02T08:20:00Z',
      until: '2026-03-02T13:00:00Z',
    });
    expect(hours).toEqual({
      interval: 'hour',
      since: '2026-03-02T08:00:00.000000Z',
      until: '2026-03-02T13:00:00.000000Z',
      results: [
        { at: '2026-03-02T08:00:00.000000Z', size: 4, entered: 6, left: 2 },
        { at: '2026-03-02T09:00:00.000000Z', size: 4, entered: 0, left: 0 },
        { at: '2026-03-02T10:00:00.000000Z', size: 4, entered: 0, left: 0 },
        { at: '2026-03-02T11:00:00.000000Z', size: 10, entered: 9, left: 3 },
        { at: '2026-03-02T12:00:00.000000Z', size: 10, entered: 0, left: 0 },
      ],
    });
    const days = await groups.size(group, { interval: 'day', since: '2026-03-01', until: '2026-03-10' });
    expect(days.results).toEqual([
      { at: '2026-03-01T00:00:00.000000Z', size: 0, entered: 0, left: 0 },
      { at: '2026-03-02T00:00:00.000000Z', size: 10, entered: 15, left: 5 },
      { at: '2026-03-03T00:00:00.000000Z', size: 9, entered: 0, left: 1 },
    ]);
    const recent = await groups.size(group);
    expect(recent.results).toHaveLength(24);
    expect(recent.results.at(-1)).toMatchObject({ at: '2026-03-03T01:00:00.000000Z', size: 9 });
    for (const bad of ['interval=week', 'since=x', 'since=2026-03-03&until=2026-03-02', 'since=1950-01-01']) {
      expect((await server.call('GET', `${GROUPS}${group}/size/?${bad}`)).status, bad).toBe(400);
    }
  });

  it('gives the sizes of many groups in one answer, as each group gives its own', async () => {
    clock.set('2026-04-01T08:30:00Z');
    const [first, second, quiet, gone] = [
      await createGroup(),
      await createGroup(),
      await createGroup(),
      await createGroup(),
    ];
    await add(first, profiles.slice(0, 6));
    clock.set('2026-04-02T09:00:00Z');
    await add(second, profiles.slice(0, 3));
    await remove(first, profiles.slice(0, 2));
    await groups.update(gone, { is_active: false });
    clock.set('2026-04-04T10:00:00Z');
    await add(first, profiles.slice(0, 1));

    const ids = [second, quiet, gone, crypto.randomUUID(), first, second];
    const days = { interval: 'day', since: '2026-04-01', until: '2026-04-03' } as const;
    expect(await groups.sizes(ids, days)).toEqual({
      interval: 'day',
      since: '2026-04-01T00:00:00.000000Z',
      until: '2026-04-03T00:00:00.000000Z',
      results: [
        { group_id: second, sizes: [0, 3] },
        { group_id: quiet, sizes: [0, 0] },
        { group_id: first, sizes: [6, 4] },
      ],
    });
    // What came before the range counts though it is not read, and a range that is still running ends with the present.
    for (const options of [{}, { interval: 'day' }, { interval: 'day', since: '2026-04-03' }] as const) {
      const { results } = await groups.sizes([first, second], options);
      for (const { group_id: id, sizes } of results)
        expect(sizes).toEqual((await groups.size(id, options)).results.map(({ size }) => size));
      expect(results.map(({ sizes }) => sizes.at(-1))).toEqual([5, 3]);
    }
  });

  it('refuses to give the sizes of groups that nobody named, or of too many', async () => {
    const id = crypto.randomUUID();
    for (const [bad, fields] of [
      ['', ['id']],
      ['id=custom:x', ['id']],
      ['id=x&interval=week', ['id', 'interval']],
      [Array.from({ length: 101 }, () => `id=${id}`).join('&'), ['id']],
    ] as const) {
      const { status, body } = await server.call<object>('GET', `${GROUPS}sizes/?${bad}`);
      expect([status, Object.keys(body)], bad).toEqual([400, fields]);
    }
  });

  it('tells who came and went by hour or day and by cause, whether one by one, many at once or by a switch', async () => {
    const group = await createGroup();
    clock.set('2026-03-02T10:10:00Z');
    await add(group, profiles.slice(0, 9));
    await remove(group, profiles.slice(0, 2));
    clock.set('2026-03-02T11:20:00Z');
    await replace(group, profiles.slice(5, 15));
    clock.set('2026-03-03T01:00:00Z');
    await remove(group, profiles.slice(5, 6));
    const [extra = ''] = await addProfiles(server, 1);
    await add(group, [extra]);
    await server.sdk.profiles.erase(extra);
    const flow = async (interval: 'hour' | 'day') =>
      (
        await groups.flow(group, { interval, since: '2026-03-02T00:00:00Z', until: '2026-03-04T00:00:00Z' })
      ).results.map(({ at, cause, entered, left }) => `${at.slice(5, 13)} ${cause} +${entered} -${left}`);
    expect(await flow('hour')).toEqual([
      '03-02T10 manual +9 -2',
      '03-02T11 import +6 -3',
      '03-03T01 erased +0 -1',
      '03-03T01 manual +1 -1',
    ]);
    expect(await flow('day')).toEqual([
      '03-02T00 import +6 -3',
      '03-02T00 manual +9 -2',
      '03-03T00 erased +0 -1',
      '03-03T00 manual +1 -1',
    ]);
    const { results: sizes } = await groups.size(group, {
      since: '2026-03-02T00:00:00Z',
      until: '2026-03-04T00:00:00Z',
    });
    const total = (of: 'entered' | 'left') => sizes.reduce((sum, step) => sum + step[of], 0);
    expect([total('entered'), total('left')]).toEqual([16, 7]);
    // What was counted before causes were has none.
    await server.app.context.db.query(sql`delete from group_flows where group_id = ${group} and cause = 'manual'`);
    expect(await flow('day')).toEqual([
      '03-02T00 null +9 -2',
      '03-02T00 import +6 -3',
      '03-03T00 null +1 -1',
      '03-03T00 erased +0 -1',
    ]);
    expect(
      (await groups.flow(group, { since: '2026-03-02T11:00:00Z', until: '2026-03-02T12:00:00Z' })).results,
    ).toHaveLength(1);
  });

  it('keeps a group that a rule reads, and names the readers', async () => {
    const group = await createGroup();
    const rule: RuleTree = { attribute: 'profile_group', condition: 'in', value: [group] };
    const reader = await groups.create({
      name: 'The reader',
      membership_type: 'dynamic',
      rule_tree: { operator: 'OR', children: [rule] },
    });
    for (const call of [() => groups.delete(group), () => groups.update(group, { is_active: false })]) {
      const refused = await refusal(call());
      expect(refused.status).toBe(409);
      expect(refused.message).toContain(`'The reader' (${reader.id})`);
    }
    expect(await groups.readers(group)).toEqual({ results: [{ id: reader.id, name: 'The reader', custom_id: null }] });
    expect(await groups.readers(reader.id)).toEqual({ results: [] });
    expect(await groups.update(group, { name: 'Still here' })).toMatchObject({ name: 'Still here' });
    await groups.delete(reader.id);
    await groups.delete(group);
  });

  it('keeps the custom id by which a rule names it, and names the readers', async () => {
    const named = `named-${crypto.randomUUID()}`;
    const path = `${GROUPS}${await createGroup()}/`;
    const set = (custom_id: string | null) => server.call('PATCH', path, { body: { custom_id } });
    expect((await set(named)).status).toBe(200);
    const reading = (value: string) => ({ attribute: 'profile_group', condition: 'not_in', value: [value] });
    const reader = await server.call<{ id: string }>('POST', GROUPS, {
      body: { name: 'By name', membership_type: 'dynamic', rule_tree: reading(`custom:${named}`) },
    });
    await server.call('POST', GROUPS, {
      body: {
        name: 'By another',
        membership_type: 'dynamic',
        rule_tree: {
          operator: 'OR',
          children: [
            { attribute: 'nickname', condition: 'in', value: [`custom:${named}`] },
            reading((await server.call<{ id: string }>('GET', path)).body.id),
          ],
        },
      },
    });
    for (const next of [null, `${named}-2`]) {
      expect(await set(next)).toMatchObject({
        status: 409,
        body: {
          detail: `The custom_id of this group cannot change: the rule of 'By name' (${reader.body.id}) reads it as 'custom:${named}'.`,
          error_code: 'conflict',
        },
      });
    }
    expect((await set(named)).status).toBe(200);
    // A rule that was superseded is still served until the new one is filled.
    const readerPath = `${GROUPS}${reader.body.id}/`;
    await server.app.worker.tick();
    await server.call('PATCH', readerPath, { body: { rule_tree: { ...reading('x'), value: [await createGroup()] } } });
    expect((await set(null)).status).toBe(409);
    await server.app.worker.tick();
    expect(await set(null)).toMatchObject({ status: 200, body: { custom_id: null } });
  });

  it('refuses a rule over a group that is not there, with every other problem', async () => {
    const rule: RuleTree = {
      operator: 'OR',
      children: [{ attribute: 'profile_group', condition: 'in', value: ['custom:nobody'] }],
    };
    const refused = await refusal(groups.create({ name: '', membership_type: 'dynamic', rule_tree: rule }));
    expect(refused.status).toBe(400);
    expect(Object.keys(refused.fields)).toEqual(
      expect.arrayContaining(['name', expect.stringContaining('rule_tree.children[0].value') as string]),
    );
    expect((await refusal(groups.create({ name: 'x', membership_type: 'dynamic' }))).status).toBe(400);
  });
});
