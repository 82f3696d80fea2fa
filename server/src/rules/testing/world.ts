// A small application in memory and in a database: definitions of every kind, profiles with raw activities and stored
// pairs. Its totals are folded here, activity by activity, as intake is bound to do.

import { randomUUID } from 'node:crypto';
import { formatInstant, MICROS_PER_DAY, parseInstant, type Instant } from '../../instant.ts';
import type { ActivityType, Catalogue, Fact, Scalar } from '../attribute.ts';
import { buildCatalogue, type DefinitionRow } from '../catalogue.ts';
import { PLATFORM_TYPES } from '../platform.ts';
import { NO_NEEDS, type FactTotal, type Needs, type ProfileState, type StoredValue } from '../state.ts';
import { isCounted, ten000ths } from './naive-activity.ts';
import { compareText, parseNumber } from '../values.ts';
import type { Random } from '../../testing/random.ts';

export interface Activity {
  id: string;
  type: string;
  at: Instant;
  value: number;
  data: Record<string, Scalar | null> | null;
}

export interface Profile {
  id: string;
  ordinal: number;
  createdAt: Instant;
  nickname: string;
  customId: string | null;
  activities: Activity[];
  pairs: { key: string; value: string; writtenBy: 'admin' | 'profile' }[];
  /** Ids of groups. */
  groups: string[];
}

export interface World {
  catalogue: Catalogue;
  profiles: Profile[];
  groups: string[];
  start: Instant;
  end: Instant;
}

export const CUSTOM_TYPES: readonly ActivityType[] = [
  { id: 1000, type: 'shop-purchase', label: 'Purchase', client: false, registered: true },
  { id: 1001, type: 'quiz-won', label: 'Quiz won', client: false, registered: false },
];

export const CUSTOM_FACTS: readonly Fact[] = [
  { id: 1100, typeId: 1000, key: 'category', equals: 'hat', valueType: null, built: true },
  { id: 1101, typeId: 0, key: 'vip', equals: true, valueType: null, built: true },
  { id: 1102, typeId: 1000, key: 'size', equals: null, valueType: 'string', built: true },
  { id: 1103, typeId: 1001, key: 'size', equals: null, valueType: 'string', built: true },
  { id: 1104, typeId: 0, key: 'mood', equals: null, valueType: 'number', built: true },
  { id: 1105, typeId: 1000, key: 'until', equals: null, valueType: 'datetime', built: true },
  { id: 1106, typeId: 1001, key: 'subscribed', equals: null, valueType: 'boolean', built: true },
  { id: 1107, typeId: 1001, key: 'grade', equals: 2, valueType: null, built: true },
];

function definition(key: string, rest: Pick<DefinitionRow, 'type'> & Partial<DefinitionRow>): DefinitionRow {
  return {
    key,
    label: key,
    description: '',
    category: 'custom',
    unit: null,
    choices: null,
    writable_by: 'admin',
    visible_to: 'owner',
    derived_from: null,
    ...rest,
  };
}

const shops = ['shop-purchase', 'quiz-won'];

export const DEFINITIONS: readonly DefinitionRow[] = [
  definition('hats_bought', {
    type: 'number',
    derived_from: { fn: 'count', types: ['shop-purchase'], where: { key: 'category', equals: 'hat' } },
  }),
  definition('hat_spend', {
    type: 'number',
    derived_from: { fn: 'sum', types: ['shop-purchase'], where: { key: 'category', equals: 'hat' } },
  }),
  definition('spend', { type: 'number', derived_from: { fn: 'sum', types: shops } }),
  definition('any_vip', {
    type: 'boolean',
    derived_from: { fn: 'exists', types: ['*'], where: { key: 'vip', equals: true } },
  }),
  definition('second_grades', {
    type: 'number',
    derived_from: { fn: 'count', types: ['quiz-won'], where: { key: 'grade', equals: 2 } },
  }),
  definition('all_values', { type: 'number', derived_from: { fn: 'sum', types: ['*'] } }),
  definition('first_deal', { type: 'datetime', derived_from: { fn: 'first', types: shops } }),
  definition('last_deal', { type: 'datetime', derived_from: { fn: 'last', types: shops } }),
  definition('last_hat', {
    type: 'datetime',
    derived_from: { fn: 'last', types: ['shop-purchase'], where: { key: 'category', equals: 'hat' } },
  }),
  definition('shirt_size', { type: 'string', derived_from: { fn: 'state', types: shops, key: 'size' } }),
  definition('mood', { type: 'number', derived_from: { fn: 'state', types: ['*'], key: 'mood' } }),
  definition('offer_until', {
    type: 'datetime',
    derived_from: { fn: 'state', types: ['shop-purchase'], key: 'until' },
  }),
  definition('subscribed', { type: 'boolean', derived_from: { fn: 'state', types: ['quiz-won'], key: 'subscribed' } }),
  definition('team', { type: 'string', writable_by: 'profile' }),
  definition('plan', { type: 'string' }),
  definition('score', { type: 'number', writable_by: 'profile' }),
  definition('credit', { type: 'number' }),
  definition('opted_in', { type: 'boolean', writable_by: 'profile' }),
  definition('renewal', { type: 'datetime', writable_by: 'profile' }),
  definition('tags', { type: 'list', writable_by: 'profile' }),
  definition('badges', { type: 'list' }),
];

