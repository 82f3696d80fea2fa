// Makes checkpoints of the feeds that grew. One process at a time does it, under a lease; two at once do no harm: each makes
// its own in one transaction, and of the same one the first stays.

import { createChores, type Chores } from '../chores.ts';
import type { Context } from '../context.ts';
import { deleteOrphans } from '../membership/checkpoint-store.ts';
import { listDue, makeCheckpoint, PACE, type Pace } from '../membership/checkpoints.ts';
import { giveWay } from '../queue/pace.ts';

const INTERVAL_MS = 15_000;
const FIRST_MS = 5_000;
const LEASE_SECONDS = 120;
const GROUPS_AT_ONCE = 100;

export function createChangeChores(
  { db, clock, log }: Pick<Context, 'db' | 'clock' | 'log'>,
  { pace = PACE }: { pace?: Pace } = {},
): Chores {
  const makeDue = async (isOurs: () => Promise<boolean>): Promise<void> => {
    for (;;) {
      const due = await listDue(db, pace, GROUPS_AT_ONCE);
      let made = 0;
      for (const { group_id: groupId, application_id: applicationId } of due) {
        if (!(await isOurs())) return;
        if (await giveWay(db, applicationId, 1, () => makeCheckpoint(db, groupId, clock.now(), pace))) made++;
      }
      if (made === 0) return;
    }
  };
  return createChores(
    db,
    {
      name: 'changes',
      leaseSeconds: LEASE_SECONDS,
      restMs: INTERVAL_MS,
      firstMs: FIRST_MS,
      onError: (error) => log.warn({ err: error }, 'checkpoints of feeds could not be made; it is tried again'),
    },
    async ({ isForced, isStopping, hold }) => {
      const isOurs = async (): Promise<boolean> => !isStopping() && (isForced || (await hold()));
      if (!(await isOurs())) return;
      await makeDue(isOurs);
      await deleteOrphans(db);
    },
  );
}
