import { sql, type Database, type Queryable } from '../database/database.ts';
import { pageClause, type Order, type PageRequest } from '../database/page.ts';
import { formatInstant, type Instant } from '../instant.ts';
import type { Import, Rejection } from './import.ts';

const COLUMNS = sql`id, application_id, kind, name, format, is_dry_run, options, state, rows, accepted, duplicates, rejected,
  created_at, created_by, updated_at, finished_at, last_error`;

export type NewImport = Pick<
  Import,
  'id' | 'application_id' | 'kind' | 'name' | 'format' | 'is_dry_run' | 'options' | 'created_by'
> & { keyHash: Buffer | null };

export async function insertImport(db: Queryable, row: NewImport, now: string): Promise<void> {
  await db.query(sql`
    insert into imports (id, application_id, kind, name, format, is_dry_run, options, state, rows, accepted, duplicates, rejected,
      created_at, created_by, updated_at, key_hash)
    values (${row.id}, ${row.application_id}, ${row.kind}, ${row.name}, ${row.format}, ${row.is_dry_run}, ${JSON.stringify(row.options)},
      'receiving', 0, 0, 0, 0, ${now}, ${row.created_by}, ${now}, ${row.keyHash})`);
}

export async function insertPiece(
  db: Database,
  importId: string,
  piece: { number: number; rows: number; content: Buffer },
  now: string,
): Promise<void> {
  await db.transaction(async (tx) => {
    await Promise.all([
      tx.query(sql`
        insert into import_pieces (import_id, number, content) values (${importId}, ${piece.number}, ${piece.content})`),
      tx.query(sql`update imports set rows = rows + ${piece.rows}, updated_at = ${now} where id = ${importId}`),
    ]);
  });
}

/** The whole file has arrived. */
export async function markReceived(db: Queryable, id: string, bodyHash: Buffer, now: string): Promise<void> {
  await db.query(sql`
    update imports set state = 'queued', body_hash = ${bodyHash}, updated_at = ${now} where id = ${id} and state = 'receiving'`);
}

/** With its pieces. */
export async function deleteImport(db: Queryable, id: string): Promise<void> {
  await db.query(sql`delete from imports where id = ${id}`);
}

export async function findImport(db: Queryable, applicationId: number, id: string): Promise<Import | undefined> {
  const { rows } = await db.query<Import>(
    sql`select ${COLUMNS} from imports where id = ${id} and application_id = ${applicationId}`,
  );
  return rows[0];
}

export async function findImportByKey(
  db: Queryable,
  keyHash: Buffer,
): Promise<(Import & { body_hash: Buffer | null }) | undefined> {
  const { rows } = await db.query<Import & { body_hash: Buffer | null }>(
    sql`select ${COLUMNS}, body_hash from imports where key_hash = ${keyHash}`,
  );
  return rows[0];
}

/** Keys live for a day. */
export async function forgetKey(db: Queryable, keyHash: Buffer, before: string): Promise<void> {
  await db.query(sql`update imports set key_hash = null where key_hash = ${keyHash} and created_at <= ${before}`);
}

export const IMPORT_ORDER: Order<Import> = {
  name: 'imports',
  columns: [
    { column: 'created_at', type: 'timestamptz' },
    { column: 'id', type: 'uuid' },
  ],
  descending: true,
  key: (row) => [formatInstant(row.created_at), row.id],
};

export async function pageOfImports(
  db: Database,
  applicationId: number,
  page: PageRequest,
): Promise<{ rows: Import[]; count: number | undefined }> {
  const { after, orderAndLimit } = pageClause(page, IMPORT_ORDER);
  return db.transaction(
    async (tx) => {
      const counted = page.wantsCount
        ? await tx.query<{ count: number }>(
            sql`select count(*) as count from imports where application_id = ${applicationId}`,
          )
        : undefined;
      const { rows } = await tx.query<Import>(
        sql`select ${COLUMNS} from imports where application_id = ${applicationId}${after}${orderAndLimit}`,
      );
      return { rows, count: counted?.rows[0]?.count };
    },
    { isolation: 'repeatable read' },
  );
}

