// Counts over days as they are handed over: typed arrays by ordinal, some nanoseconds an entry. Days are numbers since 1970.

/** A typed array that grows to the ordinals that come. */
function column(): { get(ordinal: number): number; set(ordinal: number, value: number): void } {
  let values = new Int32Array(1 << 12).fill(NONE);
  return {
    get: (ordinal) => values[ordinal] ?? NONE,
    set(ordinal, value) {
      if (ordinal >= values.length) {
        const grown = new Int32Array(Math.max(ordinal + 1, values.length * 2)).fill(NONE);
        grown.set(values);
        values = grown;
      }
      values[ordinal] = value;
    },
  };
}

const NONE = -2_000_000_000;

export interface Bucket {
  /** First day. */
  from: number;
  /** The day after the last. */
  to: number;
}

export interface Counted {
  active: number;
  new: number;
  returning: number;
  activities: number;
  total: number;
  active_7d: number;
  active_30d: number;
}

/**
 * Days must come in order: creations of all days first, then presence from 29 days before the first bucket on.
 * A day may come in several pieces. The bucket that is not over ends with `lastDay`.
 */
export function createUsageCounter(
  buckets: readonly Bucket[],
  lastDay: number,
): {
  created(day: number, ordinals: Int32Array): void;
  active(day: number, ordinals: Int32Array, activities: number): void;
  results(): Counted[];
} {
  const rows = buckets.map((): Counted => ({
    active: 0,
    new: 0,
    returning: 0,
    activities: 0,
    total: 0,
    active_7d: 0,
    active_30d: 0,
  }));
  const createdOn = column();
  const lastSeen = column();
  const countedIn = column();
  const lastSeenOn = new Map<number, number>();
  const add = (day: number, by: number): void => void lastSeenOn.set(day, (lastSeenOn.get(day) ?? 0) + by);
  const within = (day: number, days: number): number => {
    let sum = 0;
    for (let back = 0; back < days; back++) sum += lastSeenOn.get(day - back) ?? 0;
    return sum;
  };
  /** The bucket that is being counted; those before it are done. */
  let current = 0;
  const finishBefore = (day: number): void => {
    for (let bucket = buckets[current]; bucket && bucket.to <= day; bucket = buckets[++current]) {
      const row = rows[current];
      if (!row) return;
      const end = Math.min(bucket.to - 1, lastDay);
      row.active_7d = within(end, 7);
      row.active_30d = within(end, 30);
    }
  };
  return {
    created(day, ordinals) {
      for (const ordinal of ordinals) createdOn.set(ordinal, day);
      for (const [n, bucket] of buckets.entries()) {
        const row = rows[n];
        if (!row || day >= bucket.to) continue;
        row.total += ordinals.length;
        if (day >= bucket.from) row.new += ordinals.length;
      }
    },
    active(day, ordinals, activities) {
      finishBefore(day);
      const bucket = buckets[current];
      const row = bucket && day >= bucket.from ? rows[current] : undefined;
      if (row) row.activities += activities;
      for (const ordinal of ordinals) {
        const before = lastSeen.get(ordinal);
        if (before !== day) {
          if (before !== NONE) add(before, -1);
          add(day, 1);
          lastSeen.set(ordinal, day);
        }
        if (!row || !bucket || countedIn.get(ordinal) === current) continue;
        countedIn.set(ordinal, current);
        row.active++;
        const made = createdOn.get(ordinal); // none: made only after `until`
        if (made !== NONE && made < bucket.from) row.returning++;
      }
    },
    results() {
      finishBefore(Infinity);
      return rows;
    },
  };
}

/** Weeks are numbers of days divided by seven, from a Monday on. */
export const weekOf = (day: number): number => Math.floor((day + 3) / 7); // 1970-01-01 was a Thursday
export const mondayOf = (week: number): number => week * 7 - 3;

/** Cohorts by week of creation, the first of which is `since`; how many of each were active in each week after. */
export function createRetentionCounter(
  since: number,
  weeks: number,
): {
  created(day: number, ordinals: Int32Array): void;
  active(day: number, ordinals: Int32Array): void;
  results(until: number): { week: number; profiles: number; active: number[] }[];
} {
  const cohortOf = column();
  const countedIn = column();
  const cohorts = new Map<number, { profiles: number; active: number[] }>();
  const cohort = (week: number): { profiles: number; active: number[] } => {
    let found = cohorts.get(week);
    if (!found) cohorts.set(week, (found = { profiles: 0, active: [] }));
    return found;
  };
  return {
    created(day, ordinals) {
      const week = weekOf(day);
      if (week < since) return;
      cohort(week).profiles += ordinals.length;
      for (const ordinal of ordinals) cohortOf.set(ordinal, week);
    },
    active(day, ordinals) {
      const week = weekOf(day);
      for (const ordinal of ordinals) {
        const made = cohortOf.get(ordinal);
        const after = week - made;
        if (made === NONE || after < 0 || after > weeks || countedIn.get(ordinal) === week) continue;
        countedIn.set(ordinal, week);
        const { active } = cohort(made);
        active[after] = (active[after] ?? 0) + 1;
      }
    },
    results(until) {
      const rows = [];
      for (let week = since; week <= until; week++) {
        const { profiles, active } = cohort(week);
        const known = Math.min(weeks, until - week) + 1;
        rows.push({ week, profiles, active: Array.from({ length: known }, (_, after) => active[after] ?? 0) });
      }
      return rows;
    },
  };
}

/** Of the profiles made on each day, how many were never active on a later one. */
export function createDuplicatesCounter(): {
  created(day: number, ordinals: Int32Array): void;
  active(day: number, ordinals: Int32Array): void;
  results(): Map<number, { new: number; single_day: number }>;
} {
  const createdOn = column();
  const days = new Map<number, { new: number; single_day: number }>();
  return {
    created(day, ordinals) {
      const row = days.get(day) ?? { new: 0, single_day: 0 };
      days.set(day, { new: row.new + ordinals.length, single_day: row.single_day + ordinals.length });
      for (const ordinal of ordinals) createdOn.set(ordinal, day);
    },
    active(day, ordinals) {
      for (const ordinal of ordinals) {
        const made = createdOn.get(ordinal);
        if (made === NONE || day <= made) continue;
        const row = days.get(made);
        if (row) row.single_day--;
        createdOn.set(ordinal, NONE); // counted once
      }
    },
    results: () => days,
  };
}
