import { STATISTICS_SHARDS } from '../applications/application.ts';
import { empty, join, raw, sql, type Database, type Queryable, type Sql } from '../database/database.ts';
import { pageClause, type Order, type PageRequest } from '../database/page.ts';
import { enqueueStatement, type QueueEntry } from '../queue/queue.ts';
import type { ProfileEvent } from '../events/event.ts';
import { recordEventStatement } from '../events/event-store.ts';
import { listSources } from '../facts/moves.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { isFound, nicknameBegins, searchColumns } from './search.ts';
import { forgetCustomIdAlias } from './alias-store.ts';
import type { AttributePair, Profile, Writer } from './profile.ts';

export const FIELDS = sql`p.id, p.ordinal, p.nickname, p.custom_id, p.custom_id_since, p.custom_data, p.created_at, p.updated_at, p.client_tokens_after`;
export const ATTRIBUTES = sql`json_agg(json_build_object('key', a.key, 'value', a.value, 'written_by', a.written_by) order by a.position, a.value)`;

/** Of one profile: each subquery names it, so that a cluster finds all of it in one place. */
const columns = (id: string): Sql => sql`${FIELDS},
  (select t.last_at from totals t where t.profile_id = ${id} and t.fact_id = 0) as last_active_at,
  coalesce((select ${ATTRIBUTES} from profile_attributes a where a.profile_id = ${id}), '[]'::json) as attributes`;

export async function findProfile(db: Queryable, applicationId: number, id: string): Promise<Profile | undefined> {
  const { rows } = await db.query<Profile>(sql`
    select ${columns(id)} from profiles p where p.id = ${id} and p.application_id = ${applicationId}`);
  return rows[0];
}

/** The profile and the application that it belongs to, for calls that name no application. */
export async function findProfileAnywhere(
  db: Queryable,
  id: string,
): Promise<(Profile & { application_id: number }) | undefined> {
  const { rows } = await db.query<Profile & { application_id: number }>(sql`
    select ${columns(id)}, p.application_id from profiles p where p.id = ${id}`);
  return rows[0];
}

export async function findProfileByToken(
  db: Queryable,
  applicationId: number,
  id: string,
  tokenId: string,
): Promise<Profile | undefined> {
  const { rows } = await db.query<Profile>(sql`
    select ${columns(id)} from profiles p
    where p.id = ${id} and p.application_id = ${applicationId}
      and exists (select from profile_tokens k where k.profile_id = ${id} and k.id = ${tokenId})`);
  return rows[0];
}

/** The token of a profile for which one stands that another system made. */
export async function findForeignToken(
  db: Queryable,
  hash: Buffer,
): Promise<{ application_id: number; profile_id: string; token_id: string } | undefined> {
  const { rows } = await db.query<{ application_id: number; profile_id: string; token_id: string }>(
    sql`select application_id, profile_id, token_id from foreign_tokens where token_hash = ${hash}`,
  );
  return rows[0];
}

export async function findProfileIdByCustomId(
  db: Queryable,
  applicationId: number,
  customId: string,
): Promise<string | undefined> {
  const { rows } = await db.query<{ profile_id: string }>(sql`
    select profile_id from custom_ids where custom_id = ${customId} and application_id = ${applicationId}`);
  return rows[0]?.profile_id;
}

export async function findProfileIdsByCustomIds(
  db: Queryable,
  applicationId: number,
  customIds: string[],
): Promise<Map<string, string>> {
  if (customIds.length === 0) return new Map();
  const { rows } = await db.query<{ custom_id: string; profile_id: string }>(sql`
    select custom_id, profile_id from custom_ids where application_id = ${applicationId} and custom_id = any (${customIds}::text[])`);
  return new Map(rows.map((row) => [row.custom_id, row.profile_id]));
}

/** Locks the profile, so that two changes of it cannot mix. */
export async function lockProfile(tx: Queryable, applicationId: number, id: string): Promise<Profile | undefined> {
  // In one round trip: the second statement begins once the first has the lock.
  const [{ rows }, profile] = await Promise.all([
    tx.query(sql`select from profiles where id = ${id} and application_id = ${applicationId} for update`),
    findProfile(tx, applicationId, id),
  ]);
  return rows.length === 0 ? undefined : profile;
}

export interface NewProfile {
  id: string;
  applicationId: number;
  ordinal: number;
  nickname: string;
  customId: string | null;
  customData: string | null;
  tokenId: string | null;
  /** Of the fan's app that made it (network.ts). */
  network: Buffer | null;
  /** Of a profile without a custom id: the key that stands for its token from now on (device-keys.ts). */
  deviceKey?: NewDeviceKey | undefined;
  now: string;
}

