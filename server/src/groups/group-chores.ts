// What goes on after an answer was given, and is finished by the next process when one dies in the middle: rows of
// deleted groups, invisible rows since a switch, and replacements of members whose process is gone. Every chore is
// harmless when two processes do it at once.

import type { Context } from '../context.ts';
import { sql } from '../database/database.ts';
import { isLocked } from './replace-lock.ts';
import { finishDeletions } from '../membership/deletions.ts';
import { abandonImport, cleanSwitch, SwitchLost } from '../membership/switch.ts';

export interface GroupChores {
  /** There is something to do: begins soon, in the background. */
  wake(): void;
  /** Does everything that is due now. */
  run(): Promise<void>;
  /** Waits for the slice that is running; no other one begins. */
  stop(): Promise<void>;
}

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
      await finishDeletions(context.db, () => stopped);
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
    select group_id, application_id, kind, stage, attempts from backfills where stage = 'clean' or kind = 'import' order by started_at limit 1000`);
  for (const row of rows) {
    if (isStopped()) return;
    if (row.stage === 'clean') {
      for await (const _progress of cleanSwitch(context.db, row.application_id, row.group_id, row.attempts))
        if (isStopped()) return;
    } else if (!(await isLocked(context.db, row.group_id))) {
      await abandonImport(context, row.group_id, row.application_id, row.attempts).catch((error: unknown) => {
        if (!(error instanceof SwitchLost)) throw error; // another process went on with it
      });
    }
  }
}
