import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import * as LiveLike from './index.ts';
import {
  CLIENT_ID,
  CLIENT_SECRET,
  countProfiles,
  deviceStorage,
  faultyFetch,
  startTestServer,
  type TestServer,
} from './testing/sdk.ts';
import { signProfileToken } from './server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

describe('the documents’ JavaScript, completed where the pages cut it', () => {
  it('runs with the import changed', async () => {
    const clientId = CLIENT_ID;
    const endpoint = server.url;
    let saved: string | undefined;
    const alreadySavedAccessToken = (): boolean => saved !== undefined;
    const loadSavedAccessToken = (): string | undefined => saved;
    const saveAccessToken = (token: string): void => void (saved = token);

    const visit = async (): Promise<LiveLike.OwnProfile> => {
      if (alreadySavedAccessToken()) {
        // Already saved an access token: re-use it!
        const profile = await LiveLike.init({ accessToken: loadSavedAccessToken(), endpoint });
        return profile;
      } else {
        // No saved access token yet, save it for next time
        const profile = await LiveLike.init({ clientId, endpoint });
        saveAccessToken(profile.access_token);
        return profile;
      }
    };
    const first = await visit();
    const second = await visit();
    expect(second.id).toBe(first.id);
    expect(second.access_token).toBe(first.access_token);

    const accessToken = first.access_token;
    const existingProfile = await LiveLike.init({ accessToken, clientId, endpoint });
    expect(existingProfile).toEqual(first);

    const updatedProfile = await LiveLike.updateUserProfile({ accessToken, options: { nickname: 'New Nickname' } });
    expect(updatedProfile).toMatchObject({ id: first.id, nickname: 'New Nickname', access_token: accessToken });
    expect(await LiveLike.updateUserProfile({ options: { nickname: 'Newer' } })).toMatchObject({
      id: first.id,
      access_token: accessToken,
    });

    const newProfile = await LiveLike.createUserProfile({ nickname: 'New Nickname' });
    expect(newProfile.id).not.toBe(first.id);
    expect(newProfile).toMatchObject({ nickname: 'New Nickname', access_token: expect.any(String) as string });
    expect(await LiveLike.getUserProfile()).toMatchObject({ id: first.id, access_token: accessToken });
    expect(await LiveLike.getUserProfile({ accessToken: newProfile.access_token })).toMatchObject({
      id: newProfile.id,
    });
    expect(await LiveLike.getUserProfile({ profileId: newProfile.id })).not.toHaveProperty('access_token');
  });

  it('accepts LiveLike’s nickName and storageStrategy', async () => {
    let stored: unknown = null;
    const options = {
      clientId: CLIENT_ID,
      endpoint: `${server.url}/api/v1/`,
      nickName: 'Sam',
      storageStrategy: { get: () => stored, set: (value: unknown) => void (stored = value) },
    };
    const made = await LiveLike.createClient(options).init();
    expect(made.nickname).toBe('Sam');
    expect(stored).toMatchObject({ id: made.id, access_token: made.access_token });
    const again = await LiveLike.createClient(options).init();
    expect(again.id).toBe(made.id);
  });
});

