// Holds an application's limits where a fan's app makes a profile: without a credential, or by the first use of a token that
// the application signed. What admins, producers and sources make is meant, and neither counted nor refused.
// `max_profiles_per_day` is exact: each creation takes its number from one row before it is made, and gives it back where it
// was not. `max_mau` goes by a figure that is counted every minute.

import type { Application, LimitName } from '../applications/application.ts';
import type { Context } from '../context.ts';
import { sql } from '../database/database.ts';
import { startOfDay, type Instant } from '../instant.ts';
import { findFigures } from './figures.ts';
import { limitReached } from './limits.ts';
import * as store from './limit-store.ts';

export interface CreationLimits {
  /** Makes a profile, or whatever else `create` does instead, unless a limit refuses it: 429. Undefined: none was made. */
  within<T>(application: Application, create: () => Promise<T>): Promise<T>;
  /** Writes down how many were refused since it was last done. */
  flush(): Promise<void>;
}

/** For so long a day that was found full is not asked again: refusing costs nothing then. */
const REMEMBERED_MS = 1_000;

export function createCreationLimits(
  { db, clock }: Pick<Context, 'db' | 'clock'>,
  onRefused: (limit: LimitName) => void = () => {},
): CreationLimits {
  const reached = new Map<string, number>();
  let refused = new Map<string, { applicationId: number; day: Instant; count: number }>();

  const refuse = (application: Application, name: LimitName, now: Instant): never => {
    const { id, limits } = application;
    const day = startOfDay(now);
    const key = `${id} ${day}`;
    const counted = refused.get(key) ?? { applicationId: id, day, count: 0 };
    counted.count++;
    refused.set(key, counted);
    onRefused(name);
    throw limitReached(name, limits[name] ?? { value: 0, action: 'refuse' }, now);
  };

  const isReached = async (key: string, ask: () => Promise<boolean>): Promise<boolean> => {
    if ((reached.get(key) ?? -Infinity) > performance.now()) return true;
    if (!(await ask())) return false;
    if (reached.size > 10_000) reached.clear();
    reached.set(key, performance.now() + REMEMBERED_MS);
    return true;
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
      if (mau?.action === 'refuse') {
        const figures = await findFigures({ query: db.quick }, id);
        if ((figures?.active_30d ?? 0) >= mau.value) refuse(application, 'max_mau', now);
      }
      if (!perDay) return create();
      const most = perDay.action === 'refuse' ? perDay.value : null;
      const key = `${id} ${day} ${perDay.value}`;
      if (await isReached(key, async () => !(await take(id, day, most))))
        refuse(application, 'max_profiles_per_day', now);
      let isMade = false;
      try {
        const made = await create();
        isMade = made !== undefined;
        return made;
      } finally {
        if (!isMade) {
          await db.apart(() => store.giveCreationBack(db, id, day)).catch(() => {}); // then one fewer is made today
          reached.delete(key);
        }
      }
    },
    async flush() {
      const counted = [...refused.values()];
      refused = new Map();
      for (const { applicationId, day, count } of counted) await store.addRefused(db, applicationId, day, count);
    },
  };
}
