// What the figures of usage mean, said as plainly as possible, for tests.

import { MICROS_PER_DAY, parseInstant, type Instant } from '../instant.ts';
import type { DuplicatesResource, RetentionResource, UsageResource, UsageRow } from './usage.ts';

export interface Rows {
  /** When each was made. */
  profiles: ReadonlyMap<string, Instant>;
  activities: readonly { profileId: string; at: Instant }[];
}

const instant = (text: string): Instant => parseInstant(text) ?? NaN;
const startOfDay = (at: Instant): Instant => Math.floor(at / MICROS_PER_DAY) * MICROS_PER_DAY;

function nextStart(interval: UsageResource['interval'], start: Instant): Instant {
  if (interval === 'day') return start + MICROS_PER_DAY;
  if (interval === 'week') return start + 7 * MICROS_PER_DAY;
  const date = new Date(start / 1000);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) * 1000;
}

export function naiveUsage({ profiles, activities }: Rows, { interval, until, results }: UsageResource): UsageRow[] {
  const activeIn = (from: Instant, to: Instant): Set<string> =>
    new Set(activities.filter(({ at }) => at >= from && at < to).map(({ profileId }) => profileId));
  return results.map(({ at }) => {
    const from = instant(at);
    const to = Math.min(nextStart(interval, from), instant(until) + 1);
    const lastDay = startOfDay(to - 1);
    const active = activeIn(from, to);
    return {
      at,
      active: active.size,
      new: [...profiles.values()].filter((made) => made >= from && made < to).length,
      returning: [...active].filter((id) => (profiles.get(id) ?? Infinity) < from).length,
      activities: activities.filter((activity) => activity.at >= from && activity.at < to).length,
      total: [...profiles.values()].filter((made) => made < to).length,
      active_7d: activeIn(lastDay - 6 * MICROS_PER_DAY, to).size,
      active_30d: activeIn(lastDay - 29 * MICROS_PER_DAY, to).size,
    };
  });
}

export function naiveRetention(
  { profiles, activities }: Rows,
  { results }: RetentionResource,
): RetentionResource['results'] {
  const week = 7 * MICROS_PER_DAY;
  return results.map((row) => {
    const from = instant(row.week);
    const cohort = [...profiles].filter(([, made]) => made >= from && made < from + week).map(([id]) => id);
    const active = row.active.map((_, after) => {
      const start = from + after * week;
      const seen = new Set(
        activities.filter(({ at }) => at >= start && at < start + week).map(({ profileId }) => profileId),
      );
      return cohort.filter((id) => seen.has(id)).length;
    });
    return { week: row.week, profiles: cohort.length, active };
  });
}

export function naiveDuplicates(
  { profiles, activities }: Rows,
  { results }: DuplicatesResource,
): DuplicatesResource['results'] {
  return results.map(({ at }) => {
    const from = instant(at);
    const made = [...profiles].filter(([, on]) => startOfDay(on) === from).map(([id]) => id);
    const cameBack = new Set(
      activities.filter((activity) => activity.at >= from + MICROS_PER_DAY).map(({ profileId }) => profileId),
    );
    return { at, new: made.length, single_day: made.filter((id) => !cameBack.has(id)).length, recovered: 0 };
  });
}
