// The database's machine dies and a standby takes over, under load: servers go on by themselves, nothing that was
// acknowledged and replicated is lost, and what was not replicated leaves nothing behind in their memory.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startCluster, type Cluster } from '../src/testing/cluster.ts';
import { chooseSeed, createRandom } from '../src/testing/random.ts';
import { ask, checkTruth, createWorld, sendAgain, startLoad, unrest, type World } from './engine-load.ts';
import { startProxy, type Proxy } from './proxy.ts';
import { BOOTSTRAP, SECRET_KEY, eventually, startProcess, type ServerProcess } from './server-process.ts';

const SEED = chooseSeed();
const SLOW_MS = 90_000;
const APPLICATION = `/api/v1/applications/${BOOTSTRAP.BOOTSTRAP_CLIENT_ID}/`;

describe(`a failover (seed ${SEED})`, () => {
  let primary: Cluster;
  let standby: Cluster;
  let proxy: Proxy;
  const servers: ServerProcess[] = [];
  beforeEach(async () => {
    primary = await startCluster();
    standby = await primary.makeStandby();
    proxy = await startProxy(primary.url);
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.kill('SIGTERM');
      expect(await server.exit).toBe(0);
    }
    await proxy.close();
    await primary.stop();
    await standby.stop();
  });
  const start = async (): Promise<ServerProcess> => {
    const server = await startProcess({
      DATABASE_URL: proxy.url,
      SECRET_KEY,
      ...BOOTSTRAP,
      LOG_LEVEL: 'silent',
      RATE_LIMIT_ADDRESS: '0',
    });
    servers.push(server);
    return server;
  };
  /** As whoever watches over databases does it: the address leads to the standby before that takes writes. */
  const failOver = async (meanwhile: () => Promise<unknown> = async () => {}): Promise<void> => {
    await primary.kill();
    proxy.leadTo(standby.url);
    proxy.cut();
    await meanwhile();
    await standby.query('select pg_promote()');
  };

  it('loses nothing that was acknowledged and replicated, and needs nobody', { timeout: 240_000 }, async () => {
    // A commit is acknowledged once the standby has it.
    await primary.query("alter system set synchronous_standby_names = '*'");
    await primary.query('select pg_reload_conf()');
    const server = await start();
    const random = createRandom(SEED);
    const world = await createWorld(Promise.resolve(server.url), (limit) => random.below(limit));
    const acknowledged = (count: number): Promise<number> =>
      eventually(
        async () => world.count,
        (seen) => seen >= count,
        SLOW_MS,
      );
    const statuses = new Set<number | undefined>();
    let watching = true;
    const watch = async (): Promise<void> => {
      while (watching) {
        statuses.add(
          (await ask(world, 'PATCH', `/api/v1/profiles/${world.profiles[1]}/`, { nickname: 'Watched' }))?.status,
        );
        statuses.add((await ask(world, 'GET', `${APPLICATION}profiles/?page_size=1&count=false`))?.status);
      }
    };
    const watcher = watch();
    const load = startLoad(world);
    await Promise.race([acknowledged(40), load.failure]);
    await failOver(() =>
      // It reads already, and says of writes that they cannot be done now.
      eventually(
        () => ask(world, 'PATCH', `/api/v1/profiles/${world.profiles[0]}/`, { nickname: 'Meanwhile' }),
        (answer) => answer?.status === 503,
      ),
    );
    await Promise.race([acknowledged(world.count + 40), load.failure]);
    watching = false;
    await watcher;
    await load.end();
    await sendAgain(world);
    expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([]);
    await atRest(world);
  });

  it('that loses the last moments leaves nothing of them in a server’s memory', { timeout: 120_000 }, async () => {
    const [server, other] = [await start(), await start()];
    await eventually(
      () =>
        primary.query<{ behind: boolean }>(
          'select pg_current_wal_lsn() > replay_lsn as behind from pg_stat_replication',
        ),
      (rows) => rows[0]?.behind === false,
    );
    // From here on the standby hears nothing: the block of ordinals that the server takes now is known to it alone.
    await standby.query("alter system set primary_conninfo = ''");
    await standby.query('select pg_reload_conf()');
    await eventually(
      () => primary.query('select from pg_stat_replication'),
      (rows) => rows.length === 0,
    );
    const create = async ({ url }: ServerProcess): Promise<string> => {
      const answer = await eventually(
        () => ask<{ id: string }>({ address: Promise.resolve(url) }, 'POST', `${APPLICATION}profile/`, {}),
        (made) => made?.status === 201,
      );
      return answer?.body.id ?? '';
    };
    const lost = await create(server);
    await failOver();
    const kept = await Promise.all([server, other, server, other].map(create));
    const world = { address: Promise.resolve(server.url) };
    expect((await ask(world, 'GET', `/api/v1/profiles/${lost}/`))?.status).toBe(404);
    for (const id of kept) expect((await ask(world, 'GET', `/api/v1/profiles/${id}/`))?.status).toBe(200);
    const rows = await standby.query<{ ordinals: number }>(
      'select count(distinct ordinal)::int as ordinals from profiles',
    );
    expect(rows).toEqual([{ ordinals: kept.length }]);
  });
});

async function atRest(world: World): Promise<void> {
  await eventually(
    () => unrest(world),
    (reasons) => reasons.length === 0,
    SLOW_MS,
  );
  await checkTruth(world);
}
