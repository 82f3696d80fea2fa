// This project's SDK beside @livelike/javascript 1.3.0, both against the same server, in Chromium: size, requests of an
// init, time to a profile, profiles made by five inits at once, and what a dead token does. `npx tsx bench/sdk.ts`

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { chromium, type Browser, type Page } from 'playwright-core';
import { ADMIN_TOKEN, CLIENT_ID, median, root, startProcess, temporaryFolder } from './lib.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 11);
const LATENCY_MS = 50;

interface Init {
  init(options: Record<string, unknown>): Promise<{ id: string; access_token: string }>;
}
declare const Sdk: Init; // either of the two, in a page

interface Row {
  what: string;
  ours: string | number;
  theirs: string | number;
}

async function bundle(entry: string, globalName: string): Promise<string> {
  const result = await build({
    stdin: { contents: `export * from ${JSON.stringify(entry)}`, resolveDir: join(root, 'bench') },
    bundle: true,
    minify: true,
    format: 'iife',
    globalName,
    platform: 'browser',
    mainFields: ['browser', 'module', 'main'],
    write: false,
    logLevel: 'error',
  });
  return result.outputFiles[0]?.text ?? '';
}

const gzipped = (text: string | Buffer): string => `${(gzipSync(text, { level: 9 }).length / 1000).toFixed(2)} kB`;

const folder = await temporaryFolder();
const server = await startProcess(['--import', 'tsx', join(root, 'server/src/main.ts')], {
  DATA_DIR: folder.path,
  PORT: '0',
  LOG_LEVEL: 'error',
  RATE_LIMIT_ADDRESS: '0',
  BOOTSTRAP_CLIENT_ID: CLIENT_ID,
  BOOTSTRAP_ADMIN_TOKEN: ADMIN_TOKEN,
});
const endpoint = `${server.url}/api/v1/`;
const admin = { authorization: `Bearer ${ADMIN_TOKEN}` };

const scripts = {
  ours: await bundle('@grandstand/sdk', 'Sdk'),
  theirs: await bundle('@livelike/javascript', 'Sdk'),
};
type Which = keyof typeof scripts;

const site = createServer((request, response) => {
  const which = (request.url ?? '').slice(1).replace('.js', '');
  const isScript = request.url?.endsWith('.js') ?? false;
  response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
  response.end(isScript ? scripts[which as Which] : `<script src="/${which}.js"></script>`);
});
await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
const siteUrl = `http://127.0.0.1:${(site.address() as AddressInfo).port}`; // it listens on TCP

const browser: Browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-background-networking'],
});

/** A page of a new visitor, and what it asks of the API. */
async function visit(which: Which): Promise<{ page: Page; requests: string[]; end(): Promise<void> }> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const requests: string[] = [];
  page.on('request', (request) => {
    if (request.url().startsWith(endpoint))
      requests.push(`${request.method()} ${request.url().slice(endpoint.length)}`);
  });
  await page.goto(`${siteUrl}/${which}`);
  return { page, requests, end: () => context.close() };
}

async function countProfiles(): Promise<number> {
  const response = await fetch(`${endpoint}applications/${CLIENT_ID}/profiles/?page_size=1`, { headers: admin });
  return ((await response.json()) as { count: number }).count;
}

const options = { clientId: CLIENT_ID, endpoint };

async function timeToProfile(
  which: Which,
  latency: number,
  isKnown: boolean,
): Promise<{ ms: number; requests: string[] }> {
  const { page, requests, end } = await visit(which);
  let more: Record<string, unknown> = {};
  if (isKnown) {
    const made = await page.evaluate((given) => Sdk.init(given), options);
    more = which === 'ours' ? {} : { accessToken: made.access_token };
    await page.reload();
    requests.length = 0;
  }
  const session = await page.context().newCDPSession(page);
  await session.send('Network.emulateNetworkConditions', {
    offline: false,
    latency,
    downloadThroughput: -1,
    uploadThroughput: -1,
  });
  const ms = await page.evaluate(
    async (given) => {
      const started = performance.now();
      await Sdk.init(given);
      return performance.now() - started;
    },
    { ...options, ...more },
  );
  const seen = [...requests];
  await end();
  return { ms, requests: seen };
}

