// LiveLike's own SDKs for the web, as they are on npm, in Chromium, pointed at this server with nothing but `endpoint`: their profile
// calls work, and every other one ends with our sentence. Nothing is sent to the page's own site.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hasBrowser, launch, page as html, startSite, type Site } from '../../sdk/src/testing/browser.ts';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer, type TestServer } from '../src/testing/server.ts';

interface Profile {
  id: string;
  nickname: string;
  custom_data: string | null;
  access_token: string;
}

/** As far as these tests use them. */
interface OfficialSdk {
  init(options: object): Promise<Profile>;
  createUserProfile(options?: object): Promise<Profile>;
  getUserProfile(of: object): Promise<Profile>;
  updateUserProfile(update: object): Promise<Profile>;
  createUserProfileAuth(token: string): string;
  createPersonalApiAuth(token: string): string;
  request: { get(options: object): Promise<{ count: number }> };
  userProfile: Profile;
}

declare global {
  var Official: OfficialSdk & Record<string, unknown>;
}

const SDKS = {
  '@livelike/javascript 1.3.0': { file: '@livelike/javascript/livelike-javascript.umd.js', global: 'LiveLikeJs' },
  '@livelike/engagementsdk 2.57.3': { file: '@livelike/engagementsdk/livelike.umd.js', global: 'LiveLike' },
};

const OFFERED = ['init', 'createUserProfile', 'getUserProfile', 'updateUserProfile'];

/** What they say themselves, whatever the answer of the room or leaderboard was, before they ask anything, or by a fault of theirs. */
const THEIR_WORDS: [RegExp, RegExp][] = [
  [/^(Room|Leaderboard) resource not found/, /^(?!getLeaderboards$)/],
  [/^(Unsupported followUp widget Kind|Invalid widget kind)/, /FollowUp|^claimPredictionWidgetRewards$/],
  [/^No [iI]nteraction [fF]ound/, /Interactions?$/],
  [/Url not found for widgetKind/, /^getWidget$/],
  // The answer is not looked at before its list is taken apart.
  [/not iterable|non-iterable/, /^getPostedWidgets$/],
  // Of giphy.com, which these tests do not reach.
  [/Failed to fetch/, /^getGifs$/],
];

/** These wait for PubNub, which an application without keys for it does not start: they never settle. */
const WAIT_FOR_PUBNUB = /Presence/;
/** These end well, and rightly so: a program without leaderboards, listeners of what never comes, what is worked out in the page. */
const RESOLVES = [
  'getLeaderboards',
  'getSponsors',
  'addProgramListener',
  'removeProgramListener',
  'addWidgetListener',
  'getTargetedWidgetIdAndKind',
  'applyLocalization',
  'applyTheme',
];

describe.skipIf(!hasBrowser)('in Chromium', () => {
  let server: TestServer;
  let site: Site;
  let browser: Browser;
  let context: BrowserContext;
  let asked: { url: URL; status: number; code: string }[];
  beforeAll(async () => {
    server = await startTestServer({ env: { RATE_LIMIT_APPLICATION: '0', RATE_LIMIT_PROFILE: '0' } });
    site = await startSite(`${server.url} 'self'`);
    browser = await launch();
    for (const [i, { file, global }] of Object.values(SDKS).entries()) {
      const text = readFileSync(createRequire(import.meta.url).resolve(file), 'utf8');
      site.put(
        `/official-${i}.js`,
        `${text}\nglobalThis.Official = globalThis.${global}.default ?? globalThis.${global};`,
      );
      site.put(`/official-${i}`, html(`<script src="/official-${i}.js"></script>`));
    }
  });
  afterAll(async () => {
    await browser.close();
    await site.close();
    await server.close();
  });
  beforeEach(async () => {
    context = await browser.newContext();
    asked = [];
    // They load polyfills and pictures from elsewhere.
    await context.route(/^https:/, (route) => route.abort());
  });
  afterEach(() => context.close());

  /** A page with the SDK, and what it asks from then on. */
  const open = async (i: number): Promise<Page> => {
    const page = await context.newPage();
    await page.goto(`${site.url}/official-${i}`);
    page.on('response', (response) => {
      void response.text().then(
        (text) => {
          const code = /"error_code":\s*"(\w+)"/.exec(text)?.[1] ?? '';
          asked.push({ url: new URL(response.url()), status: response.status(), code });
        },
        () => {}, // a preflight has no body
      );
    });
    return page;
  };
  const options = (): { clientId: string; endpoint: string } => ({ clientId: CLIENT_ID, endpoint: server.api('') });

  for (const [i, name] of Object.keys(SDKS).entries()) {
    it(`${name} makes, keeps, changes and finds profiles, and asks for their groups`, async () => {
      const page = await open(i);
      const group = await server.sdk.groups.create({ name: `Group of ${name}` });
      const first = await page.evaluate(async (given) => {
        const made = await Official.init({ ...given, nickName: 'Ada' });
        const changed = await Official.updateUserProfile({
          accessToken: Official.userProfile.access_token,
          options: { nickname: 'Grace', custom_data: '{"avatar":"lion"}' },
        });
        const other = await Official.createUserProfile({ nickname: 'Other' });
        return {
          made,
          changed,
          other,
          now: { ...Official.userProfile },
          seen: await Official.getUserProfile({ profileId: other.id }),
          again: await Official.getUserProfile({ accessToken: made.access_token }),
        };
      }, options());
      expect(first.made.nickname).toBe('Ada');
      expect(first.changed).toMatchObject({ id: first.made.id, nickname: 'Grace', custom_data: '{"avatar":"lion"}' });
      expect(first.now).toMatchObject({ nickname: 'Grace', access_token: first.made.access_token });
      expect(first.seen).toMatchObject({ id: first.other.id, nickname: 'Other' });
      expect(first.again).toMatchObject({ id: first.made.id, nickname: 'Grace' });

      await server.sdk.groups.addMembers(group.id, { profile_ids: [first.made.id] });
      const second = await page.evaluate(
        async ({ given, token, admin }) => {
          const loaded = await Official.init({ ...given, accessToken: token });
          const path = `applications/${given.clientId}/`;
          const auth = Official.createUserProfileAuth(loaded.access_token);
          return {
            loaded,
            own: await Official.request.get({ path: `${path}profiles/${loaded.id}/profile-groups/`, auth }),
            all: await Official.request.get({
              path: `${path}profile-groups/`,
              auth: Official.createPersonalApiAuth(admin),
            }),
          };
        },
        { given: options(), token: first.made.access_token, admin: ADMIN_TOKEN },
      );
      expect(second.loaded).toMatchObject({ id: first.made.id, nickname: 'Grace' });
      expect(second.own).toMatchObject({ count: 1, results: [{ group_id: group.id }] });
      expect(second.all.count).toBeGreaterThan(0);
      expect(asked.filter(({ url }) => url.origin !== server.url)).toEqual([]);
    });

    it(`${name} ends every other call with our sentence, and asks nothing of the page’s own site`, async () => {
      const page = await open(i);
      const outcomes = await page.evaluate(callEverything, {
        given: options(),
        offered: OFFERED,
        neverSettle: WAIT_FOR_PUBNUB.source,
      });
      const wrong = Object.entries(outcomes).filter(([call, { outcome, said }]) => {
        if (outcome === 'asked nothing') return false;
        if (outcome === 'never settled') return !WAIT_FOR_PUBNUB.test(call);
        if (outcome === 'resolved') return !RESOLVES.includes(call) && !WAIT_FOR_PUBNUB.test(call);
        const isOurs = / are not part of Grandstand\.$/.test(said);
        return !isOurs && !THEIR_WORDS.some(([words, calls]) => words.test(said) && calls.test(call));
      });
      expect(Object.fromEntries(wrong)).toEqual({});
      const ours = Object.values(outcomes).filter(({ said }) => said.endsWith('are not part of Grandstand.'));
      expect(ours.length).toBeGreaterThan(100);

      expect(asked.filter(({ url }) => url.origin !== server.url)).toEqual([]);
      const elsewhere = asked.filter(({ url }) => !url.pathname.startsWith('/api/v1/not-offered/'));
      const isOffered = /^\/api\/v1\/(applications|profiles|programs)\//;
      expect(elsewhere.filter(({ url }) => !isOffered.test(url.pathname))).toEqual([]);
      const offered = asked.filter(({ url, code }) => url.pathname.includes('/not-offered/') && code !== 'not_offered');
      expect(offered).toEqual([]);
    });
  }
});

