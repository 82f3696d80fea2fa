// The engine over HTTP, as built (`npm run build` first): backfills beside a bare `insert … select` of the same rows and what
// they do to intake, verify, how fresh memberships are while activities come in, and what groups cost that do not read
// them. Smaller numbers by `--profiles`, `--activities`, `--groups`, `--seconds`. Previews are measured in preview.ts, intake at
// full load in intake.ts; `--only backfills,intake,groups` leaves out the rest. The season stays where `--season` says; groups are deleted in the end.

import { parseArgs } from 'node:util';
import pg from 'pg';
import {
  call,
  clearGroups,
  freshness,
  makeGroup,
  pause,
  peakMemory,
  processorSeconds,
  quantile,
  quantileOf,
  untilCounted,
  untilDrained,
  untilIdle,
  untilLive,
} from './client.ts';
import { median, report, rounded, startGrandstand, type Process } from './lib.ts';
import { prepareSeason, type Season } from './season.ts';

const { values: options } = parseArgs({
  options: {
    profiles: { type: 'string', default: '1000000' },
    activities: { type: 'string', default: '20000000' },
    groups: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: 'backfills,intake,groups' },
    season: { type: 'string' },
  },
});
const PROFILES = Number(options.profiles);
const GROUPS = Number(options.groups);
const RATE = Number(options.rate);
const SECONDS = Number(options.seconds);
const ROUNDS = Number(options.rounds);
const READERS = Math.min(50, GROUPS);
const FEW = Math.min(100, GROUPS - READERS);
const BATCHES_A_SECOND = 40;
const isWanted = (part: string): boolean => options.only.split(',').includes(part);

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

type Row = Parameters<typeof report>[1][number];

interface Bench {
  server: Process;
  client: pg.Client;
  season: Season;
  /** Profiles that activities are sent of. */
  ids: string[];
}

/** What is done now: all of it takes minutes. */
const tell = (what: string): void => console.log(`${new Date().toISOString().slice(11, 19)} ${what}`);

let sent = 0;

/** Comments of random profiles at the given rate, as steadily as can be; milliseconds of each batch. */
async function sendSteadily({ server, ids }: Bench, shouldGoOn: (elapsedMs: number) => boolean): Promise<number[]> {
  const perBatch = Math.max(1, Math.round(RATE / BATCHES_A_SECOND));
  const latencies: number[] = [];
  const waiting: Promise<void>[] = [];
  const started = performance.now();
  for (let batch = 0; shouldGoOn(performance.now() - started); batch++) {
    await pause(Math.max(0, started + (batch * 1000) / BATCHES_A_SECOND - performance.now()));
    const activities = Array.from({ length: perBatch }, () => ({
      id: `engine-${started.toString(36)}-${++sent}`,
      type: 'comment-created',
      profile_id: ids[Math.floor(Math.random() * ids.length)],
    }));
    const begun = performance.now();
    waiting.push(
      call(server, 'POST', '/activities/', { activities }).then(() => void latencies.push(performance.now() - begun)),
    );
  }
  await Promise.all(waiting);
  return latencies;
}

const forSeconds = (seconds: number) => (elapsedMs: number) => elapsedMs < seconds * 1000;

/** Seconds of one statement for the members and one for their changes. */
interface Bare {
  /** Into the tables that the backfill wrote to, as a group of its own, from the rows that the backfill left: nothing but writing. */
  same: number;
  /** The same into copies of the tables that hold nothing else, so that every index is small. */
  empty: number;
}

const BARE_GROUP = '00000000-0000-7000-8000-000000000001';

/**
 * What the backfill wrote, written by `insert … select`. As for intake, the measure is a statement on the same tables: there an
 * index holds every group of a profile, and a row takes about half as long again as in a table that was just made.
 */