async function compareTimes(
  latency: number,
  isKnown: boolean,
): Promise<{ ours: number; theirs: number; requests: Record<Which, string[]> }> {
  const times: Record<Which, number[]> = { ours: [], theirs: [] };
  const requests: Record<Which, string[]> = { ours: [], theirs: [] };
  // The first rounds warm the server and the browser up, and do not count.
  for (let round = -2; round < ROUNDS; round++) {
    for (const which of round % 2 === 0 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const)) {
      const result = await timeToProfile(which, latency, isKnown);
      if (round < 0) continue;
      times[which].push(result.ms);
      requests[which] = result.requests;
    }
  }
  return { ours: median(times.ours), theirs: median(times.theirs), requests };
}

async function fiveAtOnce(which: Which): Promise<number> {
  const before = await countProfiles();
  const { page, end } = await visit(which);
  await page.evaluate((given) => Promise.all(Array.from({ length: 5 }, () => Sdk.init(given))), options);
  await end();
  return (await countProfiles()) - before;
}

async function deadToken(which: Which): Promise<string> {
  const made = (await (await fetch(`${endpoint}applications/${CLIENT_ID}/profile/`, { method: 'POST' })).json()) as {
    id: string;
    access_token: string;
  };
  await fetch(`${endpoint}profiles/${made.id}/`, { method: 'DELETE', headers: admin });
  const { page, end } = await visit(which);
  const outcome = await page.evaluate(
    (given) =>
      Promise.race([
        Sdk.init(given).then(
          () => 'resolved',
          (error: unknown) => {
            const { name, status, code, message } = (error ?? {}) as Record<string, unknown>; // whatever was thrown
            return `rejects: ${error instanceof Error ? `${name} (status ${status}, code ${code}): ${message}` : JSON.stringify(error)}`;
          },
        ),
        new Promise<string>((resolve) => setTimeout(() => resolve('still pending after 5 s'), 5000)),
      ]),
    { ...options, accessToken: made.access_token },
  );
  await end();
  return outcome;
}

const rows: Row[] = [];
try {
  const minified = {
    ours: await readFile(join(root, 'sdk/dist/grandstand.min.js')),
    theirs: await readFile(join(root, 'node_modules/@livelike/javascript/livelike-javascript.min.js')),
  };
  rows.push({ what: 'minified build, gzip', ours: gzipped(minified.ours), theirs: gzipped(minified.theirs) });
  rows.push({
    what: 'bundled with what it imports, gzip',
    ours: gzipped(scripts.ours),
    theirs: gzipped(scripts.theirs),
  });
  for (const isKnown of [false, true]) {
    const who = isKnown ? 'a known fan' : 'a new fan';
    const near = await compareTimes(0, isKnown);
    const far = await compareTimes(LATENCY_MS, isKnown);
    rows.push({
      what: `requests of init, ${who}`,
      ours: near.requests.ours.length,
      theirs: near.requests.theirs.length,
    });
    rows.push({
      what: `time to ${who}’s profile, local`,
      ours: `${near.ours.toFixed(1)} ms`,
      theirs: `${near.theirs.toFixed(1)} ms`,
    });
    rows.push({
      what: `time to ${who}’s profile, ${LATENCY_MS} ms away`,
      ours: `${far.ours.toFixed(0)} ms`,
      theirs: `${far.theirs.toFixed(0)} ms`,
    });
  }
  rows.push({
    what: 'profiles made by five inits at once',
    ours: await fiveAtOnce('ours'),
    theirs: await fiveAtOnce('theirs'),
  });
  rows.push({ what: 'init with a dead token', ours: await deadToken('ours'), theirs: await deadToken('theirs') });
  console.table(
    Object.fromEntries(
      rows.map(({ what, ours, theirs }) => [what, { '@grandstand/sdk': ours, '@livelike/javascript 1.3.0': theirs }]),
    ),
  );
} finally {
  await browser.close();
  site.close();
  await server.stop();
  await folder.remove();
}
