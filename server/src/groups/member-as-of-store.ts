// Members at an instant of the past, newest entry first: what the fold of the feed (membership/fold.ts) finds, with names.

import { sql, type Queryable } from '../database/database.ts';
import type { Order, PageRequest } from '../database/page.ts';
import type { Instant } from '../instant.ts';
import type { Entry } from '../membership/checkpoint.ts';
import { countMembers, FIRST_SLICE, planFold, walkMembers, type FeedEnd, type Fold } from '../membership/fold.ts';

export interface MemberAsOf {
  id: string;
  /** Null of a profile that was erased since. */
  nickname: string | null;
  custom_id: string | null;
  epoch: number;
  number: number;
  membership_created_at: Instant;
}

export const MEMBER_AS_OF_ORDER: Order<MemberAsOf> = {
  name: 'members-as-of',
  columns: [
    { column: 'c.epoch', type: 'bigint' },
    { column: 'c.number', type: 'bigint' },
  ],
  descending: true,
  key: (member) => [String(member.epoch), String(member.number)],
};

/** The profiles whose last change up to the instant was an entry, newest first; in a page backwards the other way round. */
export async function pageOfMembersAsOf(
  tx: Queryable,
  end: FeedEnd,
  asOf: Instant,
  page: PageRequest,
  slice = FIRST_SLICE,
): Promise<{ rows: MemberAsOf[]; count: number | undefined }> {
  const fold = await planFold(tx, end, asOf, slice);
  const { groupId } = end;
  const place = page.cursor ? await findSequence(tx, groupId, page.cursor.key) : undefined;
  const entries =
    place !== undefined && page.cursor?.backwards === true
      ? await lastAbove(tx, fold, place, page.size + 1)
      : await firstBelow(tx, fold, place, page.cursor ? 0 : (page.number - 1) * page.size, page.size + 1);
  return {
    rows: await readMembers(tx, groupId, entries.map(({ sequence }) => sequence)), // prettier-ignore
    count: page.wantsCount ? await countMembers(tx, fold) : undefined,
  };
}

async function firstBelow(
  tx: Queryable,
  fold: Fold,
  below: number | undefined,
  skip: number,
  limit: number,
): Promise<Entry[]> {
  const found: Entry[] = [];
  let left = skip;
  for await (const batch of walkMembers(tx, fold, { below })) {
    const wanted = below === undefined ? batch : batch.filter(({ sequence }) => sequence < below);
    found.push(...wanted.slice(left, left + limit - found.length));
    left = Math.max(0, left - wanted.length);
    if (found.length === limit) break;
  }
  return found;
}

async function lastAbove(tx: Queryable, fold: Fold, above: number, limit: number): Promise<Entry[]> {
  let found: Entry[] = [];
  for await (const batch of walkMembers(tx, fold, { above })) {
    const wanted = batch.filter(({ sequence }) => sequence > above);
    found = found.concat(wanted).slice(-limit);
    if (wanted.length < batch.length) break;
  }
  return found.reverse();
}

/** The sequence of a place, as a cursor carries it; of an epoch that there is not, the beginning. */
async function findSequence(tx: Queryable, groupId: string, [epoch, number]: string[]): Promise<number> {
  const { rows } = await tx.query<{ base_sequence: number }>(
    sql`select base_sequence from group_epochs where group_id = ${groupId} and epoch = ${epoch}::bigint`,
  );
  const [row] = rows;
  return row ? row.base_sequence + Number(number) : 0;
}

/** In the order of the sequences given. */
async function readMembers(tx: Queryable, groupId: string, sequences: number[]): Promise<MemberAsOf[]> {
  if (sequences.length === 0) return [];
  const [low, high] = [Math.min(...sequences), Math.max(...sequences)];
  // The epochs that these changes can be of; each change is of the last one that begins before it.
  const { rows: epochs } = await tx.query<{ epoch: number; base_sequence: number; switched_at: Instant }>(sql`
    select epoch, base_sequence, switched_at from group_epochs
    where group_id = ${groupId} and base_sequence < ${high}::bigint and base_sequence >= (
      select max(base_sequence) from group_epochs where group_id = ${groupId} and base_sequence < ${low}::bigint)
    order by epoch desc`);
  const places = sequences.flatMap((sequence) => {
    const epoch = epochs.find(({ base_sequence: base }) => base < sequence);
    return epoch ? [{ ...epoch, number: sequence - epoch.base_sequence }] : [];
  });
  const { rows } = await tx.query<Omit<MemberAsOf, 'membership_created_at'> & { at: Instant | null }>(sql`
    with entry as materialized (
      select c.profile_id, c.epoch, c.number, c.at
      from unnest(${places.map(() => groupId)}::uuid[], ${places.map(({ epoch }) => epoch)}::bigint[],
        ${places.map(({ number }) => number)}::bigint[]) as p (group_id, epoch, number)
      join changes c on c.group_id = p.group_id and c.epoch = p.epoch and c.number = p.number
      where c.group_id = ${groupId}),
    found as materialized (
      select id, nickname, custom_id from profiles where id in (select profile_id from entry))
    select c.profile_id as id, p.nickname, p.custom_id, c.epoch, c.number, c.at
    from entry c left join found p on p.id = c.profile_id`);
  const byPlace = new Map(rows.map((row) => [`${row.epoch} ${row.number}`, row]));
  return places.map(({ epoch, number, switched_at: switchedAt }) => {
    const row = byPlace.get(`${epoch} ${number}`);
    if (!row) throw new Error(`the change ${number} of epoch ${epoch} of group ${groupId} is folded and not there`);
    const { at, ...member } = row;
    return { ...member, membership_created_at: at ?? switchedAt };
  });
}
