// Databases for tests: each a copy of the migrated template, made in some hundredths of a second.

import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { copyDatabase } from './citus.ts';

export interface TestDatabase {
  /** Through the pooler where there is one. */
  url: string;
  directUrl: string;
  /** What it is, as `openDatabase` wants to know it. */
  isPooled: boolean;
  isDistributed: boolean;
  /** Ends every connection to it. */
  drop(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** Without tables, for the tests of migrations, which bring their own; also on a cluster one node's, without its extension. */
  empty?: boolean;
  /** Of one without tables: as `create database` takes it, such as `locale 'C'`. */
  locale?: string;
}

export async function createTestDatabase({ empty = false, locale }: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const problem = inject('databaseProblem');
  if (problem !== '' && !empty) throw new Error(`the template database could not be made: ${problem}`);
  const server = inject('databaseUrl');
  const template = inject('databaseTemplate');
  const name = `${template}_${randomBytes(6).toString('hex')}`;
  const how = locale === undefined ? '' : ` encoding 'UTF8' ${locale}`;
  const workers = inject('citusWorkers');
  const nodes = empty ? [server] : [server, ...workers];
  if (nodes.length > 1) await copyDatabase(nodes, name, template);
  else await execute(server, `create database ${name} template ${empty ? 'template0' : template}${how}`);
  const url = new URL(inject('poolerUrl') || server);
  url.pathname = `/${name}`;
  const direct = new URL(server);
  direct.pathname = url.pathname;
  const isPooled = inject('poolerUrl') !== '';
  return {
    url: url.href,
    directUrl: direct.href,
    isPooled,
    isDistributed: inject('isDistributed') && !empty,
    async drop() {
      for (const node of nodes) await drop(node, name);
    },
  };
}

const INSUFFICIENT_PRIVILEGE = '42501';

/** An automatic vacuum belongs to the superuser: force may not end it, while a plain drop sends it away by itself. */
async function drop(server: string, name: string): Promise<void> {
  const statement = `drop database if exists ${name}`;
  await execute(server, `${statement} with (force)`).catch((error: unknown) =>
    error instanceof pg.DatabaseError && error.code === INSUFFICIENT_PRIVILEGE
      ? execute(server, statement)
      : Promise.reject(error),
  );
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
