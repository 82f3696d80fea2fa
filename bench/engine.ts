// The engine over HTTP, as built (`npm run build` first): how fresh memberships are while activities come in, what groups
// cost that do not read them, fills beside a bare `insert … select` of the same rows, and verify. Smaller numbers by
// `--profiles`, `--activities`, `--groups`, `--seconds`; the previews are measured in preview.ts, intake in intake.ts.

import { parseArgs } from 'node:util';
import pg from 'pg';
import { ADMIN_TOKEN, CLIENT_ID, median, report, rounded, startGrandstand, type Process } from './lib.ts';
import { prepareSeason } from './season.ts';

const { values: options } = parseArgs({
  options: {
    profiles: { type: 'string', default: '1000000' },
    activities: { type: 'string', default: '20000000' },
    groups: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '3' },
  },
});
const PROFILES = Number(options.profiles);
const GROUPS = Number(options.groups);
const RATE = Number(options.rate);
const SECONDS = Number(options.seconds);
const ROUNDS = Number(options.rounds);
const READERS = Math.min(50, GROUPS);
const PATH = `/api/v1/applications/${CLIENT_ID}`;

const leaf = {
  talkative: { attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 10, window: 'P7D' },
  finishers: { attribute: 'total_quests_completed', condition: 'greater_than_or_equal', value: 5 },
  inactive: { attribute: 'days_inactive', condition: 'greater_than_or_equal', value: 30 },
  lions: { attribute: 'favourite_team', condition: 'equals', value: 'lions' },
};
const any = (...children: unknown[]): unknown => ({ operator: 'OR', children });
const FIVE: [name: string, rule: unknown][] = [
  ['windowed count', leaf.talkative],
  ['lifetime count', leaf.finishers],
  ['inactivity', leaf.inactive],
  ['custom attribute', leaf.lions],
  [
    'AND of two ORs',
    { operator: 'AND', children: [any(leaf.talkative, leaf.finishers), any(leaf.lions, leaf.inactive)] },
  ],
];

