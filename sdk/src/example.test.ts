import { AxeBuilder } from '@axe-core/playwright';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createAdminClient } from './server.ts';
import { hasBrowser, launch, watchErrors } from './testing/browser.ts';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer, type TestServer } from './testing/sdk.ts';

describe.skipIf(!hasBrowser)('the example app', () => {
  let server: TestServer;
  let browser: Browser;
  beforeAll(async () => {
    server = await startTestServer();
    browser = await launch();
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  it('is served by the server, and shows a fan’s name, deeds and groups', async () => {
    const admin = createAdminClient({ clientId: CLIENT_ID, endpoint: server.url, accessToken: ADMIN_TOKEN });
    const context = await browser.newContext();
    const page = await context.newPage();
    const errors = watchErrors(page);
    await page.goto(`${server.url}/examples/fan?client_id=${CLIENT_ID}`);
    await page.waitForSelector('main:not([hidden])');
    const [profile] = await admin.profiles.list().all(1);
    expect(await page.inputValue('#nickname')).toBe(profile?.nickname);

    await page.fill('#nickname', 'Sam');
    await page.click('#nickname-form >> text=Change');
    await page.waitForSelector('text=You are Sam now.');
    await page.fill('#text', 'What a goal!');
    await page.click('text=Send');
    await page.click('text=Lin Wei');
    expect(await page.textContent('#messages')).toContain('Sam What a goal!');
    expect(await page.locator('#board li > *').allTextContents()).toEqual(['Sam', '2']);

    await page.waitForSelector('#no-groups:not([hidden])');
    const group = await admin.groups.create({ name: 'Night owls' });
    await admin.groups.addMembers(group.id, { profile_ids: [profile?.id ?? ''] });
    await page.waitForSelector('text=Welcome to Night owls!');
    await vi.waitFor(async () => {
      const types = (await admin.profiles.activities(profile?.id ?? '').all()).map(({ type }) => type);
      expect(types.sort()).toEqual(['chat-message-created', 'leaderboard-viewed', 'poll-voted', 'session-started']);
    });
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)).toEqual([]);
    expect(errors).toEqual([]);
    await context.close();
  });
});
