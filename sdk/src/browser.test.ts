import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type * as Sdk from './index.ts';
import {
  hasBrowser,
  initOptions,
  launch,
  openPages,
  page as html,
  startSite,
  watchErrors,
  type Site,
} from './testing/browser.ts';
import { chooseSeed } from '../../server/src/testing/random.ts';
import { CLIENT_ID, countProfiles, startTestServer, type TestServer } from './testing/sdk.ts';

declare const Grandstand: typeof Sdk; // the script tag's global, inside pages

const PROFILE = '**/api/v1/applications/*/profile/';
const ACTIVITIES = '**/api/v1/applications/*/activities/';

describe.skipIf(!hasBrowser)('in Chromium', () => {
  let server: TestServer;
  let site: Site;
  let browser: Browser;
  let context: BrowserContext;
  beforeAll(async () => {
    server = await startTestServer();
    site = await startSite(server.url);
    browser = await launch();
  });
  afterAll(async () => {
    await browser.close();
    await site.close();
    await server.close();
  });
  beforeEach(async () => {
    context = await browser.newContext();
  });
  afterEach(() => context.close());

  const init = (page: Page): Promise<Sdk.OwnProfile> =>
    page.evaluate((options) => Grandstand.init(options), initOptions(server.url));

  const open = async (path = '/'): Promise<Page> => {
    const page = await context.newPage();
    await page.goto(site.url + path);
    return page;
  };

  const countActivities = async (profileId: string): Promise<number> =>
    (await server.call<{ count: number }>('GET', `applications/${CLIENT_ID}/profiles/${profileId}/activities/`)).body
      .count;

  it('the documents’ JavaScript runs with the import changed, under a strict content security policy', async () => {
    site.put('/documents.html', html('<script type="module" src="/documents.js"></script>'));
    site.put('/documents.js', DOCUMENTS.replace('CLIENT_ID', CLIENT_ID).replace('ENDPOINT', server.url));
    const page = await context.newPage();
    const errors = watchErrors(page);
    await page.goto(`${site.url}/documents.html`);
    await page.waitForFunction(() => document.title === 'done', undefined, { timeout: 10_000 }).catch(() => {});
    expect(errors).toEqual([]);
    expect(await page.evaluate(() => JSON.parse(localStorage.getItem('results') ?? 'null') as unknown)).toEqual({
      sameProfile: true,
      sameToken: true,
      existing: true,
      updated: 'New Nickname',
      keptToken: true,
      updatedByToken: 'Newer Nickname',
      newIsAnother: true,
      newNickname: 'New Nickname',
    });
  });

  it('twenty tabs that start at once, and then reload at once, make one profile', async () => {
    const before = await countProfiles(server);
    const pages = await openPages(context, site.url, 20);
    const first = await Promise.all(pages.map((page) => init(page)));
    expect(new Set(first.map(({ id }) => id)).size).toBe(1);
    await Promise.all(pages.map((page) => page.reload()));
    const second = await Promise.all(pages.map((page) => init(page)));
    expect(new Set([...first, ...second].map(({ access_token: token }) => token)).size).toBe(1);
    expect(await countProfiles(server)).toBe(before + 1);
  });

  it('twenty frames that start at once without Web Locks, as on a page without https, make one profile', async () => {
    await context.addInitScript(() => Object.defineProperty(navigator, 'locks', { value: undefined }));
    site.put('/frames', html('') + '<iframe src="/"></iframe>'.repeat(20));
    const before = await countProfiles(server);
    const outer = await open('/frames');
    const frames = outer.frames().slice(1);
    expect(await frames[0]?.evaluate(() => navigator.locks)).toBeUndefined();
    const made = await Promise.all(
      frames.map((frame) => frame.evaluate((options) => Grandstand.init(options), initOptions(server.url))),
    );
    expect(made).toHaveLength(20);
    // Each answer signs the token of the device key anew: from one second to the next its text differs.
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    expect(await countProfiles(server)).toBe(before + 1);
  });

  it('a reload between the server’s creation and its answer makes one profile', async () => {
    const before = await countProfiles(server);
    const page = await open();
    const reached = new Promise<void>((resolve) => {
      void page.route(PROFILE, async (route) => {
        if (route.request().method() === 'POST') await route.fetch();
        resolve(); // and the answer never comes
      });
    });
    void init(page).catch(() => {});
    await reached;
    await page.unrouteAll();
    await page.reload();
    await init(page);
    expect(await countProfiles(server)).toBe(before + 1);
  });

  it('takes over, once, the profile that the official web SDK left', async () => {
    const { body: old } = await server.call<Sdk.OwnProfile>('POST', `applications/${CLIENT_ID}/profile/`, {
      token: null,
    });
    const page = await open();
    const key = `livelike-user-auth-${CLIENT_ID}`;
    await page.evaluate(([name, text]) => localStorage.setItem(name!, text!), [key, JSON.stringify(old)]);
    expect((await init(page)).id).toBe(old.id);
    expect(await page.evaluate((name) => localStorage.getItem(name), key)).toBeNull();
    await page.reload();
    expect((await init(page)).id).toBe(old.id);
  });

  it('makes a profile where what the official web SDK left is no token of this server', async () => {
    const page = await open();
    const foreign = {
      id: 'x',
      access_token:
        `${btoa('{"alg":"HS256"}')}.${btoa(JSON.stringify({ iss: 'blast', client_id: CLIENT_ID, id: 'x' }))}.c2ln`.replace(
          /=/g,
          '',
        ),
    };
    await page.evaluate(
      ([name, text]) => localStorage.setItem(name!, text!),
      [`livelike-user-auth-${CLIENT_ID}`, JSON.stringify(foreign)],
    );
    expect((await init(page)).id).not.toBe('x');
  });

  it('a full storage keeps the tab’s profile over reloads, and storage that is switched off the page’s', async () => {
    const page = await open();
    await page.evaluate(() => {
      for (let size = 1 << 20; size >= 1; size >>= 1) {
        try {
          for (let i = 0; ; i++) localStorage.setItem(`fill-${size}-${i}`, 'x'.repeat(size));
        } catch {
          // full for this size
        }
      }
    });
    const before = await countProfiles(server);
    const made = await init(page);
    await page.reload();
    expect((await init(page)).id).toBe(made.id);
    expect(await countProfiles(server)).toBe(before + 1);

    const outer = await open('/framed');
    const frame = outer.frames().at(-1)!; // the page has one frame besides itself
    const run = (): Promise<string[]> =>
      frame.evaluate(async (options) => {
        const profiles = await Promise.all([
          Grandstand.init(options),
          Grandstand.createClient(options).init(),
          Grandstand.init(options),
        ]);
        Grandstand.track('poll-voted');
        await Grandstand.flush();
        return [...profiles, await Grandstand.init(options)].map(({ id }) => id);
      }, initOptions(server.url));
    expect(
      await frame.evaluate(() => {
        try {
          return typeof localStorage;
        } catch {
          return 'refused';
        }
      }),
    ).toBe('refused');
    const ids = await run();
    expect(new Set(ids).size).toBe(1);
    expect(await countActivities(ids[0] ?? '')).toBe(1);
  });

  it('sends what was tracked offline as soon as the network is back', async () => {
    const page = await open();
    const { id } = await init(page);
    await context.setOffline(true);
    const failure = await page.evaluate(async () => {
      for (let i = 0; i < 250; i++) Grandstand.track('poll-voted', { data: { i } });
      return Grandstand.flush().then(
        () => 'sent',
        (error: Error) => error.name,
      );
    });
    expect(failure).toBe('NetworkError');
    await context.setOffline(false);
    await vi.waitFor(async () => expect(await countActivities(id)).toBe(250), { timeout: 10_000 });
  });

  it('sends what waits when the page goes, without another visit', async () => {
    const page = await open();
    const { id } = await init(page);
    await page.evaluate(() => void Grandstand.track('poll-voted'));
    await page.goto('about:blank');
    await vi.waitFor(async () => expect(await countActivities(id)).toBe(1), { timeout: 10_000 });
  });

  it('a page that is closed in the middle of a send loses nothing and counts nothing twice', async () => {
    for (const reaches of [true, false]) {
      const page = await open();
      const { id } = await init(page);
      const before = await countActivities(id);
      const inFlight = new Promise<void>((resolve) => {
        void page.route(ACTIVITIES, async (route) => {
          if (reaches) await route.fetch().catch(() => {});
          resolve();
        });
      });
      await page.evaluate(() => {
        for (let i = 0; i < 120; i++) Grandstand.track('poll-voted');
        void Grandstand.flush().catch(() => {});
      });
      await inFlight;
      await page.close();
      const next = await open();
      await init(next);
      await next.evaluate(() => Grandstand.flush());
      expect(await countActivities(id)).toBe(before + 120);
    }
  });

  it('gets through a network that loses, delays and answers at random', async () => {
    const seed = chooseSeed();
    console.info(`seed ${seed}`);
    let state = seed;
    const random = (n: number): number => (state = (state * 48_271 + 11) % 2_147_483_647) % n;
    const before = await countProfiles(server);
    await context.route('**/api/v1/**', async (route) => {
      const fate = random(10);
      try {
        if (fate < 2) await route.abort('connectionreset');
        else if (fate < 4) {
          await route.fetch();
          await route.abort('connectionreset');
        } else if (fate < 5)
          await route.fulfill({
            status: 503,
            headers: { 'retry-after': '0', 'access-control-allow-origin': '*' },
            body: 'upstream',
          });
        else {
          const response = await route.fetch();
          await new Promise((resolve) => setTimeout(resolve, random(40)));
          await route.fulfill({ response });
        }
      } catch {
        // the page reloaded meanwhile
      }
    });
    const page = await open();
    const ids = new Set<string>();
    for (let visit = 0; visit < 3; visit++) {
      let profile: Sdk.OwnProfile | undefined;
      for (let attempt = 0; attempt < 20 && !profile; attempt++) profile = await init(page).catch(() => undefined);
      ids.add(profile?.id ?? 'none');
      await page.evaluate(() => {
        for (let i = 0; i < 40; i++) Grandstand.track('poll-voted');
      });
      if (visit < 2) await page.reload();
    }
    for (let attempt = 0; attempt < 30; attempt++) {
      if (
        await page.evaluate(() =>
          Grandstand.flush().then(
            () => true,
            () => false,
          ),
        )
      )
        break;
    }
    expect([...ids]).toHaveLength(1);
    expect(await countProfiles(server)).toBe(before + 1);
    expect(await countActivities([...ids][0] ?? '')).toBe(120);
  });
});

