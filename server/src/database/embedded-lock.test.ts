import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { lockDirectory, processStart } from './embedded-lock.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).toReversed()) cleanup();
});

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lock-test-'));
  chmodSync(folder, 0o755);
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function ownLock(): Promise<Record<string, unknown>> {
  const folder = makeFolder();
  const lock = await lockDirectory(folder);
  const holder = JSON.parse(readFileSync(join(folder, 'grandstand.lock'), 'utf8')) as Record<string, unknown>;
  lock.release();
  expect(readdirSync(folder)).toEqual([]);
  return holder;
}

function leaveBehind(folder: string, holder: unknown): string {
  const path = join(folder, 'grandstand.lock');
  writeFileSync(path, typeof holder === 'string' ? holder : JSON.stringify(holder));
  return path;
}

test('a lock whose pid was given to another process since is taken over', async () => {
  const folder = makeFolder();
  leaveBehind(folder, { ...(await ownLock()), token: 'old', started: 'before/1' });
  (await lockDirectory(folder)).release();
});

test('the lock of a living process stays', async () => {
  const folder = makeFolder();
  const path = leaveBehind(folder, {
    ...(await ownLock()),
    token: 'held',
    pid: process.ppid,
    started: processStart(process.ppid),
  });
  await expect(lockDirectory(folder)).rejects.toMatchObject({ code: 'locked' });
  expect(readFileSync(path, 'utf8')).toContain('held');
});

test.each(['', '{"tok', 'null', '{}', '[]'])(
  'a lock file that was cut off by a crash is taken over: %j',
  async (text) => {
    const folder = makeFolder();
    leaveBehind(folder, text);
    (await lockDirectory(folder)).release();
  },
);

test('the claim of a process that died while it took over a lock does not block the next', async () => {
  const folder = makeFolder();
  const dead = { ...(await ownLock()), token: 'old', started: 'before/1' };
  leaveBehind(folder, dead);
  writeFileSync(join(folder, 'grandstand.lock.old'), JSON.stringify({ ...dead, token: 'claim' }));
  (await lockDirectory(folder)).release();
  expect(readdirSync(folder)).toEqual([]);
});

test('of many that find a stale lock at once exactly one gets it', async () => {
  for (let round = 0; round < 20; round++) {
    const folder = makeFolder();
    leaveBehind(folder, { ...(await ownLock()), token: `old${round}`, started: 'before/1' });
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => lockDirectory(folder)));
    const won = tries.filter((result) => result.status === 'fulfilled');
    expect(won).toHaveLength(1);
    won[0]?.value.release();
  }
});

test('a lock of another container counts as long as it is touched', async () => {
  const folder = makeFolder();
  const path = leaveBehind(folder, {
    ...(await ownLock()),
    token: 'far',
    namespace: 'pid:[1]',
    host: `not-${hostname()}`,
  });
  const beat = setInterval(() => utimesSync(path, new Date(), new Date()), 300);
  cleanups.push(() => clearInterval(beat));
  await expect(lockDirectory(folder)).rejects.toThrow(`on not-${hostname()}`);
  clearInterval(beat);
  (await lockDirectory(folder)).release();
});
