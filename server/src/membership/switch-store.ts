// The statements of a switch. Rows of the epoch that is being prepared are invisible to readers; each statement touches
// a slice of them, in the order of their ids, as everybody locks them. Member rows are always reached from
// a list of pairs, (profile, group): a constant group beside it would let the planner, whose statistics lag behind a switch,
// read the whole group for each of them. So would what a row is asked once more (row-locks.ts), were it not for the `+ 0`
// and the `coalesce` there, which no index answers.

import { to as copyTo } from 'pg-copy-streams';
import { empty, raw, sql, type Database, type Queryable, type Sql } from '../database/database.ts';
import { rowLocks } from '../database/row-locks.ts';
import { readRecords } from '../database/copy.ts';
import { buildBitset, type Bitset } from '../rules/bitset.ts';
import { packed } from '../database/packed.ts';

/** `i (id, group_id)`: each of the profiles with the group. */
const pairs = (groupId: string, ids: string[]): Sql =>
  sql`unnest(${ids}::uuid[], ${ids.map(() => groupId)}::uuid[]) as i (id, group_id)`;

/**
 * An invisible row may be in the way; a visible one stays as it is. What is inserted is of the next epoch. No parameter may
 * stand here: a cluster that kept the plan of such an insert loses it (docs/decisions/0010-statements-on-citus.md).
 */
const REVIVE_DEAD = sql`on conflict (profile_id, group_id) do update
        set since_epoch = excluded.since_epoch, until_epoch = null, entered_at = excluded.entered_at
        where members.until_epoch < excluded.since_epoch`;

export interface PreparedCounts {
  entered: number;
  left: number;
}

/** The members that readers at this epoch see, by ordinal. */
export async function readMemberSet(db: Database, groupId: string, epoch: number): Promise<Bitset> {
  const found = buildBitset();
  await db.withClient(async (client) => {
    // COPY takes no parameters: a UUID from the database and a number.
    const select = `select ordinal from members where group_id = '${groupId}' and since_epoch <= ${epoch} and (until_epoch is null or until_epoch > ${epoch})`;
    const packed = `select string_agg(int4send(ordinal), ''::bytea) from (${select}) m`;
    await readRecords(client.query(copyTo(`copy (${packed}) to stdout (format binary)`)), 4, (buffer, at) =>
      found.add(buffer.readInt32BE(at)),
    );
  });
  return found.set;
}

export interface Slice {
  groupId: string;
  applicationId: number;
  /** Served now; what is prepared belongs to the next. */
  epoch: number;
  cause: string;
}

/**
 * Prepares entries and leaves by ordinal, and their changes numbered from `from` + 1. Those that are so already are left
 * out; `optimistic`, entries are taken not to be there in any form, and a unique violation tells where one is.
 */
export async function prepareSlice(
  tx: Queryable,
  slice: Slice,
  { entering, leaving }: { entering: number[]; leaving: number[] },
  from: number,
  optimistic: boolean,
): Promise<PreparedCounts> {
  const { groupId, applicationId, epoch, cause } = slice;
  const { rows } = await tx.query<PreparedCounts>(sql`
    with entering as materialized (
      select p.id, p.ordinal from profiles p
      where p.application_id = ${applicationId} and p.ordinal = any (${packed(entering)}::int[]) order by p.id),
    leaving as materialized (
      select p.id, ${groupId}::uuid as group_id from profiles p
      where p.application_id = ${applicationId} and p.ordinal = any (${packed(leaving)}::int[]) order by p.id),
    entered as (
      insert into members (profile_id, group_id, application_id, ordinal, since_epoch, until_epoch, entered_at)
      select id, ${groupId}::uuid, ${applicationId}::int, ordinal, ${epoch + 1}::bigint, null, '-infinity' from entering
      ${optimistic ? empty : REVIVE_DEAD}
      returning profile_id, ordinal),
    gone as (
      update members m set until_epoch = ${epoch + 1} from leaving l
      where m.profile_id = l.id and m.group_id = l.group_id and m.since_epoch <= ${epoch} and m.until_epoch is null
      returning m.profile_id, m.ordinal),
    changed as (
      select profile_id, ordinal, 'entered' as change from entered union all select profile_id, ordinal, 'left' from gone),
    written as (
      insert into changes (group_id, epoch, number, profile_id, ordinal, change, at, cause)
      select ${groupId}::uuid, ${epoch + 1}::bigint, ${from}::bigint + row_number() over (), profile_id, ordinal, change, null, ${cause}::text
      from changed
      returning change)
    select count(*) filter (where change = 'entered') as entered, count(*) filter (where change = 'left') as left from written`);
  return rows[0] ?? { entered: 0, left: 0 };
}

/** The members of `prepareSlice` alone, where these profiles enter and nothing is in the way; how many they are. */
export async function insertEntries(tx: Queryable, slice: Slice, ordinals: number[]): Promise<number> {
  const { groupId, applicationId, epoch } = slice;
  const { count } = await tx.query(sql`
    insert into members (profile_id, group_id, application_id, ordinal, since_epoch, until_epoch, entered_at)
    select p.id, ${groupId}::uuid, ${applicationId}::int, p.ordinal, ${epoch + 1}::bigint, null, '-infinity'
    from profiles p where p.application_id = ${applicationId} and p.ordinal = any (${packed(ordinals)}::int[]) order by p.id`);
  return count;
}

