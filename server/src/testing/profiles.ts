// Many profiles at once, without a request each.

import { uuidv7 } from 'uuidv7';
import { sql, type Queryable } from '../database/database.ts';
import { takeOrdinals } from '../profiles/profile-store.ts';
import type { TestServer } from './server.ts';
import { CLIENT_ID } from './server.ts';

/** Their ids, in the order of their ordinals; each with the custom id `<prefix><index>` where a prefix is given. */
export async function addProfiles(server: TestServer, count: number, customIdPrefix?: string): Promise<string[]> {
  const { db, applications } = server.app.context;
  const { id: applicationId } = await applications.get(CLIENT_ID);
  return insertProfiles(db, applicationId, count, customIdPrefix);
}

export async function insertProfiles(
  db: Queryable,
  applicationId: number,
  count: number,
  customIdPrefix?: string,
): Promise<string[]> {
  const first = await takeOrdinals(db, applicationId, count);
  const ids = Array.from({ length: count }, () => uuidv7());
  await db.query(sql`
    with numbered as (select id, n::int - 1 as n from unnest(${ids}::uuid[]) with ordinality as i (id, n)),
    named as (
      insert into custom_ids (custom_id, application_id, profile_id)
      select ${customIdPrefix ?? ''}::text || n, ${applicationId}::int, id from numbered where ${customIdPrefix !== undefined}::boolean)
    insert into profiles (id, application_id, ordinal, nickname, folded, words, custom_id, created_at, updated_at)
    select id, ${applicationId}::int, ${first}::int + n, 'Fan ' || n, 'fan ' || n,
      array_to_tsvector(array[${applicationId}::int || ':fan', ${applicationId}::int || ':' || n]),
      case when ${customIdPrefix !== undefined}::boolean then ${customIdPrefix ?? ''}::text || n end, '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'
    from numbered`);
  await db.query(
    sql`update statistics set profiles = profiles + ${count} where application_id = ${applicationId} and shard = 0`,
  );
  return ids;
}
