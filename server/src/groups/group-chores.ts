// What goes on after an answer was given, and is finished by whoever comes next when a process dies in the middle: rows of
// deleted groups, rows that nobody sees since a switch, and replacements of members whose process is gone. Every chore is
// harmless when two processes do it at once.

import type { Context } from '../context.ts';
import { raw, sql, type Queryable } from '../database/database.ts';
import { isLocked } from './import-lock.ts';
import { giveWay } from '../queue/pace.ts';
import { abandonImport, cleanSwitch, SwitchLost } from '../membership/switch.ts';

export interface GroupChores {
  /** There is something to do: begins soon, in the background. */
  wake(): void;
  /** Does everything that is due now. */
  run(): Promise<void>;
  /** Waits for the slice that is running; no other one begins. */
  stop(): Promise<void>;
}

const SLICE = 5_000;
const INTERVAL_MS = 15_000;

/** Every process does them at its start, when it is woken, and now and then; `intervalMs` 0: only when told to. */
export function groupChores(
  context: Pick<Context, 'db' | 'clock' | 'log' | 'dynamicGroups'>,
  intervalMs = INTERVAL_MS,
): GroupChores {
  let stopped = false;
  let running: Promise<void> | undefined;
  let again = false;

  const round = async (): Promise<void> => {
    do {
      again = false;
      await finishDeletions(context, () => stopped);
      await finishSwitches(context, () => stopped);
    } while (again && !stopped);
  };
  const run = (): Promise<void> => {
    if (stopped) return Promise.resolve();
    if (running) again = true;
    running ??= round().finally(() => (running = undefined));
    return running;
  };
  const wake = (): void => {
    run().catch((error: unknown) => {
      if (!stopped) context.log.warn({ err: error }, 'chores of groups failed; they are tried again');
    });
  };
  const timer = intervalMs > 0 ? setInterval(wake, intervalMs).unref() : undefined;
  return {
    wake,
    run,
    async stop() {
      stopped = true;
      clearInterval(timer);
      await running?.catch(() => {});
    },
  };
}

/** What a deleted group leaves behind, by table: the rest of the key beside group_id. */
const OF_A_GROUP: [table: string, key: string[]][] = [
  ['members', ['profile_id']],
  ['pins', ['profile_id']],
  ['fill_touched', ['profile_id', 'seq']],
  ['changes', ['epoch', 'number']],
  ['group_sizes', ['hour']],
  ['group_epochs', ['epoch']],
  ['verifications', ['id']],
];

async function finishDeletions({ db }: Pick<Context, 'db'>, isStopped: () => boolean): Promise<void> {
  const { rows } = await db.query<{ group_id: string; application_id: number }>(
    sql`select group_id, application_id from group_deletions order by deleted_at, group_id limit 1000`,
  );
  for (const { group_id: groupId, application_id: applicationId } of rows) {
    for (const [table, key] of OF_A_GROUP) {
      const next = (size: number): Promise<number> => deleteSlice(db, table, key, groupId, size);
      while (!isStopped() && (await giveWay(db, applicationId, SLICE, next)) > 0);
    }
    if (isStopped()) return;
    await db.query(sql`delete from group_deletions where group_id = ${groupId}`);
  }
}

/** Joined by the whole key, as everywhere (switch-store.ts): no plan can then read the group once for each row. */
async function deleteSlice(
  db: Queryable,
  table: string,
  key: string[],
  groupId: string,
  limit: number,
): Promise<number> {
  const columns = ['group_id', ...key];
  const { count } = await db.query(sql`
    with slice as materialized (select ${raw(columns.join(', '))} from ${raw(table)} where group_id = ${groupId} limit ${raw(String(limit))})
    delete from ${raw(table)} t using slice s where ${raw(columns.map((column) => `t.${column} = s.${column}`).join(' and '))}`);
  return count;
}

async function finishSwitches(
  context: Pick<Context, 'db' | 'clock' | 'log' | 'dynamicGroups'>,
  isStopped: () => boolean,
): Promise<void> {
  const { rows } = await context.db.query<{
    group_id: string;
    application_id: number;
    kind: string;
    stage: string;
    attempts: number;
  }>(sql`
    select group_id, application_id, kind, stage, attempts from fills where stage = 'clean' or kind = 'import' order by started_at limit 1000`);
  for (const row of rows) {
    if (isStopped()) return;
    if (row.stage === 'clean') {
      for await (const _progress of cleanSwitch(context.db, row.application_id, row.group_id, row.attempts))
        if (isStopped()) return;
    } else if (!(await isLocked(context.db, row.group_id))) {
      await abandonImport(context, row.group_id, row.application_id, row.attempts).catch((error: unknown) => {
        if (!(error instanceof SwitchLost)) throw error; // somebody else went on with it
      });
    }
  }
}