describe('init', () => {
  const client = (options: Partial<LiveLike.ClientOptions> = {}): LiveLike.Client =>
    LiveLike.createClient({ clientId: CLIENT_ID, endpoint: server.url, storage: deviceStorage(), ...options });

  it('makes one request for a new fan, and one for a known one', async () => {
    const storage = deviceStorage();
    const { fetch, calls } = faultyFetch();
    const made = await client({ storage, fetch }).init();
    const known = await client({ storage, fetch }).init();
    expect(known.id).toBe(made.id);
    expect(calls).toEqual([`POST applications/${CLIENT_ID}/profile/`, `GET applications/${CLIENT_ID}/profile/`]);
  });

  it('makes one profile however often it is called at once', async () => {
    const before = await countProfiles(server);
    const options = { clientId: CLIENT_ID, endpoint: server.url, storage: deviceStorage(true) };
    vi.resetModules(); // the process of another fan than that of the tests before
    const fresh = await import('./index.ts');
    const [shared, ...others] = await Promise.all([
      ...Array.from({ length: 5 }, () => fresh.init(options)),
      ...Array.from({ length: 5 }, () => fresh.createClient(options).init()),
    ]);
    expect(new Set([shared, ...others].map((profile) => profile?.id)).size).toBe(1);
    expect(await countProfiles(server)).toBe(before + 1);
  });

  it('gets the profile that the server made although its answer was lost, also after a reload', async () => {
    const before = await countProfiles(server);
    const storage = deviceStorage();
    const lossy = faultyFetch(['lost-answer', 'lost-answer', 'lost-answer']);
    await expect(client({ storage, fetch: lossy.fetch, nickname: 'Ann' }).init()).rejects.toBeInstanceOf(
      LiveLike.NetworkError,
    );
    expect(lossy.calls).toHaveLength(3);
    const made = await client({ storage, nickname: 'Ann' }).init();
    expect(made.nickname).toBe('Ann');
    expect(await countProfiles(server)).toBe(before + 1);
  });

  it('prefers a passed token to a stored one, and gives the device’s own profile back after signing out', async () => {
    const storage = deviceStorage();
    const guest = await client({ storage }).init();
    const accessToken = await signProfileToken({
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      customProfileId: 'fan-77',
      nickname: 'Kim',
    });
    const account = LiveLike.createClient({ accessToken, endpoint: server.url, storage });
    const signedIn = await account.init();
    expect(signedIn).toMatchObject({ custom_id: 'fan-77', nickname: 'Kim', access_token: accessToken });
    expect((await client({ storage }).init()).id).toBe(signedIn.id);
    await account.signOut();
    expect((await client({ storage }).init()).id).toBe(guest.id);
  });

  it('forgets an account’s profile at signing out, also where the guest became the account', async () => {
    const storage = deviceStorage();
    const guest = await client({ storage }).init();
    await server.call('PATCH', `profiles/${guest.id}/`, { body: { custom_id: 'fan-78' } });
    const account = client({ storage, accessToken: guest.access_token });
    await account.init();
    const other = client({
      storage,
      accessToken: await signProfileToken({
        clientId: CLIENT_ID,
        clientSecret: CLIENT_SECRET,
        customProfileId: 'fan-79',
      }),
    });
    await other.init();
    await other.signOut();
    expect((await client({ storage }).init()).id).not.toBe(guest.id);
  });

  it('never uses what another application or server left', async () => {
    const storage = deviceStorage();
    const first = await client({ storage }).init();
    let stored: unknown = { ...first, endpoint: 'https://elsewhere.example/api/v1/' };
    const storageStrategy = { get: () => stored, set: (value: unknown) => void (stored = value) };
    expect((await client({ storageStrategy }).init()).id).not.toBe(first.id);
    stored = { ...first, client_id: 'another-app' };
    expect((await client({ storageStrategy }).init()).id).not.toBe(first.id);
  });

  it('reports a dead token as such, or starts anew where that was chosen', async () => {
    const storage = deviceStorage();
    const erased = await client({ storage }).init();
    await server.call('DELETE', `profiles/${erased.id}/`);
    await expect(client({ storage }).init()).rejects.toMatchObject({
      name: 'InvalidTokenError',
      status: 401,
      code: 'authentication_failed',
    });
    await expect(client({ accessToken: erased.access_token }).init()).rejects.toBeInstanceOf(
      LiveLike.InvalidTokenError,
    );
    const before = await countProfiles(server);
    const anew = await Promise.all(
      Array.from({ length: 5 }, () => client({ storage, onInvalidToken: 'create' }).init()),
    );
    expect(new Set(anew.map(({ id }) => id)).size).toBe(1);
    expect(anew[0]?.id).not.toBe(erased.id);
    expect(await countProfiles(server)).toBe(before + 1);
    expect((await client({ storage, accessToken: erased.access_token, onInvalidToken: 'create' }).init()).id).toBe(
      anew[0]?.id,
    );
  });

  it('resolves the stored profile while nobody answers', async () => {
    const storage = deviceStorage();
    const made = await client({ storage }).init();
    const offline = faultyFetch(Array<'lost-request'>(10).fill('lost-request'));
    expect(await client({ storage, fetch: offline.fetch }).init()).toEqual(made);
  });

  it('says what is missing', async () => {
    await expect(LiveLike.init({ endpoint: server.url })).rejects.toThrow('clientId');
    await expect(client({ clientId: 'no-such-app' }).init()).rejects.toMatchObject({
      status: 404,
      code: 'not_found',
      requestId: expect.any(String) as string,
    });
    await expect(client({ nickname: 'x'.repeat(101) }).init()).rejects.toMatchObject({
      code: 'invalid',
      fields: { nickname: [expect.any(String) as string] },
    });
  });
});

describe('a request', () => {
  it('times out, can be aborted, and keeps the token from every host but the endpoint’s', async () => {
    const stalled = faultyFetch(['stall', 'stall', 'stall', 'stall', 'stall']);
    const client = LiveLike.createClient({
      clientId: CLIENT_ID,
      endpoint: server.url,
      storage: 'memory',
      fetch: stalled.fetch,
      timeout: 20,
    });
    await expect(client.request('POST', 'x/', { idempotencyKey: null })).rejects.toBeInstanceOf(LiveLike.TimeoutError);
    const controller = new AbortController();
    const aborted = client.request('GET', 'x/', { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    const { fetch, calls } = faultyFetch();
    const other = LiveLike.createClient({ clientId: CLIENT_ID, endpoint: server.url, fetch });
    await expect(
      other.request('GET', `https://elsewhere.example/api/v1/applications/${CLIENT_ID}/`),
    ).resolves.toMatchObject({ client_id: CLIENT_ID });
    expect(calls).toEqual([`GET applications/${CLIENT_ID}/`]);
  });

  it('is sent again after a proxy’s error, but not a POST that must not be repeated', async () => {
    const flaky = faultyFetch([502, 503]);
    const client = LiveLike.createClient({ clientId: CLIENT_ID, endpoint: server.url, fetch: flaky.fetch });
    await expect(client.request('GET', `applications/${CLIENT_ID}/`)).resolves.toMatchObject({ client_id: CLIENT_ID });
    expect(flaky.calls).toHaveLength(3);
    flaky.faults.push(502);
    await expect(
      client.request('POST', `applications/${CLIENT_ID}/profile/`, { idempotencyKey: null }),
    ).rejects.toMatchObject({ status: 502, code: 'http_502' });
  });
});
