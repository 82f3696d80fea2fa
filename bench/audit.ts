// What the audit row costs an admin's write: the same PATCH of a profile over HTTP, with the row and without, in one process
// that is told between the runs to leave it out. `npx tsx bench/audit.ts`; ROUNDS and WRITES set how long it takes.

import { pino } from 'pino';
import { createApp } from '../server/src/app.ts';
import { readConfig } from '../server/src/config.ts';
import { startEmbedded } from '../server/src/database/embedded.ts';
import { ADMIN_TOKEN, CLIENT_ID, paired, report, rounded, temporaryFolder } from './lib.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 8);
const WRITES = Number(process.env['WRITES'] ?? 400);
const CONNECTIONS = 8;

const folder = await temporaryFolder();
const database = await startEmbedded({ dataDir: folder.path });
const config = readConfig({
  DATABASE_URL: database.url,
  SECRET_KEY: 'bench-secret-key-0123456789-0123456789',
  BOOTSTRAP_CLIENT_ID: CLIENT_ID,
  BOOTSTRAP_ADMIN_TOKEN: ADMIN_TOKEN,
  ROLE: 'api',
  PORT: '0',
  RATE_LIMIT_ADDRESS: '0',
  RATE_LIMIT_APPLICATION: '0',
});
const app = await createApp(config, { log: pino({ level: 'silent' }) });
try {
  const url = `${await app.http.listen({ host: '127.0.0.1', port: 0 })}/api/v1/`;
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' };
  const send = async (method: string, path: string, body: unknown): Promise<unknown> => {
    const answer = await fetch(url + path, { method, headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const profiles: string[] = [];
  for (let n = 0; n < CONNECTIONS; n++)
    profiles.push(((await send('POST', `applications/${CLIENT_ID}/profile/`, {})) as { id: string }).id);

  const { db } = app.context;
  const withRow = db.beforeCommit;
  const withoutRow: typeof withRow = (_write, work) => work();
  let turn = 0;
  /** Milliseconds a write, of as many connections at once. */
  const writes = async (beforeCommit: typeof withRow): Promise<number> => {
    db.beforeCommit = beforeCommit;
    const started = performance.now();
    await Promise.all(
      profiles.map(async (id) => {
        for (let n = 0; n < WRITES / CONNECTIONS; n++)
          await send('PATCH', `profiles/${id}/`, { nickname: `Fan ${turn++}` });
      }),
    );
    return (performance.now() - started) / WRITES;
  };
  await writes(withRow);
  await writes(withoutRow);
  const { a, b, ratio } = await paired(
    ROUNDS,
    () => writes(withRow),
    () => writes(withoutRow),
  );
  report(`an admin's PATCH of a profile, ${CONNECTIONS} at once, ${ROUNDS} pairs of ${WRITES}`, [
    ['with its audit row / without', `${rounded(a)} ms / ${rounded(b)} ms`, ratio, 'aim ≤ 1.1'],
  ]);
} finally {
  await app.close();
  await database.stop();
  await folder.remove();
}
