// The ids of profiles that were merged: each means the profile that it became part of. Read only where an id was not
// found to be a profile's, so that nobody else pays for them.

import { sql, type Queryable } from '../database/database.ts';
import { packed } from '../database/packed.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { pageClause, type Order, type PageRequest } from '../database/page.ts';

/** The profile that an id means since its own was merged; undefined where it is no such id. */
export async function findAlias(
  db: Queryable,
  id: string,
): Promise<{ targetId: string; applicationId: number } | undefined> {
  const { rows } = await db.query<{ targetId: string; applicationId: number }>(sql`
    select target_id as "targetId", application_id as "applicationId" from profile_aliases where profile_id = ${id}`);
  return rows[0];
}

/** Of these ids, those that mean another profile, with it. */
export async function findAliases(
  db: Queryable,
  applicationId: number,
  ids: readonly string[],
): Promise<Map<string, MergingTarget>> {
  if (ids.length === 0) return new Map();
  const { rows } = await db.query<MergingTarget & { profile_id: string }>(sql`
    select profile_id, target_id as id, target_ordinal as ordinal, merged_at as "mergedAt" from profile_aliases
    where profile_id = any (${packed(ids)}::uuid[]) and application_id = ${applicationId}`);
  return new Map(rows.map(({ profile_id, ...target }) => [profile_id, target]));
}

export interface MergingTarget {
  id: string;
  ordinal: number;
  mergedAt: Instant;
}

/** What each of these ids means: itself, or the profile that it was merged into. */
export async function resolveIds(
  db: Queryable,
  applicationId: number,
  ids: readonly string[],
): Promise<(id: string) => string> {
  const aliases = await findAliases(db, applicationId, ids);
  return (id) => aliases.get(id)?.id ?? id;
}

/**
 * Does something to a profile by an id that it may have lost a moment ago: where `work` finds nobody, it is done once more
 * to the profile that the id means by then.
 */
export async function orItsTarget<T>(
  db: Queryable,
  id: string,
  work: (id: string) => Promise<T | undefined>,
): Promise<T | undefined> {
  for (let current = id; ;) {
    const done = await work(current);
    if (done !== undefined) return done;
    const alias = await findAlias(db, current);
    if (!alias || alias.targetId === current) return undefined;
    current = alias.targetId;
  }
}

/** Ordinals that stand for other ones since their profiles were merged. */
export async function listOrdinalAliases(
  db: Queryable,
  applicationId: number,
): Promise<{ ordinal: number; targetOrdinal: number }[]> {
  const { rows } = await db.query<{ ordinal: number; targetOrdinal: number }>(sql`
    select ordinal, target_ordinal as "targetOrdinal" from profile_aliases where application_id = ${applicationId}`);
  return rows;
}

/** Of these profiles: the ordinals of those that were merged into them. */
export async function listOrdinalAliasesOf(
  db: Queryable,
  targetIds: readonly string[],
): Promise<{ ordinal: number; targetOrdinal: number }[]> {
  const { rows } = await db.query<{ ordinal: number; targetOrdinal: number }>(sql`
    select ordinal, target_ordinal as "targetOrdinal" from profile_aliases where target_id = any (${packed(targetIds)}::uuid[])`);
  return rows;
}

export interface Alias {
  profileId: string;
  applicationId: number;
  ordinal: number;
  targetId: string;
  targetOrdinal: number;
  customId: string | null;
  activities: number;
  duplicates: number;
  mergedAt: Instant;
  mergedBy: string;
}

