// What the watch over own groups reads. Each statement is bounded by the profiles that are connected or by the groups of
// their applications, never by the size of a group.

import { sql, type Queryable } from '../database/database.ts';
import type { Instant } from '../instant.ts';

/** A group that its members' own tokens may see, at one instant. */
export interface VisibleGroup {
  application_id: number;
  group_id: string;
  name: string;
  custom_id: string | null;
  created_at: Instant;
  updated_at: Instant;
  profile_count: number;
  epoch: number;
  last_number: number;
}

/** Per application a text that changes whenever membership or definition of one of its visible groups does. */
export async function readSignatures(db: Queryable, applicationIds: number[]): Promise<Map<number, string>> {
  const { rows } = await db.query<{ application_id: number; signature: string }>(sql`
    select h.application_id, concat_ws(' ', count(*), sum(h.epoch), sum(h.base_sequence + h.last_number), max(g.updated_at)) as signature
    from group_heads h join groups g on g.id = h.group_id
    where h.application_id = any (${applicationIds}::int[]) and g.is_active and g.visible_to_members
    group by h.application_id`);
  return new Map(rows.map((row) => [row.application_id, row.signature]));
}

export async function listVisibleGroups(db: Queryable, applicationIds: number[]): Promise<VisibleGroup[]> {
  const { rows } = await db.query<VisibleGroup>(sql`
    select h.application_id, h.group_id, g.name, g.custom_id, g.created_at, g.updated_at, h.profile_count, h.epoch, h.last_number
    from group_heads h join groups g on g.id = h.group_id
    where h.application_id = any (${applicationIds}::int[]) and g.is_active and g.visible_to_members`);
  return rows;
}

/** Those of the profiles that were not erased. */
export async function listExisting(db: Queryable, profileIds: string[]): Promise<Set<string>> {
  const { rows } = await db.query<{ id: string }>(sql`select id from profiles where id = any (${profileIds}::uuid[])`);
  return new Set(rows.map((row) => row.id));
}

/** Which of these profiles are in which of these groups, as their heads stand. */
export async function listMemberships(
  db: Queryable,
  profileIds: string[],
  groups: Pick<VisibleGroup, 'group_id' | 'epoch'>[],
): Promise<{ profile_id: string; group_id: string }[]> {
  if (profileIds.length === 0 || groups.length === 0) return [];
  const { rows } = await db.query<{ profile_id: string; group_id: string }>(sql`
    select m.profile_id, m.group_id
    from unnest(${profileIds}::uuid[]) as p (id)
    join members m on m.profile_id = p.id
    join unnest(${groups.map((group) => group.group_id)}::uuid[], ${groups.map((group) => group.epoch)}::bigint[]) as h (id, epoch) on h.id = m.group_id
    where m.since_epoch <= h.epoch and (m.until_epoch is null or m.until_epoch > h.epoch)`);
  return rows;
}

/** The changes of these groups beyond the numbers that were seen, in order. */
export async function listChangesBetween(
  db: Queryable,
  spans: { group_id: string; epoch: number; after: number; until: number }[],
): Promise<{ group_id: string; profile_id: string; change: 'entered' | 'left' }[]> {
  if (spans.length === 0) return [];
  const { rows } = await db.query<{ group_id: string; profile_id: string; change: 'entered' | 'left' }>(sql`
    select c.group_id, c.profile_id, c.change
    from unnest(${spans.map((span) => span.group_id)}::uuid[], ${spans.map((span) => span.epoch)}::bigint[],
      ${spans.map((span) => span.after)}::bigint[], ${spans.map((span) => span.until)}::bigint[]) as s (group_id, epoch, after, until)
    join changes c on c.group_id = s.group_id and c.epoch = s.epoch and c.number > s.after and c.number <= s.until
    order by c.group_id, c.number`);
  return rows;
}
