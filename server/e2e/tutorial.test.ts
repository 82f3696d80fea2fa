// docs/tutorial.md, followed as it stands: its files in a folder, its commands in two terminals, its page in Chromium.

import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../src/testing/free-port.ts';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer, type TestServer } from '../src/testing/server.ts';
import { fileOf, openTerminal, readBlocks, type Terminal } from './running-pages.ts';

const CHROMIUM = '/usr/bin/chromium';
const hasBrowser = existsSync(CHROMIUM);
if (!hasBrowser)
  process.stderr.write(`*** ${CHROMIUM} is missing: the tutorial is NOT followed. Install chromium. ***\n`);

let server: TestServer;
let folder: string;
let browser: Browser;
const terminals: Terminal[] = [];
beforeAll(async () => {
  server = await startTestServer({ env: { ROLE: 'all', WEBHOOK_ALLOW_PRIVATE: 'true' } });
  folder = await mkdtemp(join(tmpdir(), 'grandstand-tutorial-'));
  if (hasBrowser)
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--no-sandbox', '--disable-background-networking', '--disable-gpu'],
    });
});
afterAll(async () => {
  await browser?.close();
  await Promise.all(terminals.map((terminal) => terminal.close()));
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

it.skipIf(!hasBrowser)(
  'the tutorial ends with a fan page, a group that fills itself, and a program that is told',
  async () => {
    const port = await freePort();
    const here = (text: string): string =>
      text
        .replaceAll('http://localhost:7070', server.url)
        .replaceAll('your-client-id', CLIENT_ID)
        .replace(/localhost:8080/g, `localhost:${port}`)
        .replace('listen(8080', `listen(${port}`);
    const open = (): Terminal => {
      const terminal = openTerminal(folder, { API: server.api('').replace(/\/$/, ''), CLIENT_ID, ADMIN_TOKEN });
      terminals.push(terminal);
      return terminal;
    };
    const [second, third] = [open(), open()];
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    const said: string[] = [];
    let isReached = false;
    for (const block of readBlocks('docs/tutorial.md')) {
      const file = fileOf(block);
      const text = here(block.text);
      if (block.note.startsWith('not run: ')) continue;
      if (file !== undefined) {
        await writeFile(join(folder, file), text);
        if (!file.endsWith('.html')) continue;
        await page.goto(pathToFileURL(join(folder, file)).href);
        await page.getByRole('heading', { name: /^Hello \w+ \w+/ }).waitFor();
        await page.getByRole('button', { name: 'Cheer' }).click();
      } else if (block.note === 'third terminal') {
        await third.start(text, 'waiting for changes');
        for (let cheers = 1; cheers < 3; cheers++) await page.getByRole('button', { name: 'Cheer' }).click();
        await page.getByText('Welcome to the lounge!').waitFor();
        await third.printed('entered Loud fans');
        isReached = true;
      } else {
        expect(block, 'a block that is neither a file nor a command').toMatchObject({ language: 'sh', note: '' });
        said.push(await second.run(text));
      }
    }
    expect(isReached).toBe(true);
    expect(problems).toEqual([]);
    expect(said[0]).toContain('"count":0,');
    const why = said.at(-1) ?? '';
    expect(why).toContain('"is_member":true');
    expect(why).toContain('"cheers"');
  },
);
