import { jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  ApiError,
  createAdminClient,
  signProfileToken,
  type AdminClient,
  type MembershipChange,
  type RuleTree,
} from './server.ts';
import { ADMIN_TOKEN, CLIENT_ID, CLIENT_SECRET, faultyFetch, startTestServer, type TestServer } from './testing/sdk.ts';

let server: TestServer;
let admin: AdminClient;
beforeAll(async () => {
  server = await startTestServer();
  admin = createAdminClient({ clientId: CLIENT_ID, endpoint: server.url, accessToken: ADMIN_TOKEN });
});
afterAll(() => server.close());

describe('a back end', () => {
  it('makes, finds, changes, lists and erases profiles', async () => {
    const made = await admin.profiles.createByCustomId('fan/1', {
      nickname: 'Ann',
      attributes: [{ key: 'team', value: 'lions' }],
    });
    expect(made.access_token).toEqual(expect.any(String));
    await expect(admin.profiles.createByCustomId('fan/1')).rejects.toMatchObject({ status: 409, code: 'conflict' });
    const found = await admin.profiles.getByCustomId('fan/1');
    expect(found).toMatchObject({ id: made.id, nickname: 'Ann' });
    await admin.profiles.update(found.id, { nickname: 'Anna' }, found.updated_at);
    await expect(admin.profiles.update(found.id, { nickname: 'Annie' }, found.updated_at)).rejects.toMatchObject({
      status: 412,
      code: 'precondition_failed',
    });
    const results = await admin.profiles.upsert([{ custom_id: 'fan/1', nickname: 'A' }, { custom_id: 'fan/2' }]);
    expect(results.map(({ status }) => status)).toEqual(['updated', 'created']);
    expect(await admin.profiles.list({ attributes: ['team:lions'] }).all()).toMatchObject([
      { id: made.id, nickname: 'A' },
    ]);
    const token = await admin.profiles.rotateToken(made.id);
    await expect(server.call('GET', `applications/${CLIENT_ID}/profile/`, { token })).resolves.toMatchObject({
      status: 200,
    });
    await expect(
      server.call('GET', `applications/${CLIENT_ID}/profile/`, { token: made.access_token }),
    ).resolves.toMatchObject({ status: 401 });
    await admin.profiles.erase(made.id);
    await expect(admin.profiles.get(made.id)).rejects.toMatchObject({ name: 'ApiError', status: 404 });
  });

  it('sends nothing where an id would lead to another call', async () => {
    const { id } = await admin.profiles.create();
    const sent = vi.fn<typeof fetch>();
    const careful = createAdminClient({
      clientId: CLIENT_ID,
      endpoint: server.url,
      accessToken: ADMIN_TOKEN,
      fetch: sent,
    });
    for (const wrong of ['', '.', '..']) {
      await expect(careful.activities.delete(id, wrong)).rejects.toThrow(/empty, '\.' or '\.\.'/);
      await expect(careful.profiles.erase(wrong)).rejects.toThrow(TypeError);
      await expect(careful.groups.delete(wrong)).rejects.toThrow(TypeError);
      await expect(careful.profiles.getByCustomId(wrong)).rejects.toThrow(TypeError);
      await expect(careful.profiles.groups(wrong).all()).rejects.toThrow(TypeError);
    }
    for (const path of ['profiles/%2e%2E/', 'profiles/.%2e/', 'profiles//', 'profiles/..', 'a\\..\\b/'])
      await expect(careful.request('DELETE', path)).rejects.toThrow(TypeError);
    expect(sent).not.toHaveBeenCalled();
    expect(await admin.profiles.get(id)).toMatchObject({ id });
    await expect(admin.profiles.getByCustomId('...')).rejects.toMatchObject({ status: 404 });
    await expect(admin.request('GET', `profiles/${id}/?a=..`)).resolves.toMatchObject({ id });
  });

  it('keeps groups, their members and every change', async () => {
    const fans = await Promise.all(Array.from({ length: 5 }, () => admin.profiles.create()));
    const ids = fans.map(({ id }) => id);
    const group = await admin.groups.create({
      name: 'Regulars',
      custom_id: 'regulars',
      description: 'They come back.',
      attributes: [{ key: 'k', value: 'v' }],
    });
    expect(group).toMatchObject({ membership_type: 'static', profile_count: 0 });
    expect(await admin.groups.addMembers('custom:regulars', { profile_ids: [...ids, 'nobody'] })).toEqual({
      successfully_added: ids,
      already_added: [],
      invalid_ids: ['nobody'],
    });
    await admin.groups.removeMembers(group.id, { profile_ids: ids.slice(0, 1) });
    expect((await admin.groups.get(group.id)).profile_count).toBe(4);
    expect((await admin.groups.members(group.id, { page_size: 2 }).all()).map(({ id }) => id).sort()).toEqual(
      ids.slice(1).sort(),
    );
    expect(await admin.groups.explain(group.id, ids[1] ?? '')).toMatchObject({ is_member: true });
    expect(await admin.profiles.groups(ids[1] ?? '').all()).toMatchObject([
      { group_id: group.id, group_name: 'Regulars' },
    ]);
    expect(
      await admin.groups.replaceMembers(group.id, `profile_id\n${ids.slice(0, 2).join('\n')}\n`, 'text/csv'),
    ).toMatchObject({ added: 1, removed: 3, unchanged: 1 });
    const stream = new Blob([ids.map((id) => JSON.stringify(id)).join('\n')]).stream();
    expect(await admin.groups.replaceMembers(group.id, stream, 'application/x-ndjson')).toMatchObject({
      added: 3,
      removed: 0,
    });

    const members = new Set<string>();
    let sequence = 0;
    for await (const change of admin.groups.changes(group.id)) {
      expect(change.sequence).toBe(++sequence);
      if (change.change === 'entered') members.add(change.profile_id);
      else members.delete(change.profile_id);
    }
    expect([...members].sort()).toEqual([...ids].sort());
    expect((await admin.groups.size(group.id)).results.at(-1)?.size).toBe(5);
    expect(await admin.groups.list({ custom_id: 'regulars' }).all()).toHaveLength(1);
    expect(await admin.groups.update(group.id, { name: 'Faithful' })).toMatchObject({ name: 'Faithful' });
    await admin.groups.update(group.id, { is_active: false });
    await expect(admin.groups.get(group.id)).rejects.toBeInstanceOf(ApiError);
    expect(await admin.groups.restore(group.id)).toMatchObject({ profile_count: 5 });
    await admin.groups.delete(group.id);
  });

  it('follows changes as they come, until it is told to stop', async () => {
    const fan = await admin.profiles.create();
    const group = await admin.groups.create({ name: 'Followed' });
    const controller = new AbortController();
    const seen: MembershipChange[] = [];
    const following = (async () => {
      for await (const change of admin.groups.changes(group.id, {
        follow: true,
        interval: 5,
        signal: controller.signal,
      }))
        seen.push(change);
    })();
    await admin.groups.addMembers(group.id, { profile_ids: [fan.id] });
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    await admin.groups.removeMembers(group.id, { profile_ids: [fan.id] });
    await vi.waitFor(() => expect(seen.map(({ change }) => change)).toEqual(['entered', 'left']));
    controller.abort(new Error('enough'));
    await expect(following).rejects.toThrow('enough');
  });

  it('makes groups by rules, previews, explains, pins, verifies and goes back', async () => {
    const fans = await Promise.all(Array.from({ length: 3 }, () => admin.profiles.create()));
    const [first, second] = fans.map(({ id }) => id) as [string, string, string]; // three were made
    await admin.activities.send([1, 2].map((n) => ({ id: `vote-${n}`, type: 'poll-voted', profile_id: first })));
    const rule: RuleTree = { attribute: 'total_poll_votes', condition: 'greater_than_or_equal', value: 2 };
    expect(await admin.groups.preview(rule)).toMatchObject({ count: 1, sample: [{ id: first }] });
    const group = await admin.groups.create({
      name: 'Voters',
      custom_id: 'voters',
      membership_type: 'dynamic',
      rule_tree: rule,
    });
    expect(group).toMatchObject({ membership_type: 'dynamic', evaluation: { state: 'filling' } });
    await vi.waitFor(
      async () => {
        await server.app.worker.tick();
        expect(await admin.groups.get('custom:voters')).toMatchObject({
          profile_count: 1,
          evaluation: { state: 'live' },
        });
      },
      { timeout: 20_000 },
    );
    expect(await admin.groups.preview({ operator: 'NOT', children: [rule] }, group.id)).toMatchObject({ leaving: 1 });
    expect(await admin.groups.pin(group.id, second, { pin: 'in', reason: 'jury' })).toMatchObject({
      pin: 'in',
      reason: 'jury',
    });
    await vi.waitFor(
      async () => {
        await server.app.worker.tick();
        expect(await admin.groups.explain(group.id, second)).toMatchObject({ is_member: true, pin: { pin: 'in' } });
      },
      { timeout: 20_000 },
    );
    await admin.groups.unpin(group.id, second);
    const { explanation } = await admin.groups.explain(group.id, first);
    expect(explanation).toMatchObject({ operator: 'AND', result: true });
    expect(await admin.groups.verify(group.id)).toMatchObject({ missing: 0, extra: 0 });
    await admin.groups.update(group.id, { rule_tree: { ...rule, value: 3 } });
    const history = await admin.groups.rulesets(group.id).all();
    expect(history).toHaveLength(2);
    expect(await admin.groups.restoreRuleset(group.id, history[1]?.id ?? '')).toMatchObject({
      ruleset: { rule_tree: history[1]?.rule_tree },
    });
    const attribute = (await admin.attributes.catalogue()).results.find(({ key }) => key === 'total_poll_votes');
    expect(attribute).toMatchObject({ type: 'number', source: 'platform' });
    await expect(
      admin.groups.create({
        name: 'Bad',
        membership_type: 'dynamic',
        rule_tree: { attribute: 'total_poll_votes', condition: 'contains', value: 1 },
      }),
    ).rejects.toMatchObject({
      code: 'invalid',
      fields: { 'rule_tree.condition': [expect.any(String)] },
    });
  });

  it('defines attributes, which profiles then have', async () => {
    expect(
      await admin.attributes.define({
        key: 'club',
        label: 'Club',
        type: 'string',
        writable_by: 'profile',
        visible_to: 'public',
      }),
    ).toMatchObject({ key: 'club', source: 'custom' });
    expect(await admin.attributes.update('club', { label: 'Favourite club' })).toMatchObject({
      label: 'Favourite club',
    });
    expect(await admin.attributes.get('club')).toMatchObject({ label: 'Favourite club' });
    await admin.attributes.delete('club');
    await expect(admin.attributes.get('club')).rejects.toMatchObject({ status: 404 });
  });

  it('sends activities, sees them come in, and defines what rules may read', async () => {
    const fan = await admin.profiles.create();
    const sent = await admin.activities.send([
      { id: 'a-1', type: 'poll-voted', profile_id: fan.id },
      { id: 'a-1', type: 'poll-voted', profile_id: fan.id },
      { id: 'a-2', type: 'no type', profile_id: fan.id },
    ]);
    expect(sent).toMatchObject({ accepted: 1, duplicates: 1, rejected: [{ index: 2, id: 'a-2' }] });
    expect(await admin.profiles.activities(fan.id).all()).toMatchObject([{ id: 'a-1', type: 'poll-voted' }]);
    await vi.waitFor(async () => {
      const tail = [];
      for await (const activity of admin.activities.tail()) tail.push(activity.id);
      expect(tail).toContain('a-1');
    });
    await admin.activities.delete(fan.id, 'a-1');
    expect(await admin.profiles.activities(fan.id).all()).toEqual([]);
    await admin.activities.registerType({ type: 'song-requested', label: 'Song requested', client: true });
    // The server's catalogue is at most a second old.
    await vi.waitFor(
      async () =>
        expect(await admin.activities.types()).toContainEqual(
          expect.objectContaining({ type: 'song-requested', client: true }),
        ),
      { timeout: 5000 },
    );
  });

  it('sees how an application stands, and what one profile did over time', async () => {
    const fan = await admin.profiles.create({ nickname: 'Overseen' });
    await admin.activities.send([
      { id: 'o1', type: 'poll-voted', profile_id: fan.id },
      { id: 'o2', type: 'poll-voted', profile_id: fan.id },
    ]);
    const group = await admin.groups.create({ name: 'The largest of all' });
    await admin.groups.addMembers(group.id, { profile_ids: [fan.id] });
    const statistics = await admin.getStatistics();
    expect(statistics.days).toHaveLength(30);
    expect(statistics.activities.last_minute).toBeGreaterThanOrEqual(2);
    expect(statistics.groups.fastest).toContainEqual(
      expect.objectContaining({ group_id: group.id, entered: 1, left: 0 }),
    );
    const counts = await admin.profiles.activityCounts(fan.id, { interval: 'day', type: 'poll-voted' });
    expect(counts.results.at(-1)).toMatchObject({ count: 2, sum: 2 });
    expect(await admin.groups.members(group.id, { ordering: 'nickname' }).all()).toMatchObject([
      { nickname: 'Overseen' },
    ]);
  });

  it('manages admin tokens', async () => {
    const made = await admin.accessTokens.create({ name: 'reader', read_only: true });
    expect(await admin.accessTokens.list().all()).toContainEqual(
      expect.objectContaining({ id: made.id, name: 'reader' }),
    );
    const reader = createAdminClient({ clientId: CLIENT_ID, endpoint: server.url, accessToken: made.token });
    await expect(reader.groups.create({ name: 'no' })).rejects.toMatchObject({
      status: 403,
      code: 'permission_denied',
    });
    await admin.accessTokens.revoke(made.id);
    await expect(reader.getApplication()).resolves.toMatchObject({ client_id: CLIENT_ID });
    await expect(reader.groups.list().all()).rejects.toMatchObject({ status: 401 });
  });

  it('repeats a call whose answer was lost without doing it twice', async () => {
    const net = faultyFetch(['lost-answer']);
    const flaky = createAdminClient({
      clientId: CLIENT_ID,
      endpoint: server.url,
      accessToken: ADMIN_TOKEN,
      fetch: net.fetch,
    });
    const group = await flaky.groups.create({ name: 'Once', custom_id: 'once' });
    expect(net.calls).toHaveLength(2);
    expect(await admin.groups.get('custom:once')).toMatchObject({ id: group.id });
  });
});

