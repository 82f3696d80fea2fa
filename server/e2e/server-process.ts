// The built server as a process of its own, as an operator starts it.

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
export const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

export const BOOTSTRAP = {
  BOOTSTRAP_CLIENT_ID: 'e2e-app',
  BOOTSTRAP_CLIENT_SECRET: 'the-client-secret-of-the-e2e-application',
  BOOTSTRAP_ADMIN_TOKEN: 'the-admin-token-of-the-e2e-tests',
};
export const SECRET_KEY = 'a-secret-key-for-e2e-tests-0123456789';

export interface ServerProcess {
  /** Origin, without a slash at its end. */
  url: string;
  pid: number;
  /** What it printed so far, in both streams. */
  output(): string;
  startedInMs: number;
  kill(signal: NodeJS.Signals): void;
  /** Its exit code, or the signal that ended it. */
  exit: Promise<number | NodeJS.Signals>;
}

/** What tests are moved by in time (scripts/clock.c); nothing else of their environment. */
const MOVED = Object.fromEntries(
  ['LD_PRELOAD', 'TEST_CLOCK_OFFSET'].flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])),
);

/** Starts it and waits for the line that says where it listens; rejects with its output where it ends before. */
export async function startProcess(env: Record<string, string>, args: string[] = [MAIN]): Promise<ServerProcess> {
  if (!existsSync(MAIN)) throw new Error('server/dist is missing: run `npm run build` first');
  const startedAt = performance.now();
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'] ?? '', PORT: '0', ...MOVED, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const exit = exitOf(child);
  const url = await new Promise<string>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      output += chunk.toString();
      const match = /^listening on (\S+)$/m.exec(output);
      if (match?.[1] !== undefined) resolve(match[1]);
    };
    child.stdout.on('data', onData);
    child.stderr.on('data', onData);
    void exit.then((code) => reject(new Error(`ended with ${code} before it listened:\n${output}`)));
  });
  const startedInMs = performance.now() - startedAt;
  return {
    url,
    pid: child.pid ?? 0,
    output: () => output,
    startedInMs,
    kill: (signal) => void child.kill(signal),
    exit,
  };
}

function exitOf(child: ChildProcess): Promise<number | NodeJS.Signals> {
  return new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code ?? -1)));
}

export interface Run {
  code: number | NodeJS.Signals;
  stdout: string;
  stderr: string;
}

/** Runs a program of ours to its end. */
export async function run(args: string[], env: Record<string, string>): Promise<Run> {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'] ?? '', ...MOVED, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return { code: await exitOf(child), stdout, stderr };
}

export const runMain = (env: Record<string, string>): Promise<Run> => run([MAIN], env);

/** A folder for data, gone when the test is over. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'grandstand-e2e-'));
  await chmod(folder, 0o755); // as root, the database runs as another user
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const PAUSE_MS = 20;

/** Asks until the answer is the one that is waited for; there is no other signal to wait on. */
export async function eventually<T>(ask: () => Promise<T>, good: (value: T) => boolean, withinMs = 30_000): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const value = await ask();
    if (good(value)) return value;
    if (performance.now() > deadline)
      throw new Error(`did not happen within ${withinMs} ms; last seen: ${JSON.stringify(value)}`);
    await setTimeout(PAUSE_MS); // asking without a pause takes the processor from what is waited for
  }
}
