// What happened to a group's members: the numbered changes, and the size over time that they add up to.

import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import { ValidationError, notFound, type FieldErrors } from '../errors.ts';
import { MICROS_PER_DAY, MICROS_PER_SECOND, formatInstant, parseInstant, type Instant } from '../instant.ts';
import * as store from './change-store.ts';
import { getGroup } from './group-service.ts';
import { findHead } from './head.ts';

export interface ChangesPage {
  /** All changes after the one asked for. */
  count: number;
  changes: store.Change[];
  hasMore: boolean;
}

export async function listChanges(
  context: Context,
  application: Application,
  text: string,
  after: number,
  size: number,
): Promise<ChangesPage> {
  return context.db.transaction(
    async (tx) => {
      const group = await getGroup(tx, application.id, text);
      const head = await findHead(tx, group.id);
      if (!head) throw notFound();
      const newest = head.base_sequence + head.last_number;
      const changes = after >= newest ? [] : await store.listChanges(tx, group.id, head.epoch, after, size);
      return { count: Math.max(0, newest - after), changes, hasMore: after + changes.length < newest };
    },
    { isolation: 'repeatable read' },
  );
}

export type Interval = 'hour' | 'day';
const STEP: Record<Interval, number> = { hour: 3600 * MICROS_PER_SECOND, day: MICROS_PER_DAY };
const DEFAULT_STEPS: Record<Interval, number> = { hour: 24, day: 30 };
const MAX_STEPS = 10_000;

export interface SizeRange {
  interval: Interval;
  since: Instant;
  until: Instant;
}

type Query = Record<string, string | string[] | undefined>;

/** Whole steps, UTC: `since` is taken back to the start of its step. */
export function readSizeRange(query: Query, now: Instant): SizeRange {
  const errors: FieldErrors = {};
  const interval = query['interval'] ?? 'hour';
  if (interval !== 'hour' && interval !== 'day')
    throw new ValidationError({ interval: ['This must be one of: hour, day.'] });
  const read = (name: string): Instant | undefined => {
    const value = query[name];
    if (value === undefined) return undefined;
    const instant = typeof value === 'string' ? parseInstant(value) : undefined;
    if (instant === undefined) errors[name] = ['This must be an ISO 8601 date and time, such as 2025-04-28T12:16:49Z.'];
    return instant;
  };
  const step = STEP[interval];
  const [sent, until = now] = [read('since'), read('until')];
  const since = Math.floor((sent ?? until - (DEFAULT_STEPS[interval] - 1) * step) / step) * step;
  if (until <= since) errors['until'] = ['This must be after since.'];
  else if ((until - since) / step > MAX_STEPS) errors['since'] = [`At most ${MAX_STEPS} steps are given at once.`];
  if (Object.keys(errors).length > 0) throw new ValidationError(errors);
  return { interval, since, until };
}

export interface SizeAt extends store.SizeStep {
  /** At the end of the step. */
  size: number;
}

/** One row a step, without gaps, up to the step that holds the last instant before `until` and has begun by now. */
export async function listSizes(
  context: Context,
  application: Application,
  text: string,
  range: SizeRange,
): Promise<SizeAt[]> {
  const { interval, since, until } = range;
  const step = STEP[interval];
  const end = Math.min(until, context.clock.now() + 1);
  return context.db.transaction(
    async (tx) => {
      const group = await getGroup(tx, application.id, text);
      const limit = Math.ceil(end / step) * step;
      if (limit <= since) return [];
      let size = await store.findSize(tx, group.id, formatInstant(since));
      const steps = new Map(
        (await store.listSizeSteps(tx, group.id, interval, formatInstant(since), formatInstant(limit))).map((row) => [
          row.at,
          row,
        ]),
      );
      const sizes: SizeAt[] = [];
      for (let at = since; at < limit; at += step) {
        const { entered, left } = steps.get(at) ?? { entered: 0, left: 0 };
        size += entered - left;
        sizes.push({ at, size, entered, left });
      }
      return sizes;
    },
    { isolation: 'repeatable read' },
  );
}
