// Usage of twelve months over a season: cold, that is the first answer of a process that was just started, and warm. The sheets of its days are made first,
// by a process that works: without them usage is counted from activities.
// `PROFILES=100000 ACTIVITIES=2000000 npx tsx bench/usage.ts`; the season is made once and kept.

import pg from 'pg';
import { call, pause } from './client.ts';
import { median, report, rounded, startGrandstand } from './lib.ts';
import { prepareSeason } from './season.ts';

const PROFILES = Number(process.env['PROFILES'] ?? 100_000);
const ACTIVITIES = Number(process.env['ACTIVITIES'] ?? 2_000_000);
const ROUNDS = Number(process.env['ROUNDS'] ?? 3);
const WARM = 10;

const season = await prepareSeason({ profiles: PROFILES, activities: ACTIVITIES });

/** Until no more are made in two rounds of those who make them. */
async function makeSheets(): Promise<number> {
  const client = new pg.Client({ connectionString: season.url });
  await client.connect();
  const worker = await startGrandstand({ DATABASE_URL: season.url });
  try {
    for (let made = 0, same = 0; ;) {
      await pause(5_000);
      const { rows } = await client.query<{ count: string }>(
        'select count(*) as count from sheet_days where made_at is not null',
      );
      const now = Number(rows[0]?.count);
      same = now === made ? same + 1 : 0;
      made = now;
      if (same >= 7) return made;
    }
  } finally {
    await worker.stop();
    await client.end();
  }
}

const cold: number[] = [];
const warm: number[] = [];
try {
  console.log(`sheets of ${await makeSheets()} days`);
  const until = new Date(season.now / 1000).toISOString();
  const path = `/usage/?interval=month&until=${until}`;
  for (let round = 0; round < ROUNDS; round++) {
    const server = await startGrandstand({ DATABASE_URL: season.url, ROLE: 'api' });
    const timed = async (): Promise<number> => {
      const started = performance.now();
      await call(server, 'GET', path);
      return performance.now() - started;
    };
    try {
      cold.push(await timed());
      for (let n = 0; n < WARM; n++) warm.push(await timed());
    } finally {
      await server.stop();
    }
  }
} finally {
  await season.stop();
}
report(
  `usage of twelve months, ${PROFILES.toLocaleString('en')} profiles, ${ACTIVITIES.toLocaleString('en')} activities`,
  [
    ['the first answer of a process', `${rounded(median(cold))} ms`, `of ${cold.length}`, 'aim ≤ 1 s'],
    ['further answers', `${rounded(median(warm))} ms`, `of ${warm.length}`, 'aim ≤ 300 ms'],
  ],
);