/** The source's id means the target from now on, and so does every id that meant the source. */
export async function insertAlias(tx: Queryable, alias: Alias): Promise<void> {
  await Promise.all([
    tx.query(sql`
    update profile_aliases set target_id = ${alias.targetId}, target_ordinal = ${alias.targetOrdinal} where target_id = ${alias.profileId}`),
    tx.query(sql`
    insert into profile_aliases (profile_id, application_id, ordinal, target_id, target_ordinal, custom_id, activities, duplicates, merged_at, merged_by)
    values (${alias.profileId}, ${alias.applicationId}, ${alias.ordinal}, ${alias.targetId}, ${alias.targetOrdinal}, ${alias.customId},
      ${alias.activities}, ${alias.duplicates}, ${formatInstant(alias.mergedAt)}, ${alias.mergedBy})`),
  ]);
}

/** Forgets the ids that mean this profile; what they were, and the custom ids that came with them. */
export async function deleteAliases(
  tx: Queryable,
  targetId: string,
): Promise<{ profileIds: string[]; customIds: string[] }> {
  const { rows } = await tx.query<{ profile_id: string; custom_id: string | null }>(
    sql`delete from profile_aliases where target_id = ${targetId} returning profile_id, custom_id`,
  );
  return {
    profileIds: rows.map((row) => row.profile_id),
    customIds: rows.flatMap((row) => row.custom_id ?? []),
  };
}

/** The profile has the custom id as its own from now on; false where it did not come with a profile that was merged into it. */
export async function forgetCustomIdAlias(tx: Queryable, targetId: string, customId: string): Promise<boolean> {
  const { count } = await tx.query(sql`
    update profile_aliases set custom_id = null where target_id = ${targetId} and custom_id = ${customId}`);
  return count > 0;
}

/** The custom ids that lead to this profile beside its own. */
export async function listCustomIdAliases(db: Queryable, targetId: string): Promise<string[]> {
  const { rows } = await db.query<{ custom_id: string }>(sql`
    select custom_id from profile_aliases where target_id = ${targetId} and custom_id is not null`);
  return rows.map((row) => row.custom_id);
}

/** Whether a custom id leads to this profile beside its own. */
export async function hasCustomIdAlias(db: Queryable, targetId: string, customId: string): Promise<boolean> {
  const { rows } = await db.query(sql`
    select from profile_aliases where target_id = ${targetId} and custom_id = ${customId} limit 1`);
  return rows.length > 0;
}

export interface MergeRow extends Omit<Alias, 'targetOrdinal' | 'applicationId'> {
  /** How much of its history has come over, from 0 to 1. */
  progress: number;
}

export const MERGE_ORDER: Order<MergeRow> = {
  name: 'merges',
  columns: [
    { column: 'a.merged_at', type: 'timestamptz' },
    { column: 'a.profile_id', type: 'uuid' },
  ],
  descending: true,
  key: (row) => [formatInstant(row.mergedAt), row.profileId],
};

/** What was merged into a profile, the newest first. */
export async function pageOfMerges(tx: Queryable, targetId: string, page: PageRequest): Promise<MergeRow[]> {
  const { after, orderAndLimit } = pageClause(page, MERGE_ORDER);
  const { rows } = await tx.query<Omit<MergeRow, 'progress'>>(sql`
    select a.profile_id as "profileId", a.ordinal, a.target_id as "targetId", a.custom_id as "customId", a.activities, a.duplicates,
      a.merged_at as "mergedAt", a.merged_by as "mergedBy"
    from profile_aliases a where a.target_id = ${targetId}${after}${orderAndLimit}`);
  const { rows: moving } = await tx.query<{ source_id: string; progress: number }>(sql`
    select source_id, moved::float8 / greatest(total, 1) as progress from moves where profile_id = ${targetId}`);
  const progress = new Map(moving.map((row) => [row.source_id, Math.min(row.progress, 0.999)]));
  return rows.map((row) => ({ ...row, progress: progress.get(row.profileId) ?? 1 }));
}

export async function countMerges(tx: Queryable, targetId: string): Promise<number> {
  const { rows } = await tx.query<{ count: number }>(
    sql`select count(*) as count from profile_aliases where target_id = ${targetId}`,
  );
  return rows[0]?.count ?? 0;
}
