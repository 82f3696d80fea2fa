// Lists of ids in the console: what the header does not say is asked and never guessed, and a list that would empty a group
// is asked about first.

import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { beforeEach, describe, expect, test } from 'vitest';
import { CLIENT_ID, startTestServer, type TestServer } from '../../server/src/testing/server.ts';
import {
  controlsOf,
  expectAccessible,
  expectNoSidewaysScroll,
  hasBrowser,
  openConsole,
  type Watched,
} from './browser.ts';

const CUSTOM_IDS = ['41', '42', '43', '7', '12', '30'];

describe.skipIf(!hasBrowser)('lists of ids', () => {
  let server: TestServer;
  let watched: Watched;
  let page: Page;
  let group: string;
  const ids = new Map<string, string>();

  openConsole(
    async () => {
      server = await startTestServer({ env: { ROLE: 'all' } });
      for (const { id, custom_id: customId } of await server.sdk.profiles.upsert(
        CUSTOM_IDS.map((custom_id) => ({ custom_id })),
      ))
        ids.set(customId ?? '', id ?? '');
      return server;
    },
    (opened) => {
      watched = opened;
      page = watched.page;
    },
  );
  beforeEach(async () => {
    group = (await server.sdk.groups.create({ name: 'Ticket holders' })).id;
    await page.goto(`${server.url}/apps/${CLIENT_ID}/groups/${group}/members`);
    await page.getByRole('heading', { level: 1 }).waitFor();
  });

  const { button, dialog } = controlsOf(() => ({ page, server }));
  const figure = (label: string) =>
    dialog()
      .locator('.stat', { has: page.getByText(label, { exact: true }) })
      .locator('.figure')
      .textContent();
  const upload = async (name: string, text: string): Promise<void> => {
    await button('Upload…').click();
    await dialog()
      .getByLabel('CSV file')
      .setInputFiles({ name, mimeType: 'text/csv', buffer: Buffer.from(text) });
  };
  const members = async (): Promise<(string | null)[]> => {
    const found = [];
    for await (const { custom_id: customId } of server.sdk.groups.members(group)) found.push(customId);
    return found.sort();
  };

  test('a header that is not known is asked about: no cell of another column becomes a member', async () => {
    await upload('points.csv', 'user_id,points\n41,7\n42,12\n43,30\n');
    await dialog().getByText('No column is called profile_id or custom_id', { exact: false }).waitFor();
    await dialog()
      .getByRole('region', { name: 'How it begins' })
      .getByRole('columnheader', { name: 'points' })
      .waitFor();
    await button('Add them').click();
    await dialog().getByText('Say whether the first line is a header.').waitFor();
    await button('A header').click();
    await button('Add them').click();
    await dialog().getByText('Say which column holds the ids.').waitFor();
    await dialog().getByLabel('Column with the ids').selectOption({ index: 1 });
    await button('Add them').click();
    await dialog().getByText('Say what the ids are.').waitFor();
    await dialog().getByLabel('These are').selectOption('custom ids');
    await expectAccessible(page, 'a list with an unknown header');
    await button('Add them').click();
    await button('Done').waitFor();
    expect(await figure('Added')).toBe('3');
    expect(await figure('Rejected')).toBe('0');
    expect(await members()).toEqual(['41', '42', '43']);
  });

  test('a known header in any spelling, with any delimiter, needs no word', async () => {
    await upload('fans.csv', '\uFEFFName;Custom ID\r\nAda;41\r\n;\r\nGrace;42\r\nGrace;42\r\nNobody;nobody-here\r\n');
    await expect.poll(() => dialog().getByLabel('These are').inputValue()).toBe('custom_id');
    await button('Add them').click();
    await button('Done').waitFor();
    expect(await figure('Added')).toBe('2');
    await dialog().getByRole('region', { name: 'Rejected rows' }).getByText('line 6').waitFor();
    await expectAccessible(page, 'an import with rejected rows');
    const [download] = await Promise.all([page.waitForEvent('download'), button('Download them').click()]);
    expect(download.suggestedFilename()).toMatch(/^rejected-.*\.csv$/);
    expect(await members()).toEqual(['41', '42']);
  });

  test('pasted ids of one column without a header lose none', async () => {
    await button('Add…').click();
    await dialog()
      .getByLabel('Ids')
      .fill(['41', '42', '43'].map((customId) => ids.get(customId)).join('\n'));
    await dialog().getByLabel('These are').selectOption('profile ids');
    await button('Add them').click();
    await button('Done').waitFor();
    expect(await figure('Added')).toBe('3');
    expect(await members()).toEqual(['41', '42', '43']);
  });

  test('a replacement in which too much is invalid changes nothing until it is said to be meant', async () => {
    await server.sdk.groups.addMembers(group, { custom_ids: ['41', '42'] });
    await upload('mistake.csv', `custom_id\n${ids.get('41') ?? ''}\n${ids.get('42') ?? ''}\n43\n`);
    await button('Replace all members').first().click();
    await dialog().locator('button[type=submit]').click();
    const asks = page.getByRole('dialog', { name: 'Is this the right list?' });
    await asks.getByText('2 of 3 ids', { exact: false }).waitFor();
    expect(await figure('Found')).toBe('1');
    expect(await figure('Not found')).toBe('2');
    await expectAccessible(page, 'a replacement that was refused');
    await page.setViewportSize({ width: 390, height: 844 });
    await expectNoSidewaysScroll(page, 'a replacement that was refused');
    await page.setViewportSize({ width: 1440, height: 900 });
    expect(await members()).toEqual(['41', '42']);
    await button('Change nothing').click();
    await dialog().waitFor({ state: 'detached' });
    await upload('meant.csv', `custom_id\nnobody-1\nnobody-2\n43\n`);
    await button('Replace all members').first().click();
    await dialog().locator('button[type=submit]').click();
    await button('Replace all members with 1').click();
    await button('Done').waitFor();
    expect(await figure('Removed')).toBe('2');
    expect(await members()).toEqual(['43']);
  });

  test('members come as a file whose cells no spreadsheet calculates', async () => {
    const formula = "=cmd|' /C calc'!A0";
    const { id } = await server.sdk.profiles.create({ nickname: formula });
    await server.sdk.groups.addMembers(group, { profile_ids: [id] });
    await page.reload();
    const [download] = await Promise.all([page.waitForEvent('download'), button('Download').click()]);
    expect(download.suggestedFilename()).toBe('Ticket-holders.csv');
    const text = await readFile(await download.path(), 'utf8');
    expect(text).toContain(id);
    expect(text).toContain(`'${formula}`);
    expect(text).not.toMatch(/[,"]=cmd/);
  });

  test('through all of this no page threw, logged an error or broke its policy', () => {
    expect(watched.problems).toEqual([]);
  });
});
