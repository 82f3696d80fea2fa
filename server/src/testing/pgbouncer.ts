// PgBouncer in transaction mode before a database, as most hosts hand it out. It does not run as root, so there it is
// started as the user that the embedded database runs as, which may use that one's socket.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from './free-port.ts';
import { scratchRoot } from './scratch.ts';

const PROGRAM = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/opt/homebrew/bin/pgbouncer'].find((path) =>
  existsSync(path),
);
const OTHER_USER = 65_534;

export const hasPgBouncer = PROGRAM !== undefined;

export interface PgBouncer {
  /** The same database through the pooler. */
  through(databaseUrl: string): string;
  /** Its own administration: `show pools`, `kill db`, `pause`. */
  command(text: string): Promise<Record<string, unknown>[]>;
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Once more on the same port, after it was killed. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Before the server of this address; `settings` are lines of its [pgbouncer] section. */
export async function startPgBouncer(serverUrl: string, settings: Record<string, string> = {}): Promise<PgBouncer> {
  if (PROGRAM === undefined) throw new Error('there is no pgbouncer: apt-get install pgbouncer');
  const target = new URL(serverUrl);
  const read = (name: string, other: string): string => target.searchParams.get(name) ?? decodeURIComponent(other);
  const quote = (value: string): string => `'${value.replaceAll("'", "''")}'`;
  const folder = await mkdtemp(join(scratchRoot(), 'pgbouncer-test-'));
  const port = await freePort();
  const parameters = {
    host: read('host', target.hostname).replace(/^\[(.+)\]$/, '$1'),
    port: read('port', target.port) || '5432',
    user: read('user', target.username),
    password: read('password', target.password),
  };
  const given = Object.entries(parameters).filter(([, value]) => value !== '');
  const all: Record<string, string> = {
    listen_addr: '127.0.0.1',
    listen_port: String(port),
    unix_socket_dir: '',
    auth_type: 'any',
    pool_mode: 'transaction',
    default_pool_size: '20',
    max_client_conn: '2000',
    admin_users: 'admin',
    server_login_retry: '1',
    ...settings,
  };
  const file = join(folder, 'pgbouncer.ini');
  await writeFile(
    file,
    [
      '[databases]',
      `* = ${given.map(([key, value]) => `${key}=${quote(value)}`).join(' ')}`,
      '[pgbouncer]',
      ...Object.entries(all).map(([key, value]) => `${key} = ${value}`),
      '',
    ].join('\n'),
  );
  const isRoot = process.getuid?.() === 0;
  await chmod(folder, 0o700);
  if (isRoot) for (const path of [folder, file]) await chown(path, OTHER_USER, OTHER_USER);

  const address = (user: string, path: string): string => `postgres://${user}@127.0.0.1:${port}${path}`;
  let output = '';
  const start = async (): Promise<() => Promise<void>> => {
    const child = spawn(PROGRAM, ['-q', file], {
      ...(isRoot && { uid: OTHER_USER, gid: OTHER_USER }),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    for (let tries = 0; !(await answers(address('admin', '/pgbouncer'))); tries++) {
      if (tries > 200 || child.exitCode !== null) throw new Error(`pgbouncer did not start: ${output}`);
      await wait(25);
    }
    end = async (signal) => {
      child.kill(signal);
      await ended;
    };
    return () => ended;
  };
  let end: (signal: NodeJS.Signals) => Promise<void> = async () => {};
  await start();
  return {
    through(databaseUrl) {
      return address('somebody', new URL(databaseUrl).pathname);
    },
    async command(text) {
      const client = new pg.Client({ connectionString: address('admin', '/pgbouncer') });
      await client.connect();
      try {
        return (await client.query<Record<string, unknown>>(text)).rows;
      } finally {
        await client.end();
      }
    },
    kill: (signal) => end(signal),
    async restart() {
      await start();
    },
    async stop() {
      await end('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}
