// Chromium for the tests of pages, and a server with a season of demo data behind them.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium, type Browser, type BrowserContext, type Locator, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import type { Clock } from '../../server/src/clock.ts';
import { runDemo } from '../../server/src/demo/demo.ts';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer, type TestServer } from '../../server/src/testing/server.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const CHROMIUM = '/usr/bin/chromium';

export const hasBrowser = existsSync(CHROMIUM);
if (!hasBrowser)
  process.stderr.write(`\n*** ${CHROMIUM} is missing: the console is NOT tested. Install chromium. ***\n\n`);

export const SCREENSHOTS = join(root, '.artifacts', 'console');
mkdirSync(SCREENSHOTS, { recursive: true });

export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-background-networking', '--disable-gpu'],
  });

/** The console is built, so that a server has it. */
export function ensureConsole(): void {
  if (!existsSync(join(root, 'console/dist/index.html')))
    execFileSync('npm', ['run', 'build', '-w', 'console'], { cwd: root, stdio: 'ignore' });
}

/**
 * Here it is the evening of the present day, and time goes on from there: the season's day has had its activities, and no
 * midnight comes between what a test does and what it sees. Servers and pages are told the same.
 */
const EVENING = new Date().setUTCHours(18, 0, 0, 0);
const SHIFT = EVENING - Date.now();

export function eveningClock(): Clock {
  let last = 0;
  return {
    now() {
      last = Math.max(last + 1, Math.floor((performance.timeOrigin + performance.now() + SHIFT) * 1000));
      return last;
    },
  };
}

/** What pages take for the present, in milliseconds. */
export const eveningNow = (): number => Date.now() + SHIFT;

export async function eveningContext(browser: Browser): Promise<BrowserContext> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB' });
  await context.addInitScript((shift) => {
    const Real = Date;
    const now = (): number => Real.now() + shift;
    window.Date = new Proxy(Real, {
      construct: (target, given: unknown[]) => Reflect.construct(target, given.length === 0 ? [now()] : given) as Date,
      get: (target, name) => (name === 'now' ? now : (Reflect.get(target, name) as unknown)),
    });
  }, SHIFT);
  return context;
}

/** A server that evaluates, with the console of the present sources and a small season in it. */
export async function startWithSeason(): Promise<TestServer> {
  ensureConsole();
  const server = await startTestServer({ env: { ROLE: 'all' }, clock: eveningClock() });
  const { context } = server.app;
  const application = await context.applications.get(CLIENT_ID);
  const silent = { begin: () => ({ advance: () => {}, end: () => {} }), note: () => {} };
  await runDemo(context, application, { profiles: 200, activities: 4_000, seed: 11 }, silent);
  return server;
}

export interface Watched {
  page: Page;
  /** What a page may not do: throw, log an error, break its content security policy, open a dialog of the browser. */
  problems: string[];
}

