// Many profiles that enter or leave one group by one cause: as changeMembership (membership.ts), whose invariants and order
// of locks are kept, with fewer bytes and statements. Lists of ids and ordinals stay the texts that they arrive as.

import { empty, sql, type Database, type Queryable, type Sql } from '../database/database.ts';
import { isUniqueViolation } from '../database/faults.ts';
import { rowLocks } from '../database/row-locks.ts';
import { enqueueRows } from '../queue/queue.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { dependency } from '../rules/depends.ts';
import { holdOffErasing } from './erasing.ts';
import { EpochMoved, findHead, lockHead } from './head.ts';
import { writeSize, type ChangeCause } from './membership.ts';
import { packed, unpacked } from '../database/packed.ts';

export interface ManyOptions {
  groupId: string;
  applicationId: number;
  at: Instant;
  cause: ChangeCause;
}

export interface Entered {
  /** The given list itself where every profile entered. */
  entered: readonly string[];
  already: string[];
}

/** From so many ids on it pays to look at some of them first. */
const MANY = 500;
const SAMPLE = 50;

/**
 * Lets profiles enter. Says of those that exist which entered and which were members already; undefined where the group
 * is gone. Where none of them seems to have a row in the group, rows are inserted without being compared with what is
 * there, which costs nearly twice as much; a unique violation tells where that was wrong.
 */
export async function addToGroup(
  db: Database,
  profileIds: readonly string[],
  options: ManyOptions,
): Promise<Entered | undefined> {
  const enter = (fresh: boolean): Promise<Entered | undefined> =>
    db.transaction((tx) => enterGroup(tx, profileIds, options, fresh));
  if (profileIds.length < MANY || (await isAnyThere(db, profileIds, options.groupId))) return enter(false);
  return enter(true).catch((error: unknown) => (isUniqueViolation(error) ? enter(false) : Promise.reject(error)));
}

