// The audit log as a file, newest first. Rows are never changed, and new ones stand before the first that was read: pages one
// after the other are as good as one snapshot, and hold nothing for their whole time.

import type { Database } from '../database/database.ts';
import type { PageRequest } from '../database/page.ts';
import type { FileFormat } from '../files/body.ts';
import { csvRow } from '../files/csv-write.ts';
import { AUDIT_ORDER, pageOfEntries, type AuditFilter, type AuditRow } from './audit-store.ts';
import { presentEntry } from './audit.ts';

const AT_ONCE = 500;

const COLUMNS = [
  'at',
  'actor_kind',
  'actor_id',
  'actor',
  'address',
  'action',
  'object_type',
  'object_id',
  'object',
  'before',
  'after',
  'request',
  'request_id',
] as const;

export async function* exportEntries(
  db: Database,
  applicationId: number,
  filter: AuditFilter,
  format: FileFormat,
): AsyncGenerator<string> {
  if (format === 'csv') yield csvRow(COLUMNS);
  let cursor: PageRequest['cursor'];
  for (;;) {
    const page: PageRequest = { size: AT_ONCE, number: 1, cursor, wantsCount: false };
    const { rows } = await pageOfEntries(db, applicationId, filter, page);
    if (rows.length > 0) yield rows.map(format === 'csv' ? csvOf : ndjsonOf).join('');
    const last = rows.at(-1);
    if (!last || rows.length < AT_ONCE) return; // a page has one row more than its size where there are further ones
    cursor = { key: AUDIT_ORDER.key(last), backwards: false, count: null, extra: null };
  }
}

const ndjsonOf = (row: AuditRow): string => `${JSON.stringify(presentEntry(row))}\n`;

function csvOf(row: AuditRow): string {
  const { at, actor, address, request_id: requestId, action, object, ...details } = presentEntry(row);
  const { before, after, request } = details as { before?: unknown; after?: unknown; request?: unknown }; // what a row may hold
  return csvRow([
    at,
    actor.kind,
    actor.id,
    actor.name,
    address,
    action,
    object?.type,
    object?.id,
    object?.name,
    json(before),
    json(after),
    json(request),
    requestId,
  ]);
}

const json = (value: unknown): string | undefined => (value === undefined ? undefined : JSON.stringify(value));
