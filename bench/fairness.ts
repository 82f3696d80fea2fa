// What one application's noise costs another one on the same server: profile reads, keyed POSTs and previews of the quiet
// one, alone and beside forty heavy previews at once, full intake, backfills and twelve thousand event streams of the noisy
// one. `npx tsx bench/fairness.ts`; each kind of noise by itself and
// all together; `nothing` shows what chance does. `--streams 2000 --seconds 10 --kinds previews,intake+streams` make it less.
// At most as many streams are opened as the limit of an application lets through.
// The noise is made by a process of its own, so that the measuring one does not wait for itself.

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createAdminClient, type AdminClient, type RuleTree } from '../sdk/src/server.ts';
import { ADMIN_TOKEN, CLIENT_ID, report, rounded, startGrandstand } from './lib.ts';
import { prepareSeason } from './season.ts';

const { values: options } = parseArgs({
  options: {
    profiles: { type: 'string', default: '100000' },
    activities: { type: 'string', default: '1000000' },
    streams: { type: 'string', default: '12000' },
    seconds: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '1' },
    kinds: { type: 'string', default: 'nothing,previews,intake,backfills,streams,previews+intake+backfills+streams' },
    season: { type: 'string' },
    noise: { type: 'string' },
    url: { type: 'string' },
  },
});

const QUIET_ID = 'quiet-app';
const QUIET_TOKEN = 'bench-quiet-token-0123456789';
const FANS = 5_000;
const ACTIVITIES = 20_000;
const AT_ONCE = 1_000;
const PREVIEWS = 40;
const SENDERS = 8;
const BATCH = 500;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
let salt = 0;
/** One that was not asked before, so that no leaf of it is known. */
const heavyRule = (): RuleTree => ({
  operator: 'OR',
  children: [
    {
      attribute: 'total_comments_posted',
      condition: 'greater_than_or_equal',
      value: 1 + (++salt % 50),
      window: `PT${1000 + salt}H`,
    },
    { attribute: 'days_inactive', condition: 'greater_than_or_equal', value: 1 + (salt % 60) },
  ],
});

async function makeNoise(url: string): Promise<void> {
  const kinds = new Set(options.noise?.split('+'));
  const admin = createAdminClient({ clientId: CLIENT_ID, endpoint: url, accessToken: ADMIN_TOKEN, retries: 0 });
  const counts = { previews: 0, activities: 0, backfills: 0, streams: 0, refused: 0 };
  const forever = (name: string, work: () => Promise<unknown>): void => {
    if (!kinds.has(name)) return;
    const again = async (): Promise<void> => {
      for (;;)
        await work().catch(async () => {
          counts.refused++;
          await pause(100);
        });
    };
    void again();
  };
  const made = await admin.profiles.upsert(Array.from({ length: 1_000 }, (_, i) => ({ custom_id: `noise-${i}` })));
  const ids = made.map(({ id }) => id ?? '');
  if (kinds.has('streams')) {
    const count = Number(options.streams);
    for (let from = 0; from < count; from += AT_ONCE) {
      const some = await admin.profiles.upsert(
        Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, i) => ({ custom_id: `follower-${from + i}` })),
      );
      for (let i = 0; i < some.length; i += 50)
        await Promise.all(
          some.slice(i, i + 50).map(({ id, access_token: token }) =>
            follow(url, id ?? '', token ?? '').then(
              () => counts.streams++,
              () => counts.refused++,
            ),
          ),
        );
    }
  }
  for (let i = 0; i < PREVIEWS; i++)
    forever('previews', async () => {
      await admin.groups.preview(heavyRule());
      counts.previews++;
    });
  let sent = 0;
  for (let i = 0; i < SENDERS; i++)
    forever('intake', async () => {
      const activities = Array.from({ length: BATCH }, () => ({
        id: `noise-${Date.now()}-${++sent}`,
        type: 'comment-created',
        profile_id: ids[sent % ids.length] ?? '',
      }));
      const response = await fetch(`${url}/api/v1/applications/${CLIENT_ID}/activities/`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify({ activities }),
      });
      await response.arrayBuffer();
      if (!response.ok) throw new Error(String(response.status));
      counts.activities += BATCH;
    });
  const group = await admin.groups.create({ name: 'Noise', membership_type: 'dynamic', rule_tree: heavyRule() });
  if (!kinds.has('backfills')) await admin.groups.delete(group.id);
  forever('backfills', async () => {
    const { evaluation } = await admin.groups.get(group.id);
    if (evaluation?.state === 'live') {
      await admin.groups.update(group.id, { rule_tree: heavyRule() });
      counts.backfills++;
    }
    await pause(200);
  });
  process.send?.('ready');
  process.on('message', () => process.send?.(counts));
}

function follow(url: string, id: string, token: string): Promise<void> {
  const path = `/api/v1/applications/${CLIENT_ID}/profiles/${id}/profile-groups/events/`;
  return new Promise((resolve, reject) => {
    get(`${url}${path}`, { headers: { authorization: `Bearer ${token}` }, agent: false }, (response) => {
      if (response.statusCode !== 200) return reject(new Error(`a stream was answered ${response.statusCode}`));
      response.once('data', () => resolve());
      response.resume();
      response.on('error', () => {}); // the server stops at the end
    }).on('error', reject);
  });
}

type Latencies = Record<'profile' | 'keyed' | 'preview', number[]>;

