// The only place that tells the time. Processes on one database agree because each takes its offset from it.

import type { Instant } from './instant.ts';
import { sql, type Queryable } from './database/database.ts';

export interface Clock {
  /** Whole microseconds since 1970, never twice the same within a process. */
  now(): Instant;
}

export interface SystemClock extends Clock {
  /** Takes the offset from the database, halving the round trip. */
  synchronise(db: Queryable): Promise<void>;
}

export function systemClock(): SystemClock {
  let offset = 0;
  let last = 0;
  const local = (): number => Math.floor((performance.timeOrigin + performance.now()) * 1000);
  return {
    now() {
      last = Math.max(last + 1, local() + offset);
      return last;
    },
    async synchronise(db) {
      const before = local();
      const now = await readDatabaseTime(db);
      const after = local();
      if (now !== undefined) offset = now - Math.round((before + after) / 2);
    },
  };
}

/** As a number, whatever the connection makes of timestamps. */
export async function readDatabaseTime(db: Queryable): Promise<Instant | undefined> {
  const { rows } = await db.query<{ now: Instant }>(
    sql`select (extract(epoch from clock_timestamp()) * 1000000)::float8 as now`,
  );
  return rows[0]?.now;
}
