import { join, sql, type Database, type Queryable, type Sql } from '../database/database.ts';
import { pageClause, type Order, type PageRequest } from '../database/page.ts';
import { formatInstant, type Instant } from '../instant.ts';
import type { Status, Webhook } from './webhook.ts';

const COLUMNS = sql`id, application_id, url, description, events, groups, switches, is_active, secret, previous_secret, previous_secret_until,
  created_at, updated_at, version, followed_since, status, status_since, last_success_at, last_error, retry_after`;

export async function findWebhook(db: Queryable, applicationId: number, id: string): Promise<Webhook | undefined> {
  const { rows } = await db.query<Webhook>(sql`
    select ${COLUMNS} from webhooks where id = ${id} and application_id = ${applicationId} and deleted_at is null`);
  return rows[0];
}

/** Locks it, so that two changes of it cannot mix. */
export async function lockWebhook(tx: Queryable, applicationId: number, id: string): Promise<Webhook | undefined> {
  const { rows } = await tx.query<Webhook>(sql`
    select ${COLUMNS} from webhooks where id = ${id} and application_id = ${applicationId} and deleted_at is null for update`);
  return rows[0];
}

export async function countWebhooks(db: Queryable, applicationId: number): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    sql`select count(*) as count from webhooks where application_id = ${applicationId} and deleted_at is null`,
  );
  return rows[0]?.count ?? 0;
}

export const WEBHOOK_ORDER: Order<Webhook> = {
  name: 'webhooks',
  columns: [
    { column: 'created_at', type: 'timestamptz' },
    { column: 'id', type: 'uuid' },
  ],
  descending: true,
  key: (webhook) => [formatInstant(webhook.created_at), webhook.id],
};

export async function pageOfWebhooks(
  db: Database,
  applicationId: number,
  page: PageRequest,
): Promise<{ rows: Webhook[]; count: number | undefined }> {
  const { after, orderAndLimit } = pageClause(page, WEBHOOK_ORDER);
  return db.transaction(
    async (tx) => {
      const count = page.wantsCount ? await countWebhooks(tx, applicationId) : undefined;
      const { rows } = await tx.query<Webhook>(sql`
        select ${COLUMNS} from webhooks where application_id = ${applicationId} and deleted_at is null${after}${orderAndLimit}`);
      return { rows, count };
    },
    { isolation: 'repeatable read' },
  );
}

/** What is sent to, of all applications. */
export async function listActive(db: Queryable): Promise<Webhook[]> {
  const { rows } = await db.query<Webhook>(
    sql`select ${COLUMNS} from webhooks where is_active and deleted_at is null order by id`,
  );
  return rows;
}

/** Deleted ones too, until what they left is gone. */
export async function listAll(db: Queryable): Promise<{ id: string; deleted_at: Instant | null }[]> {
  const { rows } = await db.query<{ id: string; deleted_at: Instant | null }>(
    sql`select id, deleted_at from webhooks order by id`,
  );
  return rows;
}

export async function removeWebhook(db: Queryable, id: string): Promise<void> {
  await db.query(sql`delete from webhooks where id = ${id} and deleted_at is not null`);
}

export async function listClientIds(db: Queryable): Promise<Map<number, string>> {
  const { rows } = await db.query<{ id: number; client_id: string }>(sql`select id, client_id from applications`);
  return new Map(rows.map((row) => [row.id, row.client_id]));
}

export type NewWebhook = Pick<
  Webhook,
  'id' | 'application_id' | 'url' | 'description' | 'events' | 'groups' | 'switches' | 'is_active' | 'secret'
>;

export async function insertWebhook(
  tx: Queryable,
  webhook: NewWebhook,
  createdBy: string,
  now: Instant,
): Promise<void> {
  const at = formatInstant(now);
  await tx.query(sql`
    insert into webhooks (id, application_id, url, description, events, groups, switches, is_active, secret, created_at, updated_at, created_by,
      version, followed_since, status, status_since)
    values (${webhook.id}, ${webhook.application_id}, ${webhook.url}, ${webhook.description}, ${webhook.events}::text[], ${webhook.groups}::text[],
      ${webhook.switches}, ${webhook.is_active}, ${webhook.secret}, ${at}, ${at}, ${createdBy}, 1, ${at},
      ${webhook.is_active ? 'healthy' : 'disabled'}, ${at})`);
}

