// Files in and out, the audit log and usage in the console.

import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { CLIENT_ID, startTestServer, type TestServer } from '../../server/src/testing/server.ts';
import { controlsOf, hasBrowser, openConsole, type Watched } from './browser.ts';

describe.skipIf(!hasBrowser)('files and records', () => {
  let server: TestServer;
  let watched: Watched;
  let page: Page;

  openConsole(
    async () => {
      server = await startTestServer({ env: { ROLE: 'all' } });
      return server;
    },
    (opened) => {
      watched = opened;
      page = watched.page;
    },
  );

  const { open, button, dialog, pictured } = controlsOf(() => ({ page, server }));
  const figure = (label: string) =>
    dialog()
      .locator('.stat', { has: page.getByText(label, { exact: true }) })
      .locator('.figure')
      .textContent();
  const downloaded = async (name: string): Promise<{ file: string; text: string }> => {
    const [download] = await Promise.all([page.waitForEvent('download'), button(name).click()]);
    return { file: download.suggestedFilename(), text: await readFile(await download.path(), 'utf8') };
  };

  test('a file is tried out first, says which columns it asks about, and is then imported', async () => {
    await open('imports');
    await page.getByText('No file was imported yet').waitFor();
    await button('Import a file').click();
    const text = 'Custom ID;nickname;Club;points\nf-1;Ada;red;7\nf-2;Grace;blue;12\n;nobody;;1\n';
    await dialog()
      .getByLabel('File', { exact: true })
      .setInputFiles({ name: 'fans.csv', mimeType: 'text/csv', buffer: Buffer.from(text) });
    await dialog().getByText('Not every header is known.', { exact: false }).waitFor();
    await button('Try it out first').click();
    await dialog().getByText('Say what “Club” is, or leave it out.').waitFor();
    await dialog().getByLabel('What “Club” is').selectOption('attribute “Club”');
    await dialog().getByLabel('What “points” is').selectOption('leave it out');
    await pictured('dialog-import');
    await button('Try it out first').click();
    await page.getByRole('dialog', { name: 'Tried out: nothing is stored yet' }).waitFor();
    expect(await figure('Accepted')).toBe('2');
    expect(await figure('Rejected')).toBe('1');
    await pictured('dialog-import-tried');
    expect((await server.call<{ count: number }>('GET', `applications/${CLIENT_ID}/profiles/`)).body.count).toBe(0);
    await button('Import it').click();
    await page.getByRole('dialog', { name: 'The file was imported' }).waitFor();
    expect(await figure('Accepted')).toBe('2');
    await button('Done').click();
    const fan = await server.sdk.profiles.getByCustomId('f-1');
    expect(fan.attributes).toEqual([{ key: 'Club', value: 'red' }]);
  });

  test('past imports stay, with what was rejected, and everything comes out again', async () => {
    const list = page.getByRole('region', { name: 'Imports', exact: true });
    await list.getByText('tried out').waitFor();
    await list.getByRole('button', { name: 'fans.csv' }).first().click();
    await dialog().getByText('line 4').waitFor();
    const rejected = await downloaded('Download them');
    expect(rejected.text.split('\r\n')[0]).toBe('line,reason,row');
    await page.reload();
    await dialog().getByText('line 4').waitFor();
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'detached' });
    await pictured('imports');
    const profiles = await downloaded('Download profiles');
    expect(profiles.file).toBe(`${CLIENT_ID}-profiles.csv`);
    expect(profiles.text).toMatch(/"?f-2"?,"?Grace"?/);
    for (const kind of ['activities', 'members', 'changes'])
      expect((await downloaded(`Download ${kind}`)).text).toContain(',');
  });

  test('the audit log says who changed what, is filtered, and comes as a file', async () => {
    const { id } = await server.sdk.groups.create({ name: 'Regulars' });
    await server.sdk.groups.update(id, { name: 'Loyal fans', description: 'Every match' });
    await open('audit');
    const entries = page.getByRole('region', { name: 'Entries' });
    await entries.getByRole('button', { name: 'Exported profiles' }).waitFor();
    await page.getByLabel('Of what').selectOption('Groups');
    await entries.getByText('2 entries').waitFor();
    await entries.getByRole('button', { name: 'Changed group' }).click();
    await dialog().getByRole('row', { name: 'name Regulars Loyal fans' }).waitFor();
    await pictured('dialog-audit');
    await page.keyboard.press('Escape');
    await page.getByLabel('Who').fill('nobody@example.com');
    await page.getByText('None of these').waitFor();
    await page.reload();
    await page.getByText('None of these').waitFor();
    await button('Clear').click();
    await entries.getByRole('button', { name: 'Imported a file' }).first().waitFor();
    await pictured('audit');
    const { text } = await downloaded('Download CSV');
    expect(text).toContain(`updateGroup,group,${id},`);
    expect(text.trimEnd().split('\r\n').length).toBeGreaterThan(5);
  });

  test('usage shows this month beside the one before, and what may be wrong', async () => {
    await open('usage');
    await page.getByRole('region', { name: 'Over time' }).getByRole('figure').waitFor();
    await pictured('usage');
    await page.getByRole('button', { name: 'Months' }).click();
    await page.getByRole('region', { name: 'Seen on one day only' }).waitFor();
    const { text } = await downloaded('Download CSV');
    expect(text.split('\r\n')[0]).toMatch(/^at,active,new,returning/);
  });

  test('limits are set by owners, and said aloud where they are reached', async () => {
    await open('usage');
    await button('Change limits').click();
    const field = dialog().getByLabel('Most new profiles a day', { exact: true });
    await field.fill('1');
    await dialog().getByLabel('Once the day has that many').selectOption('refuse new profiles');
    await pictured('dialog-limits');
    await button('Save the limits').click();
    await page.getByText('The limits are saved.').waitFor();
    const create = () => server.call('POST', `applications/${CLIENT_ID}/profile/`, { token: null });
    await create();
    expect((await create()).status).toBe(429);
    await open('usage');
    await page.getByText('Further ones are refused until', { exact: false }).waitFor();
    await pictured('usage-limit');
    await open('');
    await page.getByRole('region', { name: 'Limits that need attention' }).getByText('A limit is reached').waitFor();
    await page.getByRole('link', { name: 'See usage and limits' }).click();
    await button('Change limits').click();
    await dialog().getByLabel('Most new profiles a day', { exact: true }).fill('');
    await button('Save the limits').click();
    const card = page.getByRole('region', { name: 'Limits', exact: true });
    await card.getByText('no limit', { exact: true }).nth(1).waitFor();
    expect((await create()).status).toBe(201);
  });

  test('through all of this no page threw, logged an error or broke its policy', () => {
    expect(watched.problems).toEqual([]);
  });
});
