// What changes membership outside a switch: member rows, numbered changes, counts and sizes, in the caller's transaction;
// many profiles and one group in membership-many.ts. Keeps the invariants that profile_count equals the visible rows, that sequences have no gaps, that
// entered and left alternate for a profile and that no profile enters that is gone. Locks are taken in one order:
// profiles (erasing.ts), member rows, heads, each by id.

import { sql, type Queryable } from '../database/database.ts';
import { rowLocks } from '../database/row-locks.ts';
import { enqueueRows } from '../queue/queue.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { dependency } from '../rules/depends.ts';
import { holdOffErasing } from './erasing.ts';
import { EpochMoved, findHeads, lockHeads, type Head } from './head.ts';

export type ChangeCause =
  'activity' | 'clock' | 'profile' | 'group' | 'rule' | 'pin' | 'manual' | 'import' | 'erased' | 'merged';

export interface MembershipChange {
  groupId: string;
  profileId: string;
  ordinal: number;
  change: 'entered' | 'left';
  at: Instant;
  cause: ChangeCause;
}

export interface ChangeOptions {
  applicationId: number;
  now: Instant;
  /** Queue the profiles for the groups that read these ones. The evaluation, which knows those itself, does not. */
  queueReaders: boolean;
  /** The epochs at which the caller decided: if one has moved since, the transaction starts again. Default: read here. */
  epochs?: ReadonlyMap<string, number>;
  /**
   * Profiles whose facts changed for groups that are being filled, whether or not their present membership does. Noted
   * under the head's lock, so that either the backfill sees them before it switches or this transaction starts again.
   */
  touched?: readonly { groupId: string; profileId: string }[];
  /** The caller knows each profile's last change: every instant stays as it is given. */
  settled?: boolean;
}

/**
 * Applies changes in the order given; those that are so already are left out, and so are entries of profiles that do
 * not exist. Returns what really changed. A profile may change several times in one group (a clock that flips twice), each
 * change needing the one before. `at` is moved up to the group's newest change, but for clock changes, which keep their instant.
 */
export async function changeMembership(
  tx: Queryable,
  changes: MembershipChange[],
  options: ChangeOptions,
): Promise<MembershipChange[]> {
  const touched = options.touched ?? [];
  if (changes.length + touched.length === 0) return [];
  const groupIds = [...new Set([...changes, ...touched].map((change) => change.groupId))].sort();
  const epochs = options.epochs ?? new Map([...(await findHeads(tx, groupIds))].map(([id, head]) => [id, head.epoch]));
  const known = changes.filter((change) => epochs.has(change.groupId));
  const lockIds = groupIds.filter((id) => epochs.has(id));
  const moving = moveMembers(tx, known, epochs, options);
  // Who knows that something changes need not wait to be told: heads are locked behind the rows, in the same round trip.
  const locking = options.settled === true && known.length > 0 ? lockHeads(tx, lockIds) : undefined;
  const [done] = await Promise.all([moving, locking]);
  if (done.length + touched.length === 0 || lockIds.length === 0) return [];
  const heads = await (locking ?? lockHeads(tx, lockIds));
  for (const groupId of lockIds) if (heads.get(groupId)?.epoch !== epochs.get(groupId)) throw new EpochMoved();
  const dated = options.settled === true ? done : settleInstants(done, heads);
  const notes = [...dated, ...touched].filter((change) => heads.get(change.groupId)?.filling);
  await Promise.all([
    ...(dated.length > 0
      ? [writeChanges(tx, dated, heads), writeSizes(tx, dated), correctEntries(tx, done, dated, heads)]
      : []),
    touch(tx, notes),
    options.queueReaders && dated.length > 0 ? queueReaders(tx, dated, options) : undefined,
  ]);
  return dated;
}

