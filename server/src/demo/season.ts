// A season as fans live it: up to twenty weeks with three matches each, fans who come, stay and leave, a few who do most,
// and what they do in the order in which it happened. It begins on a Monday, so that evenings are evenings. The same seed,
// numbers and end give the same season.

import { MICROS_PER_DAY, type Instant } from '../instant.ts';
import { makeFan, temperOf, type Fan } from './fans.ts';
import { createRandom, type Random } from './random.ts';
import { createStories, type Stories, type Story } from './stories.ts';

export interface SeasonOptions {
  seed: number;
  profiles: number;
  activities: number;
  /** Nothing happens after it. */
  end: Instant;
  /** Default: 20. */
  weeks?: number;
  /** Data only where an attribute reads it. */
  lean?: boolean;
}

export interface SeasonActivity extends Story {
  /** Number of the fan. */
  fan: number;
  id: string;
  at: Instant;
}

export interface Season {
  start: Instant;
  end: Instant;
  fan(index: number): Fan;
  activities(): Generator<SeasonActivity>;
  /** What happens when it goes on after its end: something at each instant that is handed in. */
  goOn(): (at: Instant) => SeasonActivity;
}

const WEEKS = 20;
const SLOT = MICROS_PER_DAY / 96;
/** Kick-offs in quarters of an hour of the week: Tuesday 19:00, Saturday 15:00, Sunday 17:30. */
const KICK_OFFS = [1 * 96 + 76, 5 * 96 + 60, 6 * 96 + 70];
const MATCH_SLOTS = 9;

export function createSeason(options: SeasonOptions): Season {
  const { seed, profiles, end, weeks = WEEKS } = options;
  const start = findStart(end, weeks);
  const [from, until] = drawPresence(seed, profiles, (end - start) / (weeks * 7 * MICROS_PER_DAY));
  const joinedAt = (index: number): Instant => {
    const part = from[index] ?? 0;
    if (part > 0) return Math.floor(start + part * weeks * 7 * MICROS_PER_DAY);
    const random = createRandom(seed, index, 3);
    return start - Math.floor(random.next() * 300 * MICROS_PER_DAY);
  };
  return {
    start,
    end,
    fan: (index) => makeFan(seed, index, joinedAt(index)),
    activities: () => happen(options, start, from, until),
    goOn() {
      const random = createRandom(seed, 7);
      const stories = storiesOf(options);
      for (const past of happen(options, start, from, until, stories)) void past; // so that they go on where they were
      const drawFan = fanDrawer(profiles);
      return (at) => {
        const slot = Math.floor((at - start) / SLOT);
        let fan = drawFan(random);
        for (let tries = 0; tries < 8 && (until[fan] ?? 1) < 1; tries++) fan = drawFan(random);
        const story = stories.next(random, fan, Math.floor(slot / 96), matchAt(slot));
        return { fan, id: `s${seed}-at-${at.toString(36)}`, at, ...story };
      };
    },
  };
}

const storiesOf = ({ seed, profiles, lean = false }: SeasonOptions): Stories =>
  createStories(seed, profiles, (index) => temperOf(seed, index), lean);

/**
 * When each fan comes and goes, as parts of the season, of which so much is over: most are there all the time, some join, some drop
 * out.
 */
function drawPresence(seed: number, profiles: number, over: number): [from: Float32Array, until: Float32Array] {
  const random = createRandom(seed, 4);
  const from = new Float32Array(profiles);
  const until = new Float32Array(profiles);
  for (let i = 0; i < profiles; i++) {
    from[i] = random.chance(0.25) ? random.next() * over : 0;
    until[i] = random.chance(0.35) ? (from[i] ?? 0) + (over - (from[i] ?? 0)) * random.next() : 1;
  }
  return [from, until];
}

