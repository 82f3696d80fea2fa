// The past of a rule: the sets that it would have had at the ends of days gone by, by activities as they were then and all
// else as it is now. Not as many previews one after the other: each leaf passes over its rows once, in the order of the days,
// and keeps what it knows of each profile from one day to the next. Time is cut into *cells* at all instants by which the
// leaf tells activities apart on any of the days; what happened within one cell is alike on all of them, so that of an
// activity its profile alone has to be read.

import { setImmediate } from 'node:timers/promises';
import type { Instant, Micros } from '../instant.ts';
import { and, andNot, atLeast, emptyBitset, fromOrdinals, or, popcount, type Bitset } from './bitset.ts';
import { leafAt, type CompiledRule, type CompiledTree } from './evaluate.ts';
import type { Stretch } from './instant-test.ts';
import type { CompiledLeaf, SetReader } from './leaf.ts';
import { sqlInteger } from './literals.ts';

/** A set for each of the days. It may hold, or leave out, whoever was not there yet. Sets that are the same may be one. */
export type Film = readonly Bitset[];

/** An instant of each of some profiles. */
export interface Columns {
  ordinals: Int32Array;
  at: Float64Array;
}

export interface PastReader extends SetReader {
  /** The last instants of the days, upwards. None lies after `now`. */
  readonly ends: readonly Instant[];
  /** All profiles with the instants of their creation. */
  creations(): Promise<Columns>;
  /** Lets others have their turn. Fails where nobody waits for the answer any more. */
  pause(): Promise<void>;
}

/**
 * How many profiles the rule held, at each of the ends, of those that were there. Sets that are the same on all days are taken from
 * `cache` where they are in it, as `readRuleSet` leaves them there.
 */
export async function readPast(
  reader: PastReader,
  rule: CompiledRule,
  cache: ReadonlyMap<string, Bitset> = new Map(),
): Promise<number[]> {
  const film = await readFilm(reader, rule, cache);
  const made = byCell(await reader.creations(), cutAt(reader.ends));
  const there = createRecorder();
  return film.map((set, day) => {
    for (const ordinal of made[day] ?? []) there.put(ordinal, true);
    return popcount(and(set, there.take()));
  });
}

/** Leaves are read when the tree comes to them, so that no more of their sets are held at a time than it is deep. */
async function readFilm(reader: PastReader, rule: CompiledRule, cache: ReadonlyMap<string, Bitset>): Promise<Film> {
  const kept = new Map<number, Promise<Film>>();
  const uses = new Map<number, number>();
  const count = (tree: CompiledTree): void => {
    if ('leaf' in tree) uses.set(tree.leaf, (uses.get(tree.leaf) ?? 0) + 1);
    else tree.children.forEach(count);
  };
  count(rule.root);
  const leafFilm = (index: number): Promise<Film> => {
    const known = kept.get(index);
    if (known) return known;
    const film = readLeaf(reader, leafAt(rule, index), cache);
    if ((uses.get(index) ?? 0) > 1) kept.set(index, film);
    return film;
  };
  const filmOf = async (tree: CompiledTree): Promise<Film> => {
    if ('leaf' in tree) return leafFilm(tree.leaf);
    if (tree.operator === 'AT_LEAST') {
      const films: Film[] = [];
      for (const child of tree.children) films.push(await filmOf(child));
      return combine(films, (sets) => atLeast(tree.count, sets));
    }
    let film: Film | undefined;
    const join = tree.operator === 'OR' ? or : and;
    for (const child of tree.children) {
      const next = await filmOf(child);
      film = film ? combine([film, next], ([a = emptyBitset(), b = emptyBitset()]) => join(a, b)) : next;
    }
    if (tree.operator !== 'NOT') return film ?? [];
    const universe = await reader.universe();
    return combine([film ?? []], ([set = emptyBitset()]) => andNot(universe, set));
  };
  return filmOf(rule.root);
}

async function readLeaf(reader: PastReader, leaf: CompiledLeaf, cache: ReadonlyMap<string, Bitset>): Promise<Film> {
  if (leaf.past) return leaf.past(reader);
  const always = cache.get(leaf.key) ?? (await leaf.set(reader));
  return reader.ends.map(() => always);
}

/** Day by day; a day on which none of the sets is another than the day before is not reckoned again. */
function combine(films: readonly Film[], of: (sets: Bitset[]) => Bitset): Film {
  const found: Bitset[] = [];
  for (let day = 0; day < (films[0]?.length ?? 0); day++) {
    const before = found[day - 1];
    const isSame = before !== undefined && films.every((film) => film[day] === film[day - 1]);
    found.push(isSame ? before : of(films.map((film) => film[day] ?? emptyBitset())));
  }
  return found;
}