export type WebhookChange = Partial<
  Pick<Webhook, 'url' | 'description' | 'events' | 'groups' | 'switches' | 'is_active'>
>;

/** Whoever sends reads it anew. */
export async function updateWebhook(tx: Queryable, id: string, change: WebhookChange, now: Instant): Promise<void> {
  const sets: Sql[] = [sql`updated_at = ${formatInstant(now)}, version = version + 1`];
  if (change.url !== undefined) sets.push(sql`url = ${change.url}`);
  if (change.description !== undefined) sets.push(sql`description = ${change.description}`);
  if (change.events !== undefined) sets.push(sql`events = ${change.events}::text[]`);
  if (change.groups !== undefined) sets.push(sql`groups = ${change.groups}::text[]`);
  if (change.switches !== undefined) sets.push(sql`switches = ${change.switches}`);
  if (change.events !== undefined || change.groups !== undefined)
    sets.push(sql`followed_since = ${formatInstant(now)}`);
  if (change.is_active !== undefined) {
    sets.push(sql`is_active = ${change.is_active}, status = ${change.is_active ? 'healthy' : 'disabled'}, status_since = ${formatInstant(now)},
      last_error = null, retry_after = null`);
  }
  await tx.query(sql`update webhooks set ${join(sets)} where id = ${id}`);
}

/** Positions were moved: whoever sends reads them anew. */
export async function touchWebhook(tx: Queryable, id: string): Promise<void> {
  await tx.query(sql`update webhooks set version = version + 1 where id = ${id}`);
}

export async function rotateSecret(
  tx: Queryable,
  webhook: Webhook,
  secret: Buffer,
  until: Instant,
  now: Instant,
): Promise<void> {
  // prettier-ignore
  await tx.query(sql`
    update webhooks set secret = ${secret}, previous_secret = ${webhook.secret}, previous_secret_until = ${formatInstant(until)},
      updated_at = ${formatInstant(now)}, version = version + 1
    where id = ${webhook.id}`);
}

/** Gone for everybody; what was delivered is deleted in the background (delivery-chores.ts). */
export async function deleteWebhook(tx: Queryable, id: string, now: Instant): Promise<void> {
  await tx.query(sql`delete from webhook_streams where webhook_id = ${id}`);
  await tx.query(
    sql`update webhooks set deleted_at = ${formatInstant(now)}, is_active = false, version = version + 1 where id = ${id}`,
  );
}

/** What became of the last attempts, unless somebody changed the webhook meanwhile. */
export interface Health {
  id: string;
  version: number;
  is_active: boolean;
  status: Status;
  status_since: Instant;
  last_success_at: Instant | null;
  last_error: string | null;
  retry_after: Instant | null;
}

export async function writeHealth(tx: Queryable, healths: readonly Health[]): Promise<void> {
  const instant = (at: Instant | null): string | null => (at === null ? null : formatInstant(at));
  if (healths.length === 0) return;
  await tx.query(sql`
    update webhooks w set is_active = h.is_active, status = h.status, status_since = h.status_since, last_success_at = h.last_success_at,
      last_error = h.last_error, retry_after = h.retry_after
    from unnest(${healths.map((each) => each.id)}::uuid[], ${healths.map((each) => each.version)}::bigint[],
      ${healths.map((each) => each.is_active)}::bool[], ${healths.map((each) => each.status)}::text[],
      ${healths.map((each) => instant(each.status_since))}::timestamptz[], ${healths.map((each) => instant(each.last_success_at))}::timestamptz[],
      ${healths.map((each) => each.last_error)}::text[], ${healths.map((each) => instant(each.retry_after))}::timestamptz[])
      as h (id, version, is_active, status, status_since, last_success_at, last_error, retry_after)
    where w.id = h.id and w.version = h.version`);
}
