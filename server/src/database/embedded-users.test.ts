import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, cpSync, existsSync, lstatSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  NAMELESS_USER,
  ORDINARY_USER,
  cleanups,
  count,
  failure,
  hold,
  isGone,
  isRoot,
  kill,
  makeFolder,
  query,
  start,
} from '../testing/embedded-harness.ts';
import { findInstalledBinaries, prepareBinaries } from './embedded-binaries.ts';

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

      // Only the connection file is lost: the same database. The folder was deleted: a new one.
      await second.stop();
      rmSync(join(dataDir, 'postgres.json'));
      const found = await start(dataDir);
      expect(await count(found.url)).toBe(10);
      await found.stop();
      const folder = join(dataDir, '..', 'kept');
      renameSync(dataDir, folder);
      const fresh = await start(dataDir, { log });
      await expect(count(fresh.url)).rejects.toThrow('does not exist');
      await fresh.stop();
      const aside = /is kept in (\S+)/.exec(messages.join('\n'))?.[1] ?? 'none';
      rmSync(join(elsewhere, 'postgres'), { recursive: true });
      rmSync(dataDir, { recursive: true });
      renameSync(aside, join(elsewhere, 'postgres'));
      renameSync(folder, dataDir);

      // A copy of the data directory leads to the same database, which must not be opened twice.
      const copy = join(makeFolder(0o700), 'data');
      cpSync(dataDir, copy, { recursive: true });
      const third = await start(dataDir);
      expect((await failure(start(copy))).code).toBe('locked');
      expect(await count(third.url)).toBe(10);
    },
  );

  test.runIf(isRoot).each([true, false])(
    'programs that the other user cannot reach are copied to where it can, with their links (there: %s)',
    (hasLinks) => {
      const installed = findInstalledBinaries();
      // Memory may be mounted without the right to run programs.
      const hidden = makeFolder(0o700, tmpdir());
      const target = makeFolder(0o755, tmpdir());
      cpSync(installed.native, join(hidden, 'native'), {
        recursive: true,
        verbatimSymlinks: true,
        filter: (path) => !path.endsWith('.a') && (hasLinks || !lstatSync(path).isSymbolicLink()),
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
