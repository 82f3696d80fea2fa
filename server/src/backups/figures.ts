// What a restored database must hold. Under load no count of the running one fits a backup that was made meanwhile, so the counts that
// the product itself keeps, in the transactions that change rows, are held against the rows; and what only ever grows, read before and
// after, against what was restored.

import pg from 'pg';
import { connectFirst } from '../database/examine.ts';

const NAME = 'grandstand backup check';

export interface Marks {
  /** Numbers that only grow: of feeds, by what they number. */
  heads: Map<string, number>;
  /** The newest activity of each application. */
  newest: Activity[];
}

interface Activity {
  profile_id: string;
  id: string;
}

/** Fails with what is wrong with a backup that was restored. */
export class BackupDiffers extends Error {}

const HEADS = `
  select 'group ' || group_id as key, base_sequence + last_number as value from group_heads
  union all select 'events ' || application_id || ' ' || feed, last_sequence from event_heads
  union all select 'ordinals ' || application_id, next_ordinal from ordinal_blocks
  union all select 'migrations', count(*) from migrations`;

const NEWEST = `
  select n.profile_id, n.id from applications a cross join lateral
    (select profile_id, id from activities where application_id = a.id order by received_at desc limit 1) n`;

const THERE = `
  select a.profile_id, a.id from unnest($1::uuid[], $2::text[]) as asked (profile_id, id)
    join activities a on a.profile_id = asked.profile_id and a.id = asked.id`;

const KEPT = `
  select 'profiles of application ' || a.client_id as what, (select count(*) from profiles p where p.application_id = a.id) as rows,
    coalesce((select sum(profiles) from statistics s where s.application_id = a.id), 0) as kept from applications a
  union all
  select 'members of group ' || h.group_id, (select count(*) from members m where m.group_id = h.group_id and m.since_epoch <= h.epoch
    and (m.until_epoch is null or m.until_epoch > h.epoch)), h.profile_count from group_heads h`;

/** Of one snapshot. Of the newest activities of before, those that are still there: others were deleted or merged away. */
export async function readMarks(url: string, before?: Marks): Promise<Marks | undefined> {
  return inSnapshot(url, async (client) => {
    if (!(await hasTables(client))) return undefined;
    const { rows: newest } = before
      ? await client.query<Activity>(THERE, columnsOf(before.newest))
      : await client.query<Activity>(NEWEST);
    return { heads: await readHeads(client), newest };
  });
}

/** The rows of each table, once all of it is as it must be. */
export async function checkRestored(
  url: string,
  before: Marks | undefined,
  after: Marks | undefined,
): Promise<Record<string, number>> {
  return inSnapshot(url, async (client) => {
    const rows = await countRows(client);
    if (!before || !after) return rows;
    compareHeads(await readHeads(client), before, after);
    const { rows: there } = await client.query<Activity>(THERE, columnsOf(after.newest));
    const missing = after.newest.length - there.length;
    if (missing > 0)
      throw new BackupDiffers(`the newest activities of ${missing} applications, acknowledged before, are missing`);
    const { rows: counts } = await client.query<{ what: string; rows: string; kept: string }>(KEPT);
    const wrong = counts.find((count) => count.rows !== count.kept);
    if (wrong) throw new BackupDiffers(`${wrong.what}: ${wrong.rows} rows where ${wrong.kept} were counted`);
    return rows;
  });
}

function compareHeads(restored: Map<string, number>, before: Marks, after: Marks): void {
  for (const [key, first] of before.heads) {
    const last = after.heads.get(key);
    if (last === undefined) continue; // deleted meanwhile
    const found = restored.get(key);
    if (found === undefined || found < first || found > last)
      throw new BackupDiffers(`${key} stands at ${found ?? 'nothing'}, and stood at ${first} before and ${last} after`);
  }
}

/** Every row is read, and with it every page is held against its checksum. */
async function countRows(client: pg.ClientBase): Promise<Record<string, number>> {
  const { rows: tables } = await client.query<{ name: string }>(
    'select tablename as name from pg_tables where schemaname = current_schema() order by tablename',
  );
  const partitions = new Set(
    (await client.query<{ name: string }>('select inhrelid::regclass::text as name from pg_inherits')).rows.map(
      ({ name }) => name,
    ),
  );
  const counts: Record<string, number> = {};
  for (const { name } of tables.filter((table) => !partitions.has(table.name))) {
    const { rows } = await client.query<{ n: string }>(`select count(*) as n from ${client.escapeIdentifier(name)}`);
    counts[name] = Number(rows[0]?.n);
  }
  return counts;
}

async function readHeads(client: pg.ClientBase): Promise<Map<string, number>> {
  const { rows } = await client.query<{ key: string; value: string }>(HEADS);
  return new Map(rows.map(({ key, value }) => [key, Number(value)]));
}

async function hasTables(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(`select to_regclass('group_heads') is not null as there`);
  return rows[0]?.there === true;
}

const columnsOf = (activities: Activity[]): [string[], string[]] => [
  activities.map((activity) => activity.profile_id),
  activities.map((activity) => activity.id),
];

async function inSnapshot<T>(url: string, work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
  const client = await connectFirst(url, NAME);
  try {
    // Counting takes as long as it takes.
    await client.query('begin isolation level repeatable read read only; set local statement_timeout = 0');
    return await work(client);
  } finally {
    await client.end();
  }
}
