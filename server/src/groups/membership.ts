// The one place that changes membership outside a switch: member rows, numbered changes, counts and sizes, in the
// caller's transaction. Keeps the invariants that profile_count equals the visible rows, that sequences have no gaps, and
// that entered and left alternate for a profile. Heads are locked last, in the order of their ids.

import { sql, type Queryable } from '../database/database.ts';
import { BUCKETS } from '../evaluation/queue.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { dependency } from '../rules/depends.ts';

export type ChangeCause = 'activity' | 'clock' | 'profile' | 'group' | 'rule' | 'pin' | 'manual' | 'import' | 'erased';

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
   * under the head's lock, so that either the fill sees them before it switches or this transaction starts again.
   */
  touched?: { groupId: string; profileId: string }[];
}

/** A switch came between: the transaction must start again. Carries the code of a serialisation failure, so it does. */
class EpochMoved extends Error {
  readonly code = '40001';
}

interface Head {
  group_id: string;
  epoch: number;
  last_number: number;
  filling: boolean;
}

/**
 * Applies changes in the order given; those that are so already are left out. Returns what really changed. A profile may
 * change several times in one group (a clock that flips twice), each change needing the one before.
 */
export async function changeMembership(tx: Queryable, changes: MembershipChange[], options: ChangeOptions): Promise<MembershipChange[]> {
  if (changes.length === 0) return [];
  const groupIds = [...new Set(changes.map((change) => change.groupId))].sort();
  const epochs = new Map((await readHeads(tx, groupIds, false)).map((head) => [head.group_id, head.epoch]));
  const known = changes.filter((change) => epochs.has(change.groupId));
  const done = await moveMembers(tx, known, epochs, options);
  if (done.length === 0) return [];
  const heads = new Map((await readHeads(tx, groupIds, true)).map((head) => [head.group_id, head]));
  for (const [groupId, epoch] of epochs) if (heads.get(groupId)?.epoch !== epoch) throw new EpochMoved();
  await writeChanges(tx, done, heads);
  await writeSizes(tx, done);
  const filling = done.filter((change) => heads.get(change.groupId)?.filling);
  await touch(tx, filling);
  if (options.queueReaders) await queueReaders(tx, done, options);
  return done;
}

async function readHeads(tx: Queryable, groupIds: string[], lock: boolean): Promise<Head[]> {
  const { rows } = await tx.query<Head>(
    lock
      ? sql`select group_id, epoch, last_number, filling from group_heads where group_id = any (${groupIds}::uuid[]) order by group_id for update`
      : sql`select group_id, epoch, last_number, filling from group_heads where group_id = any (${groupIds}::uuid[])`,
  );
  return rows;
}

/** Brings the member rows to the last change of each pair, and says which changes took effect. */
async function moveMembers(
  tx: Queryable,
  changes: MembershipChange[],
  epochs: Map<string, number>,
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
  const moved = new Set([...(await insertMembers(tx, entering, epochs, options)), ...(await deleteMembers(tx, leaving, epochs))]);
  // A pair that moved was on the other side before. So an odd chain took effect as it stands, and an even one lost its
  // first change; a pair that did not move, the other way round.
  return [...pairs].flatMap(([key, list]) => {
    const isOdd = list.length % 2 === 1;
    return moved.has(key) === isOdd ? list : list.slice(1);
  });
}

async function insertMembers(tx: Queryable, changes: MembershipChange[], epochs: Map<string, number>, options: ChangeOptions): Promise<string[]> {
  if (changes.length === 0) return [];
  // In the order of the key, so that two transactions that move the same pairs wait instead of deadlocking.
  const { rows } = await tx.query<{ group_id: string; profile_id: string }>(sql`
    insert into members (profile_id, group_id, application_id, ordinal, since_epoch, until_epoch, entered_at)
    select c.profile_id, c.group_id, ${options.applicationId}::int, c.ordinal, c.epoch, null, c.at
    from unnest(${changes.map((change) => change.profileId)}::uuid[], ${changes.map((change) => change.groupId)}::uuid[],
      ${changes.map((change) => change.ordinal)}::int[], ${changes.map((change) => epochs.get(change.groupId))}::bigint[],
      ${changes.map((change) => formatInstant(change.at))}::timestamptz[]) as c (profile_id, group_id, ordinal, epoch, at)
    order by c.profile_id, c.group_id
    on conflict (profile_id, group_id) do update
      set since_epoch = excluded.since_epoch, until_epoch = null, entered_at = excluded.entered_at
      where members.since_epoch > excluded.since_epoch or members.until_epoch <= excluded.since_epoch
    returning group_id, profile_id`);
  return rows.map((row) => `${row.group_id} ${row.profile_id}`);
}

