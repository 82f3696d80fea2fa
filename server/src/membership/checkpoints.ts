// Makes a checkpoint of a group: the members at the newest change, from the checkpoint before and what came since. It reads
// one snapshot and writes in the same transaction, so it is there whole or not at all; it locks nothing that a writer needs.

import { sql, type Database, type Queryable } from '../database/database.ts';
import { isUniqueViolation } from '../database/faults.ts';
import { INSTANT_LIMIT, type Instant } from '../instant.ts';
import { encodePart, PART_ENTRIES, type Entry } from './checkpoint.ts';
import {
  deleteCheckpoint,
  findNewestCheckpoint,
  insertCheckpoint,
  insertPart,
  type Checkpoint,
} from './checkpoint-store.ts';
import { feedEnd, FIRST_SLICE, walkMembers, type FeedEnd } from './fold.ts';
import { findHead } from './head.ts';

export interface Pace {
  /** A group gets a checkpoint after so many changes, */
  interval: number;
  /** and after its members divided by this: so checkpoints stay a fraction of the feed. */
  share: number;
  /** Entries of a part. */
  part: number;
}

export const PACE: Pace = { interval: 10_000, share: 8, part: PART_ENTRIES };

/** Groups that may be due, by what their heads say. */
export async function listDue(
  db: Queryable,
  { interval, share }: Pace,
  limit: number,
): Promise<{ group_id: string; application_id: number }[]> {
  const { rows } = await db.query<{ group_id: string; application_id: number }>(sql`
    select h.group_id, h.application_id from group_heads h
    left join (select group_id, max(sequence) as sequence from change_checkpoints group by group_id) c on c.group_id = h.group_id
    where h.base_sequence + h.last_number - coalesce(c.sequence, 0) >= greatest(${interval}::bigint, h.profile_count / ${share}::bigint)
    order by h.group_id limit ${limit}`);
  return rows;
}

/** The next checkpoint of a group that is due; false where none was made. */
export async function makeCheckpoint(db: Database, groupId: string, now: Instant, pace: Pace = PACE): Promise<boolean> {
  const make = db.transaction(
    async (tx) => {
      const head = await findHead(tx, groupId);
      if (!head) return false;
      const end = feedEnd(head);
      const before = await findNewestCheckpoint(tx, groupId);
      const from = before?.sequence ?? 0;
      const least = Math.max(pace.interval, Math.floor(head.profile_count / pace.share));
      if (end.newest - from < least) return false;
      const place = { ...end, newest: from + least };
      await write(tx, place, before, now, pace.part);
      return true;
    },
    { isolation: 'repeatable read' },
  );
  // Somebody else made the same one.
  return make.catch((error: unknown) => (isUniqueViolation(error) ? true : Promise.reject(error)));
}

async function write(
  tx: Queryable,
  { groupId, epoch, newest }: FeedEnd,
  before: Checkpoint | undefined,
  now: Instant,
  most: number,
): Promise<void> {
  const after = before?.sequence ?? 0;
  const fold = {
    asOf: INSTANT_LIMIT,
    groupId,
    base: before,
    stretches: [{ groupId, epoch, after, until: newest }],
    slice: FIRST_SLICE,
  };
  let [minAt, maxAt, members, part] = [Infinity, before?.max_at ?? -Infinity, 0, 0];
  let entries: Entry[] = [];
  const flush = async (): Promise<void> => {
    const full = entries.slice(0, most);
    entries = entries.slice(most);
    await insertPart(tx, groupId, newest, encodePart(part++, full));
  };
  const walk = walkMembers(tx, fold, {
    onSlice(slice) {
      minAt = Math.min(minAt, slice.minAt);
      maxAt = Math.max(maxAt, slice.maxAt);
    },
  });
  for await (const batch of walk) {
    members += batch.length;
    entries = entries.concat(batch);
    while (entries.length >= most) await flush();
  }
  if (entries.length > 0) await flush();
  const made: Checkpoint = { sequence: newest, after_sequence: after, min_at: minAt, max_at: maxAt, members };
  if (before?.max_at === maxAt) {
    // Wherever that one would serve this one does: inside a switch, or at one instant. What it says of its stretch is kept.
    made.after_sequence = before.after_sequence;
    made.min_at = Math.min(minAt, before.min_at);
    await deleteCheckpoint(tx, groupId, before.sequence);
  }
  await insertCheckpoint(tx, groupId, made, now);
}