/** And the changes. */
export async function insertEntryChanges(
  tx: Queryable,
  slice: Slice,
  ordinals: number[],
  from: number,
): Promise<number> {
  const { groupId, applicationId, epoch, cause } = slice;
  const { count } = await tx.query(sql`
    insert into changes (group_id, epoch, number, profile_id, ordinal, change, at, cause)
    select ${groupId}::uuid, ${epoch + 1}::bigint, ${from}::bigint + row_number() over (), p.id, p.ordinal, 'entered', null, ${cause}::text
    from (
      select id, ordinal from profiles
      where application_id = ${applicationId} and ordinal = any (${packed(ordinals)}::int[]) order by id) p`);
  return count;
}

/** Whether an attempt left anything behind. */
export async function hasLeftovers(tx: Queryable, groupId: string, epoch: number): Promise<boolean> {
  const found = await Promise.all([
    tx.query(sql`select from members where group_id = ${groupId} and since_epoch > ${epoch} limit 1`),
    tx.query(sql`select from members where group_id = ${groupId} and until_epoch > ${epoch} limit 1`),
    tx.query(sql`select from changes where group_id = ${groupId} and epoch > ${epoch} limit 1`),
    tx.query(sql`select from backfill_touched where group_id = ${groupId} limit 1`),
  ]);
  return found.some(({ rows }) => rows.length > 0);
}

/** A slice of what an aborted attempt left behind; how many rows it was. */
export async function discardSlice(tx: Queryable, groupId: string, epoch: number, limit: number): Promise<number> {
  const size = raw(String(limit));
  const lock = rowLocks(tx, sql`for update`);
  const entering = await tx.query(sql`
    with dead as materialized (
      select profile_id, group_id from members where group_id = ${groupId} and since_epoch > ${epoch}
      order by since_epoch desc, entered_at desc, profile_id desc limit ${size} ${lock})
    delete from members m using dead d where m.profile_id = d.profile_id and m.group_id = d.group_id and m.since_epoch + 0 > ${epoch}`);
  const leaving = await tx.query(sql`
    with kept as materialized (
      select profile_id, group_id from members where group_id = ${groupId} and until_epoch > ${epoch}
      order by until_epoch, profile_id limit ${size} ${lock})
    update members m set until_epoch = null from kept k where m.profile_id = k.profile_id and m.group_id = k.group_id and coalesce(m.until_epoch, 0) > ${epoch}`);
  const changes = await tx.query(sql`
    with dead as materialized (
      select group_id, epoch, number from changes where group_id = ${groupId} and epoch > ${epoch} order by epoch, number limit ${size})
    delete from changes c using dead d where c.group_id = d.group_id and c.epoch = d.epoch and c.number = d.number`);
  const touched = await readTouched(tx, groupId, limit);
  await deleteTouched(tx, groupId, touched);
  return entering.count + leaving.count + changes.count + touched.length;
}

/** A slice of the invisible rows; how many it was. */
export async function cleanSlice(db: Queryable, groupId: string, epoch: number, limit: number): Promise<number> {
  const { count } = await db.query(sql`
    with dead as materialized (
      select profile_id, group_id from members where group_id = ${groupId} and until_epoch <= ${epoch}
      order by until_epoch, profile_id limit ${raw(String(limit))} ${rowLocks(db, sql`for update`)})
    delete from members m using dead d where m.profile_id = d.profile_id and m.group_id = d.group_id and coalesce(m.until_epoch, ${epoch + 1}::bigint) <= ${epoch}`);
  return count;
}

export interface Touched {
  profile_id: string;
  seq: number;
}

export async function readTouched(tx: Queryable, groupId: string, limit: number): Promise<Touched[]> {
  const { rows } = await tx.query<Touched>(sql`
    select profile_id, seq from backfill_touched where group_id = ${groupId} order by seq limit ${limit}`);
  return rows;
}

export async function deleteTouched(tx: Queryable, groupId: string, touched: Touched[]): Promise<void> {
  if (touched.length === 0) return;
  await tx.query(sql`
    delete from backfill_touched t
    using unnest(${touched.map((row) => row.profile_id)}::uuid[], ${touched.map(() => groupId)}::uuid[], ${touched.map((row) => row.seq)}::bigint[])
      as s (profile_id, group_id, seq)
    where t.profile_id = s.profile_id and t.group_id = s.group_id and t.seq = s.seq`);
}

/** Those of the profiles that exist; the caller holds erasing off. */
export async function findProfiles(
  tx: Queryable,
  applicationId: number,
  ids: string[],
): Promise<{ profileId: string; ordinal: number }[]> {
  const { rows } = await tx.query<{ profileId: string; ordinal: number }>(sql`
    select id as "profileId", ordinal from profiles where application_id = ${applicationId} and id = any (${ids}::uuid[]) order by id`);
  return rows;
}

