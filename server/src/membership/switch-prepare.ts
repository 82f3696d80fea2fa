// Prepares the difference for the next epoch, slice by slice: small ones that give way while activities come in, otherwise
// large ones, of which members and changes are written by two connections at once.

import type { Database } from '../database/database.ts';
import { isUniqueViolation } from '../database/faults.ts';
import { popcount, take, type Bitset } from '../rules/bitset.ts';
import { giveWay } from '../queue/pace.ts';
import { beside, isLockNotAvailable, step, type Attempt, type SwitchProgress } from './switch-attempt.ts';
import type { Prepared } from './switch-repair.ts';
import * as store from './switch-store.ts';

const SLICE = 20_000;

interface Part {
  entering: number[];
  leaving: number[];
}

/** `size`: of each slice, whatever goes on. */
export async function* prepare(
  db: Database,
  attempt: Attempt,
  entering: Bitset,
  leaving: Bitset,
  size?: number,
): AsyncGenerator<SwitchProgress, Prepared> {
  const total = popcount(entering) + popcount(leaving);
  let prepared: Prepared = { entered: 0, left: 0 };
  let done = 0;
  let from = 0;
  while (done < total) {
    const before = prepared;
    prepared = await giveWay(db, attempt.applicationId, SLICE, async (fitting, isBeside) => {
      const part = cut(entering, leaving, from, size ?? fitting);
      from = 1 + Math.max(part.entering.at(-1) ?? -1, part.leaving.at(-1) ?? -1);
      done += part.entering.length + part.leaving.length;
      const added = await write(db, attempt, part, before, { stage: 'prepare', done, total }, isBeside);
      return { entered: before.entered + added.entered, left: before.left + added.left };
    });
    yield { stage: 'prepare', done, total };
  }
  return prepared;
}

/** Both sets cut at the same ordinals, so that a slice's rows lie together. */
function cut(entering: Bitset, leaving: Bitset, from: number, size: number): Part {
  const part = { entering: take(entering, size, from), leaving: take(leaving, size, from) };
  const end = [...part.entering, ...part.leaving].sort((a, b) => a - b)[size] ?? Infinity;
  const before = (ordinal: number): boolean => ordinal < end;
  return { entering: part.entering.filter(before), leaving: part.leaving.filter(before) };
}

async function write(
  db: Database,
  attempt: Attempt,
  part: Part,
  before: Prepared,
  progress: SwitchProgress,
  isBeside: boolean,
): Promise<store.PreparedCounts> {
  const from = before.entered + before.left;
  const options = { enters: true, durable: false };
  const whole = (optimistic: boolean): Promise<store.PreparedCounts> =>
    step(db, attempt, progress, (tx) => store.prepareSlice(tx, attempt, part, from, optimistic), options);
  const first = (): Promise<store.PreparedCounts> =>
    part.leaving.length > 0 || isBeside || db.isDistributed === true || db.isTogether()
      ? whole(true)
      : enterByTwo(db, attempt, part.entering, from, progress);
  return first().catch((error: unknown) =>
    isUniqueViolation(error) || isLockNotAvailable(error) ? whole(false) : Promise.reject(error),
  );
}

/** Where none leave and none are in the way, members and changes follow from the ordinals alone. */
async function enterByTwo(
  db: Database,
  attempt: Attempt,
  ordinals: number[],
  from: number,
  progress: SwitchProgress,
): Promise<store.PreparedCounts> {
  return step(
    db,
    attempt,
    progress,
    async (tx) => {
      const [entered, changes] = await beside(db, attempt, (other) =>
        Promise.all([
          store.insertEntries(other, attempt, ordinals),
          store.insertEntryChanges(tx, attempt, ordinals, from),
        ]),
      );
      if (entered !== changes) throw new Error(`${entered} members and ${changes} changes of the same profiles`);
      return { entered, left: 0 };
    },
    { enters: true, durable: false, retries: 0 },
  );
}
