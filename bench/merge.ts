// Merging a profile with 100 activities and 20 groups over HTTP, against the bare statements that move the same rows in one
// transaction; and how long others' intake takes while a long history comes over in the background, against quiet.
// `npx tsx bench/merge.ts`; MERGES (a round), ROUNDS, and LONG (activities of the long history; 0 leaves it out).

import pg from 'pg';
import { startEmbedded } from '../server/src/database/embedded.ts';
import { call, pause, quantileOf } from './client.ts';
import { inTurns, median, medianRatio, paired, report, rounded, startGrandstand, temporaryFolder } from './lib.ts';

const MERGES = Number(process.env['MERGES'] ?? 40);
const ROUNDS = Number(process.env['ROUNDS'] ?? 3);
const LONG = Number(process.env['LONG'] ?? 200_000);
const ACTIVITIES = 100;
const GROUPS = 20;
const OTHERS_MS = 8_000;

const folder = await temporaryFolder();
const database = await startEmbedded({ dataDir: folder.path });
const server = await startGrandstand({ DATABASE_URL: database.url, DATA_DIR: folder.path });
const client = new pg.Client({ connectionString: database.url });
await client.connect();

let serial = 0;
const groups: string[] = [];

async function createProfiles(count: number): Promise<string[]> {
  const profiles = Array.from({ length: count }, () => ({ custom_id: `fan-${++serial}` }));
  const { results } = await call<{ results: { id: string }[] }>(server, 'POST', '/profiles/bulk/', { profiles });
  return results.map(({ id }) => id);
}

const sendActivities = (profile: string, count: number): Promise<unknown> =>
  call(server, 'POST', '/activities/', {
    activities: Array.from({ length: count }, () => ({
      id: `a-${++serial}`,
      type: 'comment-created',
      profile_id: profile,
      occurred_at: new Date(Date.now() - serial).toISOString(),
    })),
  });

/** Sources with all that is to come over, and as many targets. */
async function preparePairs(): Promise<[source: string, target: string][]> {
  const ids = await createProfiles(MERGES * 2);
  const sources = ids.slice(0, MERGES);
  for (const source of sources) await sendActivities(source, ACTIVITIES);
  for (const group of groups) await call(server, 'POST', `/profile-groups/${group}/members/`, { profile_ids: sources });
  await pause(500); // evaluation and chores have seen it
  return sources.map((source, i) => [source, ids[MERGES + i] ?? '']);
}

/** Milliseconds a merge. */
async function mergeByApi(): Promise<number> {
  const pairs = await preparePairs();
  const started = performance.now();
  for (const [source, into] of pairs) await call(server, 'POST', `/profiles/${source}/merge/`, { into, force: true });
  return (performance.now() - started) / pairs.length;
}

const MOVES = [
  `select 1 from profiles where id = any (array[$1, $2]::uuid[]) order by id for update`,
  `update activities a set profile_id = $2, ordinal = (select ordinal from profiles where id = $2) where profile_id = $1`,
  `insert into totals select $2::uuid, fact_id, application_id, (select ordinal from profiles where id = $2), count, sum, first_at, last_at
   from totals where profile_id = $1 on conflict do nothing`,
  `delete from totals where profile_id = $1`,
  `with gone as (delete from members where profile_id = $1 returning *)
   insert into members select $2::uuid, group_id, application_id, (select ordinal from profiles where id = $2), since_epoch, until_epoch, entered_at from gone
   on conflict do nothing`,
  `with heads as (update group_heads set last_number = last_number + 2 where group_id = any ($3::uuid[]) returning *)
   insert into changes (group_id, epoch, number, profile_id, ordinal, change, at, cause)
   select group_id, epoch, last_number - 1, $1::uuid, 0, 'left', clock_timestamp(), 'merged' from heads
   union all select group_id, epoch, last_number, $2::uuid, 0, 'entered', clock_timestamp(), 'merged' from heads`,
  `insert into profile_aliases (profile_id, application_id, ordinal, target_id, target_ordinal, activities, duplicates, merged_at, merged_by)
   select id, application_id, ordinal, $2::uuid, 0, ${ACTIVITIES}, 0, clock_timestamp(), 'bench' from profiles where id = $1`,
  `delete from custom_ids where profile_id = $1`,
  `delete from profile_tokens where profile_id = $1`,
  `delete from profiles where id = $1`,
];

async function mergeBare(): Promise<number> {
  const pairs = await preparePairs();
  const started = performance.now();
  for (const [source, target] of pairs) {
    await client.query('begin');
    for (const [index, text] of MOVES.entries()) {
      const all = [source, target, groups];
      const count = Math.max(...[...text.matchAll(/\$(\d)/g)].map((match) => Number(match[1])));
      await client.query({ name: `move-${index}`, text, values: all.slice(0, count) });
    }
    await client.query('commit');
  }
  return (performance.now() - started) / pairs.length;
}

/** The others: a batch of ten every 20 ms; its p99 in milliseconds. */
async function othersIntake(profiles: string[]): Promise<number> {
  const samples: number[] = [];
  const sends: Promise<void>[] = [];
  const until = performance.now() + OTHERS_MS;
  for (let turn = 0; performance.now() < until; turn++) {
    const started = performance.now();
    sends.push(
      sendActivities(profiles[turn % profiles.length] ?? '', 10).then(
        () => void samples.push(performance.now() - started),
      ),
    );
    await pause(20);
  }
  await Promise.all(sends);
  return quantileOf(samples, 0.99);
}

/** While a history of LONG activities comes over. */
async function besideLong(others: string[]): Promise<number> {
  const [source = '', target = ''] = await createProfiles(2);
  for (let sent = 0; sent < LONG; sent += 1_000) await sendActivities(source, 1_000);
  await call(server, 'POST', `/profiles/${source}/merge/`, { into: target, force: true });
  const p99 = await othersIntake(others);
  for (;;) {
    const { results } = await call<{ results: { profile_id: string; state: string }[] }>(
      server,
      'GET',
      `/profiles/${target}/merges/`,
    );
    if (results.every(({ state }) => state !== 'merging')) return p99;
    await pause(200);
  }
}

try {
  for (let i = 0; i < GROUPS; i++)
    groups.push((await call<{ id: string }>(server, 'POST', '/profile-groups/', { name: `Group ${i}` })).id);
  await mergeByApi(); // the first round is not counted
  const short = await paired(ROUNDS, mergeByApi, mergeBare);
  const rows: Parameters<typeof report>[1] = [
    [
      `a merge of ${ACTIVITIES} activities and ${GROUPS} groups, against bare SQL`,
      `${rounded(short.a)} / ${rounded(short.b)} ms`,
      short.ratio,
      '3 at most',
    ],
  ];
  if (LONG > 0) {
    const others = await createProfiles(200);
    await othersIntake(others);
    const [beside = [], quiet = []] = await inTurns(ROUNDS, [() => besideLong(others), () => othersIntake(others)]);
    rows.push([
      `others’ intake, p99, beside a merge of ${LONG.toLocaleString('en')}`,
      `${rounded(median(beside))} / ${rounded(median(quiet))} ms`,
      medianRatio(beside, quiet),
      '1.5 at most',
    ]);
  }
  report('Merging', rows);
} finally {
  await client.end();
  await server.stop();
  await database.stop();
  await folder.remove();
}
