// Behind PgBouncer in transaction mode, which most hosts hand out: everything works, whatever becomes of the pooler's
// connections; and a pooler that cannot do is refused at the start.

import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../src/testing/database.ts';
import { hasPgBouncer, startPgBouncer, type PgBouncer } from '../src/testing/pgbouncer.ts';
import { chooseSeed, createRandom } from '../src/testing/random.ts';
import { ask, checkTruth, createWorld, sendAgain, startLoad, unrest, type World } from './engine-load.ts';
import { BOOTSTRAP, SECRET_KEY, eventually, runMain, startProcess, type ServerProcess } from './server-process.ts';

const SEED = chooseSeed();
const SLOW_MS = 90_000;

const environment = (url: string): Record<string, string> => ({
  DATABASE_URL: url,
  SECRET_KEY,
  ...BOOTSTRAP,
  LOG_LEVEL: 'silent',
  RATE_LIMIT_ADDRESS: '0',
});

describe.skipIf(!hasPgBouncer)(`behind PgBouncer in transaction mode (seed ${SEED})`, () => {
  let database: TestDatabase;
  let pooler: PgBouncer;
  let server: ServerProcess;
  beforeAll(async () => {
    database = await createTestDatabase({ empty: true });
    pooler = await startPgBouncer(inject('databaseUrl'));
    server = await startProcess(environment(pooler.through(database.directUrl)));
  });
  afterAll(async () => {
    server.kill('SIGTERM');
    expect(await server.exit).toBe(0);
    await pooler.stop();
    await database.drop();
  });

  const acknowledged = (world: World, count: number): Promise<number> =>
    eventually(
      async () => world.count,
      (seen) => seen >= count,
      SLOW_MS,
    );

  /** The load, something that happens to the pooler meanwhile, and the truth afterwards. */
  const survive = async (world: World, happen: () => Promise<unknown>): Promise<void> => {
    const load = startLoad(world);
    await Promise.race([acknowledged(world, world.count + 20), load.failure]);
    await happen();
    await Promise.race([acknowledged(world, world.count + 20), load.failure]);
    await load.end();
    await sendAgain(world);
    await eventually(
      () => unrest(world),
      (reasons) => reasons.length === 0,
      SLOW_MS,
    );
    await checkTruth(world);
  };

  it(
    'takes activities, evaluates groups and proves them, whatever becomes of the connections',
    { timeout: 240_000 },
    async () => {
      const random = createRandom(SEED);
      const world = await createWorld(Promise.resolve(server.url), (limit) => random.below(limit));
      await survive(world, async () => {});
      await survive(world, () => endBackends(database.directUrl));
      const name = new URL(database.directUrl).pathname.slice(1);
      await survive(world, async () => {
        await pooler.command(`kill ${name}`);
        await pooler.command(`resume ${name}`);
      });
      await survive(world, async () => {
        await pooler.kill('SIGKILL');
        await pooler.restart();
      });
    },
  );

  it('answers nothing with an error while nothing happens to the pooler', async () => {
    const world = { address: Promise.resolve(server.url) };
    const application = `/api/v1/applications/${BOOTSTRAP.BOOTSTRAP_CLIENT_ID}/`;
    const calls: [method: string, path: string, body?: unknown][] = [
      ['POST', `${application}profile/`, { nickname: 'Behind a pooler' }],
      ['GET', `${application}profiles/?page_size=5`],
      ['GET', `${application}profile-groups/`],
      ['GET', `${application}profile-attributes/`],
      ['GET', `${application}activities/`],
      [
        'POST',
        `${application}profile-groups/preview/`,
        {
          rule_tree: { attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 1 },
        },
      ],
    ];
    const answers = await Promise.all(
      Array.from({ length: 25 }, () =>
        calls.map((call) => ask(world, ...call).then((answer) => answer?.status)),
      ).flat(),
    );
    expect(answers.filter((status) => status === undefined || status >= 300)).toEqual([]);
  });

  it('leaves nothing of a session behind on the pooler’s connections', async () => {
    // Those of transactions come and go; one of a session would stay.
    await eventually(
      () =>
        onServer(
          database.directUrl,
          `select from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`,
        ),
      ({ rowCount }) => rowCount === 0,
    );
    const through = new pg.Client({ connectionString: pooler.through(database.directUrl) });
    await through.connect();
    const settings = await through.query(
      `select current_setting('statement_timeout') as statements, (select count(*)::int from pg_prepared_statements) as prepared`,
    );
    await through.end();
    expect(settings.rows).toEqual([{ statements: '0', prepared: 0 }]);
  });
});

describe.skipIf(!hasPgBouncer)('a pooler that cannot do', () => {
  it('in statement mode is refused at the start, with the way out', async () => {
    const database = await createTestDatabase({ empty: true });
    const pooler = await startPgBouncer(inject('databaseUrl'), { pool_mode: 'statement' });
    try {
      const { code, stderr } = await runMain(environment(pooler.through(database.directUrl)));
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /^DATABASE_URL: this pooler takes no transactions .+ Set its pool_mode to transaction or session/,
      );
    } finally {
      await pooler.stop();
      await database.drop();
    }
  });
});

async function onServer(url: string, text: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await client.query(text);
  } finally {
    await client.end();
  }
}

const endBackends = (url: string): Promise<pg.QueryResult> =>
  onServer(
    url,
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  );