export async function watchedPage(context: BrowserContext): Promise<Watched> {
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(`threw: ${error.message}`));
  page.on('dialog', (dialog) => {
    // Leaving with something unsaved asks first, as it should.
    if (dialog.type() === 'beforeunload') return void dialog.accept();
    problems.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('console', (message) => {
    // A session that is not there yet, and objects that a test asks for in vain, are answers and no faults; a test also
    // takes the network away.
    if (message.type() === 'error' && !/status of (401|404|400|409|412)|ERR_INTERNET_DISCONNECTED/.test(message.text()))
      problems.push(message.text());
  });
  page.setDefaultTimeout(20_000);
  return { page, problems };
}

/** No violation on what is shown now. */
export async function expectAccessible(page: Page, where: string): Promise<void> {
  // The mode for pages without frames, as the other one opens a page of its own for each look; rows of a list are alike.
  const { violations } = await new AxeBuilder({ page })
    .setLegacyMode(true)
    .exclude('tbody tr:nth-of-type(n + 9)')
    .exclude('li:nth-of-type(n + 9)')
    .analyze();
  const told = violations.map(
    ({ id, nodes }) =>
      `${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(' ')} (${failureSummary?.split('\n').slice(1).join('; ').trim() ?? ''})`).join(' | ')}`,
  );
  expect.soft(told, `axe on ${where}`).toEqual([]);
}

/** Nothing sticks out sideways. */
export async function expectNoSidewaysScroll(page: Page, where: string): Promise<void> {
  const { wide, room } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth,
    room: document.documentElement.clientWidth,
  }));
  expect.soft(wide, `width of ${where}`).toBeLessThanOrEqual(room);
}

export type Look = readonly [scheme: 'light' | 'dark', width: number, height: number];

const WIDE = [1440, 900] as const;
const NARROW = [390, 844] as const;
export const TWO_LOOKS: readonly Look[] = [
  ['light', ...WIDE],
  ['dark', ...NARROW],
];
export const ALL_LOOKS: readonly Look[] = [
  ['light', ...WIDE],
  ['dark', ...WIDE],
  ['light', ...NARROW],
  ['dark', ...NARROW],
];

/** Pictures of what shows now, in each of the looks: without violations, and nothing sticks out sideways. */
export async function picture(
  page: Page,
  name: string,
  { looks, fullPage = false, dialog }: { looks: readonly Look[]; fullPage?: boolean; dialog?: Locator },
): Promise<void> {
  for (const [scheme, width, height] of looks) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width, height });
    await page.locator('main:not(:has(.skeleton))').waitFor();
    await page.screenshot({ path: `${SCREENSHOTS}/${name}-${scheme}-${width}.png`, fullPage });
    await expectNoSidewaysScroll(page, `${name} at ${width}`);
    const room = await dialog?.evaluate((it) => it.clientWidth - it.scrollWidth);
    expect.soft(room ?? 0, `width of ${name} at ${width}`).toBe(0);
    // Light and wide, dark and narrow: so both schemes and both widths are judged.
    if ((scheme === 'light') === (width === WIDE[0])) await expectAccessible(page, `${name}, ${scheme}, ${width}`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: WIDE[0], height: WIDE[1] });
}

/** A context whose pages are signed in by the application's admin token, and a page in it. */
export async function signedInPage(browser: Browser): Promise<Watched & { context: BrowserContext }> {
  const context = await eveningContext(browser);
  await context.addInitScript((token) => sessionStorage.setItem('grandstand.token', token), ADMIN_TOKEN);
  return { ...(await watchedPage(context)), context };
}

/** For the tests of a `describe`: a server, and a page at which somebody is signed in. Both end with them. */
export function openConsole(start: () => Promise<TestServer>, opened: (watched: Watched) => void): void {
  let server: TestServer | undefined;
  let browser: Browser | undefined;
  beforeAll(async () => {
    ensureConsole();
    server = await start();
    browser = await launch();
    opened(await signedInPage(browser));
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });
}

/** What the keyboard speaks to: its label, its name, or its text. */
export const focused = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const it = document.activeElement;
    if (!it || it === document.body) return 'nothing';
    const label = 'labels' in it ? (it as HTMLInputElement).labels?.[0]?.textContent : undefined; // a field's own
    return (it.getAttribute('aria-label') ?? label ?? it.textContent).trim();
  });

/** What most tests do with a page of the application, which is there once the test has begun. */
export function controlsOf(now: () => { page: Page; server: TestServer }) {
  return {
    open: async (path: string): Promise<void> => {
      const { page, server } = now();
      await page.goto(`${server.url}/apps/${CLIENT_ID}/${path}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
    },
    button: (name: string): Locator => now().page.getByRole('button', { name, exact: true }),
    dialog: (): Locator => now().page.getByRole('dialog'),
    /** Takes its picture wide and light, narrow and dark, and looks at what shows. */
    pictured: (name: string, options: { fullPage?: boolean } = {}): Promise<void> =>
      picture(now().page, name, { looks: TWO_LOOKS, ...options }),
  };
}
