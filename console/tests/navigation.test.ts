// Finding one's way: the palette, with the keyboard alone, and the bar of a narrow screen.

import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '../../server/src/testing/server.ts';
import {
  controlsOf,
  expectAccessible,
  focused,
  hasBrowser,
  SCREENSHOTS,
  openConsole,
  type Watched,
} from './browser.ts';

describe.skipIf(!hasBrowser)('navigation', () => {
  let server: TestServer;
  let watched: Watched;
  let page: Page;
  let group: string;
  let fan: string;

  openConsole(
    async () => {
      server = await startTestServer();
      const { groups, profiles, attributes } = server.sdk;
      group = (await groups.create({ name: 'Lounge regulars' })).id;
      fan = (await profiles.create({ nickname: 'Ada of the Lounge' })).id;
      await attributes.define({ key: 'lounge_seat', type: 'string', label: 'Seat in the lounge' });
      return server;
    },
    (opened) => {
      watched = opened;
      page = watched.page;
    },
  );

  const { open, button, dialog } = controlsOf(() => ({ page, server }));
  const field = () => page.getByRole('combobox', { name: 'Find a page, a group, a profile or an attribute' });
  const option = (name: string) => page.getByRole('option', { name });

  test('opens by its keys wherever one is, and Escape leads back', async () => {
    await open('groups');
    await page.getByLabel('Search by name').focus();
    await page.keyboard.press('Control+k');
    await field().waitFor();
    expect(await focused(page)).toBe('Find a page, a group, a profile or an attribute');
    await option('Usage').waitFor();
    await expectAccessible(page, 'palette');
    await page.screenshot({ path: join(SCREENSHOTS, 'palette.png') });
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'detached' });
    expect(await focused(page)).toBe('Search by name');
  });

  test('finds groups, profiles and attributes by some letters, and goes to the one that is chosen', async () => {
    await open('');
    await button('Find anything').first().click();
    await field().fill('lounge');
    for (const name of ['Lounge regulars', 'Ada of the Lounge', 'Seat in the lounge']) await option(name).waitFor();
    await page.screenshot({ path: join(SCREENSHOTS, 'palette-found.png') });
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForURL(new RegExp(`/profiles/${fan}$`));
    await dialog().waitFor({ state: 'detached' });

    await page.keyboard.press('Control+k');
    await field().fill('lounge reg');
    await option('Lounge regulars').waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL(new RegExp(`/groups/${group}$`));

    await page.keyboard.press('Control+k');
    await field().fill('create a gr');
    await option('Create a group').waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/groups\/new$/);
  });

  test('leads by a bar at the foot of a narrow screen, and by its last button everywhere else', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await open('');
    const bar = page.getByRole('navigation', { name: 'Often used' });
    await bar.getByRole('link', { name: 'Groups' }).click();
    await page.getByRole('heading', { name: 'Groups' }).waitFor();
    expect(await bar.getByRole('link', { name: 'Groups' }).getAttribute('aria-current')).toBe('page');
    await expectAccessible(page, 'bar');
    await page.screenshot({ path: join(SCREENSHOTS, 'bar-390.png') });
    await bar.getByRole('button', { name: 'More' }).click();
    await page.getByRole('dialog', { name: 'Menu' }).getByRole('link', { name: 'Webhooks' }).click();
    await page.getByRole('heading', { name: 'Webhooks' }).waitFor();
    await page.setViewportSize({ width: 1440, height: 900 });
    await bar.waitFor({ state: 'hidden' });
  });

  test('says when there is nothing', async () => {
    await open('');
    await page.keyboard.press('Control+k');
    await field().fill('no such thing');
    await page.getByText('Nothing is called “no such thing”.').waitFor();
    await page.keyboard.press('Enter');
    await field().waitFor();
    await page.keyboard.press('Escape');
    expect(watched.problems).toEqual([]);
  });
});
