// The official client, @livelike/javascript 1.3.0 from npm, pointed at this server with nothing but `endpoint`.

import { createRequire } from 'node:module';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { signProfileToken } from '@grandstand/sdk/server';
import { ADMIN_TOKEN, CLIENT_ID, CLIENT_SECRET, startTestServer, type TestServer } from '../src/testing/server.ts';

interface Profile {
  id: string;
  nickname: string;
  access_token: string;
  custom_data: string | null;
  url: string;
  subscribe_channel: string;
  created_at: string;
}

interface Store {
  get(): Profile | undefined;
  set(profile: Profile): void;
}

interface RequestOptions {
  url?: string;
  path?: string;
  auth?: string;
  data?: unknown;
  queryParams?: Record<string, unknown>;
  headers?: Record<string, string>;
}

type Call = (options: RequestOptions) => Promise<Record<string, unknown>>;

/** As far as these tests use it; the package's own types need the browser's. */
interface LiveLike {
  init(options: {
    clientId: string;
    endpoint: string;
    accessToken?: string;
    nickName?: string;
    storageStrategy?: Store;
  }): Promise<Profile>;
  createUserProfile(options?: { nickname: string }): Promise<Profile>;
  getUserProfile(options: { accessToken: string } | { profileId: string }): Promise<Profile>;
  updateUserProfile(options: {
    accessToken: string;
    options: { nickname?: string; custom_data?: string };
  }): Promise<Profile>;
  createUserProfileAuth(token: string): string;
  createPersonalApiAuth(token: string): string;
  request: Call & Record<'get' | 'post' | 'put' | 'patch' | 'delete', Call>;
}

const require = createRequire(import.meta.url);
const PACKAGE = require.resolve('@livelike/javascript');

/** The client keeps its state in its module, so every page load of a test gets a module of its own. */
function loadPage(): LiveLike {
  delete require.cache[PACKAGE];
  return require(PACKAGE) as LiveLike; // the interface above says what is used
}

function freshStore(profile?: Profile): Store {
  let stored = profile;
  return { get: () => stored, set: (value) => void (stored = value) };
}

