import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { backup, restore } from './backup.ts';
import { startEmbedded } from './embedded.ts';
import { cleanups, isRoot, makeFolder, mountSmallDisk, query, start } from '../testing/embedded-harness.ts';
import { scratchRoot } from '../testing/scratch.ts';

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  cleanups.push(() => client.end());
  return client;
}

/** Writes until it is told to stop; `last()` is the newest number that the server acknowledged. */
function writeLoad(client: pg.Client): { last(): number; done(): Promise<void> } {
  let acknowledged = 0;
  let isOver = false;
  const run = async (): Promise<void> => {
    while (!isOver) {
      const next = acknowledged + 1;
      await client.query(`insert into kept select n, repeat(md5(n::text), 20) from (values ($1::bigint)) v (n)`, [
        next,
      ]);
      if (next % 50 === 0) await client.query('update kept set filler = upper(filler) where n % 50 = 0');
      acknowledged = next;
    }
  };
  const running = run();
  return {
    last: () => acknowledged,
    async done() {
      isOver = true;
      await running;
    },
  };
}

describe('a backup', () => {
  test('under write load holds every row that was acknowledged before, and no later one torn from its elders', async () => {
    const dataDir = makeFolder();
    writeFileSync(join(dataDir, 'secret-key'), 'k'.repeat(64), { mode: 0o600 });
    const database = await start(dataDir);
    const client = await connect(database.url);
    await client.query('create table kept (n bigint primary key, filler text)');
    await client.query(`insert into kept select -n, repeat(md5(n::text), 20) from generate_series(1, 30000) n`);
    const load = writeLoad(client);
    await expect.poll(() => load.last()).toBeGreaterThan(100);

    const file = join(makeFolder(), 'backup.tar.gz');
    const before = load.last();
    // Checkpoints move on the point that the control file names and recycle old log: what label and slot are for.
    const superuser = await connect(database.superuserUrl);
    let isDone = false;
    const checkpoints = (async () => {
      const first = (await query(database.superuserUrl, 'select pg_current_wal_lsn() as lsn'))[0]?.['lsn'];
      while (!isDone) {
        await superuser.query('checkpoint');
        // A switch fills a segment of 16 MB; a dozen are enough to have the first ones recycled.
        const [written] = await query(
          database.superuserUrl,
          `select pg_current_wal_lsn() - '${String(first)}' < 200e6 as few`,
        );
        if (written?.['few'] === true) await superuser.query('select pg_switch_wal()');
      }
    })();
    const summary = await backup(dataDir, file);
    isDone = true;
    await checkpoints;
    expect(load.last()).toBeGreaterThan(before);
    await load.done();
    expect(summary).toMatchObject({ hasSecretKey: true });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(file, '..'))).toEqual(['backup.tar.gz']);

    const target = join(makeFolder(), 'restored');
    expect(await restore(file, target)).toEqual(summary);
    expect(readFileSync(join(target, 'secret-key'), 'utf8')).toBe('k'.repeat(64));
    if (process.platform !== 'win32') expect(statSync(join(target, 'secret-key')).mode & 0o777).toBe(0o600);
    const restored = await start(target);
    const [row] = (await query(
      restored.url,
      `select count(*)::int as count, max(n)::int as newest, count(*) filter (where n < 0)::int as old,
              count(*) filter (where lower(filler) <> repeat(md5(abs(n)::text), 20))::int as wrong from kept`,
    )) as { count: number; newest: number; old: number; wrong: number }[];
    expect(row?.old).toBe(30_000);
    expect(row?.newest).toBeGreaterThanOrEqual(before);
    expect(row?.newest).toBeLessThanOrEqual(load.last());
    expect(row?.count).toBe(30_000 + (row?.newest ?? 0));
    expect(row?.wrong).toBe(0);
    // The slot of the backup is gone, and the restored database takes writes and keeps its key unique.
    expect(await query(database.superuserUrl, 'select * from pg_replication_slots')).toEqual([]);
    await query(restored.url, `insert into kept values (0, 'new')`);
    await expect(query(restored.url, `insert into kept values (-17, 'again')`)).rejects.toThrow('duplicate key');
  });

  test('of a stopped server starts and stops it', async () => {
    const dataDir = makeFolder();
    const database = await start(dataDir);
    await query(database.url, 'create table kept as select generate_series(1, 100) as n');
    await database.stop();
    const file = join(makeFolder(), 'backup.tar.gz');
    expect(await backup(dataDir, file)).toMatchObject({ hasSecretKey: false });
    expect(existsSync(join(dataDir, 'grandstand.lock'))).toBe(false);
    const target = makeFolder();
    await restore(file, target);
    const restored = await start(target);
    expect(await query(restored.url, 'select count(*)::int as n from kept')).toEqual([{ n: 100 }]);
  });

  test('of a folder without a database is refused, and leaves the folder alone', async () => {
    const dataDir = makeFolder();
    await expect(backup(dataDir, join(makeFolder(), 'x'))).rejects.toMatchObject({ code: 'no-database' });
    expect(readdirSync(dataDir)).toEqual([]);
  });

  test('into a folder that is not there is refused', async () => {
    const dataDir = makeFolder();
    await start(dataDir);
    await expect(backup(dataDir, join(makeFolder(), 'none', 'x'))).rejects.toMatchObject({ code: 'not-writable' });
  });

  test('does not replace a file unless told to', async () => {
    const dataDir = makeFolder();
    await start(dataDir);
    const file = join(makeFolder(), 'backup.tar.gz');
    writeFileSync(file, 'older');
    await expect(backup(dataDir, file)).rejects.toMatchObject({
      code: 'not-empty',
      message: expect.stringContaining('--force') as string,
    });
    expect(readFileSync(file, 'utf8')).toBe('older');
    await backup(dataDir, file, { force: true });
    expect(readFileSync(file).length).toBeGreaterThan(1000);
  });

  test('that fails half way leaves the older one and nothing else', async () => {
    const dataDir = makeFolder();
    const database = await start(dataDir);
    const folder = makeFolder();
    const file = join(folder, 'backup.tar.gz');
    writeFileSync(file, 'older');
    await query(database.url, 'create table kept as select n, md5(n::text) from generate_series(1, 300000) n');
    const failed = backup(dataDir, file, { force: true }).catch((error: unknown) => error);
    const backend = `select pid from pg_stat_activity where application_name = 'grandstand backup'`;
    await expect.poll(() => query(database.superuserUrl, backend), { interval: 5 }).toHaveLength(1);
    await query(database.superuserUrl, `select pg_terminate_backend(pid) from (${backend}) b`);
    expect(await failed).toBeInstanceOf(Error);
    expect(readdirSync(folder)).toEqual(['backup.tar.gz']);
    expect(readFileSync(file, 'utf8')).toBe('older');
  });

  test.runIf(isRoot && process.platform === 'linux')(
    'onto a full disk says so and removes what it wrote',
    async (context) => {
      const disk = mountSmallDisk('1m') ?? context.skip('this container may not mount');
      const dataDir = makeFolder();
      await start(dataDir);
      await expect(backup(dataDir, join(disk, 'backup.tar.gz'))).rejects.toMatchObject({ code: 'disk-full' });
      expect(readdirSync(disk)).toEqual([]);
      // The server is no longer in backup mode.
      await backup(dataDir, join(makeFolder(), 'backup.tar.gz'));
    },
  );
});

