// From one server to another by its REST API, as from LiveLike: everything that it tells is equal afterwards, whatever broke
// it off in between, and a second time changes nothing.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AdminClient } from '@grandstand/sdk/server';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { signProfileToken } from '@grandstand/sdk/server';
import type { Progress } from '../../progress.ts';
import { addProfiles } from '../../testing/profiles.ts';
import { ADMIN_TOKEN, CLIENT_ID, CLIENT_SECRET, startTestServer, type TestServer } from '../../testing/server.ts';
import { importLiveLike, type LiveLikeOptions } from './livelike-import.ts';
import { openSource, type SourceOptions } from './source.ts';

const OWN = `applications/${CLIENT_ID}/profile/`;

describe('everything of LiveLike', () => {
  let source: TestServer;
  let target: TestServer;
  const tokens = new Map<string, string>();
  beforeAll(async () => {
    source = await startTestServer({ env: { ROLE: 'all' } });
    await fillSource(source, tokens);
  });
  afterAll(() => source.close());
  beforeEach(async () => {
    target = await startTestServer({ env: { SECRET_KEY: 'another-secret-key-for-tests-0123456789' } });
    return () => target.close();
  });

  const notes: string[] = [];
  const progress: Progress = {
    begin: () => ({ advance() {}, end() {} }),
    note: (text) => void notes.push(text),
  };
  const bringIn = async (asked: Partial<LiveLikeOptions & SourceOptions> = {}) => {
    notes.length = 0;
    const { context } = target.app;
    const from = openSource({ endpoint: source.url, clientId: CLIENT_ID, token: ADMIN_TOKEN, ...asked });
    const application = await context.applications.get(CLIENT_ID);
    return importLiveLike(context, application, {
      source: from,
      clientId: CLIENT_ID,
      dynamic: 'rule',
      progress,
      ...asked,
    });
  };
  const expectEqual = async (): Promise<void> => {
    expect(await everything(target.sdk)).toEqual(await everything(source.sdk));
  };

  it('is equal here, and a second time changes nothing', async () => {
    const counts = await bringIn();
    expect(notes).toEqual([]);
    expect(counts).toMatchObject({
      attributes: 2,
      profiles: 1256,
      changed: 1256,
      groups: 4,
      entered: 1225,
      problems: 0,
    });
    await expectEqual();
    const before = await everything(target.sdk);
    const again = await bringIn();
    expect(again).toMatchObject({ attributes: 0, profiles: 1256, changed: 0, entered: 0, problems: 0 });
    expect(await everything(target.sdk)).toEqual(before);
    // What its own accounts sign goes on working, for the same profile.
    const token = await signProfileToken({
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      customProfileId: 'named-7',
    });
    const ids = await Promise.all(
      [source, target].map(async (one) => (await one.call('GET', OWN, { token })).body['id']),
    );
    expect(ids[0]).toBe(ids[1]);
  });

  it('goes on where it was broken off, whichever page that was', async () => {
    for (let broken = 1; ; broken++) {
      let pages = 0;
      const onPage = (): void => {
        if (++pages === 5) throw new Error('the line is cut');
      };
      const ended = await bringIn({ onPage }).then(
        () => true,
        (error: Error) => {
          expect(error.message).toBe('the line is cut');
          return false;
        },
      );
      if (broken > 1) expect(notes[0]).toMatch(/^going on where it was broken off/);
      if (!ended) continue;
      expect(broken).toBeGreaterThan(3);
      break;
    }
    await expectEqual();
  });

  it('keeps access tokens where the source tells them, and reads members where it lists no profiles', async () => {
    const asked: string[] = [];
    // LiveLike documents neither a list of profiles nor one of attributes.
    const front = await openFront(source.url, asked, (path, body) => {
      if (/\/(profiles|profile-attributes)\/$/.test(path)) return undefined;
      const token = typeof body['id'] === 'string' ? tokens.get(body['id']) : undefined;
      return token === undefined ? body : { ...body, access_token: token };
    });
    try {
      const counts = await bringIn({ endpoint: front.url, dynamic: 'members' });
      expect(notes).toEqual(['profiles: the source lists none, so those who are members of a group are read']);
      expect(counts).toMatchObject({ profiles: 1239, groups: 4, problems: 0 });
    } finally {
      front.close();
    }
    const [id = '', token = ''] = [...tokens][0] ?? [];
    for (const one of [source, target]) expect((await one.call('GET', OWN, { token })).body).toMatchObject({ id });
    const membersOf = async ({ sdk }: TestServer, group: string) =>
      (await sdk.groups.members(group, { page_size: 1000 }).all()).map((member) => member.id).toSorted();
    for (const { id: group } of await source.sdk.groups.list().all())
      expect(await membersOf(target, group)).toEqual(await membersOf(source, group));
    expect((await target.sdk.groups.list().all()).map((group) => group.membership_type)).toEqual(
      Array(4).fill('static'),
    );
    // Pages that name another host are asked of the host that was given.
    expect(asked.every((path) => path.startsWith('/api/v1/'))).toBe(true);
  });

  it('says what it cannot take, and takes the rest', async () => {
    const front = await openFront(source.url, [], (_path, body) => {
      if (body['custom_id'] === 'named-3') return { ...body, nickname: 'x'.repeat(200) };
      if (body['custom_id'] === 'gold')
        return { ...body, ruleset: { rule_tree: { attribute: 'unknown_here', condition: 'is', value: true } } };
      return body;
    });
    try {
      const counts = await bringIn({ endpoint: `${front.url}/api/v1` });
      expect(counts).toMatchObject({ problems: 4 }); // the profile, its membership's profile again, the group, its reader
    } finally {
      front.close();
    }
    expect(notes.join('\n')).toMatch(/^profile [0-9a-f-]{36} is left out: nickname: /m);
    expect(notes.join('\n')).toMatch(/^group [0-9a-f-]{36} \(Gold\) is left out: rule_tree/m);
    await expect(target.sdk.groups.get('custom:gold')).rejects.toMatchObject({ status: 404 });
    expect((await target.sdk.groups.get('custom:static')).profile_count).toBe(1224);
  });

  it('says why where the source refuses, or is none', async () => {
    await expect(bringIn({ token: 'wrong' })).rejects.toThrow(/answers 401: /);
    await expect(bringIn({ endpoint: 'ftp://x' })).rejects.toThrow('--endpoint: must be an address such as');
    const { context } = target.app;
    const application = await context.applications.get(CLIENT_ID);
    const from = openSource({ endpoint: source.url, clientId: 'nothing-there', token: ADMIN_TOKEN });
    const options = { source: from, clientId: 'nothing-there', dynamic: 'rule', progress } as const;
    await expect(importLiveLike(context, application, options)).rejects.toThrow("no application 'nothing-there'");
  });
});