/** The quiet application's three calls, each one after the other. */
async function measure(
  url: string,
  quiet: AdminClient,
  fan: { id: string; token: string },
  ms: number,
): Promise<Latencies> {
  const latencies: Latencies = { profile: [], keyed: [], preview: [] };
  const end = performance.now() + ms;
  const headers = { 'content-type': 'application/json' };
  const call = async (path: string, init: RequestInit): Promise<void> => {
    const response = await fetch(`${url}/api/v1/${path}`, init);
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`${path} was answered ${response.status}`);
  };
  const repeat = async (name: keyof Latencies, work: () => Promise<unknown>): Promise<void> => {
    while (performance.now() < end) {
      const started = performance.now();
      await work();
      latencies[name].push(performance.now() - started);
      await pause(5);
    }
  };
  await Promise.all([
    repeat('profile', () =>
      call(`applications/${QUIET_ID}/profile/`, { headers: { authorization: `Bearer ${fan.token}` } }),
    ),
    repeat('keyed', () =>
      call(`applications/${QUIET_ID}/activities/`, {
        method: 'POST',
        headers: { ...headers, authorization: `Bearer ${QUIET_TOKEN}`, 'idempotency-key': crypto.randomUUID() },
        body: JSON.stringify({ activities: [{ id: crypto.randomUUID(), type: 'poll-voted', profile_id: fan.id }] }),
      }),
    ),
    repeat('preview', () => quiet.groups.preview(heavyRule())),
  ]);
  return latencies;
}

const percentile = (values: number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * share)] ?? NaN;

async function startNoise(url: string, kind: string): Promise<ChildProcess> {
  const child = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), '--noise', kind, '--url', url], {
    execArgv: process.execArgv,
  });
  await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error('the noise ended before it began'))),
  ]);
  return child;
}

async function loadQuiet(quiet: AdminClient): Promise<{ id: string; token: string }> {
  // Made anew each time: a season that is there already has the others, and their tokens are told once.
  const [fan] = await quiet.profiles.upsert([{ custom_id: `measured-${Date.now()}` }]);
  for (let from = 0; from < FANS; from += AT_ONCE) {
    const made = await quiet.profiles.upsert(
      Array.from({ length: AT_ONCE }, (_, i) => ({ custom_id: `fan-${from + i}` })),
    );
    const ids = made.map(({ id }) => id ?? '');
    for (let n = 0; n < (ACTIVITIES * AT_ONCE) / FANS; n += AT_ONCE)
      await quiet.activities.send(ids.map((id, i) => ({ id: `a${n + i}`, type: 'comment-created', profile_id: id })));
  }
  return { id: fan?.id ?? '', token: fan?.access_token ?? '' };
}

async function main(): Promise<void> {
  const season = await prepareSeason({
    profiles: Number(options.profiles),
    activities: Number(options.activities),
    folder: options.season,
  });
  const server = await startGrandstand({
    DATABASE_URL: season.url,
    BOOTSTRAP_CLIENT_ID: QUIET_ID,
    BOOTSTRAP_ADMIN_TOKEN: QUIET_TOKEN,
    STREAM_LIMIT_ADDRESS: '0',
  });
  try {
    const quiet = createAdminClient({ clientId: QUIET_ID, endpoint: server.url, accessToken: QUIET_TOKEN, retries: 0 });
    const fan = await loadQuiet(quiet);
    const ms = Number(options.seconds) * 1000;
    await measure(server.url, quiet, fan, 3_000);
    for (const kind of options.kinds.split(',')) {
      const alone: Latencies[] = [];
      const beside: Latencies[] = [];
      const counts: unknown[] = [];
      for (let round = 0; round < Number(options.rounds); round++) {
        alone.push(await measure(server.url, quiet, fan, ms));
        const noise = await startNoise(server.url, kind);
        await pause(1_000);
        beside.push(await measure(server.url, quiet, fan, ms));
        noise.send('counts');
        counts.push((await once(noise, 'message'))[0]);
        const ended = once(noise, 'exit');
        noise.kill('SIGKILL');
        await ended;
        await pause(2_000);
      }
      tell(kind, alone, beside, counts);
    }
  } finally {
    await server.stop();
    await season.stop();
  }
}

const WHAT = { profile: 'read a profile', keyed: 'POST under an Idempotency-Key', preview: 'preview' } as const;

function tell(kind: string, alone: Latencies[], beside: Latencies[], counts: unknown[]): void {
  // Of all rounds together: a p99 of few is a matter of chance.
  const at = (all: Latencies[], name: keyof Latencies, share: number): number =>
    percentile(
      all.flatMap((each) => each[name]),
      share,
    );
  report(
    `Another application beside ${kind} ${JSON.stringify(counts)}`,
    (['profile', 'keyed', 'preview'] as const).flatMap((name) =>
      ([0.5, 0.99] as const).map((share): Parameters<typeof report>[1][number] => [
        `${WHAT[name]}, p${share * 100}`,
        `${rounded(at(alone, name, share))} → ${rounded(at(beside, name, share))} ms (${beside.reduce((n, each) => n + each[name].length, 0)})`,
        at(beside, name, share) / at(alone, name, share),
        share === 0.99 ? 'at most 2' : '',
      ]),
    ),
  );
}

if (options.noise !== undefined) await makeNoise(options.url ?? '');
else {
  await main();
  process.exit(0);
}
