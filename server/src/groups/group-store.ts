import { empty, join, sql, type Database, type Queryable, type Sql } from '../database/database.ts';
import { pageClause, type Order, type PageRequest } from '../database/page.ts';
import { fold } from '../fold.ts';
import { formatInstant, type Instant } from '../instant.ts';
import type { RuleNode } from '../rules/tree.ts';
import type { Group, MembershipType } from './group.ts';

const COLUMNS = sql`g.id, g.application_id, g.name, g.description, g.custom_id, g.is_active, g.visible_to_members, g.membership_type, g.attributes,
  g.is_paused, g.ruleset_id, g.created_at, g.updated_at, h.profile_count`;

/** A group in a path: its id, or `custom:` and its custom id. */
export type GroupReference = { id: string } | { customId: string };

const named = (reference: GroupReference): Sql =>
  'id' in reference ? sql`g.id = ${reference.id}` : sql`g.custom_id = ${reference.customId}`;

export async function findGroup(
  db: Queryable,
  applicationId: number,
  reference: GroupReference,
): Promise<Group | undefined> {
  const { rows } = await db.query<Group>(sql`
    select ${COLUMNS} from groups g join group_heads h on h.group_id = g.id
    where g.application_id = ${applicationId} and ${named(reference)}`);
  return rows[0];
}

/** Locks the group's definition, so that two changes of it cannot mix. */
export async function lockGroup(
  tx: Queryable,
  applicationId: number,
  reference: GroupReference,
): Promise<Group | undefined> {
  const { rows } = await tx.query<{ id: string }>(sql`
    select g.id from groups g where g.application_id = ${applicationId} and ${named(reference)} for update`);
  return rows[0] && findGroup(tx, applicationId, { id: rows[0].id });
}

/** The active groups among these. */
export async function findGroupIdsByReference(
  db: Queryable,
  applicationId: number,
  ids: string[],
  customIds: string[],
): Promise<{ id: string; custom_id: string | null }[]> {
  return (await findGroupsByReference(db, applicationId, ids, customIds)).filter((group) => group.is_active);
}

/** The inactive ones too, to be named where they are missed. */
export async function findGroupsByReference(
  db: Queryable,
  applicationId: number,
  ids: string[],
  customIds: string[] = [],
): Promise<{ id: string; custom_id: string | null; name: string; is_active: boolean }[]> {
  const { rows } = await db.query<{ id: string; custom_id: string | null; name: string; is_active: boolean }>(sql`
    select g.id, g.custom_id, g.name, g.is_active from groups g
    where g.application_id = ${applicationId} and (g.id = any (${ids}::uuid[]) or g.custom_id = any (${customIds}::text[]))`);
  return rows;
}

/**
 * Raises the number by which processes know that rules, definitions or groups changed, and holds it until the
 * transaction ends: what is read of them from here on stays as it is.
 */
export async function lockDefinitions(tx: Queryable, applicationId: number): Promise<void> {
  await tx.query(
    sql`update applications set definitions_version = definitions_version + 1 where id = ${applicationId}`,
  );
}

export async function insertGroup(tx: Queryable, group: Group): Promise<void> {
  const now = formatInstant(group.created_at);
  await tx.query(sql`
    insert into groups (id, application_id, name, folded, description, custom_id, is_active, visible_to_members, membership_type, attributes, created_at, updated_at)
    values (${group.id}, ${group.application_id}, ${group.name}, ${fold(group.name)}, ${group.description}, ${group.custom_id}, ${group.is_active},
      ${group.visible_to_members}, ${group.membership_type}, ${JSON.stringify(group.attributes)}, ${now}, ${now})`);
}

export type GroupChange = Partial<
  Pick<Group, 'name' | 'description' | 'custom_id' | 'is_active' | 'visible_to_members' | 'attributes'>
>;

export async function updateGroup(tx: Queryable, id: string, change: GroupChange, now: Instant): Promise<void> {
  const sets: Sql[] = [sql`updated_at = ${formatInstant(now)}`];
  if (change.name !== undefined) sets.push(sql`name = ${change.name}, folded = ${fold(change.name)}`);
  if (change.description !== undefined) sets.push(sql`description = ${change.description}`);
  if (change.custom_id !== undefined) sets.push(sql`custom_id = ${change.custom_id}`);
  if (change.is_active !== undefined) sets.push(sql`is_active = ${change.is_active}`);
  if (change.visible_to_members !== undefined) sets.push(sql`visible_to_members = ${change.visible_to_members}`);
  if (change.attributes !== undefined) sets.push(sql`attributes = ${JSON.stringify(change.attributes)}::jsonb`);
  await tx.query(sql`update groups set ${join(sets)} where id = ${id}`);
}

/** The active groups whose rules read this one. */
export async function findReaders(
  db: Queryable,
  applicationId: number,
  key: string,
): Promise<{ id: string; name: string; custom_id: string | null }[]> {
  const { rows } = await db.query<{ id: string; name: string; custom_id: string | null }>(sql`
    select g.id, g.name, g.custom_id from watched_keys w join groups g on g.id = w.group_id
    where w.application_id = ${applicationId} and w.key = ${key} order by g.name, g.id`);
  return rows;
}

