// Documents that promise to be whole, and links that lead somewhere.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../src/testing/server.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** Every page of ours. */
const pages = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...['docs', 'deploy'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name)),
  ),
  ...['sdk', 'sdk-kotlin', 'sdk-swift'].flatMap((folder) => [
    join(folder, 'README.md'),
    ...readdirSync(join(ROOT, folder, 'docs')).map((name) => join(folder, 'docs', name)),
  ]),
  'sdk/conformance/README.md',
];

/** As GitHub names headings. */
const anchorsOf = (text: string): string[] =>
  [...text.replace(/^(```|~~~)[\s\S]*?^\1/gm, '').matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/ /g, '-'),
  );

it('every link of a page leads to a file, and to a heading of it', () => {
  const broken: string[] = [];
  let held = 0;
  for (const page of pages) {
    const text = read(page).replace(/^(```|~~~)[\s\S]*?^\1/gm, '');
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^(https?|mailto):/.test(target)) continue;
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? join(ROOT, page) : resolve(ROOT, dirname(page), path);
      held++;
      if (!existsSync(file) || relative(ROOT, file).startsWith('..')) broken.push(`${page}: ${target}`);
      else if (anchor !== undefined && file.endsWith('.md') && !anchorsOf(readFileSync(file, 'utf8')).includes(anchor))
        broken.push(`${page}: ${target} (no such heading)`);
    }
  }
  expect(broken).toEqual([]);
  expect(held).toBeGreaterThan(60);
});

