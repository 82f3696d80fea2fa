// Random rule trees over everything that the catalogue allows, with values that lie on the edges of the world.

import { formatInstant, MICROS_PER_DAY } from '../../instant.ts';
import type { Attribute, Condition } from '../attribute.ts';
import { findAttribute } from '../catalogue.ts';
import { DATA_CONDITION_NAMES } from '../parse-counted.ts';
import type { DataCondition, FixedWindow, RuleLeaf, RuleTree, RuleValue } from '../tree.ts';
import type { Random } from '../../testing/random.ts';
import { DEFINITIONS, TEXTS, type World } from './world.ts';

export function randomTree(random: Random, world: World, levels = 3): RuleTree {
  if (levels === 0 || random.chance(0.25)) return randomLeaf(random, world);
  const children = Array.from({ length: 1 + random.below(3) }, () => randomTree(random, world, levels - 1));
  const operator = random.pick(['AND', 'OR', 'NOT', 'AT_LEAST'] as const);
  if (operator === 'NOT') return { operator, children: children.slice(0, 1) };
  return operator === 'AT_LEAST'
    ? { operator, children, count: 1 + random.below(children.length) }
    : { operator, children };
}

export const WINDOWS = ['P7D', 'P1D', 'PT24H', 'PT1S', 'P2W', 'P30D', 'P1DT1S', 'P365D'];

/** What the profiles of a world have most of. */
const BUSY = [
  ...DEFINITIONS.map((row) => row.key),
  'total_activities',
  'days_inactive',
  'total_comments_posted',
  'reward_balance_total_earned',
  'days_in_current_tier',
  'have_ever_upgraded_tier',
  'last_active_at',
  'profile_group',
  'random_bucket',
];

export function randomLeaf(random: Random, world: World, key?: string): RuleLeaf {
  const keys = [...world.catalogue.attributes.keys(), 'profile_group', 'random_bucket'];
  const attribute = findAttribute(world.catalogue, key ?? random.pick(random.chance(0.4) ? BUSY : keys));
  if (!attribute) throw new Error(`no attribute ${key}`);
  const condition = random.pick(attribute.conditions);
  const value = randomValue(random, world, attribute, condition);
  return {
    attribute: attribute.key,
    condition,
    ...(value !== undefined && { value }),
    ...(attribute.supports_window && random.chance(0.7) && { window: randomWindow(random, world) }),
    ...(attribute.supports_window && random.chance(0.25) && { where: randomWhere(random) }),
    ...(attribute.supports_window &&
      attribute.type === 'number' &&
      random.chance(0.2) && { sum_of: random.pick(['points', 'points', 'grade', 'mood', 'none']) }),
    ...(attribute.key === 'random_bucket' && random.chance(0.5) && { salt: random.pick(['a', 'é🏆']) }),
  };
}

function randomWindow(random: Random, world: World): string | FixedWindow {
  if (random.chance(0.6)) return random.pick(WINDOWS);
  const edge = (): string => {
    const at = randomInstant(random, world);
    return random.chance(0.3) ? at.slice(0, 10) : at;
  };
  const [a = '', b = ''] = [edge(), edge()].sort();
  if (random.chance(0.3)) return random.pick([{ from: a }, { until: b }]);
  // A date begins at another instant in each time zone: beside an instant that is near, which comes first is not known here.
  const apart = Math.abs(Date.parse(b) - Date.parse(a)) * 1000;
  const isOrdered = a.length === b.length ? a !== b : apart > 2 * MICROS_PER_DAY;
  return isOrdered ? { from: a, until: b } : { from: a };
}

/** What the data of a world's activities has under its keys. */
const DATA: Readonly<Record<string, readonly (string | number | boolean)[]>> = {
  size: TEXTS,
  category: ['hat', 'Hat', 'shirt', 1, true],
  grade: [1, 2, '2'],
  points: [0, 1, 2, -3, 2.5, 0.1, 1e10, '5', true],
  vip: [true, false, 'true'],
  direction: ['upgraded', 'downgraded'],
  none: ['x'],
};

function randomWhere(random: Random): DataCondition[] {
  return Array.from({ length: 1 + random.below(3) }, (): DataCondition => {
    const key = random.pick(Object.keys(DATA));
    const some = DATA[key] ?? [];
    const condition = random.pick(DATA_CONDITION_NAMES);
    const number = (): number => random.pick([0, 1, 2, 2.5, 0.1, -3, 1e9]);
    switch (condition) {
      case 'is_empty':
      case 'is_not_empty':
        return { key, condition, ...(random.chance(0.5) && { value: random.chance(0.5) }) };
      case 'equals':
      case 'not_equals':
        return { key, condition, value: random.pick(some) };
      case 'in':
      case 'not_in':
        return { key, condition, value: random.some(some, 3) };
      case 'between':
        return { key, condition, value: [number(), number()].sort((a, b) => a - b) };
      case 'contains':
      case 'not_contains':
      case 'starts_with':
      case 'ends_with':
        return { key, condition, value: random.pick(TEXTS.filter((text) => text !== '')) };
      default:
        return { key, condition, value: number() };
    }
  });
}

function randomInstant(random: Random, world: World): string {
  const times = world.profiles.flatMap((profile) => [profile.createdAt, ...profile.activities.map((row) => row.at)]);
  return formatInstant(random.pick([...times, world.start, world.end]) + random.pick([0, 0, 1, -1, MICROS_PER_DAY]));
}

function randomValue(random: Random, world: World, attribute: Attribute, condition: Condition): RuleValue | undefined {
  const one = (): string | number => randomScalar(random, world, attribute);
  switch (condition) {
    case 'is_empty':
    case 'is_not_empty':
      return random.chance(0.4) ? undefined : random.chance(0.5);
    case 'is':
      return random.chance(0.5);
    case 'within_last_x_days':
    case 'within_next_x_days':
      return random.pick([1, 2, 7, 30, 3650]);
    case 'anniversary_within_next_x_days':
      return random.pick([0, 1, 7, 30, 364]);
    case 'days_ago_between':
      return [random.pick([0, 1, 3]), random.pick([3, 4, 30, 3650])];
    case 'in':
    case 'not_in':
      return Array.from({ length: 1 + random.below(3) }, one);
    case 'between': {
      const pair = [one(), one()] as [string, string]; // both of one kind, so that they compare
      return pair[0] <= pair[1] ? pair : [pair[1], pair[0]];
    }
    case 'contains':
    case 'not_contains':
    case 'starts_with':
    case 'ends_with':
      return random.pick(attribute.type === 'list' ? TEXTS : TEXTS.filter((text) => text !== ''));
    default:
      return one();
  }
}

function randomScalar(random: Random, world: World, attribute: Attribute): string | number {
  if (attribute.key === 'profile_group') return random.pick(world.groups);
  if (attribute.key === 'random_bucket') return random.pick([0, 2500, 5000, 9999, 5000.5]);
  if (attribute.type === 'number') {
    return random.pick([
      0,
      1,
      2,
      3,
      4,
      7,
      12,
      1000,
      2003,
      0.5,
      1.5,
      -1,
      0.1,
      0.30000000000000004,
      1e300,
      -1e300,
      2 ** 53,
    ]);
  }
  if (attribute.type === 'datetime') {
    const at = randomInstant(random, world);
    return random.chance(0.3) ? at.slice(0, 10) : at;
  }
  return random.pick(TEXTS);
}
