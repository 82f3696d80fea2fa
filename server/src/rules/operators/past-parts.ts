// How leaves over activities read the past (past.ts): those that count, and those that ask of the newest one.

import { FIRST_INSTANT, INSTANT_LIMIT, type Instant, type Micros } from '../../instant.ts';
import type { FactRef } from '../attribute.ts';
import { andNot, emptyBitset, type Bitset } from '../bitset.ts';
import type { Stretch } from '../instant-test.ts';
import { sqlInstant } from '../literals.ts';
import {
  cellsWithin,
  createColumns,
  createRecorder,
  createStairs,
  cutAt,
  edgesOf,
  slide,
  complementIf,
  type Batch,
  type Cell,
  type Cells,
  type Film,
  type PastReader,
} from '../past.ts';
import { activityConditions, totalsCondition, within } from '../relations.ts';

/** Hands over the activities of a cell, with what a column says of each where one is named. */
async function pourActivities(
  reader: PastReader,
  conditions: readonly string[],
  added: string | undefined,
  cell: Cell,
  take: (batch: Batch) => void,
): Promise<void> {
  for (const condition of conditions) {
    const where = `${condition} and ${within(cell.after, cell.until)}`;
    if (added === undefined) {
      await reader.each(`select ordinal from ${reader.activities} where ${where}`, (ordinals) => take({ ordinals }));
      continue;
    }
    const columns = createColumns();
    await reader.pairs(`select ordinal, ${added} as v from ${reader.activities} where ${where}`, columns.add);
    const { ordinals, at: amounts } = columns.read();
    take({ ordinals, amounts });
  }
}

/** The sets of a test over a number that activities add up to: over those of the last W, or, without a span, over all so far. */
export async function countedPast(
  reader: PastReader,
  {
    conditions,
    added,
    span,
    passes,
  }: {
    conditions: readonly string[];
    added: string | undefined;
    span: Micros | undefined;
    passes(total: number): boolean;
  },
): Promise<Film> {
  const stairs = createStairs(reader, passes);
  const film: Bitset[] = [];
  const move =
    (sign: 1 | -1) =>
    ({ ordinals, amounts }: Batch): void => {
      if (!amounts) stairs.addAll(ordinals, sign);
      else for (let i = 0; i < ordinals.length; i++) stairs.add(ordinals[i]!, sign * amounts[i]!); // within both
    };
  await slide(reader, span, (cell, take) => pourActivities(reader, conditions, added, cell, take), {
    enter: move(1),
    leave: move(-1),
    endDay: async () => void film.push(await stairs.take()),
  });
  return film;
}

export interface Term {
  of: 'count' | 'sum';
  facts: readonly FactRef[];
}

/**
 * Of lifetime totals: from what they are now, activities are taken off backwards, so that no more of them is read than
 * the days are long.
 */
export async function totalsPast(
  reader: PastReader,
  terms: readonly Term[],
  { change, take }: { change(term: number, ordinal: number, by: number): void; take(): Promise<Bitset> },
): Promise<Film> {
  for (const [index, { of, facts }] of terms.entries()) {
    const select = `select ordinal, ${of} as v from totals where ${totalsCondition(reader, facts)}`;
    await reader.pairs(select, (ordinal, value) => change(index, ordinal, value));
  }
  const film: Bitset[] = [];
  let until = Infinity;
  for (const after of [...reader.ends].reverse()) {
    for (const [index, { of, facts }] of terms.entries()) {
      await reader.pause();
      const added = of === 'sum' ? 'value' : undefined;
      await pourActivities(
        reader,
        activityConditions(reader, facts),
        added,
        { after, until },
        ({ ordinals, amounts }) => {
          for (let i = 0; i < ordinals.length; i++) change(index, ordinals[i]!, -(amounts?.[i] ?? 1)); // within the array
        },
      );
    }
    film.push(await take());
    until = after;
  }
  return film.reverse();
}

/** The sets of a test over one number of each profile, to which the terms add with their signs. */
export function differencePast(
  reader: PastReader,
  terms: readonly Term[],
  signs: readonly number[],
  passes: (total: number) => boolean,
): Promise<Film> {
  const stairs = createStairs(reader, passes);
  return totalsPast(reader, terms, {
    change: (term, ordinal, by) => stairs.add(ordinal, (signs[term] ?? 1) * by),
    take: stairs.take,
  });
}

