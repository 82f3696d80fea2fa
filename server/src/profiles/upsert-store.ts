// Many profiles at once: read, and made in a handful of statements whatever their number. The caller checked everything; what
// somebody else took meanwhile ends the transaction (`TakenMeanwhile`), which is then begun again.

import { STATISTICS_SHARDS } from '../applications/application.ts';
import { sql, type Queryable } from '../database/database.ts';
import { isUniqueViolation } from '../database/faults.ts';
import { packed, packedTexts } from '../database/packed.ts';
import { recordEvents } from '../events/event-store.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { enqueueRows } from '../queue/queue.ts';
import type { Profile } from './profile.ts';
import { ATTRIBUTES, FIELDS, type StoredPair } from './profile-store.ts';
import { searchColumns } from './search.ts';

export class TakenMeanwhile extends Error {}

/** By id, as far as they are profiles of the application. */
export async function findProfiles(
  db: Queryable,
  applicationId: number,
  ids: readonly string[],
): Promise<Map<string, Profile>> {
  if (ids.length === 0) return new Map();
  const list = packed(ids);
  const { rows } = await db.query<Profile>(sql`
    with found as materialized (
      select ${FIELDS} from profiles p where p.id = any (${list}::uuid[]) and p.application_id = ${applicationId}),
    pairs as materialized (
      select a.profile_id, ${ATTRIBUTES} as attributes from profile_attributes a where a.profile_id = any (${list}::uuid[]) group by a.profile_id)
    select p.*, null::timestamptz as last_active_at, coalesce(a.attributes, '[]'::json) as attributes
    from found p left join pairs a on a.profile_id = p.id`);
  return new Map(rows.map((row) => [row.id, row]));
}

/** Of these ids, those that are profiles of whatever application, or were before they were merged. */
export async function findTakenIds(db: Queryable, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const { rows } = await db.query<{ id: string }>(sql`
    select id from profiles where id = any (${packed(ids)}::uuid[])
    union all select profile_id from profile_aliases where profile_id = any (${packed(ids)}::uuid[])`);
  return new Set(rows.map((row) => row.id));
}

export interface ForeignToken {
  hash: Buffer;
  profileId: string;
  tokenId: string;
}

/** Whose tokens of these hashes are, by hash in hex. */
export async function findForeignTokens(db: Queryable, hashes: readonly Buffer[]): Promise<Map<string, string>> {
  if (hashes.length === 0) return new Map();
  const { rows } = await db.query<{ hash: string; profile_id: string }>(sql`
    select encode(token_hash, 'hex') as hash, profile_id from foreign_tokens where token_hash = any (${hashes}::bytea[])`);
  return new Map(rows.map((row) => [row.hash, row.profile_id]));
}

export async function insertForeignTokens(
  tx: Queryable,
  applicationId: number,
  tokens: readonly ForeignToken[],
): Promise<void> {
  if (tokens.length === 0) return;
  const { count } = await tx.query(sql`
    insert into foreign_tokens (token_hash, application_id, profile_id, token_id)
    select t.hash, ${applicationId}::int, t.profile_id, t.token_id
    from unnest(${tokens.map(({ hash }) => hash)}::bytea[], ${packed(tokens.map(({ profileId }) => profileId))}::uuid[],
      ${packed(tokens.map(({ tokenId }) => tokenId))}::uuid[]) as t (hash, profile_id, token_id)
    on conflict (token_hash) do nothing`);
  if (count !== tokens.length) throw new TakenMeanwhile();
}

export async function insertTokens(
  tx: Queryable,
  tokens: readonly { profileId: string; tokenId: string }[],
  now: Instant,
): Promise<void> {
  if (tokens.length === 0) return;
  await tx.query(sql`
    insert into profile_tokens (profile_id, id, created_at)
    select t.profile_id, t.id, ${formatInstant(now)}::timestamptz
    from unnest(${packed(tokens.map(({ profileId }) => profileId))}::uuid[], ${packed(tokens.map(({ tokenId }) => tokenId))}::uuid[]) as t (profile_id, id)`);
}

/**
 * The keys that some rule reads. In the transaction that makes the profiles: a reader that begins to read another key waits
 * for that (database/drain.ts).
 */
export async function listWatchedKeys(tx: Queryable, applicationId: number): Promise<Set<string>> {
  const { rows } = await tx.query<{ key: string }>(
    sql`select distinct key from watched_keys where application_id = ${applicationId}`,
  );
  return new Set(rows.map((row) => row.key));
}

export interface NewProfileRow {
  id: string;
  ordinal: number;
  nickname: string;
  customId: string | null;
  customData: string | null;
  /** Undefined: now. */
  createdAt: Instant | undefined;
  pairs: StoredPair[];
  /** Those dependency keys that a rule reads. */
  changed: string[];
}

