import { join, sql, type Database, type Queryable, type Sql } from '../database/database.ts';
import { pageClause, type Order, type PageRequest } from '../database/page.ts';
import { formatInstant, type Instant } from '../instant.ts';
import type { Mapping } from './mapping.ts';
import { MAX_SOURCES, PROBLEMS_KEPT, type Source, type SourceItem } from './source.ts';

const COLUMNS = sql`id, application_id, name, kind, trust, write_key, previous_write_key, previous_write_key_until, mapping, problems,
  last_received_at, created_at, updated_at`;

export async function findSource(db: Queryable, applicationId: number, id: string): Promise<Source | undefined> {
  const { rows } = await db.query<Source>(
    sql`select ${COLUMNS} from sources where id = ${id} and application_id = ${applicationId}`,
  );
  return rows[0];
}

export async function findLiveLikeSource(db: Queryable, id: string): Promise<Source | undefined> {
  const { rows } = await db.query<Source>(sql`select ${COLUMNS} from sources where id = ${id} and kind = 'livelike'`);
  return rows[0];
}

/** By the hash of its write key, or of the one before until it ends. */
export async function findSourceByKey(db: Queryable, hash: Buffer, now: Instant): Promise<Source | undefined> {
  const { rows } = await db.query<Source>(sql`
    select ${COLUMNS} from sources where write_key_hash = ${hash}
    union all
    select ${COLUMNS} from sources where previous_write_key_hash = ${hash} and previous_write_key_until > ${formatInstant(now)}
    limit 1`);
  return rows[0];
}

/** Locks it, so that two changes of it cannot mix. */
export async function lockSource(tx: Queryable, applicationId: number, id: string): Promise<Source | undefined> {
  const { rows } = await tx.query<Source>(
    sql`select ${COLUMNS} from sources where id = ${id} and application_id = ${applicationId} for update`,
  );
  return rows[0];
}

export async function countSources(db: Queryable, applicationId: number): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    sql`select count(*) as count from sources where application_id = ${applicationId}`,
  );
  return rows[0]?.count ?? 0;
}

export const SOURCE_ORDER: Order<Source> = {
  name: 'sources',
  columns: [
    { column: 'created_at', type: 'timestamptz' },
    { column: 'id', type: 'uuid' },
  ],
  descending: true,
  key: (source) => [formatInstant(source.created_at), source.id],
};

export async function pageOfSources(
  db: Database,
  applicationId: number,
  page: PageRequest,
): Promise<{ rows: Source[]; count: number | undefined }> {
  const { after, orderAndLimit } = pageClause(page, SOURCE_ORDER);
  return db.transaction(
    async (tx) => {
      const count = page.wantsCount ? await countSources(tx, applicationId) : undefined;
      const { rows } = await tx.query<Source>(
        sql`select ${COLUMNS} from sources where application_id = ${applicationId}${after}${orderAndLimit}`,
      );
      return { rows, count };
    },
    { isolation: 'repeatable read' },
  );
}

/** Newest first; there are a hundred at most. */
export async function listSources(db: Queryable, applicationId: number): Promise<Source[]> {
  const { rows } = await db.query<Source>(
    sql`select ${COLUMNS} from sources where application_id = ${applicationId} order by created_at desc, id desc limit ${MAX_SOURCES}`,
  );
  return rows;
}

export type NewSource = Pick<Source, 'id' | 'application_id' | 'name' | 'kind' | 'trust' | 'write_key' | 'mapping'> & {
  write_key_hash: Buffer | null;
};

/** False where another source has the key. */
export async function insertSource(
  tx: Queryable,
  source: NewSource,
  createdBy: string,
  now: Instant,
): Promise<boolean> {
  const at = formatInstant(now);
  const { count } = await tx.query(sql`
    insert into sources (id, application_id, name, kind, trust, write_key, write_key_hash, mapping, created_at, updated_at, created_by)
    values (${source.id}, ${source.application_id}, ${source.name}, ${source.kind}, ${source.trust}, ${source.write_key},
      ${source.write_key_hash}::bytea, ${JSON.stringify(source.mapping)}::jsonb, ${at}, ${at}, ${createdBy})
    on conflict (write_key_hash) where write_key_hash is not null do nothing`);
  return count === 1;
}

export interface SourceChange {
  name?: string;
  trust?: Source['trust'];
  mapping?: Mapping;
}

export async function updateSource(tx: Queryable, id: string, change: SourceChange, now: Instant): Promise<void> {
  const sets: Sql[] = [sql`updated_at = ${formatInstant(now)}`];
  if (change.name !== undefined) sets.push(sql`name = ${change.name}`);
  if (change.trust !== undefined) sets.push(sql`trust = ${change.trust}`);
  if (change.mapping !== undefined) sets.push(sql`mapping = ${JSON.stringify(change.mapping)}::jsonb`);
  await tx.query(sql`update sources set ${join(sets)} where id = ${id}`);
}

