// kill -9 in the middle of an import, of an export, and of reading another server: nothing is lost, done twice or taken for
// whole that is not.

import { get as httpGet, type IncomingMessage } from 'node:http';
import { spawn } from 'node:child_process';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAdminClient, type Import } from '@grandstand/sdk/server';
import { createTestDatabase, type TestDatabase } from '../src/testing/database.ts';
import { addProfiles } from '../src/testing/profiles.ts';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer } from '../src/testing/server.ts';
import { BOOTSTRAP, CLI, SECRET_KEY, eventually, run, startProcess, type ServerProcess } from './server-process.ts';

const APP = BOOTSTRAP.BOOTSTRAP_CLIENT_ID;
const ROWS = 60_000;
const KILLS = Number(process.env['KILL_ROUNDS'] ?? 1);

describe('kill -9', () => {
  let database: TestDatabase;
  let client: pg.Client;
  beforeAll(async () => {
    database = await createTestDatabase();
    client = new pg.Client({ connectionString: database.directUrl });
    await client.connect();
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  const start = (): Promise<ServerProcess> =>
    startProcess({
      DATABASE_URL: database.url,
      SECRET_KEY,
      ...BOOTSTRAP,
      ROLE: 'all',
      LOG_LEVEL: 'silent',
      RATE_LIMIT_ADDRESS: '0', // the test asks without end
    });
  const sdkOf = ({ url }: ServerProcess) =>
    createAdminClient({ clientId: APP, endpoint: url, accessToken: BOOTSTRAP.BOOTSTRAP_ADMIN_TOKEN });
  const number = async (text: string): Promise<number> => {
    const { rows } = await client.query<{ n: string | null }>(`select (${text})::text as n`);
    return Number(rows[0]?.n ?? 0);
  };

  it(
    'in the middle of an import: the next process brings in what is left, and each row counts once',
    { timeout: 300_000 },
    async () => {
      const lines = Array.from({ length: ROWS }, (_, n) => `k-${n},Fan ${n},${n % 7 === 0 ? 'red' : 'blue'}\n`);
      let server = await start();
      const { id } = await sdkOf(server).imports.create(
        'profiles',
        `custom_id,nickname,attributes.team\n${lines.join('')}`,
        'text/csv',
      );
      for (let killed = 0; killed < KILLS; killed++) {
        const before = await number('select sum(accepted) from imports');
        await eventually(
          () => number('select sum(accepted) from imports'),
          (now) => now > before,
          120_000, // the lease of the one that died runs out first
        );
        server.kill('SIGKILL');
        await server.exit;
        server = await start();
      }
      const done = await eventually<Import>(
        () => sdkOf(server).imports.get(id),
        ({ state }) => state === 'done' || state === 'failed',
        240_000,
      );
      expect(done).toMatchObject({ state: 'done', rows: ROWS, accepted: ROWS, duplicates: 0, rejected: 0 });
      expect(await number('select count(*) from profiles')).toBe(ROWS);
      expect(await number('select sum(profiles) from statistics')).toBe(ROWS);
      expect(await number('select count(*) from profile_attributes')).toBe(ROWS);
      expect(await number('select count(*) from import_pieces')).toBe(0);
      server.kill('SIGTERM');
      await server.exit;
    },
  );

  it('in the middle of an export: what came is not whole, and says so', { timeout: 120_000 }, async () => {
    const server = await start();
    const ask = (): Promise<IncomingMessage> =>
      new Promise((resolve, reject) => {
        const headers = { authorization: `Bearer ${BOOTSTRAP.BOOTSTRAP_ADMIN_TOKEN}` };
        const url = `${server.url}/api/v1/applications/${APP}/exports/profiles/?format=csv&last_line=true`;
        httpGet(url, { headers }, resolve).on('error', reject);
      });
    const whole = await ask();
    let text = '';
    for await (const chunk of whole) text += String(chunk);
    expect([whole.complete, whole.trailers['grandstand-rows']]).toEqual([true, String(ROWS)]);
    expect(text.endsWith(`#complete,${ROWS}\n`)).toBe(true);
    const broken = await ask();
    let part = '';
    const reading = (async () => {
      for await (const chunk of broken) {
        if (part === '') server.kill('SIGKILL');
        part += String(chunk);
        if (part.length < 1_000_000) await server.exit; // what is on its way already still comes
      }
    })();
    await expect(reading).rejects.toThrow();
    expect([broken.complete, broken.trailers['grandstand-rows']]).toEqual([false, undefined]);
    expect(part.length).toBeLessThan(text.length);
    expect(part).not.toContain('#complete');
  });

  it(
    'in the middle of reading another server: run again it goes on, and nothing is missing',
    { timeout: 300_000 },
    async () => {
      const source = await startTestServer();
      try {
        const ids = await addProfiles(source, 4_000, 'there-');
        const group = await source.sdk.groups.create({ name: 'Those', custom_id: 'those' });
        await source.sdk.groups.addMembers(group.id, { profile_ids: ids.slice(0, 2_500) });
        const args = [
          'import',
          'livelike',
          `--endpoint=${source.url}`,
          `--client-id=${CLIENT_ID}`,
          `--token=${ADMIN_TOKEN}`,
        ];
        const env = { DATABASE_URL: database.url, SECRET_KEY, ...BOOTSTRAP };
        const unknown = await run([CLI, ...args], env);
        expect(unknown).toMatchObject({ code: 1, stdout: '' });
        expect(unknown.stderr).toContain(
          `There is no application '${CLIENT_ID}' here. Make it with \`grandstand app create`,
        );
        const made = await run([CLI, 'app', 'create', 'Moved', `--client-id=${CLIENT_ID}`], env);
        expect(made.code).toBe(0);
        const child = spawn(process.execPath, [CLI, ...args], {
          env: { PATH: process.env['PATH'] ?? '', ...env },
          stdio: 'ignore',
        });
        const ended = new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal)));
        const read = `select max((state -> 'counts' ->> 'profiles')::int) from livelike_imports`;
        await eventually(
          () => number(read),
          (profiles) => profiles >= 300,
        );
        child.kill('SIGKILL');
        expect(await ended).toBe('SIGKILL');
        const stood = await number(read);
        expect(stood).toBeLessThan(4_000);
        const again = await run([CLI, ...args], env);
        expect(again).toMatchObject({ code: 0, stderr: '' });
        expect(again.stdout).toContain('going on where it was broken off, at the profiles');
        expect(again.stdout).toContain(
          '4000 profiles (4000 new or changed), 1 groups, 2500 members (2500 new), 0 left out',
        );
        const here = `application_id = (select id from applications where client_id = '${CLIENT_ID}')`;
        expect(await number(`select count(*) from profiles where ${here} and custom_id like 'there-%'`)).toBe(4_000);
        expect(await number(`select count(*) from members where group_id = '${group.id}'`)).toBe(2_500);
        const third = await run([CLI, ...args], env);
        expect(third.stdout).toContain('4000 profiles (0 new or changed), 1 groups, 2500 members (0 new), 0 left out');
      } finally {
        await source.close();
      }
    },
  );
});