interface Outcome {
  outcome: 'rejected' | 'resolved' | 'never settled' | 'asked nothing';
  said: string;
}

/** In the page: every function of the SDK, with an argument that has every property. */
async function callEverything(of: {
  given: { clientId: string; endpoint: string };
  offered: string[];
  /** Nobody waits for these: by when all others have settled they would have. */
  neverSettle: string;
}): Promise<Record<string, Outcome>> {
  const profile = await Official.init(of.given);
  const ids: Record<string, unknown> = {
    profileId: profile.id,
    widgetKind: 'text-poll',
    status: 'x',
    visibility: 'everyone',
    contentFilter: 'none',
    timestamp: '2026-01-01T00:00:00Z',
    then: undefined,
    toJSON: undefined,
  };
  const argument: unknown = new Proxy(
    {},
    {
      has: () => true,
      get: (_, name) => {
        if (name === Symbol.toPrimitive) return () => 'x';
        if (typeof name === 'symbol') return undefined;
        if (/since|until/i.test(name)) return '2026-01-01T00:00:00Z';
        return name in ids ? ids[name] : /s$/.test(name) ? ['x'] : 'x';
      },
    },
  );
  const says = (error: unknown): string => {
    const { errorDetail, message } = (error ?? {}) as { errorDetail?: { detail?: string }; message?: string }; // one of theirs
    return errorDetail?.detail ?? message ?? String(error);
  };
  const call = async (name: string, patience: Promise<unknown>): Promise<Outcome> => {
    let answer: unknown;
    try {
      answer = (Official[name] as (...args: unknown[]) => unknown)(argument, () => {}); // chosen as a function
    } catch {
      return { outcome: 'asked nothing', said: '' };
    }
    if (typeof (answer as Promise<unknown> | undefined)?.then !== 'function')
      return { outcome: 'asked nothing', said: '' };
    const late = patience.then((): Outcome => ({ outcome: 'never settled', said: '' }));
    return Promise.race([
      (answer as Promise<unknown>).then(
        (value): Outcome => ({ outcome: 'resolved', said: JSON.stringify(value) ?? '' }),
        (error: unknown): Outcome => ({ outcome: 'rejected', said: says(error) }),
      ),
      late,
    ]);
  };
  const names = Object.keys(Official).filter(
    (name) => typeof Official[name] === 'function' && !['request', 'throttle', ...of.offered].includes(name),
  );
  const callAll = async (of: string[], patience: Promise<unknown>): Promise<[string, Outcome][]> =>
    Promise.all(of.map(async (name): Promise<[string, Outcome]> => [name, await call(name, patience)]));
  const isHopeless = new RegExp(of.neverSettle);
  const others = callAll(
    names.filter((name) => !isHopeless.test(name)),
    new Promise((resolve) => setTimeout(resolve, 15_000)),
  );
  const hopeless = callAll(
    names.filter((name) => isHopeless.test(name)),
    others,
  );
  return Object.fromEntries([...(await others), ...(await hopeless)]);
}
