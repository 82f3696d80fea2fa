// An owner's view of the limits: changed in one transaction with their audit row, and shown with how far they are used.

import { LIMIT_NAMES, type Application, type ApplicationLimits } from '../applications/application.ts';
import { findLimits, updateLimits } from '../applications/application-store.ts';
import { describeChange } from '../audit/entry.ts';
import type { Context } from '../context.ts';
import { formatInstant, startOfDay, type Instant } from '../instant.ts';
import { findFigures, keepFigures } from './figures.ts';
import { endOfDay, type ApplicationChange, type LimitsResource, type LimitState } from './limits.ts';
import * as store from './limit-store.ts';

/** Sets, changes and removes limits. They hold at once in this process, and within five seconds in others. */
export async function changeLimits(
  context: Context,
  application: Application,
  { limits: asked = {} }: ApplicationChange,
): Promise<LimitsResource> {
  const { db, clock } = context;
  const { id } = application;
  const set: ApplicationLimits = {};
  const removed: string[] = [];
  for (const name of LIMIT_NAMES) {
    const limit = asked[name];
    if (limit === null) removed.push(name);
    else if (limit !== undefined) set[name] = { value: limit.value, action: limit.action ?? 'warn' };
  }
  const now = clock.now();
  await db.transaction(async (tx) => {
    const before = await findLimits(tx, id);
    await updateLimits(tx, id, set, removed, formatInstant(now));
    if (set.max_profiles_per_day && !before.max_profiles_per_day) {
      const day = startOfDay(now);
      await store.setMade(tx, id, day, await store.countAnonymous(tx, id, day));
    }
    describeChange({
      object: { type: 'application', id: application.client_id, name: application.name },
      before: { limits: before },
      after: { limits: await findLimits(tx, id) },
    });
  });
  context.applications.forget(application.client_id);
  if (set.max_mau) await keepFigures(db, id, now);
  return getLimits(context, application);
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