async function fillSource(source: TestServer, tokens: Map<string, string>): Promise<void> {
  const { sdk } = source;
  await sdk.attributes.define({ key: 'tier', type: 'string', label: 'Tier' });
  await sdk.attributes.define({ key: 'age', type: 'number', visible_to: 'public' });
  const many = await addProfiles(source, 1225, 'fan-');
  const made = await sdk.profiles.upsert(
    Array.from({ length: 30 }, (_, n) => ({
      custom_id: `named-${n}`,
      nickname: `Ünï "${n}"`,
      custom_data: `{"n": ${n}}`,
      created_at: `2024-01-02T03:04:${String(n).padStart(2, '0')}.123456Z`,
      attributes: [
        { key: 'tier', value: n % 2 === 0 ? 'gold' : 'silver' },
        { key: 'age', value: n },
        { key: 'list', value: 'a' },
        { key: 'list', value: 'b' },
      ],
    })),
  );
  const alone = await sdk.profiles.create();
  tokens.set(alone.id, alone.access_token);
  for (const { id, access_token: token } of made) tokens.set(id ?? '', token ?? '');
  const fixed = await sdk.groups.create({
    name: 'Static',
    custom_id: 'static',
    description: 'Those',
    visible_to_members: false,
    attributes: [{ key: 'a', value: 'b' }],
  });
  const ids = [...many.slice(0, 1222), made[3]?.id ?? '', alone.id, made[0]?.id ?? ''];
  await sdk.groups.addMembers(fixed.id, { profile_ids: ids });
  await sdk.groups.create({ name: 'Empty' });
  const gold = await sdk.groups.create({
    name: 'Gold',
    custom_id: 'gold',
    membership_type: 'dynamic',
    rule_tree: { attribute: 'tier', condition: 'equals', value: 'gold' },
  });
  const reader = await sdk.groups.create({
    name: 'A reader of another',
    membership_type: 'dynamic',
    rule_tree: { attribute: 'profile_group', condition: 'in', value: [gold.id] },
  });
  while ((await sdk.groups.get(reader.id)).profile_count < 15);
}

/** What LiveLike's API tells, but for when. */
async function everything(sdk: AdminClient) {
  const profiles = await sdk.profiles.list({ page_size: 100 }).all();
  const groups = await sdk.groups.list().all();
  const members: Record<string, string[]> = {};
  for (const { id, membership_type: type } of groups)
    if (type === 'static')
      members[id] = (await sdk.groups.members(id, { page_size: 1000 }).all()).map((member) => member.id).toSorted();
  const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1);
  return {
    members,
    profiles: profiles
      .map(({ id, nickname, custom_id, custom_data, attributes, created_at }) => ({
        ...{ id, nickname, custom_id, custom_data, attributes, created_at },
      }))
      .toSorted(byId),
    groups: groups
      .map(
        ({
          id,
          name,
          description,
          custom_id,
          attributes,
          created_at,
          membership_type,
          visible_to_members,
          ruleset,
        }) => ({
          ...{ id, name, description, custom_id, attributes, created_at, membership_type, visible_to_members },
          rule: ruleset?.rule_tree,
        }),
      )
      .toSorted(byId),
  };
}

type Change = (path: string, body: Record<string, unknown>) => Record<string, unknown> | undefined;

/** A source before the source: each object that it answers, also of a list, goes through `change`; undefined is 404. */
async function openFront(origin: string, asked: string[], change: Change) {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? '';
    asked.push(path);
    const { authorization = '' } = request.headers;
    const got = await fetch(`${origin}${path}`, { headers: { authorization, host: 'elsewhere.example' } });
    const body = (await got.json()) as Record<string, unknown>;
    const place = path.split('?', 1)[0] ?? '';
    const changed = change(place, body);
    if (changed && Array.isArray(changed['results']))
      changed['results'] = (changed['results'] as Record<string, unknown>[]).map((each) => change('', each));
    if (typeof changed?.['next'] === 'string')
      changed['next'] = changed['next'].replace(origin, 'https://elsewhere.example');
    response.writeHead(changed ? got.status : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(changed ?? { detail: 'Not found.' }));
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}
