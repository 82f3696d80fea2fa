// The fans of the demo: who they are, by number and seed.

import { ADJECTIVES, NOUNS } from '../profiles/nickname-words.ts';
import { formatInstant, MICROS_PER_DAY, type Instant } from '../instant.ts';
import { createRandom, weighted } from './random.ts';

export const TEAMS = ['lions', 'tigers', 'bears', 'sharks', 'falcons', 'wolves'] as const;
export const SUBSCRIPTIONS = ['free', 'plus', 'vip'] as const;
const COUNTRIES = [
  ['GB', 30],
  ['US', 22],
  ['DE', 12],
  ['FR', 9],
  ['ES', 8],
  ['BR', 7],
  ['IN', 7],
  ['JP', 5],
] as const;
const INTERESTS = ['tickets', 'merchandise', 'statistics', 'history', 'youth', 'travel', 'fantasy'] as const;

/** What the fans' attributes mean, as definitions of attributes. */
export const DEFINITIONS = [
  {
    key: 'favourite_team',
    label: 'Favourite team',
    type: 'string',
    category: 'fan',
    choices: [...TEAMS],
    writable_by: 'profile',
    visible_to: 'public',
  },
  { key: 'subscription', label: 'Subscription', type: 'string', category: 'fan', choices: [...SUBSCRIPTIONS] },
  { key: 'country', label: 'Country', type: 'string', category: 'fan' },
  { key: 'birth_year', label: 'Year of birth', type: 'number', category: 'fan' },
  { key: 'newsletter', label: 'Reads the newsletter', type: 'boolean', category: 'fan', writable_by: 'profile' },
  { key: 'season_ticket_until', label: 'Season ticket until', type: 'datetime', category: 'fan' },
  {
    key: 'interests',
    label: 'Interests',
    type: 'list',
    category: 'fan',
    choices: [...INTERESTS],
    writable_by: 'profile',
  },
  {
    key: 'match_day_comments',
    label: 'Comments about matches',
    description: 'Comments that were posted about a match.',
    category: 'fan',
    derived_from: { fn: 'count', types: ['comment-created'], where: { key: 'about', equals: 'match' } },
  },
] as const;

/** What a fan likes to do, which decides the mix of its activities. */
export type Temper = 'talker' | 'player' | 'collector' | 'watcher';

export interface Fan {
  customId: string;
  nickname: string;
  temper: Temper;
  createdAt: Instant;
  attributes: { key: string; value: string }[];
}

const drawTeam = weighted<string>([
  ['lions', 30],
  ['tigers', 22],
  ['bears', 18],
  ['sharks', 14],
  ['falcons', 9],
  ['wolves', 7],
]);
const drawSubscription = weighted<string>([
  ['free', 78],
  ['plus', 17],
  ['vip', 5],
]);
const drawTemper = weighted<Temper>([
  ['talker', 28],
  ['player', 32],
  ['collector', 15],
  ['watcher', 25],
]);
const drawCountry = weighted<string>(COUNTRIES);

export function temperOf(seed: number, index: number): Temper {
  return drawTemper(createRandom(seed, index, 1));
}

export const customIdOf = (index: number): string => `fan-${String(index + 1).padStart(6, '0')}`;

/** The fan with this number; `joinedAt` when it first turned up. */
export function makeFan(seed: number, index: number, joinedAt: Instant): Fan {
  const random = createRandom(seed, index, 2);
  const attributes = [
    { key: 'favourite_team', value: drawTeam(random) },
    { key: 'subscription', value: drawSubscription(random) },
    { key: 'country', value: drawCountry(random) },
  ];
  if (random.chance(0.8))
    attributes.push({ key: 'birth_year', value: String(1950 + Math.floor(58 * Math.sqrt(random.next()))) });
  if (random.chance(0.6)) attributes.push({ key: 'newsletter', value: String(random.chance(0.4)) });
  if (random.chance(0.15)) {
    const until = joinedAt + (100 + random.int(400)) * MICROS_PER_DAY;
    attributes.push({ key: 'season_ticket_until', value: formatInstant(until - (until % MICROS_PER_DAY)) });
  }
  const interests = new Set(Array.from({ length: random.int(4) }, () => random.pick(INTERESTS)));
  for (const interest of interests) attributes.push({ key: 'interests', value: interest });
  return {
    customId: customIdOf(index),
    nickname: `${random.pick(ADJECTIVES)} ${random.pick(NOUNS)}`,
    temper: temperOf(seed, index),
    createdAt: joinedAt,
    attributes,
  };
}
