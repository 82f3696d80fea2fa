import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, sql, type Database } from '../database/database.ts';
import { createTestDatabase, type TestDatabase } from '../testing/database.ts';
import { leases } from './leases.ts';
import { BUCKETS } from '../queue/queue.ts';

describe('the leases of a worker', () => {
  let database: TestDatabase;
  let db: Database;
  beforeAll(async () => {
    database = await createTestDatabase();
    db = openDatabase({ ...database, poolSize: 4, name: 'grandstand' });
  });
  afterAll(async () => {
    await db.close();
    await database.drop();
  });

  it('are taken under one name, also when its heartbeat and its evaluation begin at once', async () => {
    const own = leases(db);
    await Promise.all([own.beat(), own.rebalance(), own.beat()]);
    await own.rebalance();
    const { rows } = await db.query<{ count: number }>(
      sql`select count(*) as count from leases where starts_with(name, 'worker:')`,
    );
    expect(rows[0]?.count).toBe(1);
    expect(own.buckets()).toHaveLength(BUCKETS);
    await own.release();
  });
});
