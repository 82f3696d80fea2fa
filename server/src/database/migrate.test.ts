// Migrations beside traffic: they wait briefly and try again, one process at a time; indexes are built beside writers; and
// files that became one are known again by what they were.

import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/database.ts';
import { MigrationError, migrate, type MigrateOptions } from './migrate.ts';
import { describeMigration, type Migration } from './migration-files.ts';

const file = describeMigration;
/** Where it stands as other databases do. The real files need nothing else of it. */
const SETTINGS = file('0001-settings.sql', 'create table settings (key text primary key, value text not null);');
const THINGS = file(
  '0002-things.sql',
  'create table things (id int primary key, name text not null); insert into things select n, n::text from generate_series(1, 1000) n;',
);
const BEFORE = [SETTINGS, THINGS];
const COLUMN = file('0003-column.sql', 'alter table things add column extra text;');
const INDEX = file(
  '0003-index.sql',
  '-- without a transaction\n-- Beside writers; may be cut off; is tried again.\ncreate unique index concurrently if not exists things_by_name on things (name);\n',
);

describe('migrations', () => {
  let database: TestDatabase;
  let open: pg.Client[] = [];
  beforeEach(async () => {
    database = await createTestDatabase({ empty: true });
    await run({ migrations: BEFORE });
  });
  afterEach(async () => {
    await Promise.all(open.map((client) => client.end().catch(() => {})));
    open = [];
    await database.drop();
  });

  const run = (options: MigrateOptions) => migrate(database.directUrl, options);
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: database.directUrl, application_name: 'the traffic' });
    client.on('error', () => {});
    await client.connect();
    open.push(client);
    return client;
  };
  const names = async (): Promise<string[]> =>
    (await (await connect()).query<{ name: string }>('select name from migrations order by number')).rows.map(
      (row) => row.name,
    );

  describe('beside a transaction that holds a table', () => {
    let holder: pg.Client;
    beforeEach(async () => {
      holder = await connect();
      await holder.query('begin');
      await holder.query('select * from things limit 1');
    });

    it('let others pass between their attempts, and are applied once it ends', async () => {
      const waits: string[] = [];
      const other = await connect();
      let longest = 0;
      const migrating = run({
        migrations: [...BEFORE, COLUMN],
        lockTimeoutMs: 200,
        onWait: (message) => void waits.push(message),
      });
      // Whoever reads meanwhile waits behind the attempt that runs, and no longer.
      while (waits.length < 3) {
        const from = performance.now();
        await other.query('select count(*) from things');
        longest = Math.max(longest, performance.now() - from);
      }
      await holder.query('commit');
      expect((await migrating).applied).toEqual(['0003-column.sql']);
      expect(waits[0]).toMatch(
        /^migration 0003-column\.sql waits for others that hold its tables: pid \d+ \(the traffic, idle in transaction for \d+ s\)$/,
      );
      expect(longest).toBeLessThan(2_000);
    });

    it('give up in the end, change nothing, and say who holds it', async () => {
      const failing = run({ migrations: [...BEFORE, COLUMN], lockTimeoutMs: 100, patienceMs: 300 });
      await expect(failing).rejects.toThrow(
        /^migration 0003-column\.sql did not get its locks in \d attempts .+ Others hold its tables: pid \d+ \(the traffic/,
      );
      await expect(failing).rejects.toBeInstanceOf(MigrationError);
      expect(await names()).toEqual(BEFORE.map(({ name }) => name));
    });
  });

  it('are applied once by many processes at once, an index that is built beside writers too', async () => {
    const writer = await connect();
    await writer.query('begin');
    await writer.query("insert into things values (0, 'zero')");
    const many = Array.from({ length: 4 }, () => run({ migrations: [...BEFORE, INDEX] }));
    // The index waits for the writer, the other processes for the one that builds it: nobody may wait for them in turn.
    const watcher = await connect();
    for (let building = 0; building === 0;) {
      const { rowCount } = await watcher.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like 'create unique index%'`,
      );
      building = rowCount ?? 0;
    }
    await writer.query('commit');
    const applied = (await Promise.all(many)).map((done) => done.applied);
    expect(applied.filter((list) => list.length > 0)).toEqual([['0003-index.sql']]);
  });

  it('build an index anew that an attempt before left unusable', async () => {
    const client = await connect();
    await client.query("insert into things values (0, '1')");
    await expect(run({ migrations: [...BEFORE, INDEX] })).rejects.toThrow(
      /0003-index\.sql failed: could not create unique index/,
    );
    const valid = async (): Promise<boolean[]> =>
      (
        await client.query<{ indisvalid: boolean }>(
          "select indisvalid from pg_index where indexrelid = to_regclass('things_by_name')",
        )
      ).rows.map((row) => row.indisvalid);
    expect(await valid()).toEqual([false]);
    await client.query('delete from things where id = 0');
    expect((await run({ migrations: [...BEFORE, INDEX] })).applied).toEqual(['0003-index.sql']);
    expect(await valid()).toEqual([true]);
  });

  it('stop where the lock is lost, since others may migrate then', async () => {
    const holder = await connect();
    await holder.query('begin; lock table things');
    const failing = run({ migrations: [...BEFORE, COLUMN], lockTimeoutMs: 200 });
    failing.catch(() => {});
    const watcher = await connect();
    for (let ended = 0; ended === 0;) {
      const { rowCount } = await watcher.query(
        `select pg_terminate_backend(l.pid) from pg_locks l join pg_stat_activity s using (pid)
         where l.locktype = 'advisory' and s.datname = current_database() and s.application_name = 'grandstand migrate'`,
      );
      ended = rowCount ?? 0;
    }
    await expect(failing).rejects.toThrow();
    await holder.query('commit');
    expect(await names()).toEqual(BEFORE.map(({ name }) => name));
  });

  describe('that became one', () => {
    const whole = file('0001-all.sql', `${SETTINGS.text}\n${THINGS.text}`);
    const squashes = [{ into: whole.name, replaces: BEFORE.map(strip) }];

    it('count as that one where all were applied, and later ones follow', async () => {
      const { applied } = await run({ migrations: [whole, COLUMN], squashes });
      expect(applied).toEqual(['0003-column.sql']);
      expect(await names()).toEqual(['0001-all.sql', '0003-column.sql']);
      expect((await run({ migrations: [whole, COLUMN], squashes })).applied).toEqual([]);
    });

    it('are that one alone in a new database', async () => {
      const fresh = await createTestDatabase({ empty: true });
      try {
        const { applied } = await migrate(fresh.directUrl, { migrations: [whole, COLUMN], squashes });
        expect(applied).toEqual(['0001-all.sql', '0003-column.sql']);
      } finally {
        await fresh.drop();
      }
    });

    it('are refused where some are missing, or were others', async () => {
      const more = [{ into: whole.name, replaces: [...BEFORE, COLUMN].map(strip) }];
      await expect(run({ migrations: [whole], squashes: more })).rejects.toThrow(
        'the database stands between versions: of the migrations that became 0001-all.sql it lacks 0003-column.sql. Start the last version that has them, then this one.',
      );
      const others = [{ into: whole.name, replaces: [strip(file('0001-settings.sql', 'something else'))] }];
      await expect(run({ migrations: [whole], squashes: others })).rejects.toThrow(
        /differs from the one that was applied/,
      );
      expect(await names()).toEqual(BEFORE.map(({ name }) => name));
    });
  });

  it('of a newer program, or edited since, stop the start', async () => {
    await expect(run({ migrations: [SETTINGS] })).rejects.toThrow(
      /newer than this program: it has migration 0002-things\.sql/,
    );
    await expect(run({ migrations: [SETTINGS, file('0002-things.sql', 'select 1;')] })).rejects.toThrow(
      /0002-things\.sql differs from the one that was applied/,
    );
  });
});

function strip({ number, name, checksum }: Migration) {
  return { number, name, checksum };
}
