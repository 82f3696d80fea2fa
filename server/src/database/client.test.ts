import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { onClient } from './client.ts';
import { sql } from './database.ts';

describe('a connection that is held', () => {
  const client = new pg.Client({ connectionString: inject('databaseUrl') });
  beforeAll(() => client.connect());
  afterAll(() => client.end());

  // The driver warns where it is asked to queue, and tests end on what it says will go (vitest.config.ts).
  it('takes statements in turn, whatever becomes of the one before', async () => {
    const db = onClient(client);
    const outcomes = await Promise.allSettled([
      db.query(sql`select pg_sleep(0.01), 1 as n`),
      db.query(sql`select 1 / 0`),
      db.query(sql`select 3 as n`),
      db.query(sql`select 4 as n`),
    ]);
    expect(outcomes.map((one) => (one.status === 'fulfilled' ? one.value.rows : 'failed'))).toMatchObject([
      [{ n: 1 }],
      'failed',
      [{ n: 3 }],
      [{ n: 4 }],
    ]);
  });
});