export interface MemberRow {
  profile_id: string;
  since_epoch: number;
  until_epoch: number | null;
}

export async function holdMembers(tx: Queryable, groupId: string, ids: string[]): Promise<Map<string, MemberRow>> {
  const { rows } = await tx.query<MemberRow>(sql`
    select m.profile_id, m.since_epoch, m.until_epoch from ${pairs(groupId, ids)} join members m on m.profile_id = i.id and m.group_id = i.group_id
    order by m.profile_id ${rowLocks(tx, sql`for update of m`)}`);
  return new Map(rows.map((row) => [row.profile_id, row]));
}

export interface PreparedChange {
  profile_id: string;
  number: number;
  change: 'entered' | 'left';
}

export async function findPreparedChanges(
  tx: Queryable,
  groupId: string,
  epoch: number,
  ids: string[],
): Promise<Map<string, PreparedChange>> {
  const { rows } = await tx.query<PreparedChange>(sql`
    select c.profile_id, c.number, c.change
    from ${pairs(groupId, ids)} join changes c on c.group_id = i.group_id and c.profile_id = i.id and c.epoch = ${epoch}`);
  return new Map(rows.map((row) => [row.profile_id, row]));
}

/** Sets or clears the epoch at which these visible rows end. */
export async function setUntil(tx: Queryable, groupId: string, ids: string[], until: number | null): Promise<void> {
  if (ids.length === 0) return;
  await tx.query(sql`
    update members m set until_epoch = ${until}::bigint from ${pairs(groupId, ids)} where m.profile_id = i.id and m.group_id = i.group_id`);
}

export async function deletePending(tx: Queryable, groupId: string, ids: string[], epoch: number): Promise<void> {
  if (ids.length === 0) return;
  await tx.query(sql`
    delete from members m using ${pairs(groupId, ids)} where m.profile_id = i.id and m.group_id = i.group_id and m.since_epoch + 0 > ${epoch}`);
}

/** Prepares entries; a profile that entered meanwhile is not among the answer. */
export async function insertPending(
  tx: Queryable,
  slice: Slice,
  profiles: { profileId: string; ordinal: number }[],
): Promise<Set<string>> {
  if (profiles.length === 0) return new Set();
  const { rows } = await tx.query<{ profile_id: string }>(sql`
    insert into members (profile_id, group_id, application_id, ordinal, since_epoch, until_epoch, entered_at)
    select c.profile_id, ${slice.groupId}::uuid, ${slice.applicationId}::int, c.ordinal, ${slice.epoch + 1}::bigint, null, '-infinity'
    from unnest(${profiles.map((profile) => profile.profileId)}::uuid[], ${profiles.map((profile) => profile.ordinal)}::int[]) as c (profile_id, ordinal)
    order by c.profile_id
    ${REVIVE_DEAD}
    returning profile_id`);
  return new Set(rows.map((row) => row.profile_id));
}

export interface ChangeEdits {
  removed: number[];
  turned: { profileId: string; change: 'entered' | 'left' }[];
  moved: { from: number; to: number }[];
  added: { number: number; profileId: string; ordinal: number; change: 'entered' | 'left' }[];
}

/** Edits the prepared changes: nothing of them is visible yet, so renumbering is free. */
export async function editPreparedChanges(
  tx: Queryable,
  slice: Slice,
  { removed, turned, moved, added }: ChangeEdits,
): Promise<void> {
  const { groupId, cause } = slice;
  const next = slice.epoch + 1;
  if (removed.length > 0) {
    await tx.query(
      sql`delete from changes where group_id = ${groupId} and epoch = ${next} and number = any (${removed}::bigint[])`,
    );
  }
  if (turned.length > 0) {
    await tx.query(sql`
      update changes c set change = t.change
      from unnest(${turned.map((row) => row.profileId)}::uuid[], ${turned.map((row) => row.change)}::text[]) as t (profile_id, change)
      where c.group_id = ${groupId} and c.epoch = ${next} and c.profile_id = t.profile_id`);
  }
  if (moved.length > 0) {
    await tx.query(sql`
      update changes c set number = t.destination
      from unnest(${moved.map((row) => row.from)}::bigint[], ${moved.map((row) => row.to)}::bigint[]) as t (origin, destination)
      where c.group_id = ${groupId} and c.epoch = ${next} and c.number = t.origin`);
  }
  if (added.length > 0) {
    await tx.query(sql`
      insert into changes (group_id, epoch, number, profile_id, ordinal, change, at, cause)
      select ${groupId}::uuid, ${next}::bigint, a.number, a.profile_id, a.ordinal, a.change, null, ${cause}::text
      from unnest(${added.map((row) => row.number)}::bigint[], ${added.map((row) => row.profileId)}::uuid[],
        ${added.map((row) => row.ordinal)}::int[], ${added.map((row) => row.change)}::text[]) as a (number, profile_id, ordinal, change)`);
  }
}
