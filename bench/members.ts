// Members of static groups: adding 10,000 in one call and replacing a million, against bare `insert … select` of the same
// rows in SQL; page 50,000 against page 1; what readers notice of a replacement.
// `npx tsx bench/members.ts`; MEMBERS=100000 makes it smaller, ROUNDS sets the number of pairs.

import { Readable } from 'node:stream';
import pg from 'pg';
import { openDatabase, type Queryable } from '../server/src/database/database.ts';
import { startEmbedded } from '../server/src/database/embedded.ts';
import { pageOfMembers } from '../server/src/groups/member-store.ts';
import {
  ADMIN_TOKEN,
  CLIENT_ID,
  load,
  median,
  paired,
  report,
  rounded,
  startGrandstand,
  temporaryFolder,
  type Process,
} from './lib.ts';

const MEMBERS = Number(process.env['MEMBERS'] ?? 1_000_000);
const ROUNDS = Number(process.env['ROUNDS'] ?? 5);
const BATCH = 10_000;
const PAGE = 20;
const READERS = 4;

const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' };
const GROUPS = `/api/v1/applications/${CLIENT_ID}/profile-groups/`;

async function call<T>(server: Process, method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(path.startsWith('http') ? path : `${server.url}${path}`, {
    method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

const createGroup = async (server: Process): Promise<string> =>
  (await call<{ id: string }>(server, 'POST', GROUPS, { name: 'Bench' })).id;

/** The id of the profile with this ordinal: in the order of time, like those that the server makes. */
const idOf = (ordinal: number): string => `01900000-0000-7000-8000-${ordinal.toString(16).padStart(12, '0')}`;
const ID_SQL = `('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid`;

async function fillProfiles(client: pg.Client, count: number): Promise<number> {
  const { rows } = await client.query<{ id: number }>('select id from applications where client_id = $1', [CLIENT_ID]);
  const applicationId = rows[0]?.id ?? 0;
  for (let from = 0; from < count; from += 100_000) {
    await client.query(
      `insert into profiles (id, application_id, ordinal, nickname, folded, words, created_at, updated_at)
       select ${ID_SQL}, $1, n, 'Fan ' || n, 'fan ' || n, array_to_tsvector(array[$1::int || ':fan', $1::int || ':' || n]), '2026-01-01', '2026-01-01' from generate_series($2::int, $3::int - 1) n`,
      [applicationId, from, Math.min(from + 100_000, count)],
    );
  }
  await client.query('update ordinal_blocks set next_ordinal = $2 where application_id = $1', [applicationId, count]);
  await client.query('vacuum analyze profiles');
  return applicationId;
}

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await work();
  return performance.now() - start;
};

/** What adding writes, and nothing else: member rows and numbered changes, in one transaction. */
async function bareAdd(
  client: pg.Client,
  applicationId: number,
  groupId: string,
  from: number,
  count: number,
): Promise<void> {
  await client.query('begin');
  await client.query(
    `insert into members (profile_id, group_id, application_id, ordinal, since_epoch, until_epoch, entered_at)
     select id, $1, $2, ordinal, 0, null, '2026-02-01' from profiles where application_id = $2 and ordinal >= $3 and ordinal < $4`,
    [groupId, applicationId, from, from + count],
  );
  await client.query(
    `insert into changes (group_id, epoch, number, profile_id, ordinal, change, at, cause)
     select $1, 0, row_number() over (), id, ordinal, 'entered', '2026-02-01', 'manual'
     from profiles where application_id = $2 and ordinal >= $3 and ordinal < $4`,
    [groupId, applicationId, from, from + count],
  );
  await client.query('commit');
}

async function benchAdd(
  server: Process,
  client: pg.Client,
  applicationId: number,
): Promise<[string, string, number, string]> {
  let turn = 0;
  const { a, b, ratio } = await paired(
    ROUNDS * 2,
    async () => {
      const group = await createGroup(server);
      const from = (turn++ * BATCH) % MEMBERS;
      const ids = Array.from({ length: BATCH }, (_, i) => idOf(from + i));
      return 1000 / (await timed(() => call(server, 'POST', `${GROUPS}${group}/members/`, { profile_ids: ids })));
    },
    async () => {
      const group = await createGroup(server);
      const from = (turn++ * BATCH) % MEMBERS;
      return 1000 / (await timed(() => bareAdd(client, applicationId, group, from, BATCH)));
    },
  );
  return [
    '10,000 members in one call, against bare SQL',
    `${rounded(1000 / a)} ms against ${rounded(1000 / b)} ms`,
    ratio,
    'at least 0.5',
  ];
}

interface List {
  next: string | null;
}

async function replace(
  server: Process,
  group: string,
  wanted: (ordinal: number) => boolean,
): Promise<Record<string, number>> {
  async function* lines(): AsyncGenerator<string> {
    let text = '';
    for (let ordinal = 0; ordinal < 2 * MEMBERS; ordinal++) {
      if (wanted(ordinal)) text += `"${idOf(ordinal)}"\n`;
      if (text.length > 60_000) {
        yield text;
        text = '';
      }
    }
    yield text;
  }
  const response = await fetch(`${server.url}${GROUPS}${group}/members/`, {
    method: 'PUT',
    headers: { ...headers, 'content-type': 'application/x-ndjson' },
    body: Readable.toWeb(Readable.from(lines())) as ReadableStream, // the same stream by another name
    duplex: 'half',
  } as RequestInit);
  if (!response.ok) throw new Error(`PUT: ${response.status} ${await response.text()}`);
  return (await response.json()) as Record<string, number>;
}

/**
 * The rows that replacing writes, and nothing else: half a million new members, a million changes, and (`ended`) the half
 * million members that leave, whose rows are written again with the epoch at which they end.
 */
async function bareReplace(client: pg.Client, applicationId: number, groupId: string, ended: boolean): Promise<void> {
  await client.query('begin');
  if (ended) {
    await client.query(
      `insert into members (profile_id, group_id, application_id, ordinal, since_epoch, until_epoch, entered_at)
       select id, $1, $2, ordinal, 0, 1, '-infinity' from profiles where application_id = $2 and ordinal < $3::int`,
      [groupId, applicationId, MEMBERS / 2],
    );
  }
  await client.query(
    `insert into members (profile_id, group_id, application_id, ordinal, since_epoch, until_epoch, entered_at)
     select id, $1, $2, ordinal, 1, null, '-infinity' from profiles where application_id = $2 and ordinal >= $3::int and ordinal < $4::int`,
    [groupId, applicationId, MEMBERS, MEMBERS * 1.5],
  );
  await client.query(
    `insert into changes (group_id, epoch, number, profile_id, ordinal, change, at, cause)
     select $1, 1, row_number() over (), id, ordinal, case when ordinal < $3 then 'left' else 'entered' end, null, 'import'
     from profiles where application_id = $2 and (ordinal < $5::int or ordinal >= $3::int and ordinal < $4::int)`,
    [groupId, applicationId, MEMBERS, MEMBERS * 1.5, MEMBERS / 2],
  );
  await client.query('commit');
}

async function benchReplace(
  server: Process,
  client: pg.Client,
  applicationId: number,
  group: string,
): Promise<[string, string, number, string][]> {
  const target = {
    url: `${server.url}${GROUPS}${group}/members/?page_size=${PAGE}`,
    headers: { authorization: headers.authorization },
  };
  const quiet = await load(target, { connections: READERS, seconds: 10 });
  const alone: number[] = [];
  const bare: number[] = [];
  const strict: number[] = [];
  const busy: number[] = [];
  // There and back again: each replaces a million, of which half stay.
  const upper = (ordinal: number): boolean => ordinal >= MEMBERS / 2 && ordinal < MEMBERS * 1.5;
  const lower = (ordinal: number): boolean => ordinal < MEMBERS;
  for (let round = 0; round < Math.max(2, ROUNDS - (ROUNDS % 2)); round++) {
    const wanted = round % 2 === 0 ? upper : lower;
    alone.push(await timed(async () => check(await replace(server, group, wanted))));
    await settled(client, group);
    for (const [times, ended] of [
      [bare, true],
      [strict, false],
    ] as const) {
      const other = await createGroup(server);
      times.push(await timed(() => bareReplace(client, applicationId, other, ended)));
      await deleted(server, client, other);
    }
    await client.query('vacuum members, changes');
  }
  for (const wanted of [upper, lower]) {
    const replacing = replace(server, group, wanted);
    let done = false;
    const watching = replacing.finally(() => (done = true));
    while (!done) busy.push((await load(target, { connections: READERS, seconds: 5 })).p99);
    await watching;
    await settled(client, group);
  }
  const ratioTo = (times: number[]): number => median(times.map((value, index) => value / (alone[index] ?? NaN)));
  const p99 = median(busy);
  return [
    [
      `replacing ${MEMBERS.toLocaleString('en')} members, half stay, against bare SQL`,
      `${rounded(median(alone) / 1000)} s against ${rounded(median(bare) / 1000)} s`,
      ratioTo(bare),
      'at least 0.5',
    ],
    ['… without the rows that end', `${rounded(median(strict) / 1000)} s`, ratioTo(strict), 'for comparison'],
    [
      'readers’ p99 meanwhile, against quiet',
      `${rounded(p99)} ms against ${rounded(quiet.p99)} ms`,
      p99 / quiet.p99,
      'at most 2',
    ],
  ];
}

function check(answer: Record<string, number>): void {
  if (answer['added'] !== MEMBERS / 2 || answer['removed'] !== MEMBERS / 2 || answer['unchanged'] !== MEMBERS / 2) {
    throw new Error(`not what was asked for: ${JSON.stringify(answer)}`);
  }
}

/** Deleted and cleaned away. */
async function deleted(server: Process, client: pg.Client, group: string): Promise<void> {
  await fetch(`${server.url}${GROUPS}${group}/`, {
    method: 'DELETE',
    headers: { authorization: headers.authorization },
  });
  for (;;) {
    const { rowCount } = await client.query('select from group_deletions where group_id = $1', [group]);
    if (rowCount === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Until the invisible rows are gone. */
async function settled(client: pg.Client, group: string): Promise<void> {
  for (;;) {
    const { rowCount } = await client.query('select from backfills where group_id = $1', [group]);
    if (rowCount === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function benchPages(
  server: Process,
  group: string,
): Promise<{ row: [string, string, number, string]; deep: string; number: number }> {
  const first = `${server.url}${GROUPS}${group}/members/?page_size=${PAGE}`;
  let deep = `${server.url}${GROUPS}${group}/members/?page_size=1000`;
  const skipped = MEMBERS - 1000 - ((MEMBERS - 1000) % 1000);
  for (let row = 0; row < skipped; row += 1000) deep = (await call<List>(server, 'GET', deep)).next ?? '';
  deep = deep.replace('page_size=1000', `page_size=${PAGE}`);
  const latency = async (url: string): Promise<number> => {
    const times: number[] = [];
    for (let i = 0; i < 200; i++) times.push(await timed(() => call(server, 'GET', url)));
    return median(times);
  };
  await latency(first);
  const { a, b, ratio } = await paired(
    ROUNDS,
    () => latency(deep),
    () => latency(first),
  );
  const number = skipped / PAGE + 1;
  return {
    row: [
      `page ${number.toLocaleString('en')} by \`next\`, against page 1`,
      `${rounded(a)} ms against ${rounded(b)} ms`,
      ratio,
      'at most 1.2',
    ],
    deep,
    number,
  };
}

interface Plan {
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  'Total Cost': number;
}

/** What the database says of the statement of a page. */
async function explain(url: string, group: string, cursor: string | null): Promise<string> {
  const db = openDatabase({ url, poolSize: 1, name: 'bench' });
  try {
    const parts = cursor === null ? undefined : (JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[]);
    const page = {
      size: PAGE,
      number: 1,
      cursor: parts && { key: parts.slice(4) as string[], backwards: false, count: null, extra: null },
      wantsCount: false,
    };
    const { rows } = await db.pool.query<{ epoch: string }>('select epoch from group_heads where group_id = $1', [
      group,
    ]);
    let plan: Plan | undefined;
    const explaining: Queryable = {
      async query(statement) {
        const text = `explain (analyze, buffers, format json) ${statement.text}`;
        const result = await db.pool.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(text, statement.values);
        plan = result.rows[0]?.['QUERY PLAN'][0].Plan;
        return { rows: [], count: 0 };
      },
    };
    await pageOfMembers(
      explaining,
      { id: group, application_id: 1 },
      Number(rows[0]?.epoch),
      { ordering: '-membership_created_at', nickname: undefined, search: undefined },
      page,
    );
    return plan
      ? `${plan['Shared Hit Blocks'] + plan['Shared Read Blocks']} blocks, cost ${Math.round(plan['Total Cost'])}`
      : '?';
  } finally {
    await db.close();
  }
}

async function main(): Promise<void> {
  const folder = await temporaryFolder();
  const database = await startEmbedded({ dataDir: folder.path });
  const server = await startGrandstand({
    DATABASE_URL: database.url,
    DATA_DIR: folder.path,
    ROLE: 'api',
    REQUEST_TIMEOUT: '600',
  });
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    const applicationId = await fillProfiles(client, MEMBERS * 2);
    const add = await benchAdd(server, client, applicationId);
    report('Adding', [add]);
    const group = await createGroup(server);
    const filled = await timed(() => replace(server, group, (ordinal) => ordinal < MEMBERS));
    await client.query('vacuum analyze members, changes');
    console.log(`  a first ${MEMBERS.toLocaleString('en')} members by PUT: ${rounded(filled / 1000)} s`);
    const { row, deep, number } = await benchPages(server, group);
    report('Paging', [row]);
    console.log(
      `  explain, page 1: ${await explain(database.url, group, null)}; page ${number}: ${await explain(database.url, group, new URL(deep).searchParams.get('cursor'))}`,
    );
    report('Replacing', await benchReplace(server, client, applicationId, group));
  } finally {
    await client.end();
    await server.stop();
    await database.stop();
    await folder.remove();
  }
}

await main();
