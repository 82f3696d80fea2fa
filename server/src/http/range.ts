// A range of time in whole hours or days, as the calls that count over time take it.

import { Type } from 'typebox';
import type { Query } from '../database/page.ts';
import { ValidationError, type FieldErrors } from '../errors.ts';
import { MICROS_PER_DAY, MICROS_PER_SECOND, parseInstant, type Instant } from '../instant.ts';

export const SteppedRangeQuery = {
  interval: Type.Optional(Type.String({ description: '`hour` (default) or `day`, UTC.' })),
  since: Type.Optional(Type.String({ description: 'Default: 24 hours or 30 days back.' })),
  until: Type.Optional(Type.String({ description: 'Default: now.' })),
};

/** What their answers begin with. */
export const SteppedRangeFields = {
  interval: Type.Unsafe<'hour' | 'day'>({ type: 'string', enum: ['hour', 'day'] }),
  since: Type.String(),
  until: Type.String(),
};

export type Interval = 'hour' | 'day';
export const STEP: Record<Interval, number> = { hour: 3600 * MICROS_PER_SECOND, day: MICROS_PER_DAY };
const DEFAULT_STEPS: Record<Interval, number> = { hour: 24, day: 30 };
const MAX_STEPS = 10_000;

export interface SteppedRange {
  interval: Interval;
  since: Instant;
  until: Instant;
}

/** An instant of a query; what is none is noted under its name. */
export function readInstant(query: Query, name: string, errors: FieldErrors): Instant | undefined {
  const value = query[name];
  if (value === undefined) return undefined;
  const instant = typeof value === 'string' ? parseInstant(value) : undefined;
  if (instant === undefined) errors[name] = ['This must be an ISO 8601 date and time, such as 2025-04-28T12:16:49Z.'];
  return instant;
}

/** Whole steps, UTC: `since` is taken back to the start of its step. */
export function readSteppedRange(query: Query, now: Instant): SteppedRange {
  const errors: FieldErrors = {};
  const sentInterval = query['interval'] ?? 'hour';
  const interval = sentInterval === 'day' ? 'day' : 'hour';
  if (sentInterval !== interval) errors['interval'] = ['This must be one of: hour, day.'];
  const step = STEP[interval];
  const [sent, until = now] = [readInstant(query, 'since', errors), readInstant(query, 'until', errors)];
  const since = Math.floor((sent ?? until - (DEFAULT_STEPS[interval] - 1) * step) / step) * step;
  if (errors['interval'] !== undefined) throw new ValidationError(errors);
  if (until <= since) errors['until'] = ['This must be after since.'];
  else if ((until - since) / step > MAX_STEPS) errors['since'] = [`At most ${MAX_STEPS} steps are given at once.`];
  if (Object.keys(errors).length > 0) throw new ValidationError(errors);
  return { interval, since, until };
}
