// Profiles of which different things are needed, in one statement: each with the number of its lot, and what a lot needs
// under the same number. Rows come back with the place of their profile, which is shorter than its id.

import { sql, type Sql } from '../database/database.ts';
import { packed } from '../database/packed.ts';
import type { Needs } from '../rules/state.ts';

/** Profiles of which the same is needed. */
export interface Lot {
  ids: readonly string[];
  needs: Needs;
}

export interface LotsInput {
  ids: readonly string[];
  /** `p (id, lot, place)`; places count from 1. */
  profiles: Sql;
}

export function lotsInput(lots: readonly { ids: readonly string[] }[]): LotsInput {
  const ids = lots.flatMap((lot) => lot.ids);
  const numbers = lots.flatMap((lot, number) => lot.ids.map(() => number));
  return {
    ids,
    profiles: sql`unnest(${packed(ids)}::uuid[], ${packed(numbers)}::int[]) with ordinality as p (id, lot, place)`,
  };
}