export interface NewDeviceKey {
  hash: Buffer;
  /** The dead token that it stood for, if any. */
  replaces: string | null;
}

/** Profile, token, custom id or device key, count, queue and event in one statement; false where the id or the key is taken. */
export async function insertProfile(
  db: Queryable,
  row: NewProfile,
  entry: QueueEntry,
  event: ProfileEvent,
): Promise<boolean> {
  const reserved =
    row.customId === null
      ? row.deviceKey === undefined
        ? sql`select 1`
        : sql`insert into device_keys (key_hash, application_id, profile_id, token_id)
      values (${row.deviceKey.hash}, ${row.applicationId}, ${row.id}, ${row.tokenId})
      on conflict (key_hash, application_id) do update set profile_id = excluded.profile_id, token_id = excluded.token_id
        where device_keys.token_id = ${row.deviceKey.replaces}::uuid returning 1`
      : sql`insert into custom_ids (custom_id, application_id, profile_id)
      values (${row.customId}, ${row.applicationId}, ${row.id}) on conflict do nothing returning 1`;
  const token =
    row.tokenId === null
      ? empty
      : sql`, token as (
      insert into profile_tokens (profile_id, id, created_at) select ${row.id}, ${row.tokenId}, ${row.now} from reserved)`;
  const { folded, words } = searchColumns(row.applicationId, row.nickname);
  const { count } = await db.query(sql`
    with reserved as (${reserved}), counted as (
      update statistics set profiles = profiles + 1
      where application_id = ${row.applicationId} and shard = ${row.ordinal % STATISTICS_SHARDS} and exists (select from reserved)),
    queued as (${enqueueStatement(entry, sql`exists (select from reserved)`)}),
    told as (${recordEventStatement(event)} from reserved)${token}
    insert into profiles (id, application_id, ordinal, nickname, folded, words, custom_id, custom_id_since, custom_data, network, created_at, updated_at)
    select ${row.id}, ${row.applicationId}, ${row.ordinal}, ${row.nickname}, ${folded}, ${words}::tsvector, ${row.customId},
      ${row.customId === null ? null : row.now}, ${row.customData}, ${row.network}::bytea, ${row.now}, ${row.now}
    from reserved`);
  return count === 1;
}

export interface ProfileChange {
  nickname?: string;
  customId?: string | null;
  customData?: string | null;
}

export async function updateProfile(
  tx: Queryable,
  applicationId: number,
  id: string,
  change: ProfileChange,
  now: string,
): Promise<void> {
  const sets: Sql[] = [sql`updated_at = ${now}`];
  if (change.nickname !== undefined) {
    const { folded, words } = searchColumns(applicationId, change.nickname);
    sets.push(sql`nickname = ${change.nickname}, folded = ${folded}, words = ${words}::tsvector`);
  }
  if (change.customId !== undefined) {
    sets.push(sql`custom_id = ${change.customId}`);
    sets.push(
      sql`custom_id_since = case when custom_id is distinct from ${change.customId} then ${now}::timestamptz else custom_id_since end`,
    );
  }
  if (change.customData !== undefined) sets.push(sql`custom_data = ${change.customData}`);
  await tx.query(sql`update profiles set ${join(sets)} where id = ${id}`);
}

/** Gives a custom id to a profile, also one that a profile merged into it brought along; false where another one has it. */
export async function reserveCustomId(
  tx: Queryable,
  applicationId: number,
  customId: string,
  profileId: string,
): Promise<boolean> {
  const { count } = await tx.query(sql`
    insert into custom_ids (custom_id, application_id, profile_id) values (${customId}, ${applicationId}, ${profileId})
    on conflict do nothing`);
  return count === 1 || (await forgetCustomIdAlias(tx, profileId, customId));
}

export async function releaseCustomId(tx: Queryable, applicationId: number, customId: string): Promise<void> {
  await tx.query(sql`delete from custom_ids where custom_id = ${customId} and application_id = ${applicationId}`);
}

export interface StoredPair extends AttributePair {
  number: number | null;
  instant: string | null;
}

/** Replaces every pair of the profile by these, in this order. */
export async function replaceAttributes(
  tx: Queryable,
  owner: { id: string; applicationId: number; ordinal: number },
  pairs: StoredPair[],
): Promise<void> {
  const cleared = tx.query(sql`delete from profile_attributes where profile_id = ${owner.id}`);
  if (pairs.length === 0) return void (await cleared);
  const written = tx.query(sql`
    insert into profile_attributes (profile_id, application_id, ordinal, key, value, position, written_by, number, instant)
    select ${owner.id}::uuid, ${owner.applicationId}::int, ${owner.ordinal}::int, a.key, a.value, a.position, a.written_by, a.number, a.instant
    from unnest(${pairs.map((pair) => pair.key)}::text[], ${pairs.map((pair) => pair.value)}::text[],
      ${pairs.map((_, index) => index)}::int[], ${pairs.map((pair) => pair.written_by)}::text[],
      ${pairs.map((pair) => pair.number)}::float8[], ${pairs.map((pair) => pair.instant)}::timestamptz[])
      as a (key, value, position, written_by, number, instant)`);
  await Promise.all([cleared, written]);
}