/** Reference 000 to 002, completed where the pages cut it; `CLIENT_ID` and `ENDPOINT` stand for the application. */
const DOCUMENTS = `
import * as LiveLike from '/sdk/index.js';

const clientId = 'CLIENT_ID';
const endpoint = 'ENDPOINT';
const alreadySavedAccessToken = () => localStorage.getItem('token') !== null;
const loadSavedAccessToken = () => localStorage.getItem('token');
const saveAccessToken = (token) => localStorage.setItem('token', token);

async function visit() {
  if (alreadySavedAccessToken()) {
    // Already saved an access token: re-use it!
    const profile = await LiveLike.init({
      accessToken: loadSavedAccessToken(), endpoint
    })
    return profile;
  } else {
    // No saved access token yet, save it for next time
    const profile = await LiveLike.init({ clientId, endpoint })
    saveAccessToken(profile.access_token);
    return profile;
  }
}

const first = await visit();
const second = await visit();
const accessToken = first.access_token;

const existingProfile = await LiveLike.init({
  clientId, accessToken, endpoint
})

const updatedProfile = await LiveLike.updateUserProfile({
  options: {
    nickname: 'New Nickname'
  }
})
const updatedByToken = await LiveLike.updateUserProfile({
  accessToken,
  options: {
    nickname: 'Newer Nickname'
  }
})

const newProfile = await LiveLike.createUserProfile({ nickname: 'New Nickname' })

localStorage.setItem('results', JSON.stringify({
  sameProfile: first.id === second.id,
  sameToken: first.access_token === second.access_token,
  existing: existingProfile.id === first.id,
  updated: updatedProfile.nickname,
  keptToken: updatedProfile.access_token === accessToken,
  updatedByToken: updatedByToken.nickname,
  newIsAnother: newProfile.id !== first.id,
  newNickname: newProfile.nickname,
}));
document.title = 'done';
`;
