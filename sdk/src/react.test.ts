import { build } from 'esbuild';
import { createElement as h } from 'react';
import { renderToString } from 'react-dom/server';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from './index.ts';
import { GrandstandProvider, useIsMember, useProfile } from './react.ts';
import { createAdminClient } from './server.ts';
import { hasBrowser, launch, page as html, startSite, watchErrors, type Site } from './testing/browser.ts';
import { ADMIN_TOKEN, CLIENT_ID, countProfiles, startTestServer, type TestServer } from './testing/sdk.ts';

const APP = `
import { createElement as h, StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { createClient } from '@grandstand/sdk';
import { GrandstandProvider, useClient, useIsMember, useProfile } from '@grandstand/sdk/react';

const client = createClient({ clientId: 'CLIENT_ID', endpoint: 'ENDPOINT' });

function Fan() {
  const { profile, error, isLoading, update } = useProfile();
  const isMember = useIsMember('vip');
  const { clientId } = useClient();
  if (isLoading) return 'loading';
  if (error) return error.message;
  return h('button', { onClick: () => update({ nickname: 'Renamed' }) }, clientId, ' ', profile.id, ' ', profile.nickname, ' vip:', String(isMember));
}
document.body.append(Object.assign(document.createElement('div'), { id: 'root' }));
createRoot(document.getElementById('root')).render(h(StrictMode, null, h(GrandstandProvider, { client }, h(Fan), h(Fan))));
`;

describe('the hooks', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());

  it('render on a server as a fan who is still being loaded, and ask nothing of the network there', async () => {
    const before = await countProfiles(server);
    const client = createClient({
      clientId: CLIENT_ID,
      endpoint: server.url,
      fetch: () => Promise.reject(new Error('asked')),
    });
    const Fan = (): string => `${useProfile().isLoading} ${useIsMember('vip')}`;
    expect(renderToString(h(GrandstandProvider, { client }, h(Fan)))).toBe('true undefined');
    expect(() => renderToString(h(Fan))).toThrow('GrandstandProvider');
    expect(await countProfiles(server)).toBe(before);
  });

  describe.skipIf(!hasBrowser)('in Chromium', () => {
    let site: Site;
    let browser: Browser;
    beforeAll(async () => {
      site = await startSite(server.url);
      browser = await launch();
    });
    afterAll(async () => {
      await browser.close();
      await site.close();
    });

    it('make one profile for all components, under StrictMode, and follow its groups', async () => {
      const bundle = await build({
        stdin: {
          contents: APP.replace('CLIENT_ID', CLIENT_ID).replace('ENDPOINT', server.url),
          resolveDir: import.meta.dirname,
        },
        bundle: true,
        format: 'esm',
        define: { 'process.env.NODE_ENV': '"development"' },
        write: false,
        logLevel: 'error',
      });
      site.put('/react.html', html('<script type="module" src="/react.js"></script>'));
      site.put('/react.js', bundle.outputFiles[0]?.text ?? '');
      const before = await countProfiles(server);
      const page = await browser.newPage();
      const errors = watchErrors(page);
      await page.goto(`${site.url}/react.html`);
      await page.waitForSelector('text=vip:false');
      expect(await countProfiles(server)).toBe(before + 1);
      const admin = createAdminClient({ clientId: CLIENT_ID, endpoint: server.url, accessToken: ADMIN_TOKEN });
      const [fan] = await admin.profiles.list().all(1);
      await admin.groups.create({ name: 'VIP', custom_id: 'vip' });
      await admin.groups.addMembers('custom:vip', { profile_ids: [fan?.id ?? ''] });
      await page.waitForSelector('text=vip:true');
      await page.click('button');
      await page.waitForSelector('text=Renamed');
      expect(errors).toEqual([]);
    });
  });
});
