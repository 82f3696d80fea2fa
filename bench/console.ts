// The console at a million profiles, twenty million activities and a thousand groups: the time until each page is whole,
// against the same page of a small application in the same browser, and the median time of every request that it sends.
// `npx tsx bench/console.ts`; `--profiles`, `--activities`, `--groups` take smaller numbers, `--folder` keeps the data there.

import { parseArgs } from 'node:util';
import { chromium, type Browser } from 'playwright-core';
import { createAdminClient, type AdminClient, type RuleTree } from '@grandstand/sdk/server';
import { prepareSeason } from './season.ts';
import { ADMIN_TOKEN, CLIENT_ID, median, report, startGrandstand, temporaryFolder, type Process } from './lib.ts';

const { values: options } = parseArgs({
  options: {
    profiles: { type: 'string', default: '1000000' },
    activities: { type: 'string', default: '20000000' },
    groups: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '5' },
    folder: { type: 'string' },
  },
});
const ROUNDS = Number(options.rounds);
const REPEATS = 9;
const WHOLE_MS = 1_000;
/** Of a page: its heading is there, and nothing of it still loads. */
const WHOLE = 'main:has(h1):not(:has(.skeleton))';
const REQUEST_MS = 300;

const clientOf = (server: Process): AdminClient =>
  createAdminClient({ clientId: CLIENT_ID, endpoint: server.url, accessToken: ADMIN_TOKEN, timeout: 600_000 });

/** Where the pages lead, in one application. */
interface Samples {
  dynamic: string;
  large: string;
  small: string;
  profile: string;
}

const RULES: [name: string, rule: RuleTree][] = [
  ['Talkative', { attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 10, window: 'P7D' }],
  ['Finishers', { attribute: 'total_quests_completed', condition: 'greater_than_or_equal', value: 5 }],
  ['Gone quiet', { attribute: 'days_inactive', condition: 'greater_than_or_equal', value: 30 }],
  ['Voters', { attribute: 'total_poll_votes', condition: 'greater_than_or_equal', value: 1 }],
  ['A tenth', { attribute: 'random_bucket', condition: 'less_than', value: 1000 }],
];

/** A large static group, a few dynamic ones, and as many small static ones as make up the number. */
async function makeGroups(admin: AdminClient, count: number, largeSize: number): Promise<Samples> {
  const known = await admin.groups.list({ name: 'Club 0' }).all();
  const find = async (name: string): Promise<string> => (await admin.groups.list({ name }).all())[0]?.id ?? '';
  const { value: newest } = await admin.profiles.list({ page_size: 100, count: false }).pages().next();
  const ids = (newest?.results ?? []).map(({ id }: { id: string }) => id);
  if (known.length === 0) {
    for (const [name, rule] of RULES) await admin.groups.create({ name, membership_type: 'dynamic', rule_tree: rule });
    const large = await admin.groups.create({ name: 'Season ticket holders' });
    const all: string[] = [];
    for await (const { id } of admin.profiles.list({ page_size: 100, count: false })) {
      all.push(JSON.stringify(id));
      if (all.length === largeSize) break;
    }
    await admin.groups.replaceMembers(large.id, all.join('\n'), 'application/x-ndjson');
    const rest = Array.from({ length: count - RULES.length - 1 }, (_, n) => n);
    const make = async (): Promise<void> => {
      for (let n = rest.shift(); n !== undefined; n = rest.shift()) {
        const group = await admin.groups.create({ name: `Club ${n}`, description: 'A club of its own.' });
        await admin.groups.addMembers(group.id, { profile_ids: ids.slice(0, 1 + (n % ids.length)) });
      }
    };
    await Promise.all(Array.from({ length: 8 }, make));
  }
  return {
    dynamic: await find('Voters'),
    large: await find('Season'),
    small: await find('Club 1'),
    profile: ids[0] ?? '',
  };
}

