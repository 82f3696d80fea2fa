import { raw, sql, type Queryable } from '../database/database.ts';
import { pageClause, type Order, type PageRequest } from '../database/page.ts';
import type { Instant } from '../instant.ts';
import type { ChangeCause } from '../membership/membership.ts';

export interface Change {
  sequence: number;
  change: 'entered' | 'left';
  profile_id: string;
  at: Instant;
  cause: ChangeCause;
  epoch: number;
  /** It came with the switch to its epoch, all at once with others. */
  is_of_switch: boolean;
}

/** The changes after a sequence, upwards. What a switch prepares has no epoch yet, so it is not among them. */
export async function listChanges(
  tx: Queryable,
  groupId: string,
  epoch: number,
  after: number,
  limit: number,
): Promise<Change[]> {
  const { rows } = await tx.query<Change>(sql`
    with start as (
      select epoch, base_sequence from group_epochs where group_id = ${groupId} and base_sequence <= ${after}::bigint order by base_sequence desc, epoch desc limit 1)
    select e.base_sequence + c.number as sequence, c.change, c.profile_id, coalesce(c.at, e.switched_at) as at, c.cause,
      c.epoch, c.at is null as is_of_switch
    from (
      select epoch, number, change, profile_id, at, cause from changes
      where group_id = ${groupId} and epoch <= ${epoch}
        and (epoch, number) > ((select epoch from start), (select ${after}::bigint - base_sequence from start))
      order by epoch, number limit ${limit}) c
    join group_epochs e on e.group_id = ${groupId} and e.epoch = c.epoch
    order by c.epoch, c.number`);
  return rows;
}

export interface SwitchSummary {
  entered: number;
  left: number;
  /** The sequence of the last one. */
  last: number;
}

/** How many entered and left with the switch to an epoch, after a sequence. They are the first of their epoch. */
export async function summarizeSwitch(
  db: Queryable,
  groupId: string,
  epoch: number,
  after: number,
): Promise<SwitchSummary> {
  const { rows } = await db.query<SwitchSummary>(sql`
    with start as (select base_sequence from group_epochs where group_id = ${groupId} and epoch = ${epoch}),
    ending as (
      select number from changes where group_id = ${groupId} and epoch = ${epoch} and at is not null order by number limit 1)
    select count(*) filter (where change = 'entered') as entered, count(*) filter (where change = 'left') as "left",
      (select base_sequence from start) + max(number) as last
    from changes
    where group_id = ${groupId} and epoch = ${epoch} and number > (select ${after}::bigint - base_sequence from start)
      and number < coalesce((select number from ending), ${Number.MAX_SAFE_INTEGER}::bigint)`);
  return rows[0] ?? { entered: 0, left: 0, last: after };
}

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

/** The profiles whose last change up to the instant was an entry, newest first. */
export async function pageOfMembersAsOf(
  tx: Queryable,
  groupId: string,
  epoch: number,
  asOf: string,
  page: PageRequest,
): Promise<{ rows: MemberAsOf[]; count: number | undefined }> {
  const { after, orderAndLimit } = pageClause(page, MEMBER_AS_OF_ORDER);
  const direction = raw(page.cursor?.backwards === true ? '' : ' desc');
  const { rows } = await tx.query<MemberAsOf>(sql`
    with page as materialized (
      select c.profile_id, c.epoch, c.number, coalesce(c.at, e.switched_at) as membership_created_at
      from changes c
      join group_epochs e on e.group_id = c.group_id and e.epoch = c.epoch
      where c.group_id = ${groupId} and c.epoch <= ${epoch} and c.change = 'entered' and coalesce(c.at, e.switched_at) <= ${asOf}::timestamptz
        and not exists (
          select from changes l join group_epochs f on f.group_id = l.group_id and f.epoch = l.epoch
          where l.group_id = ${groupId} and l.profile_id = c.profile_id and (l.epoch, l.number) > (c.epoch, c.number)
            and l.epoch <= ${epoch} and coalesce(l.at, f.switched_at) <= ${asOf}::timestamptz)${after}${orderAndLimit}),
    found as materialized (
      select id, nickname, custom_id from profiles where id in (select profile_id from page))
    select c.profile_id as id, p.nickname, p.custom_id, c.epoch, c.number, c.membership_created_at
    from page c left join found p on p.id = c.profile_id
    order by c.epoch${direction}, c.number${direction}`);
  if (!page.wantsCount) return { rows, count: undefined };
  const counted = await tx.query<{ count: number }>(sql`
    select coalesce(sum(case c.change when 'entered' then 1 else -1 end), 0)::bigint as count
    from changes c join group_epochs e on e.group_id = c.group_id and e.epoch = c.epoch
    where c.group_id = ${groupId} and c.epoch <= ${epoch} and coalesce(c.at, e.switched_at) <= ${asOf}::timestamptz`);
  return { rows, count: counted.rows[0]?.count ?? 0 };
}

export interface SizeStep {
  at: Instant;
  entered: number;
  left: number;
}

/** Entries and leaves of groups by hour or day (UTC) from an instant to now; steps without any are left out. */
export async function listSizeSteps(
  tx: Queryable,
  groupIds: string[],
  interval: 'hour' | 'day',
  since: string,
): Promise<(SizeStep & { group_id: string })[]> {
  const { rows } = await tx.query<SizeStep & { group_id: string }>(sql`
    select group_id, date_trunc(${interval}::text, hour, 'UTC') as at, sum(entered)::bigint as entered, sum("left")::bigint as left
    from group_sizes where group_id = any (${groupIds}::uuid[]) and hour >= ${since}::timestamptz
    group by 1, 2`);
  return rows;
}
