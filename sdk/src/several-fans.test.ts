// A server that renders pages: two visitors of one process never get each other's client, profile or token.

import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type * as Sdk from './index.ts';
import { CLIENT_ID, startTestServer, type TestServer } from './testing/sdk.ts';

let server: TestServer;
let LiveLike: typeof Sdk;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());
/** A process of its own. */
beforeEach(async () => {
  vi.resetModules();
  LiveLike = await import('./index.ts');
});

const options = (more: Partial<Sdk.ClientOptions> = {}): Sdk.ClientOptions => ({
  clientId: CLIENT_ID,
  endpoint: server.url,
  ...more,
});

async function someone(): Promise<Sdk.OwnProfile> {
  const { body } = await server.call<Sdk.OwnProfile>('POST', `applications/${CLIENT_ID}/profile/`, { token: null });
  return body;
}

const SHARED = /make a client for each: createClient/;

describe('two visitors of one server process', () => {
  it('that come without a token do not become one profile: the second is an error, at once and afterwards', async () => {
    const outcomes = await Promise.allSettled([LiveLike.init(options()), LiveLike.init(options())]);
    expect(outcomes.map(({ status }) => status)).toContain('rejected');
    await expect(LiveLike.init(options())).rejects.toThrow(SHARED);
    expect(() => LiveLike.getClient()).toThrow(SHARED);
    await expect(LiveLike.getUserProfile()).rejects.toThrow(SHARED);
    expect(LiveLike.userProfile).toMatchObject({ id: '', access_token: '' });
  });

  it('with tokens of their own are never answered with the other’s profile', async () => {
    const [one, other] = [await someone(), await someone()];
    expect(await LiveLike.init(options({ accessToken: one.access_token }))).toMatchObject({ id: one.id });
    expect(await LiveLike.init(options({ accessToken: one.access_token }))).toMatchObject({ id: one.id });
    await expect(LiveLike.init(options({ accessToken: other.access_token }))).rejects.toThrow(SHARED);
    await expect(LiveLike.updateUserProfile({ options: { nickname: 'Whose?' } })).rejects.toThrow(SHARED);
    expect(LiveLike.userProfile.id).toBe('');
  });

  it('share nothing by clients of their own, in whichever storage', async () => {
    for (const storage of ['local', 'session', 'memory'] as const) {
      const profiles = await Promise.all(
        Array.from({ length: 5 }, () => LiveLike.createClient(options({ storage })).init()),
      );
      expect(new Set(profiles.map(({ id }) => id)).size, storage).toBe(5);
    }
  });

  it('are one fan where the token is another of the same profile', async () => {
    const one = await LiveLike.init(options());
    expect(await LiveLike.init(options({ accessToken: one.access_token }))).toMatchObject({ id: one.id });
    expect(LiveLike.userProfile).toMatchObject({ id: one.id, access_token: one.access_token });
  });
});
