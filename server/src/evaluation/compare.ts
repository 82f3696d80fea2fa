// How groups overlap: the exact size of every intersection of two to five of them, as of one instant.

import type { Application } from '../applications/application.ts';
import { onClient } from '../database/client.ts';
import { throwFound, ValidationError, type FieldErrors } from '../errors.ts';
import type { Group } from '../groups/group.ts';
import { findGroup } from '../groups/group-service.ts';
import { formatInstant } from '../instant.ts';
import { and, andNot, or, popcount, type Bitset } from '../rules/bitset.ts';
import { shorten } from '../rules/fields.ts';
import { createSetReader } from './sets.ts';
import type { Snapshot } from './snapshots.ts';
import { visibleMembers } from './visible-members.ts';

export interface Comparison {
  groups: { id: string; name: string; count: number }[];
  /** Of each choice of them, those of one first: who is in all of these, and who of those is in none of the others. */
  intersections: { groups: string[]; count: number; only: number }[];
  /** Who is in any of them. */
  union: number;
  as_of: string;
}

const LEAST = 2;
const MOST = 5;

export async function compareIn(
  snapshot: Snapshot,
  application: Application,
  input: { groups?: unknown },
): Promise<Comparison> {
  const groups = await readGroups(snapshot, application.id, input.groups);
  const reader = await createSetReader(snapshot.client, { applicationId: application.id, now: snapshot.now });
  const sets: Bitset[] = [];
  for (const group of groups) sets.push(await visibleMembers(snapshot, reader, group.id));
  return {
    groups: groups.map(({ id, name }, index) => ({ id, name, count: popcount(sets[index] ?? new Uint32Array()) })),
    intersections: choicesOf(groups.length).map((chosen) => {
      const inAll = sets.filter((_, index) => chosen.includes(index)).reduce(and);
      const others = sets.filter((_, index) => !chosen.includes(index));
      return {
        groups: chosen.flatMap((index) => groups[index]?.id ?? []),
        count: popcount(inAll),
        only: popcount(others.reduce(andNot, inAll)),
      };
    }),
    union: popcount(sets.reduce(or)),
    as_of: formatInstant(snapshot.now),
  };
}

/** Every choice of some of so many, the smaller ones first. */
function choicesOf(length: number): number[][] {
  const choices = Array.from({ length: 2 ** length - 1 }, (_, index) =>
    Array.from({ length }, (_unused, place) => place).filter((place) => ((index + 1) >> place) & 1),
  );
  return choices.sort((a, b) => a.length - b.length);
}

async function readGroups(snapshot: Snapshot, applicationId: number, sent: unknown): Promise<Group[]> {
  if (!Array.isArray(sent) || sent.length < LEAST || sent.length > MOST)
    throw new ValidationError({
      groups: [`Must be a list of ${LEAST} to ${MOST} groups, by id or custom:<custom_id>.`],
    });
  const errors: FieldErrors = {};
  const groups: Group[] = [];
  for (const [index, reference] of (sent as unknown[]).entries()) {
    const group =
      typeof reference === 'string' ? await findGroup(onClient(snapshot.client), applicationId, reference) : undefined;
    const first = groups.findIndex((one) => one.id === group?.id);
    if (!group?.is_active) errors[`groups[${index}]`] = [`There is no active group '${shorten(String(reference))}'.`];
    else if (first >= 0) errors[`groups[${index}]`] = [`Is the same group as groups[${first}].`];
    else groups.push(group);
  }
  throwFound(errors);
  return groups;
}