/** Brings the member rows to the last change of each pair, and says which changes took effect. */
async function moveMembers(
  tx: Queryable,
  changes: MembershipChange[],
  epochs: ReadonlyMap<string, number>,
  options: ChangeOptions,
): Promise<MembershipChange[]> {
  const pairs = new Map<string, MembershipChange[]>();
  for (const change of changes) {
    const key = `${change.groupId} ${change.profileId}`;
    const list = pairs.get(key);
    if (!list) pairs.set(key, [change]);
    else if (list.at(-1)?.change !== change.change) list.push(change);
  }
  const last = [...pairs.values()].flatMap((list) => list.slice(-1));
  const entering = last.filter((change) => change.change === 'entered');
  const leaving = last.filter((change) => change.change === 'left');
  const [{ moved, existing }, left] = await Promise.all([
    insertMembers(tx, entering, epochs, options),
    deleteMembers(tx, leaving, epochs),
  ]);
  for (const pair of left) moved.add(pair);
  // A pair that moved was on the other side before. So an odd chain took effect as it stands, and an even one lost its
  // first change; a pair that did not move, the other way round.
  return [...pairs].flatMap(([key, list]) => {
    if (list.at(-1)?.change === 'entered' && !existing.has(list[0]?.profileId ?? '')) return [];
    const isOdd = list.length % 2 === 1;
    return moved.has(key) === isOdd ? list : list.slice(1);
  });
}

async function insertMembers(
  tx: Queryable,
  changes: MembershipChange[],
  epochs: ReadonlyMap<string, number>,
  options: ChangeOptions,
): Promise<{ moved: Set<string>; existing: Set<string> }> {
  if (changes.length === 0) return { moved: new Set(), existing: new Set() };
  const profileIds = [...new Set(changes.map((change) => change.profileId))];
  const [, { rows }] = await Promise.all([
    holdOffErasing(tx, options.applicationId, profileIds),
    tx.query<{ id: string; group_id: string | null }>(sql`
    with found as materialized (
      select p.id, p.ordinal from profiles p
      where p.application_id = ${options.applicationId} and p.id = any (${profileIds}::uuid[]) order by p.id),
    moved as (
      insert into members (profile_id, group_id, application_id, ordinal, since_epoch, until_epoch, entered_at)
      select f.id, c.group_id, ${options.applicationId}::int, f.ordinal, c.epoch, null, c.at
      from unnest(${changes.map((change) => change.profileId)}::uuid[], ${changes.map((change) => change.groupId)}::uuid[],
        ${changes.map((change) => epochs.get(change.groupId))}::bigint[],
        ${changes.map((change) => formatInstant(change.at))}::timestamptz[]) as c (profile_id, group_id, epoch, at)
      join found f on f.id = c.profile_id
      order by f.id, c.group_id
      on conflict (profile_id, group_id) do update
        set since_epoch = excluded.since_epoch, until_epoch = null, entered_at = excluded.entered_at
        where members.since_epoch > excluded.since_epoch or members.until_epoch <= excluded.since_epoch
      returning group_id, profile_id)
    select f.id, m.group_id from found f left join moved m on m.profile_id = f.id`),
  ]);
  return {
    moved: new Set(rows.flatMap((row) => (row.group_id === null ? [] : [`${row.group_id} ${row.id}`]))),
    existing: new Set(rows.map((row) => row.id)),
  };
}

async function deleteMembers(
  tx: Queryable,
  changes: MembershipChange[],
  epochs: ReadonlyMap<string, number>,
): Promise<string[]> {
  if (changes.length === 0) return [];
  const { rows } = await tx.query<{ group_id: string; profile_id: string }>(sql`
    with leaving as materialized (
      select m.profile_id, m.group_id, c.epoch from members m
      join unnest(${changes.map((change) => change.profileId)}::uuid[], ${changes.map((change) => change.groupId)}::uuid[],
        ${changes.map((change) => epochs.get(change.groupId))}::bigint[]) as c (profile_id, group_id, epoch)
        on m.profile_id = c.profile_id and m.group_id = c.group_id
      where m.since_epoch <= c.epoch and (m.until_epoch is null or m.until_epoch > c.epoch)
      order by m.profile_id, m.group_id ${rowLocks(tx, sql`for update of m`)})
    delete from members m using leaving l
    where m.profile_id = l.profile_id and m.group_id = l.group_id and m.since_epoch + 0 <= l.epoch and (m.until_epoch is null or m.until_epoch > l.epoch)
    returning m.group_id, m.profile_id`);
  return rows.map((row) => `${row.group_id} ${row.profile_id}`);
}

