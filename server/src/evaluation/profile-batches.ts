// Profiles of which different things are needed, in one statement: each with the number of its batch, and what a batch needs
// under the same number. Rows come back with the place of their profile, which is shorter than its id.

import { sql, type Sql } from '../database/database.ts';
import { packed } from '../database/packed.ts';
import type { Needs } from '../rules/state.ts';

/** Profiles of which the same is needed. */
export interface ProfileBatch {
  ids: readonly string[];
  needs: Needs;
}

export interface BatchesInput {
  ids: readonly string[];
  /** `p (id, batch, place)`; places count from 1. */
  profiles: Sql;
}

export function batchesInput(batches: readonly { ids: readonly string[] }[]): BatchesInput {
  const ids = batches.flatMap((batch) => batch.ids);
  const numbers = batches.flatMap((batch, number) => batch.ids.map(() => number));
  return {
    ids,
    profiles: sql`unnest(${packed(ids)}::uuid[], ${packed(numbers)}::int[]) with ordinality as p (id, batch, place)`,
  };
}
