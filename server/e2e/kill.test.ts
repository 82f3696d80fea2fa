// kill -9 in a loop under write load: what was acknowledged is there afterwards, and the count of every group is that of its list.
// On the embedded database the whole server dies and starts again; on PostgreSQL 15 the server of the database dies beside ours.
// KILL_ROUNDS makes it longer, POSTGRES_BIN names other binaries.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BOOTSTRAP, SECRET_KEY, eventually, startProcess, withFolder, type ServerProcess } from './server-process.ts';

const ROUNDS = Number(process.env['KILL_ROUNDS'] ?? 3);
const WRITERS = 6;
const ENOUGH = 40;
/** All of it comes from one address. */
const UNLIMITED = { RATE_LIMIT_ADDRESS: '0', RATE_LIMIT_APPLICATION: '0' };
const APPLICATION = `/api/v1/applications/${BOOTSTRAP.BOOTSTRAP_CLIENT_ID}/`;
const headers = { authorization: `Bearer ${BOOTSTRAP.BOOTSTRAP_ADMIN_TOKEN}`, 'content-type': 'application/json' };

interface List {
  count: number;
  next: string | null;
  results: { id: string }[];
}

/** What the server said it had done. */
interface Acknowledged {
  profiles: Set<string>;
  members: Map<string, Set<string>>;
}

const call = async (
  url: string,
  method = 'GET',
  body?: unknown,
): Promise<{ status: number; body: Record<string, unknown> }> => {
  const response = await fetch(url, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }; // all answers here are objects
};

/** Writes until it is told to stop; a request that gets no answer may or may not have happened. */
async function write(address: () => string, seen: Acknowledged, isOver: () => boolean): Promise<void> {
  const groups = [...seen.members.keys()];
  for (let turn = 0; !isOver(); turn++) {
    try {
      const made = await call(`${address()}${APPLICATION}profile/`, 'POST', {
        attributes: [{ key: 'turn', value: String(turn) }],
      });
      if (made.status !== 201) continue;
      const id = String(made.body['id']);
      seen.profiles.add(id);
      const group = groups[turn % groups.length] ?? '';
      const added = await call(`${address()}${APPLICATION}profile-groups/${group}/members/`, 'POST', {
        profile_ids: [id],
      });
      if (added.status === 200) seen.members.get(group)?.add(id);
    } catch {
      // It died under us.
    }
  }
}

async function listAll(url: string): Promise<{ count: number; ids: Set<string> }> {
  const ids = new Set<string>();
  let count = 0;
  for (let next: string | null = url; next !== null;) {
    const { status, body } = await call(next);
    expect(status, JSON.stringify(body)).toBe(200);
    const list = body as unknown as List; // the shape of every list
    count = list.count;
    for (const { id } of list.results) ids.add(id);
    next = list.next;
  }
  return { count, ids };
}

async function check(origin: string, seen: Acknowledged): Promise<void> {
  const profiles = await listAll(`${origin}${APPLICATION}profiles/?page_size=100`);
  expect([...seen.profiles].filter((id) => !profiles.ids.has(id))).toEqual([]);
  expect(profiles.count).toBe(profiles.ids.size);
  for (const [group, acknowledged] of seen.members) {
    const members = await listAll(`${origin}${APPLICATION}profile-groups/${group}/members/?page_size=1000`);
    expect([...acknowledged].filter((id) => !members.ids.has(id))).toEqual([]);
    expect(members.count).toBe(members.ids.size);
    expect((await call(`${origin}${APPLICATION}profile-groups/${group}/`)).body['profile_count']).toBe(
      members.ids.size,
    );
  }
}

async function makeGroups(origin: string): Promise<Acknowledged> {
  const members = new Map<string, Set<string>>();
  for (const name of ['One', 'Two']) {
    const made = await call(`${origin}${APPLICATION}profile-groups/`, 'POST', { name });
    expect(made.status).toBe(201);
    members.set(String(made.body['id']), new Set());
  }
  return { profiles: new Set(), members };
}

