// Pages and modules that were written for LiveLike's SDKs, rewritten from what public ones do with profiles. Each runs as it is on
// LiveLike's own SDK and on this one.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import * as all from './livelike.ts';
import { hasBrowser, launch, page as html, startSite, watchErrors, type Site } from './testing/browser.ts';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer, type TestServer } from './testing/sdk.ts';

const require = createRequire(import.meta.url);
const official = require('@livelike/javascript') as Record<string, unknown>;

/** The names that the older package exports, from the last statement of its module. */
function exportsOfOlder(): string[] {
  const text = readFileSync(require.resolve('@livelike/engagementsdk/livelike.min.js'), 'utf8');
  const list = /export\{([^}]*)\};?\s*$/.exec(text)?.[1] ?? '';
  return list.split(',').map((item) => item.split(' as ').at(-1)?.trim() ?? '');
}

describe('the entry for code of LiveLike', () => {
  it('has every name of both of their packages, and the same kinds', () => {
    const names = all as Record<string, unknown>;
    const older = exportsOfOlder();
    expect(older.length).toBeGreaterThan(60);
    expect([...Object.keys(official), ...older].filter((name) => !(name in names))).toEqual([]);
    const functions = Object.keys(official).filter((name) => typeof official[name] === 'function');
    expect(functions.filter((name) => typeof names[name] !== 'function')).toEqual([]);
  });

  it('rejects what is not offered with a sentence, and is no unhandled rejection where nobody waits', async () => {
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const unhandled: unknown[] = [];
    const listen = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', listen);
    const refusals: Promise<unknown>[] = [
      all.getMessageList({ roomId: 'x' }),
      all.applyLocalization({}),
      all.default.getCommentBoards(),
    ];
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', listen);
    expect(unhandled).toEqual([]);
    await expect(refusals[0]).rejects.toMatchObject({
      status: 404,
      code: 'not_offered',
      message: 'Chat rooms are not part of Grandstand.',
      errorDetail: { error_code: 'not_offered' },
    });
    await expect(refusals[1]).rejects.toBeInstanceOf(all.NotOfferedError);
    await expect(refusals[2]).rejects.toThrow('Comments are not part of Grandstand.');
    expect(warned).toHaveBeenCalledWith('getMessageList: Chat rooms are not part of Grandstand.');
    warned.mockRestore();
    expect(() => new (class extends all.LiveLikePoll {})()).toThrow('not part of Grandstand');
  });
});

interface DemoPage {
  body: string;
  /** Loaded after the SDK, which it knows as `LiveLike`. Sets `document.title` at each step that it has reached. */
  script: string;
  walk(page: Page): Promise<void>;
}

const title = (page: Page, text: string): Promise<unknown> =>
  page.waitForFunction((wanted) => document.title === wanted, text, { timeout: 15_000 });
const value = (page: Page, selector: string): Promise<string> => page.inputValue(selector);

const START = (endpoint: string): string => `
const clientId = '${CLIENT_ID}';
const endpoint = '${endpoint}/api/v1/';`;

