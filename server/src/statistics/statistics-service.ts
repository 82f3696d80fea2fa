// The overview, put together from what is kept: every part is a few index lookups, or was counted before by the chores.

import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import type { Queryable } from '../database/database.ts';
import { readAsOf } from '../queue/as-of.ts';
import { formatInstant, MICROS_PER_DAY, MICROS_PER_SECOND, type Instant } from '../instant.ts';
import { countProfiles } from '../profiles/profile-store.ts';
import { DAYS, GROUPS, MINUTES, VERIFIED_DAYS, type StatisticsResource } from './statistics.ts';
import * as store from './statistics-store.ts';

export const MINUTE = 60 * MICROS_PER_SECOND;
const HOUR = 60 * MINUTE;

export const startOf = (step: number, instant: Instant): Instant => Math.floor(instant / step) * step;
const formatOrNull = (instant: Instant | null): string | null => (instant === null ? null : formatInstant(instant));

export async function getStatistics(
  context: Context,
  application: Application,
): Promise<Omit<StatisticsResource, 'warnings'>> {
  const now = context.clock.now();
  const { id } = application;
  return context.db.transaction(
    async (tx) => ({
      measured_at: formatInstant(now),
      profiles: { count: await countProfiles(tx, id) },
      days: await listDays(tx, id, now),
      activities: {
        last_minute: await store.countReceived(tx, id, formatInstant(now - MINUTE), formatInstant(now)),
        minutes: await listMinutes(tx, id, now),
      },
      ...(await describeGroups(tx, id, now)),
    }),
    { isolation: 'repeatable read' },
  );
}

async function listDays(tx: Queryable, id: number, now: Instant): Promise<StatisticsResource['days']> {
  const first = startOf(MICROS_PER_DAY, now) - (DAYS - 1) * MICROS_PER_DAY;
  const counted = new Map((await store.listDays(tx, id, formatInstant(first))).map((row) => [row.day, row]));
  return Array.from({ length: DAYS }, (_, index) => {
    const day = first + index * MICROS_PER_DAY;
    const row = counted.get(day);
    return {
      day: formatInstant(day),
      new_profiles: row?.new_profiles ?? 0,
      active_profiles: row?.active_profiles ?? 0,
      activities: row?.activities ?? 0,
      counted_at: formatOrNull(row?.counted_at ?? null),
    };
  });
}

/** Those that are kept, and counted now what came after them. */
async function listMinutes(
  tx: Queryable,
  id: number,
  now: Instant,
): Promise<StatisticsResource['activities']['minutes']> {
  const first = startOf(MINUTE, now) - (MINUTES - 1) * MINUTE;
  const kept = await store.listMinutes(tx, id, formatInstant(first));
  const newest = kept.at(-1);
  const since = newest ? newest.minute + MINUTE : first;
  const counted = await store.countMinutes(tx, id, formatInstant(since), formatInstant(now));
  const counts = new Map([...kept, ...counted].map((row) => [row.minute, row.activities]));
  return Array.from({ length: MINUTES }, (_, index) => {
    const minute = first + index * MINUTE;
    return { at: formatInstant(minute), activities: counts.get(minute) ?? 0 };
  });
}

async function describeGroups(
  tx: Queryable,
  id: number,
  now: Instant,
): Promise<Pick<StatisticsResource, 'groups' | 'evaluation'>> {
  const totals = await store.countGroups(tx, id);
  const waiting = await store.findWaiting(tx, id);
  const verified = await store.sumVerifications(tx, id, now - VERIFIED_DAYS * MICROS_PER_DAY);
  return {
    groups: {
      static: totals.static,
      dynamic: totals.dynamic,
      largest: await store.listLargestGroups(tx, id, GROUPS),
      fastest: await store.listFastestGroups(tx, id, formatInstant(startOf(HOUR, now) - 23 * HOUR), GROUPS),
    },
    evaluation: {
      as_of: formatOrNull(await readAsOf(tx, id)),
      queue: { count: waiting.rows, oldest_at: formatOrNull(waiting.oldest) },
      filling: totals.filling,
      failed: totals.failed,
      paused: totals.paused,
      verification: verified.at === null ? null : { ...verified, at: formatInstant(verified.at) },
    },
  };
}