/** Instants never go backwards for a profile: what was decided before another change committed happens with it. */
function settleInstants(done: MembershipChange[], heads: ReadonlyMap<string, Head>): MembershipChange[] {
  const newest = new Map([...heads].map(([groupId, head]) => [groupId, head.last_at ?? -Infinity]));
  return done.map((change) => {
    const last = newest.get(change.groupId) ?? -Infinity;
    if (change.at >= last) newest.set(change.groupId, change.at);
    return change.cause === 'clock' || change.at >= last ? change : { ...change, at: last };
  });
}

/** The rows of those whose instant was moved up, and of those that left and came back at once. */
async function correctEntries(
  tx: Queryable,
  done: MembershipChange[],
  dated: MembershipChange[],
  heads: ReadonlyMap<string, Head>,
): Promise<void> {
  const left = new Set<string>();
  const moved = dated.filter((change, index) => {
    const key = `${change.groupId} ${change.profileId}`;
    if (change.change === 'left') left.add(key);
    return change.change === 'entered' && (left.has(key) || change.at !== done[index]?.at);
  });
  if (moved.length === 0) return;
  await tx.query(sql`
    update members m set since_epoch = c.epoch, entered_at = c.at
    from (
      select profile_id, group_id, epoch, max(at) as at
      from unnest(${moved.map((change) => change.profileId)}::uuid[], ${moved.map((change) => change.groupId)}::uuid[],
        ${moved.map((change) => heads.get(change.groupId)?.epoch)}::bigint[],
        ${moved.map((change) => formatInstant(change.at))}::timestamptz[]) as c (profile_id, group_id, epoch, at)
      group by 1, 2, 3) c
    where m.profile_id = c.profile_id and m.group_id = c.group_id`);
}

async function writeChanges(tx: Queryable, done: MembershipChange[], heads: ReadonlyMap<string, Head>): Promise<void> {
  const next = new Map([...heads].map(([groupId, head]) => [groupId, head.last_number]));
  const gained = new Map<string, number>();
  const newest = new Map<string, Instant>();
  const numbers = done.map((change) => {
    const number = (next.get(change.groupId) ?? 0) + 1;
    next.set(change.groupId, number);
    gained.set(change.groupId, (gained.get(change.groupId) ?? 0) + (change.change === 'entered' ? 1 : -1));
    newest.set(change.groupId, Math.max(newest.get(change.groupId) ?? -Infinity, change.at));
    return number;
  });
  const groupIds = [...gained.keys()];
  await Promise.all([
    tx.query(sql`
      insert into changes (group_id, epoch, number, profile_id, ordinal, change, at, cause)
      select * from unnest(${done.map((change) => change.groupId)}::uuid[], ${done.map((change) => heads.get(change.groupId)?.epoch)}::bigint[],
        ${numbers}::bigint[], ${done.map((change) => change.profileId)}::uuid[], ${done.map((change) => change.ordinal)}::int[],
        ${done.map((change) => change.change)}::text[], ${done.map((change) => formatInstant(change.at))}::timestamptz[],
        ${done.map((change) => change.cause)}::text[])`),
    tx.query(sql`
      update group_heads h set profile_count = h.profile_count + c.gained, last_number = c.last_number, last_at = greatest(h.last_at, c.last_at)
      from unnest(${groupIds}::uuid[], ${groupIds.map((id) => gained.get(id))}::bigint[], ${groupIds.map((id) => next.get(id))}::bigint[],
        ${groupIds.map((id) => formatInstant(newest.get(id) ?? 0))}::timestamptz[]) as c (group_id, gained, last_number, last_at)
      where h.group_id = c.group_id`),
  ]);
}

/** Entries and leaves by the hour of their instant, of which size over time is the running sum; and the same by cause. */
async function writeSizes(tx: Queryable, done: MembershipChange[]): Promise<void> {
  const groupIds = done.map((change) => change.groupId);
  const instants = done.map((change) => formatInstant(change.at));
  const changes = done.map((change) => change.change);
  await Promise.all([
    tx.query(sql`
      insert into group_sizes (group_id, hour, entered, "left")
      select c.group_id, date_trunc('hour', c.at, 'UTC'), count(*) filter (where c.change = 'entered'), count(*) filter (where c.change = 'left')
      from unnest(${groupIds}::uuid[], ${instants}::timestamptz[], ${changes}::text[]) as c (group_id, at, change)
      group by 1, 2 order by 1, 2
      on conflict (group_id, hour) do update
        set entered = group_sizes.entered + excluded.entered, "left" = group_sizes."left" + excluded."left"`),
    tx.query(sql`
      insert into group_flows (group_id, hour, cause, entered, "left")
      select c.group_id, date_trunc('hour', c.at, 'UTC'), c.cause, count(*) filter (where c.change = 'entered'), count(*) filter (where c.change = 'left')
      from unnest(${groupIds}::uuid[], ${instants}::timestamptz[], ${done.map((change) => change.cause)}::text[], ${changes}::text[])
        as c (group_id, at, cause, change)
      group by 1, 2, 3 order by 1, 2, 3
      on conflict (group_id, hour, cause) do update
        set entered = group_flows.entered + excluded.entered, "left" = group_flows."left" + excluded."left"`),
  ]);
}