/** Load, a kill in the midst of it, and what is left, so many times. */
async function rounds(
  start: ServerProcess,
  kill: (server: ServerProcess) => Promise<ServerProcess>,
): Promise<ServerProcess> {
  let server = start;
  const seen = await makeGroups(server.url);
  for (let round = 0; round < ROUNDS; round++) {
    let over = false;
    const before = seen.profiles.size;
    const writers = Array.from({ length: WRITERS }, () =>
      write(
        () => server.url,
        seen,
        () => over,
      ),
    );
    await eventually(
      async () => seen.profiles.size,
      (size) => size > before + ENOUGH,
      120_000,
    );
    server = await kill(server);
    over = true;
    await Promise.all(writers);
    await check(server.url, seen);
  }
  return server;
}

describe('kill -9 under write load', () => {
  it('of an embedded server and its database loses nothing that was acknowledged', { timeout: 600_000 }, async () => {
    await withFolder(async (folder) => {
      const env = { DATA_DIR: join(folder, 'data'), ...BOOTSTRAP, ...UNLIMITED, LOG_LEVEL: 'warn' };
      const last = await rounds(await startProcess(env), async (server) => {
        server.kill('SIGKILL');
        expect(await server.exit).toBe('SIGKILL');
        return startProcess(env);
      });
      last.kill('SIGTERM');
      expect(await last.exit).toBe(0);
    });
  });

  const bin = process.env['POSTGRES_BIN'] ?? '/usr/lib/postgresql/15/bin';
  const missing = !existsSync(join(bin, 'postgres'));
  if (missing) process.stdout.write(`\n*** NO POSTGRESQL in ${bin}: its kill -9 loop is SKIPPED. ***\n\n`);

  it.skipIf(missing)(
    'of PostgreSQL 15 beside a running server loses nothing either',
    { timeout: 600_000 },
    async () => {
      await withFolder(async (folder) => {
        const postgres = await preparePostgres(bin, join(folder, 'postgres'));
        let child = await postgres.start();
        const env = { DATABASE_URL: postgres.url, SECRET_KEY, ...BOOTSTRAP, ...UNLIMITED, LOG_LEVEL: 'silent' };
        const last = await rounds(await startProcess(env), async (server) => {
          child.kill('SIGKILL');
          await new Promise((resolve) => child.once('exit', resolve));
          child = await postgres.start();
          await eventually(
            async () => (await fetch(`${server.url}/readyz`)).status,
            (status) => status === 200,
            60_000,
          );
          return server;
        });
        last.kill('SIGTERM');
        expect(await last.exit).toBe(0);
        child.kill('SIGINT');
        await new Promise((resolve) => child.once('exit', resolve));
      });
    },
  );
});

interface Postgres {
  url: string;
  start(): Promise<ChildProcess>;
}

const NOBODY = 65_534;

async function preparePostgres(bin: string, folder: string): Promise<Postgres> {
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  mkdirSync(folder, { mode: 0o700 });
  if (isRoot) chownSync(folder, NOBODY, NOBODY);
  execFileSync(
    join(bin, 'initdb'),
    ['-D', folder, '-U', 'grandstand', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8'],
    { ...user, stdio: 'ignore' },
  );
  const port = await freePort();
  const url = `postgres://grandstand@127.0.0.1:${port}/postgres`;
  const start = async (): Promise<ChildProcess> => {
    const child = spawn(
      join(bin, 'postgres'),
      ['-D', folder, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${folder}`],
      { ...user, stdio: 'ignore' },
    );
    const { default: pg } = await import('pg');
    await eventually(
      async () => {
        // A lock file of the dead one makes the first attempt end; then we start again.
        if (child.exitCode !== null) return 'ended';
        const client = new pg.Client({ connectionString: url });
        client.on('error', () => {});
        return client.connect().then(
          () => client.end().then(() => 'up'),
          () => 'down',
        );
      },
      (state) => state !== 'down',
      60_000,
    );
    if (child.exitCode === null) return child;
    const rest = readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')[0];
    await eventually(
      async () => existsSync(`/proc/${rest}`),
      (alive) => !alive,
      60_000,
    );
    return start();
  };
  return { url, start };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on a port
  await new Promise((resolve) => server.close(resolve));
  return port;
}
