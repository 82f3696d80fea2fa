// What happens to activities after intake: they are removed with their effects, and followed as they come in.

import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import { ApiError, conflict, notFound } from '../errors.ts';
import { enqueue } from '../queue/queue.ts';
import { STEP, type SteppedRange } from '../http/range.ts';
import { formatInstant } from '../instant.ts';
import { activityDependencies } from '../rules/depends.ts';
import { orItsTarget } from '../profiles/alias-store.ts';
import type { Activity } from './activity.ts';
import { markInstant } from '../sheets/sheet-store.ts';
import * as store from './activity-store.ts';
import { SENDERS, storedId, type SentBy } from './stored-id.ts';
import { lockHistories, plainFact, recomputeTotals } from '../facts/totals.ts';

/** Removes an activity as if it had never been sent. Its id may be sent again. */
export async function removeActivity(
  context: Context,
  application: Application,
  profileId: string,
  id: string,
  sentBy?: SentBy,
): Promise<void> {
  const applicationId = application.id;
  const isThere = await orItsTarget(context.db, profileId, (current) =>
    remove(context, applicationId, current, id, sentBy).catch((error: unknown) => {
      if (error instanceof ApiError && error.code === 'not_found') return undefined;
      throw error;
    }),
  );
  if (!isThere) throw notFound();
}

async function remove(
  context: Context,
  applicationId: number,
  profileId: string,
  id: string,
  sentBy: SentBy | undefined,
): Promise<true> {
  return context.db.transaction(async (tx) => {
    // Under the id of a profile that was merged activities may still stand that are another one's.
    if ((await lockHistories(tx, applicationId, [profileId])).length === 0) throw notFound();
    const ids = (sentBy === undefined ? SENDERS : [sentBy]).map((by) => storedId(id, by));
    const [found, ...others] = await store.listKnown(tx, applicationId, profileId, ids);
    if (others.length > 0) {
      throw conflict(
        'Both the profile and an admin sent an activity with this id: say ?sent_by=profile or ?sent_by=admin.',
      );
    }
    const removed = found === undefined ? undefined : await store.deleteActivity(tx, applicationId, profileId, found);
    if (!removed) throw notFound(); // and nothing was written
    await markInstant(tx, applicationId, profileId, removed.occurred_at);
    const facts = await store.listFactsOfType(tx, applicationId, removed.type_id);
    const touched = facts.filter((fact) => removed.data !== null && Object.hasOwn(removed.data, fact.key));
    await recomputeTotals(tx, applicationId, [profileId], [plainFact(0), plainFact(removed.type_id), ...touched]);
    await enqueue(tx, {
      profileId,
      ordinal: removed.ordinal,
      applicationId,
      cause: 'activity',
      changed: activityDependencies(removed.type_id),
      now: context.clock.now(),
    });
    return true as const;
  });
}

const FIRST_PROFILE = '00000000-0000-0000-0000-000000000000';

export interface Tail {
  rows: Activity[];
  /** Where to go on: nothing that comes later stands before it. */
  next: store.TailPosition;
}

/** What came in after a position, in the order of its receipt, or the newest when there is none. Misses nothing. */
export async function followActivities(
  context: Context,
  applicationId: number,
  after: store.TailPosition | undefined,
  limit: number,
): Promise<Tail> {
  // Its own statement, before the one that reads: what it finds finished, that one sees.
  const horizon = formatInstant(await store.findTailHorizon(context.db));
  const rows = after
    ? await store.listReceivedAfter(context.db, applicationId, after, horizon, limit)
    : await store.listNewestReceived(context.db, applicationId, horizon, limit);
  const last = rows.at(-1);
  if (last)
    return { rows, next: { receivedAt: formatInstant(last.received_at), profileId: last.profile_id, id: last.id } };
  return { rows, next: after ?? { receivedAt: horizon, profileId: FIRST_PROFILE, id: '' } };
}

export interface CountAt {
  at: string;
  count: number;
  sum: number;
}

/** One row a step, without gaps, up to the step that holds the last instant before `until` and has begun by now. */
export async function countOverTime(
  context: Context,
  profileId: string,
  typeId: number | undefined,
  { interval, since, until }: SteppedRange,
): Promise<CountAt[]> {
  const step = STEP[interval];
  const limit = Math.ceil(Math.min(until, context.clock.now() + 1) / step) * step;
  if (limit <= since) return [];
  const filter = { typeId, since: formatInstant(since), until: formatInstant(limit) };
  const counted = await store.listActivitySteps(context.db, profileId, filter, interval);
  const steps = new Map(counted.map((row) => [row.at, row]));
  return Array.from({ length: (limit - since) / step }, (_, index) => {
    const at = since + index * step;
    const { count, sum } = steps.get(at) ?? { count: 0, sum: 0 };
    return { at: formatInstant(at), count, sum };
  });
}
