// The statements of checkpoints and of reading a feed by its places. Each names one group, so a cluster answers it in one
// place, and in one snapshot.

import { sql, type Queryable, type Sql } from '../database/database.ts';
import { readInt8 } from '../database/copy.ts';
import { formatInstant, type Instant } from '../instant.ts';
import type { CheckpointPart } from './checkpoint.ts';

/** A stretch of a feed: the changes after one sequence and up to another. */
export interface Stretch {
  groupId: string;
  /** As the head says: what is prepared for the next one is no part of the feed. */
  epoch: number;
  after: number;
  until: number;
}

/** The place of a sequence: the epoch of the change behind it, or the last epoch that begins there, and its number in it. */
const placeOf = (groupId: string, sequence: number): Sql => sql`
  (select epoch, ${sequence}::bigint - base_sequence as number from group_epochs
    where group_id = ${groupId} and base_sequence <= ${sequence}::bigint order by base_sequence desc, epoch desc limit 1)`;

const PLACES = ({ groupId, after, until }: Stretch): Sql =>
  sql`with lower as materialized ${placeOf(groupId, after)}, upper as materialized ${placeOf(groupId, until)}`;

const within = ({ groupId, epoch }: Stretch): Sql => sql`
  c.group_id = ${groupId} and c.epoch <= ${epoch}
    and (c.epoch, c.number) > ((select epoch from lower), (select number from lower))
    and (c.epoch, c.number) <= ((select epoch from upper), (select number from upper))`;

/** Entries less leaves of a stretch, of those changes that are not later than an instant. */
export async function sumChanges(tx: Queryable, stretch: Stretch, asOf: Instant): Promise<number> {
  const { rows } = await tx.query<{ gained: number }>(sql`
    ${PLACES(stretch)}
    select coalesce(sum(case c.change when 'entered' then 1 else -1 end), 0)::bigint as gained
    from changes c join group_epochs e on e.group_id = c.group_id and e.epoch = c.epoch
    where ${within(stretch)} and coalesce(c.at, e.switched_at) <= ${formatInstant(asOf)}::timestamptz`);
  return rows[0]?.gained ?? 0;
}

export interface Slice {
  /** How many changes there were, of any instant. */
  read: number;
  /** The sequence of the oldest of them. */
  oldest: number;
  minAt: Instant;
  maxAt: Instant;
  /** Those that are not later than the instant, newest first: hands over sequence, ordinal and whether it is an entry. */
  each(change: (sequence: number, ordinal: number, isEntry: boolean) => void): void;
}

const RECORD = 12;

/** The newest changes of a stretch; undefined where it has none. An entry is written as its ordinal, a leave as the complement. */
export async function readNewest(
  tx: Queryable,
  stretch: Stretch,
  asOf: Instant,
  limit: number,
): Promise<Slice | undefined> {
  const { groupId } = stretch;
  const { rows } = await tx.query<{
    read: number;
    oldest: number;
    min_at: Instant;
    max_at: Instant;
    records: Buffer | null;
  }>(sql`
    ${PLACES(stretch)},
    slice as materialized (
      select c.epoch, c.number, c.ordinal, c.change, c.at from changes c
      where ${within(stretch)} order by c.epoch desc, c.number desc limit ${limit}),
    placed as (
      select e.base_sequence + s.number as sequence, case s.change when 'entered' then s.ordinal else ~s.ordinal end as record,
        coalesce(s.at, e.switched_at) as at
      from slice s join group_epochs e on e.group_id = ${groupId} and e.epoch = s.epoch)
    select count(*) as read, min(sequence) as oldest, min(at) as min_at, max(at) as max_at,
      string_agg(int8send(sequence) || int4send(record), ''::bytea order by sequence desc)
        filter (where at <= ${formatInstant(asOf)}::timestamptz) as records
    from placed`);
  const [row] = rows;
  if (!row || row.read === 0) return undefined;
  const { records } = row;
  return {
    read: row.read,
    oldest: row.oldest,
    minAt: row.min_at,
    maxAt: row.max_at,
    each(change) {
      for (let at = 0; records && at < records.length; at += RECORD) {
        const record = records.readInt32BE(at + 8);
        change(readInt8(records, at), record < 0 ? ~record : record, record >= 0);
      }
    },
  };
}

