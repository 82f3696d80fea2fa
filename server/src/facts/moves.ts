// Histories on their way. A profile with very many activities becomes another's at once, but its activities come over slice
// by slice: until then they stand under the id and ordinal of the source, which is no profile any more. Each slice moves rows
// from one place to the other in one transaction and changes nothing else. So what reads activities reads both places in one
// snapshot, and everything is as if all had moved:
// - sets read `activitiesOf(moves)` in the place of the table, sweeps name `ownersOf(moves)` of what they find,
// - what is about one profile reads `listSources` beside its own id.
// Nothing writes activities of a source but its move and what removes them. Intake of a target asks whether the source has
// an id before it stores it (activities/intake.ts): each move raises definitions_version when it begins, so that no intake
// passes over that.

import { raw, sql, type Queryable, type Sql } from '../database/database.ts';

export interface Move {
  applicationId: number;
  targetId: string;
  ordinal: number;
  sourceId: string;
  sourceOrdinal: number;
}

const COLUMNS = sql`application_id as "applicationId", profile_id as "targetId", ordinal, source_id as "sourceId", source_ordinal as "sourceOrdinal"`;

/** Those of an application, in the caller's snapshot. Hardly ever there is one. */
export async function listMoves(db: Queryable, applicationId: number): Promise<Move[]> {
  const { rows } = await db.query<Move>(sql`select ${COLUMNS} from moves where application_id = ${applicationId}`);
  return rows;
}

/** The ids under which activities of this profile still stand. */
export async function listSources(db: Queryable, targetId: string): Promise<string[]> {
  const { rows } = await db.query<{ source_id: string }>(
    sql`select source_id from moves where profile_id = ${targetId} order by source_id`,
  );
  return rows.map((row) => row.source_id);
}

/** By target. */
export function sourcesByTarget(moves: readonly Move[]): Map<string, string[]> {
  const sources = new Map<string, string[]>();
  for (const { targetId, sourceId } of moves) sources.set(targetId, [...(sources.get(targetId) ?? []), sourceId]);
  return sources;
}

/** What to read an application's activities from, as SQL text: each row under the profile that it is one's of. */
export const activitiesOf = (moves: readonly Move[], alias = 'activities'): string =>
  `${moves.length === 0 ? 'activities' : `(select ${columnsOf(moves)} from activities)`} ${alias}`;

/** `profile_id` and `ordinal` of the profile that each is one's of. */
export function ownersOf(moves: readonly Move[]): string {
  if (moves.length === 0) return 'profile_id, ordinal';
  const ordinals = moves.map(({ sourceOrdinal, ordinal }) => `when ${sourceOrdinal} then ${ordinal}`);
  const ids = moves.map(({ sourceId, targetId }) => `when '${sourceId}'::uuid then '${targetId}'::uuid`);
  return `case profile_id ${ids.join(' ')} else profile_id end as profile_id, case ordinal ${ordinals.join(' ')} else ordinal end as ordinal`;
}

const columnsOf = (moves: readonly Move[]): string =>
  `${ownersOf(moves)}, id, application_id, type_id, occurred_at, value, data, received_at`;

/** `a`: the activities of these profiles, by the index on them. */
export function activitiesOfProfiles(profileIds: readonly string[], moves: readonly Move[]): Sql {
  const theirs = moves.filter(({ targetId }) => profileIds.includes(targetId));
  if (theirs.length === 0) return sql`(select * from activities where profile_id = any (${profileIds}::uuid[])) a`;
  const ids = [...profileIds, ...theirs.map(({ sourceId }) => sourceId)];
  return sql`(select ${raw(columnsOf(theirs))} from activities where profile_id = any (${ids}::uuid[])) a`;
}