export interface ProfileFilter {
  ids?: string[];
  nickname?: string;
  search?: string;
  customId?: string;
  attributes: { key: string; value: string }[];
  createdSince?: string;
  createdUntil?: string;
  activeSince?: string;
  activeUntil?: string;
}

function where(applicationId: number, filter: ProfileFilter): Sql {
  const terms: Sql[] = [sql`p.application_id = ${applicationId}`];
  if (filter.ids !== undefined) terms.push(sql`p.id = any (${filter.ids}::uuid[])`);
  if (filter.nickname !== undefined) terms.push(nicknameBegins(filter.nickname));
  if (filter.search !== undefined) terms.push(isFound(applicationId, filter.search));
  if (filter.customId !== undefined) {
    terms.push(
      sql`p.id = (select c.profile_id from custom_ids c where c.custom_id = ${filter.customId} and c.application_id = ${applicationId})`,
    );
  }
  for (const { key, value } of filter.attributes) {
    terms.push(
      sql`exists (select from profile_attributes a where a.profile_id = p.id and a.key = ${key} and a.value = ${value})`,
    );
  }
  if (filter.createdSince !== undefined) terms.push(sql`p.created_at >= ${filter.createdSince}`);
  if (filter.createdUntil !== undefined) terms.push(sql`p.created_at < ${filter.createdUntil}`);
  if (filter.activeSince !== undefined || filter.activeUntil !== undefined) {
    const since = filter.activeSince === undefined ? empty : sql` and t.last_at >= ${filter.activeSince}`;
    const until = filter.activeUntil === undefined ? empty : sql` and t.last_at < ${filter.activeUntil}`;
    terms.push(sql`exists (select from totals t where t.profile_id = p.id and t.fact_id = 0${since}${until})`);
  }
  return join(terms, ' and ');
}

export const PROFILE_ORDER: Order<Profile> = {
  name: 'profiles',
  columns: [
    { column: 'p.created_at', type: 'timestamptz' },
    { column: 'p.id', type: 'uuid' },
  ],
  descending: true,
  key: (profile) => [formatInstant(profile.created_at), profile.id],
};

/** Rows and, where the page wants it, count of one snapshot. */
export async function pageOfProfiles(
  db: Database,
  applicationId: number,
  filter: ProfileFilter | undefined,
  page: PageRequest,
): Promise<{ rows: Profile[]; count: number | undefined }> {
  const { after, orderAndLimit } = pageClause(page, PROFILE_ORDER);
  const statement = sql`
    with page as materialized (
      select ${FIELDS} from profiles p where ${where(applicationId, filter ?? { attributes: [] })}${after}${orderAndLimit}),
    newest as materialized (
      select profile_id, last_at from totals where fact_id = 0 and profile_id in (select id from page)),
    pairs as materialized (
      select a.profile_id, ${ATTRIBUTES} as attributes from profile_attributes a where a.profile_id in (select id from page) group by a.profile_id)
    select p.*, t.last_at as last_active_at, coalesce(a.attributes, '[]'::json) as attributes
    from page p left join newest t on t.profile_id = p.id left join pairs a on a.profile_id = p.id
    order by ${raw(page.cursor?.backwards === true ? 'p.created_at, p.id' : 'p.created_at desc, p.id desc')}`;
  return db.transaction(
    async (tx) => {
      const count = page.wantsCount ? await countProfiles(tx, applicationId, filter) : undefined;
      const { rows } = await tx.query<Profile>(statement);
      return { rows, count };
    },
    { isolation: 'repeatable read' },
  );
}

/** Without a filter from kept counts. */
export async function countProfiles(db: Queryable, applicationId: number, filter?: ProfileFilter): Promise<number> {
  const [pair] = filter?.attributes ?? [];
  // A pair stands once in a profile that has it, so that the index of pairs alone knows how many have it.
  const isOnePair = pair !== undefined && filter?.attributes.length === 1 && Object.keys(filter).length === 1;
  const { rows } = await db.query<{ count: number }>(
    isOnePair
      ? sql`select count(*) as count from profile_attributes where application_id = ${applicationId} and key = ${pair.key} and value = ${pair.value}`
      : filter
        ? sql`select count(*) as count from profiles p where ${where(applicationId, filter)}`
        : sql`select coalesce(sum(profiles), 0)::bigint as count from statistics where application_id = ${applicationId}`,
  );
  return rows[0]?.count ?? 0;
}

