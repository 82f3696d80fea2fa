import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import {
  count,
  fillDisk,
  hold,
  isGone,
  isPosix,
  isRoot,
  kill,
  makeFolder,
  mountSmallDisk,
  query,
  randomNumbers,
  start,
} from '../testing/embedded-harness.ts';
import { chooseSeed } from '../testing/random.ts';

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
    const seed = chooseSeed();
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
