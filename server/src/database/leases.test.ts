import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, sql, type Database } from './database.ts';
import { createTestDatabase, type TestDatabase } from '../testing/database.ts';
import { leases } from './leases.ts';

const WORK = { prefix: '', buckets: 64 };
const OTHER = { prefix: 'other/', buckets: 8 };

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
    const own = leases(db, WORK);
    await Promise.all([own.beat(), own.rebalance(), own.beat()]);
    await own.rebalance();
    const { rows } = await db.query<{ count: number }>(
      sql`select count(*) as count from leases where starts_with(name, 'worker:')`,
    );
    expect(rows[0]?.count).toBe(1);
    expect(own.buckets()).toHaveLength(WORK.buckets);
    await own.release();
  });

  it('of one kind of work know nothing of another, and keep the buckets that are worked on', async () => {
    const own = leases(db, OTHER);
    const elsewhere = leases(db, WORK);
    await own.rebalance();
    await elsewhere.rebalance();
    expect(own.buckets()).toHaveLength(8);
    const second = leases(db, OTHER);
    await second.rebalance();
    expect(second.buckets()).toHaveLength(0);
    await own.rebalance(new Set([0, 1, 2, 3, 4, 5]));
    expect(own.buckets().toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
    await second.rebalance();
    expect(second.buckets().toSorted()).toEqual([6, 7]);
    await own.rebalance();
    await second.rebalance();
    expect(own.buckets()).toHaveLength(4);
    expect(second.buckets()).toHaveLength(4);
    await Promise.all([own, second, elsewhere].map((each) => each.release()));
  });

  it('are not given to a worker that is taken for dead in the middle of taking them', async () => {
    const successor = leases(db, OTHER);
    let removing: Promise<void> | undefined;
    /** Between what the worker does and its commit, its successor finds its heartbeat expired. */
    const slow: Database = {
      ...db,
      transaction: (work, options) =>
        db.transaction(async (tx) => {
          const result = await work(tx);
          await db.query(sql`update leases set expires_at = '-infinity' where starts_with(name, 'other/heartbeat:')`);
          let isDone = false;
          removing ??= successor.rebalance().finally(() => (isDone = true));
          const isWaiting = async (): Promise<boolean> =>
            (await db.query(sql`select from pg_locks where not granted`)).rows.length > 0;
          while (!isDone && !(await isWaiting()));
          return result;
        }, options),
    };
    await leases(slow, OTHER).rebalance();
    await removing;
    await successor.rebalance();
    expect(successor.buckets()).toHaveLength(OTHER.buckets);
    await successor.release();
  });
});
