// The figures of this moment: who was active within a day, a week and thirty days. Counting them takes as long as reading
// thirty sheets, so they are kept: limits and metrics read a row.

import { sql, type Database, type Queryable } from '../database/database.ts';
import { formatInstant, MICROS_PER_DAY, startOfDay, type Instant } from '../instant.ts';
import { atOneMoment } from '../sheets/presence.ts';
import { CREATIONS, PRESENCE } from '../sheets/sheet.ts';
import { createUsageCounter } from './count.ts';

const DAYS = 30;

export interface Figures {
  at: Instant;
  new_1d: number;
  active_1d: number;
  active_7d: number;
  active_30d: number;
  total: number;
}

/** Counts them as of one moment. */
export function countFigures(db: Database, applicationId: number, now: Instant): Promise<Figures> {
  const today = startOfDay(now) / MICROS_PER_DAY;
  const counter = createUsageCounter([{ from: today, to: today + 1 }], today);
  return atOneMoment(db, applicationId, async ({ reads, eachDay }) => {
    const until = now + 1;
    await eachDay(CREATIONS, startOfDay(now), until, (row) => counter.created(row.day / MICROS_PER_DAY, row.ordinals));
    await eachDay(PRESENCE, startOfDay(now) - (DAYS - 1) * MICROS_PER_DAY, until, (row) =>
      counter.active(row.day / MICROS_PER_DAY, row.ordinals, row.activities),
    );
    const { rows } = await reads.query<{ total: number }>(sql`
      select coalesce(sum(profiles), 0)::bigint as total from statistics where application_id = ${applicationId}`);
    const [row] = counter.results();
    return {
      at: now,
      new_1d: row?.new ?? 0,
      active_1d: row?.active ?? 0,
      active_7d: row?.active_7d ?? 0,
      active_30d: row?.active_30d ?? 0,
      total: rows[0]?.total ?? 0,
    };
  });
}

/** Counts and keeps them. */
export async function keepFigures(db: Database, applicationId: number, now: Instant): Promise<Figures> {
  const figures = await countFigures(db, applicationId, now);
  const { at, ...counts } = figures;
  await db.query(sql`
    insert into usage_figures (application_id, at, new_1d, active_1d, active_7d, active_30d, total)
    values (${applicationId}, ${formatInstant(at)}, ${counts.new_1d}, ${counts.active_1d}, ${counts.active_7d}, ${counts.active_30d}, ${counts.total})
    on conflict (application_id) do update set at = excluded.at, new_1d = excluded.new_1d, active_1d = excluded.active_1d,
      active_7d = excluded.active_7d, active_30d = excluded.active_30d, total = excluded.total`);
  return figures;
}

export async function findFigures(db: Queryable, applicationId: number): Promise<Figures | undefined> {
  const { rows } = await db.query<Figures>(sql`
    select at, new_1d, active_1d, active_7d, active_30d, total from usage_figures where application_id = ${applicationId}`);
  return rows[0];
}
