// Every night each live group is verified, one after the other. The result is kept and shown in the metrics; a difference
// is an error in the log, since it means that a promise was broken.

import type { Logger } from 'pino';
import { sql } from '../database/database.ts';
import { ApiError } from '../errors.ts';
import { formatInstant, MICROS_PER_DAY } from '../instant.ts';
import { bucketOfGroup } from './backfill.ts';
import { verify, type VerifyContext } from './verify.ts';

const FIRST_HOUR = 2;
const LAST_HOUR = 5;
/** A group is verified once a night, whenever in the night its turn comes. */
const AGAIN_AFTER = MICROS_PER_DAY / 2;

/** Verifies the next group whose turn it is; false where there is none now. */
export async function verifyNext(
  context: VerifyContext & { log: Logger },
  buckets: readonly number[],
): Promise<boolean> {
  const now = context.clock.now();
  const hour = new Date(now / 1000).getUTCHours();
  if (hour < FIRST_HOUR || hour > LAST_HOUR) return false;
  const { rows } = await context.db.query<{ id: string; application_id: number }>(sql`
    select g.id, g.application_id from groups g join group_heads h on h.group_id = g.id
    where g.membership_type = 'dynamic' and g.is_active and not g.is_paused and h.as_of is null
      and g.id not in (select group_id from backfills where stage <> 'clean')
      and g.id not in (select group_id from verifications where nightly and at > ${formatInstant(now - AGAIN_AFTER)})
    order by g.created_at limit 1000`);
  const held = new Set(buckets);
  const next = rows.find((row) => held.has(bucketOfGroup(row.id)));
  if (!next) return false;
  try {
    const result = await verify(context, next.application_id, next.id, true);
    if (result.missing + result.extra > 0)
      context.log.error({ group: next.id, ...result }, 'a nightly verification found differences');
  } catch (error) {
    if (!(error instanceof ApiError)) throw error; // a backfill or a pause came between
  }
  return true;
}
