// An evaluation that comes before the sweep: what waits in the queue is decided in one slice, and the clock's part is still to come.

import type { Clock } from '../../clock.ts';
import { sql, type Database } from '../../database/database.ts';
import type { QueueRow } from '../decide.ts';
import { leases } from '../../database/leases.ts';
import { EVALUATION } from '../../queue/queue.ts';
import { evaluateSlice } from '../live.ts';
import { rulesCache } from '../rules-cache.ts';

export async function evaluateQueue(db: Database, clock: Clock): Promise<void> {
  const { rows } = await db.query<QueueRow>(
    sql`select profile_id, seq, application_id, cause, changed, since, queued_at from queue order by seq`,
  );
  const [first] = rows;
  if (!first) return;
  const own = leases(db, EVALUATION);
  await own.rebalance();
  await evaluateSlice({ db, clock, leases: own, rules: rulesCache(db) }, first.application_id, rows);
  await own.release();
}
