// Writes a world into the tables as the features would, and gives it back under its application's id.

import { randomBytes, randomUUID } from 'node:crypto';
import { sql, type Database, type Queryable } from '../../database/database.ts';
import { formatInstant, type Instant } from '../../instant.ts';
import { CUSTOM_FACTS, CUSTOM_TYPES, DEFINITIONS, foldTotals, storedValue, type World } from './world.ts';

const instant = (at: Instant | null): string | null => (at === null ? null : formatInstant(at));

export async function saveWorld(db: Database, create: (applicationId: number) => World): Promise<World> {
  const applicationId = await saveApplication(db);
  const world = create(applicationId);
  await saveDefinitions(db, applicationId);
  await saveProfiles(db, world);
  await saveActivities(db, world);
  await saveTotals(db, world);
  await saveMembers(db, world);
  return world;
}

async function saveApplication(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ id: number }>(sql`
    insert into applications (id, client_id, name, client_secret, created_at, updated_at)
    select
      coalesce(max(id), 0) + 1, ${randomBytes(20).toString('hex')}, 'World', '\\x00',
      '2025-01-01T00:00:00Z', '2025-01-01T00:00:00Z'
    from applications
    returning id
  `);
  const id = rows[0]?.id;
  if (id === undefined) throw new Error('no application was made');
  return id;
}

export async function saveDefinitions(db: Queryable, applicationId: number): Promise<void> {
  for (const type of CUSTOM_TYPES) {
    await db.query(sql`
      insert into activity_types (application_id, id, type, label, client, registered, created_at)
      values (${applicationId}, ${type.id}, ${type.type}, ${type.label}, ${type.client}, ${type.registered}, '2025-01-01T00:00:00Z')
    `);
  }
  for (const fact of CUSTOM_FACTS) {
    await db.query(sql`
      insert into facts (application_id, id, type_id, key, equals, value_type, built)
      values (
        ${applicationId}, ${fact.id}, ${fact.typeId}, ${fact.key},
        ${fact.equals === null ? null : JSON.stringify(fact.equals)}::jsonb, ${fact.valueType}, true
      )
    `);
  }
  for (const row of DEFINITIONS) {
    await db.query(sql`
      insert into attribute_definitions (
        id, application_id, key, label, description, category, type, writable_by, visible_to, derived_from,
        created_at, updated_at
      )
      values (
        ${randomUUID()}, ${applicationId}, ${row.key}, ${row.label}, '', 'custom', ${row.type}, ${row.writable_by}, 'owner',
        ${row.derived_from === null ? null : JSON.stringify(row.derived_from)}::jsonb,
        '2025-01-01T00:00:00Z', '2025-01-01T00:00:00Z'
      )
    `);
  }
}

async function saveProfiles(db: Queryable, { catalogue, profiles }: World): Promise<void> {
  await db.query(sql`
    insert into profiles (id, application_id, ordinal, nickname, custom_id, created_at, updated_at, has_activities)
    select id, ${catalogue.applicationId}, ordinal, nickname, custom_id, created_at, created_at, has_activities
    from unnest(
      ${profiles.map((row) => row.id)}::uuid[], ${profiles.map((row) => row.ordinal)}::integer[],
      ${profiles.map((row) => row.nickname)}::text[], ${profiles.map((row) => row.customId)}::text[],
      ${profiles.map((row) => instant(row.createdAt))}::timestamptz[],
      ${profiles.map((row) => row.activities.length > 0)}::boolean[]
    ) p (id, ordinal, nickname, custom_id, created_at, has_activities)
  `);
  const pairs = profiles.flatMap((profile) =>
    profile.pairs.map((pair, position) => ({ ...pair, ...storedValue(pair), profile, position })),
  );
  await db.query(sql`
    insert into profile_attributes (
      profile_id, application_id, ordinal, position, key, value, written_by, number, instant
    )
    select profile_id, ${catalogue.applicationId}, ordinal, position, key, value, written_by, number, instant
    from unnest(
      ${pairs.map((row) => row.profile.id)}::uuid[], ${pairs.map((row) => row.profile.ordinal)}::integer[],
      ${pairs.map((row) => row.position)}::integer[], ${pairs.map((row) => row.key)}::text[],
      ${pairs.map((row) => row.value)}::text[], ${pairs.map((row) => row.writtenBy)}::text[],
      ${pairs.map((row) => row.number)}::float8[], ${pairs.map((row) => instant(row.instant))}::timestamptz[]
    ) p (profile_id, ordinal, position, key, value, written_by, number, instant)
  `);
}

