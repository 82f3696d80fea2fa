// Chromium, and a site of its own origin that serves the built package under a strict content security policy.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { CLIENT_ID } from './sdk.ts';

export const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** Tests of pages are skipped without a browser, and say so. */
export const hasBrowser = existsSync(CHROMIUM);
if (!hasBrowser)
  process.stderr.write(
    `\n!!! SKIPPED: no browser at ${CHROMIUM}; the tests of the SDK in pages did not run. Install chromium, or set CHROMIUM.\n\n`,
  );

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
}

export interface Site {
  url: string;
  /** Serves text under a path. */
  put(path: string, text: string): void;
  close(): Promise<void>;
}

const TYPES: Record<string, string> = { js: 'text/javascript', html: 'text/html; charset=utf-8' };

export async function startSite(api: string): Promise<Site> {
  const texts = new Map<string, string>([
    ['/', page('<script src="/sdk/grandstand.min.js"></script>')],
    ['/bare', page('')],
    ['/framed', page('<iframe sandbox="allow-scripts" src="/"></iframe>')],
  ]);
  const server: Server = createServer((request, response) => {
    void (async () => {
      const path = (request.url ?? '/').replace(/\?.*/, '');
      const file = path.startsWith('/sdk/') ? join(import.meta.dirname, '../../dist', path.slice(5)) : undefined;
      const body = file && existsSync(file) ? await readFile(file) : texts.get(path);
      const type = TYPES[/\.(\w+)$/.exec(path)?.[1] ?? 'html'];
      response.writeHead(body === undefined ? 404 : 200, {
        'content-type': type ?? 'text/html',
        'content-security-policy': `default-src 'none'; script-src 'self'; connect-src ${api}; frame-src 'self'`,
        'access-control-allow-origin': '*',
      });
      response.end(body);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // it listens on TCP
    put: (path, text) => void texts.set(path, text),
    close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(() => resolve()))),
  };
}

export const page = (head: string): string =>
  `<!doctype html><html><head><title>Fan</title>${head}</head><body></body></html>`;

/** What a page reports as wrong: refused by its policy, or thrown and not caught. */
export function watchErrors(of: Page): string[] {
  const errors: string[] = [];
  of.on('pageerror', (error) => errors.push(String(error)));
  of.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) errors.push(message.text());
  });
  return errors;
}

export async function openPages(context: BrowserContext, url: string, count: number): Promise<Page[]> {
  const pages = await Promise.all(Array.from({ length: count }, () => context.newPage()));
  await Promise.all(pages.map((each) => each.goto(url)));
  return pages;
}

export const initOptions = (api: string): { clientId: string; endpoint: string } => ({
  clientId: CLIENT_ID,
  endpoint: api,
});
