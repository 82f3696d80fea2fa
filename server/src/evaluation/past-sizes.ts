// The sizes that a rule would have had at the ends of the last days, read in the snapshot of its preview.

import { onClient } from '../database/client.ts';
import { sql } from '../database/database.ts';
import { ApiError, invalid, ValidationError } from '../errors.ts';
import { formatInstant, type Instant } from '../instant.ts';
import type { CompiledRule } from '../rules/evaluate.ts';
import type { SetReader } from '../rules/leaf.ts';
import { createPastReader, readPast } from '../rules/past.ts';
import { formatDay, zoneOf, type Zone } from '../rules/zone.ts';
import type { Snapshot } from './snapshots.ts';

export interface PastSize {
  /** By the calendar of the application's time zone. */
  day: string;
  /** The last instant of the day. */
  at: string;
  size: number;
}

export const MOST_DAYS = 365;
/** Bits that the sets of one leaf may take, of all days together: 256 MiB. */
const MOST_BITS = 2 ** 31;

/** How many days are asked for; undefined where none are. */
export function readDays(history: unknown): number | undefined {
  if (history === undefined || history === null) return undefined;
  const days = typeof history === 'object' && 'days' in history ? history.days : undefined;
  if (typeof days === 'number' && Number.isInteger(days) && days >= 1 && days <= MOST_DAYS) return days;
  throw new ValidationError({ 'history.days': [`This must be a whole number from 1 to ${MOST_DAYS}.`] });
}

/** `isWanted` is asked now and then; where it says no, the work is left. */
export async function pastSizes(
  snapshot: Snapshot,
  reader: SetReader,
  rule: CompiledRule,
  days: number,
  isWanted: () => boolean,
): Promise<PastSize[]> {
  const { rows } = await onClient(snapshot.client).query<{ name: string }>(
    sql`select time_zone as name from applications where id = ${reader.applicationId}`,
  );
  const last = lastDays(zoneOf(rows[0]?.name ?? 'UTC'), snapshot.now, days);
  const past = createPastReader(
    reader,
    last.map(({ end }) => end),
    () => {
      if (!isWanted())
        throw new ApiError('unavailable', { detail: 'Nobody waits for the answer any more.', retryAfter: 1 });
    },
  );
  const most = Math.floor(MOST_BITS / Math.max(1, (await past.universe()).length * 32));
  if (days > most) throw invalid('history.days', `Of so many profiles, this must be ${most} or less.`);
  const sizes = await readPast(past, rule, snapshot.leaves);
  return last.map(({ day, end }, index) => ({ day, at: formatInstant(end), size: sizes[index] ?? 0 }));
}

/** The days that are over, upwards. One that the zone left out is none. */
export function lastDays(zone: Zone, now: Instant, count: number): { day: string; end: Instant }[] {
  const found: { day: string; end: Instant }[] = [];
  for (let day = zone.dayOf(now) - 1; found.length < count; day--) {
    const [start, next] = [zone.startOf(day), zone.startOf(day + 1)];
    if (start < next) found.push({ day: formatDay(day), end: next - 1 });
  }
  return found.reverse();
}
