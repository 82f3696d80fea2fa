import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, describe, expect, test } from 'vitest';
import { type EmbeddedDatabase, type EmbeddedOptions, startEmbedded } from './embedded.ts';
import { findInstalledBinaries, prepareBinaries } from './embedded-binaries.ts';
import { processStart } from './embedded-lock.ts';
import { scratchRoot } from '../testing/scratch.ts';

const isRoot = process.getuid?.() === 0;
const isPosix = process.platform !== 'win32';
/** Neither ourselves nor the user that PostgreSQL runs as by default. */
const ORDINARY_USER = { uid: 1, gid: 1 };
const NAMELESS_USER = { uid: 23_456, gid: 23_456 };
const HOLDER = fileURLToPath(new URL('../testing/hold-embedded.ts', import.meta.url));

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function makeFolder(mode = 0o755, parent = scratchRoot()): string {
  const folder = mkdtempSync(join(parent, 'embedded-test-'));
  chmodSync(folder, mode);
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function start(dataDir: string, options: Partial<EmbeddedOptions> = {}): Promise<EmbeddedDatabase> {
  const database = await startEmbedded({ dataDir, ...options });
  cleanups.push(() => database.stop());
  return database;
}

interface Held {
  child: ChildProcess;
  /** Undefined, like the next two, when the start failed. */
  url: string;
  superuserUrl: string;
  pid: number;
  code?: string;
  message?: string;
  log: string[];
}

async function hold(dataDir: string, user: { uid?: number; gid?: number } = {}): Promise<Held> {
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

async function kill(held: Held): Promise<void> {
  held.child.kill('SIGKILL');
  await once(held.child, 'exit');
}

async function query<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

async function count(url: string): Promise<number | undefined> {
  return (await query<{ n: number }>(url, 'select count(*)::int as n from kept'))[0]?.n;
}

/** A linear congruential generator; [0, limit) at each call. */
function randomNumbers(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** A file system of 160 MB; undefined where we may not mount one. */
function mountSmallDisk(): string | undefined {
  const disk = makeFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=160m', 'tmpfs', disk], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  cleanups.push(() => void execFileSync('umount', [disk]));
  return disk;
}

function fillDisk(disk: string): void {
  const fill = (): never => {
    for (;;) writeFileSync(join(disk, 'ballast'), Buffer.alloc(1024 * 1024), { flag: 'a' });
  };
  expect(fill).toThrow('ENOSPC');
}

/** A process that ended but was not collected by its parent is gone, too. */
function isGone(pid: number): boolean {
  return processStart(pid) === undefined;
}

function failure(start: Promise<unknown>): Promise<{ code: string; message: string }> {
  return start.then(
    () => Promise.reject(new Error('it started')),
    (error: { code: string; message: string }) => error,
  );
}

describe('the embedded database', () => {
  test('starts in a folder that does not exist yet, durable, in UTF-8, with a role that is no superuser', async () => {
    const dataDir = join(makeFolder(), 'a', 'b');
    const database = await start(dataDir);
    const [facts] = await query(
      database.url,
      `select current_user as role, current_database() as database, rolsuper, rolcreatedb, datlocprovider as provider, datlocale as locale,
              pg_encoding_to_char(encoding) as encoding, current_setting('fsync') as fsync,
              current_setting('synchronous_commit') as commit, current_setting('listen_addresses') as addresses
         from pg_roles, pg_database where rolname = current_user and datname = current_database()`,
    );
    expect(facts).toEqual({
      role: 'grandstand',
      database: 'grandstand',
      rolsuper: false,
      rolcreatedb: true,
      provider: 'b',
      locale: 'C.UTF-8',
      encoding: 'UTF8',
      fsync: 'on',
      commit: 'on',
      addresses: isPosix ? '' : '127.0.0.1',
    });
  });

  test('keeps its rows and its files to itself over a stop and a start', async () => {
    const dataDir = makeFolder();
    const first = await start(dataDir);
    await query(first.url, 'create table kept as select generate_series(1, 1000)');
    await first.stop();
    expect(isGone(first.pid)).toBe(true);
    await expect(query(first.url, 'select 1')).rejects.toThrow();

    const second = await start(dataDir);
    expect(await count(second.url)).toBe(1000);
    if (isPosix) {
      expect(statSync(join(dataDir, 'postgres.json')).mode & 0o777).toBe(0o600);
      expect(statSync(join(dataDir, 'postgres')).mode & 0o777).toBe(0o700);
      expect(statSync(join(dataDir, 'postgres.log')).mode & 0o777).toBe(0o600);
    }
    await second.stop();
    expect(readdirSync(dataDir).toSorted()).toEqual(['postgres', 'postgres.json', 'postgres.log']);
  });

  test('takes a data directory with a long and odd name', async () => {
    const dataDir = join(makeFolder(), `it's "a" $HOME, füñ 🎟️ `, 'x'.repeat(150));
    const first = await start(dataDir);
    await first.stop();
    const second = await start(dataDir);
    process.kill(second.pid, 'SIGKILL');
    await second.stop();
    expect(await query((await start(dataDir)).url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('may be stopped twice', async () => {
    const database = await start(makeFolder());
    await Promise.all([database.stop(), database.stop()]);
    await database.stop();
  });

  test('asks for the password', async () => {
    const database = await start(makeFolder());
    const url = new URL(database.url);
    url.password = 'guessed';
    await expect(query(url.href, 'select 1')).rejects.toThrow('password authentication failed');
  });

  test('listens on 127.0.0.1 where there are no unix sockets, and starts again at the same address', async () => {
    const database = await start(makeFolder(), { transport: 'tcp' });
    expect(new URL(database.url).hostname).toBe('127.0.0.1');
    expect(await query(database.url, `select current_setting('listen_addresses') as a`)).toEqual([{ a: '127.0.0.1' }]);
    const killed = database.pid;
    process.kill(killed, 'SIGKILL');
    await expect
      .poll(() => query(database.url, 'select 1 as one').catch(() => []), { timeout: 20_000 })
      .toEqual([{ one: 1 }]);
    await expect.poll(() => database.pid).not.toBe(killed);
  });

  test('takes settings over the defaults, and leaves the operator the last word', async () => {
    const dataDir = makeFolder();
    const first = await start(dataDir, { settings: { work_mem: '5MB', search_path: "it''s, public" } });
    expect(await query(first.url, 'show work_mem')).toEqual([{ work_mem: '5MB' }]);
    await query(first.superuserUrl, `alter system set work_mem = '7MB'`);
    await first.stop();
    const second = await start(dataDir, { settings: { work_mem: '5MB' } });
    expect(await query(second.url, 'show work_mem')).toEqual([{ work_mem: '7MB' }]);
  });

  test('makes new passwords for a data directory whose connection file was lost', async () => {
    const dataDir = makeFolder();
    const first = await start(dataDir);
    await query(first.url, 'create table kept as select generate_series(1, 10)');
    await first.stop();
    rmSync(join(dataDir, 'postgres.json'));
    const second = await start(dataDir);
    expect(await count(second.url)).toBe(10);
    await expect(query(second.superuserUrl, 'select 1 as one')).resolves.toEqual([{ one: 1 }]);
    expect(new URL(second.url).password).not.toBe(new URL(first.url).password);
  });

  test('says what to do when the connection file is of another database', async () => {
    const dataDir = makeFolder();
    await (await start(dataDir)).stop();
    const file = join(dataDir, 'postgres.json');
    const connection = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...connection, superuserPassword: 'other' }));
    const error = await failure(start(dataDir));
    expect(error).toMatchObject({ code: 'start-failed' });
    expect(error.message).toContain(file);
    rmSync(file);
    await start(dataDir);
  });

  test('starts over where making the cluster was interrupted', async () => {
    const dataDir = makeFolder();
    mkdirSync(join(dataDir, 'postgres.new', 'base'), { recursive: true });
    const database = await start(dataDir);
    expect(await query(database.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(existsSync(join(dataDir, 'postgres.new'))).toBe(false);
  });

  test('keeps one old log beside the current one and bounds both', async () => {
    const dataDir = makeFolder();
    writeFileSync(join(dataDir, 'postgres.log'), Buffer.alloc(11 * 1024 * 1024, 'x\n'));
    await start(dataDir);
    expect(statSync(join(dataDir, 'postgres.log')).size).toBeLessThan(100_000);
    expect(statSync(join(dataDir, 'postgres.log.1')).size).toBe(11 * 1024 * 1024);
  });
});

describe('after a kill -9', () => {
  test('of the server, PostgreSQL stops by itself and the next start has every committed row', async () => {
    const dataDir = makeFolder();
    const held = await hold(dataDir);
    await query(held.url, 'create table kept as select generate_series(1, 5000)');
    await kill(held);
    if (isPosix) await expect.poll(() => isGone(held.pid), { timeout: 20_000 }).toBe(true);
    const database = await start(dataDir);
    expect(await count(database.url)).toBe(5000);
  });

  test.runIf(process.platform === 'linux')(
    'of the server and its watcher, the next start stops what was left behind',
    async () => {
      const dataDir = makeFolder();
      const held = await hold(dataDir);
      await query(held.url, 'create table kept as select generate_series(1, 5000)');
      const watcher = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
        .split('\n')
        .find((line) => line.includes('/bin/sh -c read') && line.endsWith(` sh ${held.pid}`));
      process.kill(Number.parseInt(watcher ?? '', 10), 'SIGKILL');
      await kill(held);
      expect(isGone(held.pid)).toBe(false);
      const messages: string[] = [];
      const note = (message: string): void => void messages.push(message);
      const database = await start(dataDir, { log: { info: note, warn: note, error: note } });
      expect(isGone(held.pid)).toBe(true);
      expect(messages.join('\n')).toContain(`process ${held.pid}`);
      expect(await count(database.url)).toBe(5000);
      expect(existsSync(new URL(held.url).searchParams.get('host') ?? '')).toBe(false);
    },
  );

  test('of PostgreSQL, it is started again at the same address with every committed row', async () => {
    const database = await start(makeFolder());
    await query(database.url, 'create table kept as select generate_series(1, 5000)');
    for (let round = 0; round < 2; round++) {
      const killed = database.pid;
      process.kill(killed, 'SIGKILL');
      await expect.poll(() => count(database.url).catch(() => undefined), { timeout: 20_000 }).toBe(5000);
      await expect.poll(() => database.pid).not.toBe(killed);
    }
  });

  test('of PostgreSQL, a stop during the restart leaves nothing running', async () => {
    const dataDir = makeFolder();
    const database = await start(dataDir);
    const killed = database.pid;
    process.kill(killed, 'SIGKILL');
    await expect.poll(() => isGone(killed), { interval: 1 }).toBe(true);
    await database.stop();
    expect(existsSync(join(dataDir, 'postgres', 'postmaster.pid')) && !isGone(database.pid)).toBe(false);
    const again = await start(dataDir);
    expect(await query(again.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('of this or that at any moment under load, no acknowledged row is missing', async () => {
    const seed = Number(process.env['TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    const random = randomNumbers(seed);
    const dataDir = makeFolder();
    let acknowledged = 0;
    for (let round = 0; round < 6; round++) {
      const held = await hold(dataDir);
      const client = new pg.Client({ connectionString: held.url });
      client.on('error', () => undefined);
      await client.connect();
      await client.query('create table if not exists kept (n bigint primary key)');
      const { rows } = await client.query<{ newest: number }>('select coalesce(max(n), 0)::int as newest from kept');
      // The one that was under way may be there, too.
      expect([acknowledged, acknowledged + 1], `seed ${seed}, round ${round}`).toContain(rows[0]?.newest);
      expect(await count(held.url), `seed ${seed}, round ${round}`).toBe(rows[0]?.newest);
      acknowledged = rows[0]?.newest ?? 0;
      const victims =
        [[held.child.pid], [held.pid], [held.child.pid, held.pid], [held.pid, held.child.pid]][random(4)] ?? [];
      const killAt = acknowledged + 1 + random(200);
      const write = async (): Promise<void> => {
        for (;;) {
          await client.query('insert into kept values ($1)', [acknowledged + 1]);
          acknowledged += 1;
          // The kill falls into the writes that follow.
          if (acknowledged === killAt) for (const pid of victims) setImmediate(() => process.kill(pid ?? 0, 'SIGKILL'));
        }
      };
      await expect(write()).rejects.toThrow();
      await client.end().catch(() => undefined);
      if (held.child.exitCode === null && held.child.signalCode === null) await kill(held);
    }
    const database = await start(dataDir);
    expect(await count(database.url), `seed ${seed}`).toBeGreaterThanOrEqual(acknowledged);
  });

  test('of both at once, the next start recovers', async () => {
    const dataDir = makeFolder();
    const held = await hold(dataDir);
    await query(held.url, 'create table kept as select generate_series(1, 5000)');
    process.kill(held.pid, 'SIGKILL');
    await kill(held);
    const database = await start(dataDir);
    expect(await count(database.url)).toBe(5000);
  });
});

describe('a start is refused', () => {
  test('while another process holds the folder, which the message names', async () => {
    const dataDir = makeFolder();
    const held = await hold(dataDir);
    const error = await failure(start(dataDir));
    expect(error.code).toBe('locked');
    expect(error.message).toContain(`process ${held.child.pid}`);
    expect(await query(held.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('to all but one of several processes that find what a killed one left', async () => {
    const dataDir = makeFolder();
    const held = await hold(dataDir);
    await query(held.url, 'create table kept as select generate_series(1, 5000)');
    await kill(held);
    const starts = await Promise.all(Array.from({ length: 4 }, () => hold(dataDir)));
    const refused = starts.filter((other) => other.code !== undefined);
    expect(refused.map((other) => other.code)).toEqual(['locked', 'locked', 'locked']);
    const winner = starts.find((other) => other.code === undefined);
    expect(await count(winner?.url ?? '')).toBe(5000);
  });

  test('while the same process holds the folder, and not after its stop', async () => {
    const dataDir = makeFolder();
    const first = await start(dataDir);
    expect((await failure(start(dataDir))).code).toBe('locked');
    await first.stop();
    await start(dataDir);
  });

  test.each([17, 19])('for data of PostgreSQL %i, and they are left alone', async (major) => {
    const dataDir = makeFolder();
    await (await start(dataDir)).stop();
    writeFileSync(join(dataDir, 'postgres', 'PG_VERSION'), `${major}\n`);
    const error = await failure(start(dataDir));
    expect(error.code).toBe('other-version');
    expect(error.message).toContain(`PostgreSQL ${major}`);
    writeFileSync(join(dataDir, 'postgres', 'PG_VERSION'), '18\n');
    await start(dataDir);
  });

  test('for a folder that holds something else', async () => {
    const dataDir = makeFolder();
    mkdirSync(join(dataDir, 'postgres'));
    writeFileSync(join(dataDir, 'postgres', 'thesis.txt'), 'mine');
    expect((await failure(start(dataDir))).code).toBe('damaged');
    expect(readFileSync(join(dataDir, 'postgres', 'thesis.txt'), 'utf8')).toBe('mine');
  });

  test('for a data directory that is a file', async () => {
    const file = join(makeFolder(), 'data');
    writeFileSync(file, '');
    expect((await failure(start(file))).code).toBe('not-writable');
  });

  test.runIf(isRoot)('for a folder that the user may not write', async () => {
    const dataDir = makeFolder(0o755);
    const held = await hold(join(dataDir, 'data'), ORDINARY_USER);
    expect(held).toMatchObject({ code: 'not-writable' });
    expect(held.message).toContain('DATA_DIR');
  });

  test.runIf(isRoot)('for a database that another user started, unless the folder is handed over', async () => {
    const dataDir = makeFolder(0o777);
    await (await start(dataDir)).stop();
    const refused = await hold(dataDir, ORDINARY_USER);
    expect(refused).toMatchObject({ code: 'not-writable' });
    expect(refused.message).toContain('chown');
    execFileSync('chown', ['-R', `${ORDINARY_USER.uid}:${ORDINARY_USER.gid}`, dataDir]);
    const held = await hold(dataDir, ORDINARY_USER);
    expect(await query(held.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test.runIf(isRoot && process.platform === 'linux')(
    'on a full disk, and works once there is room',
    async (context) => {
      const disk = mountSmallDisk() ?? context.skip('this container may not mount');
      const dataDir = join(disk, 'data');
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(150 * 1024 * 1024));
      expect((await failure(start(dataDir))).code).toBe('disk-full');
      rmSync(join(disk, 'ballast'));
      await (await start(dataDir)).stop();
      fillDisk(disk);
      expect((await failure(start(dataDir))).code).toBe('disk-full');
      rmSync(join(disk, 'ballast'));
      await start(dataDir);
    },
  );
});

test.runIf(isRoot && process.platform === 'linux')(
  'a disk that fills up under a running server costs no committed row, and the server goes on when there is room',
  async (context) => {
    const disk = mountSmallDisk() ?? context.skip('this container may not mount');
    const database = await start(join(disk, 'data'));
    await query(database.url, 'create table kept (n serial primary key, filler text)');
    const insert = `insert into kept (filler) select repeat(md5(random()::text), 200) from generate_series(1, 500)`;
    await query(database.url, insert);
    let committed = 500;
    fillDisk(disk);
    const fill = async (): Promise<void> => {
      for (;;) {
        await query(database.url, insert);
        committed += 500;
      }
    };
    await expect(fill()).rejects.toThrow('No space left');
    // No room for the log either, over which PostgreSQL ends; and it cannot start before there is some.
    const killed = database.pid;
    const switchLog = (): Promise<unknown> =>
      query(database.superuserUrl, 'create temp table t (); select pg_switch_wal()');
    await expect.poll(() => switchLog().catch(() => 'failed'), { timeout: 20_000 }).toBe('failed');
    await expect.poll(() => isGone(killed), { timeout: 20_000 }).toBe(true);
    rmSync(join(disk, 'ballast'));
    await expect.poll(() => count(database.url).catch(() => -1), { timeout: 40_000 }).toBe(committed);
    await query(database.url, insert);
  },
);

describe('as root', () => {
  test.runIf(isRoot)('PostgreSQL runs as another user', async () => {
    const database = await start(makeFolder());
    expect(statSync(`/proc/${database.pid}`).uid).toBe(65_534);
  });

  test.runIf(isRoot)('PostgreSQL runs as the owner of the data directory where that is another user', async () => {
    const dataDir = makeFolder();
    chownSync(dataDir, ORDINARY_USER.uid, ORDINARY_USER.gid);
    const database = await start(dataDir);
    expect(statSync(`/proc/${database.pid}`).uid).toBe(ORDINARY_USER.uid);
  });

  test.runIf(isRoot)('PostgreSQL runs as nobody where the owner of the data directory has no name', async () => {
    const dataDir = makeFolder();
    chownSync(dataDir, NAMELESS_USER.uid, NAMELESS_USER.gid);
    const database = await start(dataDir);
    expect(statSync(`/proc/${database.pid}`).uid).toBe(65_534);
  });

  test.runIf(isRoot)(
    'the database lies elsewhere, and the log says where, when the other user cannot reach the folder',
    async () => {
      const dataDir = join(makeFolder(0o700), 'data');
      const messages: string[] = [];
      const note = (message: string): void => void messages.push(message);
      const log = { info: note, warn: note, error: note };
      const first = await start(dataDir, { log });
      const elsewhere = /the database lies in (\S+)\/postgres/.exec(messages.join('\n'))?.[1] ?? 'none';
      cleanups.push(() => rmSync(elsewhere, { recursive: true, force: true }));
      expect(existsSync(join(elsewhere, 'postgres', 'PG_VERSION'))).toBe(true);
      await query(first.url, 'create table kept as select generate_series(1, 10)');
      await first.stop();
      const second = await start(dataDir);
      expect(await count(second.url)).toBe(10);

      // A copy of the data directory leads to the same database, which must not be opened twice.
      await second.stop();
      const copy = join(makeFolder(0o700), 'data');
      cpSync(dataDir, copy, { recursive: true });
      const third = await start(dataDir);
      expect((await failure(start(copy))).code).toBe('locked');
      expect(await count(third.url)).toBe(10);
    },
  );

  test.runIf(isRoot)(
    'programs that the other user cannot reach are copied to where it can, with their links',
    async () => {
      const installed = findInstalledBinaries();
      // Memory may be mounted without the right to run programs.
      const hidden = makeFolder(0o700, tmpdir());
      const target = makeFolder(0o755, tmpdir());
      cpSync(installed.native, join(hidden, 'native'), {
        recursive: true,
        filter: (path) =>
          !/\.so(\.\d+)?$|\.a$/.test(path) ||
          /z\.so\.1$|xml2|xslt|ssl|crypto|lzma|uuid|plpgsql|dict_snowball/.test(path),
      });
      const copies: string[] = [];
      const owner = { uid: 65_534, gid: 65_534 };
      const copied = { native: join(hidden, 'native'), version: installed.version };
      const binaries = prepareBinaries(copied, owner, target, (folder) => copies.push(folder));
      expect(copies).toEqual([join(target, `postgresql-${installed.version}`)]);
      const version = execFileSync(binaries.postgres, ['--version'], { ...owner, encoding: 'utf8', cwd: '/' });
      expect(version).toContain(`PostgreSQL) ${binaries.major}`);
      // A second time nothing is copied.
      prepareBinaries(copied, owner, target, (folder) => copies.push(folder));
      expect(copies).toHaveLength(1);
    },
  );
});

describe('as an ordinary user', () => {
  test.runIf(isRoot)('whose number has no name, it says so', async () => {
    const dataDir = makeFolder();
    chownSync(dataDir, NAMELESS_USER.uid, NAMELESS_USER.gid);
    const held = await hold(dataDir, NAMELESS_USER);
    expect(held).toMatchObject({ code: 'unknown-user' });
    expect(held.message).toContain(String(NAMELESS_USER.uid));
  });

  test.runIf(isRoot)('it starts, survives a kill -9 and stops', async () => {
    const dataDir = makeFolder();
    chownSync(dataDir, ORDINARY_USER.uid, ORDINARY_USER.gid);
    const first = await hold(dataDir, ORDINARY_USER);
    await query(first.url, 'create table kept as select generate_series(1, 100)');
    expect(statSync(`/proc/${first.pid}`).uid).toBe(ORDINARY_USER.uid);
    await kill(first);
    const second = await hold(dataDir, ORDINARY_USER);
    expect(await count(second.url)).toBe(100);
    second.child.stdin?.end();
    await once(second.child, 'exit');
    expect(isGone(second.pid)).toBe(true);
  });
});

test('a copy of the data directory of a running server does not disturb that server', async () => {
  const dataDir = makeFolder();
  const first = await start(dataDir);
  const copy = join(makeFolder(), 'data');
  cpSync(dataDir, copy, { recursive: true, filter: (path) => !path.endsWith('grandstand.lock') });
  await start(copy);
  expect(await query(first.url, 'select 1 as one')).toEqual([{ one: 1 }]);
});
