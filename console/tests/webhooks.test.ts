// Webhooks in the console, against a receiver that takes, refuses and goes away.

import type { Page } from 'playwright-core';
import { afterAll, describe, expect, test } from 'vitest';
import { CLIENT_ID, startTestServer, type TestServer } from '../../server/src/testing/server.ts';
import { startReceiver, type Receiver } from '../../server/src/webhooks/testing/receiver.ts';
import { controlsOf, expectAccessible, hasBrowser, openConsole, type Watched } from './browser.ts';

describe.skipIf(!hasBrowser)('webhooks', () => {
  let server: TestServer;
  let receiver: Receiver;
  let watched: Watched;
  let page: Page;
  let group: string;

  afterAll(() => receiver?.close());
  openConsole(
    async () => {
      receiver = await startReceiver();
      server = await startTestServer({ env: { ROLE: 'all', WEBHOOK_ALLOW_PRIVATE: 'true' } });
      group = (await server.sdk.groups.create({ name: 'Regulars', custom_id: 'regulars' })).id;
      return server;
    },
    (opened) => {
      watched = opened;
      page = watched.page;
    },
  );

  const { open, button, dialog, pictured } = controlsOf(() => ({ page, server }));
  const soon = { timeout: 15_000 };
  const messages = () => page.getByRole('region', { name: 'Messages' });
  const choose = async (item: string): Promise<void> => {
    await button('More about this webhook').click();
    await button(item).click();
  };

  test('one is created for chosen events of chosen groups, and its secret is shown once and verifies', async () => {
    await open('webhooks');
    await page.getByText('Nothing is told elsewhere yet').waitFor();
    await button('New webhook').click();
    await dialog().getByLabel('Address').fill('ftp://crm.example.com');
    await button('Create the webhook').click();
    await dialog().getByRole('alert').first().waitFor();
    await dialog().getByLabel('Address').fill(`${receiver.url}/crm`);
    await dialog().getByLabel('What it is for').fill('CRM');
    await button('Chosen events').click();
    await dialog().getByLabel('A profile is created').check();
    await button('Chosen groups').click();
    await dialog().getByRole('combobox', { name: 'Groups' }).click();
    await dialog().getByRole('option', { name: 'Regulars' }).click();
    await pictured('dialog-new-webhook');
    await button('Create the webhook').click();
    const secret = (await page.getByRole('region', { name: 'The secret' }).textContent()) ?? '';
    expect(secret).toMatch(/^whsec_/);
    receiver.secrets.set('/crm', secret);
    await button('Done').click();
    await page.getByRole('heading', { level: 1, name: 'CRM' }).waitFor();
    expect(await page.content()).not.toContain(secret);
    const [made] = await server
      .call<{ results: object[] }>('GET', `applications/${CLIENT_ID}/webhooks/`)
      .then(({ body }) => body.results);
    expect(made).toMatchObject({ events: ['membership.changed', 'profile.created'], groups: [group] });
  });

  test('a test tells its outcome, and what happens is listed with its body', async () => {
    await button('Send a test').click();
    await dialog().getByText('Delivered').waitFor();
    await dialog().getByText('"type": "test"', { exact: false }).waitFor();
    await button('Close').last().click();
    const fan = await server.sdk.profiles.create({ nickname: 'Ada' });
    await server.sdk.groups.addMembers(group, { profile_ids: [fan.id] });
    await messages().getByRole('button', { name: 'membership.changed' }).click();
    await dialog().getByText(fan.id, { exact: false }).waitFor();
    await pictured('dialog-delivery');
    const before = receiver.received.length;
    await button('Send it again').click();
    await expect.poll(() => receiver.received.length, soon).toBe(before + 1);
    expect(receiver.received.at(-1)?.id).toBe(receiver.received.find(({ type }) => type === 'membership.changed')?.id);
    await expect.poll(() => dialog().getByRole('list', { name: 'Attempts' }).locator('> li').count(), soon).toBe(2);
    await page.keyboard.press('Escape');
    expect(receiver.forged).toEqual([]);
  });

  test('one that fails says so here and on the overview, with the answer of its receiver', async () => {
    receiver.answers.set('/crm', (_message, response) => {
      response.writeHead(500, { 'content-type': 'text/plain' }).end('out of disk');
      return undefined;
    });
    await server.sdk.profiles.create({ nickname: 'Grace' });
    await page.getByRole('region', { name: 'What is sent is not taken' }).waitFor();
    await messages().getByRole('table').getByText('Waits').waitFor();
    await pictured('webhook-failing');
    await messages().getByRole('button', { name: 'profile.created' }).first().click();
    await dialog().getByText('out of disk').first().waitFor();
    await page.keyboard.press('Escape');
    await open('');
    const attention = page.getByRole('region', { name: 'Needs attention' });
    await attention.getByText('A webhook is failing').waitFor();
    await expectAccessible(page, 'overview with a failing webhook');
    await attention.getByRole('link', { name: 'CRM' }).click();
    await page.getByRole('heading', { level: 1, name: 'CRM' }).waitFor();
  });

  test('one that its receiver turned off says why, and goes on where it ended', async () => {
    receiver.answers.set('/crm', () => 410);
    await messages().getByRole('button', { name: 'profile.created' }).first().click();
    await button('Send it again').click();
    await page.keyboard.press('Escape');
    const off = page.getByRole('region', { name: 'Nothing is sent' });
    await off.getByText('turned off by itself', { exact: false }).waitFor();
    await pictured('webhook-off');
    await open('webhooks');
    await page.getByRole('region', { name: 'List of webhooks' }).getByText('Turned off').waitFor();
    await pictured('webhooks');
    await page.getByRole('link', { name: 'CRM' }).click();
    receiver.answers.delete('/crm');
    const before = receiver.received.length;
    await button('Turn it on').click();
    await off.waitFor({ state: 'detached' });
    await expect
      .poll(() => receiver.received.slice(before).some(({ type }) => type === 'profile.created'), soon)
      .toBe(true);
    await messages().getByRole('table').getByText('Waits').waitFor({ state: 'detached' });
  });

  test('it is edited, its secret rotated, told again since an instant, turned off and deleted', async () => {
    await button('Edit').click();
    expect(await dialog().getByLabel('Address').inputValue()).toBe(`${receiver.url}/crm`);
    await dialog().getByLabel('What it is for').fill('The CRM of marketing');
    await button('Everything').click();
    await button('Save').click();
    await page.getByRole('heading', { level: 1, name: 'The CRM of marketing' }).waitFor();
    await choose('Rotate the secret…');
    await button('Create a new secret').click();
    const secret = (await page.getByRole('region', { name: 'The secret' }).textContent()) ?? '';
    await button('Done').click();
    receiver.secrets.set('/crm', secret);
    await choose('Tell again since…');
    await button('Tell it again').click();
    await dialog().getByText('This must be an ISO 8601 date and time.').waitFor();
    await dialog().getByLabel('Since').fill('2020-01-01T00:00');
    const before = receiver.received.length;
    await button('Tell it again').click();
    await dialog().waitFor({ state: 'detached' });
    await expect
      .poll(() => receiver.received.slice(before).filter(({ type }) => type === 'membership.changed').length, soon)
      .toBe(1);
    expect(receiver.forged).toEqual([]);
    await choose('Turn off…');
    await button('Turn it off').click();
    await page.getByText('This webhook was turned off by a person.', { exact: false }).waitFor();
    await choose('Delete…');
    await dialog().getByRole('textbox').fill('The CRM of marketing');
    await button('Delete for good').click();
    await page.getByText('Nothing is told elsewhere yet').waitFor();
  });

  test('through all of this no page threw, logged an error or broke its policy', () => {
    expect(watched.problems).toEqual([]);
  });
});
