// Two profiles of one fan in the console: compared, tried out, merged by name, and found by the id that is gone.

import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '../../server/src/testing/server.ts';
import { controlsOf, hasBrowser, openConsole, type Watched } from './browser.ts';

describe.skipIf(!hasBrowser)('merging', () => {
  let server: TestServer;
  let watched: Watched;
  let page: Page;
  let anonymous: string;
  let known: string;

  openConsole(
    async () => {
      server = await startTestServer({ env: { ROLE: 'all' } });
      const { profiles, groups, activities } = server.sdk;
      const attributes = [{ key: 'team', value: 'red' }];
      anonymous = (await profiles.create({ nickname: 'Brave Falcon', attributes })).id;
      known = (await profiles.createByCustomId('user-41', { nickname: 'Ada' })).id;
      const talkative = { attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 2 };
      await groups.create({ name: 'Talkative', membership_type: 'dynamic', rule_tree: talkative });
      const { id: guests } = await groups.create({ name: 'Guests' });
      await groups.addMembers(guests, { profile_ids: [anonymous] });
      await activities.send(
        [anonymous, known].map((profile_id) => ({ id: `c-${profile_id}`, type: 'comment-created', profile_id })),
      );
      return server;
    },
    (opened) => {
      watched = opened;
      page = watched.page;
    },
  );

  const { open, button, pictured } = controlsOf(() => ({ page, server }));
  const cells = (row: string) => page.getByRole('row', { name: new RegExp(`^${row} `) }).getByRole('cell');

  test('both stand side by side with what would come of it, and nothing has happened yet', async () => {
    await open(`profiles/${anonymous}`);
    await button('More about this profile').click();
    await button('Merge into another…').click();
    await page.getByRole('combobox', { name: 'The profile that stays' }).click();
    await page.keyboard.type('user-41');
    await page.getByRole('option', { name: /Ada/ }).click();
    await expect.poll(() => cells('Nickname').allTextContents()).toEqual(['Brave Falcon', 'Ada', 'Ada']);
    await expect.poll(() => cells('Custom id').allTextContents()).toEqual(['none', 'user-41', 'user-41']);
    await expect.poll(() => cells('Activities').allTextContents()).toEqual(['1', '1', '2']);
    await expect.poll(() => cells('team').allTextContents()).toEqual(['red', '–', 'red']);
    await expect.poll(() => cells('Guests').allTextContents()).toEqual(['member', '–', 'enters']);
    await expect.poll(() => cells('Talkative').allTextContents()).toEqual(['–', '–', 'enters']);
    await pictured('merge', { fullPage: true });
    expect((await server.sdk.profiles.get(anonymous)).id).toBe(anonymous);
  });

  test('swapped, the other one would stay', async () => {
    await button('Swap them').click();
    await expect.poll(() => cells('Nickname').allTextContents()).toEqual(['Ada', 'Brave Falcon', 'Brave Falcon']);
    await expect.poll(() => cells('Custom id').allTextContents()).toEqual(['user-41', 'none', 'user-41']);
    await button('Swap them').click();
    await expect.poll(() => cells('Nickname').allTextContents()).toEqual(['Brave Falcon', 'Ada', 'Ada']);
  });

  test('it is confirmed by name, and the old id leads to the profile and says so', async () => {
    await button('Let them follow').click();
    await button('Merge…').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('textbox').fill('Ada');
    await dialog.getByRole('button', { name: 'Merge for good' }).click();
    await dialog.getByText('This is not the name.', { exact: false }).waitFor();
    await pictured('dialog-merge', { fullPage: true });
    await dialog.getByRole('textbox').fill('Brave Falcon');
    await dialog.getByRole('button', { name: 'Merge for good' }).click();
    await page.getByRole('heading', { level: 1, name: 'Ada' }).waitFor();
    await page
      .getByRole('region', { name: 'Merged into it' })
      .getByText('1 activity came along', { exact: false })
      .waitFor();
    expect((await server.sdk.profiles.get(anonymous)).id).toBe(known);
    await open(`profiles/${anonymous}`);
    await page.getByRole('heading', { level: 1, name: 'Ada' }).waitFor();
    await page.getByRole('note').getByText('was merged into this profile', { exact: false }).waitFor();
    await pictured('profile-merged', { fullPage: true });
  });

  test('where both have a custom id it must be said that it is meant', async () => {
    const { id: other } = await server.sdk.profiles.createByCustomId('user-42', { nickname: 'Grace' });
    await open(`profiles/${other}/merge?into=${known}`);
    await page.getByText('Both have a custom id: say that it is meant.').waitFor();
    await expect.poll(() => button('Merge…').getAttribute('aria-disabled')).toBe('true');
    await page.getByLabel('Merge although both have a custom id').check();
    await pictured('merge-forced', { fullPage: true });
    await button('Merge…').click();
    await page.getByRole('dialog').getByRole('textbox').fill('Grace');
    await button('Merge for good').click();
    await page.getByRole('region', { name: 'Merged into it' }).getByText('user-42').waitFor();
  });

  test('through all of this no page threw, logged an error or broke its policy', () => {
    expect(watched.problems).toEqual([]);
  });
});
