// What intake owes to profiles that were merged: their former ids, and activities that are still on their way to them.

import { sql, type Queryable } from '../database/database.ts';
import type { Elements } from '../http/elements.ts';
import { readUuid } from '../ids.ts';
import { findAliases, resolveIds } from '../profiles/alias-store.ts';
import { findProfileIdsByCustomIds } from '../profiles/profile-store.ts';
import type { Columns } from './read-items.ts';

/** These items, each of which was sound, as if another profile's id stood in them. */
export const onBehalf = (items: Elements, indexes: readonly number[], profileId: string): Elements => ({
  length: indexes.length,
  read(index) {
    const { value, problems } = items.read(indexes[index] ?? -1);
    return { value: { ...(value as object), profile_id: profileId }, problems };
  },
});

/** Of these ids and custom ids those that lead to the profile as well, since others were merged into it. */
export async function findOwnAliases(
  db: Queryable,
  applicationId: number,
  profileId: string,
  said: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const texts = [...said];
  const [aliases, owners] = await Promise.all([
    findAliases(
      db,
      applicationId,
      texts.flatMap((text) => readUuid(text) ?? []),
    ),
    findProfileIdsByCustomIds(db, applicationId, texts),
  ]);
  const own = [...aliases].flatMap(([alias, target]) => (target.id === profileId ? [alias] : []));
  for (const [customId, owner] of owners) if (owner === profileId) own.push(customId);
  return new Set(own);
}

/** Of the places without a profile: indexes of items whose id leads to a profile, by that one, and the places that are left. */
export async function followMerged(
  db: Queryable,
  applicationId: number,
  columns: Columns,
  places: number[],
): Promise<{ moved: Map<string, number[]>; unknown: number[] }> {
  const moved = new Map<string, number[]>();
  const idAt = (place: number): string | null => columns.profileId[place - 1] ?? null;
  const ids = places.flatMap((place) => idAt(place) ?? []);
  const aliases = await findAliases(db, applicationId, [...new Set(ids)]);
  const unknown = places.filter((place) => {
    const target = aliases.get(idAt(place) ?? '');
    if (target) moved.set(target.id, [...(moved.get(target.id) ?? []), columns.index[place - 1] ?? 0]);
    return !target;
  });
  return { moved, unknown };
}

/**
 * Where a batch has one activity id of two profiles, these may be one by now. Then the first of the two stands, whichever
 * id it was sent by: what stands under a former id is stored after the rest of its batch.
 */
export async function resolveRepeated(db: Queryable, applicationId: number, columns: Columns): Promise<void> {
  const owners = new Map<string, string | null>();
  const repeated = new Set<string>();
  for (const [place, id] of columns.id.entries()) {
    const owner = columns.profileId[place] ?? null;
    const other = owners.get(id);
    if (other === undefined) owners.set(id, owner);
    else if (other !== owner) repeated.add(id);
  }
  if (repeated.size === 0) return;
  const places = [...columns.id.keys()].filter((place) => repeated.has(columns.id[place] ?? ''));
  const meant = await resolveIds(
    db,
    applicationId,
    places.flatMap((place) => columns.profileId[place] ?? []),
  );
  for (const place of places) {
    const id = columns.profileId[place];
    if (typeof id === 'string') columns.profileId[place] = meant(id);
  }
}

/** Takes the places of known activities out of every column; says how many they were. */
export function forget(columns: Columns, isKnown: (place: number) => boolean): number {
  const keeps = columns.id.map((_, place) => !isKnown(place));
  if (keeps.every(Boolean)) return 0;
  for (const column of Object.values(columns) as unknown[][])
    column.splice(0, column.length, ...column.filter((_, place) => keeps[place]));
  return keeps.length - columns.id.length;
}

/**
 * Of profiles to which others' activities are still on their way (facts/moves.ts): what one of those has is known, though
 * it does not stand under the profile's own id yet. An activity that comes over in this moment is found by its key.
 */
export async function forgetMoved(
  db: Queryable,
  applicationId: number,
  sources: ReadonlyMap<string, readonly string[]>,
  columns: Columns,
): Promise<number> {
  if (sources.size === 0 || columns.id.length === 0) return 0;
  const customIds = columns.customId.flatMap((id) => id ?? []);
  const owners = await findProfileIdsByCustomIds(db, applicationId, customIds);
  const asked = columns.id.flatMap((id, place) => {
    const owner = columns.profileId[place] ?? owners.get(columns.customId[place] ?? '');
    return (sources.get(owner ?? '') ?? []).map((source) => ({ id, place, source }));
  });
  if (asked.length === 0) return 0;
  const { rows } = await db.query<{ n: number }>(sql`
    select s.n from unnest(${asked.map(({ source }) => source)}::uuid[], ${asked.map(({ id }) => id)}::text[]) with ordinality as s (profile_id, id, n)
    join activities a on a.profile_id = s.profile_id and a.id = s.id`);
  const known = new Set(rows.map(({ n }) => asked[n - 1]?.place ?? -1));
  return forget(columns, (place) => known.has(place));
}
