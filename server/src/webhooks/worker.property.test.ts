// The promise of webhooks as a property: whatever happens at random (changes, switches, answers of every kind, workers that
// die or are taken for dead in the middle of a tick, positions set back, webhooks turned off and on), each receiver that
// de-duplicates by `webhook-id` sees the feed of each group and of each profile complete, in order, and once.

import type { Webhook } from '@grandstand/sdk/server';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { openDatabase, sql, type Database } from '../database/database.ts';
import { formatInstant, MICROS_PER_DAY, MICROS_PER_SECOND } from '../instant.ts';
import { createBench, type EngineBench } from '../testing/engine.ts';
import { addProfiles } from '../testing/profiles.ts';
import { chooseSeed, createRandom, propertyTimeout, runSeeds, type Random } from '../testing/random.ts';
import { createSender } from './send.ts';
import { startReceiver, type Received, type Receiver } from './testing/receiver.ts';
import { createWebhookWorker, type WebhookWorker } from './worker.ts';

const STEPS = 45;

/** By subject (a group or a profile), the sequences that its feed has, upwards. */
type Feeds = Map<string, number[]>;

/** The naive model of a receiver: what it accepted, first comes first. Returns what contradicts the promise. */
function judge(
  taken: readonly Received[],
  feeds: Feeds,
  start: ReadonlyMap<string, number>,
  mayGoBack: boolean,
): string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  const next = new Map<string, number>();
  for (const [subject, list] of feeds) next.set(subject, list.filter((n) => n <= (start.get(subject) ?? 0)).length);
  for (const { id, body } of taken) {
    if (seen.has(id)) continue;
    seen.add(id);
    const { data } = body;
    const subject = data.profile?.id ?? data.group?.id ?? '';
    const feed = feeds.get(subject);
    if (!feed || body.type.startsWith('group.')) continue; // deleted meanwhile
    const [first = 0, last = 0] = data.profile
      ? [data.sequence, data.sequence]
      : [data.first_sequence, data.last_sequence];
    const at = feed.indexOf(first);
    const wanted = next.get(subject) ?? 0;
    if (at !== wanted && !(mayGoBack && at >= 0 && at < wanted))
      problems.push(`${subject}: ${first} to ${last} came where ${feed[wanted]} was next`);
    const sequences = data.changes?.map((change) => change.sequence) ?? [];
    if (!data.switch && data.changes && sequences.join() !== feed.slice(at, at + sequences.length).join())
      problems.push(`${subject}: ${first} to ${last} has gaps`);
    next.set(subject, feed.indexOf(last) + 1);
  }
  for (const [subject, list] of feeds)
    if ((next.get(subject) ?? 0) < list.length)
      problems.push(`${subject}: ${list.slice(next.get(subject)).join()} never came`);
  return problems;
}

interface World {
  bench: EngineBench;
  receiver: Receiver;
  random: Random;
  db: Database;
  webhooks: { hook: Webhook; path: string; start: Map<string, number>; rewinds: number }[];
  groups: string[];
  profiles: string[];
  workers: WebhookWorker[];
  /** Workers that died or were taken for dead. */
  deaths: number;
  isCalm: boolean;
}

function newWorker({ bench, db }: World): WebhookWorker {
  const { clock, secrets } = bench.server.app.context;
  const resolve = async (): Promise<string[]> => [];
  const sender = createSender({ allowPrivate: true, resolve, timeoutMs: 150 });
  return createWebhookWorker({ db, clock, secrets, sender, log: pino({ level: 'silent' }) });
}

/** Heartbeats are found to have stopped: whoever ticks next takes over, also from a worker that only slept. */
async function expireHeartbeats({ db }: World): Promise<void> {
  await db.query(sql`update leases set expires_at = '-infinity' where starts_with(name, 'webhooks/heartbeat:')`);
}

async function tick(world: World, index: number): Promise<void> {
  const worker = world.workers[index];
  // One that was taken for dead meanwhile says so, and begins anew with its next tick.
  await worker?.tick().catch((error: unknown) => {
    if (!/took over|no lease/.test(String(error))) throw error;
  });
}

const turns = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
};

function answerAtRandom(world: World): Receiver['answers'] extends Map<string, infer R> ? R : never {
  const { random } = world;
  return (_message, response) => {
    if (world.isCalm || random.chance(0.65)) return 200;
    const kind = random.below(12);
    if (kind < 4) return 500;
    if (kind === 4) return 302;
    if (kind === 5 && random.chance(0.2)) return 410;
    if (kind < 8) {
      response.setHeader('retry-after', String(random.below(100)));
      return 429;
    }
    if (kind === 8) response.socket?.destroy();
    else if (kind === 9)
      return undefined; // never
    else void turns(random.below(200)).then(() => response.writeHead(500).end());
    return undefined;
  };
}

async function change({ bench, random, groups, profiles }: World): Promise<void> {
  const { sdk } = bench.server;
  const group = random.pick(groups);
  const ids = random.some(profiles, 8);
  const kind = random.below(10);
  if (kind < 4) await sdk.groups.addMembers(group, { profile_ids: ids });
  else if (kind < 6) await sdk.groups.removeMembers(group, { profile_ids: ids });
  else if (kind === 6) {
    const list = profiles.filter(() => random.chance(0.5));
    await sdk.groups.replaceMembers(group, list.map((id) => `"${id}"\n`).join('') || '\n', 'application/x-ndjson');
  } else if (kind === 7) groups.push(await bench.staticGroup());
  else if (kind === 8) profiles.push((await bench.profile({ custom_id: `fan-${profiles.length}` })).id);
  else await sdk.profiles.update(random.pick(profiles), { custom_data: String(random.below(1e9)) });
}

