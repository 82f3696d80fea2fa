// A producer's first hour, in a browser: from the link that makes the first owner to a group that fills itself and a
// member who is explained. Everything is found as people find it, by roles and labels.

import type { Browser, BrowserContext, Page, Request } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLIENT_ID, type TestServer } from '../../server/src/testing/server.ts';
import {
  ALL_LOOKS,
  eveningContext,
  expectAccessible,
  expectNoSidewaysScroll,
  hasBrowser,
  launch,
  picture,
  startWithSeason,
  TWO_LOOKS,
  watchedPage,
  type Watched,
} from './browser.ts';

describe.skipIf(!hasBrowser)('the console', () => {
  let server: TestServer;
  let browser: Browser;
  let context: BrowserContext;
  let watched: Watched;
  let page: Page;
  const at = (path: string): string => `${server.url}/apps/${CLIENT_ID}/${path}`;

  beforeAll(async () => {
    server = await startWithSeason();
    browser = await launch();
    context = await eveningContext(browser);
    watched = await watchedPage(context);
    page = watched.page;
  }, 180_000);

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  async function open(path: string, heading: string): Promise<void> {
    await page.goto(at(path));
    await page.getByRole('heading', { level: 1, name: heading }).waitFor();
  }

  test('the first owner makes an account by the link and lands in the console', async () => {
    await page.goto(`${server.url}/invitation#${server.app.firstOwnerToken}`);
    await page.getByRole('heading', { name: 'Create the first account' }).waitFor();
    await expectAccessible(page, 'invitation');
    await page.getByLabel('E-mail address').fill('owner@example.com');
    await page.getByLabel('Your name').fill('Olga Owner');
    await page.getByLabel('Password', { exact: true }).fill('short');
    await page.getByLabel('Password again').fill('short');
    await page.getByRole('button', { name: 'Create the account' }).click();
    await page.getByText('A password has 10 characters or more.').waitFor();
    await page.getByLabel('Password', { exact: true }).fill('correct horse battery');
    await page.getByLabel('Password again').fill('correct horse battery');
    await page.getByRole('button', { name: 'Create the account' }).click();
    await page.getByRole('navigation', { name: 'Main' }).waitFor();
    expect(page.url()).toContain(`/apps/${CLIENT_ID}`);
  });

  test('a rule is built by keyboard alone, previewed, saved and filled', async () => {
    await open('groups/new', 'New group');
    const keys = page.keyboard;
    await page.getByLabel('Name', { exact: true }).focus();
    await keys.type('Active fans');
    await page.getByRole('combobox', { name: 'Bucket 1, rule 1: attribute' }).focus();
    await keys.press('Enter');
    await keys.type('total_activities');
    await keys.press('Enter');
    await keys.press('Tab'); // to the condition
    await expectFocus('Bucket 1, rule 1: condition');
    await keys.press('Tab');
    await expectFocus('Bucket 1, rule 1: value');
    await keys.type('2');
    await keys.press('Tab');
    await expectFocus('Bucket 1, rule 1: period');
    // What "and" adds is reached by going on.
    const and = page.getByRole('button', { name: 'And…' });
    for (let i = 0; i < 6 && !(await and.evaluate((button) => button === document.activeElement)); i++)
      await keys.press('Tab');
    await keys.press('Enter');
    await page.getByRole('combobox', { name: 'Bucket 2, rule 1: attribute' }).focus();
    await keys.press('ArrowDown');
    await keys.type('nickname');
    await keys.press('Enter');
    await page.getByRole('combobox', { name: 'Bucket 2, rule 1: condition' }).selectOption('contains');
    await keys.press('Tab');
    await page.getByLabel('Bucket 2, rule 1: value').focus();
    await keys.type('e');
    const preview = page.getByRole('complementary', { name: 'Preview' });
    await preview.getByText('of all').waitFor();
    await preview.getByText(/Profiles where Activities is at least 2, and Nickname contains “e”\./).waitFor();
    await expectAccessible(page, 'new group');
    await page.getByRole('button', { name: 'Create the group' }).focus();
    await keys.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Active fans' }).waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    const figure = page.locator('.stat', { hasText: 'Members' }).locator('.figure');
    await expect
      .poll(async () => Number(((await figure.textContent()) ?? '').replaceAll(/\D/g, '')), { timeout: 20_000 })
      .toBeGreaterThan(5);
  });

  test('a rule begins from one that others use, is narrowed to some activities, and says why it finds nobody', async () => {
    await open('groups/new', 'New group');
    await page.getByRole('button', { name: 'New and chatty' }).click();
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('New and chatty');
    const second = page.getByRole('region', { name: 'Bucket 2' });
    await second.getByRole('button', { name: 'Only where…' }).click();
    await page.getByLabel('Bucket 2, rule 1: data 1, key').fill('match');
    await page.getByLabel('Bucket 2, rule 1: data 1, value', { exact: true }).fill('6');
    const preview = page.getByRole('complementary', { name: 'Preview' });
    await preview.getByText(/and Comments posted is at least 5 where match is 6\./).waitFor();
    await preview.getByText(/(meets?|meet) (what stands before|this)/).waitFor();
    await expectAccessible(page, 'narrowed rule');
    await page.getByRole('button', { name: 'Cancel' }).click();
  });

  test('past sizes stand under the count, and are read day by day with the keyboard', async () => {
    await open('groups/new', 'New group');
    await page.getByRole('button', { name: 'Gone quiet' }).click();
    const past = page.getByRole('region', { name: 'The last 90 days' });
    await past.getByText(/At most \d+ \(.+\), at least \d+ \(.+\)\./).waitFor();
    await past.getByRole('figure', { name: /^Matches at the end of each day: from/ }).waitFor();
    await past.getByText('Day by day').focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    await expectFocus('Matches at the end of each day');
    const rows = past.getByRole('row');
    expect(await rows.count()).toBe(91);
    expect(Number(await rows.nth(1).getByRole('cell').textContent())).toBeGreaterThan(0); // yesterday
    await expectAccessible(page, 'past sizes');
    await page.getByRole('button', { name: 'Cancel' }).click();
  });

  test('the overview shows how the application stands, and leads on', async () => {
    await server.app.statisticsChores.run();
    await open('', 'Overview');
    const stat = (name: string) => page.locator('.stat', { hasText: name }).locator('.figure');
    await expect.poll(() => stat('Profiles').textContent()).toBe('200');
    await expect.poll(async () => Number(await stat('Active today').textContent())).toBeGreaterThan(0);
    await page.getByRole('region', { name: 'Active profiles' }).getByRole('figure').waitFor();
    await page.getByRole('region', { name: 'Health of evaluation' }).getByText('Last verification').waitFor();
    // Owners hear what is wrong with the installation: keys of tests are made up.
    const warned = page.getByRole('region', { name: 'The installation' });
    await warned.getByText(/^SECRET_KEY looks made up.*openssl rand -hex 32/).waitFor();
    await page.getByRole('heading', { name: 'Getting started' }).waitFor({ state: 'detached' });
    await page.getByRole('region', { name: 'Largest groups' }).getByRole('link').first().click();
    await page.getByRole('navigation', { name: 'Group' }).waitFor();
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Overview' }).click();
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  });

  test('the list of groups learns from one answer how each of them grew', async () => {
    const asked: string[] = [];
    const note = (request: Request): unknown => /\/sizes?\//.test(request.url()) && asked.push(request.url());
    page.on('request', note);
    await open('groups', 'Groups');
    const list = page.getByRole('region', { name: 'List of groups' });
    const lines = list.getByRole('img', { name: /members 30 days ago/ });
    await lines.first().waitFor();
    expect(await lines.count()).toBe(await list.locator('tbody tr').count());
    expect(await lines.count()).toBeGreaterThan(2);
    expect(asked).toHaveLength(1);
    page.off('request', note);
  });

  test('what a page filters or has open stands in its address', async () => {
    await open('activities', 'Activities');
    await page.getByLabel('Type of activity').selectOption('poll-voted');
    await page.reload();
    await expect.poll(() => page.getByLabel('Type of activity').inputValue()).toBe('poll-voted');
    await open('attributes', 'Attributes');
    await page.getByRole('button', { name: 'Comments posted', exact: true }).click();
    await page.reload();
    await page.getByRole('dialog', { name: 'Comments posted' }).getByText('total_comments_posted').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(page.url()).not.toContain('attribute=');
  });

  async function expectFocus(name: string): Promise<void> {
    const focused = await page.evaluate(() => document.activeElement?.getAttribute('aria-label'));
    expect(focused).toBe(name);
  }

  test('what the server refuses stands at its field, and nothing written is lost', async () => {
    await open('groups/new', 'New group');
    await page.getByRole('button', { name: 'JSON' }).click();
    const json = page.getByLabel('Rule tree as JSON');
    await json.fill(
      '{"operator":"AND","children":[{"operator":"OR","children":[{"attribute":"total_comments_posted","condition":"greater_than","value":"many"}]}]}',
    );
    await page.getByRole('button', { name: 'Simple' }).click();
    await page.getByRole('group', { name: 'Bucket 1, rule 1' }).getByText('Must be a number.').waitFor();
    await page.getByLabel('Description').fill('Kept while the name is missing');
    await page.getByRole('button', { name: 'Create the group' }).click();
    await page.getByRole('alert').first().waitFor();
    await page.reload();
    await page.getByText('Kept while the name is missing').waitFor();
  });

  test('a member is explained with actual values, pinned out and let back in', async () => {
    await open('groups', 'Groups');
    await page.getByRole('searchbox', { name: 'Search by name' }).fill('Active');
    await page.getByRole('link', { name: 'Active fans' }).click();
    await page.getByRole('navigation', { name: 'Group' }).getByRole('link', { name: 'Members' }).click();
    await page.getByRole('region', { name: 'List of members' }).getByRole('link').first().click();
    await page.getByRole('heading', { name: 'Identity' }).waitFor();
    await page.getByRole('button', { name: 'Why: Active fans' }).click();
    await page.getByText('Activities is at least 2').waitFor();
    await page.getByText('Found:').first().waitFor();
    await expectAccessible(page, 'profile with its reasons');
    await page.getByRole('button', { name: 'Pin out…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Reason').fill('Asked not to be in it');
    await expectAccessible(page, 'pin dialog');
    await dialog.getByRole('button', { name: 'Pin out', exact: true }).click();
    await page.getByText('Pinned out', { exact: false }).first().waitFor();
    await page.locator('.membership', { hasText: 'Active fans' }).getByText('Not a member').waitFor();
    await page.getByRole('button', { name: 'Let the rule decide' }).click();
    await page.locator('.membership', { hasText: 'Active fans' }).getByText('Member', { exact: true }).waitFor();
  });

  test('a group is compared with others, and the rows add up', async () => {
    await open('groups', 'Groups');
    await page.getByRole('link', { name: 'Active fans' }).click();
    await page.getByRole('navigation', { name: 'Group' }).getByRole('link', { name: 'Overlap' }).click();
    const chooser = page.getByRole('combobox', { name: 'Compare with' });
    await chooser.click();
    await page.getByRole('option').first().click();
    const rows = page.getByRole('table', { name: /Profiles by the groups/ }).getByRole('row');
    await rows.nth(1).waitFor();
    await page.getByText(/in any of them/).waitFor();
    await picture(page, 'group-compared', { looks: TWO_LOOKS });
  });

  test('members are pasted into a static group, one is removed and brought back', async () => {
    await open('groups/new', 'New group');
    await page.getByLabel('Name', { exact: true }).fill('Guests of honour');
    await page.getByRole('radio', { name: /Static/ }).check({ force: true });
    await page.getByRole('button', { name: 'Create the group' }).click();
    await page.getByRole('heading', { level: 1, name: 'Guests of honour' }).waitFor();
    await page.getByRole('navigation', { name: 'Group' }).getByRole('link', { name: 'Members' }).click();
    const { body } = await server.call<{ results: { id: string }[] }>(
      'GET',
      `applications/${CLIENT_ID}/profiles/?page_size=3`,
    );
    await page.getByRole('button', { name: 'Add…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog
      .getByLabel('Ids')
      .fill([...body.results.map(({ id }) => id), '00000000-0000-7000-8000-000000000000'].join('\n'));
    await dialog.getByLabel('These are').selectOption('profile ids');
    await dialog.getByRole('button', { name: 'Add them' }).click();
    await dialog.getByText('line 4').waitFor();
    await expectAccessible(page, 'outcome of adding members');
    await dialog.getByRole('button', { name: 'Done' }).click();
    const list = page.getByRole('region', { name: 'List of members' });
    await list.getByText('3 members').waitFor();
    await list
      .getByRole('button', { name: /^Remove/ })
      .first()
      .click();
    await list.getByText('2 members').waitFor();
    await page.getByRole('button', { name: 'Undo' }).click();
    await list.getByText('3 members').waitFor();
    // Ordered by a column, found by a name, and both are in the address.
    const names = async (): Promise<string[]> => list.getByRole('link').allTextContents();
    await list.getByRole('button', { name: 'Profile' }).click();
    await page.getByRole('columnheader', { name: 'Profile' }).and(page.locator('[aria-sort=ascending]')).waitFor();
    expect(page.url()).toContain('ordering=nickname');
    const byCode = (a: string, b: string): number => (a.toLowerCase() < b.toLowerCase() ? -1 : 1);
    await expect.poll(names).toEqual((await names()).toSorted(byCode));
    const [first = ''] = await names();
    await page.getByRole('searchbox').fill(first.slice(0, 4));
    await page
      .getByRole('region', { name: 'Profiles that match' })
      .getByRole('row', { name: first })
      .getByText('Member', { exact: true })
      .waitFor();
    await page.reload();
    await page.getByRole('region', { name: 'Profiles that match' }).getByRole('link', { name: first }).waitFor();
  });

  test('a banner says that the server is away, and goes when it is back', async () => {
    await open('groups', 'Groups');
    const banner = page.getByText('The server cannot be reached.', { exact: false });
    await context.setOffline(true);
    await page.getByRole('searchbox', { name: 'Search by name' }).fill('Guests');
    await banner.waitFor();
    await context.setOffline(false);
    await banner.waitFor({ state: 'detached' });
    await page.getByRole('region', { name: 'List of groups' }).getByText('1 group', { exact: true }).waitFor();
  });

  test('a hostile profile breaks neither page nor layout', async () => {
    const { body: made } = await server.call<{ id: string }>(
      'POST',
      `profile-by-custom-id/${CLIENT_ID}/${encodeURIComponent('<img src=x onerror=alert(1)>')}/`,
      {
        body: {
          nickname: `<script>alert(1)</script> مرحبا ${'W'.repeat(60)}`,
          custom_data: 'x'.repeat(65_536),
          attributes: [{ key: 'k'.repeat(200), value: 'v'.repeat(200) }],
        },
      },
    );
    await page.setViewportSize({ width: 390, height: 844 });
    for (const path of [`profiles/${made.id}`, 'profiles', 'groups']) {
      await page.goto(at(path));
      await page.getByRole('heading', { level: 1 }).waitFor();
      if (path !== 'groups') await page.getByText('<script>alert(1)</script>').first().waitFor();
      await expectNoSidewaysScroll(page, `hostile ${path}`);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
  });

  test('every page and dialog is without violations, fits a phone, and leaves its picture', async () => {
    const groups = await server.call<{ results: { id: string; name: string }[] }>(
      'GET',
      `applications/${CLIENT_ID}/profile-groups/?membership_type=dynamic`,
    );
    const statics = await server.call<{ results: { id: string }[] }>(
      'GET',
      `applications/${CLIENT_ID}/profile-groups/?membership_type=static`,
    );
    const dynamic = groups.body.results.find(({ name }) => name === 'Active fans')?.id ?? '';
    const profiles = await server.call<{ results: { id: string }[] }>(
      'GET',
      `applications/${CLIENT_ID}/profile-groups/${dynamic}/members/?page_size=1`,
    );
    const pages: [name: string, path: string][] = [
      ['overview', ''],
      ['groups', 'groups'],
      ['group-new', 'groups/new'],
      ['group', `groups/${dynamic}`],
      ['group-members', `groups/${statics.body.results[0]?.id ?? ''}/members`],
      ['group-rule', `groups/${dynamic}/rule`],
      ['group-changes', `groups/${dynamic}/changes`],
      ['group-overlap', `groups/${dynamic}/overlap`],
      ['group-settings', `groups/${dynamic}/settings`],
      ['profiles', 'profiles'],
      ['profile', `profiles/${profiles.body.results[0]?.id ?? ''}?why=${dynamic}`],
      ['activities', 'activities'],
      ['activity-types', 'activities/types'],
      ['attributes', 'attributes'],
      ['keys', 'keys'],
      ['people', 'people'],
      ['account', 'account'],
    ];
    for (const [name, path] of pages) {
      await page.goto(at(path));
      await page.getByRole('heading', { level: 1 }).waitFor();
      await picture(page, name, { looks: ALL_LOOKS });
    }
  }, 300_000);

  test('dialogs are without violations, fit a phone, and leave their pictures', async () => {
    const first = async (path: string): Promise<string> =>
      (await server.call<{ results: { id: string }[] }>('GET', `applications/${CLIENT_ID}/${path}`)).body.results[0]
        ?.id ?? '';
    const group = await first('profile-groups/?membership_type=static');
    const dynamic = await first('profile-groups/?membership_type=dynamic&name=Active');
    const profile = await first(`profile-groups/${dynamic}/members/`);
    const dialogs: [name: string, path: string, button: string][] = [
      ['new-profile', 'profiles', 'New profile'],
      ['by-attribute', 'profiles', 'Attribute…'],
      ['edit-profile', `profiles/${profile}`, 'Edit'],
      ['pin', `profiles/${profile}?why=${dynamic}`, 'Pin in…'],
      ['new-attribute', 'attributes', 'New attribute'],
      ['send-activity', 'activities', 'Send a test activity'],
      ['new-type', 'activities/types', 'New type'],
      ['add-members', `groups/${group}/members`, 'Add…'],
      ['upload-members', `groups/${group}/members`, 'Upload…'],
      ['new-token', 'keys', 'New token'],
      ['rotate-secret', 'keys', 'Rotate…'],
      ['invite', 'people', 'Invite'],
      ['sign-out-everywhere', 'account', 'Sign out everywhere…'],
    ];
    for (const [name, path, button] of dialogs) {
      await page.goto(at(path));
      await page.getByRole('button', { name: button, exact: true }).click();
      const dialog = page.getByRole('dialog');
      await dialog.waitFor();
      await picture(page, `dialog-${name}`, { looks: TWO_LOOKS, dialog });
      await page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'hidden' });
    }
  }, 300_000);

  test('signing out everywhere ends it, and the way back is the password', async () => {
    await open('account', 'Your account');
    await page.getByRole('button', { name: 'Sign out everywhere…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Sign out everywhere' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await expectAccessible(page, 'sign in');
    await page.getByLabel('E-mail address').fill('owner@example.com');
    await page.getByLabel('Password').fill('wrong password');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByText('E-mail address or password is wrong.').waitFor();
    await page.getByLabel('Password').fill('correct horse battery');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('navigation', { name: 'Main' }).waitFor();
  });

  test('through all of this no page threw, logged an error or broke its policy', () => {
    expect(watched.problems).toEqual([]);
  });
});
