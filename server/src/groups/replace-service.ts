// Replaces the members of a static group by those in a file, in one switch. A file whose ids are not what they seem would
// empty the group: so one in which none, or fewer than were to be expected, name a profile changes nothing.

import pLimit from 'p-limit';
import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import { ApiError, conflict, notFound } from '../errors.ts';
import { readUuid } from '../ids.ts';
import { findAliases, listOrdinalAliases, listOrdinalAliasesOf } from '../profiles/alias-store.ts';
import { findProfileIdsByCustomIds } from '../profiles/profile-store.ts';
import { buildBitset, fromOrdinals, has, or, popcount, type Bitset } from '../rules/bitset.ts';
import { findGroup, getGroup, requireStatic } from './group-service.ts';
import type { SentId } from '../files/id-list.ts';
import { tryWithLock } from './replace-lock.ts';
import { findOrdinals } from './member-store.ts';
import { SwitchLost, runSwitch, type SwitchPlan, type SwitchResult } from '../membership/switch.ts';

export interface Replaced {
  added: number;
  removed: number;
  unchanged: number;
  invalid_count: number;
  invalid_ids: string[];
}

const MAX_INVALID_IDS = 1000;
/** An answer that refuses stays short. */
const MAX_TOLD_IDS = 100;
/** Further ones are counted without being compared: a list of wrong ids only is no reason to hold all of it. */
const MAX_COMPARED = 100_000;
/** Of the ids, in per cent. */
export const MAX_INVALID = 10;
const BATCH = 5_000;
/** Batches of ids that are looked up while the next ones arrive. */
const AHEAD = 2;
/** Each holds connections of its own; the others wait. */
const AT_ONCE = 1;
const WAIT_MS = 100;
const MAX_WAIT_MS = 600_000;

export interface Tolerance {
  /** Per cent of the ids that may name no profile. */
  maxInvalid?: number;
  /** Whatever the ids are, none included. */
  allowInvalid?: boolean;
}

/** Two at once on one group: the second waits for the first, and both succeed in that order. */
export async function replaceMembers(
  context: Context,
  application: Application,
  text: string,
  ids: AsyncIterable<SentId[]>,
  tolerance: Tolerance = {},
): Promise<Replaced> {
  const group = await getGroup(context.db, application.id, text);
  requireStatic(group);
  const read = await readTarget(context, application, ids);
  requireMostlyValid(read, tolerance);
  const { target, invalidCount, invalidIds } = read;
  const result = await inTurn(() => switchTo(context, application, group.id, target));
  context.groupChores.wake(); // what the switch left behind
  return {
    added: result.entered,
    removed: result.left,
    unchanged: result.profileCount - result.entered,
    invalid_count: invalidCount,
    invalid_ids: invalidIds,
  };
}

interface Target {
  target: Bitset;
  invalidCount: number;
  invalidIds: string[];
}

function requireMostlyValid(read: Target, { maxInvalid = MAX_INVALID, allowInvalid = false }: Tolerance): void {
  const { invalidCount, invalidIds } = read;
  const valid = popcount(read.target);
  const share = (100 * invalidCount) / (valid + invalidCount);
  if (allowInvalid || (valid > 0 && share <= maxInvalid)) return;
  const what =
    valid + invalidCount === 0
      ? 'The list is empty'
      : valid === 0
        ? `None of the ${invalidCount} ids names a profile of this application`
        : `${invalidCount} of ${valid + invalidCount} ids (${Math.ceil(share * 10) / 10} %) name no profile of this application, more than ${maxInvalid} %`;
  throw new ApiError('conflict', {
    detail: `${what}. Nothing was changed. If it is meant, say allow_invalid=true.`,
    data: { valid_count: valid, invalid_count: invalidCount, invalid_ids: invalidIds.slice(0, MAX_TOLD_IDS) },
  });
}

