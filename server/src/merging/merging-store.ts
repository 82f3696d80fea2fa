import { sql, type Queryable } from '../database/database.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { STATISTICS_SHARDS } from '../applications/application.ts';

/** The source's tokens speak for the target: they keep their own ids, so each says which it is. */
export async function moveTokens(tx: Queryable, sourceId: string, targetId: string): Promise<void> {
  await Promise.all([
    tx.query(sql`
      insert into profile_tokens (profile_id, id, created_at)
      select ${targetId}::uuid, id, created_at from profile_tokens where profile_id = ${sourceId}`),
    ...[sql`foreign_tokens`, sql`device_keys`].map((table) =>
      tx.query(sql`update ${table} set profile_id = ${targetId} where profile_id = ${sourceId}`),
    ),
  ]);
}

/** A custom id leads to another profile. */
export async function moveCustomId(
  tx: Queryable,
  applicationId: number,
  customId: string,
  profileId: string,
): Promise<void> {
  await tx.query(sql`
    update custom_ids set profile_id = ${profileId} where custom_id = ${customId} and application_id = ${applicationId}`);
}

export interface TargetChange {
  customId: string | null;
  customIdSince: Instant | null;
  customData: string | null;
  now: Instant;
}

export async function updateTarget(tx: Queryable, id: string, change: TargetChange): Promise<void> {
  const instant = (at: Instant | null): string | null => (at === null ? null : formatInstant(at));
  await tx.query(sql`
    update profiles set custom_id = ${change.customId}, custom_id_since = ${instant(change.customIdSince)}::timestamptz, custom_data = ${change.customData},
      updated_at = ${formatInstant(change.now)}
    where id = ${id}`);
}

/** What is left of a profile whose history, pins and memberships are another one's. */
export async function deleteSource(
  tx: Queryable,
  applicationId: number,
  source: { id: string; ordinal: number },
): Promise<void> {
  const tables = [sql`profile_tokens`, sql`foreign_tokens`, sql`device_keys`, sql`profile_attributes`];
  await Promise.all([
    ...tables.map((table) => tx.query(sql`delete from ${table} where profile_id = ${source.id}`)),
    tx.query(sql`delete from profiles where id = ${source.id}`),
    tx.query(sql`
      update statistics set profiles = profiles - 1
      where application_id = ${applicationId} and shard = ${source.ordinal % STATISTICS_SHARDS}`),
  ]);
}
