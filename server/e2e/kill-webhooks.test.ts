// kill -9 of servers while their webhooks tell changes, a switch of a whole group among them: a receiver that verifies with
// `standardwebhooks` and de-duplicates by `webhook-id` has the whole feed of each group, in order and once; a kill repeats at
// most one message of each webhook and group. KILL_ROUNDS and SWITCH_MEMBERS make it longer.

import { createAdminClient, type AdminClient } from '@grandstand/sdk/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../src/testing/database.ts';
import { startReceiver, type Receiver } from '../src/webhooks/testing/receiver.ts';
import { BOOTSTRAP, SECRET_KEY, eventually, startProcess, type ServerProcess } from './server-process.ts';

const ROUNDS = Number(process.env['KILL_ROUNDS'] ?? 3);
const SWITCHED = Number(process.env['SWITCH_MEMBERS'] ?? 2000);
const GROUPS = 3;
const FANS = 60;
const PROCESSES = 2;

interface World {
  env: Record<string, string>;
  servers: ServerProcess[];
  receiver: Receiver;
  groups: string[];
  fans: string[];
  kills: number;
}

const sdkOf = (server: ServerProcess): AdminClient =>
  createAdminClient({
    endpoint: server.url,
    clientId: BOOTSTRAP.BOOTSTRAP_CLIENT_ID,
    accessToken: BOOTSTRAP.BOOTSTRAP_ADMIN_TOKEN,
  });

async function killAndStart(world: World, index: number): Promise<void> {
  const server = world.servers[index];
  server?.kill('SIGKILL');
  expect(await server?.exit).toBe('SIGKILL');
  world.kills++;
  world.servers[index] = await startProcess(world.env);
}

/** Enters and leaves at random places until it is told to stop; who is cut off does not care. */
async function change(world: World, isOver: () => boolean): Promise<void> {
  for (let turn = 0; !isOver(); turn++) {
    const server = world.servers[turn % world.servers.length];
    const group = world.groups[turn % world.groups.length] ?? '';
    const profiles = world.fans.filter((_, i) => (i * 7 + turn) % 5 === 0);
    if (!server) continue;
    const { groups } = sdkOf(server);
    await (turn % 2 === 0 ? groups.addMembers : groups.removeMembers)(group, { profile_ids: profiles }).catch(() => {});
  }
}

const switchAll = async (world: World, group: string, ids: string[]): Promise<void> => {
  const [server] = world.servers;
  if (!server) return;
  await sdkOf(server).groups.replaceMembers(group, `profile_id\n${ids.join('\n')}\n`, 'text/csv');
};

/** What contradicts the promise, in what one path took. */
async function judge(world: World, sdk: AdminClient, path: string): Promise<string[]> {
  const problems: string[] = [];
  const taken = world.receiver.received.filter((message) => message.path === path && message.status === 200);
  const once = [...new Map(taken.map((message) => [message.id, message])).values()];
  for (const group of world.groups) {
    const told = once.filter(({ body }) => body.data.group?.id === group);
    const sequences = told.flatMap(({ body }) => body.data.changes?.map(({ sequence }) => sequence) ?? []);
    const feed: number[] = [];
    for await (const { sequence } of sdk.groups.changes(group)) feed.push(sequence);
    if (sequences.join() !== feed.join())
      problems.push(`${path} ${group}: ${sequences.length} told in another order or number than ${feed.length}`);
    const repeated = taken.filter(({ body }) => body.data.group?.id === group).length - told.length;
    if (repeated > world.kills) problems.push(`${path} ${group}: ${repeated} repeated by ${world.kills} kills`);
  }
  return problems;
}

describe('kill -9 of servers that tell webhooks', () => {
  let database: TestDatabase;
  let receiver: Receiver;
  const servers: ServerProcess[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
    receiver = await startReceiver();
  });
  afterAll(async () => {
    for (const server of servers) server.kill('SIGKILL');
    await Promise.all(servers.map(({ exit }) => exit));
    await receiver.close();
    await database.drop();
  });

  it('loses nothing, mixes nothing up, and repeats one message at most', { timeout: 900_000 }, async () => {
    const env = {
      DATABASE_URL: database.url,
      SECRET_KEY,
      ...BOOTSTRAP,
      WEBHOOK_ALLOW_PRIVATE: 'true',
      RATE_LIMIT_ADDRESS: '0',
      LOG_LEVEL: 'error',
    };
    for (let i = 0; i < PROCESSES; i++) servers.push(await startProcess(env));
    const [first] = servers;
    if (!first) return;
    const sdk = sdkOf(first);
    const made = await Promise.all(Array.from({ length: GROUPS }, (_, i) => sdk.groups.create({ name: `Group ${i}` })));
    const ids: string[] = [];
    for (let from = 0; from < SWITCHED; from += 1000) {
      const some = Array.from({ length: Math.min(1000, SWITCHED - from) }, (_, i) => ({ custom_id: `f-${from + i}` }));
      ids.push(...(await sdk.profiles.upsert(some)).flatMap(({ id }) => id ?? []));
    }
    const world: World = {
      env,
      servers,
      receiver,
      groups: made.map(({ id }) => id),
      fans: ids.slice(0, FANS),
      kills: 0,
    };
    const paths = ['/a', '/b'];
    for (const path of paths) {
      const { secret } = await sdk.webhooks.create({ url: receiver.url + path, events: ['membership.changed'] });
      receiver.secrets.set(path, secret);
    }

    let isOver = false;
    const changing = change(world, () => isOver);
    for (let round = 0; round < ROUNDS; round++) {
      const before = receiver.received.length;
      if (round === 1) await switchAll(world, world.groups[0] ?? '', ids);
      await eventually(
        async () => receiver.received.length,
        (count) => count > before + 3,
        120_000,
      );
      await killAndStart(world, round % PROCESSES);
    }
    isOver = true;
    await changing;

    // Until every webhook was told of the newest change of each group.
    const [alive] = world.servers;
    const last = sdkOf(alive ?? first);
    await eventually(
      async () => (await Promise.all(paths.map((path) => judge(world, last, path)))).flat(),
      (problems) => problems.length === 0,
      120_000,
    );
    expect(receiver.forged).toEqual([]);
  });
});