/** By what they do. */
const PAGES: Record<string, DemoPage> = {
  'a form of nickname and e-mail, shown again after saving and after a reload': {
    body: '<input id="nickname"><input id="email"><button id="save"></button>',
    script: `
const show = () => {
  document.querySelector('#nickname').value = LiveLike.userProfile.nickname;
  const customData = JSON.parse(LiveLike.userProfile.custom_data);
  if (customData && customData.email) document.querySelector('#email').value = customData.email;
};
document.querySelector('#save').addEventListener('click', () => {
  LiveLike.updateUserProfile({
    accessToken: LiveLike.userProfile.access_token,
    options: {
      nickname: document.querySelector('#nickname').value,
      custom_data: JSON.stringify({ email: document.querySelector('#email').value }),
    },
  }).then(() => {
    document.querySelector('#nickname').value = '';
    show();
    document.title = 'saved';
  });
});
const stored = localStorage.getItem('my-token');
LiveLike.init(stored ? { clientId, endpoint, accessToken: stored } : { clientId, endpoint }).then((profile) => {
  localStorage.setItem('my-token', profile.access_token);
  show();
  document.title = 'ready';
});`,
    async walk(page) {
      await title(page, 'ready');
      expect(await value(page, '#nickname')).toMatch(/\S+ \S+/);
      await page.fill('#nickname', 'Ada');
      await page.fill('#email', 'ada@example.com');
      await page.click('#save');
      await title(page, 'saved');
      expect(await value(page, '#nickname')).toBe('Ada');
      await page.reload();
      await title(page, 'ready');
      expect([await value(page, '#nickname'), await value(page, '#email')]).toEqual(['Ada', 'ada@example.com']);
    },
  },
  'an avatar that is chosen by a click and kept in the custom data': {
    body: '<i id="lion" class="avatar"></i><i id="bear" class="avatar"></i>',
    script: `
const choose = (id) => document.querySelectorAll('.avatar').forEach((each) => each.toggleAttribute('selected', each.id === id));
const setup = () => {
  const customData = LiveLike.userProfile.custom_data;
  const parsed = customData && JSON.parse(customData);
  choose(parsed && parsed.avatar);
  document.querySelectorAll('.avatar').forEach((each) =>
    each.addEventListener('click', () => {
      const accessToken = LiveLike.userProfile.access_token;
      LiveLike.updateUserProfile({ accessToken, options: { custom_data: JSON.stringify({ avatar: each.id }) } })
        .then((profile) => { choose(JSON.parse(profile.custom_data).avatar); document.title = 'chosen'; });
    }));
  document.title = 'ready';
};
const accessToken = localStorage.getItem('my-token');
LiveLike.init({ clientId, endpoint, accessToken }).then(({ access_token }) => {
  localStorage.setItem('my-token', access_token);
  setup();
});`,
    async walk(page) {
      await title(page, 'ready');
      await page.evaluate(() => document.querySelector<HTMLElement>('#bear')?.click());
      await title(page, 'chosen');
      await page.reload();
      await title(page, 'ready');
      expect(await page.$$eval('[selected]', (chosen) => chosen.map(({ id }) => id))).toEqual(['bear']);
    },
  },
  'the application of a program, asked for before anything else': {
    body: '',
    script: `
fetch(endpoint + 'programs/498591f4-9d6b-4943-9671-f44d3afbb6a4/')
  .then((response) => response.json())
  .then((program) => LiveLike.init({ clientId: program.client_id, endpoint }))
  .then((profile) => { document.title = profile.id === LiveLike.userProfile.id ? 'ready' : 'another'; });`,
    walk: async (page) => void (await title(page, 'ready')),
  },
  'a second init, and a third with the token': {
    body: '',
    script: `
(async () => {
  const first = await LiveLike.init({ clientId, endpoint });
  const other = await LiveLike.createUserProfile({ nickname: 'Second' });
  const before = LiveLike.userProfile.id === first.id && other.id !== first.id;
  const second = await LiveLike.init({ clientId, endpoint });
  const third = await LiveLike.init({ clientId, endpoint, accessToken: first.access_token });
  document.title = String([before, second.id === first.id, third.id === first.id, LiveLike.userProfile.id === first.id]);
})();`,
    walk: async (page) => void (await title(page, 'true,true,true,true')),
  },
  'an element that waits for the SDK to be initialised': {
    body: '',
    script: `
const { userProfile, addSdkEventListener, SdkEvent } = LiveLike;
const load = (profile) => { document.title = [profile.nickname, userProfile.nickname].join(); };
if (userProfile && userProfile.id) load(userProfile);
else addSdkEventListener(SdkEvent.INITIALISED, load);
LiveLike.addUserProfileEventListener(LiveLike.UserProfileEvent.BLOCK_PROFILE, () => {});
LiveLike.init({ clientId, endpoint, nickName: 'Element' });`,
    walk: async (page) => void (await title(page, 'Element,Element')),
  },
  'requests of its own, by both kinds of credentials': {
    body: '',
    script: `
(async () => {
  const profile = await LiveLike.init({ clientId, endpoint });
  const auth = LiveLike.createPersonalApiAuth('${ADMIN_TOKEN}');
  const groups = 'applications/' + clientId + '/profile-groups/';
  const group = await LiveLike.request.post({ path: groups, auth, data: { name: 'From a page' } });
  await LiveLike.request({ path: groups + group.id + '/members/', method: 'POST', auth, data: { profile_ids: [profile.id] } });
  const own = await LiveLike.request.get({
    path: '/applications/' + clientId + '/profiles/' + profile.id + '/profile-groups/',
    auth: LiveLike.createUserProfileAuth(profile.access_token),
    queryParams: { page_size: 5 },
  });
  const mine = await LiveLike.request.get({ url: LiveLike.userProfile.url });
  const removed = await LiveLike.request.delete({ path: groups + group.id + '/', auth });
  const refused = await LiveLike.request.get({ path: groups }).catch((error) => error);
  document.title = [own.results[0].group_id === group.id, mine.id === profile.id, removed.status, refused.status, refused.errorDetail.error_code].join();
})();`,
    walk: async (page) => void (await title(page, 'true,true,204,403,permission_denied')),
  },
};

const SDKS: Record<string, string> = {
  ours: '<script src="/sdk/grandstand.min.js"></script><script src="/name.js"></script>',
  '@livelike/javascript': '<script src="/official.js"></script><script src="/official-name.js"></script>',
};

describe.skipIf(!hasBrowser)('a page that was written for LiveLike', () => {
  let server: TestServer;
  let site: Site;
  let browser: Browser;
  let context: BrowserContext;
  beforeAll(async () => {
    server = await startTestServer();
    site = await startSite(server.url);
    site.put('/name.js', 'const LiveLike = Grandstand;');
    site.put('/official.js', readFileSync(require.resolve('@livelike/javascript/livelike-javascript.umd.js'), 'utf8'));
    site.put('/official-name.js', 'const LiveLike = LiveLikeJs;');
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

  for (const [sdk, tags] of Object.entries(SDKS)) {
    for (const [i, [name, { body, script, walk }]] of Object.entries(PAGES).entries()) {
      it(`runs on ${sdk}: ${name}`, async () => {
        site.put('/demo.js', START(server.url) + script);
        site.put(`/demo-${i}.html`, html(tags) + body + '<script src="/demo.js"></script>');
        const page = await context.newPage();
        const errors = watchErrors(page);
        await page.goto(`${site.url}/demo-${i}.html`);
        await walk(page);
        expect(errors).toEqual([]);
      });
    }
  }
});
