import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  ORDINARY_USER,
  count,
  failure,
  fillDisk,
  hold,
  isGone,
  isPosix,
  isRoot,
  kill,
  makeFolder,
  mountSmallDisk,
  query,
  start,
} from '../testing/embedded-harness.ts';

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

  test.runIf(process.platform === 'linux')('for a folder below one that takes none, at once', async () => {
    for (const folder of ['/proc/nope', '/proc/nope/deeper'])
      expect(await failure(start(folder))).toMatchObject({
        code: 'not-writable',
        message: expect.stringContaining('DATA_DIR') as string,
      });
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

test('a copy of the data directory of a running server does not disturb that server', async () => {
  const dataDir = makeFolder();
  const first = await start(dataDir);
  const copy = join(makeFolder(), 'data');
  cpSync(dataDir, copy, { recursive: true, filter: (path) => !path.endsWith('grandstand.lock') });
  await start(copy);
  expect(await query(first.url, 'select 1 as one')).toEqual([{ one: 1 }]);
});