describe('a list', () => {
  it('survives pages that cannot be read: nothing is lost or seen twice', async () => {
    const ids = new Set<string>();
    for (let i = 0; i < 7; i++) ids.add((await admin.profiles.create({ nickname: `Listed ${i}` })).id);
    const net = faultyFetch();
    const flaky = createAdminClient({
      clientId: CLIENT_ID,
      endpoint: server.url,
      accessToken: ADMIN_TOKEN,
      fetch: net.fetch,
    });
    const iterator = flaky.profiles.list({ nickname: 'listed', page_size: 2 })[Symbol.asyncIterator]();
    const seen: string[] = [];
    let failures = 0;
    for (;;) {
      if ((seen.length === 2 || seen.length === 4) && failures < seen.length / 2)
        net.faults.push('lost-request', 'lost-answer', 502);
      try {
        const { done, value } = await iterator.next();
        if (done) break;
        seen.push(value.id);
      } catch {
        failures++;
      }
    }
    expect(failures).toBe(2);
    expect(seen).toHaveLength(7);
    expect(new Set(seen)).toEqual(ids);
  });

  it('reaches its next page through the endpoint, whatever the server calls itself', async () => {
    const elsewhere = await startTestServer({
      databaseUrl: server.databaseUrl,
      env: { PUBLIC_URL: 'https://fans.example' },
    });
    const inside = createAdminClient({ clientId: CLIENT_ID, endpoint: elsewhere.url, accessToken: ADMIN_TOKEN });
    expect((await inside.profiles.list({ page_size: 3 }).all(7)).length).toBe(7);
    for await (const page of inside.profiles.list({ page_size: 3 }).pages()) {
      expect(page.next).toMatch(/^https:\/\/fans\.example\//);
      break;
    }
    await elsewhere.close();
  });
});

describe('signProfileToken', () => {
  it('signs what the server, and jose, accept', async () => {
    const token = await signProfileToken({
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      customProfileId: 'Zoë ☂',
      expiresIn: 60,
    });
    const { payload, protectedHeader } = await jwtVerify(token, new TextEncoder().encode(CLIENT_SECRET), {
      algorithms: ['HS256'],
      issuer: CLIENT_ID,
    });
    expect(protectedHeader).toEqual({ alg: 'HS256', typ: 'JWT' });
    expect(payload).toMatchObject({ custom_profile_id: 'Zoë ☂', exp: (payload.iat ?? 0) + 60 });
    const own = await server.call('GET', `applications/${CLIENT_ID}/profile/`, { token });
    expect(own.body).toMatchObject({ custom_id: 'Zoë ☂' });
  });

  it('refuses what the server would', async () => {
    await expect(
      signProfileToken({ clientId: CLIENT_ID, clientSecret: 'short', customProfileId: 'x' }),
    ).rejects.toThrow('32 characters');
    await expect(
      signProfileToken({ clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, customProfileId: '' }),
    ).rejects.toThrow('customProfileId');
  });
});
