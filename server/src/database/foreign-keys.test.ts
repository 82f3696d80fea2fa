import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase } from '../testing/database.ts';
import { bringForeignKeysBack, setForeignKeysAside } from './foreign-keys.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
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

/** Without those of a cluster's shards. */
const listKeys = async (): Promise<string[]> => {
  const { rows } = await client.query<{ key: string }>(
    `select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) as key from pg_constraint
     where contype = 'f' and conrelid::regclass::text !~ '_[0-9]{6}$' order by 1`,
  );
  return rows.map((row) => row.key);
};

it('foreign keys that were set aside come back as they were, also after a crash in the midst', async () => {
  const before = await listKeys();
  expect(before.length).toBeGreaterThan(5);
  await setForeignKeysAside(client, ['admin_tokens', 'groups', 'rulesets']);
  expect(before.length - (await listKeys()).length).toBe(3);
  // Whoever goes on finds some of them gone, and those of the tables that are still to be done.
  await setForeignKeysAside(client, ['rulesets', 'producer_roles']);
  expect(before.length - (await listKeys()).length).toBe(5);
  await bringForeignKeysBack(client);
  expect(await listKeys()).toEqual(before);
  await bringForeignKeysBack(client);
  expect(await listKeys()).toEqual(before);
  expect((await client.query(`select from settings where key like 'foreign%'`)).rowCount).toBe(0);
});
