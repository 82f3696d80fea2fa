// When membership of these profiles in these groups last changed, as readers at these epochs see it.

import { sql, type Queryable, type Sql } from '../database/database.ts';
import type { Instant } from '../instant.ts';

export interface Pair {
  profileId: string;
  groupId: string;
  epoch: number | undefined;
}

/** Null: never. */
export async function findLastChanges(
  tx: Queryable,
  pairs: readonly Pair[],
): Promise<{ profileId: string; groupId: string; at: Instant | null }[]> {
  if (tx.isDistributed === true) return oneByOne(tx, pairs);
  const { rows } = await tx.query<{ profileId: string; groupId: string; at: Instant | null }>(sql`
    select p.profile_id as "profileId", p.group_id as "groupId", l.at
    from unnest(${pairs.map((pair) => pair.profileId)}::uuid[], ${pairs.map((pair) => pair.groupId)}::uuid[],
      ${pairs.map((pair) => pair.epoch)}::bigint[]) p (profile_id, group_id, epoch)
    left join lateral (${newest(sql`p.group_id`, sql`p.profile_id`, sql`p.epoch`)}) l on true`);
  return rows;
}

const newest = (groupId: Sql, profileId: Sql, epoch: Sql): Sql => sql`
      select coalesce(c.at, e.switched_at) as at
      from changes c left join group_epochs e on e.group_id = c.group_id and e.epoch = c.epoch
      where c.group_id = ${groupId} and c.profile_id = ${profileId} and c.epoch <= ${epoch}
      order by c.epoch desc, c.number desc limit 1`;

/** A cluster limits rows of one shard at a time; the statements go out together. */
async function oneByOne(
  tx: Queryable,
  pairs: readonly Pair[],
): Promise<{ profileId: string; groupId: string; at: Instant | null }[]> {
  return Promise.all(
    pairs.map(async ({ profileId, groupId, epoch }) => {
      const statement = newest(sql`${groupId}::uuid`, sql`${profileId}::uuid`, sql`${epoch}::bigint`);
      const { rows } = await tx.query<{ at: Instant | null }>(statement);
      return { profileId, groupId, at: rows[0]?.at ?? null };
    }),
  );
}