describe('@livelike/javascript', () => {
  let server: TestServer;
  let endpoint: string;
  beforeAll(async () => {
    server = await startTestServer();
    endpoint = server.api('');
  });
  afterAll(() => server.close());
  // It prints every error answer.
  beforeEach(() => void vi.spyOn(console, 'error').mockImplementation(() => {}));
  afterEach(() => void vi.restoreAllMocks());

  const start = async (
    options: { accessToken?: string; nickName?: string; store?: Store } = {},
  ): Promise<{ page: LiveLike; profile: Profile }> => {
    const page = loadPage();
    const { store = freshStore(), ...rest } = options;
    return { page, profile: await page.init({ clientId: CLIENT_ID, endpoint, storageStrategy: store, ...rest }) };
  };

  it('is the version that the contract names', () => {
    expect(require('@livelike/javascript/package.json')).toMatchObject({ version: '1.3.0' });
  });

  it('makes a profile on init with a fresh store, and keeps it with its token', async () => {
    const store = freshStore();
    const { profile } = await start({ store });
    expect(profile).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      nickname: expect.stringMatching(/^\S+ \S+$/) as string,
    });
    expect(profile.access_token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    expect(store.get()).toEqual(profile);
    expect((await server.call('GET', `profiles/${profile.id}/`)).body).toMatchObject({ nickname: profile.nickname });
  });

  it('goes on with its stored profile after that was merged into an account’s, where tokens follow', async () => {
    const store = freshStore();
    const { profile: guest } = await start({ store });
    const accessToken = await signProfileToken({
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      customProfileId: 'fan-of-the-official-client',
    });
    const { profile: account } = await start({ accessToken });
    expect(account.id).not.toBe(guest.id);
    const merged = await server.call<{ into: string }>('POST', `applications/${CLIENT_ID}/profile/merge/`, {
      token: accessToken,
      body: { access_token: guest.access_token, tokens: 'follow' },
    });
    expect(merged.body.into).toBe(account.id);
    const { page, profile: again } = await start({ store });
    expect(again).toMatchObject({ id: account.id, access_token: guest.access_token });
    const renamed = await page.updateUserProfile({ accessToken: guest.access_token, options: { nickname: 'Ada' } });
    expect(renamed).toMatchObject({ id: account.id, nickname: 'Ada' });
    expect(await page.getUserProfile({ profileId: guest.id })).toMatchObject({ id: account.id, nickname: 'Ada' });
    const before = await server.call<{ count: number }>('GET', `applications/${CLIENT_ID}/profiles/`);
    await start({ store });
    const after = await server.call<{ count: number }>('GET', `applications/${CLIENT_ID}/profiles/`);
    expect(after.body.count).toBe(before.body.count);
  });

  it('makes it with the nickname that init was given', async () => {
    const { profile } = await start({ nickName: 'Ada of the North Stand' });
    expect(profile.nickname).toBe('Ada of the North Stand');
  });

  it('loads the stored profile on init and makes no other', async () => {
    const { profile } = await start();
    const before = await server.call('GET', `applications/${CLIENT_ID}/profiles/`);
    const { page, profile: again } = await start({ store: freshStore(profile) });
    expect(again).toEqual(profile);
    expect(await page.getUserProfile({ accessToken: profile.access_token })).toEqual(profile);
    expect((await server.call('GET', `applications/${CLIENT_ID}/profiles/`)).body).toMatchObject({
      count: (before.body as { count: number }).count,
    });
  });

  it('loads the profile of the token that init was passed', async () => {
    const { profile } = await start();
    const { page, profile: again } = await start({ accessToken: profile.access_token });
    expect(again).toEqual(profile);
    expect(await page.getUserProfile({ profileId: profile.id })).toMatchObject({
      id: profile.id,
      nickname: profile.nickname,
    });
  });

  it('is told 401 when the passed or stored token is dead, and can make a new profile all the same', async () => {
    const { profile } = await start();
    await server.call('DELETE', `profiles/${profile.id}/`);
    const refused = { status: 401, errorDetail: { error_code: 'authentication_failed' } };
    await expect(start({ accessToken: profile.access_token })).rejects.toMatchObject(refused);
    await expect(start({ store: freshStore(profile) })).rejects.toMatchObject(refused);
    const page = loadPage();
    await expect(
      page.init({ clientId: CLIENT_ID, endpoint, storageStrategy: freshStore(profile) }),
    ).rejects.toMatchObject(refused);
    // The client goes on sending the dead token with everything; making a profile must not mind.
    const made = await page.createUserProfile({ nickname: 'Second Wind' });
    expect(made.nickname).toBe('Second Wind');
    expect(made.access_token).not.toBe(profile.access_token);
  });

  it('is told that an unknown client id is not found', async () => {
    await expect(loadPage().init({ clientId: 'nobody-here', endpoint })).rejects.toMatch('Client resource not found');
  });

  it('makes further profiles, with and without a nickname', async () => {
    const { page, profile } = await start();
    const named = await page.createUserProfile({ nickname: 'Named Fan' });
    const unnamed = await page.createUserProfile();
    expect(named.nickname).toBe('Named Fan');
    expect(unnamed.nickname).toMatch(/^\S+ \S+$/);
    expect(new Set([profile.id, named.id, unnamed.id]).size).toBe(3);
  });

  it('changes nickname and custom data, and reads them back', async () => {
    const { page, profile } = await start();
    const custom_data = JSON.stringify({ seat: 'Block 12', note: 'ünïcode 🎉' });
    const changed = await page.updateUserProfile({
      accessToken: profile.access_token,
      options: { nickname: 'New Nickname', custom_data },
    });
    expect(changed).toMatchObject({
      id: profile.id,
      nickname: 'New Nickname',
      custom_data,
      access_token: profile.access_token,
    });
    expect(await page.getUserProfile({ accessToken: profile.access_token })).toEqual(changed);
    await expect(
      page.updateUserProfile({ accessToken: profile.access_token, options: { nickname: ' ' } }),
    ).rejects.toMatchObject({
      status: 400,
      errorDetail: { nickname: [expect.any(String)] },
    });
  });

  it('reaches every call of groups with createPersonalApiAuth', async () => {
    const { page, profile } = await start();
    const auth = page.createPersonalApiAuth(ADMIN_TOKEN);
    const groups = `applications/${CLIENT_ID}/profile-groups/`;
    const made = await page.request.post({
      path: groups,
      auth,
      data: {
        name: 'Group1',
        is_active: true,
        description: 'Sample Profile Group',
        attributes: [{ key: 'key1', value: 'val1' }],
      },
    });
    expect(made).toMatchObject({
      name: 'Group1',
      profile_count: 0,
      custom_id: null,
      attributes: [{ key: 'key1', value: 'val1' }],
    });
    const group = `${groups}${String(made['id'])}/`;
    expect(await page.request.get({ path: groups, auth })).toMatchObject({ count: 1, results: [{ id: made['id'] }] });
    expect(await page.request.get({ path: groups, auth, queryParams: { attributes: ['key1:val1'] } })).toMatchObject({
      count: 1,
    });
    expect(await page.request.get({ path: groups, auth, queryParams: { membership_type: 'dynamic' } })).toMatchObject({
      count: 0,
    });
    expect(await page.request.get({ path: group, auth })).toMatchObject({ id: made['id'] });
    expect(
      await page.request.patch({ path: group, auth, data: { name: 'Group - edited', is_active: true } }),
    ).toMatchObject({ name: 'Group - edited' });

    expect(await page.request.post({ path: `${group}members/`, auth, data: { profile_ids: [profile.id] } })).toEqual({
      successfully_added: [profile.id],
      already_added: [],
      invalid_ids: [],
    });
    expect(await page.request.get({ path: `${group}members/`, auth })).toMatchObject({
      count: 1,
      results: [{ id: profile.id }],
    });
    expect(
      await page.request.get({ path: `applications/${CLIENT_ID}/profiles/${profile.id}/profile-groups/`, auth }),
    ).toMatchObject({
      count: 1,
      results: [{ group_id: made['id'], group_name: 'Group - edited', profile_count: 1 }],
    });
    // For DELETE the client sends the data as it is, without a Content-Type.
    const removed = await page.request.delete({
      path: `${group}members/`,
      auth,
      data: JSON.stringify({ profile_ids: [profile.id] }),
    });
    expect(removed).toMatchObject({ status: 204 });
    expect(await page.request.get({ path: group, auth })).toMatchObject({ profile_count: 0 });

    const dynamic = await page.request.post({
      path: groups,
      auth,
      data: {
        name: 'Talkers',
        description: 'Sample Profile Group',
        membership_type: 'dynamic',
        rule_tree: {
          operator: 'OR',
          children: [{ attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 20 }],
        },
      },
    });
    expect(dynamic).toMatchObject({ membership_type: 'dynamic', ruleset: { rule_tree: { operator: 'AND' } } });
    expect(await page.request.delete({ path: group.slice(0, -1), auth })).toMatchObject({ status: 204 });
    await expect(page.request.get({ path: group, auth })).rejects.toMatchObject({
      status: 404,
      message: 'Resource not found.',
    });
  });

  it('lists the groups of its own profile with createUserProfileAuth, and no more', async () => {
    const { page, profile } = await start();
    const admin = page.createPersonalApiAuth(ADMIN_TOKEN);
    const auth = page.createUserProfileAuth(profile.access_token);
    const groups = `applications/${CLIENT_ID}/profile-groups/`;
    const made = await page.request.post({ path: groups, auth: admin, data: { name: 'Own' } });
    await page.request.post({
      path: `${groups}${String(made['id'])}/members/`,
      auth: admin,
      data: { profile_ids: [profile.id] },
    });
    const own = `applications/${CLIENT_ID}/profiles/${profile.id}/profile-groups/`;
    expect(await page.request.get({ path: own, auth })).toMatchObject({
      count: 1,
      results: [{ group_id: made['id'] }],
    });
    // Without `auth` it sends its own token.
    expect(await page.request.get({ path: `/${own}` })).toMatchObject({ count: 1 });
    await expect(page.request.get({ path: groups, auth })).rejects.toMatchObject({ status: 403 });
    await expect(page.request.post({ path: groups, auth, data: { name: 'Mine' } })).rejects.toMatchObject({
      status: 403,
    });
  });
});