export function testCatalogue(applicationId = 1, timeZone = 'UTC'): Catalogue {
  return buildCatalogue({
    applicationId,
    version: 1,
    timeZone,
    types: CUSTOM_TYPES,
    facts: CUSTOM_FACTS,
    definitions: DEFINITIONS,
  });
}

/** Texts that tell careless comparisons apart: case, composition, beyond the BMP, quoting, patterns, nothing. */
export const TEXTS = [
  'gold',
  'Gold',
  'é',
  'e\u0301',
  '🏆',
  '🏆🏅',
  "O'Neil\\",
  '%',
  '_',
  ' gold',
  '',
  'ſ',
  '\uffee',
  'straße',
  'goldé🏆',
];
export const NUMBERS = [
  '0',
  '-0',
  '1',
  '2',
  '2.5',
  '-3',
  '1e3',
  '0.1',
  '0.30000000000000004',
  '007',
  'abc',
  '1e999',
  '+1',
];
export const ALL_TYPES = [...PLATFORM_TYPES, ...CUSTOM_TYPES].map((type) => type.type);

/** West and east of UTC, by less than an hour, with clocks that change. */
const ZONES = ['UTC', 'UTC', 'America/New_York', 'Europe/Berlin', 'Asia/Kathmandu', 'Pacific/Auckland'];

export function createWorld(random: Random, profiles: number, applicationId = 1): World {
  // In the second stretch clocks change, in America and in Europe; in the third a leap day lies.
  const [year, month] = random.pick([
    [2025, 0],
    [2025, 2],
    [2024, 1],
  ] as const);
  const start = Date.UTC(year, month, 1) * 1000 + random.below(1_000_000);
  const end = start + 40 * MICROS_PER_DAY;
  const groups = [randomUUID(), randomUUID(), randomUUID()];
  const instant = createInstants(random, start, end);
  return {
    catalogue: testCatalogue(applicationId, random.pick(ZONES)),
    groups,
    start,
    end,
    profiles: Array.from({ length: profiles }, (_, index) => createProfile(random, index, instant, groups)),
  };
}

/** Instants that often coincide, or stand a whole number of days or a single microsecond apart. */
function createInstants(random: Random, start: Instant, end: Instant): () => Instant {
  const anchors = Array.from({ length: 6 }, () => start + random.below((end - start) / 1000) * 1000);
  return () => {
    const near = random.pick(anchors) + random.pick([0, 0, 1, -1]) + random.pick([-7, -1, 0, 0, 1, 3]) * MICROS_PER_DAY;
    return Math.min(end, Math.max(start, near + (random.chance(0.3) ? random.below(MICROS_PER_DAY) : 0)));
  };
}

function createProfile(random: Random, index: number, instant: () => Instant, groups: readonly string[]): Profile {
  const busy = random.pick([0, 1, 4, 12, 30]);
  const types = random.some(ALL_TYPES, 5);
  return {
    id: randomUUID(),
    ordinal: index * 3 + random.below(3), // with gaps, as erased profiles leave them
    createdAt: instant(),
    nickname: random.pick(TEXTS) || 'Final Horse',
    customId: random.chance(0.5) ? `${random.pick(TEXTS)}${random.chance(0.5) ? index : ''}` : null,
    activities: Array.from({ length: busy }, (_, n) =>
      createActivity(random, `${random.pick(TEXTS)}-${n}`, types, instant),
    ),
    pairs: createPairs(random, instant),
    groups: groups.filter(() => random.chance(0.4)),
  };
}

