// Who was seen, day by day: from sheets where a day is over and unmarked, else from the rows of that day. Sheets, marks and
// rows are read as they were at one moment, and in no other way: `atOneMoment` alone hands out what reads them.

import { onClient } from '../database/client.ts';
import type { Database, Queryable } from '../database/database.ts';
import { MICROS_PER_DAY, type Instant } from '../instant.ts';
import { CREATIONS, decodePart, PART_SIZE } from './sheet.ts';
import * as store from './sheet-store.ts';

export interface DaySeen {
  day: Instant;
  /** Ascending within each call; read at once, since the array is filled again. A day may come in several calls. */
  ordinals: Int32Array;
  /** Of the whole day, with its first call alone. */
  activities: number;
}

export interface Presence {
  /** What else belongs to this moment is read here. */
  reads: Queryable;
  /**
   * Hands over every day from `since` up to `until`, in order, empty ones too. Each stretch of days is a read of its own, so
   * that the event loop has its turn in between.
   */
  eachDay(factId: number, since: Instant, until: Instant, seen: (day: DaySeen) => void): Promise<void>;
}

/** One node has a snapshot. A cluster has none over its nodes, so there no sheet is made until the work is over. */
export function atOneMoment<T>(
  db: Database,
  applicationId: number,
  work: (presence: Presence) => Promise<T>,
): Promise<T> {
  const isDistributed = db.isDistributed === true;
  return db.withClient(
    async (client) => {
      const reads = onClient(client, isDistributed);
      await store.holdOffMaking(reads, applicationId);
      return work({
        reads,
        eachDay: (factId, since, until, seen) => readDays(reads, applicationId, factId, since, until, seen),
      });
    },
    isDistributed ? 'read committed' : 'repeatable read', // a snapshot would be older than the lock
  );
}

/** Parts of so many days are read by one statement. */
const DAYS_AT_ONCE = 31;

async function readDays(
  snapshot: Queryable,
  applicationId: number,
  factId: number,
  since: Instant,
  until: Instant,
  seen: (day: DaySeen) => void,
): Promise<void> {
  const marked = await store.listMarkedDays(snapshot, applicationId);
  const into = new Int32Array(PART_SIZE);
  const read = factId === CREATIONS ? store.readCreated : store.readActive;
  for (let from = since; from < until; from += DAYS_AT_ONCE * MICROS_PER_DAY) {
    const to = Math.min(from + DAYS_AT_ONCE * MICROS_PER_DAY, until);
    const made = new Map(
      (await store.listDays(snapshot, applicationId, from, to))
        .filter((row) => row.made_at !== null && !marked.has(row.day))
        .map((row) => [row.day, row]),
    );
    const parts = byDay(made.size > 0 ? await store.listParts(snapshot, applicationId, factId, from, to) : []);
    for (let day = from; day < to; day += MICROS_PER_DAY) {
      const sheet = day + MICROS_PER_DAY <= until ? made.get(day) : undefined; // of part of a day rows alone can tell
      if (sheet) {
        let activities = sheet.activities;
        const ofDay = parts.get(day) ?? [];
        if (ofDay.length === 0) seen({ day, ordinals: into.subarray(0, 0), activities });
        for (const part of ofDay) {
          seen({ day, ordinals: into.subarray(0, decodePart(part, into)), activities });
          activities = 0;
        }
      } else seen({ day, ...(await read(snapshot, applicationId, day, Math.min(day + MICROS_PER_DAY, until))) });
    }
  }
}

function byDay(rows: readonly store.SheetRow[]): Map<Instant, store.SheetRow[]> {
  const days = new Map<Instant, store.SheetRow[]>();
  for (const row of rows) {
    const known = days.get(row.day);
    if (known) known.push(row);
    else days.set(row.day, [row]);
  }
  return days;
}