/** The first of `size` ordinals that are handed out once. */
export async function takeOrdinals(db: Queryable, applicationId: number, size: number): Promise<number> {
  const { rows } = await db.query<{ first: number }>(sql`
    update ordinal_blocks set next_ordinal = next_ordinal + ${size} where application_id = ${applicationId}
    returning next_ordinal - ${size} as first`);
  if (!rows[0]) throw new Error(`application ${applicationId} has no row in ordinal_blocks`);
  return rows[0].first;
}

export async function insertToken(tx: Queryable, profileId: string, tokenId: string, now: string): Promise<void> {
  await tx.query(
    sql`insert into profile_tokens (profile_id, id, created_at) values (${profileId}, ${tokenId}, ${now})`,
  );
}

export async function deleteTokens(tx: Queryable, profileId: string): Promise<void> {
  await tx.query(sql`delete from profile_tokens where profile_id = ${profileId}`);
}

/** Which of these token ids their profiles still have. */
export async function listLiveProfileTokens(db: Queryable, profileIds: string[], ids: string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const { rows } = await db.query<{ id: string }>(sql`
    select id from profile_tokens where profile_id = any (${profileIds}::uuid[]) and id = any (${ids}::uuid[])`);
  return new Set(rows.map((row) => row.id));
}

export type TokenBound = Pick<Profile, 'id' | 'custom_id' | 'custom_id_since' | 'client_tokens_after'>;

/** What says of each profile which client-signed tokens speak for it. */
export async function listTokenBounds(db: Queryable, ids: string[]): Promise<Map<string, TokenBound>> {
  const { rows } = await db.query<TokenBound>(sql`
    select id, custom_id, custom_id_since, client_tokens_after from profiles where id = any (${ids}::uuid[])`);
  return new Map(rows.map((row) => [row.id, row]));
}

export async function refuseClientTokens(tx: Queryable, profileId: string, upTo: string): Promise<void> {
  await tx.query(
    sql`update profiles set client_tokens_after = greatest(client_tokens_after, ${upTo}) where id = ${profileId}`,
  );
}

export async function findTombstone(db: Queryable, applicationId: number, hash: Buffer): Promise<Instant | undefined> {
  const { rows } = await db.query<{ erased_at: Instant }>(sql`
    select erased_at from tombstones where custom_id_hash = ${hash} and application_id = ${applicationId}`);
  return rows[0]?.erased_at;
}

export async function upsertTombstone(tx: Queryable, applicationId: number, hash: Buffer, now: string): Promise<void> {
  await tx.query(sql`
    insert into tombstones (custom_id_hash, application_id, erased_at) values (${hash}, ${applicationId}, ${now})
    on conflict (custom_id_hash, application_id) do update set erased_at = greatest(tombstones.erased_at, excluded.erased_at)`);
}

/** What a profile did and was told: nothing that a transaction that holds its erasing off (membership/erasing.ts) changes. */
export async function deleteHistory(tx: Queryable, profileId: string): Promise<void> {
  for (const source of await listSources(tx, profileId))
    await tx.query(sql`delete from activities where profile_id = ${source}`);
  for (const table of [
    sql`profile_tokens`,
    sql`foreign_tokens`,
    sql`device_keys`,
    sql`profile_attributes`,
    sql`activities`,
    sql`moves`,
    sql`totals`,
  ]) {
    await tx.query(sql`delete from ${table} where profile_id = ${profileId}`);
  }
}

/** What systems that send kept of it, by the ids and the custom ids that lead to it. */
export async function deleteSourceItems(
  tx: Queryable,
  applicationId: number,
  profileIds: readonly string[],
  customIds: readonly string[],
): Promise<void> {
  await tx.query(sql`
    delete from source_items where (profile_id = any (${profileIds}::uuid[]) or custom_id = any (${customIds}::text[]))
      and source_id in (select id from sources where application_id = ${applicationId})`);
}

/** The rest of a profile but its memberships (groups/membership.ts) and its custom id. */
export async function deleteProfile(
  tx: Queryable,
  applicationId: number,
  profile: { id: string; ordinal: number },
): Promise<void> {
  for (const table of [sql`pins`, sql`queue`])
    await tx.query(sql`delete from ${table} where profile_id = ${profile.id}`);
  await tx.query(sql`delete from profiles where id = ${profile.id}`);
  await tx.query(sql`
    update statistics set profiles = profiles - 1
    where application_id = ${applicationId} and shard = ${profile.ordinal % STATISTICS_SHARDS}`);
}

export type { Writer };
