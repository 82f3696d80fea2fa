// Files in and out: profiles imported against COPY of the rows that this makes (in profiles, custom_ids, profile_attributes
// and events), activities imported against the same number by
// HTTP batches, profiles exported against COPY … TO. Each half of the profiles has its activities by one of the two ways, so
// that neither finds totals that the other made. `npx tsx bench/doors.ts`; ROWS (of each) and ROUNDS set the size.

import { readFile } from 'node:fs/promises';
import { PassThrough, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { createAdminClient } from '../sdk/src/server.ts';
import { startEmbedded } from '../server/src/database/embedded.ts';
import { ADMIN_TOKEN, CLIENT_ID, paired, report, startGrandstand, temporaryFolder } from './lib.ts';

const ROWS = Number(process.env['ROWS'] ?? 1_000_000);
const ROUNDS = Number(process.env['ROUNDS'] ?? 2);
const BATCH = 1_000;
const SENDERS = 4;
const START = Date.UTC(2026, 0, 1);

const folder = await temporaryFolder();
const database = await startEmbedded({ dataDir: folder.path });
const server = await startGrandstand({ DATABASE_URL: database.url, DATA_DIR: folder.path });
const client = new pg.Client({ connectionString: database.url });
await client.connect();
const admin = createAdminClient({ clientId: CLIENT_ID, endpoint: server.url, accessToken: ADMIN_TOKEN });

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
};

/** A file as a caller streams it, some thousand lines at a time. */
const file = (count: number, line: (n: number) => string, head = ''): ReadableStream<Uint8Array> => {
  function* pieces(): Generator<Buffer> {
    if (head !== '') yield Buffer.from(`${head}\n`);
    for (let from = 0; from < count; from += 5_000) {
      let text = '';
      for (let n = from; n < Math.min(from + 5_000, count); n++) text += `${line(n)}\n`;
      yield Buffer.from(text);
    }
  }
  return Readable.toWeb(Readable.from(pieces())) as ReadableStream<Uint8Array>; // of bytes, as made above
};

async function importFile(
  of: 'profiles' | 'activities',
  body: ReadableStream<Uint8Array>,
  type: 'text/csv' | 'application/x-ndjson',
): Promise<void> {
  const { id } = await admin.imports.create(of, body, type);
  const done = await admin.imports.wait(id, { interval: 100 });
  if (done.state !== 'done' || done.accepted !== ROWS) throw new Error(JSON.stringify(done));
}

const HALF = Math.floor(ROWS / 2);

const activity = (n: number, prefix: 'file' | 'http'): object => ({
  id: `${prefix}-${n}`,
  type: 'comment-created',
  custom_id: `fan-${(n % HALF) + (prefix === 'http' ? HALF : 0)}`,
  occurred_at: new Date(START + n * 1000).toISOString(),
  data: { match: `m-${n % 97}` },
});

async function sendBatches(prefix: 'http'): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: SENDERS }, async () => {
      while (next < ROWS) {
        const from = next;
        next += BATCH;
        const items = Array.from({ length: Math.min(BATCH, ROWS - from) }, (_, i) => activity(from + i, prefix));
        await admin.activities.send(items as never); // in the form of the API
      }
    }),
  );
}

/** What a profile is made of, the table of profiles first. */
const TABLES = ['profiles', 'custom_ids', 'profile_attributes', 'events'];

/** The same rows into tables with the same columns and indexes, one table after the other; the seconds of each. */
async function copyRows(): Promise<number[]> {
  const took: number[] = [];
  for (const table of TABLES) {
    await client.query(`create table bare (like ${table} including all)`);
    const chunks: Buffer[] = [];
    await pipeline(
      client.query(copyTo(`copy (select * from ${table}) to stdout`)),
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          chunks.push(chunk);
          done();
        },
      }),
    );
    took.push(await seconds(() => pipeline(Readable.from(chunks), client.query(copyFrom('copy bare from stdin')))));
    await client.query('drop table bare');
  }
  return took;
}

const resident = async (): Promise<number> =>
  Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${server.pid}/status`, 'utf8'))?.[1] ?? NaN) / 1024;
let most = 0;

async function exportProfiles(): Promise<number> {
  const watching = setInterval(() => void resident().then((megabytes) => (most = Math.max(most, megabytes))), 100);
  try {
    return await seconds(async () => {
      const response = await fetch(`${server.url}/api/v1/applications/${CLIENT_ID}/exports/profiles/`, {
        headers: { authorization: `Bearer ${ADMIN_TOKEN}`, accept: 'text/csv', 'accept-encoding': 'identity' },
      });
      if (!response.ok || !response.body) throw new Error(`${response.status} ${await response.text()}`);
      for await (const _ of response.body);
    });
  } finally {
    clearInterval(watching);
  }
}

const exportBare = (): Promise<number> =>
  seconds(() =>
    pipeline(
      client.query(copyTo('copy (select * from profiles order by id) to stdout with (format csv, header)')),
      new PassThrough().resume(),
    ),
  );

try {
  const profiles = await seconds(() =>
    importFile(
      'profiles',
      file(ROWS, (n) => `fan-${n},Fan ${n},team-${n % 20}`, 'custom_id,nickname,attributes.team'),
      'text/csv',
    ),
  );
  const [bareProfiles = NaN, ...others] = await copyRows();
  const bare = others.reduce((sum, each) => sum + each, bareProfiles);
  const activities = await seconds(() =>
    importFile(
      'activities',
      file(ROWS, (n) => JSON.stringify(activity(n, 'file'))),
      'application/x-ndjson',
    ),
  );
  const batches = await seconds(() => sendBatches('http'));
  const out = await paired(ROUNDS, exportProfiles, exportBare);

  const s = (value: number): string => `${value.toFixed(1)} s`;
  report(`Files of ${ROWS.toLocaleString('en')} rows`, [
    ['profiles imported, against COPY of the rows it made', `${s(profiles)} / ${s(bare)}`, bare / profiles, '0.25'],
    ['the same against those in profiles alone', `${s(profiles)} / ${s(bareProfiles)}`, bareProfiles / profiles, ''],
    ['activities imported, against HTTP batches', `${s(activities)} / ${s(batches)}`, batches / activities, '1.5'],
    ['profiles exported, against COPY … TO', `${s(out.a)} / ${s(out.b)}`, 1 / out.ratio, '0.3'],
    ['the server’s memory meanwhile', `${Math.round(most)} MB`, '', '250 MB at most'],
  ]);
} finally {
  await client.end();
  await server.stop();
  await database.stop();
  await folder.remove();
}