export function createActivity(random: Random, id: string, types: readonly string[], instant: () => Instant): Activity {
  const type = random.chance(0.5)
    ? random.pick(types)
    : random.pick(['shop-purchase', 'quiz-won', 'comment-created', 'reward-earned', 'tier-changed', 'streak-updated']);
  const data: Record<string, Scalar | null> = {};
  const maybe = (key: string, values: readonly (Scalar | null)[]): void => {
    if (random.chance(0.5)) data[key] = random.pick(values);
  };
  if (type === 'shop-purchase' || type === 'quiz-won') maybe('size', [null, ...TEXTS]);
  if (type === 'shop-purchase') {
    maybe('category', ['hat', 'Hat', 'shirt', 1, true, null]);
    maybe('until', [
      null,
      formatInstant(instant()),
      '2025-02-01',
      '2024-02-29',
      formatInstant(instant()).slice(0, 10),
      '2025-02-01T10:00:00.5+05:30',
      '2025-02-01T10:00:00.9999996Z',
    ]);
  }
  if (type === 'quiz-won') {
    maybe('subscribed', [true, false, null]);
    maybe('grade', [1, 2, '2', null]);
  }
  if (type === 'tier-changed') {
    maybe('direction', ['upgraded', 'downgraded', null]);
    maybe('status_tier', [null, ...TEXTS]);
    maybe('current_tier_rank', [0, 1, 2, 2.5, null]);
  }
  if (type === 'streak-updated') {
    for (const key of [
      'current_streak_length',
      'longest_streak_length',
      'periodic_streak_length',
      'consecutive_streak_length',
    ]) {
      maybe(key, [0, 1, 2, 3, null]);
    }
    maybe('is_streak_active', [true, false, null]);
    maybe('is_streak_frozen', [true, false, null]);
  }
  if (type === 'leaderboard-ranking-updated') maybe('leaderboards_ranked_on', [0, 1, 2, null]);
  if (type === 'toxicity-scored') maybe('toxicity_score', [0, 0.25, 0.5, 1, null]);
  maybe('mood', [0, 1, 2, -3, 2.5, null]);
  maybe('points', [0, 1, 2, -3, 0.1, 0.2, 0.00005, -0.00015, 1e9, 1e10, '5', true, null]);
  if (random.chance(0.2)) data['vip'] = random.pick([true, false, 'true']);
  return {
    id,
    type,
    at: instant(),
    value: random.pick([1, 1, 2, 3, 1000]),
    data: Object.keys(data).length > 0 ? data : null,
  };
}

function createPairs(random: Random, instant: () => Instant): Profile['pairs'] {
  const pools: Record<string, readonly string[]> = {
    team: TEXTS,
    plan: TEXTS,
    score: NUMBERS,
    credit: NUMBERS,
    opted_in: ['true', 'false', 'TRUE', ''],
    renewal: [
      formatInstant(instant()),
      formatInstant(instant()).slice(0, 10),
      '2025-02-01',
      '2000-02-29',
      '1990-03-01',
      '2025-02-01T00:00:00.0000009Z',
      'tomorrow',
    ],
    tags: TEXTS,
    badges: TEXTS,
  };
  return Object.entries(pools).flatMap(([key, pool]) => {
    const most = key === 'tags' || key === 'badges' ? 3 : random.chance(0.15) ? 2 : 1; // repeated before it was defined
    const values = random.chance(0.6) ? new Set(random.some(pool, most)) : new Set<string>();
    return [...values].map((value) => ({ key, value, writtenBy: random.pick(['admin', 'profile'] as const) }));
  });
}

/** What totals hold after these activities, whatever order they came in. */
export function foldTotals(world: World, profile: Profile): Map<number, FactTotal> {
  const totals = new Map<number, FactTotal>();
  for (const activity of profile.activities) {
    const typeId = world.catalogue.types.get(activity.type)?.id ?? -1;
    for (const factId of [typeId, 0]) addTo(totals, factId, activity);
    for (const fact of world.catalogue.facts) {
      if (fact.typeId !== typeId && fact.typeId !== 0) continue;
      const value = activity.data?.[fact.key];
      if (value === undefined) continue;
      if (fact.equals !== null) {
        if (value === fact.equals) addTo(totals, fact.id, activity);
      } else {
        setState(addTo(totals, fact.id, activity), activity, value, fact);
      }
    }
  }
  return totals;
}

