// What every benchmark shares: servers as processes of their own, load on them, pairs of runs and their medians.

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
export const CLIENT_ID = 'bench-app';
export const CLIENT_SECRET = 'bench-client-secret-0123456789-0123456789';
export const ADMIN_TOKEN = 'bench-admin-token-0123456789';

export interface Process {
  url: string;
  pid: number;
  stop(): Promise<void>;
}

/** Starts a program and waits for its line `listening on http://…`. */
export async function startProcess(args: string[], env: Record<string, string>): Promise<Process> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await listening(child);
  return {
    url,
    pid: child.pid ?? 0,
    async stop() {
      if (child.exitCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const found = /listening on (http:\/\/\S+)/.exec(text);
      if (found?.[1]) resolve(found[1]);
    });
    child.once('exit', (code) => reject(new Error(`the process ended with ${code} before it listened`)));
  });
}

/** The product, built, with limits off. */
export function startGrandstand(env: Record<string, string>): Promise<Process> {
  return startProcess([join(root, 'server/dist/main.js')], {
    PORT: '0',
    LOG_LEVEL: 'warn',
    RATE_LIMIT_ADDRESS: '0',
    RATE_LIMIT_PROFILE: '0',
    RATE_LIMIT_APPLICATION: '0',
    SECRET_KEY: 'bench-secret-key-0123456789-0123456789',
    BOOTSTRAP_CLIENT_ID: CLIENT_ID,
    BOOTSTRAP_CLIENT_SECRET: CLIENT_SECRET,
    BOOTSTRAP_ADMIN_TOKEN: ADMIN_TOKEN,
    ...env,
  });
}

export async function temporaryFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'grandstand-bench-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

export interface Load {
  url: string;
  method?: 'GET' | 'POST';
  headers?: Record<string, string>;
  body?: string;
  /** A different request each time: every connection has its share, and the next run goes on where this one stopped. */
  requests?: { path: string; headers?: Record<string, string> }[];
}

const positions = new WeakMap<object, number>();

/** The requests of one connection of many, from the place on that earlier runs reached. */
function shareOf(requests: NonNullable<Load['requests']>, connection: number, connections: number): typeof requests {
  const start = positions.get(requests) ?? 0;
  return [...requests.slice(start), ...requests.slice(0, start)].filter((_, i) => i % connections === connection);
}

export interface Figures {
  perSecond: number;
  p50: number;
  p99: number;
  errors: number;
}

/** For some seconds, or, with `requests`, so many of them, however long that takes. */
export async function load(
  target: Load,
  { connections = 32, seconds = 5, requests }: { connections?: number; seconds?: number; requests?: number } = {},
): Promise<Figures> {
  const { requests: different } = target;
  let started = 0;
  const result = await autocannon({
    url: target.url,
    connections,
    ...(requests === undefined ? { duration: seconds } : { amount: requests, timeout: 60 }),
    idReplacement: target.body?.includes('[<id>]') === true,
    method: target.method ?? 'GET',
    ...(target.headers && { headers: target.headers }),
    ...(target.body !== undefined && { body: target.body }),
    ...(different && { setupClient: (client) => client.setRequests(shareOf(different, started++, connections)) }),
  });
  if (different) {
    positions.set(different, ((positions.get(different) ?? 0) + result.requests.total) % different.length);
  }
  return {
    perSecond: result.requests.average,
    p50: result.latency.p50,
    p99: result.latency.p99,
    errors: result.errors + result.non2xx,
  };
}

/** Milliseconds of CPU that a process and the children of another (the postmaster) have used so far. */
export async function cpuMilliseconds(pid: number, parent: number): Promise<number> {
  const TICK_MS = 10;
  let sum = 0;
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // state, parent, …
    if (Number(entry) === pid || Number(fields[1]) === parent) sum += Number(fields[11]) + Number(fields[12]);
    // Of its children that have ended: connections that were closed meanwhile.
    if (Number(entry) === parent) sum += Number(fields[13]) + Number(fields[14]);
  }
  return sum * TICK_MS;
}

export const median = (values: number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
};

/** Runs all in turn, A B C, C B A, …, and returns each one's values, in the order of the rounds. */
export async function inTurns(rounds: number, works: (() => Promise<number>)[]): Promise<number[][]> {
  const values = works.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    const order = [...works.keys()];
    for (const i of round % 2 === 0 ? order : order.toReversed()) values[i]?.push((await works[i]?.()) ?? NaN);
  }
  return values;
}

/** The median of the ratios, round by round. */
export const medianRatio = (a: number[], b: number[]): number => median(a.map((value, i) => value / (b[i] ?? NaN)));

/** Runs both in turn, A B B A …, and returns each one's median and the median of the ratios A/B, pair by pair. */
export async function paired(
  rounds: number,
  a: () => Promise<number>,
  b: () => Promise<number>,
): Promise<{ a: number; b: number; ratio: number }> {
  const [as = [], bs = []] = await inTurns(rounds, [a, b]);
  return { a: median(as), b: median(bs), ratio: medianRatio(as, bs) };
}

export function report(
  title: string,
  rows: [what: string, figures: string, ratio: number | string, aim: string][],
): void {
  console.log(`\n${title} (${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version})`);
  for (const [what, figures, ratio, aim] of rows) {
    console.log(
      `  ${what.padEnd(58)} ${figures.padEnd(40)} ${typeof ratio === 'number' ? ratio.toFixed(2) : ratio}  (${aim})`,
    );
  }
}

export const rounded = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
