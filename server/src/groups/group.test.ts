// Profile groups over HTTP: first the documented examples in their order, compared as raw text so that the order of the
// fields counts, then each rule beside them.

import {
  createAdminClient,
  type AdminClient,
  type NewProfileGroup,
  type OwnProfile,
  type ProfileGroup,
  type ProfileGroupFilter,
  type RuleTree,
} from '@grandstand/sdk/server';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CLIENT_ID, pagesOf, refusal, startTestServer, testClock, type TestServer } from '../testing/server.ts';

const GROUPS = `applications/${CLIENT_ID}/profile-groups/`;

interface List<T> {
  count: number | null;
  next: string | null;
  previous: string | null;
  results: T[];
}

describe('profile groups', () => {
  let server: TestServer;
  let groups: AdminClient['groups'];
  let profiles: AdminClient['profiles'];
  beforeAll(async () => {
    server = await startTestServer({ clock: testClock() });
    ({ groups, profiles } = server.sdk);
  });
  afterAll(() => server.close());

  const createGroup = (fields: Partial<NewProfileGroup> = {}) => groups.create({ name: 'A group', ...fields });
  /** As a fan who opens the app: without a credential. */
  const createProfile = (): Promise<OwnProfile> => server.as(null).profiles.create();
  const status = async (call: Promise<unknown>): Promise<number> => (await refusal(call)).status;

  describe('as the reference shows them, in order', () => {
    /** The field names of the first object in a raw answer whose list of fields starts with these. */
    const raw = async (method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> => {
      const response = await fetch(server.api(path), {
        method,
        headers: {
          authorization: 'Bearer an-admin-token-that-is-long-enough',
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      return { status: response.status, text: await response.text() };
    };
    const inOrder = (text: string, fields: string[]): void => {
      const places = fields.map((field) => text.indexOf(`"${field}":`));
      expect(places.every((place) => place >= 0)).toBe(true);
      expect(places).toEqual(places.toSorted((a, b) => a - b));
    };
    const FIELDS = ['id', 'name', 'is_active', 'description', 'profile_count', 'custom_id', 'created_at', 'attributes'];

    it('answers every documented call for static groups', async () => {
      const attributes = [{ key: 'key1', value: 'val1' }];
      const created = await raw('POST', GROUPS, {
        name: 'Group1',
        is_active: true,
        description: 'Sample Profile Group',
        attributes,
      });
      expect(created.status).toBe(201);
      expect(created.text.startsWith('{"id":')).toBe(true);
      inOrder(created.text, [...FIELDS, 'membership_type']);
      const group = JSON.parse(created.text) as ProfileGroup;
      expect(group).toMatchObject({
        name: 'Group1',
        is_active: true,
        description: 'Sample Profile Group',
        profile_count: 0,
        custom_id: null,
        attributes,
      });
      expect(group.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);

      const listed = await raw('GET', GROUPS);
      inOrder(listed.text, ['count', 'next', 'previous', 'results', ...FIELDS]);
      expect(JSON.parse(listed.text)).toMatchObject({
        count: 1,
        next: null,
        previous: null,
        results: [{ id: group.id }],
      });
      expect((await raw('GET', `${GROUPS}?membership_type=dynamic`)).text).toBe(
        '{"count":0,"next":null,"previous":null,"results":[]}',
      );

      const patched = await raw('PATCH', `${GROUPS}${group.id}/`, { name: 'Group - edited', is_active: true });
      expect(patched.status).toBe(200);
      inOrder(patched.text, FIELDS);
      expect(JSON.parse(patched.text)).toMatchObject({
        name: 'Group - edited',
        description: 'Sample Profile Group',
        attributes,
      });

      const one = await createProfile();
      const added = await raw('POST', `${GROUPS}${group.id}/members/`, { profile_ids: [one.id] });
      expect(added).toEqual({
        status: 200,
        text: `{"successfully_added":["${one.id}"],"already_added":[],"invalid_ids":[]}`,
      });
      const customId = '111bb1aa-c1da-42d2-886e-c48b2bf803a8';
      const two = await server.call<{ id: string }>('POST', `profile-by-custom-id/${CLIENT_ID}/${customId}/`);
      const byCustomId = await raw('POST', `${GROUPS}${group.id}/members/`, { custom_ids: [customId] });
      expect(byCustomId.text).toBe(`{"successfully_added":["${customId}"],"already_added":[],"invalid_ids":[]}`);
      const bulk = await raw('POST', `${GROUPS}${group.id}/members/`, { profile_ids: [one.id, two.body.id] });
      expect(JSON.parse(bulk.text)).toEqual({
        successfully_added: [],
        already_added: [one.id, two.body.id],
        invalid_ids: [],
      });

      const removed = await raw('DELETE', `${GROUPS}${group.id}/members/`, { custom_ids: [customId] });
      expect(removed).toEqual({ status: 204, text: '' });

      const ofProfile = await raw('GET', `applications/${CLIENT_ID}/profiles/${one.id}/profile-groups/`);
      expect(ofProfile.text).toBe(
        `{"count":1,"next":null,"previous":null,"results":[{"group_id":"${group.id}","group_name":"Group - edited","profile_count":1,` +
          `"is_active":true,"created_at":"${group.created_at}","custom_id":null}]}`,
      );

      const members = await raw('GET', `${GROUPS}${group.id}/members/`);
      const { results } = JSON.parse(members.text) as List<{ membership_created_at: string }>;
      expect(members.text).toBe(
        `{"count":1,"next":null,"previous":null,"results":[{"id":"${one.id}","nickname":"${one.nickname}","custom_id":null,` +
          `"membership_created_at":"${results[0]?.membership_created_at}"}]}`,
      );
      expect(results[0]?.membership_created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);

      expect(await raw('DELETE', `${GROUPS}${group.id}`)).toEqual({ status: 204, text: '' });
      expect((await raw('GET', `${GROUPS}${group.id}/`)).status).toBe(404);
    });

    it('answers every documented call for dynamic groups, the rule included', async () => {
      const leaf = { attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 20 };
      const tree = {
        operator: 'OR',
        children: [leaf, { ...leaf, window: 'P7D' }, { operator: 'AT_LEAST', count: 1, children: [leaf] }],
      };
      const fields = { name: 'Group1', membership_type: 'dynamic', rule_tree: tree };
      const created = await raw('POST', GROUPS, fields);
      expect(created.status).toBe(201);
      const { id } = JSON.parse(created.text) as { id: string };
      const shown = (extra = '') =>
        `{"value":20,"attribute":"total_comments_posted","condition":"greater_than_or_equal"${extra}}`;
      const rule =
        `"rule_tree":{"children":[{"children":[${shown()},${shown(',"window":"P7D"')},` +
        `{"children":[${shown()}],"operator":"AT_LEAST","count":1}],"operator":"OR"}],"operator":"AND"}}`;
      const one = await raw('GET', `${GROUPS}${id}/`);
      const listed = await raw('GET', `${GROUPS}?membership_type=dynamic`);
      const patched = await raw('PATCH', `${GROUPS}${id}/`, { name: 'Group1' });
      for (const { text } of [created, one, listed, patched]) {
        const body = text.slice(text.indexOf(`{"id":"${id}"`));
        expect(body.match(/"(\w+)":/g)?.slice(0, 8)).toEqual(FIELDS.slice(0, 8).map((field) => `"${field}":`));
        expect(body).toMatch(
          /"attributes":\[\],"membership_type":"dynamic","ruleset":\{"id":"[0-9a-f-]{36}","rule_tree":/,
        );
        expect(body).toContain(rule);
      }
      const { text } = await raw('GET', `${GROUPS}${id}/rulesets/`);
      expect(text).toContain(rule.slice(0, -1));
      expect((await raw('DELETE', `${GROUPS}${id}/`)).status).toBe(204);
    });
  });

  it('are for admin tokens alone, but for a profile’s own', async () => {
    const group = await createGroup();
    const hidden = await createGroup({ visible_to_members: false });
    const [me, other] = [await createProfile(), await createProfile()];
    for (const { id } of [group, hidden]) await groups.addMembers(id, { profile_ids: [me.id] });
    for (const [token, refused] of [
      [null, 401],
      [me.access_token, 403],
    ] as const) {
      const as = server.as(token).groups;
      expect(await status(as.list().all())).toBe(refused);
      expect(await status(as.get(group.id))).toBe(refused);
      expect(await status(as.members(group.id).all())).toBe(refused);
      expect(await status(as.changes(group.id).next())).toBe(refused);
    }
    const [mine] = await pagesOf(server.as(me.access_token).profiles.groups(me.id));
    expect(mine).toMatchObject({ count: 1, results: [{ group_id: group.id }] });
    expect(await pagesOf(profiles.groups(me.id))).toMatchObject([{ count: 2 }]);
    expect(await status(server.as(other.access_token).profiles.groups(me.id).all())).toBe(403);
    expect(await status(profiles.groups(crypto.randomUUID()).all())).toBe(404);
  });

  it('are named in paths by id or by custom id, which belongs to one group', async () => {
    const group = await createGroup({ custom_id: 'vip/2026 ü' });
    const named = 'custom:vip/2026 ü';
    expect((await groups.get(named)).id).toBe(group.id);
    expect((await groups.get(group.id.toUpperCase())).id).toBe(group.id);
    expect(await refusal(groups.create({ name: 'Other', custom_id: 'vip/2026 ü' }))).toMatchObject({
      status: 409,
      code: 'conflict',
      message: "profile group with custom_id 'vip/2026 ü' already exists.",
    });
    const other = await createGroup();
    expect(await status(groups.update(other.id, { custom_id: 'vip/2026 ü' }))).toBe(409);
    await groups.update(named, { custom_id: null });
    expect(await groups.update(other.id, { custom_id: 'vip/2026 ü' })).toMatchObject({ custom_id: 'vip/2026 ü' });
    expect(await status(groups.get('custom:nobody'))).toBe(404);
    expect(await status(groups.get('not-an-id'))).toBe(404);
  });

  it('are found by each filter and by several at once', async () => {
    const tag = crypto.randomUUID();
    const red = await createGroup({
      name: `Lions_${tag}`,
      custom_id: `red-${tag}`,
      attributes: [
        { key: 'a:b', value: tag },
        { key: 'team', value: 'red:1' },
      ],
    });
    const blue = await createGroup({ name: `Lions%${tag}`, attributes: [{ key: 'team', value: `blue ${tag}` }] });
    const ids = async (filter: ProfileGroupFilter) => (await groups.list(filter).all()).map(({ id }) => id);
    expect(await ids({ custom_id: `red-${tag}` })).toEqual([red.id]);
    expect(await ids({ name: `lions_${tag}` })).toEqual([red.id]);
    expect(await ids({ name: `Lions%${tag}` })).toEqual([blue.id]);
    expect(await ids({ attributes: [`team:blue ${tag}`] })).toEqual([blue.id]);
    expect(await ids({ attributes: ['team:red:1', 'nobody:x'] })).toEqual([]);
    const attributes = ['team:red:1'];
    expect(await ids({ attributes, custom_id: `red-${tag}`, membership_type: 'static', is_active: true })).toEqual([
      red.id,
    ]);
    for (const bad of [
      '?membership_type=other',
      '?is_active=maybe',
      '?attributes=nocolon',
      '?page_size=0',
      '?count=1',
    ]) {
      expect((await server.call('GET', `${GROUPS}${bad}`)).status, bad).toBe(400);
    }
  });

  it('come newest first, in pages that repeat and skip nothing', async () => {
    const tag = crypto.randomUUID();
    const made: string[] = [];
    for (let i = 0; i < 5; i++) made.unshift((await createGroup({ name: `${tag} ${i}` })).id);
    const pages = await pagesOf(groups.list({ name: tag, page_size: 2 }));
    expect(pages.map(({ count }) => count)).toEqual([5, 5, 5]);
    expect(pages.flatMap(({ results }) => results.map(({ id }) => id))).toEqual(made);
  });

  it('say every problem of a body at once', async () => {
    const refused = await refusal(
      groups.create({
        name: '  ',
        custom_id: '',
        description: 'x'.repeat(10_001),
        attributes: [
          { key: 'a', value: 'b' },
          { key: 'a', value: 'b' },
        ],
        rule_tree: {} as RuleTree, // it is none
      }),
    );
    expect(refused).toMatchObject({ status: 400, code: 'invalid' });
    expect(Object.keys(refused.fields).toSorted()).toEqual([
      'attributes[1]',
      'custom_id',
      'description',
      'name',
      'rule_tree',
    ]);
    expect((await server.call('POST', GROUPS, { body: { is_active: true } })).body).toEqual({
      name: ['This field is required.'],
    });
    expect((await server.call('POST', GROUPS, { body: { name: 'x', membership_type: 'other' } })).status).toBe(400);
    expect((await server.call('POST', GROUPS, { body: { name: 'x', unknown_field: 1 } })).status).toBe(201);
  });

  it('keep their membership type', async () => {
    const group = await createGroup();
    const refused = await server.call('PATCH', `${GROUPS}${group.id}/`, { body: { membership_type: 'dynamic' } });
    expect(refused).toMatchObject({ status: 400, body: { membership_type: ['This cannot change.'] } });
    expect((await server.call('PATCH', `${GROUPS}${group.id}/`, { body: { membership_type: 'static' } })).status).toBe(
      200,
    );
  });

  it('refuse a change that did not see the newest one', async () => {
    const group = await createGroup();
    await groups.update(group.id, { name: 'First' }, group.updated_at);
    const second = await refusal(groups.update(group.id, { name: 'Second' }, group.updated_at));
    expect(second).toMatchObject({ status: 412, code: 'precondition_failed' });
    expect((await groups.get(group.id)).name).toBe('First');
  });

  describe('that are deactivated', () => {
    let group: ProfileGroup;
    let member: OwnProfile;
    beforeEach(async () => {
      group = await createGroup({ custom_id: crypto.randomUUID() });
      member = await createProfile();
      await groups.addMembers(group.id, { profile_ids: [member.id] });
      expect(await groups.update(group.id, { is_active: false })).toMatchObject({ is_active: false });
    });

    it('are 404 on every call and gone from every list', async () => {
      const path = `${GROUPS}${group.id}/`;
      const calls: [string, string, unknown?][] = [
        ['GET', path],
        ['GET', `${GROUPS}custom:${group.custom_id}/`],
        ['PATCH', path, { is_active: true }],
        ['DELETE', path],
        ['GET', `${path}members/`],
        ['POST', `${path}members/`, { profile_ids: [member.id] }],
        ['DELETE', `${path}members/`, { profile_ids: [member.id] }],
        ['GET', `${path}members/${member.id}/`],
        ['GET', `${path}changes/`],
        ['GET', `${path}size/`],
      ];
      for (const [method, at, body] of calls)
        expect((await server.call(method, at, { body })).status, `${method} ${at}`).toBe(404);
      const put = await server.call('PUT', `${path}members/`, {
        body: `"${member.id}"\n`,
        headers: { 'content-type': 'application/x-ndjson' },
      });
      expect(put.status).toBe(404);
      const filter = { custom_id: group.custom_id ?? '' };
      expect(await pagesOf(groups.list(filter))).toMatchObject([{ count: 0 }]);
      expect(await groups.list({ ...filter, is_active: false }).all()).toMatchObject([{ id: group.id }]);
      expect(await pagesOf(server.as(member.access_token).profiles.groups(member.id))).toMatchObject([{ count: 0 }]);
    });

    it('come back with their members', async () => {
      expect(await groups.restore(group.id)).toMatchObject({ is_active: true, profile_count: 1 });
      expect((await groups.members(group.id).all()).map(({ id }) => id)).toEqual([member.id]);
      expect(await groups.restore(group.id)).toMatchObject({ is_active: true, profile_count: 1 });
    });

    it('still leave no member that was erased meanwhile', async () => {
      await profiles.erase(member.id);
      expect((await groups.restore(group.id)).profile_count).toBe(0);
    });
  });

  it('leave nothing behind when deleted, however many members they had', async () => {
    const group = await createGroup({ custom_id: crypto.randomUUID() });
    const member = await createProfile();
    await groups.addMembers(group.id, { profile_ids: [member.id] });
    await groups.delete(group.id);
    expect(await status(groups.restore(group.id))).toBe(404);
    expect(await pagesOf(profiles.groups(member.id))).toMatchObject([{ count: 0 }]);
    await server.app.context.groupChores.run();
    for (const table of [
      'members',
      'changes',
      'group_sizes',
      'group_flows',
      'group_epochs',
      'group_heads',
      'group_deletions',
      'backfills',
    ]) {
      const { rowCount } = await server.app.context.db.pool.query(`select from ${table} where group_id = $1`, [
        group.id,
      ]);
      expect(rowCount, table).toBe(0);
    }
    expect(await groups.create({ name: 'Again', custom_id: group.custom_id })).toMatchObject({
      custom_id: group.custom_id,
    });
  });

  it('of another application are 404, and its path is 403', async () => {
    const { createApplication, createAdminToken } = await import('../applications/application-service.ts');
    const { application } = await createApplication(server.app.context, { clientId: 'other-app', name: 'Other' });
    const { token } = await createAdminToken(server.app.context, application.id, { name: 'other' });
    const group = await createGroup();
    const other = createAdminClient({ clientId: 'other-app', endpoint: server.url, accessToken: token, retries: 0 });
    expect(await status(other.groups.get(group.id))).toBe(404);
    expect(await status(server.as(token).groups.get(group.id))).toBe(403);
    const stranger = await other.profiles.create();
    expect(await groups.addMembers(group.id, { profile_ids: [stranger.id] })).toEqual({
      successfully_added: [],
      already_added: [],
      invalid_ids: [stranger.id],
    });
  });
});
