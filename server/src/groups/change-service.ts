// What happened to a group's members: the numbered changes, and the size over time that they add up to.

import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import type { Queryable } from '../database/database.ts';
import { notFound } from '../errors.ts';
import { STEP, type SteppedRange } from '../http/range.ts';
import { formatInstant, type Instant } from '../instant.ts';
import * as store from './change-store.ts';
import { getGroup } from './group-service.ts';
import { findGroupIdsByReference, findReaders } from './group-store.ts';
import { findHead, findHeads } from '../membership/head.ts';
import { dependency } from '../rules/depends.ts';

export interface ChangesPage {
  changes: store.Change[];
  /** The sequence of the newest change, in the same snapshot. */
  newest: number;
}

export async function listChanges(
  context: Context,
  application: Application,
  text: string,
  after: number,
  size: number,
): Promise<ChangesPage> {
  return context.db.transaction(
    async (tx) => {
      const group = await getGroup(tx, application.id, text);
      const head = await findHead(tx, group.id);
      if (!head) throw notFound();
      const newest = head.base_sequence + head.last_number;
      const changes = after >= newest ? [] : await store.listChanges(tx, group.id, head.epoch, after, size);
      return { changes, newest };
    },
    { isolation: 'repeatable read' },
  );
}

export interface SizeAt extends store.SizeStep {
  /** At the end of the step. */
  size: number;
}

export async function listSizes(
  context: Context,
  application: Application,
  text: string,
  range: SteppedRange,
): Promise<SizeAt[]> {
  return context.db.transaction(
    async (tx) => {
      const { id } = await getGroup(tx, application.id, text);
      const sizes = await readSizes(tx, [id], range, context.clock.now());
      return sizes.get(id) ?? [];
    },
    { isolation: 'repeatable read' },
  );
}

/** Who came and went, by step and cause. */
export async function listFlow(
  context: Context,
  application: Application,
  text: string,
  { interval, since, until }: SteppedRange,
): Promise<store.FlowStep[]> {
  const { id } = await getGroup(context.db, application.id, text);
  return store.listFlow(context.db, id, interval, formatInstant(since), formatInstant(until));
}

/** The groups whose rules read this one. */
export async function listReaders(
  context: Context,
  application: Application,
  text: string,
): Promise<{ id: string; name: string; custom_id: string | null }[]> {
  const { id } = await getGroup(context.db, application.id, text);
  return findReaders(context.db, application.id, dependency.group(id));
}

/** The sizes of groups by their ids; ids of none that is active are left out. */
export async function listSizesOfMany(
  context: Context,
  application: Application,
  ids: string[],
  range: SteppedRange,
): Promise<Map<string, SizeAt[]>> {
  return context.db.transaction(
    async (tx) => {
      const groups = await findGroupIdsByReference(tx, application.id, ids, []);
      return readSizes(
        tx,
        groups.map(({ id }) => id),
        range,
        context.clock.now(),
      );
    },
    { isolation: 'repeatable read' },
  );
}

/**
 * One row a step, without gaps, up to the step that holds the last instant before `until` and has begun by now. Reckoned
 * back from the size of the present, so that what lies before the range is never read, however old the group is.
 */
async function readSizes(
  tx: Queryable,
  groupIds: string[],
  { interval, since, until }: SteppedRange,
  now: Instant,
): Promise<Map<string, SizeAt[]>> {
  const step = STEP[interval];
  const limit = Math.ceil(Math.min(until, now + 1) / step) * step;
  const heads = await findHeads(tx, groupIds);
  const moved = new Map<string, Map<Instant, store.SizeStep>>();
  for (const row of await store.listSizeSteps(tx, groupIds, interval, formatInstant(since))) {
    const steps = moved.get(row.group_id);
    if (steps) steps.set(row.at, row);
    else moved.set(row.group_id, new Map([[row.at, row]]));
  }
  return new Map(
    groupIds.map((id) => {
      const steps = moved.get(id) ?? new Map<Instant, store.SizeStep>();
      let size = heads.get(id)?.profile_count ?? 0;
      for (const { at, entered, left } of steps.values()) if (at >= limit) size -= entered - left;
      const sizes: SizeAt[] = [];
      for (let at = limit - step; at >= since; at -= step) {
        const { entered, left } = steps.get(at) ?? { entered: 0, left: 0 };
        sizes.push({ at, size, entered, left });
        size -= entered - left;
      }
      return [id, sizes.reverse()];
    }),
  );
}
