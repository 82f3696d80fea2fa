// Holds a data directory for one server. Node has no flock, so the lock is a file that names its holder by pid and by the
// instant at which that process started: a pid that was given to another process later is not taken for the holder.
// Invariant: a lock is removed only by its holder, or by the one process that holds the claim on exactly that stale lock.

import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readFileSync, readlinkSync, rmSync, statSync, utimesSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedError, errorCode, fileError } from './embedded-error.ts';

const LOCK_FILE = 'grandstand.lock';
const BEAT_MS = 1000;
/** How long the lock of another pid namespace is watched for a beat before it counts as left behind. */
const FOREIGN_WATCH_MS = 4000;
const HIDDEN = 'hidden';

interface Holder {
  token: string;
  pid: number;
  started: string;
  host: string;
  namespace: string;
}

export interface DirectoryLock {
  release(): void;
}

/** Something that differs between two processes that had the same pid; undefined when there is no such process. */
export function processStart(pid: number): string | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  if (process.platform === 'linux') {
    const stat = readOrUndefined(`/proc/${pid}/stat`);
    // Where /proc hides other users' processes, a pid that exists is all that is known.
    if (stat === undefined) return isAlive(pid) ? HIDDEN : undefined;
    // The second field is the command in brackets and may itself hold brackets and blanks.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return `${readOrUndefined('/proc/sys/kernel/random/boot_id')?.trim() ?? ''}/${fields[19] ?? ''}`;
  }
  if (process.platform === 'win32') return isAlive(pid) ? 'alive' : undefined;
  return describe(pid, 'lstart=,stat=', (text) => (/\sZ\S*$/.test(text) ? undefined : text.replace(/\s\S+$/, '')));
}

/** The command line of a process, for telling our PostgreSQL from another program with its old pid. */
export function processCommand(pid: number): string | undefined {
  if (process.platform === 'linux') return readOrUndefined(`/proc/${pid}/cmdline`)?.replaceAll('\0', ' ').trim();
  if (process.platform === 'win32') return undefined;
  return describe(pid, 'command=', (text) => text);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/** Takes the lock of a directory, or fails with `locked`. */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const path = join(directory, LOCK_FILE);
  const own: Holder = {
    token: randomUUID(),
    pid: process.pid,
    started: processStart(process.pid) ?? '',
    host: hostname(),
    namespace: pidNamespace(),
  };
  const giveUpAt = performance.now() + 15_000;
  while (!createWith(path, own)) {
    const holder = await readHolder(path);
    if (holder === 'gone') continue;
    if (await holds(holder, path)) throw lockedError(directory, holder);
    if (performance.now() > giveUpAt) throw lockedError(directory, holder);
    await removeStale(path, holder, own);
  }
  return keep(path, own);
}

function keep(path: string, own: Holder): DirectoryLock {
  const beat = setInterval(() => {
    const now = new Date();
    try {
      utimesSync(path, now, now);
    } catch {
      // The directory was removed under us; PostgreSQL notices that by itself and there is nothing to keep.
    }
  }, BEAT_MS);
  beat.unref();
  return {
    release() {
      clearInterval(beat);
      if (parseHolder(readOrUndefined(path))?.token === own.token) rmSync(path, { force: true });
    },
  };
}

function createWith(path: string, holder: Holder): boolean {
  let file: number;
  try {
    file = openSync(path, 'wx', 0o644);
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw fileError(error, path);
  }
  try {
    writeSync(file, JSON.stringify(holder));
  } catch (error) {
    rmSync(path, { force: true });
    throw fileError(error, path);
  } finally {
    closeSync(file);
  }
  return true;
}

/** The holder; 'gone' when there is none any more; a holder without token when the file stays unreadable. */
async function readHolder(path: string): Promise<Holder | 'gone'> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const text = readLock(path);
    if (text === undefined) return 'gone';
    const holder = parseHolder(text);
    if (holder) return holder;
    // Between its creation and its first byte the file of a living server is empty.
    await delay(20);
  }
  return { token: 'unreadable', pid: 0, started: '', host: hostname(), namespace: pidNamespace() };
}

async function holds(holder: Holder, path: string): Promise<boolean> {
  if (holder.namespace === pidNamespace() && holder.host === hostname()) {
    const started = processStart(holder.pid);
    return started !== undefined && (started === holder.started || started === HIDDEN);
  }
  // A pid of another container or host says nothing here. A living holder touches its file every second.
  const before = modifiedAt(path);
  const until = performance.now() + FOREIGN_WATCH_MS;
  while (performance.now() < until) {
    await delay(200);
    if (modifiedAt(path) !== before) return true;
  }
  return false;
}

async function removeStale(path: string, stale: Holder, own: Holder): Promise<void> {
  const claim = `${path}.${stale.token}`;
  if (!createWith(claim, own)) {
    const claimant = await readHolder(claim);
    // Only a process that died in the few microseconds of its claim leaves one behind.
    if (claimant !== 'gone' && !(await holds(claimant, claim))) rmSync(claim, { force: true });
    await delay(20);
    return;
  }
  try {
    const current = readLock(path);
    const token = current === undefined ? undefined : (parseHolder(current)?.token ?? 'unreadable');
    if (token === stale.token) rmSync(path, { force: true });
  } finally {
    rmSync(claim, { force: true });
  }
}

function lockedError(directory: string, holder: Holder): EmbeddedError {
  const where = holder.host === hostname() ? '' : ` on ${holder.host}`;
  return new EmbeddedError(
    'locked',
    `The data directory ${directory} is in use by another Grandstand server (process ${holder.pid}${where}). ` +
      'Stop that one first, or set DATA_DIR to another folder.',
  );
}

function pidNamespace(): string {
  if (process.platform !== 'linux') return '';
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

/** Undefined when there is none; a lock that may not be read is another user's, and so are the data. */
function readLock(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw fileError(error, path);
  }
}

function parseHolder(text: string | undefined): Holder | undefined {
  if (!text) return undefined;
  try {
    // Our own file, written in one piece above; a field that is missing all the same makes it count as unreadable.
    const holder = JSON.parse(text) as Partial<Holder> | null;
    const { token, pid, started, host, namespace } = holder ?? {};
    if (typeof token !== 'string' || !/^[\w-]+$/.test(token) || typeof pid !== 'number') return undefined;
    return { token, pid, started: started ?? '', host: host ?? '', namespace: namespace ?? '' };
  } catch {
    return undefined;
  }
}

function describe(pid: number, columns: string, pick: (text: string) => string | undefined): string | undefined {
  try {
    const text = execFileSync('ps', ['-p', String(pid), '-o', columns], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' },
    }).trim();
    return text === '' ? undefined : pick(text);
  } catch {
    return undefined;
  }
}

function modifiedAt(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
