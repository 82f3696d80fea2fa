// What the tests of the embedded database share: folders and servers that go away after each test, and processes to kill.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, expect } from 'vitest';
import { type EmbeddedDatabase, type EmbeddedOptions, startEmbedded } from '../database/embedded.ts';
import { processStart } from '../database/embedded-lock.ts';
import { scratchRoot } from './scratch.ts';

export const isRoot = process.getuid?.() === 0;
export const isPosix = process.platform !== 'win32';
/** Neither ourselves nor the user that PostgreSQL runs as by default. */
export const ORDINARY_USER = { uid: 1, gid: 1 };
export const NAMELESS_USER = { uid: 23_456, gid: 23_456 };
const HOLDER = fileURLToPath(new URL('./hold-embedded.ts', import.meta.url));

export const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

export function makeFolder(mode = 0o755, parent = scratchRoot()): string {
  const folder = mkdtempSync(join(parent, 'embedded-test-'));
  chmodSync(folder, mode);
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export async function start(dataDir: string, options: Partial<EmbeddedOptions> = {}): Promise<EmbeddedDatabase> {
  const database = await startEmbedded({ dataDir, ...options });
  cleanups.push(() => database.stop());
  return database;
}

export interface Held {
  child: ChildProcess;
  /** Undefined, like the next two, when the start failed. */
  url: string;
  superuserUrl: string;
  pid: number;
  code?: string;
  message?: string;
  log: string[];
}

export async function hold(dataDir: string, user: { uid?: number; gid?: number } = {}): Promise<Held> {
  const child = spawn(process.execPath, ['--import', 'tsx', HOLDER, dataDir], {
    ...user,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  cleanups.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const held = { child, ...(JSON.parse(line) as Omit<Held, 'child'>) };
  const socketDir = held.url === undefined ? null : new URL(held.url).searchParams.get('host');
  if (socketDir !== null) cleanups.unshift(() => rmSync(socketDir, { recursive: true, force: true }));
  return held;
}

export async function kill(held: Held): Promise<void> {
  held.child.kill('SIGKILL');
  await once(held.child, 'exit');
}

export async function query<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

export async function count(url: string): Promise<number | undefined> {
  return (await query<{ n: number }>(url, 'select count(*)::int as n from kept'))[0]?.n;
}

/** A linear congruential generator; [0, limit) at each call. */
export function randomNumbers(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** A file system of that size; undefined where we may not mount one. */
export function mountSmallDisk(size = '160m'): string | undefined {
  const disk = makeFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  cleanups.push(() => void execFileSync('umount', [disk]));
  return disk;
}

export function fillDisk(disk: string): void {
  const backfill = (): never => {
    for (;;) writeFileSync(join(disk, 'ballast'), Buffer.alloc(1024 * 1024), { flag: 'a' });
  };
  expect(backfill).toThrow('ENOSPC');
}

/** A process that ended but was not collected by its parent is gone, too. */
export function isGone(pid: number): boolean {
  return processStart(pid) === undefined;
}

export function failure(start: Promise<unknown>): Promise<{ code: string; message: string }> {
  return start.then(
    () => Promise.reject(new Error('it started')),
    (error: { code: string; message: string }) => error,
  );
}
