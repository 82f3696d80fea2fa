// A group's feed folded up to an instant: who was a member then. The newest checkpoint of which nothing is later than the
// instant holds what came before it; beyond it the feed itself is read, without stretches of which a checkpoint says that all
// of it is later. Both are walked from the newest change back: the first one of a profile that is met says what it was, so
// what is kept meanwhile is a bit a profile.
//
// Everything is read in the caller's snapshot. A visible change never changes, so neither does a checkpoint's truth.

import type { Queryable } from '../database/database.ts';
import type { Instant } from '../instant.ts';
import { buildBitset, has } from '../rules/bitset.ts';
import { decodePart, type Entry } from './checkpoint.ts';
import {
  findCheckpoint,
  listLaterStretches,
  readNewest,
  readParts,
  sumChanges,
  type Checkpoint,
  type Slice,
  type Stretch,
} from './checkpoint-store.ts';

export const FIRST_SLICE = 1_000;
const MOST_A_SLICE = 20_000;

export interface Fold {
  asOf: Instant;
  groupId: string;
  base: Checkpoint | undefined;
  /** Beyond the base, upwards. */
  stretches: Stretch[];
  /** Changes of the first slice that is read; each next one has four times as many. */
  slice: number;
}

export interface FeedEnd {
  groupId: string;
  epoch: number;
  /** The sequence of the newest change. */
  newest: number;
}

export const feedEnd = (head: {
  group_id: string;
  epoch: number;
  base_sequence: number;
  last_number: number;
}): FeedEnd => ({ groupId: head.group_id, epoch: head.epoch, newest: head.base_sequence + head.last_number });

/** What has to be read for the members at an instant. */
export async function planFold(tx: Queryable, end: FeedEnd, asOf: Instant, slice = FIRST_SLICE): Promise<Fold> {
  const base = await findCheckpoint(tx, end.groupId, asOf);
  const from = base?.sequence ?? 0;
  const stretches: Stretch[] = [];
  let read = from;
  const readTo = (until: number): void => {
    if (until > read) stretches.push({ groupId: end.groupId, epoch: end.epoch, after: read, until });
  };
  for (const later of await listLaterStretches(tx, end.groupId, from, asOf)) {
    readTo(later.after_sequence);
    read = Math.max(read, later.sequence);
  }
  readTo(end.newest);
  return { asOf, groupId: end.groupId, base, stretches, slice };
}

/** How many members there were. */
export async function countMembers(tx: Queryable, { asOf, base, stretches }: Fold): Promise<number> {
  let count = base?.members ?? 0;
  for (const stretch of stretches) count += await sumChanges(tx, stretch, asOf);
  return count;
}

export interface WalkOptions {
  /** Only entries below this sequence are wanted, or above: parts without any are not read. */
  below?: number | undefined;
  above?: number | undefined;
  onSlice?: (slice: Slice) => void;
}

/** The entries of the members, newest first, in batches; who needs no more just stops. */
export async function* walkMembers(
  tx: Queryable,
  { asOf, groupId, base, stretches, slice: first }: Fold,
  { below, above, onSlice }: WalkOptions = {},
): AsyncGenerator<Entry[]> {
  const seen = buildBitset();
  let size = first;
  for (const stretch of stretches.toReversed()) {
    for (let { until } = stretch; until > stretch.after; size = Math.min(size * 4, MOST_A_SLICE)) {
      const slice = await readNewest(tx, { ...stretch, until }, asOf, size);
      if (!slice) break;
      const entries: Entry[] = [];
      slice.each((sequence, ordinal, isEntry) => {
        if (has(seen.set, ordinal)) return;
        seen.add(ordinal);
        if (isEntry) entries.push({ sequence, ordinal });
      });
      onSlice?.(slice);
      yield entries;
      until = slice.oldest - 1;
    }
  }
  if (!base) return;
  for await (const part of readParts(tx, groupId, base.sequence, { below, above }))
    yield decodePart(part).filter(({ ordinal }) => !has(seen.set, ordinal));
}
