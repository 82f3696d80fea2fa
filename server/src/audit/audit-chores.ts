// Deletes what is older than AUDIT_RETENTION, in slices. Harmless when several processes do it at once.

import type { Context } from '../context.ts';
import { sql } from '../database/database.ts';
import { createLoop } from '../looping.ts';
import { deleteBefore } from './audit-store.ts';

const INTERVAL_MS = 3_600_000;
const SLICE = 1_000;

/** Every hour, until it is stopped. */
export function startAuditChores(context: Pick<Context, 'db' | 'clock' | 'config' | 'log'>): () => Promise<void> {
  const loop = createLoop(() => deleteOldEntries(context), {
    restMs: INTERVAL_MS,
    firstMs: INTERVAL_MS,
    onError: (error) => context.log.warn({ err: error }, 'old rows of the audit log stay for now'),
  });
  loop.start();
  return loop.stop;
}

export async function deleteOldEntries({ db, clock, config }: Pick<Context, 'db' | 'clock' | 'config'>): Promise<void> {
  const before = clock.now() - config.auditRetention;
  const { rows } = await db.query<{ id: number }>(sql`select id from applications order by id`);
  for (const { id } of rows) while ((await deleteBefore(db, id, before, SLICE)) === SLICE);
}
