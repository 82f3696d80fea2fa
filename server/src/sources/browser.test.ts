// @segment/analytics-next in Chromium, on a page of another origin, with its settings inline.

import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../testing/server.ts';

const CHROMIUM = '/usr/bin/chromium';
const LIBRARY = createRequire(import.meta.url)
  .resolve('@segment/analytics-next')
  .replace(/dist\/.*$/, 'dist/umd/index.js');

interface Library {
  AnalyticsNext: { AnalyticsBrowser: { load(settings: object, options?: object): Promise<[Client]> } };
  client: Client;
}
interface Client {
  track(event: string, properties?: object): Promise<unknown>;
  page(name: string): Promise<unknown>;
  identify(id: string, traits?: object): Promise<unknown>;
  reset(): void;
}

describe.skipIf(!existsSync(CHROMIUM))('analytics-next', () => {
  let server: TestServer;
  let browser: Browser;
  let shop: Server;
  beforeAll(async () => {
    server = await startTestServer();
    await server.sdk.attributes.define({ key: 'club', type: 'string', writable_by: 'profile' });
    shop = createServer((_request, response) =>
      response.setHeader('content-type', 'text/html').end('<title>Shop</title>'),
    );
    await new Promise<void>((resolve) => shop.listen(0, '127.0.0.1', resolve));
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--no-sandbox', '--disable-background-networking'],
    });
  });
  afterAll(async () => {
    await browser?.close();
    shop?.close();
    await server?.close();
  });

  async function open(writeKey: string, strategy?: object): Promise<Page> {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(shop.address() as AddressInfo).port}/`); // of TCP
    await page.addScriptTag({ content: readFileSync(LIBRARY, 'utf8') });
    await page.evaluate(
      async ([key, host, deliveryStrategy]) => {
        const scope = globalThis as unknown as Library; // the library put itself there
        const segment = {
          apiKey: key,
          apiHost: `${host}/v1`,
          protocol: 'http',
          ...(deliveryStrategy && { deliveryStrategy }),
        };
        const cdnSettings = { integrations: { 'Segment.io': segment } };
        const [client] = await scope.AnalyticsNext.AnalyticsBrowser.load({ writeKey: key, cdnSettings });
        scope.client = client;
      },
      [writeKey, new URL(server.url).host, strategy] as const,
    );
    return page;
  }

  const typesOf = async (customId: string): Promise<string[]> => {
    const found = await server.sdk.profiles.list({ custom_id: customId }).all();
    const [profile] = found;
    return profile ? (await server.sdk.profiles.activities(profile.id).all()).map(({ type }) => type).sort() : [];
  };
  const soon = { timeout: 15_000 };

  it.each([
    ['one by one', undefined],
    ['in batches', { strategy: 'batching', config: { size: 10, timeout: 200 } }],
  ])('sends %s, and the anonymous fan becomes known', async (name, strategy) => {
    const user = `browser-user ${name}`;
    const { id, write_key: key } = await server.sdk.sources.create({ name, kind: 'segment', trust: 'client' });
    const page = await open(key, strategy);
    await page.evaluate(async (userId) => {
      const { client } = globalThis as unknown as Library; // set when it was opened
      await client.page('Home');
      await client.track('Poll Voted', { poll: 'p1' });
      await client.identify(userId, { club: 'reds' });
      await client.track('Comment Created');
    }, user);
    await expect.poll(() => typesOf(user), soon).toEqual(['comment-created', 'page-viewed', 'poll-voted']);
    const [profile] = await server.sdk.profiles.list({ custom_id: user }).all();
    expect(profile?.attributes).toEqual([{ key: 'club', value: 'reds' }]);
    expect(await server.sdk.sources.problems(id).all()).toEqual([]);
    await page.close();
  });

  it('tries again what the server could not take, and it counts once', async () => {
    const { write_key: key } = await server.sdk.sources.create({ name: 'Retries', kind: 'segment', trust: 'client' });
    const page = await open(key);
    let failures = 0;
    await page.route(/\/v1\/t$/, (route) =>
      failures++ < 2
        ? route.fulfill({ status: 503, headers: { 'access-control-allow-origin': '*' } })
        : route.continue(),
    );
    await page.evaluate(async () => {
      const { client } = globalThis as unknown as Library; // set when it was opened
      await client.identify('retrying');
      await client.track('Poll Voted');
    });
    await expect.poll(() => typesOf('retrying'), { timeout: 30_000 }).toEqual(['poll-voted']);
    expect(failures).toBeGreaterThanOrEqual(3);
    await page.close();
  });
});
