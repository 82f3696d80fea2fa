// Usage of twelve months over a season: cold, that is the first answer of a process that was just started, and warm.
// `PROFILES=100000 ACTIVITIES=2000000 npx tsx bench/usage.ts`; the season is made once and kept.

import { call } from './client.ts';
import { median, report, rounded, startGrandstand } from './lib.ts';
import { prepareSeason } from './season.ts';

const PROFILES = Number(process.env['PROFILES'] ?? 100_000);
const ACTIVITIES = Number(process.env['ACTIVITIES'] ?? 2_000_000);
const ROUNDS = Number(process.env['ROUNDS'] ?? 3);
const WARM = 10;

const season = await prepareSeason({ profiles: PROFILES, activities: ACTIVITIES });
const cold: number[] = [];
const warm: number[] = [];
try {
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
