// One PostgreSQL for a whole test run: TEST_DATABASE_URL where it is set, else an embedded one in a fresh folder that need not
// survive a power cut. The schema is migrated once, into a template; each test file takes copies of it (database.ts).

import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbedded } from '../database/embedded.ts';
import { migrate } from '../database/migrate.ts';
import { citusWorkers, closeForCopies, createCitusDatabase } from './citus.ts';
import { startPgBouncer } from './pgbouncer.ts';
import { scratchRoot } from './scratch.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A database on the test server, of a role that may create others. */
    databaseUrl: string;
    databaseTemplate: string;
    /** Why there is no template; the tests that need none still run. */
    databaseProblem: string;
    /** What stands before the databases of tests, with TEST_POOLER=pgbouncer: any database by its name. Else empty. */
    poolerUrl: string;
    isDistributed: boolean;
    /** The workers of a Citus cluster. */
    citusWorkers: string[];
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startServer();
  const template = `grandstand_template_${process.pid}`;
  const workers = citusWorkers(server.url, process.env['TEST_CITUS_WORKERS']);
  await dropOurs([server.url, ...workers], template);
  let problem = '';
  let isDistributed = false;
  try {
    if (workers.length > 0) await createCitusDatabase(server.url, workers, template);
    else await withClient(server.url, (client) => client.query(`create database ${template}`));
    ({ isDistributed } = await migrate(databaseNamed(server.url, template)));
    if (workers.length > 0) await closeForCopies(server.url, workers, template);
  } catch (error) {
    problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  project.provide('databaseUrl', server.url);
  project.provide('databaseTemplate', template);
  project.provide('databaseProblem', problem);
  project.provide('isDistributed', isDistributed);
  project.provide('citusWorkers', workers);
  const pooler = process.env['TEST_POOLER'] === 'pgbouncer' ? await startPgBouncer(server.url) : undefined;
  project.provide('poolerUrl', pooler?.through(server.url) ?? '');
  return async () => {
    await pooler?.stop();
    await dropOurs([server.url, ...workers], template);
    await server.stop();
  };
}

interface TestServer {
  url: string;
  stop(): Promise<void>;
}

async function startServer(): Promise<TestServer> {
  const given = process.env['TEST_DATABASE_URL'];
  if (given) return { url: given, stop: async () => {} };
  const folder = await mkdtemp(join(scratchRoot(), 'grandstand-test-'));
  const embedded = await startEmbedded({
    dataDir: folder,
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '300' },
  });
  return {
    url: embedded.url,
    async stop() {
      await embedded.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** On servers that stay, the databases of this run go, also those whose tests died. */
async function dropOurs(nodes: string[], template: string): Promise<void> {
  for (const node of nodes)
    await withClient(node, async (client) => {
      const { rows } = await client.query<{ datname: string }>(
        'select datname from pg_database where datname = $1 or starts_with(datname, $2)',
        [template, `${template}_`],
      );
      for (const { datname } of rows) await client.query(`drop database if exists ${datname} with (force)`);
    });
}

function databaseNamed(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
