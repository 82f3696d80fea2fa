// What is done on the command line stands in the audit log too, in the transaction of the change, with the name of the
// machine's user: whoever may run it reaches the database anyway, but by accident it was somebody.

import { userInfo } from 'node:os';
import type { Application } from '../applications/application.ts';
import { insertEntry } from '../audit/audit-store.ts';
import { withEntry, type AuditEntry, type AuditObject } from '../audit/entry.ts';
import { redact } from '../audit/redact.ts';
import { systemClock } from '../clock.ts';
import type { Context } from '../context.ts';
import { onClient } from '../database/client.ts';
import { sql } from '../database/database.ts';
import { connectFirst } from '../database/examine.ts';

interface Change {
  /** As the API calls it. */
  action: string;
  object?: AuditObject;
  request?: unknown;
}

/** A change: `application` is undefined while it is being made, and the service says which it became. */
export async function audited<T>(
  context: Context,
  application: Application | undefined,
  change: Change,
  work: () => Promise<T>,
): Promise<T> {
  const entry = entryOf(application?.id, change);
  const write: Parameters<Context['db']['beforeCommit']>[0] = async (tx) => {
    if (entry.applicationId !== NONE) await insertEntry(tx, entry, context.clock.now());
  };
  return withEntry(entry, () => context.db.beforeCommit(write, work));
}

/** The row is there before anything is read, or brought in. */
export async function auditBeforehand(context: Context, application: Application, change: Change): Promise<void> {
  await insertEntry(context.db, entryOf(application.id, change), context.clock.now());
}

/** What concerns a whole database, in the log of each of its applications. One from before there was a log is left as it is. */
export async function auditAll(url: string, change: Change, now = systemClock().now()): Promise<void> {
  const client = await connectFirst(url, 'grandstand audit');
  try {
    const db = onClient(client);
    const { rows: logs } = await db.query(sql`select from pg_tables where tablename = 'audit_log'`);
    if (logs.length === 0) return;
    const { rows } = await db.query<{ id: number }>(sql`select id from applications order by id`);
    for (const { id } of rows) await insertEntry(db, entryOf(id, change), now);
  } finally {
    await client.end();
  }
}

const NONE = 0;

const entryOf = (applicationId: number = NONE, { action, object, request }: Change): AuditEntry => ({
  applicationId,
  actor: { kind: 'command line', id: null, name: userName() },
  address: null,
  requestId: null,
  action,
  object,
  ...(request !== undefined && { request: redact(request) }),
});

/** In a container the user may have no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
