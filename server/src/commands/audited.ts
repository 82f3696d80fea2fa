// What is done on the command line stands in the audit log too, in the transaction of the change, with the name of the
// machine's user: whoever may run it reaches the database anyway, but by accident it was somebody.

import { userInfo } from 'node:os';
import type { Application } from '../applications/application.ts';
import { insertEntry } from '../audit/audit-store.ts';
import { withEntry, type AuditEntry, type AuditObject } from '../audit/entry.ts';
import { redact } from '../audit/redact.ts';
import type { Context } from '../context.ts';

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

/** A reading of personal data: the row is there before anything is read. */
export async function auditReading(context: Context, application: Application, change: Change): Promise<void> {
  await insertEntry(context.db, entryOf(application.id, change), context.clock.now());
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