/** The same with their rules: the one saved last, and the one served where that is still another. */
export async function findReadingRules(
  db: Queryable,
  applicationId: number,
  key: string,
): Promise<{ id: string; name: string; rule_tree: RuleNode }[]> {
  const { rows } = await db.query<{ id: string; name: string; rule_tree: RuleNode }>(sql`
    select g.id, g.name, r.rule_tree from watched_keys w
    join groups g on g.id = w.group_id
    join group_heads h on h.group_id = g.id
    join rulesets r on r.group_id = g.id and r.id in (g.ruleset_id, h.served_ruleset_id)
    where w.application_id = ${applicationId} and w.key = ${key} order by g.name, g.id`);
  return rows;
}

/** Definition and head at once; members and changes later, by what `group_deletions` says (group-chores.ts). */
export async function deleteGroup(tx: Queryable, group: Group, now: Instant): Promise<void> {
  await tx.query(sql`
    insert into group_deletions (group_id, application_id, deleted_at) values (${group.id}, ${group.application_id}, ${formatInstant(now)})`);
  // Twice: in the order of everybody, and once more for a backfill that began before the head was gone.
  await tx.query(sql`delete from backfills where group_id = ${group.id}`);
  await tx.query(sql`delete from groups where id = ${group.id}`);
  await tx.query(sql`delete from group_heads where group_id = ${group.id}`);
  await tx.query(sql`delete from backfills where group_id = ${group.id}`);
}

export interface GroupFilter {
  isActive: boolean;
  membershipType?: MembershipType;
  customId?: string;
  name?: string;
  attributes: { key: string; value: string }[];
}

export const GROUP_ORDER: Order<Pick<Group, 'created_at' | 'id'>> = {
  name: 'groups',
  columns: [
    { column: 'g.created_at', type: 'timestamptz' },
    { column: 'g.id', type: 'uuid' },
  ],
  descending: true,
  key: (group) => [formatInstant(group.created_at), group.id],
};

function where(applicationId: number, filter: GroupFilter): Sql {
  const terms: Sql[] = [sql`g.application_id = ${applicationId}`, sql`g.is_active = ${filter.isActive}`];
  if (filter.membershipType !== undefined) terms.push(sql`g.membership_type = ${filter.membershipType}`);
  if (filter.customId !== undefined) terms.push(sql`g.custom_id = ${filter.customId}`);
  if (filter.name !== undefined) terms.push(sql`starts_with(g.folded, ${fold(filter.name)})`);
  if (filter.attributes.length > 0) terms.push(sql`g.attributes @> ${JSON.stringify(filter.attributes)}::jsonb`);
  return join(terms, ' and ');
}

/** Rows and, where the page wants it, count; in the caller's snapshot. */
export async function pageOfGroups(
  tx: Queryable,
  applicationId: number,
  filter: GroupFilter,
  page: PageRequest,
): Promise<{ rows: Group[]; count: number | undefined }> {
  const { after, orderAndLimit } = pageClause(page, GROUP_ORDER);
  const matching = where(applicationId, filter);
  const { rows } = await tx.query<Group>(sql`
    select ${COLUMNS} from groups g join group_heads h on h.group_id = g.id where ${matching}${after}${orderAndLimit}`);
  if (!page.wantsCount) return { rows, count: undefined };
  const counted = await tx.query<{ count: number }>(sql`select count(*) as count from groups g where ${matching}`);
  return { rows, count: counted.rows[0]?.count ?? 0 };
}

/** The active groups that a profile is a member of. */
export async function pageOfProfileGroups(
  db: Database,
  applicationId: number,
  profileId: string,
  onlyVisible: boolean,
  page: PageRequest,
): Promise<{ rows: Group[]; count: number | undefined }> {
  const { after, orderAndLimit } = pageClause(page, GROUP_ORDER);
  const mine = sql`
    with mine as materialized (
      select group_id, since_epoch, until_epoch from members where profile_id = ${profileId})`;
  const from = sql`
    from mine m
    join group_heads h on h.group_id = m.group_id
    join groups g on g.id = m.group_id
    where m.since_epoch <= h.epoch and (m.until_epoch is null or m.until_epoch > h.epoch)
      and g.application_id = ${applicationId} and g.is_active${onlyVisible ? sql` and g.visible_to_members` : empty}`;
  return db.transaction(
    async (tx) => {
      const { rows } = await tx.query<Group>(sql`${mine} select ${COLUMNS} ${from}${after}${orderAndLimit}`);
      if (!page.wantsCount) return { rows, count: undefined };
      const counted = await tx.query<{ count: number }>(sql`${mine} select count(*) as count ${from}`);
      return { rows, count: counted.rows[0]?.count ?? 0 };
    },
    { isolation: 'repeatable read' },
  );
}