function* happen(
  options: SeasonOptions,
  start: Instant,
  from: Float32Array,
  until: Float32Array,
  stories = storiesOf(options),
): Generator<SeasonActivity> {
  const { seed, profiles, activities, weeks = WEEKS } = options;
  const random = createRandom(seed, 5);
  const drawFan = fanDrawer(profiles);
  const slots = slotWeights(Math.floor((options.end - start) / SLOT), weeks);
  const total = slots.reduce((sum, weight) => sum + weight, 0);
  let slot = 0;
  let passed = 0;
  for (let n = 0; n < activities; n++) {
    // Quantiles of the intensity of the season, so that the activities come in order without being sorted.
    const quantile = ((n + random.next()) / activities) * total;
    while (slot < slots.length - 1 && passed + (slots[slot] ?? 0) <= quantile) passed += slots[slot++] ?? 0;
    const within = Math.min(0.999, (quantile - passed) / (slots[slot] ?? 1));
    const at = Math.floor(start + (slot + within) * SLOT);
    const part = slot / slots.length;
    let fan = drawFan(random);
    for (let tries = 0; tries < 8 && (part < (from[fan] ?? 0) || part > (until[fan] ?? 1)); tries++)
      fan = drawFan(random);
    if (part < (from[fan] ?? 0) || part > (until[fan] ?? 1)) fan = anyPresent(random, profiles, from, until, part);
    const match = matchAt(slot);
    yield { fan, id: `s${seed}-${n.toString(36)}`, at, ...stories.next(random, fan, Math.floor(slot / 96), match) };
  }
}

function anyPresent(random: Random, profiles: number, from: Float32Array, until: Float32Array, part: number): number {
  const first = random.int(profiles);
  for (let i = 0; i < profiles; i++) {
    const fan = (first + i) % profiles;
    if (part >= (from[fan] ?? 0) && part <= (until[fan] ?? 1)) return fan;
  }
  return first;
}

/**
 * Zipf and Mandelbrot's law: the weight of a rank is (rank + shift)^(exponent − 1), the exponent being that at which the
 * hottest 5 % make half. The shift keeps the very first from doing everything. Ranks are spread over the numbers.
 */
function fanDrawer(profiles: number): (random: Random) => number {
  const shift = Math.max(0.001, 5 / profiles);
  const exponent = findExponent(shift);
  const low = shift ** exponent;
  const span = (1 + shift) ** exponent - low;
  const stride = coprimeStride(profiles);
  return (random) => {
    const part = (low + random.next() * span) ** (1 / exponent) - shift;
    const rank = Math.min(profiles - 1, Math.max(0, Math.floor(part * profiles)));
    return (rank * stride) % profiles;
  };
}

const HOTTEST = 0.05;

function findExponent(shift: number): number {
  const share = (a: number): number => ((HOTTEST + shift) ** a - shift ** a) / ((1 + shift) ** a - shift ** a);
  let [low, high] = [-4.0001, 1]; // never exactly 0 in between, where the formula has no value
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (share(middle) > 0.5) low = middle;
    else high = middle;
  }
  return low;
}

/** Small enough that the product stays exact, without a common divisor. */
function coprimeStride(profiles: number): number {
  for (let stride = Math.max(1, Math.floor(profiles * 0.618)); ; stride++)
    if (divisor(stride, profiles) === 1) return stride;
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}

/** The Monday from which the week of the end is the last. */
function findStart(end: Instant, weeks: number): Instant {
  const day = Math.floor(end / MICROS_PER_DAY);
  const sinceMonday = (((day + 3) % 7) + 7) % 7; // day 0 was a Thursday
  return (day - sinceMonday - (weeks - 1) * 7) * MICROS_PER_DAY;
}

/** How much happens in each quarter of an hour of the weeks, of which the first so many are over. Some fans are awake while others sleep. */
function slotWeights(over: number, weeks: number): Float64Array {
  const weights = new Float64Array(weeks * 7 * 96);
  for (let slot = 0; slot < Math.min(over, weights.length); slot++) {
    const hour = (slot % 96) / 4;
    const awake = 0.16 + Math.max(0, Math.sin(((hour - 7) / 17) * Math.PI)) ** 1.5;
    const growth = 0.7 + (0.6 * slot) / weights.length;
    weights[slot] = awake * growth * (matchAt(slot) > 0 ? 9 : 1);
  }
  return weights;
}

/** The number of the match that is being played in this quarter of an hour, from 1; 0 for none. */
function matchAt(slot: number): number {
  const week = Math.floor(slot / (96 * 7));
  const ofWeek = slot % (96 * 7);
  const index = KICK_OFFS.findIndex((kickOff) => ofWeek >= kickOff - 1 && ofWeek < kickOff + MATCH_SLOTS);
  return index < 0 ? 0 : week * KICK_OFFS.length + index + 1;
}