/** Those that are in none of the sets, or the sets. */
export async function complementIf(negated: boolean, reader: PastReader, film: Film): Promise<Film> {
  if (!negated) return film;
  const universe = await reader.universe();
  return combine([film], ([set = emptyBitset()]) => andNot(universe, set));
}

/** A set that is changed from day to day and remembered at the end of each. */
export interface Recorder {
  put(ordinal: number, isIn: boolean): void;
  /** The set as it is now. */
  take(): Bitset;
}

export function createRecorder(): Recorder {
  let set = emptyBitset(1 << 12);
  let taken: Bitset | undefined;
  return {
    put(ordinal, isIn) {
      const word = ordinal >>> 5;
      if (word >= set.length) {
        if (!isIn) return;
        const grown = new Uint32Array(Math.max(word + 1, set.length * 2));
        grown.set(set);
        set = grown;
      }
      const [before, bit] = [set[word]!, 1 << (ordinal & 31)]; // within the set
      const after = isIn ? before | bit : before & ~bit;
      if (after === (before | 0)) return;
      set[word] = after;
      taken = undefined;
    },
    take: () => (taken ??= set.slice()),
  };
}

/** Numbers of profiles that go up and down, and who passes by them. Who has none of them has 0. */
export interface Stairs {
  add(ordinal: number, amount: number): void;
  addAll(ordinals: Int32Array, amount: number): void;
  take(): Promise<Bitset>;
}

export function createStairs(reader: PastReader, passes: (total: number) => boolean): Stairs {
  const recorder = createRecorder();
  const zeroPasses = passes(0);
  const small = Uint8Array.from({ length: 256 }, (_, total) => Number(passes(total) !== zeroPasses));
  const isOther = (total: number): boolean => (small[total] ?? Number(passes(total) !== zeroPasses)) !== 0;
  let totals = new Float64Array(1 << 12);
  const add = (ordinal: number, amount: number): void => {
    if (ordinal >= totals.length) {
      const grown = new Float64Array(Math.max(ordinal + 1, totals.length * 2));
      grown.set(totals);
      totals = grown;
    }
    const before = totals[ordinal]!; // within the array
    totals[ordinal] = before + amount;
    const is = isOther(before + amount);
    if (is !== isOther(before)) recorder.put(ordinal, is);
  };
  return {
    add,
    addAll(ordinals, amount) {
      for (let i = 0; i < ordinals.length; i++) add(ordinals[i]!, amount); // within the array
    },
    async take() {
      const set = recorder.take();
      return zeroPasses ? andNot(await reader.universe(), set) : set;
    },
  };
}

/** After the first instant, if there is one, and up to the second. */
export interface Cell {
  after: Instant;
  until: Instant;
}

/** Rows of profiles, each with what it adds; without amounts each adds 1. */
export interface Batch {
  ordinals: Int32Array;
  amounts?: Float64Array;
}

/**
 * Activities that enter day by day and, where there is a span, leave when they are that old. `pour` gives those of a cell;
 * what it gives is read at once. A cell is read once: it is kept from where it enters to where it leaves.
 */
export async function slide(
  { ends, pause }: PastReader,
  span: Micros | undefined,
  pour: (cell: Cell, take: (batch: Batch) => void) => Promise<void>,
  { enter, leave, endDay }: { enter(batch: Batch): void; leave(batch: Batch): void; endDay(): Promise<void> },
): Promise<void> {
  const inside: { until: Instant; batches: Batch[] }[] = [];
  for (const { after, until, isEnd } of cellsOf(ends, span)) {
    await pause();
    const batches: Batch[] = [];
    await pour({ after, until }, (batch) => {
      enter(batch);
      if (span === undefined) return;
      const { ordinals, amounts } = batch;
      batches.push({ ordinals: ordinals.slice(), ...(amounts && { amounts: amounts.slice() }) });
    });
    if (span !== undefined) inside.push({ until, batches });
    if (!isEnd) continue;
    const oldest = span === undefined ? -Infinity : until - span;
    for (let first = inside[0]; first && first.until <= oldest; first = inside[0]) {
      first.batches.forEach(leave);
      inside.shift();
    }
    await endDay();
  }
}

function cellsOf(ends: readonly Instant[], span: Micros | undefined): (Cell & { isEnd: boolean })[] {
  const begins = span === undefined ? [] : ends.map((end) => end - span);
  const last = ends.at(-1) ?? -Infinity;
  const edges = [...new Set([...ends, ...begins])].filter((at) => at <= last).sort((a, b) => a - b);
  const isEnd = new Set(ends);
  const cells = edges.map((until, index) => ({ after: edges[index - 1] ?? -Infinity, until, isEnd: isEnd.has(until) }));
  return span === undefined ? cells : cells.slice(1); // what came before the first window begins is in none
}

