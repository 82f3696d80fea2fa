// Imports: received, listed, and what was rejected of them.

import { describeChange } from '../audit/entry.ts';
import type { Readable } from 'node:stream';
import { createHash } from 'node:crypto';
import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import { isUniqueViolation } from '../database/faults.ts';
import type { PageRequest } from '../database/page.ts';
import { ApiError, conflict, invalid, notFound } from '../errors.ts';
import type { FileFormat } from '../files/body.ts';
import { csvRow } from '../files/csv-write.ts';
import { findGroup, requireStatic } from '../groups/group-service.ts';
import { newId, readUuid } from '../ids.ts';
import { formatInstant } from '../instant.ts';
import { FIRST_REJECTED, type Import, type ImportKind, type Rejection } from './import.ts';
import * as store from './import-store.ts';
import { keepPieces, openFile, type Asked } from './receive.ts';

export interface NewFile {
  kind: ImportKind;
  format: FileFormat;
  name: string;
  isDryRun: boolean;
  asked: Omit<Asked, 'groupId'> & { group: string | undefined };
  createdBy: string;
  /** Of the Idempotency-Key, and of what the request says beside its body. */
  key: { hash: Buffer; query: string } | undefined;
}

const KEY_KEPT = 24 * 3_600_000_000;

/** Takes a file in; it is brought in afterwards, by the importer. `replayed`: it was, under the same key. */
export async function receiveImport(
  context: Context,
  application: Application,
  file: NewFile,
  body: Readable,
): Promise<{ row: Import; replayed: boolean }> {
  const { key } = file;
  const groupId = await findGroupId(context, application, file);
  if (key) {
    await store.forgetKey(context.db, key.hash, formatInstant(context.clock.now() - KEY_KEPT));
    const earlier = await store.findImportByKey(context.db, key.hash);
    if (earlier) return { row: await compare(earlier, key.query, body), replayed: true };
  }
  const opened = await openFile(body, file.kind, file.format, { ...file.asked, groupId });
  const id = newId();
  const row = {
    id,
    application_id: application.id,
    kind: file.kind,
    name: file.name,
    format: file.format,
    is_dry_run: file.isDryRun,
    options: opened.options,
    created_by: file.createdBy,
    keyHash: key?.hash ?? null,
  };
  describeChange({
    object: { type: 'import', id, name: file.name },
    after: { of: file.kind, group: groupId ?? file.asked.group, dry_run: file.isDryRun },
  });
  await store.insertImport(context.db, row, formatInstant(context.clock.now())).catch((error: unknown) => {
    throw isUniqueViolation(error) ? stillRunning() : error;
  });
  try {
    await keepPieces(context, id, opened.rows);
    const bodyHash = withQuery(opened.bodyHash(), key?.query ?? '');
    await store.markReceived(context.db, id, bodyHash, formatInstant(context.clock.now()));
  } catch (error) {
    await store.deleteImport(context.db, id).catch((failure: unknown) => {
      context.log.warn({ err: failure, import: id }, 'a file that did not arrive whole stays for now');
    });
    throw error;
  }
  return { row: await getImport(context, application, id), replayed: false };
}

async function findGroupId(
  context: Context,
  application: Application,
  { kind, asked }: NewFile,
): Promise<string | undefined> {
  const { group: text } = asked;
  if (kind !== 'members') {
    if (text !== undefined) throw invalid('group', 'Only members are imported into a group.');
    return undefined;
  }
  if (text === undefined) return undefined;
  const group = await findGroup(context.db, application.id, text);
  if (!group?.is_active) throw invalid('group', `There is no group ${JSON.stringify(text.slice(0, 300))}.`);
  requireStatic(group);
  return group.id;
}

const stillRunning = (): ApiError =>
  new ApiError('conflict', { detail: 'The first request with this Idempotency-Key is still running.', retryAfter: 1 });

/** The same file under the same key is the same import. */
async function compare(earlier: Import & { body_hash: Buffer | null }, query: string, body: Readable): Promise<Import> {
  const hash = createHash('sha256');
  for await (const chunk of body as AsyncIterable<Buffer>) hash.update(chunk);
  if (earlier.state === 'receiving' || earlier.body_hash === null) throw stillRunning();
  if (earlier.body_hash.equals(withQuery(hash.digest(), query))) return earlier;
  throw conflict('This Idempotency-Key was used with another request.');
}

const withQuery = (bodyHash: Buffer, query: string): Buffer =>
  createHash('sha256').update(query).update('\0').update(bodyHash).digest();

export async function getImport(context: Context, application: Application, text: string): Promise<Import> {
  const id = readUuid(text);
  const row = id === undefined ? undefined : await store.findImport(context.db, application.id, id);
  if (!row) throw notFound();
  return row;
}

export const listImports = (
  context: Context,
  application: Application,
  page: PageRequest,
): Promise<{ rows: Import[]; count: number | undefined }> => store.pageOfImports(context.db, application.id, page);

/** Of those by line, for whom no file is needed. */
export const firstRejected = async (context: Context, row: Import): Promise<Rejection[]> =>
  row.rejected === 0 ? [] : store.listRejections(context.db, row.id, 0, FIRST_REJECTED);

const AT_ONCE = 1000;

/** As CSV: line, reason, row. */
export async function* rejectedRows(context: Context, row: Import): AsyncGenerator<string> {
  yield csvRow(['line', 'reason', 'row']);
  for (let line = 0; ;) {
    const rejections = await store.listRejections(context.db, row.id, line, AT_ONCE);
    if (rejections.length > 0) yield rejections.map((each) => csvRow([each.line, each.reason, each.row])).join('');
    if (rejections.length < AT_ONCE) return;
    line = rejections.at(-1)?.line ?? line;
  }
}
