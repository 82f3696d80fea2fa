// The key that a device keeps beside its token: it brings the fan back whose token was lost, and nobody else.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as LiveLike from './index.ts';
import { signProfileToken } from './server.ts';
import {
  CLIENT_ID,
  CLIENT_SECRET,
  countProfiles,
  deviceStorage,
  startTestServer,
  type TestServer,
} from './testing/sdk.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const client = (options: Partial<LiveLike.ClientOptions> = {}): LiveLike.Client =>
  LiveLike.createClient({ clientId: CLIENT_ID, endpoint: server.url, storage: deviceStorage(), ...options });

/** As a cookie that ran out, or a quota that took the larger item. */
function loseToken({ items }: ReturnType<typeof deviceStorage>): void {
  const lost = [...items.keys()].filter((key) => !key.endsWith(':device'));
  expect(lost).toHaveLength(1);
  for (const key of lost) items.delete(key);
  expect(items.size).toBe(1);
}

const signed = (customProfileId: string): Promise<string> =>
  signProfileToken({ clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, customProfileId });

describe('the device key', () => {
  it('brings the profile back whose token alone was lost, in however many tabs at once', async () => {
    const storage = deviceStorage(true);
    const made = await client({ storage }).init();
    const before = await countProfiles(server);
    loseToken(storage);
    const back = await Promise.all(Array.from({ length: 3 }, () => client({ storage }).init()));
    expect(new Set(back.map(({ id }) => id))).toEqual(new Set([made.id]));
    expect(await countProfiles(server)).toBe(before);
  });

  it('is no part of further profiles, nor of a place of the application’s own that has no profile', async () => {
    const storage = deviceStorage();
    const first = client({ storage });
    const made = await first.init();
    expect((await first.createUserProfile()).id).not.toBe(made.id);
    let stored: unknown = null;
    const storageStrategy = { get: () => stored, set: (value: unknown) => void (stored = value) };
    const ofStrategy = await client({ storage: deviceStorage(), storageStrategy }).init();
    stored = null; // another user of the application signed in
    expect((await client({ storageStrategy }).init()).id).not.toBe(ofStrategy.id);
  });

  it('keeps to a place of the application’s own: the next user of the device gets a profile of their own', async () => {
    const storage = deviceStorage();
    let stored: unknown = null;
    const storageStrategy = { get: () => stored, set: (value: unknown) => void (stored = value) };
    const one = await client({ storage, storageStrategy }).init();
    stored = null;
    expect((await client({ storage, storageStrategy }).init()).id).not.toBe(one.id);
  });

  it('goes at signing out, also where the token followed into an account', async () => {
    for (const tokens of ['follow', 'revoke'] as const) {
      const storage = deviceStorage();
      const fan = client({ storage });
      const guest = await fan.init();
      const account = await fan.identify(await signed(`fan-${tokens}`), { tokens });
      await fan.signOut();
      const next = await client({ storage }).init();
      expect([guest.id, account.id]).not.toContain(next.id);
      expect(next.custom_id).toBeNull();
    }
  });

  it('stays where the device’s own profile comes back at signing out', async () => {
    const storage = deviceStorage();
    const guest = await client({ storage }).init();
    const account = LiveLike.createClient({ accessToken: await signed('fan-9'), endpoint: server.url, storage });
    await account.init();
    await account.signOut();
    loseToken(storage);
    expect((await client({ storage }).init()).id).toBe(guest.id);
  });
});
