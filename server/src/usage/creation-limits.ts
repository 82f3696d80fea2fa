// Holds an application's limits where what fans do makes a profile: without a credential, by the first use of a token that the
// application signed, or by what a source sends. What admins and producers make or bring in is meant, and neither counted nor
// refused. `max_profiles_per_day` is exact: each creation takes its number from one row before it is made, and gives it back
// where it was not. `max_mau` goes by a figure that is counted every minute.

import type { Application, ApplicationLimit, LimitName } from '../applications/application.ts';
import type { Context } from '../context.ts';
import { sql, type Queryable } from '../database/database.ts';
import type { ApiError } from '../errors.ts';
import { startOfDay, type Instant } from '../instant.ts';
import { findFigures } from './figures.ts';
import { limitReached } from './limits.ts';
import * as store from './limit-store.ts';

export interface CreationLimits {
  /** Makes a profile, or whatever else `create` does instead, unless a limit refuses it: 429. Undefined: none was made. */
  within<T>(application: Application, create: () => Promise<T>): Promise<T>;
  /**
   * Of so many that a transaction is about to make: how many it may, and why not the others. Changes of the day's count are its
   * own, so nothing is to be given back where it fails.
   */
  admit(tx: Queryable, application: Application, wanted: number): Promise<{ admitted: number; reason?: string }>;
  /** Writes down how many were refused since it was last done. */
  flush(): Promise<void>;
}

const mostOf = ({ action, value }: ApplicationLimit): number | null => (action === 'refuse' ? value : null);

/** For so long a day that was found full is not asked again: refusing costs nothing then. */
const REMEMBERED_MS = 1_000;

export function createCreationLimits(
  { db, clock }: Pick<Context, 'db' | 'clock'>,
  onRefused: (limit: LimitName, count: number) => void = () => {},
): CreationLimits {
  const reached = new Map<string, number>();
  let givenBack = 0;
  let refused = new Map<string, { applicationId: number; day: Instant; count: number }>();

  /** Counts them, and says why. */
  const refusal = (application: Application, name: LimitName, now: Instant, count = 1): ApiError => {
    const { id, limits } = application;
    const day = startOfDay(now);
    const key = `${id} ${day}`;
    const counted = refused.get(key) ?? { applicationId: id, day, count: 0 };
    counted.count += count;
    refused.set(key, counted);
    onRefused(name, count);
    return limitReached(name, limits[name] ?? { value: 0, action: 'refuse' }, now);
  };

  const isKnownReached = (key: string): boolean => (reached.get(key) ?? -Infinity) > performance.now();
  const remember = (key: string): void => {
    if (reached.size > 10_000) reached.clear();
    reached.set(key, performance.now() + REMEMBERED_MS);
  };
  const isMauReached = async ({ id, limits: { max_mau: mau } }: Application): Promise<boolean> => {
    if (mau?.action !== 'refuse') return false;
    return ((await findFigures({ query: db.quick }, id))?.active_30d ?? 0) >= mau.value;
  };

  const take = (id: number, day: Instant, most: number | null): Promise<boolean> =>
    // By itself and not waited for on disk: what is committed later is flushed together with it.
    db.apart(() =>
      db.transaction(async (tx) => {
        tx.query(sql`set local synchronous_commit = off`).catch(() => {}); // the next statement says what is wrong
        return store.takeCreation(tx, id, day, most);
      }),
    );

  return {
    async within(application, create) {
      const { id, limits } = application;
      const { max_mau: mau, max_profiles_per_day: perDay } = limits;
      if (!mau && !perDay) return create();
      const now = clock.now();
      const day = startOfDay(now);
      if (await isMauReached(application)) throw refusal(application, 'max_mau', now);
      if (!perDay) return create();
      const most = mostOf(perDay);
      const key = `${id} ${day} ${perDay.value}`;
      if (isKnownReached(key)) throw refusal(application, 'max_profiles_per_day', now);
      const before = givenBack;
      if (!(await take(id, day, most))) {
        // What was given back while the answer was on its way may be taken.
        if (givenBack === before) remember(key);
        throw refusal(application, 'max_profiles_per_day', now);
      }
      let isMade = false;
      try {
        const made = await create();
        isMade = made !== undefined;
        return made;
      } finally {
        if (!isMade) {
          await db.apart(() => store.giveCreationBack(db, id, day)).catch(() => {}); // then one fewer is made today
          givenBack++;
          reached.delete(key);
        }
      }
    },
    async admit(tx, application, wanted) {
      const { id, limits } = application;
      const perDay = limits.max_profiles_per_day;
      const now = clock.now();
      const day = startOfDay(now);
      if (await isMauReached(application))
        return { admitted: 0, reason: refusal(application, 'max_mau', now, wanted).detail };
      if (!perDay) return { admitted: wanted };
      const key = `${id} ${day} ${perDay.value}`;
      const admitted = isKnownReached(key) ? 0 : await store.takeCreations(tx, id, day, wanted, mostOf(perDay));
      if (admitted === wanted) return { admitted };
      if (admitted === 0 && !isKnownReached(key)) remember(key);
      const { detail } = refusal(application, 'max_profiles_per_day', now, wanted - admitted);
      return { admitted, reason: detail };
    },
    async flush() {
      const counted = [...refused.values()];
      refused = new Map();
      for (const { applicationId, day, count } of counted) await store.addRefused(db, applicationId, day, count);
    },
  };
}
