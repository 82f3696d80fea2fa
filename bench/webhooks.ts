// Webhooks: how long after its acknowledgement a change is received, with and without dead endpoints beside the living
// ones, and how fast the switch of a whole group is told, against a bare loop that reads the feed and posts.
// `npx tsx bench/webhooks.ts`; ROUNDS, SECONDS, RATE (changes a second) and MEMBERS make it smaller or larger.

import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { call, pause, quantileOf } from './client.ts';
import {
  ADMIN_TOKEN,
  CLIENT_ID,
  inTurns,
  median,
  medianRatio,
  paired,
  report,
  startGrandstand,
  temporaryFolder,
  type Process,
} from './lib.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 3);
const SECONDS = Number(process.env['SECONDS'] ?? 12);
const RATE = Number(process.env['RATE'] ?? 1000);
const MEMBERS = Number(process.env['MEMBERS'] ?? 100_000);
const GROUPS = 20;
const LIVING = 8;
const AT_ONCE = 50;
const PAGE = 500;

interface Changes {
  group: { id: string };
  last_sequence: number;
  changes: { profile_id: string; change: string }[];
}

interface Receiver {
  url: string;
  /** Told of every message. */
  onMessage: (path: string, data: Changes) => void;
  close(): Promise<void>;
}

/** Takes everything, but below `/silent` never answers. */
async function startReceiver(): Promise<Receiver> {
  const server: Server = createServer((request, response) => {
    const path = request.url ?? '';
    if (path.startsWith('/silent')) return;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.end();
      const { data } = JSON.parse(Buffer.concat(chunks).toString()) as { data: Changes }; // only such events are asked for
      receiver.onMessage(path, data);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    onMessage: () => {},
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return receiver;
}

/** A port at which nothing listens. */
async function deadPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  await new Promise<void>((resolve, reject) => {
    connect(port, '127.0.0.1', () => reject(new Error('something listens there'))).once('error', () => resolve());
  });
  return port;
}

const createWebhook = (server: Process, url: string, groups?: string[]): Promise<{ id: string }> =>
  call(server, 'POST', '/webhooks/', { url, events: ['membership.changed'], ...(groups && { groups }) });

async function createProfiles(server: Process, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let from = 0; from < count; from += 1000) {
    const profiles = Array.from({ length: Math.min(1000, count - from) }, (_, i) => ({ custom_id: `fan-${from + i}` }));
    const { results } = await call<{ results: { id: string }[] }>(server, 'POST', '/profiles/bulk/', { profiles });
    ids.push(...results.map(({ id }) => id));
  }
  return ids;
}

interface Feed {
  server: Process;
  receiver: Receiver;
  profiles: string[];
  groups: string[];
}

/** Milliseconds from acknowledged to received, p99 over all changes and living webhooks, at RATE changes a second. */
async function measureLatency({ server, receiver, profiles, groups }: Feed): Promise<number> {
  const samples: number[] = [];
  const acknowledged = new Map<string, number>();
  const early = new Map<string, number[]>();
  receiver.onMessage = (_path, { group, changes }) => {
    const now = performance.now();
    for (const { profile_id: id, change } of changes) {
      const key = `${group.id} ${id} ${change}`;
      const at = acknowledged.get(key);
      if (at !== undefined) samples.push(now - at);
      else early.set(key, [...(early.get(key) ?? []), now]); // received before its caller was answered
    }
  };
  const requests: Promise<void>[] = [];
  const turns = (RATE / AT_ONCE) * SECONDS;
  const started = performance.now();
  let sent = 0;
  for (let turn = 0; turn < turns; turn++) {
    const wait = started + (turn * 1000 * AT_ONCE) / RATE - performance.now();
    if (wait > 0) await pause(wait);
    const group = groups[turn % groups.length] ?? '';
    const pass = Math.floor(turn / groups.length);
    const slices = Math.floor(profiles.length / AT_ONCE);
    const ids = profiles.slice((pass % slices) * AT_ONCE, ((pass % slices) + 1) * AT_ONCE);
    const isAdding = Math.floor(pass / slices) % 2 === 0;
    sent += ids.length;
    const path = `/profile-groups/${group}/members/`;
    requests.push(
      call(server, isAdding ? 'POST' : 'DELETE', path, { profile_ids: ids }).then(() => {
        const now = performance.now();
        for (const id of ids) acknowledged.set(`${group} ${id} ${isAdding ? 'entered' : 'left'}`, now);
      }),
    );
  }
  await Promise.all(requests);
  const perSecond = sent / ((performance.now() - started) / 1000);
  if (perSecond < RATE * 0.9) console.log(`  only ${Math.round(perSecond)} changes a second were reached`);
  const count = (): number => samples.length + [...early.values()].reduce((sum, { length }) => sum + length, 0);
  const until = performance.now() + 60_000;
  while (count() < sent * LIVING && performance.now() < until) await pause(20);
  if (count() !== sent * LIVING) throw new Error(`${count()} of ${sent * LIVING} changes were received`);
  for (const received of early.values()) samples.push(...received.map(() => 0));
  for (const group of groups) await empty(server, group);
  return quantileOf(samples, 0.99);
}