async function readTarget(context: Context, application: Application, ids: AsyncIterable<SentId[]>): Promise<Target> {
  const target = buildBitset();
  const read: Omit<Target, 'target'> = { invalidCount: 0, invalidIds: [] };
  const told = new Set<string>();
  const pending: Promise<{ id: string; ordinal: number | undefined }[]>[] = [];
  const settle = async (): Promise<void> => {
    for (const { id, ordinal } of (await pending.shift()) ?? []) {
      if (ordinal !== undefined) target.add(ordinal);
      else if (!told.has(id)) {
        if (told.size < MAX_COMPARED) told.add(id);
        if (read.invalidCount++ < MAX_INVALID_IDS) read.invalidIds.push(id);
      }
    }
  };
  const lookUp = (sent: SentId[]): void => {
    const batch = findAll(context, application, sent);
    batch.catch(() => {}); // rejects where it is awaited
    pending.push(batch);
  };
  let batch: SentId[] = [];
  for await (const sent of ids) {
    batch.push(...sent);
    if (batch.length < BATCH) continue;
    lookUp(batch);
    batch = [];
    if (pending.length > AHEAD) await settle();
  }
  lookUp(batch);
  while (pending.length > 0) await settle();
  return { target: target.set, ...read };
}

async function findAll(
  context: Context,
  application: Application,
  sent: SentId[],
): Promise<{ id: string; ordinal: number | undefined }[]> {
  if (sent.length === 0) return [];
  const customIds = sent.filter(({ kind }) => kind === 'custom_id').map(({ id }) => id);
  const byCustomId =
    customIds.length === 0
      ? new Map<string, string>()
      : await findProfileIdsByCustomIds(context.db, application.id, customIds);
  const profileIds = sent.map(({ kind, id }) => (kind === 'custom_id' ? byCustomId.get(id) : readUuid(id)));
  const found = await findOrdinals(
    context.db,
    application.id,
    profileIds.filter((id) => id !== undefined),
  );
  let place = 0;
  const ordinals = profileIds.map((id) => (id === undefined ? undefined : found[place++]));
  // Ids that profiles had before they were merged.
  const unknown = profileIds.filter((id, index): id is string => id !== undefined && ordinals[index] === undefined);
  const aliases = await findAliases(context.db, application.id, unknown);
  return sent.map(({ id }, index) => ({
    id,
    ordinal: ordinals[index] ?? aliases.get(profileIds[index] ?? '')?.ordinal,
  }));
}

async function switchTo(
  context: Context,
  application: Application,
  groupId: string,
  list: Bitset,
): Promise<SwitchResult> {
  let target = list;
  const plan: SwitchPlan = {
    groupId,
    applicationId: application.id,
    kind: 'import',
    rulesetId: null,
    // eslint-disable-next-line require-yield -- the whole of it is known
    async *target() {
      // Whoever was merged since the list was read is meant all the same.
      const aliases = await listOrdinalAliases(context.db, application.id);
      const meant = aliases.filter(({ ordinal }) => has(list, ordinal)).map(({ targetOrdinal }) => targetOrdinal);
      target = or(list, fromOrdinals(meant));
      return target;
    },
    async decide(tx, profiles) {
      const merged = await listOrdinalAliasesOf(
        tx,
        profiles.map(({ profileId }) => profileId),
      );
      for (const { ordinal, targetOrdinal } of merged)
        if (has(target, ordinal)) target = or(target, fromOrdinals([targetOrdinal]));
      return new Set(profiles.map(({ ordinal }) => ordinal).filter((ordinal) => has(target, ordinal)));
    },
  };
  for (let waited = 0; waited <= MAX_WAIT_MS; waited += WAIT_MS) {
    const done = await tryWithLock(context.db, groupId, async () => {
      const group = await findGroup(context.db, application.id, groupId);
      if (!group?.is_active) throw notFound();
      return untilSwitched(context, plan);
    });
    if (done) return done.result;
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  }
  throw conflict('The members of this group are being replaced by another request.');
}

/** Cleaning up afterwards is nothing that the caller waits for. */
async function untilSwitched(context: Context, plan: SwitchPlan): Promise<SwitchResult> {
  try {
    for await (const progress of runSwitch(context, plan)) if (progress.result) return progress.result;
  } catch (error) {
    context.groupChores.wake(); // it undoes what was prepared
    if (!(error instanceof SwitchLost)) throw error;
    const group = await findGroup(context.db, plan.applicationId, plan.groupId);
    throw group?.is_active ? conflict('The members of this group are being replaced by another request.') : notFound();
  }
  throw new ApiError('internal_error');
}

const inTurn = pLimit(AT_ONCE);
