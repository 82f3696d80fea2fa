import { pageClause, type Order, type PageRequest } from '../database/page.ts';
import { empty, join, sql, type Database, type Queryable, type Sql } from '../database/database.ts';
import { newId } from '../ids.ts';
import { formatInstant, type Instant } from '../instant.ts';
import type { AuditEntry } from './entry.ts';

export interface AuditRow {
  id: string;
  at: Instant;
  actor_kind: string;
  actor_id: string | null;
  actor_name: string;
  address: string | null;
  request_id: string | null;
  action: string;
  object_type: string | null;
  object_id: string | null;
  object_name: string | null;
  details: { before?: unknown; after?: unknown; request?: unknown } | null;
}

export async function insertEntry(tx: Queryable, entry: AuditEntry, now: Instant): Promise<void> {
  const { before, after, request, actor, object } = entry;
  const details = JSON.stringify({
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
    ...(request !== undefined && { request }),
  });
  await tx.query(sql`
    insert into audit_log (id, application_id, at, actor_kind, actor_id, actor_name, address, request_id, action, object_type, object_id, object_name, details)
    values (${newId()}, ${entry.applicationId}, ${formatInstant(now)}, ${actor.kind}, ${actor.id}, ${actor.name}, ${entry.address},
      ${entry.requestId}, ${entry.action}, ${object?.type ?? null}, ${object?.id ?? null}, ${object?.name ?? null}, ${details})`);
}

export const AUDIT_ORDER: Order<AuditRow> = {
  name: 'audit',
  columns: [
    { column: 'at', type: 'timestamptz' },
    { column: 'id', type: 'uuid' },
  ],
  descending: true,
  key: (row) => [formatInstant(row.at), row.id],
};

export interface AuditFilter {
  actor?: string;
  action?: string;
  objectType?: string;
  objectId?: string;
  since?: Instant;
  until?: Instant;
}

function where(applicationId: number, filter: AuditFilter): Sql {
  const parts: Sql[] = [sql`t.application_id = ${applicationId}`];
  if (filter.actor !== undefined) parts.push(sql`(t.actor_name = ${filter.actor} or t.actor_id = ${filter.actor})`);
  if (filter.action !== undefined) parts.push(sql`t.action = ${filter.action}`);
  if (filter.objectType !== undefined) parts.push(sql`t.object_type = ${filter.objectType}`);
  if (filter.objectId !== undefined) parts.push(sql`t.object_id = ${filter.objectId}`);
  if (filter.since !== undefined) parts.push(sql`t.at >= ${formatInstant(filter.since)}::timestamptz`);
  if (filter.until !== undefined) parts.push(sql`t.at < ${formatInstant(filter.until)}::timestamptz`);
  return join(parts, ' and ');
}

/** Rows and count of one snapshot, newest first. */
export async function pageOfEntries(
  db: Database,
  applicationId: number,
  filter: AuditFilter,
  page: PageRequest,
): Promise<{ rows: AuditRow[]; count: number | undefined }> {
  const { after, orderAndLimit } = pageClause(page, AUDIT_ORDER);
  const wanted = where(applicationId, filter);
  return db.transaction(
    async (tx) => {
      const counted = page.wantsCount
        ? await tx.query<{ count: number }>(sql`select count(*) as count from audit_log t where ${wanted}`)
        : undefined;
      const { rows } = await tx.query<AuditRow>(sql`
        select id, at, actor_kind, actor_id, actor_name, address, request_id, action, object_type, object_id, object_name, details
        from audit_log t where ${wanted}${after}${orderAndLimit}`);
      return { rows, count: counted?.rows[0]?.count };
    },
    { isolation: 'repeatable read' },
  );
}

/** Of an erased profile the rows stay, without what they say of it. */
export async function forgetObject(tx: Queryable, applicationId: number, type: string, id: string): Promise<void> {
  await tx.query(sql`
    update audit_log set details = null, object_name = null
    where application_id = ${applicationId} and object_type = ${type} and object_id = ${id}`);
}

/** Rows older than an instant, a slice of them; how many went. */
export async function deleteBefore(
  db: Queryable,
  applicationId: number,
  before: Instant,
  limit: number,
): Promise<number> {
  const { count } = await db.query(sql`
    with slice as materialized (
      select id from audit_log where application_id = ${applicationId} and at < ${formatInstant(before)}::timestamptz limit ${limit})
    delete from audit_log t using slice s where t.id = s.id${empty}`);
  return count;
}