export async function listRejections(
  db: Queryable,
  importId: string,
  afterLine: number,
  limit: number,
): Promise<Rejection[]> {
  const { rows } = await db.query<Rejection>(sql`
    select line, reason, row from import_rejections where import_id = ${importId} and line > ${afterLine} order by line limit ${limit}`);
  return rows;
}

/** The one whose turn it is: that which has waited longest, so that all get on. */
export async function findNext(db: Queryable, now: string): Promise<(Import & { failures: number }) | undefined> {
  const { rows } = await db.query<Import & { failures: number }>(sql`
    select ${COLUMNS}, failures from imports
    where state in ('queued', 'running') and (retry_at is null or retry_at <= ${now}) order by updated_at limit 1`);
  return rows[0];
}

export interface Piece {
  number: number;
  content: Buffer;
}

/** The first one after this. */
/** Whether one would have its turn beside this one. */
export async function isAnotherWaiting(db: Queryable, importId: string, now: string): Promise<boolean> {
  const { rows } = await db.query(sql`
    select from imports
    where state in ('queued', 'running') and id <> ${importId} and (retry_at is null or retry_at <= ${now}) limit 1`);
  return rows.length > 0;
}

export async function findPiece(db: Queryable, importId: string, after: number): Promise<Piece | undefined> {
  const { rows } = await db.query<Piece>(
    sql`select number, content from import_pieces where import_id = ${importId} and number > ${after} order by number limit 1`,
  );
  return rows[0];
}

/** False where another process was faster. */
export async function deletePiece(tx: Queryable, importId: string, number: number): Promise<boolean> {
  const { count } = await tx.query(sql`delete from import_pieces where import_id = ${importId} and number = ${number}`);
  return count === 1;
}

export async function recordPiece(
  tx: Queryable,
  importId: string,
  counts: { accepted: number; duplicates: number; rejections: readonly Rejection[]; kept: readonly Rejection[] },
  now: Instant,
): Promise<void> {
  const { kept } = counts;
  if (kept.length > 0) {
    await tx.query(sql`
      insert into import_rejections (import_id, line, reason, row)
      select ${importId}::uuid, r.line, r.reason, r.row
      from unnest(${kept.map(({ line }) => line)}::bigint[], ${kept.map(({ reason }) => reason)}::text[], ${kept.map(({ row }) => row)}::text[])
        as r (line, reason, row)`);
  }
  await tx.query(sql`
    update imports set state = 'running', accepted = accepted + ${counts.accepted}, duplicates = duplicates + ${counts.duplicates},
      rejected = rejected + ${counts.rejections.length}, failures = 0, retry_at = null, last_error = null, updated_at = ${formatInstant(now)}
    where id = ${importId}`);
}

export async function markDone(db: Queryable, id: string, now: string): Promise<void> {
  await db.query(sql`
    update imports set state = 'done', finished_at = ${now}, updated_at = ${now} where id = ${id} and state in ('queued', 'running')`);
}

export async function recordFailure(
  db: Queryable,
  id: string,
  failure: { error: string; retryAt: string; now: string },
): Promise<void> {
  await db.query(sql`
    update imports set failures = failures + 1, last_error = ${failure.error}, retry_at = ${failure.retryAt}, updated_at = ${failure.now}
    where id = ${id}`);
}

/** What was brought in before stays; the rest of the file goes. */
export async function markFailed(db: Database, id: string, error: string, now: string): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.query(sql`delete from import_pieces where import_id = ${id}`);
    await tx.query(sql`
      update imports set state = 'failed', last_error = ${error}, finished_at = ${now}, updated_at = ${now} where id = ${id}`);
  });
}

/** Files whose sender is gone, and rejected rows that nobody fetched for long. */
export async function cleanImports(
  db: Queryable,
  { abandonedBefore, oldBefore }: { abandonedBefore: string; oldBefore: string },
): Promise<void> {
  await db.query(sql`delete from imports where state = 'receiving' and updated_at < ${abandonedBefore}`);
  await db.query(sql`
    delete from import_rejections where import_id in (select id from imports where finished_at < ${oldBefore} and rejected > 0)`);
}