async function measureBare({ client }: Bench, group: string): Promise<Bare> {
  const insert = async (into: { members: string; changes: string }, select: string, values: unknown[]) => {
    await untilIdle(client);
    const started = performance.now();
    await client.query(`insert into ${into.members} ${select}`, values);
    await client.query(
      `insert into ${into.changes} (group_id, epoch, number, profile_id, ordinal, change, at, cause)
       select group_id, 1, row_number() over (), profile_id, ordinal, 'entered', null, 'rule' from ${into.members} where group_id = $1`,
      [BARE_GROUP],
    );
    return (performance.now() - started) / 1000;
  };
  const forget = async (): Promise<void> => {
    for (const table of ['members', 'changes'])
      await client.query(`delete from ${table} where group_id = $1`, [BARE_GROUP]);
  };
  const tables = { members: 'members', changes: 'changes' };
  const copies = { members: 'bench_members', changes: 'bench_changes' };
  const copy = `select profile_id, $2::uuid, application_id, ordinal, since_epoch, until_epoch, entered_at from members where group_id = $1`;

  await forget(); // a run that was cut off leaves them
  const same = await insert(tables, copy, [group, BARE_GROUP]);
  await forget();
  await client.query('drop table if exists bench_members, bench_changes');
  await client.query('create table bench_members (like members including indexes)');
  await client.query('create table bench_changes (like changes including indexes)');
  const empty = await insert(copies, copy, [group, BARE_GROUP]);
  return { same, empty };
}

async function measureBackfills(bench: Bench): Promise<Row[]> {
  const { server, client } = bench;
  const rows: Row[] = [];
  const sums = { backfill: 0, same: 0, empty: 0 };
  for (const [name, rule] of FIVE) {
    tell(`filling: ${name}`);
    const times: number[] = [];
    const bares: Bare[] = [];
    let group = '';
    for (let round = 0; round < ROUNDS; round++) {
      if (group !== '') await call(server, 'DELETE', `/profile-groups/${group}/`);
      await untilIdle(client);
      const started = performance.now();
      group = await makeGroup(server, rule);
      await untilLive(server, group);
      times.push((performance.now() - started) / 1000);
      bares.push(await measureBare(bench, group));
    }
    const same = median(bares.map((bare) => bare.same));
    const empty = median(bares.map((bare) => bare.empty));
    sums.backfill += median(times);
    sums.same += same;
    sums.empty += empty;
    const started = performance.now();
    const proof = await call<{ missing: number; extra: number }>(
      server,
      'POST',
      `/profile-groups/${group}/verify/`,
      {},
    );
    const seconds = (performance.now() - started) / 1000;
    const { profile_count: size } = await call<{ profile_count: number }>(server, 'GET', `/profile-groups/${group}/`);
    rows.push([
      `backfill: ${name}, ${size.toLocaleString('en')} members`,
      `${rounded(median(times))} s, bare ${rounded(same)} s`,
      median(times) / same,
      '',
    ]);
    rows.push([
      `verify: ${name}`,
      `${rounded(seconds)} s, missing ${proof.missing}, extra ${proof.extra}`,
      '',
      'under 2 s for 100,000',
    ]);
    await call(server, 'DELETE', `/profile-groups/${group}/`);
    for (const [what, figures] of rows.slice(-2)) tell(`${what}: ${figures}`);
  }
  rows.push([
    'backfill of the five, from the request until live',
    `${rounded(sums.backfill)} s, bare ${rounded(sums.same)} s`,
    sums.backfill / sums.same,
    'at most 1.5',
  ]);
  rows.push([
    '… beside the same statements into empty copies',
    `${rounded(sums.backfill)} s, bare ${rounded(sums.empty)} s`,
    sums.backfill / sums.empty,
    '',
  ]);
  return rows;
}

/** Intake at the given rate by itself, and while the five are filled again and again. */
async function measureIntakeBesideFills(bench: Bench): Promise<Row[]> {
  const { server } = bench;
  tell('intake by itself, and beside backfills');
  await sendSteadily(bench, forSeconds(3));
  const quiet = await sendSteadily(bench, forSeconds(SECONDS / 2));
  let isFilling = true;
  let backfills = 0;
  const filling = (async () => {
    const until = performance.now() + (SECONDS / 2) * 1000;
    while (performance.now() < until || backfills < FIVE.length) {
      const group = await makeGroup(server, FIVE[backfills++ % FIVE.length]?.[1]);
      await untilLive(server, group);
      await call(server, 'DELETE', `/profile-groups/${group}/`);
    }
  })().finally(() => (isFilling = false));
  const [beside] = await Promise.all([sendSteadily(bench, () => isFilling), filling]);
  const p = (samples: number[]): string =>
    `p50 ${rounded(quantileOf(samples, 0.5))}, p99 ${rounded(quantileOf(samples, 0.99))} ms`;
  return [
    [
      `intake of ${RATE}/s beside ${backfills} backfills, and quiet`,
      `${p(beside)}; ${p(quiet)}`,
      quantileOf(beside, 0.99) / quantileOf(quiet, 0.99),
      'p99 at most 2',
    ],
  ];
}

