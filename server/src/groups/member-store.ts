import { empty, join, raw, sql, type Queryable, type Sql } from '../database/database.ts';
import { pageClause, type Order, type PageRequest } from '../database/page.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { isFound, nicknameBegins } from '../profiles/search.ts';
import type { Group } from './group.ts';
import { packed, unpacked } from '../database/packed.ts';
import { findHead } from '../membership/head.ts';

export interface Member {
  id: string;
  nickname: string;
  custom_id: string | null;
  since_epoch: number;
  /** -Infinity: at the switch. */
  entered_at: Instant;
  membership_created_at: Instant;
  /** Only where the list is ordered by it. */
  folded: string | null;
}

const instantKey = (instant: Instant): string => (instant === -Infinity ? '-infinity' : formatInstant(instant));

/** Newest entry first. A row's place never changes while it is there, whatever is switched around it. */
export const MEMBER_ORDER: Order<Member> = {
  name: 'members',
  columns: [
    { column: 'm.since_epoch', type: 'bigint' },
    { column: 'm.entered_at', type: 'timestamptz' },
    { column: 'm.profile_id', type: 'uuid' },
  ],
  descending: true,
  key: (member) => [String(member.since_epoch), instantKey(member.entered_at), member.id],
};

/** Its columns are those of the statement below, which sorts all members: for groups that are small enough. */
const BY_NICKNAME: Order<Member> = {
  name: 'members-nickname',
  columns: [
    { column: 'm.folded', type: 'text' },
    { column: 'm.profile_id', type: 'uuid' },
  ],
  descending: false,
  key: (member) => [member.folded ?? '', member.id],
};

export type MemberOrdering = 'membership_created_at' | '-membership_created_at' | 'nickname' | '-nickname';

export const MEMBER_ORDERS: Record<MemberOrdering, Order<Member>> = {
  '-membership_created_at': MEMBER_ORDER,
  membership_created_at: { ...MEMBER_ORDER, name: 'members-oldest', descending: false },
  nickname: BY_NICKNAME,
  '-nickname': { ...BY_NICKNAME, name: 'members-nickname-down', descending: true },
};

export interface MemberQuery {
  ordering: MemberOrdering;
  /** Only those whose nickname begins so, in any case. */
  nickname: string | undefined;
  /** Only those that are found so: by words of the nickname, or the beginning of the custom id. */
  search: string | undefined;
}

/** Whether a page of it takes all members of the group together. */
export const isSorted = ({ ordering, nickname, search }: MemberQuery): boolean =>
  nickname !== undefined || search !== undefined || MEMBER_ORDERS[ordering].columns === BY_NICKNAME.columns;

type GroupOf = Pick<Group, 'id' | 'application_id'>;

/** A page of the members at this epoch, in the snapshot in which the epoch was read. */
export async function pageOfMembers(
  tx: Queryable,
  { id: groupId, application_id: applicationId }: GroupOf,
  epoch: number,
  query: MemberQuery,
  page: PageRequest,
): Promise<Member[]> {
  const { ordering } = query;
  const { after, orderAndLimit } = pageClause(page, MEMBER_ORDERS[ordering]);
  const visible = isVisible(groupId, epoch);
  const rows = isSorted(query)
    ? sql`select m.* from (
        select m.profile_id, m.since_epoch, m.entered_at, coalesce(p.folded, '') as folded
        from members m join profiles p on p.id = m.profile_id where ${visible}${matching(applicationId, query)}) m
      where true${after}${orderAndLimit}`
    : sql`select m.profile_id, m.since_epoch, m.entered_at, null::text as folded from members m where ${visible}${after}${orderAndLimit}`;
  // Profiles lie by themselves, epochs by group: the page comes first, and each is asked for what is on it.
  const result = await tx.query<Member>(sql`
    with page as materialized (${rows}),
    epochs as materialized (
      select epoch, switched_at from group_epochs where group_id = ${groupId} and epoch in (select since_epoch from page))
    select m.profile_id as id, p.nickname, p.custom_id, m.since_epoch, m.entered_at, m.folded,
      case when m.entered_at = '-infinity' then e.switched_at else m.entered_at end as membership_created_at
    from page m
    join profiles p on p.id = m.profile_id
    join epochs e on e.epoch = m.since_epoch
    ${orderOf(page, MEMBER_ORDERS[ordering])}`);
  return result.rows;
}

