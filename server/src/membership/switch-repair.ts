// The catch-up of a switch: profiles that changed since it began are decided anew, and their pending rows and prepared
// changes are brought to that. Invariant afterwards, for each of them: a visible row that stays has no prepared change; one
// that ends at the next epoch has one `left`; a row that begins there has one `entered`; numbers run from 1 without gaps.

import type { Queryable } from '../database/database.ts';
import * as store from './switch-store.ts';

/** What is prepared for the next epoch, as this attempt knows it. */
export interface Prepared {
  entered: number;
  left: number;
}

type Decide = (tx: Queryable, profiles: { profileId: string; ordinal: number }[]) => Promise<ReadonlySet<number>>;

export interface Repaired {
  prepared: Prepared;
  /** Whether noted profiles are left: more than the limit, or some that another transaction was changing at this moment. */
  more: boolean;
}

/** Repairs up to `limit` notes in the caller's transaction, which holds erasing off. */
export async function repairTouched(
  tx: Queryable,
  slice: store.Slice,
  prepared: Prepared,
  decide: Decide,
  limit: number,
): Promise<Repaired> {
  const notes = await store.readTouched(tx, slice.groupId, limit + 1);
  const touched = notes.slice(0, limit);
  if (touched.length === 0) return { prepared, more: false };
  const ids = [...new Set(touched.map((row) => row.profile_id))];
  const existing = await store.findProfiles(tx, slice.applicationId, ids);
  const rows = await store.holdMembers(tx, slice.groupId, ids);
  // Read after the notes: a change of a profile after this notes it again.
  const wanted = existing.length === 0 ? new Set<number>() : await decide(tx, existing);
  const before = await store.findPreparedChanges(tx, slice.groupId, slice.epoch + 1, ids);
  const ordinals = new Map(existing.map((profile) => [profile.profileId, profile.ordinal]));

  const plan = planRows(ids, rows, (id) => wanted.has(ordinals.get(id) ?? -1), slice.epoch);
  await store.setUntil(tx, slice.groupId, plan.end, slice.epoch + 1);
  await store.setUntil(tx, slice.groupId, plan.stay, null);
  await store.deletePending(tx, slice.groupId, plan.drop, slice.epoch);
  const entering = plan.enter.map((id) => ({ profileId: id, ordinal: ordinals.get(id) ?? -1 }));
  const entered = await store.insertPending(tx, slice, entering);
  const contested = new Set(plan.enter.filter((id) => !entered.has(id)));
  for (const id of contested) plan.change.delete(id);

  const edits = planChanges(plan.change, before, prepared, (id) => ordinals.get(id) ?? -1);
  await store.editPreparedChanges(tx, slice, edits.edits);
  await store.deleteTouched(
    tx,
    slice.groupId,
    touched.filter((row) => !contested.has(row.profile_id)),
  );
  return { prepared: edits.prepared, more: notes.length > limit || contested.size > 0 };
}

interface RowPlan {
  end: string[];
  stay: string[];
  drop: string[];
  enter: string[];
  /** The prepared change that each profile is to have. */
  change: Map<string, 'entered' | 'left' | undefined>;
}

function planRows(
  ids: string[],
  rows: Map<string, store.MemberRow>,
  isWanted: (id: string) => boolean,
  epoch: number,
): RowPlan {
  const plan: RowPlan = { end: [], stay: [], drop: [], enter: [], change: new Map() };
  for (const id of ids) {
    const row = rows.get(id);
    const visible =
      row !== undefined && row.since_epoch <= epoch && (row.until_epoch === null || row.until_epoch > epoch);
    const pending = row !== undefined && row.since_epoch > epoch;
    const wanted = isWanted(id);
    plan.change.set(id, wanted === visible ? undefined : wanted ? 'entered' : 'left');
    if (visible && !wanted && row.until_epoch === null) plan.end.push(id);
    if (visible && wanted && row.until_epoch !== null) plan.stay.push(id);
    if (!visible && wanted && !pending) plan.enter.push(id);
    if (pending && !wanted) plan.drop.push(id);
  }
  return plan;
}

/** Which prepared changes to remove, turn, add, and move from the end into the holes, so that numbers have no gaps. */
export function planChanges(
  wanted: ReadonlyMap<string, 'entered' | 'left' | undefined>,
  before: ReadonlyMap<string, store.PreparedChange>,
  prepared: Prepared,
  ordinalOf: (id: string) => number,
): { edits: store.ChangeEdits; prepared: Prepared } {
  const edits: store.ChangeEdits = { removed: [], turned: [], moved: [], added: [] };
  const next = { ...prepared };
  const adding: { profileId: string; change: 'entered' | 'left' }[] = [];
  for (const [profileId, change] of wanted) {
    const old = before.get(profileId);
    if (old?.change === change) continue;
    if (old) next[old.change]--;
    if (change) next[change]++;
    if (old && change) edits.turned.push({ profileId, change });
    else if (old) edits.removed.push(old.number);
    else if (change) adding.push({ profileId, change });
  }
  const last = prepared.entered + prepared.left;
  const total = last - edits.removed.length + adding.length;
  const holes = edits.removed.toSorted((a, b) => a - b);
  let end = last;
  edits.added = adding.map((change) => ({
    ...change,
    ordinal: ordinalOf(change.profileId),
    number: holes.shift() ?? ++end,
  }));
  const gone = new Set(holes);
  const open = holes.filter((number) => number <= total);
  for (let from = last; from > total && open.length > 0; from--) {
    if (gone.has(from)) continue;
    const to = open.shift();
    if (to !== undefined) edits.moved.push({ from, to });
  }
  return { edits, prepared: next };
}