async function call<T>(server: Process, method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`${server.url}${PATH}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${ADMIN_TOKEN}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return (response.status === 204 ? undefined : await response.json()) as T; // the caller knows the answer's shape
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const makeGroup = async (server: Process, rule: unknown): Promise<string> =>
  (
    await call<{ id: string }>(server, 'POST', '/profile-groups/', {
      name: 'Bench',
      membership_type: 'dynamic',
      rule_tree: rule,
    })
  ).id;

async function untilLive(server: Process, group: string): Promise<number> {
  const started = performance.now();
  for (;;) {
    const shown = await call<{ evaluation: { state: string; last_error: string | null } }>(
      server,
      'GET',
      `/profile-groups/${group}/`,
    );
    if (shown.evaluation.state === 'live') return (performance.now() - started) / 1000;
    if (shown.evaluation.state === 'failed') throw new Error(`a fill failed: ${String(shown.evaluation.last_error)}`);
    await pause(10);
  }
}

/** A metric's samples by label set. */
async function metric(server: Process, name: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return new Map(lines.map((line) => [/\{(.*)\}/.exec(line)?.[1] ?? '', Number(line.slice(line.lastIndexOf(' ')))]));
}

const only = async (server: Process, name: string): Promise<number> =>
  [...(await metric(server, name)).values()].reduce((a, b) => a + b, 0);

/** A quantile of what a histogram counted between two readings, straight within its bucket. */
function quantile(before: Map<string, number>, after: Map<string, number>, q: number): number {
  const buckets = [...after].map(([labels, count]) => ({
    bound: Number(/le="([^"]+)"/.exec(labels)?.[1]?.replace('+Inf', 'Infinity')),
    count: count - (before.get(labels) ?? 0),
  }));
  buckets.sort((a, b) => a.bound - b.bound);
  const wanted = (buckets.at(-1)?.count ?? 0) * q;
  let low = { bound: 0, count: 0 };
  for (const bucket of buckets) {
    if (bucket.count >= wanted) {
      return bucket.bound === Infinity
        ? low.bound
        : low.bound + ((wanted - low.count) / Math.max(1, bucket.count - low.count)) * (bucket.bound - low.bound);
    }
    low = bucket;
  }
  return NaN;
}

let sent = 0;
/** Sends comments of random profiles at the given rate, twenty batches a second. */
async function sendSteadily(server: Process, ids: string[], seconds: number): Promise<void> {
  const perBatch = Math.max(1, Math.round(RATE / 20));
  const waiting: Promise<unknown>[] = [];
  const started = performance.now();
  for (let batch = 0; batch < seconds * 20; batch++) {
    await pause(Math.max(0, started + batch * 50 - performance.now()));
    const activities = Array.from({ length: perBatch }, () => ({
      id: `engine-${process.pid}-${++sent}`,
      type: 'comment-created',
      profile_id: ids[Math.floor(Math.random() * ids.length)],
    }));
    waiting.push(call(server, 'POST', '/activities/', { activities }));
  }
  await Promise.all(waiting);
}

async function untilDrained(server: Process): Promise<void> {
  while ((await only(server, 'grandstand_queue_rows')) > 0) await pause(50);
  await pause(1_000); // the counters of the worker's thread come twice a second
}

const READ = (n: number): unknown => ({
  attribute: 'total_comments_posted',
  condition: 'greater_than_or_equal',
  value: 3 + (n % 20),
  window: `P${1 + (n % 30)}D`,
});
const UNREAD = (n: number): unknown => ({
  attribute: 'streak_reset_count',
  condition: 'greater_than_or_equal',
  value: 1 + n,
});

async function makeMany(server: Process, count: number, rule: (n: number) => unknown): Promise<void> {
  const made: string[] = [];
  for (let n = 0; n < count; n++) made.push(await makeGroup(server, rule(n)));
  for (const group of made) await untilLive(server, group);
}

interface Measured {
  p50: number;
  p99: number;
  /** Processor milliseconds of the whole process for each activity. */
  cpu: number;
}

async function measureLive(server: Process, ids: string[]): Promise<Measured> {
  await sendSteadily(server, ids, 3);
  await untilDrained(server);
  const before = {
    fresh: await metric(server, 'grandstand_freshness_seconds_bucket'),
    cpu: await only(server, 'process_cpu_seconds_total'),
    sent,
  };
  await sendSteadily(server, ids, SECONDS);
  await untilDrained(server);
  const after = {
    fresh: await metric(server, 'grandstand_freshness_seconds_bucket'),
    cpu: await only(server, 'process_cpu_seconds_total'),
    sent,
  };
  return {
    p50: quantile(before.fresh, after.fresh, 0.5) * 1000,
    p99: quantile(before.fresh, after.fresh, 0.99) * 1000,
    cpu: ((after.cpu - before.cpu) * 1000) / (after.sent - before.sent),
  };
}

/** The same member and change rows written by one statement each, with the same indexes. */
async function bareCopy(client: pg.Client, group: string): Promise<number> {
  await client.query('drop table if exists bench_members, bench_changes');
  await client.query('create table bench_members (like members including indexes)');
  await client.query('create table bench_changes (like changes including indexes)');
  const started = performance.now();
  await client.query('insert into bench_members select * from members where group_id = $1', [group]);
  await client.query(
    `insert into bench_changes (group_id, epoch, number, profile_id, ordinal, change, at, cause)
     select group_id, 1, row_number() over (), profile_id, ordinal, 'entered', null, 'rule' from bench_members`,
  );
  return (performance.now() - started) / 1000;
}

async function main(): Promise<void> {
  const season = await prepareSeason({ profiles: PROFILES, activities: Number(options.activities) });
  const server = await startGrandstand({ DATABASE_URL: season.url, ROLE: 'all' });
  const client = new pg.Client({ connectionString: season.url });
  await client.connect();
  const rows: Parameters<typeof report>[1] = [];
  try {
    const { rows: profiles } = await client.query<{ id: string }>(
      'select id from profiles where application_id = $1 and ordinal < 50000',
      [season.applicationId],
    );
    const ids = profiles.map((profile) => profile.id);

    const fills: number[] = [];
    const bares: number[] = [];
    let verified = '';
    for (const [name, rule] of FIVE) {
      const times: number[] = [];
      let group = '';
      for (let round = 0; round < ROUNDS; round++) {
        if (group !== '') await call(server, 'DELETE', `/profile-groups/${group}/`);
        group = await makeGroup(server, rule);
        times.push(await untilLive(server, group));
      }
      const bare = median(await Promise.all([bareCopy(client, group)]));
      fills.push(median(times));
      bares.push(bare);
      const started = performance.now();
      const proof = await call<{ checked: number; missing: number; extra: number }>(
        server,
        'POST',
        `/profile-groups/${group}/verify/`,
        {},
      );
      const { profile_count: size } = await call<{ profile_count: number }>(server, 'GET', `/profile-groups/${group}/`);
      verified = `${size} members: ${rounded((performance.now() - started) / 1000)} s, missing ${proof.missing}, extra ${proof.extra}`;
      rows.push([
        `fill: ${name}`,
        `${rounded(median(times))} s, bare ${rounded(bare)} s (${size} members)`,
        median(times) / bare,
        'at most 1.5 for the five',
      ]);
      rows.push([`verify: ${name}`, verified, '', 'under 2 s for 100,000']);
      await call(server, 'DELETE', `/profile-groups/${group}/`);
    }
    const sum = (of: number[]): number => of.reduce((a, b) => a + b, 0);
    rows.push([
      'fill of the five',
      `${rounded(sum(fills))} s, bare ${rounded(sum(bares))} s`,
      sum(fills) / sum(bares),
      'at most 1.5',
    ]);

    await makeMany(server, READERS, READ);
    await makeMany(server, Math.min(100, GROUPS - READERS), UNREAD);
    const few = await measureLive(server, ids);
    await makeMany(server, GROUPS - READERS - Math.min(100, GROUPS - READERS), (n) => UNREAD(n + 100));
    const many = await measureLive(server, ids);
    rows.push([
      `freshness at ${RATE}/s, ${READERS} of ${GROUPS} groups read it`,
      `p50 ${rounded(many.p50)} ms, p99 ${rounded(many.p99)} ms`,
      '',
      'p50 50, p99 250',
    ]);
    rows.push([
      'cost of an activity, 100 unrelated groups to all',
      `${rounded(few.cpu)} ms, ${rounded(many.cpu)} ms of processor`,
      many.cpu / few.cpu,
      'at most 1.1',
    ]);
    rows.push([
      'memory of the process',
      `${rounded((await only(server, 'process_resident_memory_bytes')) / 2 ** 20)} MB`,
      '',
      'under 600',
    ]);
    report(`engine, ${PROFILES} profiles`, rows);
  } finally {
    await client.query('drop table if exists bench_members, bench_changes').catch(() => {});
    await client
      .query('delete from groups where application_id = $1 and membership_type = $2', [season.applicationId, 'dynamic'])
      .catch(() => {});
    await client.end();
    await server.stop();
    await season.stop();
  }
}

await main();
