// How work in the background gives way to intake: while activities of the application come in, it goes in small slices and
// rests after each for as long as that took, so that a request waits for little more than without it.

import { setTimeout as wait } from 'node:timers/promises';
import { sql, type Database, type Queryable } from '../database/database.ts';

/** Rows of a slice beside intake. */
export const SLICE_BESIDE_INTAKE = 1_000;
/** Of the time that a slice took. */
const REST = 1;

/**
 * Whether activities of the application came in within the last second. By the database's own clock, as leases: nothing
 * is evaluated at it.
 */
export async function isTakingIn(db: Queryable, applicationId: number): Promise<boolean> {
  const { rows } = await db.query(sql`
    select from activities
    where application_id = ${applicationId} and received_at > statement_timestamp() - interval '1 second' limit 1`);
  return rows.length > 0;
}

export interface Way {
  /** Rows of a slice beside intake. */
  beside?: number;
  /** How long it rests then: of the time that a slice took. */
  rest?: number;
}

/** A slice of as many rows as are usual, or as may be beside intake; it is told how many, and which of the two. */
export async function giveWay<T>(
  db: Database,
  applicationId: number,
  usual: number,
  slice: (size: number, isBeside: boolean) => Promise<T>,
  { beside = SLICE_BESIDE_INTAKE, rest = REST }: Way = {},
): Promise<T> {
  const isBeside = await isTakingIn(db, applicationId);
  const startedAt = performance.now();
  const result = await slice(isBeside ? beside : usual, isBeside);
  if (isBeside) await wait((performance.now() - startedAt) * rest);
  return result;
}
