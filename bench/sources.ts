// Intake through a source of Segment's form against our own call: the same activities of the same profiles, in pairs of rounds
// on one server, each with four senders at once. `npx tsx bench/sources.ts`; ROUNDS and BATCHES set the size.

import { ADMIN_TOKEN, CLIENT_ID, median, rounded, startGrandstand, temporaryFolder } from './lib.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 5);
const BATCHES = Number(process.env['BATCHES'] ?? 40);
const SIZE = 250;
const FANS = 2_000;
const SENDERS = 4;

const folder = await temporaryFolder();
const server = await startGrandstand({
  DATA_DIR: folder.path,
  ROLE: 'api',
  BOOTSTRAP_CLIENT_ID: CLIENT_ID,
  BOOTSTRAP_ADMIN_TOKEN: ADMIN_TOKEN,
});
const root = `${server.url}/api/v1/applications/${CLIENT_ID}/`;
const post = async (url: string, body: unknown, authorization = `Bearer ${ADMIN_TOKEN}`): Promise<unknown> => {
  const headers = { authorization, 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response.json();
};
for (let from = 0; from < FANS; from += 1_000)
  await post(`${root}profiles/bulk/`, {
    profiles: Array.from({ length: 1_000 }, (_, n) => ({ custom_id: `fan-${from + n}` })),
  });
const made = (await post(`${root}sources/`, { name: 'Bench', kind: 'segment' })) as { write_key: string }; // as documented
const basic = `Basic ${btoa(`${made.write_key}:`)}`;

let serial = 0;
const items = <T>(make: (id: string, fan: string) => T): T[] =>
  Array.from({ length: SIZE }, () => make(`a-${++serial}`, `fan-${serial % FANS}`));
const data = { match: 'm-17', minute: 63, place: 'stand' };
const now = (): string => new Date().toISOString();
const own = (): Promise<unknown> =>
  post(`${root}activities/`, {
    activities: items((id, fan) => ({ id, type: 'comment-created', custom_id: fan, occurred_at: now(), data })),
  });
const segment = (): Promise<unknown> =>
  post(
    `${server.url}/v1/batch`,
    {
      sentAt: now(),
      batch: items((messageId, userId) => {
        const context = { library: { name: 'bench', version: '1' } };
        return {
          type: 'track',
          messageId,
          userId,
          event: 'Comment Created',
          timestamp: now(),
          properties: data,
          context,
        };
      }),
    },
    basic,
  );

/** Activities a second. */
async function run(send: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  let left = BATCHES;
  await Promise.all(
    Array.from({ length: SENDERS }, async () => {
      while (left-- > 0) await send();
    }),
  );
  return (BATCHES * SIZE * 1_000) / (performance.now() - began);
}

await run(own);
await run(segment);
const pairs: [own: number, segment: number][] = [];
for (let round = 0; round < ROUNDS; round++) {
  // Either goes first every other time.
  const first = await run(round % 2 === 0 ? own : segment);
  const second = await run(round % 2 === 0 ? segment : own);
  pairs.push(round % 2 === 0 ? [first, second] : [second, first]);
}
await server.stop();
await folder.remove();
process.stdout.write(
  `activities/: ${rounded(median(pairs.map(([each]) => each)))} a second; /v1/batch: ${rounded(median(pairs.map(([, each]) => each)))}; ` +
    `ratio ${rounded(median(pairs.map(([ours, theirs]) => theirs / ours)))} (of pairs ${pairs.map(([ours, theirs]) => rounded(theirs / ours)).join(', ')})\n`,
);