async function deleteMembers(tx: Queryable, changes: MembershipChange[], epochs: Map<string, number>): Promise<string[]> {
  if (changes.length === 0) return [];
  const { rows } = await tx.query<{ group_id: string; profile_id: string }>(sql`
    with leaving as (
      select m.profile_id, m.group_id from members m
      join unnest(${changes.map((change) => change.profileId)}::uuid[], ${changes.map((change) => change.groupId)}::uuid[],
        ${changes.map((change) => epochs.get(change.groupId))}::bigint[]) as c (profile_id, group_id, epoch)
        on m.profile_id = c.profile_id and m.group_id = c.group_id
      where m.since_epoch <= c.epoch and (m.until_epoch is null or m.until_epoch > c.epoch)
      order by m.profile_id, m.group_id for update of m)
    delete from members m using leaving l where m.profile_id = l.profile_id and m.group_id = l.group_id
    returning m.group_id, m.profile_id`);
  return rows.map((row) => `${row.group_id} ${row.profile_id}`);
}

async function writeChanges(tx: Queryable, done: MembershipChange[], heads: Map<string, Head>): Promise<void> {
  const next = new Map([...heads].map(([groupId, head]) => [groupId, head.last_number]));
  const gained = new Map<string, number>();
  const numbers = done.map((change) => {
    const number = (next.get(change.groupId) ?? 0) + 1;
    next.set(change.groupId, number);
    gained.set(change.groupId, (gained.get(change.groupId) ?? 0) + (change.change === 'entered' ? 1 : -1));
    return number;
  });
  await tx.query(sql`
    insert into changes (group_id, epoch, number, profile_id, ordinal, change, at, cause)
    select * from unnest(${done.map((change) => change.groupId)}::uuid[], ${done.map((change) => heads.get(change.groupId)?.epoch)}::bigint[],
      ${numbers}::bigint[], ${done.map((change) => change.profileId)}::uuid[], ${done.map((change) => change.ordinal)}::int[],
      ${done.map((change) => change.change)}::text[], ${done.map((change) => formatInstant(change.at))}::timestamptz[],
      ${done.map((change) => change.cause)}::text[])`);
  const groupIds = [...gained.keys()];
  await tx.query(sql`
    update group_heads h set profile_count = h.profile_count + c.gained, last_number = c.last_number
    from unnest(${groupIds}::uuid[], ${groupIds.map((id) => gained.get(id))}::bigint[], ${groupIds.map((id) => next.get(id))}::bigint[])
      as c (group_id, gained, last_number)
    where h.group_id = c.group_id`);
}

/** Entries and leaves by the hour of their instant, of which size over time is the running sum. */
async function writeSizes(tx: Queryable, done: MembershipChange[]): Promise<void> {
  await tx.query(sql`
    insert into group_sizes (group_id, hour, entered, "left")
    select c.group_id, date_trunc('hour', c.at, 'UTC'), count(*) filter (where c.change = 'entered'), count(*) filter (where c.change = 'left')
    from unnest(${done.map((change) => change.groupId)}::uuid[], ${done.map((change) => formatInstant(change.at))}::timestamptz[],
      ${done.map((change) => change.change)}::text[]) as c (group_id, at, change)
    group by 1, 2 order by 1, 2
    on conflict (group_id, hour) do update
      set entered = group_sizes.entered + excluded.entered, "left" = group_sizes."left" + excluded."left"`);
}

/** Notes profiles for a running fill or replacement, which looks at them again before it switches. */
export async function touch(tx: Queryable, changes: Pick<MembershipChange, 'groupId' | 'profileId'>[]): Promise<void> {
  if (changes.length === 0) return;
  await tx.query(sql`
    insert into fill_touched (profile_id, group_id)
    select distinct c.profile_id, c.group_id
    from unnest(${changes.map((change) => change.profileId)}::uuid[], ${changes.map((change) => change.groupId)}::uuid[]) as c (profile_id, group_id)
    order by 1, 2 on conflict do nothing`);
}

async function queueReaders(tx: Queryable, done: MembershipChange[], { applicationId, now }: ChangeOptions): Promise<void> {
  await tx.query(sql`
    insert into queue (profile_id, bucket, application_id, cause, changed, queued_at)
    select c.profile_id, c.ordinal % ${BUCKETS}, ${applicationId}::int, 'group', array_agg(c.key), ${formatInstant(now)}::timestamptz
    from unnest(${done.map((change) => change.profileId)}::uuid[], ${done.map((change) => change.ordinal)}::int[],
      ${done.map((change) => dependency.group(change.groupId))}::text[]) as c (profile_id, ordinal, key)
    join (select distinct key from watched_keys where application_id = ${applicationId}) w on w.key = c.key
    group by c.profile_id, c.ordinal`);
}

/** An erased profile leaves every group; the feed keeps its bare id. Rows that a switch prepared go too. */
export async function removeFromGroups(
  tx: Queryable,
  profile: { id: string; ordinal: number; applicationId: number },
  now: Instant,
): Promise<void> {
  const { rows } = await tx.query<{ group_id: string }>(sql`select group_id from members where profile_id = ${profile.id}`);
  if (rows.length === 0) return;
  const changes = rows.map(
    (row): MembershipChange => ({ groupId: row.group_id, profileId: profile.id, ordinal: profile.ordinal, change: 'left', at: now, cause: 'erased' }),
  );
  await changeMembership(tx, changes, { applicationId: profile.applicationId, now, queueReaders: false });
  await touch(tx, changes);
  await tx.query(sql`delete from members where profile_id = ${profile.id}`);
}
