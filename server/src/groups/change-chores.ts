// Makes checkpoints of the feeds that grew. One process at a time does it, under a lease; two at once do no harm: each makes
// its own in one transaction, and of the same one the first stays.

import type { Context } from '../context.ts';
import { createLease } from '../database/lease.ts';
import { createLoop } from '../looping.ts';
import { deleteOrphans } from '../membership/checkpoint-store.ts';
import { listDue, makeCheckpoint, PACE, type Pace } from '../membership/checkpoints.ts';
import { giveWay } from '../queue/pace.ts';

export interface ChangeChores {
  start(): void;
  /** Does everything that is due. */
  run(): Promise<void>;
  stop(): Promise<void>;
}

const INTERVAL_MS = 15_000;
const FIRST_MS = 5_000;
const LEASE_SECONDS = 120;
const GROUPS_AT_ONCE = 100;

export function createChangeChores(
  context: Pick<Context, 'db' | 'clock' | 'log'>,
  { pace = PACE }: { pace?: Pace } = {},
): ChangeChores {
  const { db, clock, log } = context;
  const lease = createLease(db, 'changes', LEASE_SECONDS);
  let round: Promise<void> = Promise.resolve();

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
  const doRound = async (isForced: boolean): Promise<void> => {
    const isOurs = async (): Promise<boolean> => !loop.isStopping() && (isForced || (await lease.hold()));
    if (!(await isOurs())) return;
    await makeDue(isOurs);
    await deleteOrphans(db);
  };
  const run = (isForced: boolean): Promise<void> => {
    round = round.catch(() => {}).then(() => doRound(isForced));
    return round;
  };
  const loop = createLoop(() => run(false), {
    restMs: INTERVAL_MS,
    firstMs: FIRST_MS,
    onError: (error) => log.warn({ err: error }, 'checkpoints of feeds could not be made; it is tried again'),
  });
  return {
    start: loop.start,
    run: () => run(true),
    async stop() {
      await loop.stop();
      await round.catch(() => {});
      await lease.release().catch(() => {}); // it expires by itself
    },
  };
}
