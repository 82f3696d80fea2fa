// Foreign keys between tables that are about to become reference tables on Citus. While one of two tables is one and the
// other is not yet, a key between them stands in the way; so all are set aside first and come back last. What was set aside
// is kept in `settings`, so that the process that goes on after a crash brings it back.

import type pg from 'pg';

const SETTING = 'foreign_keys_set_aside';

interface ForeignKey {
  table: string;
  name: string;
  definition: string;
}

/** Takes the keys of these tables away, in one transaction with the note of them. */
export async function setForeignKeysAside(client: pg.ClientBase, tables: readonly string[]): Promise<void> {
  await client.query('begin');
  try {
    const { rows } = await client.query<ForeignKey>(
      `select conrelid::regclass::text as table, conname::text as name, pg_get_constraintdef(oid) as definition
       from pg_constraint where contype = 'f' and conrelid::regclass::text = any ($1) order by 1, 2`,
      [tables],
    );
    const all = [...(await listSetAside(client)), ...rows];
    await client.query(
      'insert into settings (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value',
      [SETTING, JSON.stringify(all)],
    );
    for (const { table, name } of rows)
      await client.query(`alter table ${table} drop constraint ${client.escapeIdentifier(name)}`);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  }
}

/** Brings back what was set aside and is not there. */
export async function bringForeignKeysBack(client: pg.ClientBase): Promise<void> {
  for (const { table, name, definition } of await listSetAside(client)) {
    const { rowCount } = await client.query(
      "select from pg_constraint where contype = 'f' and conrelid = $1::regclass and conname = $2",
      [table, name],
    );
    if (!rowCount)
      await client.query(`alter table ${table} add constraint ${client.escapeIdentifier(name)} ${definition}`);
  }
  await client.query('delete from settings where key = $1', [SETTING]);
}

async function listSetAside(client: pg.ClientBase): Promise<ForeignKey[]> {
  const { rows } = await client.query<{ value: string }>('select value from settings where key = $1', [SETTING]);
  return rows[0] ? (JSON.parse(rows[0].value) as ForeignKey[]) : []; // written above
}
