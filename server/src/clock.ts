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
      const { rows } = await db.query<{ now: Instant }>(sql`select clock_timestamp() as now`);
      const after = local();
      const now = rows[0]?.now;
      if (now !== undefined) offset = now - Math.round((before + after) / 2);
    },
  };
}
