// Usage is set algebra over who was seen each day (sheets/presence.ts): one pass over the days, as of one moment.

import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import type { Query } from '../database/page.ts';
import { throwFound, ValidationError, type FieldErrors } from '../errors.ts';
import { readInstant } from '../http/range.ts';
import { formatInstant, MICROS_PER_DAY, startOfDay, type Instant } from '../instant.ts';
import { atOneMoment, type DaySeen } from '../sheets/presence.ts';
import { CREATIONS, PRESENCE } from '../sheets/sheet.ts';
import { findFirstInstant } from '../sheets/sheet-store.ts';
import {
  createDuplicatesCounter,
  createRetentionCounter,
  createUsageCounter,
  mondayOf,
  weekOf,
  type Bucket,
} from './count.ts';
import { BURST, COHORT_WEEKS, DEFAULT_ROWS, MAX_DAYS, MAX_ROWS } from './usage.ts';
import type { DuplicatesResource, RetentionResource, UsageInterval, UsageResource } from './usage.ts';
import * as store from './usage-store.ts';

/** The rolling figures of the first row look back so far. */
const ROLLING_DAYS = 29;
const BURSTS = 50;
const DUPLICATE_DAYS = 30;

const dayOf = (instant: Instant): number => Math.floor(instant / MICROS_PER_DAY);
const instantOf = (day: number): Instant => day * MICROS_PER_DAY;

export interface UsageRange {
  interval: UsageInterval;
  buckets: Bucket[];
  until: Instant;
}

const INTERVALS: readonly UsageInterval[] = ['day', 'week', 'month'];

/** Whole intervals, UTC: `since` is taken back to the start of its own. Nothing is given of the future. */
export function readUsageRange(query: Query, now: Instant): UsageRange {
  const errors: FieldErrors = {};
  const interval = INTERVALS.find((one) => one === (query['interval'] ?? 'day'));
  if (!interval) throw new ValidationError({ interval: [`This must be one of: ${INTERVALS.join(', ')}.`] });
  const sent = readInstant(query, 'since', errors);
  const until = Math.min(readInstant(query, 'until', errors) ?? Infinity, now + 1); // what is of this very instant counts
  throwFound(errors);
  const last = Math.max(dayOf(until - 1), 0);
  const since = sent === undefined ? back(interval, last, DEFAULT_ROWS[interval] - 1) : startIn(interval, dayOf(sent));
  if (instantOf(since) >= until) throw new ValidationError({ until: ['This must be after since.'] });
  if (last - since > MAX_DAYS) throw new ValidationError({ since: [`Usage is given of at most ${MAX_DAYS} days.`] });
  const buckets: Bucket[] = [];
  for (let from = since; from <= last;) {
    const to = nextIn(interval, from);
    buckets.push({ from, to });
    from = to;
  }
  if (buckets.length > MAX_ROWS) throw new ValidationError({ since: [`At most ${MAX_ROWS} rows are given at once.`] });
  return { interval, buckets, until };
}

function startIn(interval: UsageInterval, day: number): number {
  if (interval === 'day') return day;
  if (interval === 'week') return mondayOf(weekOf(day));
  const date = new Date(day * 86_400_000);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1) / 86_400_000;
}

function nextIn(interval: UsageInterval, start: number): number {
  if (interval === 'day') return start + 1;
  if (interval === 'week') return start + 7;
  const date = new Date(start * 86_400_000);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) / 86_400_000;
}

function back(interval: UsageInterval, day: number, steps: number): number {
  let start = startIn(interval, day);
  for (let step = 0; step < steps; step++) start = startIn(interval, start - 1);
  return start;
}

type Seen = (day: number, ordinals: Int32Array, activities: number) => void;
const each = (seen: Seen) => (row: DaySeen) => seen(dayOf(row.day), row.ordinals, row.activities);

export async function getUsage(context: Context, application: Application, range: UsageRange): Promise<UsageResource> {
  const { interval, buckets, until } = range;
  const first = buckets[0]?.from ?? 0;
  const counter = createUsageCounter(buckets, dayOf(until - 1));
  await atOneMoment(context.db, application.id, async ({ reads, eachDay }) => {
    const begin = await findFirstInstant(reads, application.id);
    if (begin === null) return;
    await eachDay(CREATIONS, startOfDay(begin), until, each(counter.created));
    const since = Math.max(instantOf(first - ROLLING_DAYS), startOfDay(begin));
    await eachDay(PRESENCE, since, until, each(counter.active));
  });
  const rows = counter.results();
  return {
    interval,
    since: formatInstant(instantOf(first)),
    until: formatInstant(Math.min(until, context.clock.now())),
    results: buckets.flatMap((bucket, n) => {
      const row = rows[n];
      return row ? [{ at: formatInstant(instantOf(bucket.from)), ...row }] : [];
    }),
  };
}

export async function getRetention(context: Context, application: Application): Promise<RetentionResource> {
  const now = context.clock.now();
  const thisWeek = weekOf(dayOf(now));
  const since = thisWeek - COHORT_WEEKS;
  const counter = createRetentionCounter(since, COHORT_WEEKS);
  await atOneMoment(context.db, application.id, async ({ eachDay }) => {
    const from = instantOf(mondayOf(since));
    await eachDay(CREATIONS, from, now + 1, each(counter.created));
    await eachDay(PRESENCE, from, now + 1, each(counter.active));
  });
  return {
    until: formatInstant(now),
    results: counter.results(thisWeek).map(({ week, profiles, active }) => ({
      week: formatInstant(instantOf(mondayOf(week))),
      profiles,
      active,
    })),
  };
}

export async function getDuplicates(context: Context, application: Application): Promise<DuplicatesResource> {
  const now = context.clock.now();
  const first = dayOf(now) - DUPLICATE_DAYS + 1;
  const counter = createDuplicatesCounter();
  const { bursts, recovered } = await atOneMoment(context.db, application.id, async ({ reads, eachDay }) => {
    await eachDay(CREATIONS, instantOf(first), now + 1, each(counter.created));
    await eachDay(PRESENCE, instantOf(first), now + 1, each(counter.active));
    return {
      bursts: await store.listBursts(reads, application.id, instantOf(first), BURST, BURSTS),
      recovered: await store.listRecovered(reads, application.id, instantOf(first)),
    };
  });
  const days = counter.results();
  return {
    until: formatInstant(now),
    results: Array.from({ length: DUPLICATE_DAYS }, (_, n) => {
      const row = days.get(first + n) ?? { new: 0, single_day: 0 };
      const at = instantOf(first + n);
      return { at: formatInstant(at), ...row, recovered: recovered.get(at) ?? 0 };
    }),
    bursts: bursts.map(({ at, network, ...row }) => ({
      at: formatInstant(at),
      network: network.toString('hex'),
      ...row,
    })),
  };
}
