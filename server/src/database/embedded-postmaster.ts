// The server process: starting it, knowing when it answers, stopping it, and stopping one that a killed server left behind.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import type { Binaries } from './embedded-binaries.ts';
import { messageError, programError, spawnAs } from './embedded-cluster.ts';
import { EmbeddedError, errorCode } from './embedded-error.ts';
import { isAlive, processCommand, processStart } from './embedded-lock.ts';
import type { Owner } from './embedded-place.ts';

export interface Log {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

export interface Postmaster {
  readonly pid: number;
  /** Settles when the process is gone. */
  readonly exited: Promise<void>;
  hasExited(): boolean;
  stop(): Promise<void>;
}

interface LaunchOptions {
  binaries: Binaries;
  cluster: string;
  owner: Owner | undefined;
  logFile: string;
}

const FAST_STOP_MS = 30_000;
const IMMEDIATE_STOP_MS = 10_000;
const STABLE_MS = 30_000;
const MAX_PAUSE_MS = 30_000;
const LOG_LIMIT_BYTES = 10 * 1024 * 1024;
const run = promisify(execFile);

export async function launchPostmaster(options: LaunchOptions): Promise<Postmaster> {
  return process.platform === 'win32' ? launchThroughPgCtl(options) : launchDirectly(options);
}

async function launchDirectly({ binaries, cluster, owner, logFile }: LaunchOptions): Promise<Postmaster> {
  const log = openSync(logFile, 'a', 0o600);
  let child: ChildProcess;
  try {
    // Detached: a Ctrl-C in the terminal is for us; PostgreSQL stops after our own last statement.
    child = spawn(binaries.postgres, ['-D', cluster], {
      ...spawnAs(owner),
      cwd: cluster,
      detached: true,
      stdio: ['ignore', log, log],
    });
  } finally {
    closeSync(log);
  }
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(programError(error, cluster)));
  });
  const pid = child.pid;
  if (pid === undefined) throw new EmbeddedError('start-failed', `PostgreSQL did not start in ${cluster}.`);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const hasExited = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const watcher = watchOurselves(pid);
  child.unref();
  child.once('exit', () => watcher?.kill('SIGKILL'));
  return {
    pid,
    exited,
    hasExited,
    async stop() {
      child.ref();
      watcher?.kill('SIGKILL');
      await stopBySignals(pid, exited, hasExited);
    },
  };
}

/**
 * A shell that waits for the end of a pipe that only we hold, then asks PostgreSQL to stop: so it does not outlive a server that
 * was killed. Without a shell the next start does the same.
 */
function watchOurselves(pid: number): ChildProcess | undefined {
  if (!existsSync('/bin/sh')) return undefined;
  const script = 'read -r _; kill -INT "$1" 2>/dev/null';
  const watcher = spawn('/bin/sh', ['-c', script, 'sh', String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  });
  watcher.on('error', () => undefined);
  watcher.stdin?.on('error', () => undefined);
  watcher.unref();
  if (watcher.stdin && 'unref' in watcher.stdin && typeof watcher.stdin.unref === 'function') watcher.stdin.unref();
  return watcher;
}

/** PostgreSQL refuses to run with administrator's rights; on Windows its pg_ctl is what gives them up. */
async function launchThroughPgCtl({ binaries, cluster, logFile }: LaunchOptions): Promise<Postmaster> {
  try {
    await run(binaries.pgCtl, ['start', '-W', '-s', '-D', cluster, '-l', logFile], { windowsHide: true });
  } catch (error) {
    throw programError(error, cluster);
  }
  const deadline = performance.now() + 20_000;
  let pid = readPostmasterPid(cluster);
  while (pid === undefined) {
    if (performance.now() > deadline) throw messageError(readEnd(logFile, 0), cluster);
    await delay(20);
    pid = readPostmasterPid(cluster);
  }
  const server = pid;
  let gone = false;
  const exited = (async () => {
    while (isAlive(server)) await delay(250, undefined, { ref: false });
    gone = true;
  })();
  return {
    pid: server,
    exited,
    hasExited: () => gone,
    async stop() {
      await run(binaries.pgCtl, ['stop', '-s', '-m', 'fast', '-D', cluster], { windowsHide: true }).catch(() =>
        run(binaries.pgCtl, ['stop', '-s', '-m', 'immediate', '-D', cluster], { windowsHide: true }),
      );
    },
  };
}

