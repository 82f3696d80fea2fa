// Keeps the counts that the overview shows. One process at a time does it, under a lease. What a day holds is counted whole,
// never added up, so that repeats, late arrivals and a process that dies in the middle leave no trace: a day is
// counted again when something of it was received, and once a day in any case, since what was erased leaves no trace.
// The counts read an index, on a connection that writers need not wait for, and rest much longer than they take.

import { findTailHorizon } from '../activities/activity-store.ts';
import { listApplicationIds } from '../applications/application-store.ts';
import { createChores, type Chores } from '../chores.ts';
import type { Context } from '../context.ts';
import { formatInstant, MICROS_PER_DAY, type Instant } from '../instant.ts';
import { DAYS, MINUTES } from './statistics.ts';
import { MINUTE, startOf } from './statistics-service.ts';
import * as store from './statistics-store.ts';

const INTERVAL_MS = 5_000;
const FIRST_MS = 1_000;
/** Two that count at once do no harm. */
const LEASE_SECONDS = 60;
/** A day rests at least so long between counts, and many times as long as the count took. */
const REST_MS = 10_000;
const REST_FACTOR = 50;
const ROUND_MS = 2_000;
const APPLICATIONS_A_ROUND = 100;
/** Who received more than this since the round before has probably loaded history: every day is counted again. */
const MAX_LOOKED_AT = 100_000;

/** What is known of an application, from one round to the next. */
interface Watch {
  /** Everything received before it was looked at. */
  receivedUntil: Instant | undefined;
  newestProfile: Instant | null;
  /** The day on which all days were last due. */
  allDueOn: Instant;
  due: Set<Instant>;
  /** By day: not before this, by performance.now(). */
  restsUntil: Map<Instant, number>;
}

/** A round that is asked for counts everything that is due, however recently it was counted. */
export function createStatisticsChores(context: Pick<Context, 'db' | 'clock' | 'log'>): Chores {
  const { db, log } = context;
  const watches = new Map<number, Watch>();
  let last = 0;
  return createChores(
    db,
    {
      name: 'statistics',
      leaseSeconds: LEASE_SECONDS,
      restMs: INTERVAL_MS,
      firstMs: FIRST_MS,
      onError: (error) => log.warn({ err: error }, 'counting for the overview failed; it is tried again'),
    },
    async ({ isForced, isStopping, hold }) => {
      if (isStopping() || !(await hold())) {
        watches.clear(); // its holder counts; what was known here grows old
        return;
      }
      let ids = await listApplicationIds(db, last, APPLICATIONS_A_ROUND);
      if (ids.length === 0 && last > 0) ids = await listApplicationIds(db, 0, APPLICATIONS_A_ROUND);
      last = ids.length < APPLICATIONS_A_ROUND ? 0 : (ids.at(-1) ?? 0);
      const shared = { ...context, watches, endsAt: performance.now() + ROUND_MS };
      for (const id of ids) if (!isStopping()) await look(shared, id, isForced, isStopping);
    },
  );
}

interface Round extends Pick<Context, 'db' | 'clock'> {
  watches: Map<number, Watch>;
  /** By performance.now(): what is due then waits for the next round. */
  endsAt: number;
}

async function look(round: Round, id: number, isForced: boolean, isStopping: () => boolean): Promise<void> {
  const { db, clock, watches } = round;
  const today = startOf(MICROS_PER_DAY, clock.now());
  const first = today - (DAYS - 1) * MICROS_PER_DAY;
  const watch = watches.get(id) ?? newWatch();
  watches.set(id, watch);
  await findDue(round, id, watch, today);
  await keepMinutes(round, id);
  // The newest first: that is where people look.
  for (const day of [...watch.due].sort((a, b) => b - a)) {
    const started = performance.now();
    if (isStopping() || (!isForced && started > round.endsAt)) return;
    if (day < first || day > today) watch.due.delete(day);
    else if (isForced || started >= (watch.restsUntil.get(day) ?? 0)) {
      const countedAt = formatInstant(clock.now());
      const counts = await store.countRange(db.reads, id, formatInstant(day), formatInstant(day + MICROS_PER_DAY));
      await store.upsertDay(db, id, formatInstant(day), counts, countedAt);
      watch.due.delete(day);
      const ended = performance.now();
      watch.restsUntil.set(day, ended + Math.max(REST_MS, (ended - started) * REST_FACTOR));
    }
  }
}

const newWatch = (): Watch => ({
  receivedUntil: undefined,
  newestProfile: null,
  allDueOn: 0,
  due: new Set(),
  restsUntil: new Map(),
});

/** Adds the days that are not what they were when they were counted. */
async function findDue({ db }: Round, id: number, watch: Watch, today: Instant): Promise<void> {
  const horizon = await findTailHorizon(db);
  const newest = await store.findNewestCreation(db.reads, id);
  const touched =
    watch.receivedUntil === undefined
      ? undefined
      : await store.findDaysTouched(
          db.reads,
          id,
          formatInstant(watch.receivedUntil),
          formatInstant(horizon),
          MAX_LOOKED_AT,
        );
  if (touched === undefined || watch.allDueOn !== today) {
    for (let back = 0; back < DAYS; back++) watch.due.add(today - back * MICROS_PER_DAY);
    watch.allDueOn = today;
    watch.restsUntil.clear();
  }
  for (const day of touched ?? []) watch.due.add(day);
  if (newest !== watch.newestProfile) {
    watch.due.add(today);
    if (watch.newestProfile !== null) watch.due.add(startOf(MICROS_PER_DAY, watch.newestProfile));
  }
  watch.receivedUntil = horizon;
  watch.newestProfile = newest;
}

/** Stores the minutes that are over, and forgets what is no longer asked for. */
async function keepMinutes({ db, clock }: Round, id: number): Promise<void> {
  const over = startOf(MINUTE, await findTailHorizon(db));
  const first = over - MINUTES * MINUTE;
  const newest = (await store.listMinutes(db, id, formatInstant(first))).at(-1);
  const since = newest ? newest.minute + MINUTE : first;
  if (since >= over) return;
  for (const { minute, activities } of await store.countMinutes(
    db.reads,
    id,
    formatInstant(since),
    formatInstant(over),
  ))
    await store.upsertMinute(db, id, formatInstant(minute), activities);
  const oldestDay = startOf(MICROS_PER_DAY, clock.now()) - DAYS * MICROS_PER_DAY;
  await store.deleteCountsBefore(db, id, formatInstant(oldestDay), formatInstant(first - MINUTE));
}
