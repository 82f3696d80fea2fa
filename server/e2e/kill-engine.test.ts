// kill -9 in a loop of API, workers and database, each a process of its own, while activities arrive, rules are edited,
// pins end and windows run out. Afterwards every acknowledged activity counts once, members, counts, feeds and proofs
// agree, and nothing is stuck. KILL_ROUNDS makes it longer, GRANDSTAND_SEED repeats the choice of what dies when.

import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { startEmbedded, type EmbeddedDatabase } from '../src/database/embedded.ts';
import { chooseSeed, createRandom } from '../src/testing/random.ts';
import { checkTruth, createWorld, sendAgain, startLoad, unrest, WINDOW_SECONDS, type World } from './engine-load.ts';
import { BOOTSTRAP, SECRET_KEY, eventually, startProcess, withFolder, type ServerProcess } from './server-process.ts';

const ROUNDS = Number(process.env['KILL_ROUNDS'] ?? 2);
const SEED = chooseSeed();
/** Batches that are acknowledged before the kill, at most, and after everything is back. */
const BEFORE = 30;
const AFTER = 10;
const STUCK_MS = 90_000;

type Victim = 'api' | 'worker 1' | 'worker 2' | 'database';
/** Two rounds in a row, from an even one on, kill each of them at least once. */
const CHOICES: Victim[][] = [
  ['worker 1', 'worker 2'],
  ['api', 'database'],
  ['database'],
  ['worker 2', 'api', 'worker 1'],
  ['api'],
  ['database', 'worker 1', 'worker 2'],
  ['worker 1', 'api'],
  ['database', 'api', 'worker 1', 'worker 2'],
];

interface Running {
  database: EmbeddedDatabase;
  processes: Map<Victim, ServerProcess>;
}

async function query<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  return client.query<Row>(text).then(
    async ({ rows }) => {
      await client.end();
      return rows;
    },
    async (error: unknown) => {
      await client.end().catch(() => {});
      throw error;
    },
  );
}

const start = (database: EmbeddedDatabase, role: 'api' | 'worker'): Promise<ServerProcess> =>
  startProcess({
    DATABASE_URL: database.url,
    SECRET_KEY,
    ...BOOTSTRAP,
    ROLE: role,
    LOG_LEVEL: 'silent',
    RATE_LIMIT_ADDRESS: '0',
  });

/** Kills them at once, and resolves when each is back. */
async function kill({ database, processes }: Running, victims: Victim[]): Promise<void> {
  const pid = database.pid;
  for (const victim of victims) {
    if (victim === 'database') process.kill(pid, 'SIGKILL');
    else processes.get(victim)?.kill('SIGKILL');
  }
  if (victims.includes('database')) {
    const answers = (): Promise<boolean> =>
      query(database.url, 'select').then(
        () => true,
        () => false,
      );
    await eventually(
      async () => database.pid !== pid && (await answers()),
      (isBack) => isBack,
      STUCK_MS,
    );
  }
  await Promise.all(
    victims.map(async (victim) => {
      if (victim === 'database') return;
      expect(await processes.get(victim)?.exit).toBe('SIGKILL');
      processes.set(victim, await start(database, victim === 'api' ? 'api' : 'worker'));
    }),
  );
}

const acknowledged = (world: World, count: number): Promise<number> =>
  eventually(
    async () => world.count,
    (seen) => seen >= count,
    STUCK_MS,
  );

async function round(running: Running, world: World, victims: Victim[]): Promise<void> {
  const load = startLoad(world);
  await Promise.race([acknowledged(world, world.count + 1 + world.random(BEFORE)), load.failure]);
  const back = kill(running, victims);
  world.address = back.then(() => running.processes.get('api')?.url ?? '');
  await back;
  await Promise.race([acknowledged(world, world.count + AFTER), load.failure]);
  await load.end();
  await sendAgain(world);
  await eventually(
    async () => [...(await unrest(world)), ...(await waiting(running.database.url))],
    (reasons) => reasons.length === 0,
    STUCK_MS,
  );
  await checkRows(running.database.url, world);
  await checkTruth(world);
}

/** Work that somebody has still to do. */
async function waiting(url: string): Promise<string[]> {
  const [rows] = await query<{ queue: string; backfills: string; pins: string }>(
    url,
    `select (select count(*) from queue) as queue, (select count(*) from backfills) as backfills, (select count(*) from pins) as pins`,
  );
  return Object.entries(rows ?? {}).flatMap(([what, count]) => (Number(count) > 0 ? [`${count} rows of ${what}`] : []));
}

/** What no answer shows: each activity is stored and counted once, and the clock's changes lie at the instants of theirs. */
async function checkRows(url: string, world: World): Promise<void> {
  const stored = await query<{ profile_id: string; ids: string[]; counted: number }>(
    url,
    `select p.id as profile_id, array(select a.id from activities a where a.profile_id = p.id order by a.id collate "C") as ids,
       coalesce((select t.count from totals t where t.profile_id = p.id and t.fact_id = 0), 0)::int as counted
     from profiles p order by p.id`,
  );
  const expected = [...world.acknowledged]
    .map(([profile_id, activities]) => ({ profile_id, ids: [...activities.keys()].sort(), counted: activities.size }))
    .sort((a, b) => (a.profile_id < b.profile_id ? -1 : 1));
  expect(stored).toEqual(expected);
  const early = await query(
    url,
    `select c.profile_id, c.at from changes c
     where c.group_id = '${world.groups.window}' and c.change = 'left' and c.cause = 'clock' and not exists (
       select from activities a where a.profile_id = c.profile_id and a.occurred_at + interval '${WINDOW_SECONDS} seconds' = c.at)`,
  );
  expect(early).toEqual([]);
}

describe(`kill -9 under the load of dynamic groups (seed ${SEED})`, () => {
  it(
    'loses nothing, counts nothing twice and leaves nothing stuck',
    { timeout: 120_000 + ROUNDS * 60_000 },
    async () => {
      await withFolder(async (folder) => {
        const database = await startEmbedded({ dataDir: join(folder, 'data') });
        const running: Running = { database, processes: new Map() };
        try {
          running.processes.set('api', await start(database, 'api'));
          running.processes.set('worker 1', await start(database, 'worker'));
          running.processes.set('worker 2', await start(database, 'worker'));
          const random = createRandom(SEED);
          const below = (limit: number): number => random.below(limit);
          const world = await createWorld(Promise.resolve(running.processes.get('api')?.url ?? ''), below);
          const first = 2 * below(CHOICES.length / 2);
          for (let n = 0; n < ROUNDS; n++) {
            const victims = CHOICES[(first + n) % CHOICES.length] ?? [];
            const from = performance.now();
            await round(running, world, victims);
            const seconds = ((performance.now() - from) / 1000).toFixed(1);
            process.stdout.write(
              `kill, seed ${SEED}, round ${n + 1}: ${victims.join(', ')}; ${world.count} batches, ${seconds} s\n`,
            );
          }
          for (const server of running.processes.values()) server.kill('SIGTERM');
          expect(await Promise.all([...running.processes.values()].map((server) => server.exit))).toEqual([0, 0, 0]);
        } finally {
          for (const server of running.processes.values()) server.kill('SIGKILL');
          await database.stop();
        }
      });
    },
  );
});
