// Erasing a profile against letting it enter groups: a transaction that writes member rows of profiles that it found holds erasing
// off, and one that erases waits for them before it reads which groups it must leave. By advisory locks, since locking
// the rows of the profiles writes each of them: as dear as the member rows themselves.
//
// Each lock stands for a sixteenth of an application's profiles. It is taken before the statement that reads the profiles,
// as one of its own (a statement's snapshot is older than the lock that it waits for), and before any head.

import { raw, sql, type Queryable } from '../database/database.ts';

/** Apart from the other advisory locks; the last hexadecimal digit of the profile's id is added to it. */
const SPACE = 0x65726100;
const EVERY_DIGIT = Array.from({ length: 16 }, (_, digit) => digit);

const digitOf = (profileId: string): number => parseInt(profileId.slice(-1), 16);

/** Until the transaction ends, none of these profiles (default: of the application) is erased behind later statements. */
export async function holdOffErasing(
  tx: Queryable,
  applicationId: number,
  profileIds?: readonly string[],
): Promise<void> {
  const digits = profileIds ? [...new Set(profileIds.map(digitOf))].sort((a, b) => a - b) : EVERY_DIGIT;
  if (digits.length === 0) return;
  await tx.query(sql`
    select pg_advisory_xact_lock_shared(d.key, ${applicationId}::int)
    from unnest(${digits.map((digit) => SPACE + digit)}::int[]) as d (key)`);
}

/**
 * Waits for everybody who may be letting the profile enter a group; those who come later find it gone. Before any row that
 * they change (queue, pins, members) is touched.
 */
export async function lockForErasing(tx: Queryable, applicationId: number, profileId: string): Promise<void> {
  await tx.query(
    sql`select pg_advisory_xact_lock(${raw(String(SPACE))} + ${digitOf(profileId)}::int, ${applicationId}::int)`,
  );
}
