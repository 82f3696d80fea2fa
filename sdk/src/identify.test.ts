import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import * as Grandstand from './index.ts';
import { createAdminClient, signProfileToken } from './server.ts';
import {
  ADMIN_TOKEN,
  CLIENT_ID,
  CLIENT_SECRET,
  countProfiles,
  deviceStorage,
  faultyFetch,
  startTestServer,
  type TestServer,
} from './testing/sdk.ts';

describe('identify', () => {
  let server: TestServer;
  let admin: ReturnType<typeof createAdminClient>;
  beforeAll(async () => {
    server = await startTestServer();
    admin = createAdminClient({ endpoint: server.url, clientId: CLIENT_ID, accessToken: ADMIN_TOKEN });
    await admin.activities.registerType({ type: 'song-requested', client: true });
  });
  afterAll(() => server.close());

  const sign = (customProfileId: string): Promise<string> =>
    signProfileToken({ clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, customProfileId });
  const client = (options: Partial<Grandstand.ClientOptions> = {}): Grandstand.Client =>
    Grandstand.createClient({ clientId: CLIENT_ID, endpoint: server.url, storage: deviceStorage(), ...options });
  const idsOf = async (profileId: string): Promise<string[]> =>
    (await admin.profiles.activities(profileId).all()).map(({ id }) => id).sort();

  it.each([false, true])('takes the anonymous fan of this device along (storage asynchronous: %s)', async (isAsync) => {
    const storage = deviceStorage(isAsync);
    const fan = client({ storage });
    const guest = await fan.init();
    await fan.setAttributes({ team: 'lions' }).catch(() => {});
    const sent = fan.track('song-requested');
    await fan.flush();
    const waiting = fan.track('song-requested');
    const accessToken = await sign(`fan-${isAsync}`);
    const account = await fan.identify(accessToken);
    expect(account).toMatchObject({ custom_id: `fan-${isAsync}`, access_token: accessToken });
    expect(fan.profile).toEqual(account);
    await fan.flush();
    expect(await idsOf(account.id)).toEqual([sent, waiting].sort());
    expect((await admin.profiles.get(guest.id)).id).toBe(account.id);
    await expect(
      client({ accessToken: guest.access_token }).init(),
      'the token of the anonymous profile died',
    ).rejects.toBeInstanceOf(Grandstand.InvalidTokenError);

    const before = await countProfiles(server);
    expect((await client({ storage }).init()).id).toBe(account.id);
    expect((await fan.identify(accessToken)).id).toBe(account.id);
    expect(await countProfiles(server)).toBe(before);
    await fan.signOut();
    expect((await client({ storage }).init()).id, 'on a shared device the next fan is another one').not.toBe(
      account.id,
    );
  });

  it('lets tokens of the anonymous profile go on where they follow', async () => {
    const fan = client();
    const guest = await fan.init();
    const account = await fan.identify(await sign('fan-following'), { tokens: 'follow' });
    expect((await client({ accessToken: guest.access_token }).init()).id).toBe(account.id);
  });

  it('merges nothing from one account to another, nor what each of them did', async () => {
    const storage = deviceStorage();
    const fan = client({ storage });
    await fan.init();
    const first = await fan.identify(await sign('fan-first'));
    const waiting = fan.track('song-requested');
    const second = await fan.identify(await sign('fan-second'));
    expect(second.id).not.toBe(first.id);
    await fan.flush();
    expect(await idsOf(second.id)).toEqual([]);
    await fan.identify(await sign('fan-first'));
    await fan.flush();
    expect(await idsOf(first.id)).toEqual([waiting]);
  });

  it('sends nothing of one account by the token of the next while that is being stored', async () => {
    const items = deviceStorage(true);
    let isHeld = false;
    let release = (): void => {};
    const storage = {
      ...items,
      async setItem(key: string, value: string) {
        if (isHeld) await new Promise<void>((resolve) => (release = resolve));
        return items.setItem(key, value);
      },
    };
    const fan = client({ storage, accessToken: await sign('fan-early'), flushInterval: 3_600_000 });
    const first = await fan.init();
    const waiting = fan.track('song-requested');
    await vi.waitFor(() => expect([...items.items.keys()].some((key) => key.includes(':queue'))).toBe(true));
    isHeld = true;
    const changing = fan.identify(await sign('fan-late'));
    await vi.waitFor(() => expect(fan.profile?.id).not.toBe(first.id));
    await fan.flush();
    isHeld = false;
    release();
    const second = await changing;
    await fan.flush();
    expect(await idsOf(second.id)).toEqual([]);
    await fan.identify(await sign('fan-early'));
    await fan.flush();
    expect(await idsOf(first.id)).toEqual([waiting]);
  });

  it('is done once, however answers are lost, and leaves everything as it is where it fails', async () => {
    const storage = deviceStorage();
    const lossy = faultyFetch();
    const fan = client({ storage, fetch: lossy.fetch, retries: 0 });
    const guest = await fan.init();
    const id = fan.track('song-requested');
    await fan.flush();
    const token = await sign('fan-lossy');
    lossy.faults.push(null, 'lost-request');
    await expect(fan.identify(token)).rejects.toBeInstanceOf(Grandstand.NetworkError);
    expect(fan.profile?.id).toBe(guest.id);
    expect((await client({ storage }).init()).id).toBe(guest.id);
    lossy.faults.push(null, 'lost-answer');
    await expect(fan.identify(token)).rejects.toBeInstanceOf(Grandstand.NetworkError);
    const account = await fan.identify(token);
    expect(await idsOf(account.id)).toEqual([id]);
    await expect(fan.identify('no-token')).rejects.toBeInstanceOf(Grandstand.InvalidTokenError);
    expect(fan.profile?.id).toBe(account.id);
  });

  it('merges once from two tabs, and sends what the other one had not sent yet', async () => {
    const storage = deviceStorage();
    const [one, other] = [client({ storage }), client({ storage, flushInterval: 3_600_000 })];
    const guest = await one.init();
    expect((await other.init()).id).toBe(guest.id);
    const waiting = other.track('song-requested');
    await Promise.resolve();
    const token = await sign('fan-tabs');
    const [account, same] = await Promise.all([one.identify(token), other.identify(token)]);
    expect(same.id).toBe(account.id);
    await Promise.all([one.flush(), other.flush()]);
    expect(await idsOf(account.id)).toEqual([waiting]);
    expect(await admin.profiles.merges(account.id).all()).toHaveLength(1);
  });

  it('tells how the groups differ', async () => {
    const fan = client();
    await fan.init();
    const token = await sign('fan-groups');
    const account = await client({ accessToken: token }).init();
    const group = await admin.groups.create({ name: 'Lounge' });
    await admin.groups.addMembers(group.id, { profile_ids: [account.id] });
    const heard: string[] = [];
    let hear: () => void;
    const entered = new Promise<void>((resolve) => (hear = resolve));
    const stop = fan.onProfileGroupsChange(({ groups, entered: came }) => {
      heard.push(`${groups.length} ${came.length}`);
      if (came.length > 0) hear();
    });
    while (heard.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await fan.identify(token);
    await entered;
    stop();
    expect(heard).toEqual(['0 0', '1 1']);
  });
});
