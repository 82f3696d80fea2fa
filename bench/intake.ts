// Activities over HTTP in batches, on a loaded season, beside the bare statement on the same tables: the same inserts,
// totals and queue rows sent straight to the database, with nothing checked and nothing evaluated. Profiles are drawn so that
// the hottest 5 % make half. With `--groups 100` dynamic groups live, the queue must not grow: what is measured is how much
// goes through intake and evaluation together, how fresh memberships are meanwhile, and whether the server still answers.
// `npm run build` first. The season stays where `--season` says; a second run loads nothing.

import { parseArgs } from 'node:util';
import pg from 'pg';
import {
  call,
  clearGroups,
  freshness,
  makeGroup,
  peakMemory,
  probeDuring,
  quantile,
  quantileOf,
  sumOf,
  untilCounted,
  untilDrained,
  untilLive,
} from './client.ts';
import { median, report, rounded, startGrandstand, type Process } from './lib.ts';
import { prepareSeason } from './season.ts';

const { values: options } = parseArgs({
  options: {
    profiles: { type: 'string', default: '1000000' },
    activities: { type: 'string', default: '20000000' },
    batch: { type: 'string', default: '500' },
    connections: { type: 'string', default: '4' },
    groups: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '15' },
    rounds: { type: 'string', default: '3' },
    season: { type: 'string' },
  },
});
const PROFILES = Number(options.profiles);
const BATCH = Number(options.batch);
const CONNECTIONS = Number(options.connections);
const ROUNDS = Number(options.rounds);
/** Long enough for its figure, short enough for what it queues to be evaluated soon. */
const BARE_SECONDS = 4;

const TYPES: [name: string, id: number][] = [
  ['comment-created', 2],
  ['user-reaction-created', 27],
  ['chat-message-created', 1],
  ['session-started', 15],
  ['poll-voted', 7],
  ['quiz-answered', 11],
];

/** Zipf and Mandelbrot's law with the exponent at which the first 5 % of the ranks have half of the weight. */
function drawProfile(): number {
  const [a, q] = [0.08, 0.001];
  const low = q ** a;
  const rank = (low + Math.random() * ((1 + q) ** a - low)) ** (1 / a) - q;
  // Ranks are spread over the ordinals.
  return Number((BigInt(Math.min(PROFILES - 1, Math.floor(rank * PROFILES))) * 7_368_787n) % BigInt(PROFILES));
}

interface Item {
  ordinal: number;
  profileId: string;
  type: (typeof TYPES)[number];
  id: string;
  at: string;
}

let serial = 0;
const run = Date.now().toString(36);

function drawBatch(ids: readonly string[]): Item[] {
  const now = Date.now();
  return Array.from({ length: BATCH }, () => {
    const ordinal = drawProfile();
    return {
      ordinal,
      profileId: ids[ordinal] ?? '',
      type: TYPES[Math.floor(Math.random() * TYPES.length)] ?? ['comment-created', 2],
      id: `${run}-${(serial++).toString(36)}`,
      at: new Date(now - Math.floor(Math.random() * 60_000)).toISOString().replace('Z', '000Z'),
    };
  });
}

/** Works on as many connections as are given until the time is over; activities a second. */
async function measure(seconds: number, lanes: (() => Promise<void>)[]): Promise<number> {
  const started = performance.now();
  let done = 0;
  await Promise.all(
    lanes.map(async (send) => {
      while (performance.now() - started < seconds * 1000) {
        await send();
        done += BATCH;
      }
    }),
  );
  return done / ((performance.now() - started) / 1000);
}