/** Out of the figures: all go, and the living webhooks were told. */
async function empty(server: Process, group: string): Promise<void> {
  const { results } = await call<{ results: { id: string }[] }>(
    server,
    'GET',
    `/profile-groups/${group}/members/?page_size=1000`,
  );
  if (results.length > 0)
    await call(server, 'DELETE', `/profile-groups/${group}/members/`, { profile_ids: results.map(({ id }) => id) });
  await pause(100);
}

async function withDead<T>(feed: Feed, work: () => Promise<T>): Promise<T> {
  const dead = [
    await createWebhook(feed.server, `http://127.0.0.1:${await deadPort()}/`),
    await createWebhook(feed.server, `${feed.receiver.url}/silent`),
  ];
  // They have found out that nobody answers.
  await pause(500);
  const result = await work();
  for (const { id } of dead) await call(feed.server, 'DELETE', `/webhooks/${id}/`);
  return result;
}

/** Milliseconds until a webhook was told the switch of all members, by its messages. */
async function tellSwitch({ server, receiver, profiles }: Feed): Promise<number> {
  const group = (await call<{ id: string }>(server, 'POST', '/profile-groups/', { name: 'Switched' })).id;
  const webhook = await createWebhook(server, `${receiver.url}/switch`, [group]);
  await pause(1500); // it is known to the worker
  let told = 0;
  const done = new Promise<void>((resolve) => {
    receiver.onMessage = (path, { changes }) => {
      if (path !== '/switch') return;
      told += changes.length;
      if (told === profiles.length) resolve();
    };
  });
  const response = await fetch(`${server.url}/api/v1/applications/${CLIENT_ID}/profile-groups/${group}/members/`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'text/csv' },
    body: `profile_id\n${profiles.join('\n')}\n`,
  });
  if (!response.ok) throw new Error(`PUT members: ${response.status} ${await response.text()}`);
  const started = performance.now();
  await done;
  const took = performance.now() - started;
  await call(server, 'DELETE', `/webhooks/${webhook.id}/`);
  switched = group;
  return took;
}
let switched = '';

/** What anybody would write who has no webhooks: a page of the feed, a post, the next page. */
async function tellByHand({ server, receiver }: Feed): Promise<number> {
  receiver.onMessage = () => {};
  const started = performance.now();
  for (let after = 0; ;) {
    const { results } = await call<{ results: { sequence: number; profile_id: string; change: string }[] }>(
      server,
      'GET',
      `/profile-groups/${switched}/changes/?after=${after}&page_size=${PAGE}`,
    );
    if (results.length === 0) break;
    after = results.at(-1)?.sequence ?? after;
    const data = { group: { id: switched }, last_sequence: after, changes: results };
    await (
      await fetch(`${receiver.url}/by-hand`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ type: 'membership.changed', data }),
      })
    ).text();
  }
  return performance.now() - started;
}

const folder = await temporaryFolder();
const server = await startGrandstand({ DATA_DIR: folder.path, WEBHOOK_ALLOW_PRIVATE: 'true' });
const receiver = await startReceiver();
try {
  const all = await createProfiles(server, MEMBERS);
  const groups: string[] = [];
  for (let i = 0; i < GROUPS; i++)
    groups.push((await call<{ id: string }>(server, 'POST', '/profile-groups/', { name: `Group ${i}` })).id);
  const living: string[] = [];
  for (let i = 0; i < LIVING; i++) living.push((await createWebhook(server, `${receiver.url}/living/${i}`, groups)).id);
  await pause(1500);
  const feed: Feed = { server, receiver, profiles: all.slice(0, 5000), groups };

  const [alone = [], beside = []] = await inTurns(ROUNDS, [
    () => measureLatency(feed),
    () => withDead(feed, () => measureLatency(feed)),
  ]);
  for (const id of living) await call(server, 'DELETE', `/webhooks/${id}/`);

  const whole: Feed = { ...feed, profiles: all };
  await tellSwitch({ ...feed, profiles: all.slice(0, 10_000) }); // the first is not counted
  const byHand = await paired(
    ROUNDS,
    () => tellSwitch(whole),
    () => tellByHand(whole),
  );

  const ms = (values: number[]): string => `${Math.round(median(values))} ms`;
  report(`Webhooks, ${RATE} changes a second to ${LIVING} living webhooks`, [
    [
      'acknowledged to received, p99, beside two dead ones',
      ms(beside),
      `${Math.round(median(beside))} ms`,
      '1,000 ms at most',
    ],
    ['… against the living ones alone', `${ms(beside)} / ${ms(alone)}`, medianRatio(beside, alone), '1.2 at most'],
    [
      `a switch of ${MEMBERS.toLocaleString('en')}, told, against a bare loop`,
      `${Math.round(byHand.a)} / ${Math.round(byHand.b)} ms`,
      1 / byHand.ratio,
      '0.5 of its speed',
    ],
  ]);
} finally {
  await receiver.close();
  await server.stop();
  await folder.remove();
}
