// Every night each live group is verified, those of an application in as few snapshots as may be: what their rules share is
// read once. Results are kept for a month and shown in the metrics; a difference is an error in the log, since it means that a
// promise was broken.

import type { Logger } from 'pino';
import { sql } from '../database/database.ts';
import { ApiError } from '../errors.ts';
import { formatInstant, MICROS_PER_DAY, type Instant } from '../instant.ts';
import { bucketOfGroup } from './backfill.ts';
import { inSnapshot } from './sets.ts';
import { beginProof, keepVerification, type VerifyContext } from './verify.ts';

type NightlyContext = VerifyContext & { log: Logger };

const FIRST_HOUR = 2;
const LAST_HOUR = 5;
/** A group is verified once a night, whenever in the night its turn comes. */
const AGAIN_AFTER = MICROS_PER_DAY / 2;
/** A snapshot that is kept for long holds up vacuum, and keeps what it has read. */
const GROUPS_A_SNAPSHOT = 50;
const KEPT = 30 * MICROS_PER_DAY;

/** Verifies the next groups of one application whose turn it is; false where there are none now. */
export async function verifyNext(
  context: NightlyContext,
  buckets: readonly number[],
  isEnded: () => boolean = () => false,
): Promise<boolean> {
  const now = context.clock.now();
  const hour = new Date(now / 1000).getUTCHours();
  if (hour < FIRST_HOUR || hour > LAST_HOUR) return false;
  const { rows } = await context.db.query<{ id: string; application_id: number }>(sql`
    select g.id, g.application_id from groups g join group_heads h on h.group_id = g.id
    where g.membership_type = 'dynamic' and g.is_active and not g.is_paused and h.as_of is null
      and g.id not in (select group_id from backfills where stage <> 'clean')
      and g.id not in (select group_id from verifications where nightly and at > ${formatInstant(now - AGAIN_AFTER)})
    order by g.application_id, g.created_at limit 1000`);
  const held = new Set(buckets);
  const due = rows.filter((row) => held.has(bucketOfGroup(row.id)));
  for (const applicationId of new Set(due.map((row) => row.application_id))) {
    const ids = due.filter((row) => row.application_id === applicationId).map((row) => row.id);
    if ((await verifySome(context, applicationId, ids, isEnded)) > 0) return true;
  }
  await forgetOld(context, now);
  return false;
}

/** Those that can be verified right now; how many. */
async function verifySome(
  context: NightlyContext,
  applicationId: number,
  groupIds: string[],
  isEnded: () => boolean,
): Promise<number> {
  return inSnapshot(context.db, async (client) => {
    const proof = await beginProof(context, client, applicationId);
    let done = 0;
    for (const groupId of groupIds) {
      if (done === GROUPS_A_SNAPSHOT || isEnded()) break;
      try {
        const result = await proof.compare(groupId);
        await keepVerification(context.db, groupId, { at: proof.at, ...result, nightly: true });
        if (result.missing + result.extra > 0)
          context.log.error({ group: groupId, ...result }, 'a nightly verification found differences');
        done++;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error; // a backfill or a pause came between
      }
    }
    return done;
  });
}

async function forgetOld({ db }: NightlyContext, now: Instant): Promise<void> {
  await db.query(sql`delete from verifications where at <= ${formatInstant(now - KEPT)}`);
}