async function saveActivities(db: Queryable, { catalogue, profiles }: World): Promise<void> {
  const rows = profiles.flatMap((profile) => profile.activities.map((row) => ({ ...row, profile })));
  await db.query(sql`
    insert into activities (profile_id, id, application_id, ordinal, type_id, occurred_at, value, data)
    select profile_id, id, ${catalogue.applicationId}, ordinal, type_id, occurred_at, value, data
    from unnest(
      ${rows.map((row) => row.profile.id)}::uuid[], ${rows.map((row) => row.id)}::text[],
      ${rows.map((row) => row.profile.ordinal)}::integer[],
      ${rows.map((row) => catalogue.types.get(row.type)?.id ?? null)}::integer[],
      ${rows.map((row) => instant(row.at))}::timestamptz[], ${rows.map((row) => row.value)}::integer[],
      ${rows.map((row) => (row.data === null ? null : JSON.stringify(row.data)))}::jsonb[]
    ) a (profile_id, id, ordinal, type_id, occurred_at, value, data)
  `);
}

async function saveTotals(db: Queryable, world: World): Promise<void> {
  const rows = world.profiles.flatMap((profile) =>
    [...foldTotals(world, profile)].map(([factId, total]) => ({ profile, factId, ...total })),
  );
  await db.query(sql`
    insert into totals (
      profile_id, application_id, ordinal, fact_id, count, sum, first_at, last_at, state, state_at, state_activity,
      state_instant
    )
    select
      profile_id, ${world.catalogue.applicationId}, ordinal, fact_id, count, sum, first_at, last_at, state, state_at,
      state_activity, state_instant
    from unnest(
      ${rows.map((row) => row.profile.id)}::uuid[], ${rows.map((row) => row.profile.ordinal)}::integer[],
      ${rows.map((row) => row.factId)}::integer[], ${rows.map((row) => row.count)}::bigint[],
      ${rows.map((row) => row.sum)}::bigint[], ${rows.map((row) => instant(row.firstAt))}::timestamptz[],
      ${rows.map((row) => instant(row.lastAt))}::timestamptz[],
      ${rows.map((row) => (row.stateAt === null ? null : JSON.stringify(row.state)))}::jsonb[],
      ${rows.map((row) => instant(row.stateAt))}::timestamptz[], ${rows.map((row) => row.stateActivity)}::text[],
      ${rows.map((row) => instant(row.stateInstant))}::timestamptz[]
    ) t (
      profile_id, ordinal, fact_id, count, sum, first_at, last_at, state, state_at, state_activity, state_instant
    )
  `);
}

/** Groups at epochs of their own; beside the members stand rows that readers must not see: ended, or not yet begun. */
async function saveMembers(db: Queryable, { catalogue, groups, profiles }: World): Promise<void> {
  for (const [index, group] of groups.entries()) {
    const epoch = 5 + index;
    await db.query(sql`
      insert into group_heads (group_id, application_id, profile_count, epoch, last_number, base_sequence)
      values (${group}, ${catalogue.applicationId}, 0, ${epoch}, 0, 0)
    `);
    const rows = profiles.flatMap((profile) => {
      const n = profile.ordinal;
      if (profile.groups.includes(group))
        return [{ profile, since: epoch - (n % 2), until: n % 3 === 0 ? epoch + 1 : null }];
      return n % 2 === 0 ? [{ profile, since: n % 4 === 0 ? 1 : epoch + 1, until: n % 4 === 0 ? epoch : null }] : [];
    });
    await db.query(sql`
      insert into members (profile_id, group_id, application_id, ordinal, since_epoch, until_epoch, entered_at)
      select profile_id, ${group}, ${catalogue.applicationId}, ordinal, since_epoch, until_epoch, '2025-01-01T00:00:00Z'
      from unnest(
        ${rows.map((row) => row.profile.id)}::uuid[], ${rows.map((row) => row.profile.ordinal)}::integer[],
        ${rows.map((row) => row.since)}::bigint[], ${rows.map((row) => row.until)}::bigint[]
      ) m (profile_id, ordinal, since_epoch, until_epoch)
    `);
  }
}
