// Where the keyboard is: dialogs begin at their first field and give the focus back, and closing one throws nothing away
// that was pasted or typed without asking.

import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '../../server/src/testing/server.ts';
import { controlsOf, focused, hasBrowser, openConsole, type Watched } from './browser.ts';

describe.skipIf(!hasBrowser)('focus', () => {
  let server: TestServer;
  let watched: Watched;
  let page: Page;
  let group: string;
  let dynamic: string;
  let fan: string;

  openConsole(
    async () => {
      server = await startTestServer();
      const { groups, profiles, attributes } = server.sdk;
      group = (await groups.create({ name: 'Lounge' })).id;
      const rule = { attribute: 'nickname', condition: 'contains', value: 'a' };
      dynamic = (await groups.create({ name: 'Everybody', membership_type: 'dynamic', rule_tree: rule })).id;
      fan = (await profiles.create({ nickname: 'Ada' })).id;
      await groups.addMembers(group, { profile_ids: [fan] });
      await attributes.define({ key: 'seat', type: 'string', label: 'Seat' });
      return server;
    },
    (opened) => {
      watched = opened;
      page = watched.page;
    },
  );

  const { open, button, dialog } = controlsOf(() => ({ page, server }));

  test('every dialog begins with what it asks for, and Escape goes back to the button that opened it', async () => {
    for (const [path, opener, first] of [
      ['profiles', 'New profile', 'Nickname'],
      ['profiles', 'Attribute…', 'Key'],
      [`profiles/${fan}`, 'Edit', 'Nickname'],
      [`profiles/${fan}?why=${dynamic}`, 'Pin in…', 'Reason'],
      ['attributes', 'New attribute', 'Key'],
      ['activities', 'Send a test activity', 'Profile'],
      ['activities/types', 'New type', 'Type'],
      [`groups/${group}/members`, 'Add…', 'Ids'],
      [`groups/${group}/members`, 'Upload…', 'CSV file'],
      ['keys', 'New token', 'Name'],
    ] as const) {
      await open(path);
      await button(opener).click();
      await dialog().waitFor();
      expect.soft(await focused(page), `${path}: ${opener}`).toBe(first);
      await page.keyboard.press('Escape');
      await dialog().waitFor({ state: 'detached' });
      expect.soft(await focused(page), `after ${path}: ${opener}`).toBe(opener);
    }
  });

  test('a dialog that a menu opened gives the focus back to the menu, and one that asks to be sure begins with the way out', async () => {
    await open(`groups/${group}`);
    const menu = button('More about this group');
    for (const [item, first] of [
      ['Delete…', 'Type Lounge to confirm'],
      ['Deactivate…', 'Cancel'],
    ] as const) {
      await menu.click();
      await button(item).click();
      await dialog().waitFor();
      expect(await focused(page)).toBe(first);
      await page.keyboard.press('Escape');
      await dialog().waitFor({ state: 'detached' });
      expect(await focused(page)).toBe('More about this group');
    }
  });

  test('one step of a dialog after another gives the focus back to where it all began', async () => {
    await open('attributes');
    await button('Seat').click();
    await dialog().getByRole('button', { name: 'Edit', exact: true }).click();
    await page.getByRole('dialog', { name: 'Edit “Seat”' }).waitFor();
    expect(await focused(page)).toBe('Label');
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'detached' });
    expect(await focused(page)).toBe('Seat');
  });

  test('Escape keeps what was pasted', async () => {
    await open(`groups/${group}/members`);
    await button('Add…').click();
    await page.keyboard.insertText(`${fan}\nfan-2\n`);
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'detached' });
    expect(await focused(page)).toBe('Add…');
    await page.keyboard.press('Enter');
    await dialog().waitFor();
    expect(await dialog().getByLabel('Ids').inputValue()).toBe(`${fan}\nfan-2\n`);
    expect(await focused(page)).toBe('Ids');
    await dialog().getByRole('button', { name: 'Clear' }).click();
    expect(await dialog().getByLabel('Ids').inputValue()).toBe('');
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'detached' });
  });

  test('Escape asks once before it throws away what was typed', async () => {
    await open('profiles');
    await button('New profile').click();
    await page.keyboard.type('Grace');
    await page.keyboard.press('Escape');
    await dialog().getByText('What you wrote is not saved.', { exact: false }).waitFor();
    expect(await dialog().getByLabel('Nickname').inputValue()).toBe('Grace');
    expect(await focused(page)).toBe('Nickname');
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'detached' });
    expect(await focused(page)).toBe('New profile');
  });

  test('through all of this no page threw, logged an error or broke its policy', () => {
    expect(watched.problems).toEqual([]);
  });
});