function addTo(totals: Map<number, FactTotal>, factId: number, activity: Activity): FactTotal {
  const none: FactTotal = {
    count: 0,
    sum: 0,
    firstAt: null,
    lastAt: null,
    state: null,
    stateAt: null,
    stateActivity: null,
    stateInstant: null,
  };
  const total = totals.get(factId) ?? none;
  total.count += 1;
  total.sum += activity.value;
  total.firstAt = Math.min(total.firstAt ?? Infinity, activity.at);
  total.lastAt = Math.max(total.lastAt ?? -Infinity, activity.at);
  totals.set(factId, total);
  return total;
}

function setState(total: FactTotal, activity: Activity, value: Scalar | null, fact: Fact): void {
  const newer =
    total.stateAt === null ||
    activity.at > total.stateAt ||
    (activity.at === total.stateAt && compareText(activity.id, total.stateActivity ?? '') > 0);
  if (!newer) return;
  total.state = value;
  total.stateAt = activity.at;
  total.stateActivity = activity.id;
  total.stateInstant =
    fact.valueType === 'datetime' && typeof value === 'string' ? (parseInstant(value) ?? null) : null;
}

export function storedValue(pair: Profile['pairs'][number]): StoredValue {
  return {
    value: pair.value,
    number: parseNumber(pair.value) ?? null,
    instant: parseInstant(pair.value) ?? null,
    writtenBy: pair.writtenBy,
  };
}

/** The state as it would be loaded, with every activity in its lists; also in those that leaves narrow, by what is needed. */
export function stateInMemory(world: World, profile: Profile, { recent: needs }: Needs = NO_NEEDS): ProfileState {
  const recent: ProfileState['recent'] = new Map();
  const facts = [
    ...[...world.catalogue.types.values()].map((type) => ({ id: type.id, typeId: type.id, key: '', equals: null })),
    { id: 0, typeId: 0, key: '', equals: null },
    ...world.catalogue.facts.filter((fact) => fact.equals !== null),
  ];
  for (const fact of facts) {
    const rows = profile.activities
      .filter((activity) => fact.typeId === 0 || world.catalogue.types.get(activity.type)?.id === fact.typeId)
      .filter((activity) => fact.equals === null || activity.data?.[fact.key] === fact.equals)
      .sort((a, b) => b.at - a.at);
    recent.set(fact.id, { at: rows.map((row) => row.at), value: rows.map((row) => row.value), complete: true });
  }
  for (const [key, { fact, filter }] of needs) {
    if (!filter) continue;
    const { from, until, where, sumOf } = filter;
    const rows = profile.activities
      .filter((activity) => fact.typeId === 0 || world.catalogue.types.get(activity.type)?.id === fact.typeId)
      .filter((activity) => !fact.where || activity.data?.[fact.where.key] === fact.where.equals)
      .filter(({ at }) => (from ?? -Infinity) <= at && at < (until ?? Infinity))
      .filter((activity) => isCounted(activity, { where }, 0))
      .filter(({ data }) => sumOf === null || (typeof data?.[sumOf] === 'number' && Math.abs(data[sumOf]) <= 1e9))
      .sort((a, b) => b.at - a.at);
    const value = rows.map((row) => (sumOf === null ? row.value : ten000ths(row.data?.[sumOf])));
    recent.set(key, { at: rows.map((row) => row.at), value, complete: true });
  }
  const attributes = new Map<string, StoredValue[]>();
  for (const pair of profile.pairs) attributes.set(pair.key, [...(attributes.get(pair.key) ?? []), storedValue(pair)]);
  return {
    id: profile.id,
    ordinal: profile.ordinal,
    createdAt: profile.createdAt,
    nickname: profile.nickname,
    customId: profile.customId,
    totals: foldTotals(world, profile),
    recent,
    attributes,
    groups: new Map(profile.groups.map((group) => [group, { member: true, flips: [] }])),
  };
}
