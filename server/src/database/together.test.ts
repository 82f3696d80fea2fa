import { afterEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/database.ts';
import { Unavailable } from '../errors.ts';
import { openDatabase, raw, sql, type Database } from './database.ts';

describe('one transaction around work', () => {
  let own: TestDatabase;
  let db: Database;
  afterEach(async () => {
    await db.close();
    await own.drop();
  });

  it('leaves connections to what does not join, however many run at once', async () => {
    own = await createTestDatabase({ empty: true });
    for (const poolSize of [2, 3]) {
      db = openDatabase({ ...own, poolSize, name: 'together' });
      const all = Array.from({ length: 12 }, (_, i) =>
        db.together(async () => {
          const { rows } = await db.query<{ n: number }>(sql`select ${i}::int as n`);
          await db.apart(() => db.transaction((tx) => tx.query(sql`select 1`)));
          return rows[0]?.n;
        }),
      );
      expect(await Promise.all(all)).toEqual(Array.from({ length: 12 }, (_, i) => i));
      if (poolSize === 2) await db.close();
    }
  });

  it('does not keep anybody waiting for long', async () => {
    own = await createTestDatabase({ empty: true });
    db = openDatabase({ ...own, poolSize: 2, name: 'together', connectTimeoutMs: 300 });
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const first = db.together(() => held);
    expect(await db.query(sql`select 1`)).toMatchObject({ count: 1 });
    await expect(db.together(async () => 'never')).rejects.toBeInstanceOf(Unavailable);
    release();
    await first;
    expect(await db.together(async () => 'again')).toBe('again');
  });

  it('says of statements behind one that failed what was wrong with that one, whoever is heard first', async () => {
    own = await createTestDatabase({ empty: true });
    db = openDatabase({ ...own, poolSize: 2, name: 'together' });
    const longWay = async (work: () => Promise<unknown>, steps = 20): Promise<unknown> =>
      steps === 0 ? work() : await longWay(work, steps - 1);
    let attempts = 0;
    const work = db.transaction(async (tx) => {
      const isFirst = attempts++ === 0;
      const code = isFirst ? '40P01' : 'P0001';
      await Promise.all([
        longWay(() => tx.query(sql`do ${raw(`$$ begin raise sqlstate '${code}'; end $$`)}`)),
        tx.query(sql`select 1`),
      ]);
    });
    await expect(work).rejects.toMatchObject({ code: 'P0001' });
    expect(attempts).toBe(2); // a deadlock is tried again
  });
});
