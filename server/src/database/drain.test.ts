import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/database.ts';
import { openDatabase, sql, type Database } from './database.ts';
import { drain } from './drain.ts';

function signal(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

describe('a drain', () => {
  let database: TestDatabase;
  let db: Database;
  beforeAll(async () => {
    database = await createTestDatabase();
    db = openDatabase({ ...database, poolSize: 10, name: 'grandstand' });
  });
  afterAll(async () => {
    await db.close();
    await database.drop();
  });

  it('returns at once when nothing runs', async () => {
    await drain(db);
  });

  it('waits for the transactions that run, not for those that begin later or only read', async () => {
    const order: string[] = [];
    const begun = signal();
    const release = signal();
    const writer = db.transaction(async (tx) => {
      await tx.query(sql`select 1`);
      begun.resolve();
      await release.promise;
      order.push('written');
    });
    await begun.promise;
    const reading = signal();
    const finish = signal();
    const reader = db.withClient(async (client) => {
      await client.query('select 1');
      reading.resolve();
      await finish.promise;
    });
    await reading.promise;
    const looked = signal();
    const watched: Database = { ...db, query: async (statement) => db.query<never>(statement).finally(looked.resolve) };
    const drained = drain(watched).then(() => order.push('drained'));
    await looked.promise;
    const later = signal();
    const second = db.transaction(async (tx) => {
      await tx.query(sql`select 1`);
      release.resolve();
      await later.promise;
    });
    await drained;
    expect(order).toEqual(['written', 'drained']);
    later.resolve();
    finish.resolve();
    await Promise.all([writer, second, reader]);
  });
});
