// Events are recorded without a number, in the transaction of the change, so that no change waits for another one. Whoever
// reads a feed first numbers what was committed since: under the lock of the feed's head, in the order of instants. What
// commits later is numbered later, so a reader that goes on after the last number it saw misses nothing.

import { sql, type Database, type Queryable, type Sql } from '../database/database.ts';
import { packed, packedTexts } from '../database/packed.ts';
import { newId } from '../ids.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { laneOf, type Feed, type GroupEvent, type GroupEventData, type ProfileEvent, type ProfileEventData, type StoredEvent } from './event.ts'; // prettier-ignore

interface Row {
  subjectId: string;
  feed: Feed;
  data: ProfileEventData | GroupEventData | null;
}

function toRow(event: ProfileEvent | GroupEvent): Row {
  if ('groupId' in event) {
    const { groupId, name, customId, changed, error } = event;
    const data = { name, custom_id: customId, ...(changed && { changed }), ...(error !== undefined && { error }) };
    return { subjectId: groupId, feed: 'group', data };
  }
  const { profileId, changed, into } = event;
  const data = { ...(changed && { changed }), ...(into !== undefined && { into }) };
  return { subjectId: profileId, feed: 'profile', data: changed || into !== undefined ? data : null };
}

/** Call it in the transaction of the change. */
export async function recordEvents(tx: Queryable, events: readonly (ProfileEvent | GroupEvent)[]): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map(toRow);
  await tx.query(sql`
    insert into new_events (subject_id, id, application_id, feed, event, data, at)
    select * from unnest(${packed(rows.map((row) => row.subjectId))}::uuid[], ${packed(rows.map(() => newId()))}::uuid[],
      ${packed(events.map((event) => event.applicationId))}::int[], ${packed(rows.map((row) => row.feed))}::text[],
      ${packed(events.map((event) => event.event))}::text[], ${packedTexts(rows.map((row) => row.data && JSON.stringify(row.data)))}::jsonb[],
      ${packed(events.map((event) => formatInstant(event.at)))}::timestamptz[])`);
}

/** As part of another statement, which adds a `from` that has a row where it happened. */
export function recordEventStatement(event: ProfileEvent): Sql {
  const { subjectId, feed, data } = toRow(event);
  return sql`
    insert into new_events (subject_id, id, application_id, feed, event, data, at)
    select ${subjectId}::uuid, ${newId()}::uuid, ${event.applicationId}::int, ${feed}, ${event.event}, ${data && JSON.stringify(data)}::jsonb,
      ${formatInstant(event.at)}::timestamptz`;
}

const AT_ONCE = 1_000;

interface NewRow {
  subject_id: string;
  id: string;
  event: string;
  data: object | null;
  at: Instant;
}

/** Numbers what was committed so far. Several may do it at once: they take turns. */
export async function numberEvents(db: Database, applicationId: number, feed: Feed): Promise<void> {
  const { rows } = await db.query(
    sql`select from new_events where application_id = ${applicationId} and feed = ${feed} limit 1`,
  );
  while (rows.length > 0 && (await numberSome(db, applicationId, feed)) === AT_ONCE);
}

async function numberSome(db: Database, applicationId: number, feed: Feed): Promise<number> {
  return db.transaction(async (tx) => {
    await tx.query(sql`
      insert into event_heads (application_id, feed, last_sequence) values (${applicationId}, ${feed}, 0) on conflict do nothing`);
    const { rows: heads } = await tx.query<{ last_sequence: number }>(sql`
      select last_sequence from event_heads where application_id = ${applicationId} and feed = ${feed} for update`);
    const last = heads[0]?.last_sequence ?? 0;
    const { rows } = await tx.query<NewRow>(sql`
      select subject_id, id, event, data, at from new_events where application_id = ${applicationId} and feed = ${feed}
      order by at, id limit ${AT_ONCE}`);
    if (rows.length === 0) return 0;
    const subjects = rows.map((row) => row.subject_id);
    await Promise.all([
      tx.query(sql`
        insert into events (application_id, feed, sequence, lane, subject_id, event, data, at)
        select ${applicationId}::int, ${feed}::text, n.* from unnest(${rows.map((_, index) => last + 1 + index)}::bigint[],
          ${subjects.map((id) => laneOf(feed, id))}::smallint[], ${subjects}::uuid[], ${rows.map((row) => row.event)}::text[],
          ${rows.map((row) => row.data && JSON.stringify(row.data))}::jsonb[], ${rows.map((row) => formatInstant(row.at))}::timestamptz[]) n`),
      tx.query(sql`
        delete from new_events e using unnest(${subjects}::uuid[], ${rows.map((row) => row.id)}::uuid[]) n (subject_id, id)
        where e.subject_id = n.subject_id and e.id = n.id`),
      tx.query(sql`
        update event_heads set last_sequence = ${last + rows.length} where application_id = ${applicationId} and feed = ${feed}`),
    ]);
    return rows.length;
  });
}

/** The number of the newest event that has one. */
export async function findLastSequence(db: Queryable, applicationId: number, feed: Feed): Promise<number> {
  const { rows } = await db.query<{ last_sequence: number }>(
    sql`select last_sequence from event_heads where application_id = ${applicationId} and feed = ${feed}`,
  );
  return rows[0]?.last_sequence ?? 0;
}

/** The events after a sequence, upwards. */
export async function listEvents<Data>(
  db: Queryable,
  applicationId: number,
  feed: Feed,
  after: number,
  limit: number,
): Promise<StoredEvent<Data>[]> {
  const { rows } = await db.query<StoredEvent<Data>>(sql`
    select sequence, event, subject_id, data, at from events
    where application_id = ${applicationId} and feed = ${feed} and sequence > ${after} order by sequence limit ${limit}`);
  return rows;
}

/** The events of one lane after a sequence, upwards. */
export async function listLaneEvents<Data>(
  db: Queryable,
  applicationId: number,
  feed: Feed,
  lane: number,
  after: number,
  limit: number,
): Promise<StoredEvent<Data>[]> {
  const { rows } = await db.query<StoredEvent<Data>>(sql`
    select sequence, event, subject_id, data, at from events
    where application_id = ${applicationId} and feed = ${feed} and lane = ${lane} and sequence > ${after} order by sequence limit ${limit}`);
  return rows;
}

/** The numbers of the newest events, by application and feed. */
export async function findLastSequences(
  db: Queryable,
  applicationIds: readonly number[],
): Promise<{ application_id: number; feed: Feed; last_sequence: number }[]> {
  const { rows } = await db.query<{ application_id: number; feed: Feed; last_sequence: number }>(
    sql`select application_id, feed, last_sequence from event_heads where application_id = any (${applicationIds}::int[])`,
  );
  return rows;
}

/** Feeds in which something has no number yet. */
export async function listUnnumbered(db: Queryable): Promise<{ application_id: number; feed: Feed }[]> {
  const { rows } = await db.query<{ application_id: number; feed: Feed }>(
    sql`select distinct application_id, feed from (select application_id, feed from new_events limit 10000) waiting`,
  );
  return rows;
}

/** The custom ids that profiles have now; those that are gone are left out. */
export async function findCustomIds(db: Queryable, profileIds: readonly string[]): Promise<Map<string, string | null>> {
  if (profileIds.length === 0) return new Map();
  const { rows } = await db.query<{ id: string; custom_id: string | null }>(
    sql`select id, custom_id from profiles where id = any (${[...new Set(profileIds)]}::uuid[])`,
  );
  return new Map(rows.map((row) => [row.id, row.custom_id]));
}