export async function rotateKey(
  tx: Queryable,
  id: string,
  key: { writeKey: Buffer; hash: Buffer | null; previousUntil: Instant },
  now: Instant,
): Promise<void> {
  await tx.query(sql`
    update sources set previous_write_key = write_key, previous_write_key_hash = write_key_hash,
      previous_write_key_until = ${formatInstant(key.previousUntil)}, write_key = ${key.writeKey}, write_key_hash = ${key.hash}::bytea,
      updated_at = ${formatInstant(now)}
    where id = ${id}`);
}

export async function deleteSource(tx: Queryable, applicationId: number, id: string): Promise<boolean> {
  const { count } = await tx.query(sql`delete from sources where id = ${id} and application_id = ${applicationId}`);
  return count === 1;
}

/** How much of what was taken is kept as a sample. */
const SAMPLE_KEPT = 100;

/** Adds items, and lets the oldest go that are more than are kept. */
export async function insertItems(
  db: Database,
  sourceId: string,
  items: readonly SourceItem[],
  /** How many problems there were, which may be more than there are items of. */
  problems: number,
  now: Instant,
): Promise<void> {
  const at = formatInstant(now);
  await db.transaction(async (tx) => {
    const { count } = await tx.query(sql`
      update sources set problems = problems + ${problems}, last_received_at = greatest(last_received_at, ${at}) where id = ${sourceId}`);
    if (count === 0 || items.length === 0) return; // deleted meanwhile
    await tx.query(sql`
      insert into source_items (source_id, is_problem, at, call, name, outcome, reason, profile_id, custom_id, item)
      select ${sourceId}::uuid, i.outcome <> 'taken', i.at, i.call, i.name, i.outcome, i.reason, i.profile_id, i.custom_id, i.item
      from unnest(${items.map((item) => formatInstant(item.at))}::timestamptz[], ${items.map((item) => item.call)}::text[],
        ${items.map((item) => item.name)}::text[], ${items.map((item) => item.outcome)}::text[], ${items.map((item) => item.reason)}::text[],
        ${items.map((item) => item.profile_id)}::uuid[], ${items.map((item) => item.custom_id)}::text[], ${items.map((item) => item.item)}::text[])
        with ordinality as i (at, call, name, outcome, reason, profile_id, custom_id, item, n)
      order by i.n`);
    for (const [isProblem, kept] of [
      [true, PROBLEMS_KEPT],
      [false, SAMPLE_KEPT],
    ] as const)
      // prettier-ignore
      await tx.query(sql`
        delete from source_items where source_id = ${sourceId} and is_problem = ${isProblem} and id <= (
          select id from source_items where source_id = ${sourceId} and is_problem = ${isProblem} order by id desc offset ${kept} limit 1)`);
  });
}

export type StoredItem = SourceItem & { id: number };

export const ITEM_ORDER: Order<StoredItem> = {
  name: 'source-items',
  columns: [{ column: 'id', type: 'bigint' }],
  descending: true,
  key: (item) => [String(item.id)],
};

export type ItemFilter = 'problems' | 'all';

export async function pageOfItems(
  db: Database,
  sourceId: string,
  filter: ItemFilter,
  page: PageRequest,
): Promise<{ rows: StoredItem[]; count: number | undefined }> {
  const { after, orderAndLimit } = pageClause(page, ITEM_ORDER);
  const where = sql`source_id = ${sourceId}${filter === 'problems' ? sql` and is_problem` : sql``}`;
  return db.transaction(
    async (tx) => {
      const counted = page.wantsCount
        ? await tx.query<{ count: number }>(sql`select count(*) as count from source_items where ${where}`)
        : undefined;
      const { rows } = await tx.query<StoredItem>(sql`
        select id, at, call, name, outcome, reason, profile_id, custom_id, item from source_items where ${where}${after}${orderAndLimit}`);
      return { rows, count: counted?.rows[0]?.count };
    },
    { isolation: 'repeatable read' },
  );
}

/** Newest first. */
export async function listProblems(db: Queryable, sourceId: string, limit: number): Promise<SourceItem[]> {
  const { rows } = await db.query<SourceItem>(sql`
    select at, call, name, outcome, reason, profile_id, custom_id, item from source_items
    where source_id = ${sourceId} and is_problem order by id desc limit ${limit}`);
  return rows;
}

/** What is kept of what sources sent about a fan: under the ids of the profile, and of those that were merged into it. */
export async function listItemsAbout(
  db: Queryable,
  applicationId: number,
  profileIds: readonly string[],
  customIds: readonly string[],
): Promise<(SourceItem & { source: string })[]> {
  const { rows } = await db.query<SourceItem & { source: string }>(sql`
    select s.name as source, i.at, i.call, i.name, i.outcome, i.reason, i.profile_id, i.custom_id, i.item
    from source_items i join sources s on s.id = i.source_id
    where s.application_id = ${applicationId} and (i.profile_id = any (${profileIds}::uuid[]) or i.custom_id = any (${customIds}::text[]))
    order by i.at, i.id`);
  return rows;
}

/** What is older is no longer of use to whoever looks for a mistake. */
export async function deleteItemsBefore(db: Queryable, before: Instant): Promise<void> {
  await db.query(sql`delete from source_items where at < ${formatInstant(before)}`);
}