/** The cells between the edges, upwards: the last one has no end. What lies at an edge belongs to the cell that it ends. */
export interface Cells {
  edges: Float64Array;
  /** By its number, from 0. */
  of(at: Instant): number;
  /** An instant of the cell, which stands for all of them. */
  sample(cell: number): Instant;
  count: number;
}

export function cutAt(instants: Iterable<Instant>): Cells {
  const edges = Float64Array.from(new Set([...instants].filter(Number.isFinite))).sort();
  return {
    edges,
    of(at) {
      let [low, high] = [0, edges.length];
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (edges[middle]! < at)
          low = middle + 1; // within the edges
        else high = middle;
      }
      return low;
    },
    sample: (cell) => edges[cell] ?? (edges.at(-1) ?? 0) + 1,
    count: edges.length + 1,
  };
}

/** Which cells lie within the stretches. */
export function cellsWithin(cells: Cells, stretches: readonly Stretch[]): Uint8Array {
  const within = new Uint8Array(cells.count);
  for (const [from, until] of stretches) within.fill(1, cells.of(from), cells.of(until - 1) + 1);
  return within;
}

/** Where a stretch begins and ends, as edges of cells. */
export const edgesOf = (stretches: readonly Stretch[]): Instant[] =>
  stretches.flatMap(([from, until]) => [from - 1, until - 1]);

/** Who has an instant within one of the day's stretches: of instants that are today what they were. */
export async function scanInstants(
  reader: PastReader,
  { ordinals, at }: Columns,
  stretches: (end: Instant) => readonly Stretch[],
): Promise<Film> {
  const byDay = reader.ends.map(stretches);
  const cells = cutAt(byDay.flatMap(edgesOf));
  const places = Int32Array.from(at, cells.of);
  const most = ordinals.reduce((most, ordinal) => Math.max(most, ordinal), -1);
  const film: Bitset[] = [];
  for (const each of byDay) {
    await reader.pause();
    const within = cellsWithin(cells, each);
    const set = emptyBitset(most + 1);
    for (let i = 0; i < ordinals.length; i++) {
      const ordinal = ordinals[i]!; // within the array; so are the place and the word below
      if (within[places[i]!] === 1) set[ordinal >>> 5]! |= 1 << (ordinal & 31);
    }
    film.push(set);
  }
  return film;
}

/** The profiles by the cells that their instants lie in. */
function byCell({ ordinals, at }: Columns, cells: Cells): Int32Array[] {
  const places = Int32Array.from(at, cells.of);
  const sizes = new Int32Array(cells.count);
  for (let i = 0; i < places.length; i++) sizes[places[i]!]!++; // within both; so is all below
  const found = Array.from(sizes, (size) => new Int32Array(size));
  for (let i = 0; i < places.length; i++) {
    const cell = places[i]!;
    found[cell]![--sizes[cell]!] = ordinals[i]!;
  }
  return found;
}

/** Numbers and instants as they come. */
export function createColumns(): {
  add(ordinal: number, at: Instant): void;
  read(): Columns;
} {
  let ordinals = new Int32Array(1 << 10);
  let at = new Float64Array(1 << 10);
  let length = 0;
  return {
    add(ordinal, instant) {
      if (length === ordinals.length) {
        const [more, later] = [new Int32Array(length * 2), new Float64Array(length * 2)];
        more.set(ordinals);
        later.set(at);
        [ordinals, at] = [more, later];
      }
      ordinals[length] = ordinal;
      at[length++] = instant;
    },
    read: () => ({ ordinals: ordinals.subarray(0, length), at: at.subarray(0, length) }),
  };
}

/** Reads a snapshot for the ends of some days. `checkWanted` fails where nobody waits for the answer any more. */
export function createPastReader(
  reader: SetReader,
  ends: readonly Instant[],
  checkWanted: () => void = () => {},
): PastReader {
  let creations: Promise<Columns> | undefined;
  let universe: Promise<Bitset> | undefined;
  const readCreations = async (): Promise<Columns> => {
    const columns = createColumns();
    const select = `select ordinal, created_at as v from profiles where application_id = ${sqlInteger(reader.applicationId)}`;
    await reader.profileInstants(select, columns.add);
    return columns.read();
  };
  const all: PastReader = {
    ...reader,
    ends,
    creations: () => (creations ??= readCreations()),
    universe: () => (universe ??= everybody()),
    async pause() {
      await setImmediate();
      checkWanted();
    },
  };
  const everybody = async (): Promise<Bitset> => fromOrdinals((await all.creations()).ordinals);
  return all;
}