async function makeMany(server: Process, count: number, rule: (n: number) => unknown): Promise<void> {
  const made: string[] = [];
  for (let n = 0; n < count; n++) made.push(await makeGroup(server, rule(n)));
  for (const group of made) await untilLive(server, group);
}

interface Live {
  p50: number;
  p99: number;
  /** Milliseconds of server and database for each activity. */
  cpu: number;
}

async function measureLive(bench: Bench): Promise<Live> {
  const { server, season } = bench;
  await sendSteadily(bench, forSeconds(3));
  await untilDrained(server);
  await untilCounted();
  const read = async () => ({ fresh: await freshness(server), cpu: processorSeconds(server, season.folder), sent });
  const before = await read();
  await sendSteadily(bench, forSeconds(SECONDS));
  await untilDrained(server);
  await untilCounted();
  const after = await read();
  return {
    p50: quantile(before.fresh, after.fresh, 0.5) * 1000,
    p99: quantile(before.fresh, after.fresh, 0.99) * 1000,
    cpu: ((after.cpu - before.cpu) * 1000) / (after.sent - before.sent),
  };
}

async function measureManyGroups(bench: Bench): Promise<Row[]> {
  const { server } = bench;
  tell(`making ${READERS + FEW} groups`);
  await makeMany(server, READERS, READ);
  await makeMany(server, FEW, UNREAD);
  tell('freshness');
  const few = await measureLive(bench);
  tell(`making ${GROUPS - READERS - FEW} more`);
  await makeMany(server, GROUPS - READERS - FEW, (n) => UNREAD(n + FEW));
  tell('freshness again');
  const many = await measureLive(bench);
  const fresh = ({ p50, p99 }: Live): string => `p50 ${rounded(p50)} ms, p99 ${rounded(p99)} ms`;
  return [
    [`freshness at ${RATE}/s, ${READERS} of ${READERS + FEW} groups read it`, fresh(few), '', ''],
    [`freshness at ${RATE}/s, ${READERS} of ${GROUPS} groups read it`, fresh(many), '', 'p50 50, p99 250'],
    [
      `an activity, ${FEW} to ${GROUPS - READERS} groups that do not read it`,
      `${rounded(few.cpu)} → ${rounded(many.cpu)} ms of processor`,
      many.cpu / few.cpu,
      'at most 1.1',
    ],
  ];
}

async function main(): Promise<void> {
  const season = await prepareSeason({
    profiles: PROFILES,
    activities: Number(options.activities),
    folder: options.season,
  });
  const client = new pg.Client({ connectionString: season.url });
  let server: Process | undefined;
  try {
    await client.connect();
    server = await startGrandstand({ DATABASE_URL: season.url, ROLE: 'all' });
    tell('deleting the groups of other runs');
    await clearGroups(server, client);
    await untilDrained(server);
    const { rows: profiles } = await client.query<{ id: string }>(
      'select id from profiles where application_id = $1 and ordinal < 50000',
      [season.applicationId],
    );
    const bench = { server, client, season, ids: profiles.map((profile) => profile.id) };
    const rows = [
      ...(isWanted('backfills') ? await measureBackfills(bench) : []),
      ...(isWanted('intake') ? await measureIntakeBesideFills(bench) : []),
      ...(isWanted('groups') ? await measureManyGroups(bench) : []),
    ];
    rows.push(['memory of the process at its most', `${rounded(peakMemory(server))} MB`, '', 'under 600']);
    report(`Engine, ${options.profiles} profiles and ${options.activities} activities`, rows);
    await clearGroups(server, client);
  } finally {
    await client
      .query(
        `drop table if exists bench_members, bench_changes;
         delete from members where group_id = '${BARE_GROUP}'; delete from changes where group_id = '${BARE_GROUP}'`,
      )
      .catch(() => {});
    await client.end();
    await server?.stop();
    await season.stop();
  }
}

await main();