/** How many members the query finds. */
export async function countMembers(
  tx: Queryable,
  { id: groupId, application_id: applicationId }: GroupOf,
  epoch: number,
  query: MemberQuery,
): Promise<number> {
  const { rows } = await tx.query<{ count: number }>(sql`
    select count(*) as count from members m join profiles p on p.id = m.profile_id
    where ${isVisible(groupId, epoch)}${matching(applicationId, query)}`);
  return rows[0]?.count ?? 0;
}

const isVisible = (groupId: string, epoch: number): Sql =>
  sql`m.group_id = ${groupId} and m.since_epoch <= ${epoch} and (m.until_epoch is null or m.until_epoch > ${epoch})`;

const matching = (applicationId: number, { nickname, search }: MemberQuery): Sql =>
  sql`${nickname === undefined ? empty : sql` and ${nicknameBegins(nickname)}`}${search === undefined ? empty : sql` and ${isFound(applicationId, search)}`}`;

const orderOf = (page: PageRequest, order: Order<Member>): Sql => {
  const direction = raw(order.descending === (page.cursor?.backwards === true) ? '' : ' desc');
  return sql`order by ${join(order.columns.map(({ column }) => sql`${raw(column)}${direction}`))}`;
};

/** Since when the profile is a member at this epoch; undefined where it is none. */
/** Of these profiles, those that are members now. */
export async function findMembersAmong(db: Queryable, groupId: string, profileIds: string[]): Promise<Set<string>> {
  const head = await findHead(db, groupId);
  if (!head || profileIds.length === 0) return new Set();
  const { rows } = await db.query<{ profile_id: string }>(sql`
    select profile_id from members
    where profile_id = any (${packed(profileIds)}::uuid[]) and group_id = ${groupId}
      and since_epoch <= ${head.epoch} and (until_epoch is null or until_epoch > ${head.epoch})`);
  return new Set(rows.map((row) => row.profile_id));
}

export async function findMember(
  tx: Queryable,
  groupId: string,
  epoch: number,
  profileId: string,
): Promise<Instant | undefined> {
  const { rows } = await tx.query<{ since: Instant }>(sql`
    with found as materialized (
      select since_epoch, entered_at from members
      where group_id = ${groupId} and profile_id = ${profileId} and since_epoch <= ${epoch} and (until_epoch is null or until_epoch > ${epoch}))
    select case when m.entered_at = '-infinity' then e.switched_at else m.entered_at end as since
    from found m join group_epochs e on e.group_id = ${groupId} and e.epoch = m.since_epoch`);
  return rows[0]?.since;
}

/** The ordinal of each of these ids, which must be UUIDs, in their order; undefined of one that is no profile of the application. */
export async function findOrdinals(
  db: Queryable,
  applicationId: number,
  ids: string[],
): Promise<(number | undefined)[]> {
  if (ids.length === 0) return [];
  const { rows } = await db.query<{ places: string | null; ordinals: string | null }>(sql`
    select string_agg(i.place::text, ',') as places, string_agg(p.ordinal::text, ',') as ordinals
    from unnest(${packed(ids)}::uuid[]) with ordinality as i (id, place)
    join profiles p on p.id = i.id and p.application_id = ${applicationId}`);
  const found = ids.map((): number | undefined => undefined);
  const ordinals = unpacked(rows[0]?.ordinals ?? null);
  unpacked(rows[0]?.places ?? null).forEach((place, index) => (found[Number(place) - 1] = Number(ordinals[index])));
  return found;
}