async function stopBySignals(pid: number, exited: Promise<void>, hasExited: () => boolean): Promise<void> {
  // Fast: roll back, write a checkpoint, leave. Immediate: leave, recover at the next start. Neither loses a commit.
  const steps = [
    ['SIGINT', FAST_STOP_MS],
    ['SIGQUIT', IMMEDIATE_STOP_MS],
    ['SIGKILL', IMMEDIATE_STOP_MS],
  ] as const;
  for (const [signal, patience] of steps) {
    if (hasExited()) return;
    signalProcess(pid, signal);
    const timer = new AbortController();
    await Promise.race([exited, delay(patience, undefined, { signal: timer.signal }).catch(() => undefined)]);
    timer.abort();
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

/** Stops the PostgreSQL of this cluster that a server left behind. The caller holds the lock, so it has no owner. */
export async function stopLeftBehind(cluster: string, binaries: Binaries, log: Log): Promise<void> {
  const pid = readPostmasterPid(cluster);
  if (pid === undefined) return;
  if (process.platform === 'win32') {
    await run(binaries.pgCtl, ['stop', '-s', '-m', 'fast', '-D', cluster], { windowsHide: true }).catch(
      () => undefined,
    );
    return;
  }
  const command = processCommand(pid);
  const isOurs =
    processStart(pid) !== undefined && command !== undefined && /postgres/.test(command) && command.includes(cluster);
  if (isOurs) {
    log.warn(`stopping the PostgreSQL (process ${pid}) that an earlier server left behind`);
    const start = processStart(pid);
    const hasExited = (): boolean => processStart(pid) !== start;
    const exited = (async () => {
      while (!hasExited()) await delay(15);
    })();
    await stopBySignals(pid, exited, hasExited);
  } else if (isAlive(pid)) {
    // A crash left the file, and the pid is another program's by now, over which PostgreSQL would refuse to start.
    rmSync(join(cluster, 'postmaster.pid'), { force: true });
  }
}

export interface Supervised {
  pid(): number;
  stop(): Promise<void>;
}

/** Starts PostgreSQL again when it ends without being asked to, as often as it takes; requests fail meanwhile, the server lives. */
export function supervise(first: Postmaster, restart: () => Promise<Postmaster>, log: Log): Supervised {
  const stopping = new AbortController();
  let current = first;
  const watch = async (): Promise<void> => {
    let pause = 0;
    for (;;) {
      const startedAt = performance.now();
      await current.exited;
      if (stopping.signal.aborted) return;
      log.error(`PostgreSQL (process ${current.pid}) ended unexpectedly; starting it again`);
      if (performance.now() - startedAt > STABLE_MS) pause = 0;
      for (let isDown = true; isDown;) {
        await delay(pause, undefined, { signal: stopping.signal }).catch(() => undefined);
        if (stopping.signal.aborted) return;
        pause = Math.min(MAX_PAUSE_MS, Math.max(250, pause * 2));
        try {
          current = await restart();
          isDown = false;
        } catch (error) {
          log.error(`PostgreSQL could not be started again: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      if (stopping.signal.aborted) return;
      log.warn(`PostgreSQL runs again (process ${current.pid})`);
    }
  };
  const watching = watch();
  return {
    pid: () => current.pid,
    async stop() {
      stopping.abort();
      await current.stop();
      await watching;
      // A restart may have been under way.
      await current.stop();
    },
  };
}

export function readPostmasterPid(cluster: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(join(cluster, 'postmaster.pid'), 'utf8'), 10);
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Connects as soon as the server answers. Recovery after a crash may take minutes, as long as the process lives that is fine. */
export async function connectWhenReady(
  postmaster: Postmaster,
  url: string,
  describeFailure: () => EmbeddedError,
  log: Log,
): Promise<pg.Client> {
  let nextNotice = performance.now() + 10_000;
  for (;;) {
    if (postmaster.hasExited()) throw describeFailure();
    const client = new pg.Client({ connectionString: url, application_name: 'grandstand start' });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      const code = errorCode(error);
      const isStarting = code === '57P03' || code === 'ECONNREFUSED' || code === 'ENOENT' || code === 'ECONNRESET';
      // A postmaster that is just going down cuts the connection without a code.
      if (!isStarting && code !== undefined) throw error;
      if (performance.now() > nextNotice) {
        log.info('PostgreSQL is still starting (recovering after a crash takes longer than a plain start)');
        nextNotice = performance.now() + 10_000;
      }
      await Promise.race([postmaster.exited, delay(10)]);
    }
  }
}

/** Keeps the log below its limit: at the limit the text moves to `.1`, of which there is one. */
export function boundLog(logFile: string): void {
  try {
    if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) < LOG_LIMIT_BYTES) return;
    // Copied and emptied rather than renamed: PostgreSQL holds the file open, for appending.
    copyFileSync(logFile, `${logFile}.1`);
    truncateSync(logFile);
  } catch {
    // A log that cannot be cut must not stop the database.
  }
}

/** What was written to the log after `from`, at most the last 64 KiB. */
export function readEnd(logFile: string, from: number): string {
  try {
    const size = statSync(logFile).size;
    const start = Math.max(Math.min(from, size), size - 65_536);
    const file = openSync(logFile, 'r');
    try {
      const buffer = Buffer.alloc(size - start);
      readSync(file, buffer, 0, buffer.length, start);
      return buffer.toString('utf8');
    } finally {
      closeSync(file);
    }
  } catch {
    return '';
  }
}
