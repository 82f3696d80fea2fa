// What an owner changes of an application, in one transaction with one audit row; and its limits, with how far they are used.

import { LIMIT_NAMES, type Application, type ApplicationLimits } from '../applications/application.ts';
import { changeTimeZone } from '../applications/application-service.ts';
import { findLimits, lockForChange, updateLimits, updateSearch } from '../applications/application-store.ts';
import { describeChange, pickAs } from '../audit/entry.ts';
import type { Context } from '../context.ts';
import type { Queryable } from '../database/database.ts';
import { notFound } from '../errors.ts';
import { formatInstant, startOfDay, type Instant } from '../instant.ts';
import { findFigures, keepFigures } from './figures.ts';
import { endOfDay, type AskedLimits, type LimitsResource, type LimitState, type UpdatedApplication } from './limits.ts';
import * as store from './limit-store.ts';

export interface ApplicationChange {
  limits?: AskedLimits | undefined;
  time_zone?: string | undefined;
  fans_may_search?: boolean | undefined;
}

/**
 * Changes what is named, all of it or nothing, and leaves one audit row. Limits hold at once in this process, and within five
 * seconds in others.
 */
export async function changeApplication(
  context: Context,
  application: Application,
  change: ApplicationChange,
): Promise<UpdatedApplication> {
  const { db, clock } = context;
  const { id, client_id: clientId, name } = application;
  const { limits, time_zone: timeZone, fans_may_search: fansMaySearch } = change;
  const now = clock.now();
  const { time_zone, fans_may_search } = await db.transaction(async (tx) => {
    const before = await lockForChange(tx, id);
    if (!before) throw notFound();
    const after = { ...before };
    if (limits) after.limits = await changeLimits(tx, id, before.limits, limits, now);
    if (timeZone !== undefined && timeZone !== before.time_zone) {
      await changeTimeZone(context, tx, id, timeZone, now);
      after.time_zone = timeZone;
    }
    if (fansMaySearch !== undefined) {
      await updateSearch(tx, id, fansMaySearch, formatInstant(now));
      after.fans_may_search = fansMaySearch;
    }
    const asked = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    describeChange({
      object: { type: 'application', id: clientId, name },
      before: pickAs(asked, before),
      after: pickAs(asked, after),
    });
    return after;
  });
  context.applications.forget(clientId);
  if (limits?.max_mau) await keepFigures(db, id, now);
  return { ...(await getLimits(context, application)), time_zone, fans_may_search };
}

/** What they are then. */
async function changeLimits(
  tx: Queryable,
  id: number,
  before: ApplicationLimits,
  asked: AskedLimits,
  now: Instant,
): Promise<ApplicationLimits> {
  const set: ApplicationLimits = {};
  const removed: string[] = [];
  for (const name of LIMIT_NAMES) {
    const limit = asked[name];
    if (limit === null) removed.push(name);
    else if (limit !== undefined) set[name] = { value: limit.value, action: limit.action ?? 'warn' };
  }
  await updateLimits(tx, id, set, removed, formatInstant(now));
  if (set.max_profiles_per_day && !before.max_profiles_per_day) {
    const day = startOfDay(now);
    await store.setMade(tx, id, day, await store.countAnonymous(tx, id, day));
  }
  return findLimits(tx, id);
}

export async function getLimits({ db, clock }: Context, { id }: Application): Promise<LimitsResource> {
  const now = clock.now();
  const limits = await findLimits(db, id);
  const figures = limits.max_mau && ((await findFigures(db, id)) ?? (await keepFigures(db, id, now)));
  const today = await store.findCreationDay(db, id, startOfDay(now));
  const stateOf = (name: keyof ApplicationLimits, used: number): LimitState | null => {
    const limit = limits[name];
    if (!limit) return null;
    const isReached = used >= limit.value;
    return {
      value: limit.value,
      action: limit.action,
      used,
      is_reached: isReached,
      ends_at: isReached ? formatInstant(endOfDay(now)) : null,
      refused_today: today.refused,
    };
  };
  return {
    at: formatInstant(oldest(now, figures?.at)),
    max_mau: stateOf('max_mau', figures?.active_30d ?? 0),
    max_profiles_per_day: stateOf('max_profiles_per_day', today.made),
  };
}

const oldest = (now: Instant, other: Instant | undefined): Instant => Math.min(now, other ?? now);
