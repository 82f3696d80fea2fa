// Makes sheets of the days that are over, and makes them again where something changed them since. One process at a time
// does it, under a lease; two at once do no harm.
//
// A day first gets its row in sheet_days, and transactions that began before are waited for: from then on whatever
// changes the day marks it in its own transaction. Making a day then lists its marks, waits once more, reads the rows, and
// writes the sheet and deletes the marks that it listed in one transaction, unless another making was faster. So a change is
// either in the rows that were read or its mark is left; a marked day is read from rows.

import { listApplicationIds } from '../applications/application-store.ts';
import { createChores, type Chores } from '../chores.ts';
import type { Context } from '../context.ts';
import { onClient } from '../database/client.ts';
import type { Queryable } from '../database/database.ts';
import { drain } from '../database/drain.ts';
import { MICROS_PER_DAY, MICROS_PER_SECOND, startOfDay, type Instant } from '../instant.ts';
import { CREATIONS, encodeSheet, PRESENCE } from './sheet.ts';
import * as store from './sheet-store.ts';

export interface SheetChoresOptions {
  /** Tests hold a making up here, or end it as a process that dies would. */
  at?: (stage: 'added' | 'listed' | 'read') => void | Promise<void>;
}

const INTERVAL_MS = 15_000;
const FIRST_MS = 3_000;
const LEASE_SECONDS = 120;
/** How long a day must be over: the clocks of several servers may differ a little. */
const GRACE = 60 * MICROS_PER_SECOND;
/** Older days are read from rows. */
const MOST_DAYS = 1_100;
const APPLICATIONS_A_ROUND = 100;
/** Of a round that is not forced: then others have their turn. */
const DAYS_A_ROUND = 40;
const MARKS_AT_ONCE = 100_000;

export function createSheetChores(
  context: Pick<Context, 'db' | 'clock' | 'log'>,
  options: SheetChoresOptions = {},
): Chores {
  const { db, log } = context;
  let last = 0;
  return createChores(
    db,
    {
      name: 'sheets',
      leaseSeconds: LEASE_SECONDS,
      restMs: INTERVAL_MS,
      firstMs: FIRST_MS,
      onError: (error) => log.warn({ err: error }, 'making sheets failed; it is tried again'),
    },
    async ({ isForced, isStopping, hold }) => {
      if (isStopping() || (!isForced && !(await hold()))) return;
      let ids = await listApplicationIds(db, last, APPLICATIONS_A_ROUND);
      if (ids.length === 0 && last > 0) ids = await listApplicationIds(db, 0, APPLICATIONS_A_ROUND);
      last = isForced || ids.length < APPLICATIONS_A_ROUND ? 0 : (ids.at(-1) ?? 0);
      for (const id of ids) {
        if (isStopping()) return;
        await makeDue(context, id, isForced ? Infinity : DAYS_A_ROUND, isStopping, options);
      }
    },
  );
}

async function makeDue(
  context: Pick<Context, 'db' | 'clock'>,
  applicationId: number,
  most: number,
  isStopping: () => boolean,
  options: SheetChoresOptions,
): Promise<void> {
  const { db, clock } = context;
  const over = startOfDay(clock.now() - GRACE);
  const first = await store.findFirstInstant(db, applicationId);
  if (first === null) return;
  const since = Math.max(startOfDay(first), over - MOST_DAYS * MICROS_PER_DAY);
  if ((await store.addDays(db, applicationId, since, over)) > 0) {
    await options.at?.('added');
    await drain(db);
  }
  const marked = await store.listMarkedDays(db, applicationId);
  const due = (await store.listDays(db, applicationId, since, over))
    .filter((row) => row.made_at === null || marked.has(row.day))
    .reverse();
  for (const row of due.slice(0, most)) {
    if (isStopping()) return;
    await makeDay(context, applicationId, row, options);
  }
}

async function makeDay(
  { db, clock }: Pick<Context, 'db' | 'clock'>,
  applicationId: number,
  row: store.SheetDay,
  options: SheetChoresOptions,
): Promise<void> {
  const marks = await store.listMarks(db, applicationId, row.day, MARKS_AT_ONCE);
  await options.at?.('listed');
  if (marks.length > 0 || row.made_at === null) await drain(db);
  const [active, created] = await db.withClient((client) => {
    const reads = onClient(client);
    return readDay(reads, applicationId, row.day);
  });
  await options.at?.('read');
  await db.transaction(async (tx) => {
    await store.lockForMaking(tx, applicationId);
    if (!(await store.noteMade(tx, applicationId, row, active.activities, clock.now()))) return;
    await store.replaceSheets(tx, applicationId, row.day, [
      { factId: PRESENCE, parts: encodeSheet(active.ordinals) },
      { factId: CREATIONS, parts: encodeSheet(created.ordinals) },
    ]);
    await store.deleteMarks(tx, marks);
  });
}

async function readDay(reads: Queryable, applicationId: number, day: Instant): Promise<[store.Seen, store.Seen]> {
  const end = day + MICROS_PER_DAY;
  return [
    await store.readActive(reads, applicationId, day, end),
    await store.readCreated(reads, applicationId, day, end),
  ];
}