async function disturb(world: World): Promise<void> {
  const { bench, random } = world;
  const { sdk } = bench.server;
  const index = random.below(world.workers.length);
  const kind = random.below(9);
  if (kind < 3) {
    world.deaths++;
    const worker = world.workers[index];
    const ticking = worker?.tick().catch(() => {});
    await turns(random.below(60));
    worker?.abandon();
    world.workers[index] = newWorker(world);
    await expireHeartbeats(world);
    await tick(world, index); // beside what the dead one still has on its way
    await ticking;
  } else if (kind < 5) {
    world.deaths++;
    const sleeping = tick(world, index);
    await turns(random.below(40));
    await expireHeartbeats(world);
    await tick(world, (index + 1) % world.workers.length);
    await sleeping;
  } else if (kind < 7) {
    const webhook = random.pick(world.webhooks);
    const back = random.below(6 * 3600) * MICROS_PER_SECOND;
    webhook.rewinds++;
    await sdk.webhooks.rewind(webhook.hook.id, formatInstant(bench.clock.now() - back));
  } else if (kind === 7) {
    await sdk.webhooks.update(random.pick(world.webhooks).hook.id, { is_active: random.chance(0.5) });
  } else {
    const { hook } = random.pick(world.webhooks);
    const [delivery] = await sdk.webhooks.deliveries(hook.id, { page_size: 5 }).all();
    if (delivery && delivery.event !== 'test') await sdk.webhooks.retry(hook.id, delivery.id).catch(() => {});
  }
}

async function readFeeds(world: World): Promise<Feeds> {
  const feeds: Feeds = new Map();
  for (const group of world.groups)
    feeds.set(group, (await world.bench.changes(group)).map((change) => change.sequence)); // prettier-ignore
  for await (const { profile_id: id, sequence } of world.bench.server.sdk.profiles.changes())
    feeds.set(id, [...(feeds.get(id) ?? []), sequence]);
  return feeds;
}

const lastOf = (feeds: Feeds): Map<string, number> =>
  new Map([...feeds].map(([subject, list]) => [subject, list.at(-1) ?? 0]));

async function createWebhooks(world: World): Promise<void> {
  for (const switches of ['changes', 'summary'] as const) {
    const path = `/${switches}`;
    const start = lastOf(await readFeeds(world));
    const hook = await world.bench.server.sdk.webhooks.create({ url: world.receiver.url + path, switches });
    world.receiver.answers.set(path, answerAtRandom(world));
    world.webhooks.push({ hook, path, start, rewinds: 0 });
  }
}

async function run(world: World): Promise<void> {
  const { bench, random, receiver } = world;
  await createWebhooks(world);
  for (let step = 0; step < STEPS; step++) {
    const kind = random.below(10);
    if (kind < 4) await change(world);
    else if (kind < 6) await tick(world, random.below(world.workers.length));
    else if (kind < 8) bench.clock.advance(random.below(random.chance(0.2) ? 12_000 : 60) * MICROS_PER_SECOND);
    else await disturb(world);
  }
  world.isCalm = true;
  for (const { hook } of world.webhooks) {
    await bench.server.sdk.webhooks.update(hook.id, { is_active: false });
    await bench.server.sdk.webhooks.update(hook.id, { is_active: true });
  }
  bench.clock.advance(MICROS_PER_DAY);
  await expireHeartbeats(world);
  world.workers = [newWorker(world)];
  await tick(world, 0);
  bench.clock.advance(MICROS_PER_DAY);
  await tick(world, 0);
  const feeds = await readFeeds(world);
  for (const { path, start, rewinds } of world.webhooks) {
    const taken = receiver.received.filter((message) => message.path === path && message.status === 200);
    expect(judge(taken, feeds, start, rewinds > 0), path).toEqual([]);
    const times = new Map<string, number>();
    for (const { id } of taken) times.set(id, (times.get(id) ?? 0) + 1);
    // Once more for each death, and for each time that somebody asked for it by hand.
    expect(Math.max(0, ...times.values())).toBeLessThanOrEqual(1 + world.deaths + STEPS / 5);
  }
}

describe('whatever happens', () => {
  it(
    'each feed arrives complete, in order, and once',
    async () => {
      for (const seed of runSeeds(chooseSeed(), 3)) {
        const bench = await createBench({ env: { WEBHOOK_ALLOW_PRIVATE: 'true' } });
        bench.clock.set(Date.now() * 1000);
        const receiver = await startReceiver();
        const db = openDatabase({ url: bench.server.databaseUrl, poolSize: 6, name: 'grandstand' });
        const world: World = { bench, receiver, random: createRandom(seed), db, webhooks: [], groups: [], profiles: [], workers: [], deaths: 0, isCalm: false }; // prettier-ignore
        try {
          world.profiles.push(...(await addProfiles(bench.server, 20)));
          for (let n = 0; n < 3; n++) world.groups.push(await bench.staticGroup());
          world.workers.push(newWorker(world), newWorker(world));
          await run(world);
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error });
        } finally {
          for (const worker of world.workers) worker.abandon();
          await db.close();
          await bench.close();
          await receiver.close();
        }
      }
    },
    propertyTimeout(),
  );
});