it('the page on data protection says of every table what it holds', () => {
  const page = read('docs/data-protection.md');
  const named = new Set([...page.matchAll(/`([a-z_]+)`/g)].map(([, name]) => name));
  const tables = [...read('server/schema.sql').matchAll(/^create table (\w+) \(/gm)].map(([, name = '']) => name);
  expect(tables.length).toBeGreaterThan(50);
  expect(tables.filter((table) => !named.has(table))).toEqual([]);
});

it('what the threat model calls held by tests is there', () => {
  const page = read('docs/threat-model.md');
  const files = [...page.matchAll(/`((?:e2e|http|exports)\/[\w./-]+)`/g)].map(([, file = '']) => file);
  expect(files.length).toBeGreaterThan(5);
  for (const file of files)
    expect(existsSync(join(ROOT, 'server', file.startsWith('e2e') ? file : `src/${file}`)), file).toBe(true);
});

describe('the site at /docs', () => {
  const DIST = join(ROOT, 'site/dist');
  let server: TestServer;
  beforeAll(async () => {
    if (!existsSync(join(DIST, 'version.txt'))) execFileSync(process.execPath, [join(ROOT, 'site/build.mjs')]);
    server = await startTestServer();
  });
  afterAll(() => server.close());

  /** As a browser asks for a page; the addresses that it names, as they stand there. */
  async function readPage(address: string): Promise<{ status: number; html: string; links: URL[] }> {
    const answer = await fetch(address, { headers: { accept: 'text/html', 'accept-encoding': 'identity' } });
    const text = await answer.text();
    const html = answer.headers.get('content-type')?.startsWith('text/html') === true ? text : '';
    const links = [...html.matchAll(/<(?:a|link|script|img)\b[^>]*?\s(?:href|src)="([^"]+)"/g)];
    return {
      status: answer.status,
      html,
      links: links.map(([, link = '']) => new URL(link.replaceAll('&amp;', '&'), address)),
    };
  }
  const idsOf = (html: string): Set<string> => new Set([...html.matchAll(/\sid="([^"]+)"/g)].map(([, id = '']) => id));

  it('has every page that it holds behind a link, and no link that leads nowhere', async () => {
    const origin = new URL(server.url).origin;
    const seen = new Map<string, Set<string>>();
    const broken: string[] = [];
    const anchored: [from: string, to: URL][] = [];
    for (let front = new Set([`${origin}/docs/`]); front.size > 0;) {
      const answers = await Promise.all([...front].map(async (address) => ({ address, ...(await readPage(address)) })));
      for (const { address, status, html } of answers) {
        seen.set(address, idsOf(html));
        if (status !== 200) broken.push(`${address}: ${status}`);
      }
      const next = new Set<string>();
      for (const { address, links } of answers) {
        for (const link of links) {
          if (link.origin !== origin) continue; // of others: looked at by nobody here
          if (link.hash !== '') anchored.push([address, new URL(link)]);
          link.hash = '';
          if (!seen.has(link.href)) next.add(link.href);
        }
      }
      front = next;
    }
    for (const [from, to] of anchored) {
      const id = decodeURIComponent(to.hash.slice(1));
      to.hash = '';
      if (!(seen.get(to.href)?.has(id) ?? false)) broken.push(`${from}: ${to.href} has no #${id}`);
    }
    expect(broken).toEqual([]);
    const held = readdirSync(DIST, { recursive: true, encoding: 'utf8' }).filter((name) => /\.html$/.test(name));
    const reached = [...seen.keys()].map((address) => address.slice(`${origin}/docs/`.length));
    const missed = held
      .map((name) => name.replaceAll('\\', '/').replace(/(^|(?<=\/))index\.html$|\.html$/, ''))
      .filter((name) => name !== '404' && !reached.includes(name));
    expect(missed).toEqual([]);
  });

  it('has every page of ours in the side bar', async () => {
    const { html } = await readPage(`${server.url}/docs/rules`);
    const [bar = ''] = /<aside class="VPSidebar"[\s\S]*?<\/aside>/.exec(html) ?? [];
    const entries = new Set([...bar.matchAll(/href="\/docs([^"]+)"/g)].map(([, href = '']) => href));
    const { addressOf } = (await import(pathToFileURL(join(ROOT, 'site/contents.mjs')).href)) as {
      addressOf(path: string): string;
    };
    // The package's page is for npm; the table of contents is the front page.
    const expected = pages.filter((page) => !['server/README.md', 'docs/README.md'].includes(page));
    expect(expected.length).toBeGreaterThan(60);
    expect(expected.filter((page) => !entries.has(addressOf(page)))).toEqual([]);
    expect(entries).toContain('/api');
  });

  it('loads nothing from elsewhere and holds no script in a page', async () => {
    for (const path of ['/docs/', '/docs/rules', '/docs/nothing-of-the-kind']) {
      const page = await fetch(server.url + path, { headers: { accept: 'text/html' } });
      expect(page.headers.get('content-security-policy'), path).toMatch(/script-src 'self'(;|$)/);
      const html = await page.text();
      expect(html, path).not.toMatch(
        /<script(?![^>]*\ssrc="\/docs\/)|\son\w+="|(src|href)="(https?:)?\/\/[^"]*\.(js|css|woff2?|png)"/,
      );
    }
  });

  it('is asked for again where it may change, kept where it cannot, and given in copies made in advance', async () => {
    const page = await fetch(`${server.url}/docs/rules`);
    expect(page.headers.get('cache-control')).toBe('no-cache');
    const etag = page.headers.get('etag') ?? '';
    expect((await fetch(`${server.url}/docs/rules`, { headers: { 'if-none-match': etag } })).status).toBe(304);
    const script = /src="(\/docs\/assets\/app\.[^"]+)"/.exec(await page.text())?.[1] ?? '';
    for (const [accepted, encoding] of [
      ['gzip, br', 'br'],
      ['gzip', 'gzip'], // made on the way
    ] as const) {
      const asset = await fetch(server.url + script, { headers: { 'accept-encoding': accepted } });
      expect([asset.status, asset.headers.get('content-encoding')]).toEqual([200, encoding]);
      expect(asset.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
      expect(asset.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    }
  });

  it('sends /docs to its folder, knows pages with a slash too, and gives nothing from outside', async () => {
    const bare = await fetch(`${server.url}/docs`, { redirect: 'manual' });
    expect([bare.status, bare.headers.get('location')]).toEqual([308, 'docs/']);
    for (const path of ['/docs/rules/', '/docs/rules.html', '/docs/sdk', '/docs/sdk/'])
      expect((await fetch(server.url + path)).status, path).toBe(200);
    for (const path of [
      '/docs/nothing',
      '/docs/..%2f..%2fpackage.json',
      '/docs/%2e%2e/x',
      '/docs/rules.html.br',
      '/docs/%00',
    ]) {
      const answer = await fetch(server.url + path);
      expect([path, answer.status, await answer.json()]).toEqual([
        path,
        404,
        { detail: 'Not found.', error_code: 'not_found' },
      ]);
    }
  });

  it('says which version it is of', async () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(await (await fetch(`${server.url}/docs/version.txt`)).text()).toBe(`${version}\n`);
    expect((await readPage(`${server.url}/docs/`)).html).toContain(`>${version}<`);
  });
});
