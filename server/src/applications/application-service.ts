// Applications and their admin tokens: made, found, their secrets opened and rotated.

import { describeChange } from '../audit/entry.ts';
import type { Context } from '../context.ts';
import { actorName, type Credential } from '../credential.ts';
import type { Queryable } from '../database/database.ts';
import { conflict, notFound } from '../errors.ts';
import { raiseDefinitionsVersion } from '../facts/definitions.ts';
import { newId } from '../ids.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { hashToken, randomText, type Secrets } from '../secrets.ts';
import { CLIENT_ID, type Application, STATISTICS_SHARDS } from './application.ts';
import * as store from './application-store.ts';

const CACHE_MICROS = 5_000_000;
const REREAD_MICROS = 1_000_000;
export const SECRET_GRACE_SECONDS = 86_400;

export interface Applications {
  find(clientId: string): Promise<Application | undefined>;
  /** Reads it again unless that was done within the last second: what another process changed is seen at once. */
  findAgain(clientId: string): Promise<Application | undefined>;
  get(clientId: string): Promise<Application>;
  getById(id: number): Promise<Application>;
  /** The application of a server that has one. */
  findOnly(): Promise<Application | undefined>;
  /** Forgets what is cached of it, after a change in this process. */
  forget(clientId: string): void;
}

/** Looked up on every request, so kept for a few seconds; a rotated secret has a longer grace than that. */
export function applications(context: Pick<Context, 'db' | 'clock' | 'secrets'>): Applications {
  const cache = new Map<string, { application: Application; readAt: Instant }>();
  const byId = new Map<number, string>();
  context.db.onBroken(() => {
    cache.clear();
    byId.clear();
  });

  const read = async (clientId: string, maxAge: number): Promise<Application | undefined> => {
    if (!CLIENT_ID.test(clientId)) return undefined;
    const now = context.clock.now();
    const cached = cache.get(clientId);
    if (cached && now - cached.readAt < maxAge) return cached.application;
    const row = await store.findApplication({ query: context.db.quick }, clientId);
    if (!row) return undefined;
    const application = open(row, context.secrets, now);
    if (cache.size > 10_000) cache.clear();
    cache.set(clientId, { application, readAt: now });
    byId.set(application.id, clientId);
    return application;
  };
  const find = (clientId: string): Promise<Application | undefined> => read(clientId, CACHE_MICROS);

  const get = async (clientId: string): Promise<Application> => {
    const application = await find(clientId);
    if (!application) throw notFound();
    return application;
  };

  return {
    find,
    findAgain: (clientId) => read(clientId, REREAD_MICROS),
    get,
    forget: (clientId) => void cache.delete(clientId),
    async getById(id) {
      if (!byId.has(id)) for (const row of await store.listApplications(context.db)) byId.set(row.id, row.client_id);
      return get(byId.get(id) ?? '');
    },
    async findOnly() {
      const [clientId, ...others] = await store.listClientIds(context.db, 2);
      return clientId === undefined || others.length > 0 ? undefined : find(clientId);
    },
  };
}

function open(row: store.ApplicationRow, secrets: Secrets, now: Instant): Application {
  const opened = [secrets.decrypt(row.client_secret)];
  if (row.previous_client_secret && (row.previous_client_secret_until ?? 0) > now)
    opened.push(secrets.decrypt(row.previous_client_secret));
  const { id, client_id, name, time_zone, limits, fans_may_search, created_at } = row;
  return { id, client_id, name, time_zone, secrets: opened, limits, fans_may_search, created_at };
}

/** Makes the application unless the client id is taken; `created` says which. */
export async function createApplication(
  context: Pick<Context, 'db' | 'clock' | 'secrets'>,
  options: { clientId?: string; name: string; clientSecret?: string },
): Promise<{ application: Application; created: boolean }> {
  const now = context.clock.now();
  const clientId = options.clientId ?? randomText(40);
  const row = await context.db.transaction(async (tx) => {
    const inserted = await store.insertApplication(tx, {
      client_id: clientId,
      name: options.name,
      client_secret: context.secrets.encrypt(options.clientSecret ?? randomText(64)),
      now: formatInstant(now),
    });
    if (inserted) {
      await store.insertApplicationRows(tx, inserted.id, STATISTICS_SHARDS);
      describeChange({
        applicationId: inserted.id,
        object: { type: 'application', id: clientId, name: options.name },
        after: { name: options.name },
      });
    }
    return inserted;
  });
  if (row) return { application: open(row, context.secrets, now), created: true };
  const existing = await store.findApplication(context.db, clientId);
  if (!existing) throw conflict(`application '${clientId}' is being made by another request.`);
  return { application: open(existing, context.secrets, now), created: false };
}

/** What dates in rules mean changes with it, so dynamic groups are filled again; until then they are served as they were. */
export async function changeTimeZone(
  { dynamicGroups }: Pick<Context, 'dynamicGroups'>,
  tx: Queryable,
  id: number,
  timeZone: string,
  now: Instant,
): Promise<void> {
  await raiseDefinitionsVersion(tx, id);
  await store.updateTimeZone(tx, { id, time_zone: timeZone, now: formatInstant(now) });
  await dynamicGroups.refill(tx, id, await store.listDynamicGroupIds(tx, id), now);
}

/** A new client secret; the old one is accepted for a day. */
export async function rotateClientSecret(
  context: Context,
  application: Application,
): Promise<{ clientSecret: string; previousUntil: Instant }> {
  const clientSecret = randomText(64);
  const now = context.clock.now();
  const previousUntil = now + SECRET_GRACE_SECONDS * 1_000_000;
  await store.updateSecret(context.db.own, {
    id: application.id,
    client_secret: context.secrets.encrypt(clientSecret),
    previous_until: formatInstant(previousUntil),
    now: formatInstant(now),
  });
  context.applications.forget(application.client_id);
  return { clientSecret, previousUntil };
}

export interface NewAdminToken {
  id: string;
  /** Shown once; only its hash is kept. */
  token: string;
}

export async function createAdminToken(
  context: Pick<Context, 'db' | 'clock'>,
  applicationId: number,
  options: { name: string; readOnly?: boolean; expiresAt?: Instant | null; token?: string; by?: Credential },
): Promise<NewAdminToken & { created: boolean; now: Instant }> {
  const { by } = options;
  const madeBy = by?.kind === 'admin' ? [...by.madeBy, by.tokenId] : [];
  const token = options.token ?? `gs_${randomText(43)}`;
  const now = context.clock.now();
  const id = newId();
  describeChange({ object: { type: 'token', id, name: options.name } });
  const created = await store.insertAdminToken(context.db.own, {
    id,
    application_id: applicationId,
    name: options.name,
    token_hash: hashToken(token),
    hint: token.slice(-4),
    read_only: options.readOnly ?? false,
    now: formatInstant(now),
    expires_at: options.expiresAt == null ? null : formatInstant(options.expiresAt),
    made_by: madeBy,
    created_by: by ? actorName(by) : null,
  });
  return { id, token, created, now };
}
