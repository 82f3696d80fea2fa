// Sources in the console: made, watched while something arrives, mapped.

import { createHmac } from 'node:crypto';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { CLIENT_ID, startTestServer, type TestServer } from '../../server/src/testing/server.ts';
import {
  controlsOf,
  expectAccessible,
  expectNoSidewaysScroll,
  hasBrowser,
  openConsole,
  type Watched,
} from './browser.ts';

describe.skipIf(!hasBrowser)('sources', () => {
  let server: TestServer;
  let watched: Watched;
  let page: Page;
  let key = '';

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
  const { button } = controlsOf(() => ({ page, server }));
  const looksRight = async (where: string): Promise<void> => {
    for (const width of [1440, 390]) {
      await page.setViewportSize({ width, height: 900 });
      await expectNoSidewaysScroll(page, where);
      await expectAccessible(page, where);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
  };
  const send = (event: string) =>
    fetch(`${server.url}/v1/track`, { method: 'POST', body: JSON.stringify({ writeKey: key, userId: 'ada', event }) });

  test('one is created, and its key is shown once', async () => {
    await page.goto(`${server.url}/apps/${CLIENT_ID}/sources`);
    await page.getByText('Nothing else sends here yet').waitFor();
    await button('New source').click();
    await page.getByRole('dialog').getByLabel('Name').fill('Web shop');
    await looksRight('new source');
    await button('Create the source').click();
    key = (await page.getByRole('region', { name: 'The key' }).textContent()) ?? '';
    expect(key).toMatch(/^[A-Za-z0-9]{32}$/);
    await button('Done').click();
    await page.getByRole('heading', { level: 1, name: 'Web shop' }).waitFor();
  });

  test('what arrives shows by itself, and is mapped from there', async () => {
    await send('Song Played');
    await page.getByText('track · Song Played').click();
    await button('Map this event').click();
    await page.getByLabel('What event 1 becomes').fill('poll-voted');
    await looksRight('a source');
    await button('Save the mapping').click();
    await expect
      .poll(async () => (await server.sdk.sources.list().all())[0]?.mapping)
      .toEqual({ events: { 'Song Played': 'poll-voted' }, traits: {} });
    await send('投票');
    await page.getByText('Not mapped').first().waitFor();
    expect(watched.problems).toEqual([]);
  });

  test('a source of LiveLike is told the secret that was changed there', async () => {
    const former = 'the-secret-in-livelike-before';
    const { id } = await server.sdk.sources.create({ name: 'LiveLike', kind: 'livelike', write_key: former });
    await page.goto(`${server.url}/apps/${CLIENT_ID}/sources/${id}`);
    await button('More about this source').click();
    await button('Change the client secret…').click();
    const field = page.getByRole('dialog').getByLabel('Client secret in LiveLike');
    await field.fill('short');
    await button('Save the secret').click();
    await page.getByRole('dialog').getByText('16').waitFor();
    await looksRight('change the client secret');
    const secret = 'the-secret-in-livelike-afterwards';
    await field.fill(secret);
    await button('Save the secret').click();
    await page.getByText('The secret was changed').waitFor();
    const body = JSON.stringify({ id: 'w1', event: 'comment-created', data: {}, created_at: '2026-01-01T00:00:00Z' });
    const signature = createHmac('sha1', secret).update(body).digest('base64');
    const headers = { 'content-type': 'application/json', 'x-webhook-signature': signature };
    const answer = await fetch(`${server.url}/v1/livelike/${id}/`, { method: 'POST', headers, body });
    expect(answer.status).toBe(200);
  });
});