async function isAnyThere(db: Queryable, profileIds: readonly string[], groupId: string): Promise<boolean> {
  const step = Math.ceil(profileIds.length / SAMPLE);
  const sample = profileIds.filter((_, index) => index % step === 0);
  // Without a limit: hoping to find one soon, the planner would read all members of all groups.
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*) as count
    from (select i.id, ${groupId}::uuid as group_id from unnest(${packed(sample)}::uuid[]) as i (id) offset 0) i
    join members m on m.profile_id = i.id and m.group_id = i.group_id`);
  return rows[0]?.count !== 0;
}

/** In the caller's transaction; `fresh`: no profile has a row in the group, seen or not, else a unique violation ends it. */
export async function enterGroup(
  tx: Queryable,
  profileIds: readonly string[],
  options: ManyOptions,
  fresh = false,
): Promise<Entered | undefined> {
  const { groupId, applicationId, at } = options;
  // Sent together, done in this order.
  const [, before] = await Promise.all([holdOffErasing(tx, applicationId, profileIds), findHead(tx, groupId)]);
  if (!before) return undefined;
  const already = sql`(select string_agg(f.id::text, ',') from found f where not exists (select from moved m where m.profile_id = f.id))`;
  const { rows } = await tx.query<MovedRow & { already: string | null }>(sql`
    with found as materialized (
      select p.id, p.ordinal from profiles p
      where p.application_id = ${applicationId} and p.id = any (${packed(profileIds)}::uuid[]) order by p.id),
    moved as (
      insert into members (profile_id, group_id, application_id, ordinal, since_epoch, until_epoch, entered_at)
      select f.id, ${groupId}::uuid, ${applicationId}::int, f.ordinal, ${before.epoch}::bigint, null, ${formatInstant(at)}::timestamptz
      from found f
      ${fresh ? empty : revive}
      returning profile_id, ordinal)
    ${MOVED}, ${fresh ? sql`null` : already} as already from moved`);
  const moved = readMoved(rows);
  await record(tx, moved, 'entered', before.epoch, options);
  return {
    entered: moved.count === profileIds.length ? profileIds : unpacked(moved.ids),
    already: unpacked(rows[0]?.already ?? null),
  };
}

/** An invisible row may be in the way; a visible one stays as it is. */
const revive = sql`on conflict (profile_id, group_id) do update
        set since_epoch = excluded.since_epoch, until_epoch = null, entered_at = excluded.entered_at
        where members.since_epoch > excluded.since_epoch or members.until_epoch <= excluded.since_epoch`;

/** Many profiles leave. Says which of them were members; undefined where the group is gone. */
export async function leaveGroup(
  tx: Queryable,
  profileIds: readonly string[],
  options: ManyOptions,
): Promise<string[] | undefined> {
  const { groupId } = options;
  const before = await findHead(tx, groupId);
  if (!before) return undefined;
  const { rows } = await tx.query<MovedRow>(sql`
    with leaving as materialized (
      select m.profile_id, m.group_id
      from (select i.id, ${groupId}::uuid as group_id from unnest(${packed(profileIds)}::uuid[]) as i (id) offset 0) i
      join members m on m.profile_id = i.id and m.group_id = i.group_id
      where m.since_epoch <= ${before.epoch} and (m.until_epoch is null or m.until_epoch > ${before.epoch})
      order by m.profile_id ${rowLocks(tx, sql`for update of m`)}),
    moved as (
      delete from members m using leaving l where m.profile_id = l.profile_id and m.group_id = l.group_id
        and m.since_epoch + 0 <= ${before.epoch} and (m.until_epoch is null or m.until_epoch > ${before.epoch})
      returning m.profile_id, m.ordinal)
    ${MOVED} from moved`);
  const moved = readMoved(rows);
  await record(tx, moved, 'left', before.epoch, options);
  return unpacked(moved.ids);
}

interface MovedRow {
  count: number;
  ids: string | null;
  ordinals: string | null;
}

const MOVED: Sql = sql`select count(*) as count, string_agg(profile_id::text, ',') as ids, string_agg(ordinal::text, ',') as ordinals`;

interface Moved {
  count: number;
  /** Lists, separated by commas. */
  ids: string;
  ordinals: string;
}

const readMoved = ([row]: MovedRow[]): Moved => ({
  count: row?.count ?? 0,
  ids: row?.ids ?? '',
  ordinals: row?.ordinals ?? '',
});

/** The changes, count, size, notes and queue of what moved, under the head's lock. */
async function record(
  tx: Queryable,
  moved: Moved,
  change: 'entered' | 'left',
  epoch: number,
  { groupId, applicationId, at, cause }: ManyOptions,
): Promise<void> {
  const { count } = moved;
  if (count === 0) return;
  const [head, read] = await Promise.all([lockHead(tx, groupId), isRead(tx, applicationId, groupId)]);
  if (head?.epoch !== epoch) throw new EpochMoved();
  const ids = `{${moved.ids}}`;
  const ordinals = `{${moved.ordinals}}`;
  const settled = Math.max(at, head.last_at ?? at);
  const instant = formatInstant(settled);
  await Promise.all([
    settled !== at && change === 'entered'
      ? tx.query(sql`
          update members m set entered_at = ${instant} from (select i.id, ${groupId}::uuid as group_id from unnest(${ids}::uuid[]) as i (id) offset 0) i
          where m.profile_id = i.id and m.group_id = i.group_id`)
      : undefined,
    tx.query(sql`
      insert into changes (group_id, epoch, number, profile_id, ordinal, change, at, cause)
      select ${groupId}::uuid, ${epoch}::bigint, ${head.last_number}::bigint + c.number, c.profile_id, c.ordinal, ${change}::text,
        ${instant}::timestamptz, ${cause}::text
      from unnest(${ids}::uuid[], ${ordinals}::int[]) with ordinality as c (profile_id, ordinal, number)`),
    tx.query(sql`
      update group_heads set profile_count = profile_count + ${change === 'entered' ? count : -count}::bigint,
        last_number = last_number + ${count}::bigint, last_at = ${instant}
      where group_id = ${groupId}`),
    writeSize(tx, groupId, instant, cause, { entered: 0, left: 0, [change]: count }),
    head.filling
      ? tx.query(
          sql`insert into backfill_touched (profile_id, group_id) select c.id, ${groupId}::uuid from unnest(${ids}::uuid[]) as c (id)`,
        )
      : undefined,
    read
      ? tx.query(
          enqueueRows(
            { applicationId, cause: 'group', now: at },
            sql`select c.profile_id, c.ordinal, ${[dependency.group(groupId)]}::text[] as changed
              from unnest(${ids}::uuid[], ${ordinals}::int[]) as c (profile_id, ordinal)`,
          ),
        )
      : undefined,
  ]);
}

/** Whether a rule reads who is in this group: then each change is queued. */
async function isRead(tx: Queryable, applicationId: number, groupId: string): Promise<boolean> {
  const { rows } = await tx.query(sql`
    select from watched_keys where application_id = ${applicationId} and key = ${dependency.group(groupId)} limit 1`);
  return rows.length > 0;
}