/** The sets of a test over two numbers of each profile. Who has neither passes as `nonePasses` says. */
export function ratioPast(
  reader: PastReader,
  terms: readonly [Term, Term],
  passes: (a: number, b: number) => boolean,
  nonePasses: boolean,
): Promise<Film> {
  const recorder = createRecorder();
  const values: [Map<number, number>, Map<number, number>] = [new Map(), new Map()];
  return totalsPast(reader, terms, {
    change(term, ordinal, by) {
      const changed = values[term === 0 ? 0 : 1];
      changed.set(ordinal, (changed.get(ordinal) ?? 0) + by);
      recorder.put(ordinal, passes(values[0].get(ordinal) ?? 0, values[1].get(ordinal) ?? 0) !== nonePasses);
    },
    async take() {
      const set = recorder.take();
      return nonePasses ? andNot(await reader.universe(), set) : set;
    },
  });
}

/** More edges than that are worth asking how far back there is anything. */
const MANY_EDGES = 2_000;

/**
 * Who had their newest activity so far within one of the day's stretches; with `orCreated`, who had none were made within
 * one. What came before the first edge is alike on all days, and who had anything then is told by totals.
 */
export async function newestPast(
  reader: PastReader,
  facts: readonly FactRef[],
  stretches: (end: Instant) => readonly Stretch[],
  { negated, orCreated = false }: { negated: boolean; orCreated?: boolean },
): Promise<Film> {
  const byDay = reader.ends.map(stretches);
  const cells = await cutPast(reader, facts, byDay.flatMap(edgesOf));
  const dayEnding = new Map(reader.ends.map((end, index) => [end, index]));
  const newest = createPlaces();
  const older = `${totalsCondition(reader, facts)} and first_at <= ${sqlInstant(cells.sample(0))}`;
  await reader.each(`select ordinal from totals where ${older}`, (ordinals) => newest.put(ordinals, 0));
  const made = createPlaces();
  if (orCreated) {
    const { ordinals, at } = await reader.creations();
    for (const [index, ordinal] of ordinals.entries()) made.put(Int32Array.of(ordinal), cells.of(at[index] ?? 0));
  }
  const film: Bitset[] = [];
  for (const [cell, until] of cells.edges.entries()) {
    await reader.pause();
    const after = cells.edges[cell - 1];
    if (after !== undefined)
      await pourActivities(reader, activityConditions(reader, facts), undefined, { after, until }, ({ ordinals }) =>
        newest.put(ordinals, cell),
      );
    const day = dayEnding.get(until);
    if (day === undefined) continue;
    film.push(setOfPlaces([newest.places, made.places], cellsWithin(cells, byDay[day] ?? [])));
  }
  return complementIf(negated, reader, film);
}

/** At the edges and at the ends of days: none after the last of these, nor before anything happened. */
async function cutPast(reader: PastReader, facts: readonly FactRef[], edges: readonly Instant[]): Promise<Cells> {
  const last = reader.ends.at(-1) ?? 0;
  let first = FIRST_INSTANT;
  if (edges.length > MANY_EDGES) {
    const { at } = await firstInstants(reader, facts);
    first = at.reduce((least, each) => Math.min(least, each), INSTANT_LIMIT);
  }
  const kept = edges.filter((at) => at >= first && at <= last);
  // What ends before there is anything must not reach the first cell of those in which there is.
  const isCut = edges.some((at) => at < first && at > -Infinity);
  return cutAt([...kept, ...reader.ends, ...(isCut ? [first - 1] : [])]);
}

/** When each profile did any of it first. */
export async function firstInstants(
  reader: PastReader,
  facts: readonly FactRef[],
): Promise<{ ordinals: Int32Array; at: Float64Array }> {
  const columns = createColumns();
  const where = `${totalsCondition(reader, facts)} and first_at is not null`;
  const select = `select ordinal, min(first_at) as v from totals where ${where} group by ordinal`;
  await reader.profileInstants(select, columns.add);
  return columns.read();
}

/** Numbers of cells by ordinal, from 1; 0 is none. */
function createPlaces(): { put(ordinals: Int32Array, cell: number): void; readonly places: Int32Array } {
  let places = new Int32Array(1 << 10);
  return {
    put(ordinals, cell) {
      for (let i = 0; i < ordinals.length; i++) {
        const ordinal = ordinals[i]!; // within the array
        if (ordinal >= places.length) {
          const grown = new Int32Array(Math.max(ordinal + 1, places.length * 2));
          grown.set(places);
          places = grown;
        }
        places[ordinal] = cell + 1;
      }
    },
    get places() {
      return places;
    },
  };
}

/** Whose place lies within, in the first of the lists that has one of theirs. */
function setOfPlaces([first, second]: readonly [Int32Array, Int32Array], within: Uint8Array): Bitset {
  const length = Math.max(first.length, second.length);
  const set = emptyBitset(length);
  for (let ordinal = 0; ordinal < length; ordinal++) {
    const place = first[ordinal] || second[ordinal] || 0; // 0 is none, as undefined is
    if (place > 0 && within[place - 1] === 1) set[ordinal >>> 5]! |= 1 << (ordinal & 31); // within the set
  }
  return set;
}
