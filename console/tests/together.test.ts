// Two people at one thing, and a server that takes its time: nothing written is lost, nothing shown contradicts itself. The
// colleague speaks through the API; evaluation goes on only when the test says so.

import type { Page } from 'playwright-core';
import { beforeEach, describe, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '../../server/src/testing/server.ts';
import {
  controlsOf,
  expectAccessible,
  expectNoSidewaysScroll,
  hasBrowser,
  openConsole,
  type Watched,
} from './browser.ts';

const atLeast = (value: number) => ({
  attribute: 'total_comments_posted',
  condition: 'greater_than_or_equal',
  value,
});

describe.skipIf(!hasBrowser)('together', () => {
  let server: TestServer;
  let watched: Watched;
  let page: Page;
  let group: string;

  openConsole(
    async () => {
      server = await startTestServer();
      return server;
    },
    (opened) => {
      watched = opened;
      page = watched.page;
    },
  );
  beforeEach(async () => {
    const made = await server.sdk.groups.create({
      name: 'Talkative',
      membership_type: 'dynamic',
      rule_tree: atLeast(2),
    });
    group = made.id;
  });

  const { open, button } = controlsOf(() => ({ page, server }));
  const value = () => page.getByLabel('Bucket 1, rule 1: value');
  const unsaved = () => page.getByText('You have changes that are not saved.');
  const conflict = () => page.getByRole('heading', { name: 'Another rule was saved meanwhile' });
  const theirRule = (least: number) => server.sdk.groups.update(group, { rule_tree: atLeast(least) });
  const savedRule = async (): Promise<string> =>
    JSON.stringify((await server.sdk.groups.get(group)).ruleset?.rule_tree);

  test('a rule that is being written stays when a colleague saves another, beside theirs, until one is chosen', async () => {
    await open(`groups/${group}/rule`);
    await value().fill('7');
    await theirRule(5);
    await conflict().waitFor();
    expect(await value().inputValue()).toBe('7');
    const row = page.getByRole('table', { name: 'Your rule and theirs, line by line' }).getByRole('cell');
    expect((await row.allTextContents()).filter(Boolean)).toEqual([
      'only yours: Comments posted is at least 7',
      'only theirs: Comments posted is at least 5',
    ]);
    await page.getByText('the token “', { exact: false }).first().waitFor();
    await expectAccessible(page, 'two rules');
    await page.setViewportSize({ width: 390, height: 844 });
    await expectNoSidewaysScroll(page, 'two rules');
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.reload();
    await conflict().waitFor();
    expect(await value().inputValue()).toBe('7');
    await button('Save mine over theirs').click();
    await conflict().waitFor({ state: 'detached' });
    await unsaved().waitFor({ state: 'detached' });
    expect(await savedRule()).toContain('"value":7');
  });

  test('one’s own late save brings both versions, and the one not chosen can be brought back', async () => {
    await open(`groups/${group}/rule`);
    await value().fill('9');
    // The page does not hear of theirs before it saves: its polls are slow.
    const isThis = (url: URL): boolean => url.pathname.endsWith(`/profile-groups/${group}/`);
    let sent = (): void => {};
    const saving = new Promise<void>((resolve) => (sent = resolve));
    await page.route(isThis, async (route) => {
      if (route.request().method() === 'PATCH') sent();
      await saving;
      await route.continue();
    });
    await theirRule(5);
    await button('Save the rule').click();
    await conflict().waitFor();
    await page.unroute(isThis);
    expect(await savedRule()).toContain('"value":5');
    await button('Take theirs').click();
    await expect.poll(() => value().inputValue()).toBe('5');
    await page.reload();
    await button('Bring it back').click();
    await expect.poll(() => value().inputValue()).toBe('9');
    await button('Save the rule').click();
    await unsaved().waitFor({ state: 'detached' });
    expect(await savedRule()).toContain('"value":9');
  });

  test('what a colleague changes elsewhere in the group holds up nothing', async () => {
    await open(`groups/${group}/rule`);
    await value().fill('3');
    await server.sdk.groups.update(group, { description: 'Theirs' });
    await button('Save the rule').click();
    await unsaved().waitFor({ state: 'detached' });
    expect(await savedRule()).toContain('"value":3');
    await theirRule(8); // nothing is being written: it is simply shown
    await expect.poll(() => value().inputValue()).toBe('8');
    expect(await conflict().count()).toBe(0);
  });

  test('JSON that is not finished stays while a colleague saves, and parts added after a reload are parts of their own', async () => {
    await open(`groups/${group}/rule`);
    await button('And…').click();
    await page.reload();
    await button('And…').click();
    await page.getByRole('combobox', { name: 'Bucket 3, rule 1: attribute' }).waitFor();
    await button('Remove bucket 3, rule 1').click();
    await page.getByRole('combobox', { name: 'Bucket 2, rule 1: attribute' }).waitFor();
    expect(await value().inputValue()).toBe('2');
    await button('JSON').click();
    const json = page.getByLabel('Rule tree as JSON');
    await json.fill('{"operator": "AND", "chil');
    await theirRule(6);
    await conflict().waitFor();
    expect(await json.inputValue()).toBe('{"operator": "AND", "chil');
    await button('Take theirs').click();
  });

  test('settings: what one has not touched follows, and mine over theirs is saved by one click', async () => {
    await open(`groups/${group}/settings`);
    await page.getByLabel('Name', { exact: true }).fill('Mine');
    await server.sdk.groups.update(group, { description: 'Theirs' });
    await expect.poll(() => page.getByLabel('Description').inputValue()).toBe('Theirs');
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('Mine');
    await server.sdk.groups.update(group, { name: 'Theirs', custom_id: `theirs-${group}` });
    await button('Save').click();
    await page.getByRole('table', { name: 'Yours and theirs, field by field' }).waitFor();
    await expectAccessible(page, 'two settings');
    await page.reload();
    await button('Save mine over theirs').click();
    await expect.poll(async () => (await server.sdk.groups.get(group)).name).toBe('Mine');
    expect(await server.sdk.groups.get(group)).toMatchObject({ description: 'Theirs', custom_id: `theirs-${group}` });
    await page.getByRole('heading', { level: 1, name: 'Mine' }).waitFor();
    await button('Save mine over theirs').waitFor({ state: 'detached' });
  });

  test('a profile that its app changes meanwhile keeps the app’s changes and mine', async () => {
    const fan = await server.sdk.profiles.create({ nickname: 'Before' });
    await open(`profiles/${fan.id}`);
    await button('Edit').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Nickname').fill('Mine');
    await server.sdk.profiles.update(fan.id, { custom_data: 'by the app' });
    await dialog.getByRole('button', { name: 'Save', exact: true }).click();
    await dialog.waitFor({ state: 'detached' });
    expect(await server.sdk.profiles.get(fan.id)).toMatchObject({ nickname: 'Mine', custom_data: 'by the app' });
    await button('Edit').click();
    await dialog.getByLabel('Nickname').fill('Mine again');
    await server.sdk.profiles.update(fan.id, { nickname: 'The app’s' });
    await dialog.getByRole('button', { name: 'Save', exact: true }).click();
    await dialog.getByRole('button', { name: 'Save mine over theirs' }).click();
    await dialog.waitFor({ state: 'detached' });
    expect((await server.sdk.profiles.get(fan.id)).nickname).toBe('Mine again');
  });

  test('a pin is on its way until it is evaluated, and its end is never called an entering', async () => {
    const fan = await server.sdk.profiles.create({ nickname: 'Pinned' });
    while ((await server.sdk.groups.get(group)).evaluation?.state !== 'live') await server.app.worker.tick();
    await open(`profiles/${fan.id}?why=${group}`);
    const item = page.locator('.membership', { hasText: 'Talkative' });
    await item.getByText('Not a member').waitFor();
    await item.getByRole('button', { name: 'Pin in…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Reason').fill('Asked for it');
    const soon = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 16);
    await dialog.getByLabel('Until').fill(soon);
    await dialog.getByRole('button', { name: 'Pin in', exact: true }).click();
    await item.getByText('Updating…').waitFor();
    expect(await item.locator('.membership-state').textContent()).not.toContain('enters in');
    await server.app.worker.tick();
    await item.getByText('Member', { exact: true }).waitFor({ timeout: 3_000 });
    expect(await item.locator('.membership-state').textContent()).toContain('leaves in');
    await item.getByText('Updating…').waitFor({ state: 'detached' });
  });

  test('while a group fills its figures are those of one moment, and the page follows within a second or two', async () => {
    for (let i = 0; i < 3; i++) {
      const fan = await server.sdk.profiles.create();
      const two = ['a', 'b'].map((id) => ({ id, type: 'comment-created', profile_id: fan.id }));
      await server.sdk.activities.send(two);
    }
    await open(`groups/${group}`);
    await page.getByText(/^Filling/).waitFor();
    const stat = (name: string) => page.locator('.stat', { hasText: name }).locator('.figure').textContent();
    // Each look is at one state of the page: Members and Entered are equal at all times, since nobody left.
    await page.evaluate(() => {
      const figure = (name: string): string =>
        [...document.querySelectorAll('.stat')]
          .find((one) => one.querySelector('.label')?.textContent === name)
          ?.querySelector('.figure')?.textContent ?? '';
      const seen = new Set<string>();
      Object.assign(window, { seen });
      new MutationObserver(() => seen.add(`${figure('Members')} ${figure('Entered')}`)).observe(document.body, {
        subtree: true,
        childList: true,
        characterData: true,
      });
    });
    while ((await server.sdk.groups.get(group)).evaluation?.state !== 'live') await server.app.worker.tick();
    await page.getByText('Live', { exact: true }).waitFor({ timeout: 3_000 });
    await expect.poll(() => stat('Members'), { timeout: 3_000 }).toBe('3');
    expect(await stat('Entered')).toBe('3');
    const seen = await page.evaluate(() => [...(window as unknown as { seen: Set<string> }).seen]); // as set above
    expect(seen.filter((one) => !/^(\d*) \1$/.test(one))).toEqual([]);
  });

  test('through all of this no page threw, logged an error or broke its policy', () => {
    expect(watched.problems).toEqual([]);
  });
});
