// What came in lately, for whoever sets a source up: problems, all of them, and a sample of what was taken. One statement at a
// time for each source; what comes in while it runs goes together into the next, so that a flood of bad items costs little.

import { Counter, type Registry } from 'prom-client';
import type { Context } from '../context.ts';
import { createPace } from '../http/elements.ts';
import { MICROS_PER_DAY, type Instant } from '../instant.ts';
import { createLoop } from '../looping.ts';
import type { Call } from './call.ts';
import { PROBLEMS_KEPT, type Source, type SourceItem } from './source.ts';
import * as store from './source-store.ts';

const MAX_ITEM = 2_000;
const MAX_REASON = 1_000;
const SAMPLED = 10;
const SAMPLE_EVERY_MS = 1_000;
export const ITEMS_KEPT = 7 * MICROS_PER_DAY;
const CLEAN_EVERY_MS = 3_600_000;

export interface ItemLog {
  /** Resolves when the problems of these calls can be read. */
  add(source: Pick<Source, 'id' | 'kind'>, calls: readonly Call[]): Promise<void>;
  stop(): Promise<void>;
}

interface Waiting {
  items: SourceItem[];
  problems: number;
}

interface Line {
  waiting: Waiting | undefined;
  /** The statement that takes what waits, once the one before is through. */
  next: Promise<void> | undefined;
  last: Promise<void>;
  sampledAt: number;
}

export function createItemLog({ db, clock, log, metrics }: Pick<Context, 'db' | 'clock' | 'log' | 'metrics'>): ItemLog {
  const items = itemMeter(metrics.registry);
  const lines = new Map<string, Line>();
  const lineOf = (sourceId: string): Line => {
    let line = lines.get(sourceId);
    if (!line)
      lines.set(
        sourceId,
        (line = { waiting: undefined, next: undefined, last: Promise.resolve(), sampledAt: -Infinity }),
      );
    return line;
  };

  const flush = async (sourceId: string, line: Line): Promise<void> => {
    await line.last;
    const { items, problems } = line.waiting ?? { items: [], problems: 0 };
    line.waiting = undefined;
    line.next = undefined;
    line.last = store
      .insertItems(db, sourceId, items.slice(-PROBLEMS_KEPT), problems, clock.now())
      .catch((error: unknown) => log.warn({ err: error, source: sourceId }, 'problems of a source were not kept'));
    await line.last;
  };

  const cleaning = createLoop(() => store.deleteItemsBefore(db, clock.now() - ITEMS_KEPT), {
    restMs: CLEAN_EVERY_MS,
    firstMs: CLEAN_EVERY_MS,
    onError: (error) => log.warn({ err: error }, 'old items of sources stay for now'),
  });
  cleaning.start();

  return {
    async add({ id: sourceId, kind }, calls) {
      const line = lineOf(sourceId);
      const now = clock.now();
      for (const call of calls) items.inc({ kind, outcome: outcomeOf(call) });
      const bad = calls.filter(({ problems }) => problems.length > 0);
      const isDue = performance.now() - line.sampledAt >= SAMPLE_EVERY_MS;
      if (bad.length === 0 && !isDue) return;
      const kept: SourceItem[] = [];
      const pace = createPace();
      for (const call of bad.slice(-PROBLEMS_KEPT)) {
        if (pace.isDue()) await pace.turn();
        kept.push(...call.problems.map((problem) => describe(call, problem, now)));
      }
      if (isDue) {
        line.sampledAt = performance.now();
        const good = calls.filter(({ problems }) => problems.length === 0).slice(-SAMPLED);
        kept.push(...good.map((call) => describe(call, undefined, now)));
      }
      const waiting = (line.waiting ??= { items: [], problems: 0 });
      waiting.items = [...waiting.items, ...kept].slice(-2 * PROBLEMS_KEPT);
      waiting.problems += bad.length;
      await (line.next ??= flush(sourceId, line));
    },
    async stop() {
      await cleaning.stop();
      await Promise.all([...lines.values()].map(async (line) => (await line.next, line.last)));
    },
  };
}

/** By the form that sources send, not by source: there may be thousands of those. */
const itemMeter = (registry: Registry): Counter<'kind' | 'outcome'> =>
  new Counter({
    name: 'grandstand_source_items_total',
    help: 'Items that sources sent, by the kind of source and what became of them: taken, refused, not_mapped, cut.',
    labelNames: ['kind', 'outcome'],
    registers: [registry],
  });

/** The worst that was said of it. */
function outcomeOf({ problems }: Call): SourceItem['outcome'] {
  for (const outcome of ['refused', 'not_mapped', 'cut'] as const)
    if (problems.some((problem) => problem.outcome === outcome)) return outcome;
  return 'taken';
}

function describe(call: Call, problem: Call['problems'][number] | undefined, at: Instant): SourceItem {
  const text = JSON.stringify(call.item) as string | undefined; // undefined: it was not even parsed
  return {
    at,
    call: storable(call.call, MAX_REASON),
    name: call.name === null ? null : storable(call.name, MAX_REASON),
    outcome: problem?.outcome ?? 'taken',
    reason: problem === undefined ? null : storable(problem.reason, MAX_REASON),
    profile_id: call.subject?.profileId ?? null,
    custom_id: call.subject?.customId ?? null,
    item: storable(text ?? '', MAX_ITEM),
  };
}

/** Cut, and without what no text in the database may hold. */
const storable = (text: string, most: number): string => text.slice(0, most).replaceAll('\0', '\uFFFD').toWellFormed();
