// What /metrics says about usage and limits, of the largest applications only: an operator's system pays for each line.

import { Counter, Gauge, type Registry } from 'prom-client';
import type { ApplicationLimits, LimitName } from '../applications/application.ts';
import type { Clock } from '../clock.ts';
import { sql, type Database } from '../database/database.ts';
import { formatInstant, startOfDay, type Instant } from '../instant.ts';

/** The largest so many. */
const APPLICATIONS = 20;
const KEPT_MS = 500;

interface Row {
  client_id: string;
  limits: ApplicationLimits;
  total: number;
  new_1d: number;
  active_1d: number;
  active_7d: number;
  active_30d: number;
  made: number;
}

export interface UsageMeters {
  refused(limit: LimitName, count: number): void;
}

export function usageMeters(registry: Registry, context: { db: Database; clock: Clock }): UsageMeters {
  let rows: Promise<Row[]> | undefined;
  const read = (): Promise<Row[]> => {
    rows ??= readRows(context.db, context.clock.now()).finally(() =>
      setTimeout(() => (rows = undefined), KEPT_MS).unref(),
    );
    return rows;
  };
  const gauge = (name: string, help: string, labelNames: string[], set: (gauge: Gauge, row: Row) => void): void => {
    new Gauge({
      name,
      help: `${help} Of the ${APPLICATIONS} largest applications.`,
      labelNames,
      registers: [registry],
      async collect() {
        this.reset();
        for (const row of await read().catch(() => [])) set(this, row);
      },
    });
  };
  gauge('grandstand_usage_profiles', 'Profiles.', ['client_id'], (it, { client_id, total }) =>
    it.set({ client_id }, total),
  );
  gauge(
    'grandstand_usage_new_profiles',
    'Profiles made today, UTC, up to ten minutes ago.',
    ['client_id'],
    (it, { client_id, new_1d }) => it.set({ client_id }, new_1d),
  );
  gauge(
    'grandstand_usage_active_profiles',
    'Profiles active within 1, 7 and 30 days, up to ten minutes ago; 30 days are the MAU.',
    ['client_id', 'days'],
    (it, { client_id, ...row }) => {
      it.set({ client_id, days: '1' }, row.active_1d);
      it.set({ client_id, days: '7' }, row.active_7d);
      it.set({ client_id, days: '30' }, row.active_30d);
    },
  );
  gauge(
    'grandstand_limit_used_ratio',
    'Of a limit of an application, the part that is used: 1 and more is reached.',
    ['client_id', 'limit'],
    (it, { client_id, limits, active_30d, made }) => {
      const { max_mau: mau, max_profiles_per_day: perDay } = limits;
      if (mau) it.set({ client_id, limit: 'max_mau' }, active_30d / mau.value);
      if (perDay) it.set({ client_id, limit: 'max_profiles_per_day' }, made / perDay.value);
    },
  );
  const refusals = new Counter({
    name: 'grandstand_limit_refusals_total',
    help: 'Profiles that were not made, by the limit that refused them.',
    labelNames: ['limit'],
    registers: [registry],
  });
  return { refused: (limit, count) => refusals.inc({ limit }, count) };
}

/** Row by row of what a cluster keeps in different places. */
async function readRows(db: Database, now: Instant): Promise<Row[]> {
  const figures = await db.query<Omit<Row, 'client_id' | 'limits' | 'made'> & { application_id: number }>(sql`
    select application_id, total, new_1d, active_1d, active_7d, active_30d from usage_figures
    order by total desc, application_id limit ${APPLICATIONS}`);
  const ids = figures.rows.map((row) => row.application_id);
  const applications = await db.query<{ id: number; client_id: string; limits: ApplicationLimits }>(
    sql`select id, client_id, limits from applications where id = any (${ids}::int[])`,
  );
  const days = await db.query<{ application_id: number; made: number }>(sql`
    select application_id, made from creation_days
    where day = ${formatInstant(startOfDay(now))} and application_id = any (${ids}::int[])`);
  return figures.rows.flatMap(({ application_id, ...figure }) => {
    const application = applications.rows.find(({ id }) => id === application_id);
    const made = days.rows.find((day) => day.application_id === application_id)?.made ?? 0;
    return application ? [{ ...figure, client_id: application.client_id, limits: application.limits, made }] : [];
  });
}
