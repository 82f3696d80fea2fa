// kill -9 while a long history comes over to the profile that it was merged into: readers see all of it at every moment, and
// in the end everything has moved and counts once. KILL_ROUNDS kills more often, MERGE_ACTIVITIES makes the history longer
// (a million takes some minutes), GRANDSTAND_SEED repeats the choice of when.

import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAdminClient, type AdminClient } from '@grandstand/sdk/server';
import { createTestDatabase, type TestDatabase } from '../src/testing/database.ts';
import { chooseSeed, createRandom } from '../src/testing/random.ts';
import { BOOTSTRAP, SECRET_KEY, eventually, startProcess, type ServerProcess } from './server-process.ts';

const APP = BOOTSTRAP.BOOTSTRAP_CLIENT_ID;
const KILLS = Number(process.env['KILL_ROUNDS'] ?? 1);
const ACTIVITIES = Number(process.env['MERGE_ACTIVITIES'] ?? 24_000);
const OWN = 300;
const SHARED = 100;
const BATCH = 1_000;
const SEED = chooseSeed();

describe('kill -9', () => {
  let database: TestDatabase;
  let client: pg.Client;
  let server: ServerProcess;
  let sdk: AdminClient;
  beforeAll(async () => {
    database = await createTestDatabase();
    client = new pg.Client({ connectionString: database.directUrl });
    await client.connect();
    await start();
  });
  afterAll(async () => {
    server.kill('SIGKILL');
    await server.exit;
    await client.end();
    await database.drop();
  });

  async function start(): Promise<void> {
    server = await startProcess({
      DATABASE_URL: database.url,
      SECRET_KEY,
      ...BOOTSTRAP,
      ROLE: 'all',
      LOG_LEVEL: 'silent',
      RATE_LIMIT_ADDRESS: '0', // the test asks without end
      RATE_LIMIT_APPLICATION: '0',
    });
    sdk = createAdminClient({ clientId: APP, endpoint: server.url, accessToken: BOOTSTRAP.BOOTSTRAP_ADMIN_TOKEN });
  }

  async function send(profile: string, from: number, to: number): Promise<void> {
    for (let first = from; first < to; first += BATCH) {
      const count = Math.min(BATCH, to - first);
      const items = Array.from({ length: count }, (_, n) => ({
        id: `n${first + n}`,
        type: n % 3 === 0 ? 'poll-voted' : 'comment-created',
        profile_id: profile,
      }));
      expect((await sdk.activities.send(items)).rejected).toEqual([]);
    }
  }

  const rowsOf = async (profile: string): Promise<number> => {
    const { rows } = await client.query<{ n: string }>('select count(*) as n from activities where profile_id = $1', [
      profile,
    ]);
    return Number(rows[0]?.n);
  };

  it(
    `while a merge goes on in the background: nothing is lost, counted twice or left (seed ${SEED})`,
    { timeout: 300_000 + ACTIVITIES },
    async () => {
      const random = createRandom(SEED);
      const source = await sdk.profiles.create();
      const target = await sdk.profiles.create({ custom_id: 'the-account' });
      await send(source.id, 0, ACTIVITIES);
      await send(target.id, ACTIVITIES - SHARED, ACTIVITIES - SHARED + OWN);
      let expected = ACTIVITIES + OWN - SHARED;
      const rule = { attribute: 'total_activities', condition: 'greater_than_or_equal', value: expected } as const;
      const group = await sdk.groups.create({ name: 'Both', membership_type: 'dynamic', rule_tree: rule });
      const whole = async (): Promise<void> => {
        const { results } = await sdk.profiles.activityCounts(source.id);
        expect(results.reduce((sum, { count }) => sum + count, 0)).toBe(expected);
        const members = await sdk.groups.members(group.id).all();
        expect(members.map(({ id }) => id)).toEqual([target.id]);
      };
      expect(await sdk.profiles.merge(source.id, { into: target.id })).toMatchObject({ state: 'merging' });
      await eventually(
        async () => (await sdk.groups.get(group.id)).profile_count,
        (count) => count === 1,
      );
      for (let kill = 0; kill < KILLS; kill++) {
        const left = random.below(await rowsOf(source.id));
        await eventually(
          () => rowsOf(source.id),
          (rows) => rows <= left,
          120_000,
        );
        server.kill('SIGKILL');
        expect(await server.exit).toBe('SIGKILL');
        await start();
        await whole();
        await send(source.id, ACTIVITIES + OWN + kill, ACTIVITIES + OWN + kill + 1);
        expected++;
      }
      await eventually(
        async () => (await sdk.profiles.merges(target.id).all()).map(({ state }) => state),
        ([state]) => state === 'merged',
        120_000 + ACTIVITIES,
      );
      await whole();
      expect([await rowsOf(source.id), await rowsOf(target.id)]).toEqual([0, expected]);
      expect(await sdk.groups.verify(group.id)).toMatchObject({ missing: 0, extra: 0 });
      const { rows } = await client.query(
        `select (select count(*) from moves)::int as moves, count::int from totals where profile_id = $1 and fact_id = 0`,
        [target.id],
      );
      expect(rows).toEqual([{ moves: 0, count: expected }]);
    },
  );
});
