// Keeps the figures of this moment (figures.ts): of applications with a `max_mau` every minute, of the others for the metrics,
// and never for more than a small part of the time. One process at a time does it, under a lease; two at once do no harm.

import { createChores, type Chores } from '../chores.ts';
import type { Context } from '../context.ts';
import { sql, type Queryable } from '../database/database.ts';
import { keepFigures } from './figures.ts';
import type { CreationLimits } from './creation-limits.ts';

const INTERVAL_MS = 10_000;
const FIRST_MS = 5_000;
const LEASE_SECONDS = 60;
const LIMITED_REST_MS = 60_000;
const REST_MS = 600_000;
/** A count rests so many times as long as it took. */
const REST_FACTOR = 20;
/** How many applications are read at once. */
const PAGE = 1_000;

/** From the beginning of a count to the next one of the same application. One that gets a limit meanwhile is counted sooner. */
export const restAfter = (tookMs: number, isLimited: boolean): number =>
  Math.max(isLimited ? LIMITED_REST_MS : REST_MS, tookMs * REST_FACTOR);

/** A round that is asked for counts every application. */
export function createUsageChores(
  { db, clock, log }: Pick<Context, 'db' | 'clock' | 'log'>,
  limits: Pick<CreationLimits, 'flush'>,
): Chores {
  /** When each was counted last, by performance.now(), and how long that took. */
  const counted = new Map<number, { at: number; tookMs: number }>();
  const chores = createChores(
    db,
    {
      name: 'usage figures',
      leaseSeconds: LEASE_SECONDS,
      restMs: INTERVAL_MS,
      firstMs: FIRST_MS,
      onError: (error) => log.warn({ err: error }, 'counting usage failed; it is tried again'),
    },
    async ({ isForced, isStopping, hold }) => {
      await limits.flush();
      if (isStopping() || (!isForced && !(await hold()))) return;
      for await (const { id, isLimited } of listApplications(db)) {
        if (isStopping()) return;
        const at = performance.now();
        const last = counted.get(id);
        if (!isForced && last && at < last.at + restAfter(last.tookMs, isLimited)) continue;
        await keepFigures(db, id, clock.now());
        counted.set(id, { at, tookMs: performance.now() - at });
      }
    },
  );
  return {
    ...chores,
    async stop() {
      await chores.stop();
      await limits.flush().catch(() => {}); // how many were refused is a figure, no promise
    },
  };
}

/** Exported for its test. */
export async function* listApplications(
  db: Queryable,
  page = PAGE,
): AsyncGenerator<{ id: number; isLimited: boolean }, void> {
  for (let after = 0; ;) {
    const { rows } = await db.query<{ id: number; isLimited: boolean }>(sql`
      select id, coalesce(limits ? 'max_mau', false) as "isLimited" from applications where id > ${after} order by id limit ${page}`);
    yield* rows;
    const last = rows.at(-1);
    if (rows.length < page || !last) return;
    after = last.id;
  }
}