const BARE = `
  with input as (
    select * from unnest($2::uuid[], $3::text[], $4::int[], $5::int[], $6::timestamptz[]) as i (profile_id, id, ordinal, type_id, occurred_at)),
  fresh as (
    insert into activities (profile_id, id, application_id, ordinal, type_id, occurred_at, value)
    select profile_id, id, $1, ordinal, type_id, occurred_at, 1 from input order by profile_id, id
    on conflict do nothing returning profile_id, ordinal, type_id, occurred_at, value),
  counted as (
    insert into totals (profile_id, fact_id, application_id, ordinal, count, sum, first_at, last_at)
    select f.profile_id, k.fact_id, $1, f.ordinal, count(*), sum(f.value), min(f.occurred_at), max(f.occurred_at)
    from fresh f cross join lateral (values (0), (f.type_id)) as k (fact_id) group by 1, 2, 4 order by 1, 2
    on conflict (profile_id, fact_id) do update set count = totals.count + excluded.count, sum = totals.sum + excluded.sum,
      first_at = least(totals.first_at, excluded.first_at), last_at = greatest(totals.last_at, excluded.last_at)),
  marked as (
    update profiles p set has_activities = true from (select distinct profile_id from fresh) f
    where p.id = f.profile_id and not p.has_activities),
  queued as (
    insert into queue (profile_id, bucket, application_id, cause, changed, queued_at)
    select f.profile_id, f.ordinal % 64, $1, 'activity', array_agg(distinct w.key), $7::timestamptz
    from fresh f join (select distinct key from watched_keys where application_id = $1) w on w.key = 'activity:' || f.type_id or w.key = 'activity:*'
    group by f.profile_id, f.ordinal)
  select count(*)::int as accepted from fresh`;

async function main(): Promise<void> {
  const season = await prepareSeason({
    profiles: PROFILES,
    activities: Number(options.activities),
    folder: options.season,
  });
  const clients = Array.from({ length: 3 }, () => new pg.Client({ connectionString: season.url }));
  let server: Process | undefined;
  try {
    await Promise.all(clients.map((client) => client.connect()));
    const [first] = clients;
    if (!first) throw new Error('no connection');
    const { rows } = await first.query<{ id: string }>(
      'select id from profiles where application_id = $1 order by ordinal',
      [season.applicationId],
    );
    const ids = rows.map((row) => row.id);
    const bare = clients.map((client) => () => storeBare(client, season.applicationId, drawBatch(ids)));

    server = await startGrandstand({ DATABASE_URL: season.url, ROLE: 'all' });
    const made = await makeGroups(server, first, Number(options.groups));
    await untilDrained(server);
    await server.stop();
    await measure(2, bare); // warm
    const bareRates: number[] = [];
    for (let round = 0; round < ROUNDS; round++) bareRates.push(await measure(BARE_SECONDS, bare));

    // What the bare statement queued tells how fast the evaluation is with nothing beside it.
    const waiting = await queueOf(first);
    server = await startGrandstand({ DATABASE_URL: season.url, ROLE: 'all' });
    const drained = waiting.rows / (await untilDrained(server));

    const rounds: Round[] = [];
    await measure(5, overHttp(server, ids)); // warm
    for (let round = 0; round < ROUNDS; round++) rounds.push(await measureHttp(server, first, ids));
    show(made, bareRates, drained, rounds, peakMemory(server));
  } finally {
    await server?.stop();
    await Promise.all(clients.map((client) => client.end()));
    await season.stop();
  }
}

async function storeBare(client: pg.Client, applicationId: number, batch: Item[]): Promise<void> {
  const values = [
    applicationId,
    batch.map((item) => item.profileId),
    batch.map((item) => item.id),
    batch.map((item) => item.ordinal),
    batch.map((item) => item.type[1]),
    batch.map((item) => item.at),
    new Date().toISOString(),
  ];
  await client.query({ name: 'bare', text: BARE, values });
}

const overHttp = (server: Process, ids: readonly string[]): (() => Promise<void>)[] =>
  Array.from({ length: CONNECTIONS }, () => async () => {
    const activities = drawBatch(ids).map((item) => ({
      id: item.id,
      type: item.type[0],
      profile_id: item.profileId,
      occurred_at: item.at,
    }));
    const answer = await call<{ accepted: number }>(server, 'POST', '/activities/', { activities });
    if (answer.accepted !== BATCH) throw new Error(JSON.stringify(answer).slice(0, 300));
  });

interface Round {
  rate: number;
  /** Rows in the queue before and after, and the age of the oldest after it, in seconds. */
  queue: { before: number; after: number; age: number };
  fresh: { p50: number; p99: number };
  /** Milliseconds of small requests beside the load. */
  probes: number[];
}

