// What an audit row says of the change that is being made. http begins an entry for each request that changes something;
// services say of which object, and what it was before and is afterwards, wherever they know it.

import { AsyncLocalStorage } from 'node:async_hooks';
import { redact } from './redact.ts';

export type ActorKind = 'producer' | 'token' | 'command line';

export interface Actor {
  kind: ActorKind;
  id: string | null;
  name: string;
}

export interface AuditObject {
  type: string;
  id: string | null;
  name?: string | null;
}

export interface AuditEntry {
  applicationId: number;
  actor: Actor;
  address: string | null;
  requestId: string | null;
  action: string;
  object: AuditObject | undefined;
  before?: unknown;
  after?: unknown;
  request?: unknown;
  /** Of a reading: writes the row, once. */
  record?: () => Promise<void>;
}

const storage = new AsyncLocalStorage<AuditEntry>();
let running = 0;

export async function withEntry<T>(entry: AuditEntry, work: () => Promise<T>): Promise<T> {
  running++;
  try {
    return await storage.run(entry, work);
  } finally {
    if (--running === 0) storage.disable(); // see database/before-commit.ts
  }
}

/** Before the first byte of an answer that is streamed: others leave their row once they are ready to be sent. */
export async function recordReading(applicationId: number): Promise<void> {
  const entry = running === 0 ? undefined : storage.getStore();
  if (!entry?.record) return;
  entry.applicationId = applicationId;
  await entry.record();
}

/** Of a thing as it was, what a change names. */
export function pickAs(change: object, before: object): Record<string, unknown> {
  const names = new Set(Object.keys(change));
  return Object.fromEntries(Object.entries(before).filter(([name]) => names.has(name)));
}

/** Says more of the change that the present request makes; nothing where none is audited. Before its transaction commits. */
export function describeChange(change: {
  object?: AuditObject;
  before?: unknown;
  after?: unknown;
  /** Where the path names none: of the application that is made, or that the object is of. */
  applicationId?: number;
}): void {
  const entry = running === 0 ? undefined : storage.getStore();
  if (!entry) return;
  if (change.applicationId !== undefined) entry.applicationId = change.applicationId;
  if (change.object) entry.object = change.object;
  if (change.before !== undefined) entry.before = redact(change.before);
  if (change.after !== undefined) entry.after = redact(change.after);
}