describe('a restore', () => {
  let folder: string;
  let file: string;
  let dataDir: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(scratchRoot(), 'backup-test-'));
    chmodSync(folder, 0o755);
    file = join(folder, 'backup.tar.gz');
    dataDir = join(folder, 'data');
    const database = await startEmbedded({ dataDir });
    await query(database.url, 'create table kept as select generate_series(1, 100) as n');
    await database.stop();
    await backup(dataDir, file);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** A backup whose unzipped bytes were changed. */
  function forge(change: (bytes: Buffer) => Buffer): string {
    const forged = join(makeFolder(), 'forged.tar.gz');
    writeFileSync(forged, gzipSync(change(gunzipSync(readFileSync(file))), { level: 1 }));
    return forged;
  }

  async function expectRefused(bad: string, code = 'bad-backup'): Promise<void> {
    const target = makeFolder();
    await expect(restore(bad, target)).rejects.toMatchObject({ code });
    expect(readdirSync(target)).toEqual([]);
  }

  test('into a folder that is not empty is refused and touches nothing', async () => {
    const target = makeFolder();
    writeFileSync(join(target, 'thesis.txt'), 'mine');
    await expect(restore(file, target)).rejects.toMatchObject({ code: 'not-empty' });
    expect(readdirSync(target)).toEqual(['thesis.txt']);
    await expect(restore(file, dataDir)).rejects.toMatchObject({ code: 'not-empty' });
  });

  test('into a new file system with its lost+found works', async () => {
    const target = makeFolder();
    mkdirSync(join(target, 'lost+found'));
    await restore(file, target);
    const restored = await start(target);
    expect(await query(restored.url, 'select count(*)::int as n from kept')).toEqual([{ n: 100 }]);
  });

  test('of an encrypted file needs the very passphrase, and finds whatever was changed in it', async () => {
    const passphrase = 'schöne grüße aus der kurve';
    const sealed = join(makeFolder(), 'backup.sealed');
    writeFileSync(join(dataDir, 'secret-key'), 'k'.repeat(64), { mode: 0o600 });
    const summary = await backup(dataDir, sealed, { passphrase });
    rmSync(join(dataDir, 'secret-key'));
    const whole = readFileSync(sealed);
    expect(whole.subarray(0, 20).toString()).toBe('GRANDSTAND SEALED 1\n');
    expect(whole.includes('secret-key')).toBe(false);

    const target = join(makeFolder(), 'restored');
    expect(await restore(sealed, target, { passphrase: passphrase.normalize('NFD') })).toEqual(summary);
    expect(readFileSync(join(target, 'secret-key'), 'utf8')).toBe('k'.repeat(64));
    const restored = await start(target);
    expect(await query(restored.url, 'select count(*)::int as n from kept')).toEqual([{ n: 100 }]);

    const refused = async (bad: string, code: string, given?: string): Promise<void> => {
      const empty = makeFolder();
      await expect(restore(bad, empty, given === undefined ? {} : { passphrase: given })).rejects.toMatchObject({
        code,
      });
      expect(readdirSync(empty)).toEqual([]);
    };
    await refused(sealed, 'wrong-passphrase', 'another passphrase');
    await refused(sealed, 'wrong-passphrase');
    await refused(file, 'bad-backup', passphrase); // put in the place of an encrypted one
    const changed = async (change: (bytes: Buffer) => Buffer, code = 'bad-backup'): Promise<void> => {
      const other = join(makeFolder(), 'changed.sealed');
      writeFileSync(other, change(Buffer.from(whole)));
      await refused(other, code, passphrase);
    };
    const [start0, chunk] = [20 + 16 + 1 + 16, 64 * 1024 + 16];
    await changed((bytes) => bytes.subarray(0, 30));
    await changed((bytes) => bytes.subarray(0, start0 + chunk)); // after a whole chunk
    await changed((bytes) => bytes.subarray(0, bytes.length - 1));
    await changed((bytes) => Buffer.concat([bytes.subarray(0, start0), bytes.subarray(start0 + chunk)])); // one left out
    await changed((bytes) => bytes.fill(bytes.at(-1) === 0 ? 1 : 0, bytes.length - 1)); // its last byte
    await changed((bytes) => bytes.fill(250, 36, 37)); // asks for an endless derivation
  });

  test('of a file that was cut off is refused, wherever the cut is', async () => {
    const whole = readFileSync(file);
    for (const length of [0, 10, 1000, Math.floor(whole.length / 2), whole.length - 1]) {
      const cut = join(makeFolder(), 'cut.tar.gz');
      writeFileSync(cut, whole.subarray(0, length));
      await expectRefused(cut);
    }
  });

  test('of a file with a flipped bit is refused', async () => {
    const whole = readFileSync(file);
    for (const part of [0.1, 0.5, 0.9]) {
      const flipped = join(makeFolder(), 'flipped.tar.gz');
      const bytes = Buffer.from(whole);
      const at = Math.floor(bytes.length * part);
      bytes[at] = (bytes[at] ?? 0) ^ 4;
      writeFileSync(flipped, bytes);
      await expectRefused(flipped);
    }
  });

  test('of an archive whose tar was changed is refused though its compression is sound', async () => {
    // A byte within a table's pages; the tar and gzip around them stay valid.
    await expectRefused(
      forge((bytes) => {
        const at = bytes.indexOf('PostgreSQL') > 0 ? bytes.indexOf('PostgreSQL') : 100_000;
        bytes[at] = (bytes[at] ?? 0) ^ 1;
        return bytes;
      }),
    );
    // Ends after a whole entry, without a manifest.
    await expectRefused(forge((bytes) => bytes.subarray(0, bytes.indexOf('manifest.json'))));
    // A name that leads out of the target.
    await expectRefused(forge((bytes) => renameEntry(bytes, 'postgres/PG_VERSION', '../../PG_VERSION')));
  });

  test('of a backup of another major version is refused', async () => {
    await expectRefused(
      forge((bytes) => replaceOnce(bytes, '"postgres": 18', '"postgres": 17')),
      'other-version',
    );
  });

  test('of something else is refused', async () => {
    const other = join(makeFolder(), 'other.tar.gz');
    writeFileSync(other, 'a text');
    await expectRefused(other);
    await expectRefused(join(makeFolder(), 'none.tar.gz'));
    const fresh = join(makeFolder(), 'fresh');
    await expect(restore(other, fresh)).rejects.toMatchObject({ code: 'bad-backup' });
    expect(existsSync(fresh)).toBe(false);
    execFileSync('tar', ['-czf', other, '-C', '/etc', 'hostname']);
    await expectRefused(other);
  });

  test.runIf(isRoot)('as root into a folder that PostgreSQL cannot reach puts the database where it can', async () => {
    const target = join(makeFolder(0o700), 'data');
    await restore(file, target);
    const restored = await start(target);
    const { cluster } = JSON.parse(readFileSync(join(target, 'postgres.json'), 'utf8')) as { cluster: string };
    cleanups.unshift(() => rmSync(join(cluster, '..'), { recursive: true, force: true }));
    expect(cluster.startsWith(target)).toBe(false);
    expect(await query(restored.url, 'select count(*)::int as n from kept')).toEqual([{ n: 100 }]);
  });
});

function replaceOnce(bytes: Buffer, from: string, to: string): Buffer {
  const at = bytes.indexOf(from);
  expect(at).toBeGreaterThan(0);
  bytes.write(to, at);
  return bytes;
}

/** Renames a tar entry and corrects its header's checksum. */
function renameEntry(bytes: Buffer, from: string, to: string): Buffer {
  const at = bytes.indexOf(`${from}\0`);
  expect(at % 512).toBe(0);
  bytes.fill(0, at, at + 100).write(to, at);
  bytes.fill(0x20, at + 148, at + 156);
  const sum = bytes.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148);
  return bytes;
}