/** Notes profiles for a running backfill or replacement, which looks at them again before it switches. Under the head's lock. */
async function touch(tx: Queryable, changes: readonly { groupId: string; profileId: string }[]): Promise<void> {
  if (changes.length === 0) return;
  await tx.query(sql`
    insert into backfill_touched (profile_id, group_id)
    select distinct c.profile_id, c.group_id
    from unnest(${changes.map((change) => change.profileId)}::uuid[], ${changes.map((change) => change.groupId)}::uuid[]) as c (profile_id, group_id)`);
}

async function queueReaders(
  tx: Queryable,
  done: MembershipChange[],
  { applicationId, now }: ChangeOptions,
): Promise<void> {
  await tx.query(
    enqueueRows(
      { applicationId, cause: 'group', now },
      sql`select c.profile_id, c.ordinal, array_agg(distinct c.key) as changed
    from unnest(${done.map((change) => change.profileId)}::uuid[], ${done.map((change) => change.ordinal)}::int[],
      ${done.map((change) => dependency.group(change.groupId))}::text[]) as c (profile_id, ordinal, key)
    join (select distinct key from watched_keys where application_id = ${applicationId}) w on w.key = c.key
    group by c.profile_id, c.ordinal`,
    ),
  );
}

/** Adds to the entries and leaves of the hour of this instant, by one cause. */
export async function writeSize(
  tx: Queryable,
  groupId: string,
  instant: string,
  cause: ChangeCause,
  { entered, left }: { entered: number; left: number },
): Promise<void> {
  await Promise.all([
    tx.query(sql`
      insert into group_sizes (group_id, hour, entered, "left")
      values (${groupId}, date_trunc('hour', ${instant}::timestamptz, 'UTC'), ${entered}, ${left})
      on conflict (group_id, hour) do update
        set entered = group_sizes.entered + excluded.entered, "left" = group_sizes."left" + excluded."left"`),
    tx.query(sql`
      insert into group_flows (group_id, hour, cause, entered, "left")
      values (${groupId}, date_trunc('hour', ${instant}::timestamptz, 'UTC'), ${cause}, ${entered}, ${left})
      on conflict (group_id, hour, cause) do update
        set entered = group_flows.entered + excluded.entered, "left" = group_flows."left" + excluded."left"`),
  ]);
}

/**
 * An erased profile leaves every group; the feed keeps its bare id. Rows that a switch prepared go too. The caller has
 * locked (erasing.ts) and deleted the profile: it can enter no group any more.
 */
export async function removeFromGroups(
  tx: Queryable,
  profile: { id: string; ordinal: number; applicationId: number },
  now: Instant,
): Promise<void> {
  const { rows } = await tx.query<{ group_id: string }>(
    sql`select group_id from members where profile_id = ${profile.id}`,
  );
  if (rows.length === 0) return;
  const changes = rows.map((row): MembershipChange => ({
    groupId: row.group_id,
    profileId: profile.id,
    ordinal: profile.ordinal,
    change: 'left',
    at: now,
    cause: 'erased',
  }));
  await changeMembership(tx, changes, {
    applicationId: profile.applicationId,
    now,
    queueReaders: false,
    touched: changes,
  });
  await deletePrepared(tx, profile.id);
}

/** Rows that a switch prepared for a profile that has left every group and is about to be gone, or is. */
export async function deletePrepared(tx: Queryable, profileId: string): Promise<void> {
  await tx.query(sql`delete from members where profile_id = ${profileId}`);
}