/** Profiles, custom ids, attributes, count, queue and events; none of these ids and custom ids may be there. */
export async function insertProfiles(
  tx: Queryable,
  applicationId: number,
  rows: readonly NewProfileRow[],
  now: Instant,
): Promise<void> {
  if (rows.length === 0) return;
  const named = rows.filter((row) => row.customId !== null);
  // One connection: they go out together and are done in this order.
  const [reserved] = await Promise.all([
    named.length === 0
      ? { count: 0 }
      : tx.query(sql`
          insert into custom_ids (custom_id, application_id, profile_id)
          select c.custom_id, ${applicationId}::int, c.id
          from unnest(${packedTexts(named.map(({ customId }) => customId))}::text[], ${packed(named.map(({ id }) => id))}::uuid[]) as c (custom_id, id)
          order by c.custom_id on conflict do nothing`),
    insertRows(tx, applicationId, rows, now),
    insertPairs(tx, applicationId, rows),
    enqueueNew(tx, applicationId, rows, now),
    recordEvents(
      tx,
      rows.map(({ id }) => ({ event: 'profile.created', applicationId, profileId: id, at: now })),
    ),
    countProfiles(tx, applicationId, rows), // last: whoever makes a profile meanwhile waits for its lock
  ]).catch((error: unknown) => {
    if (isUniqueViolation(error)) throw new TakenMeanwhile();
    throw error;
  });
  if (reserved.count !== named.length) throw new TakenMeanwhile();
}

async function insertRows(
  tx: Queryable,
  applicationId: number,
  rows: readonly NewProfileRow[],
  now: Instant,
): Promise<void> {
  const instant = formatInstant(now);
  const searched = rows.map(({ nickname }) => searchColumns(applicationId, nickname));
  const created = rows.map(({ createdAt }) => (createdAt === undefined ? null : formatInstant(createdAt)));
  await tx.query(sql`
    insert into profiles (id, application_id, ordinal, nickname, folded, words, custom_id, custom_id_since, custom_data, created_at, updated_at)
    select p.id, ${applicationId}::int, p.ordinal, p.nickname, p.folded, p.words::tsvector, p.custom_id, case when p.custom_id is not null then ${instant}::timestamptz end,
      p.custom_data, coalesce(p.created_at, ${instant}::timestamptz), ${instant}::timestamptz
    from unnest(${packed(rows.map(({ id }) => id))}::uuid[], ${packed(rows.map(({ ordinal }) => ordinal))}::int[],
      ${packedTexts(rows.map(({ nickname }) => nickname))}::text[], ${packedTexts(searched.map(({ folded }) => folded))}::text[],
      ${packedTexts(searched.map(({ words }) => words))}::text[], ${packedTexts(rows.map(({ customId }) => customId))}::text[],
      ${packedTexts(rows.map(({ customData }) => customData))}::text[], ${packed(created)}::timestamptz[])
      as p (id, ordinal, nickname, folded, words, custom_id, custom_data, created_at)`);
}

async function enqueueNew(
  tx: Queryable,
  applicationId: number,
  rows: readonly NewProfileRow[],
  now: Instant,
): Promise<void> {
  const read = rows.filter(({ changed }) => changed.length > 0);
  if (read.length === 0) return;
  await tx.query(
    enqueueRows(
      { applicationId, cause: 'profile', now },
      sql`
      select p.profile_id, p.ordinal, p.changed::text[] as changed
      from unnest(${packed(read.map(({ id }) => id))}::uuid[], ${packed(read.map(({ ordinal }) => ordinal))}::int[],
        ${packedTexts(read.map(({ changed }) => packedTexts(changed)))}::text[]) as p (profile_id, ordinal, changed)`,
    ),
  );
}

async function insertPairs(tx: Queryable, applicationId: number, rows: readonly NewProfileRow[]): Promise<void> {
  const pairs = rows.flatMap(({ id, ordinal, pairs: own }) =>
    own.map((pair, position) => ({ ...pair, id, ordinal, position })),
  );
  if (pairs.length === 0) return;
  await tx.query(sql`
    insert into profile_attributes (profile_id, application_id, ordinal, key, value, position, written_by, number, instant)
    select a.profile_id, ${applicationId}::int, a.ordinal, a.key, a.value, a.position, a.written_by, a.number, a.instant
    from unnest(${packed(pairs.map(({ id }) => id))}::uuid[], ${packed(pairs.map(({ ordinal }) => ordinal))}::int[],
      ${packedTexts(pairs.map(({ key }) => key))}::text[], ${packedTexts(pairs.map(({ value }) => value))}::text[],
      ${packed(pairs.map(({ position }) => position))}::int[], ${packed(pairs.map((pair) => pair.written_by))}::text[],
      ${packed(pairs.map(({ number }) => number))}::float8[], ${packed(pairs.map(({ instant }) => instant))}::timestamptz[])
      as a (profile_id, ordinal, key, value, position, written_by, number, instant)`);
}

async function countProfiles(tx: Queryable, applicationId: number, rows: readonly NewProfileRow[]): Promise<void> {
  const counts = new Map<number, number>();
  for (const { ordinal } of rows) {
    const shard = ordinal % STATISTICS_SHARDS;
    counts.set(shard, (counts.get(shard) ?? 0) + 1);
  }
  const shards = [...counts.keys()].sort((a, b) => a - b);
  await tx.query(sql`
    with added as materialized (
      select * from unnest(${packed(shards)}::int[], ${packed(shards.map((shard) => counts.get(shard) ?? 0))}::int[]) as a (shard, profiles)),
    locked as materialized (
      select s.shard from statistics s where s.application_id = ${applicationId} and s.shard in (select shard from added) order by s.shard for update)
    update statistics s set profiles = s.profiles + a.profiles from added a
    where s.application_id = ${applicationId} and s.shard = a.shard and s.shard in (select shard from locked)`);
}