/** Until every dynamic group is filled and every day is counted: what a running server has behind it. */
async function settle(admin: AdminClient): Promise<void> {
  for (;;) {
    const { days, evaluation } = await admin.getStatistics();
    if (evaluation.filling === 0 && evaluation.queue.count === 0 && days.every((day) => day.counted_at !== null))
      return;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

const pagesOf = (at: Samples): [name: string, path: string][] => [
  ['Overview', ''],
  ['Groups', 'groups'],
  ['Groups, searched', 'groups?name=club'],
  ['New group', 'groups/new'],
  ['Group', `groups/${at.dynamic}`],
  ['Group, a year', `groups/${at.large}?period=1y`],
  ['Members of a large group', `groups/${at.large}/members`],
  ['Members, oldest first', `groups/${at.large}/members?ordering=membership_created_at`],
  ['Members, searched', `groups/${at.large}/members?q=Fan%2012`],
  ['Members of a small group by nickname', `groups/${at.small}/members?ordering=nickname`],
  ['Rule', `groups/${at.dynamic}/rule`],
  ['Changes', `groups/${at.dynamic}/changes`],
  ['Settings', `groups/${at.dynamic}/settings`],
  ['Profiles', 'profiles'],
  ['Profiles, searched', 'profiles?q=Fan%2012'],
  ['Profiles, by an attribute', 'profiles?attribute=favourite_team%3Alions'],
  ['Profile', `profiles/${at.profile}?why=${at.dynamic}`],
  ['Activities', 'activities'],
  ['Types of activities', 'activities/types'],
  ['Attributes', 'attributes'],
  ['Keys and tokens', 'keys'],
];

/** In the page: notes when it last became whole. Asking from here adds what the browser's protocol takes, 100 to 300 ms. */
const WATCH = `
  new MutationObserver(() => {
    if (document.querySelector(${JSON.stringify(WHOLE)}) === null) globalThis.whole = undefined;
    else globalThis.whole ??= performance.now();
  }).observe(document, { subtree: true, childList: true, attributeFilter: ['class'] });
`;

interface Visit {
  /** Milliseconds from the start of the navigation, nothing cached, until nothing loaded any more. */
  whole: number;
  requests: Map<string, { url: string; method: string; body: string | null }>;
}

/** What differs between requests of the same kind: ids. */
const kindOf = (url: string): string =>
  `${new URL(url).pathname.replace(`/api/v1/applications/${CLIENT_ID}`, '').replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '{id}')}${new URL(url).search}`;

async function visit(browser: Browser, server: Process, path: string): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  try {
    await context.addInitScript({ content: `sessionStorage.setItem('grandstand.token', '${ADMIN_TOKEN}');${WATCH}` });
    const page = await context.newPage();
    const requests: Visit['requests'] = new Map();
    page.on('request', (request) => {
      if (!request.url().includes('/api/v1/')) return;
      const told = { url: request.url(), method: request.method(), body: request.postData() };
      if (!requests.has(kindOf(told.url))) requests.set(kindOf(told.url), told);
    });
    await page.goto(`${server.url}/apps/${CLIENT_ID}/${path}`, { waitUntil: 'commit' });
    await page.locator(WHOLE).waitFor();
    await page.waitForLoadState('networkidle');
    return { whole: await page.evaluate<number>('globalThis.whole'), requests };
  } finally {
    await context.close();
  }
}

async function timeRequest({
  url,
  method,
  body,
}: {
  url: string;
  method: string;
  body: string | null;
}): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < REPEATS; n++) {
    const started = performance.now();
    const response = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...(body !== null && { 'content-type': 'application/json' }) },
      ...(body !== null && { body }),
    });
    await response.arrayBuffer();
    times.push(performance.now() - started);
  }
  return median(times);
}

async function main(): Promise<void> {
  const season = await prepareSeason({
    profiles: Number(options.profiles),
    activities: Number(options.activities),
    folder: options.folder,
  });
  const elsewhere = await temporaryFolder();
  const large = await startGrandstand({ DATABASE_URL: season.url });
  const small = await startGrandstand({ DATA_DIR: elsewhere.path });
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'],
  });
  try {
    const [many, few] = [clientOf(large), clientOf(small)];
    await few.profiles.upsert(Array.from({ length: 100 }, (_, n) => ({ custom_id: `fan-${n}`, nickname: `Fan ${n}` })));
    const samples = await makeGroups(many, Number(options.groups), Math.ceil(Number(options.profiles) / 10));
    const fewSamples = await makeGroups(few, 10, 50);
    await Promise.all([settle(many), settle(few)]);
    console.log(`measuring ${ROUNDS} visits of each page`);

    const rows: Parameters<typeof report>[1] = [];
    const requests: Visit['requests'] = new Map();
    const smallPages = pagesOf(fewSamples);
    for (const [index, [name, path]] of pagesOf(samples).entries()) {
      const times: [large: number, small: number][] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const first = await visit(browser, large, path);
        const second = await visit(browser, small, smallPages[index]?.[1] ?? '');
        times.push([first.whole, second.whole]);
        for (const [kind, request] of first.requests) requests.set(kind, request);
      }
      const [a, b] = [median(times.map(([x]) => x)), median(times.map(([, y]) => y))];
      const ratio = median(times.map(([x, y]) => x / y));
      rows.push([name, `whole after ${a.toFixed(0)} ms, small ${b.toFixed(0)} ms`, ratio, `below ${WHOLE_MS} ms`]);
    }
    report('Pages, median of cold visits, ratio to a small application', rows);

    const timed: [kind: string, ms: number][] = [];
    for (const [kind, request] of requests) timed.push([kind, await timeRequest(request)]);
    timed.sort((a, b) => b[1] - a[1]);
    report(
      `Requests of these pages, median of ${REPEATS}`,
      timed.map(([kind, ms]) => [
        kind.slice(0, 58),
        `${ms.toFixed(1)} ms`,
        ms / REQUEST_MS,
        kind.includes('preview') ? 'no limit' : `of ${REQUEST_MS} ms`,
      ]),
    );
  } finally {
    await browser.close();
    await Promise.all([large.stop(), small.stop()]);
    await season.stop();
    await elsewhere.remove();
  }
}

await main();