export interface Checkpoint {
  sequence: number;
  after_sequence: number;
  min_at: Instant;
  max_at: Instant;
  members: number;
}

const COLUMNS = sql`sequence, after_sequence, min_at, max_at, members`;

/** The newest checkpoint up to which nothing is later than an instant. */
export async function findCheckpoint(tx: Queryable, groupId: string, asOf: Instant): Promise<Checkpoint | undefined> {
  const { rows } = await tx.query<Checkpoint>(sql`
    select ${COLUMNS} from change_checkpoints
    where group_id = ${groupId} and max_at <= ${formatInstant(asOf)}::timestamptz order by sequence desc limit 1`);
  return rows[0];
}

export async function findNewestCheckpoint(tx: Queryable, groupId: string): Promise<Checkpoint | undefined> {
  const { rows } = await tx.query<Checkpoint>(sql`
    select ${COLUMNS} from change_checkpoints where group_id = ${groupId} order by sequence desc limit 1`);
  return rows[0];
}

/** Stretches beyond a sequence in which nothing happened up to an instant, upwards. They may overlap. */
export async function listLaterStretches(
  tx: Queryable,
  groupId: string,
  beyond: number,
  asOf: Instant,
): Promise<Pick<Checkpoint, 'after_sequence' | 'sequence'>[]> {
  const { rows } = await tx.query<Pick<Checkpoint, 'after_sequence' | 'sequence'>>(sql`
    select after_sequence, sequence from change_checkpoints
    where group_id = ${groupId} and sequence > ${beyond} and min_at > ${formatInstant(asOf)}::timestamptz
    order by after_sequence, sequence`);
  return rows;
}

/** The parts of a checkpoint, newest entries first, one at a time; with `newest` and `oldest` only those that reach in between. */
export async function* readParts(
  tx: Queryable,
  groupId: string,
  sequence: number,
  { below = Number.MAX_SAFE_INTEGER, above = 0 }: { below?: number | undefined; above?: number | undefined } = {},
): AsyncGenerator<CheckpointPart> {
  for (let last = -1; ;) {
    const { rows } = await tx.query<CheckpointPart>(sql`
      select part, entries, newest, oldest, body from change_checkpoint_parts
      where group_id = ${groupId} and sequence = ${sequence} and part > ${last} and oldest < ${below}::bigint and newest > ${above}::bigint
      order by part limit 1`);
    const [row] = rows;
    if (!row) return;
    yield row;
    last = row.part;
  }
}

export async function insertPart(
  tx: Queryable,
  groupId: string,
  sequence: number,
  part: CheckpointPart,
): Promise<void> {
  await tx.query(sql`
    insert into change_checkpoint_parts (group_id, sequence, part, entries, newest, oldest, body)
    values (${groupId}, ${sequence}, ${part.part}, ${part.entries}, ${part.newest}, ${part.oldest}, ${part.body})`);
}

export async function insertCheckpoint(
  tx: Queryable,
  groupId: string,
  checkpoint: Checkpoint,
  now: Instant,
): Promise<void> {
  await tx.query(sql`
    insert into change_checkpoints (group_id, sequence, after_sequence, min_at, max_at, members, made_at)
    values (${groupId}, ${checkpoint.sequence}, ${checkpoint.after_sequence}, ${formatInstant(checkpoint.min_at)},
      ${formatInstant(checkpoint.max_at)}, ${checkpoint.members}, ${formatInstant(now)})`);
}

export async function deleteCheckpoint(tx: Queryable, groupId: string, sequence: number): Promise<void> {
  await tx.query(sql`delete from change_checkpoint_parts where group_id = ${groupId} and sequence = ${sequence}`);
  await tx.query(sql`delete from change_checkpoints where group_id = ${groupId} and sequence = ${sequence}`);
}

/** What was made of a group while it was deleted. */
export async function deleteOrphans(tx: Queryable): Promise<void> {
  for (const table of [sql`change_checkpoint_parts`, sql`change_checkpoints`]) {
    await tx.query(
      sql`delete from ${table} c where not exists (select from group_heads h where h.group_id = c.group_id)`,
    );
  }
}
