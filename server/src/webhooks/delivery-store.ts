import { empty, sql, type Database, type Queryable } from '../database/database.ts';
import { pageClause, type Order, type PageRequest } from '../database/page.ts';
import { formatInstant, type Instant } from '../instant.ts';
import type { Delivery, DeliveryState } from './delivery.ts';

const COLUMNS = sql`webhook_id, id, stream, event, first_sequence, last_sequence, state, created_at, attempts`;

/** New deliveries; of one that is known, its new state and one attempt more. */
export async function writeDeliveries(tx: Queryable, deliveries: readonly Delivery[]): Promise<void> {
  if (deliveries.length === 0) return;
  await tx.query(sql`
    insert into webhook_deliveries (webhook_id, id, stream, event, first_sequence, last_sequence, state, created_at, attempts)
    select * from unnest(${deliveries.map((each) => each.webhook_id)}::uuid[], ${deliveries.map((each) => each.id)}::uuid[],
      ${deliveries.map((each) => each.stream)}::text[], ${deliveries.map((each) => each.event)}::text[],
      ${deliveries.map((each) => each.first_sequence)}::bigint[], ${deliveries.map((each) => each.last_sequence)}::bigint[],
      ${deliveries.map((each) => each.state)}::text[], ${deliveries.map((each) => formatInstant(each.created_at))}::timestamptz[],
      ${deliveries.map((each) => JSON.stringify(each.attempts))}::jsonb[])
    on conflict (webhook_id, id) do update set attempts = webhook_deliveries.attempts || excluded.attempts,
      state = case when webhook_deliveries.state = 'delivered' then 'delivered' else excluded.state end`);
}

export async function findDelivery(db: Queryable, webhookId: string, id: string): Promise<Delivery | undefined> {
  const { rows } = await db.query<Delivery>(
    sql`select ${COLUMNS} from webhook_deliveries where webhook_id = ${webhookId} and id = ${id}`,
  );
  return rows[0];
}

export const DELIVERY_ORDER: Order<Delivery> = {
  name: 'deliveries',
  columns: [{ column: 'id', type: 'uuid' }], // UUIDv7: by creation
  descending: true,
  key: (delivery) => [delivery.id],
};

export interface DeliveryFilter {
  state?: DeliveryState;
  event?: string;
}

export async function pageOfDeliveries(
  db: Database,
  webhookId: string,
  filter: DeliveryFilter,
  page: PageRequest,
): Promise<{ rows: Delivery[]; count: number | undefined }> {
  const { after, orderAndLimit } = pageClause(page, DELIVERY_ORDER);
  const matching = sql`webhook_id = ${webhookId}${filter.state === undefined ? empty : sql` and state = ${filter.state}`}${
    filter.event === undefined ? empty : sql` and event = ${filter.event}`
  }`;
  return db.transaction(
    async (tx) => {
      const counted = page.wantsCount
        ? await tx.query<{ count: number }>(sql`select count(*) as count from webhook_deliveries where ${matching}`)
        : undefined;
      const { rows } = await tx.query<Delivery>(
        sql`select ${COLUMNS} from webhook_deliveries where ${matching}${after}${orderAndLimit}`,
      );
      return { rows, count: counted?.rows[0]?.count };
    },
    { isolation: 'repeatable read' },
  );
}

/** Deletes the oldest of a webhook, as far as they are older; ids begin with the time of their creation. */
export async function deleteOldDeliveries(
  db: Queryable,
  webhookId: string,
  before: Instant | undefined,
  limit: number,
): Promise<number> {
  const { count } = await db.query(sql`
    delete from webhook_deliveries where webhook_id = ${webhookId} and id in (
      select id from (select id, created_at from webhook_deliveries where webhook_id = ${webhookId} order by id limit ${limit}) o
      where ${before === undefined ? sql`true` : sql`created_at < ${formatInstant(before)}`})`);
  return count;
}

/** They will not be tried again. */
export async function failDeliveries(
  tx: Queryable,
  deliveries: readonly { webhookId: string; id: string }[],
): Promise<void> {
  if (deliveries.length === 0) return;
  await tx.query(sql`
    update webhook_deliveries d set state = 'failed'
    from unnest(${deliveries.map((each) => each.webhookId)}::uuid[], ${deliveries.map((each) => each.id)}::uuid[]) as f (webhook_id, id)
    where d.webhook_id = f.webhook_id and d.id = f.id and d.state = 'pending'`);
}
