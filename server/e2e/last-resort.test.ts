// An uncaught error, in a real process: it says so, answers what is in flight, stops in order and ends with 1.

import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../src/testing/database.ts';
import { BOOTSTRAP, SECRET_KEY, eventually, startProcess, type ServerProcess } from './server-process.ts';

const admin = { authorization: `Bearer ${BOOTSTRAP.BOOTSTRAP_ADMIN_TOKEN}`, 'content-type': 'application/json' };

/** Code that the process runs when it is told by a signal; the product itself has no such door. */
const onSignal = (code: string): string =>
  `--import=data:text/javascript,${encodeURIComponent(`process.on('SIGUSR2', () => { ${code} })`)}`;

describe('an uncaught error', () => {
  let database: TestDatabase;
  let client: pg.Client;
  beforeAll(async () => {
    database = await createTestDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  const start = (code: string): Promise<ServerProcess> =>
    startProcess({ DATABASE_URL: database.url, SECRET_KEY, ROLE: 'api', ...BOOTSTRAP, NODE_OPTIONS: onSignal(code) });
  const connections = async (): Promise<number> =>
    Number(
      (
        await client.query<{ n: string }>(
          `select count(*) as n from pg_stat_activity where datname = current_database() and application_name like 'grandstand%'`,
        )
      ).rows[0]?.n,
    );
  const waiting = async (): Promise<number> =>
    Number(
      (
        await client.query<{ n: string }>(
          `select count(*) as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        )
      ).rows[0]?.n,
    );

  for (const [what, code] of [
    ['a promise that was rejected', `Promise.reject(new Error('a fault of ours'))`],
    ['an exception', `throw new Error('a fault of ours')`],
    ['twice', `for (let i = 0; i < 2; i++) setImmediate(() => { throw new Error('a fault of ours') })`],
  ] as const)
    it(`(${what}) is logged, and the process stops in order`, async () => {
      const server = await start(code);
      const created = await fetch(`${server.url}/api/v1/applications/${BOOTSTRAP.BOOTSTRAP_CLIENT_ID}/profile/`, {
        method: 'POST',
        headers: admin,
        body: '{}',
      });
      const { id } = (await created.json()) as { id: string }; // the API's answer
      await client.query('begin');
      await client.query('select from profiles where id = $1 for update', [id]);
      const renamed = fetch(`${server.url}/api/v1/profiles/${id}/`, {
        method: 'PATCH',
        headers: admin,
        body: JSON.stringify({ nickname: 'In Flight' }),
      });
      await eventually(waiting, (count) => count > 0);
      server.kill('SIGUSR2');
      await eventually(
        async () => server.output(),
        (output) => output.includes('a fault of ours'),
      );
      await client.query('commit');
      expect((await renamed).status).toBe(200);
      expect(await server.exit).toBe(1);
      expect(server.output()).toMatch(/"level":60.*a fault of ours/);
      await eventually(connections, (count) => count === 0);
    });
});
