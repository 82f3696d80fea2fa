// Activities over HTTP in batches, on a loaded season, beside the bare statement on the same tables: the same inserts,
// totals and queue rows sent straight to the database, with nothing checked. Profiles are drawn so that the hottest 5 %
// make half. With `--groups 100` dynamic groups live, and the queue must not grow. `npm run build` first.

import { parseArgs } from 'node:util';
import pg from 'pg';
import { ADMIN_TOKEN, CLIENT_ID, paired, report, rounded, startGrandstand } from './lib.ts';
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
  },
});
const PROFILES = Number(options.profiles);
const BATCH = Number(options.batch);
const CONNECTIONS = Number(options.connections);

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
  queued as (
    insert into queue (profile_id, bucket, application_id, cause, changed, queued_at)
    select f.profile_id, f.ordinal % 64, $1, 'activity', array_agg(distinct w.key), $7::timestamptz
    from fresh f join (select distinct key from watched_keys where application_id = $1) w on w.key = 'activity:' || f.type_id or w.key = 'activity:*'
    group by f.profile_id, f.ordinal)
  select count(*)::int as accepted from fresh`;

async function main(): Promise<void> {
  const season = await prepareSeason({ profiles: PROFILES, activities: Number(options.activities) });
  const clients = Array.from({ length: 3 }, () => new pg.Client({ connectionString: season.url }));
  await Promise.all(clients.map((client) => client.connect()));
  const [first] = clients;
  const { rows } = await first!.query<{ id: string }>(
    'select id from profiles where application_id = $1 order by ordinal',
    [season.applicationId],
  );
  const ids = rows.map((row) => row.id);
  const server = await startGrandstand({ DATABASE_URL: season.url, ROLE: 'all' });
  try {
    const made = await makeGroups(server.url, Number(options.groups));
    const queueLength = async (): Promise<number> => {
      const result = await first!.query<{ count: number }>('select count(*)::int as count from queue');
      return result.rows[0]?.count ?? 0;
    };
    const http = Array.from({ length: CONNECTIONS }, () => async (): Promise<void> => {
      const activities = drawBatch(ids).map((item) => ({
        id: item.id,
        type: item.type[0],
        profile_id: item.profileId,
        occurred_at: item.at,
      }));
      const answer = await fetch(`${server.url}/api/v1/applications/${CLIENT_ID}/activities/`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify({ activities }),
      });
      const body = (await answer.json()) as { accepted?: number };
      if (body.accepted !== BATCH) throw new Error(`${answer.status} ${JSON.stringify(body).slice(0, 300)}`);
    });
    const bare = clients.map((client) => async (): Promise<void> => {
      const batch = drawBatch(ids);
      const values = [
        season.applicationId,
        batch.map((item) => item.profileId),
        batch.map((item) => item.id),
        batch.map((item) => item.ordinal),
        batch.map((item) => item.type[1]),
        batch.map((item) => item.at),
        new Date().toISOString(),
      ];
      await client.query({ name: 'bare', text: BARE, values });
    });
    const seconds = Number(options.seconds);
    await measure(3, http); // warm
    await measure(3, bare);
    const queues: string[] = [];
    const result = await paired(
      Number(options.rounds),
      async () => {
        const before = await queueLength();
        const rate = await measure(seconds, http);
        queues.push(`${before}→${await queueLength()}`);
        return rate;
      },
      () => measure(seconds, bare),
    );
    report(
      `Intake in batches of ${BATCH} on ${options.profiles} profiles and ${options.activities} activities, ${made} dynamic groups`,
      [
        [
          'over HTTP / the bare statement, activities a second',
          `${rounded(result.a)} / ${rounded(result.b)}`,
          result.ratio,
          'at least 0.25',
        ],
        ['over HTTP, activities a second', rounded(result.a), '', 'at least 5,000, aim 10,000'],
        ['queue before and after each round over HTTP', queues.join(', '), '', 'does not grow'],
      ],
    );
  } finally {
    await server.stop();
    await Promise.all(clients.map((client) => client.end()));
    await season.stop();
  }
}

/** Groups that read what the load sends, of several kinds; those of an earlier run stay. */
async function makeGroups(url: string, count: number): Promise<number> {
  const api = `${url}/api/v1/applications/${CLIENT_ID}/profile-groups/`;
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' };
  const attributes = [
    'total_comments_posted',
    'total_reactions_added',
    'total_chat_messages',
    'total_poll_votes',
    'total_quiz_answers',
  ];
  for (let i = 0; i < count; i++) {
    const leaf = {
      attribute: attributes[i % attributes.length],
      condition: 'greater_than_or_equal',
      value: 20 + i * 3,
      ...(i % 2 === 0 && { window: 'P7D' }),
    };
    const body = {
      name: `Bench ${i}`,
      custom_id: `bench-${i}`,
      membership_type: 'dynamic',
      rule_tree: { operator: 'OR', children: [leaf] },
    };
    const answer = await fetch(api, { method: 'POST', headers, body: JSON.stringify(body) });
    if (answer.status !== 201 && answer.status !== 409 && answer.status !== 400)
      throw new Error(`${answer.status} ${await answer.text()}`);
  }
  for (;;) {
    const answer = await fetch(`${api}?membership_type=dynamic&page_size=100`, { headers });
    const { results = [] } = (await answer.json()) as { results?: { evaluation?: { state: string } }[] };
    if (results.every((group) => group.evaluation?.state === 'live')) return results.length;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

await main();
