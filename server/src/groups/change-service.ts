// What happened to a group's members: the numbered changes, and the size over time that they add up to.

import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import { notFound } from '../errors.ts';
import { STEP, type SteppedRange } from '../http/range.ts';
import { formatInstant } from '../instant.ts';
import * as store from './change-store.ts';
import { getGroup } from './group-service.ts';
import { findHead } from './head.ts';

export interface ChangesPage {
  /** All changes after the one asked for. */
  count: number;
  changes: store.Change[];
  hasMore: boolean;
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
      return { count: Math.max(0, newest - after), changes, hasMore: after + changes.length < newest };
    },
    { isolation: 'repeatable read' },
  );
}

export interface SizeAt extends store.SizeStep {
  /** At the end of the step. */
  size: number;
}

/** One row a step, without gaps, up to the step that holds the last instant before `until` and has begun by now. */
export async function listSizes(
  context: Context,
  application: Application,
  text: string,
  range: SteppedRange,
): Promise<SizeAt[]> {
  const { interval, since, until } = range;
  const step = STEP[interval];
  const end = Math.min(until, context.clock.now() + 1);
  return context.db.transaction(
    async (tx) => {
      const group = await getGroup(tx, application.id, text);
      const limit = Math.ceil(end / step) * step;
      if (limit <= since) return [];
      let size = await store.findSize(tx, group.id, formatInstant(since));
      const steps = new Map(
        (await store.listSizeSteps(tx, group.id, interval, formatInstant(since), formatInstant(limit))).map((row) => [
          row.at,
          row,
        ]),
      );
      const sizes: SizeAt[] = [];
      for (let at = since; at < limit; at += step) {
        const { entered, left } = steps.get(at) ?? { entered: 0, left: 0 };
        size += entered - left;
        sizes.push({ at, size, entered, left });
      }
      return sizes;
    },
    { isolation: 'repeatable read' },
  );
}
