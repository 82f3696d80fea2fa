// Where in a feed an instant lies. Sequences are given in the order of commits and instants nearly so: the exact instant of a
// change by the clock may be earlier than that of a change before it. All others are as late as any before them, up to how
// long their transaction took. So the search goes by those alone, and a minute further back than it was asked for: a
// receiver may be told something earlier once more, and is never told less.

import { sql, type Queryable } from '../database/database.ts';
import { formatInstant, MICROS_PER_SECOND, type Instant } from '../instant.ts';

const SLACK = 60 * MICROS_PER_SECOND;

/** The last of 1 to `newest` of which `isBefore` says so, or 0; what it says must not become true again. */
async function findLast(newest: number, isBefore: (sequence: number) => Promise<boolean>): Promise<number> {
  let low = 0;
  let high = newest;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (await isBefore(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** A position in the feed of a group: everything after it and nothing that happened since the instant before it. */
export async function findChangePosition(db: Queryable, groupId: string, since: Instant): Promise<number> {
  const until = formatInstant(since - SLACK);
  const { rows: epochs } = await db.query<{ epoch: number; base_sequence: number }>(sql`
    select epoch, base_sequence from group_epochs where group_id = ${groupId} and switched_at < ${until} order by epoch desc limit 1`);
  const [epoch] = epochs;
  if (!epoch) return 0;
  const { rows: ends } = await db.query<{ newest: number }>(sql`
    select number as newest from changes where group_id = ${groupId} and epoch = ${epoch.epoch} order by number desc limit 1`);
  const last = await findLast(ends[0]?.newest ?? 0, async (number) => {
    const { rows } = await db.query<{ is_before: boolean }>(sql`
      select at is null or at < ${until} as is_before from changes
      where group_id = ${groupId} and epoch = ${epoch.epoch} and number <= ${number} and cause <> 'clock' order by number desc limit 1`);
    return rows[0]?.is_before ?? true;
  });
  return epoch.base_sequence + last;
}

/** The same of a feed of events. */
export async function findEventPosition(
  db: Queryable,
  applicationId: number,
  feed: 'profile' | 'group',
  newest: number,
  since: Instant,
): Promise<number> {
  const until = formatInstant(since - SLACK);
  return findLast(newest, async (sequence) => {
    const { rows } = await db.query<{ is_before: boolean }>(sql`
      select at < ${until} as is_before from events where application_id = ${applicationId} and feed = ${feed} and sequence <= ${sequence}
      order by sequence desc limit 1`);
    return rows[0]?.is_before ?? true;
  });
}
