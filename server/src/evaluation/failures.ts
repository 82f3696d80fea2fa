// A rule that fails is taken out of live evaluation: its group keeps the last good membership, says why and since when,
// and is filled again after a pause that grows with every failure in a row. Nothing else waits for it.

import type { Clock } from '../clock.ts';
import { sql, type Database, type Queryable } from '../database/database.ts';
import { formatInstant, MICROS_PER_SECOND, type Instant } from '../instant.ts';
import type { GroupEvent } from '../events/event.ts';
import { recordEvents } from '../events/event-store.ts';
import { readAsOf } from '../queue/as-of.ts';

const FIRST_PAUSE = MICROS_PER_SECOND;
const LONGEST_PAUSE = 600 * MICROS_PER_SECOND;
const MAX_ERROR = 1000;

/** Until the next attempt, after so many failures in a row. */
export function pauseAfter(failures: number): number {
  return Math.min(FIRST_PAUSE * 2 ** Math.min(failures - 1, 20), LONGEST_PAUSE);
}

/** Freezes the group where its membership was last right, unless it is frozen already. */
export async function freeze(tx: Queryable, applicationId: number, groupId: string): Promise<void> {
  const asOf = await readAsOf(tx, applicationId);
  const at = asOf === null ? '-infinity' : formatInstant(asOf);
  await tx.query(sql`update group_heads set as_of = ${at}::timestamptz where group_id = ${groupId} and as_of is null`);
}

/**
 * Asks for a backfill with what was saved last, after a pause where an error is the reason. One that runs starts again: it
 * may have seen too little. `asOf`: up to when the served membership is right although it is live.
 */
export async function requestFill(
  tx: Queryable,
  group: { id: string; applicationId: number; rulesetId: string },
  now: Instant,
  reason: { error?: string; asOf?: Instant } = {},
): Promise<void> {
  const error = reason.error?.slice(0, MAX_ERROR) ?? null;
  const asOf = reason.asOf === undefined ? null : formatInstant(reason.asOf);
  await tx.query(sql`
    insert into backfills (group_id, application_id, kind, ruleset_id, epoch, stage, started_at, as_of, last_error, failures)
    select h.group_id, h.application_id, 'rule', ${group.rulesetId}::uuid, h.epoch + 1, 'discard', ${formatInstant(now)}::timestamptz,
      ${asOf}::timestamptz, ${error}, ${error === null ? 0 : 1}::int
    from group_heads h where h.group_id = ${group.id}
    on conflict (group_id) do update set ruleset_id = excluded.ruleset_id, epoch = excluded.epoch, stage = 'discard', prepared = 0, total = null,
      started_at = excluded.started_at, attempts = backfills.attempts + 1, last_error = excluded.last_error, retry_at = null,
      as_of = case when backfills.stage = 'clean' then excluded.as_of else least(backfills.as_of, excluded.as_of) end,
      failures = case when excluded.last_error is null then 0 else backfills.failures + 1 end`);
  if (error !== null) await delayRetry(tx, group.id, now);
}

/** The pause that follows the failure just counted. */
export async function delayRetry(tx: Queryable, groupId: string, now: Instant): Promise<void> {
  const { rows } = await tx.query<{ failures: number }>(
    sql`select failures from backfills where group_id = ${groupId} for update`,
  );
  const retryAt = formatInstant(now + pauseAfter(rows[0]?.failures ?? 1));
  await tx.query(sql`update backfills set retry_at = ${retryAt} where group_id = ${groupId}`);
}

/** Live evaluation met an error in the group's rule. */
export async function failGroup(
  context: { db: Database; clock: Clock },
  applicationId: number,
  groupId: string,
  error: string,
): Promise<void> {
  await context.db.transaction(async (tx) => {
    const { rows } = await tx.query<{ ruleset_id: string }>(sql`
      select g.ruleset_id from groups g where g.id = ${groupId} and g.is_active and not g.is_paused`);
    const [group] = rows;
    if (!group) return;
    await freeze(tx, applicationId, groupId);
    const { rows: backfills } = await tx.query<{ last_error: string | null }>(
      sql`select last_error from backfills where group_id = ${groupId}`,
    );
    const [backfill] = backfills;
    if (backfill?.last_error === null) return; // what is being filled comes with a rule of its own
    const now = context.clock.now();
    await requestFill(tx, { id: groupId, applicationId, rulesetId: group.ruleset_id }, now, { error });
    if (!backfill) await recordFailure(tx, applicationId, groupId, error, now);
  });
}

/** Tells that a group stopped following its rule; call it once for failures in a row. */
export async function recordFailure(
  tx: Queryable,
  applicationId: number,
  groupId: string,
  error: string,
  at: Instant,
): Promise<void> {
  const { rows } = await tx.query<{ name: string; custom_id: string | null }>(
    sql`select name, custom_id from groups where id = ${groupId}`,
  );
  const events = rows.map(({ name, custom_id: customId }): GroupEvent => ({
    event: 'evaluation.failed',
    applicationId,
    groupId,
    name,
    customId,
    error: error.slice(0, MAX_ERROR),
    at,
  }));
  await recordEvents(tx, events);
}