async function queueOf(client: pg.Client): Promise<{ rows: number; age: number }> {
  const { rows } = await client.query<{ rows: number; age: number }>(`
    select count(*)::int as rows, coalesce(extract(epoch from clock_timestamp() - min(queued_at)), 0)::float8 as age
    from queue where cause <> 'clock'`);
  return rows[0] ?? { rows: 0, age: 0 };
}

async function measureHttp(server: Process, client: pg.Client, ids: readonly string[]): Promise<Round> {
  await untilCounted();
  const before = { queue: await queueOf(client), fresh: await freshness(server) };
  const running = measure(Number(options.seconds), overHttp(server, ids));
  const probes = await probeDuring(server, '/profile-groups/custom:bench-0/', running);
  const after = await queueOf(client);
  const rate = await running;
  await untilCounted();
  const fresh = await freshness(server);
  return {
    rate,
    queue: { before: before.queue.rows, after: after.rows, age: after.age },
    fresh: { p50: quantile(before.fresh, fresh, 0.5) * 1000, p99: quantile(before.fresh, fresh, 0.99) * 1000 },
    probes,
  };
}

function show(groups: number, bare: number[], drained: number, rounds: Round[], memory: number): void {
  const rate = median(rounds.map((round) => round.rate));
  const probes = rounds.flatMap((round) => round.probes);
  const each = (text: (round: Round) => string): string => rounds.map(text).join(', ');
  report(
    `Intake in batches of ${BATCH} on ${options.profiles} profiles and ${options.activities} activities, ${groups} dynamic groups`,
    [
      [
        'activities a second over HTTP',
        `${rounded(rate)} (${each((r) => rounded(r.rate))})`,
        '',
        'at least 5,000, aim 10,000',
      ],
      [
        '… / the bare statement, nothing evaluated',
        `${rounded(rate)} / ${rounded(median(bare))}`,
        rate / median(bare),
        'at least 0.25',
      ],
      ['queue before → after each round', each(({ queue }) => `${queue.before} → ${queue.after}`), '', 'does not grow'],
      ['age of its oldest row after each', `${each(({ queue }) => rounded(queue.age))} s`, '', ''],
      [
        'freshness meanwhile, as /metrics tells it',
        `p50 ${each(({ fresh }) => rounded(fresh.p50))}, p99 ${each(({ fresh }) => rounded(fresh.p99))} ms`,
        '',
        'p99 under 1,000',
      ],
      [
        'a small GET meanwhile',
        `p50 ${rounded(quantileOf(probes, 0.5))}, p99 ${rounded(quantileOf(probes, 0.99))} ms`,
        '',
        '',
      ],
      ['rows evaluated a second with no intake', rounded(drained), '', ''],
      ['memory of the process at its most', `${rounded(memory)} MB`, '', 'under 600'],
    ],
  );
}

/** Groups that read what the load sends, of several kinds; those of an earlier run stay. */
async function makeGroups(server: Process, client: pg.Client, count: number): Promise<number> {
  const attributes = [
    'total_comments_posted',
    'total_reactions_added',
    'total_chat_messages',
    'total_poll_votes',
    'total_quiz_answers',
  ];
  const known = new Set<string | null>();
  for (let page = 1, more = true; more; page++) {
    const answer = await call<{ results: { custom_id: string | null }[]; next: string | null }>(
      server,
      'GET',
      `/profile-groups/?membership_type=dynamic&page_size=100&page=${page}`,
    );
    for (const group of answer.results) known.add(group.custom_id);
    more = answer.next !== null;
  }
  const isOurs = (id: string | null): boolean => id?.startsWith('bench-') === true;
  if (![...known].every(isOurs)) {
    await clearGroups(server, client); // of a benchmark that was interrupted
    known.clear();
  }
  const ids: string[] = [];
  for (let i = 0; i < count; i++) {
    const leaf = {
      attribute: attributes[i % attributes.length],
      condition: 'greater_than_or_equal',
      value: 20 + i * 3,
      ...(i % 2 === 0 && { window: 'P7D' }),
    };
    const customId = `bench-${i}`;
    if (!known.has(customId)) await makeGroup(server, { operator: 'OR', children: [leaf] }, customId);
    ids.push(`custom:${customId}`);
  }
  for (const id of ids) await untilLive(server, id);
  return (await sumOf(server, 'grandstand_groups_filling')) === 0 ? ids.length : 0;
}

await main();
