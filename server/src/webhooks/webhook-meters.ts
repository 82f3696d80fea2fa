// What /metrics says about webhooks. Attempts are counted where they are made; how far behind a webhook is, is asked of the
// database when somebody looks, so it holds for all processes together and for webhooks that are turned off.

import { Counter, Gauge, type Registry } from 'prom-client';
import type { Clock } from '../clock.ts';
import { sql, type Database } from '../database/database.ts';
import { MICROS_PER_SECOND, type Instant } from '../instant.ts';
import { isTaken, type Outcome } from './outcome.ts';
import type { Status } from './webhook.ts';

export interface WebhookMeters {
  add(outcome: Outcome): void;
}

export function webhookMeters(registry: Registry): WebhookMeters {
  const attempts = new Counter({
    name: 'grandstand_webhook_attempts_total',
    help: 'Messages that were sent to webhooks, by webhook and whether they were taken.',
    labelNames: ['webhook', 'outcome'],
    registers: [registry],
  });
  return {
    add: (outcome) =>
      attempts.inc({ webhook: outcome.webhookId, outcome: isTaken(outcome.answer) ? 'taken' : 'refused' }),
  };
}

interface Row {
  id: string;
  status: Status;
  oldest: Instant | null;
}

export function webhookGauges(registry: Registry, { db, clock }: { db: Database; clock: Clock }): void {
  let rows: Promise<Row[]> | undefined;
  const read = (): Promise<Row[]> => {
    rows ??= readRows(db).finally(() => setTimeout(() => (rows = undefined), 500).unref());
    return rows;
  };
  new Gauge({
    name: 'grandstand_webhook_oldest_undelivered_seconds',
    help: 'Age of the oldest change that a webhook was sent and has not taken; 0 where there is none.',
    labelNames: ['webhook'],
    registers: [registry],
    async collect() {
      this.reset();
      for (const { id, oldest } of await read().catch(() => []))
        this.set({ webhook: id }, oldest === null ? 0 : Math.max(0, clock.now() - oldest) / MICROS_PER_SECOND);
    },
  });
  new Gauge({
    name: 'grandstand_webhook_status',
    help: 'Whether a webhook is healthy, failing or disabled: 1 for what it is.',
    labelNames: ['webhook', 'status'],
    registers: [registry],
    async collect() {
      this.reset();
      for (const { id, status } of await read().catch(() => [])) this.set({ webhook: id, status }, 1);
    },
  });
}

async function readRows(db: Database): Promise<Row[]> {
  const { rows } = await db.query<Row>(sql`
    select w.id, w.status, min(s.pending_at) as oldest from webhooks w left join webhook_streams s on s.webhook_id = w.id
    where w.deleted_at is null group by w.id, w.status`);
  return rows;
}
