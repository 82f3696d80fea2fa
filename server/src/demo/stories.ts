// What a fan does next: drawn from its temper, and told so that it fits what it did before. Quests are completed after
// they were started, points are spent after they were earned, streaks grow by the day, tiers go up one by one.

import { createRandom, weighted, type Random } from './random.ts';
import type { Temper } from './fans.ts';

export interface Story {
  type: string;
  value: number;
  data: Record<string, unknown> | null;
}

type Kind =
  'say' | 'chat' | 'react' | 'play' | 'visit' | 'points' | 'quest' | 'streak' | 'tier' | 'social' | 'moderation';

const MIXES: Readonly<Record<Temper, readonly (readonly [Kind, number])[]>> = {
  talker: [
    ['say', 30],
    ['chat', 22],
    ['react', 16],
    ['play', 6],
    ['visit', 12],
    ['points', 4],
    ['quest', 3],
    ['streak', 3],
    ['tier', 0.5],
    ['social', 1.5],
    ['moderation', 2],
  ],
  player: [
    ['say', 6],
    ['chat', 6],
    ['react', 14],
    ['play', 38],
    ['visit', 13],
    ['points', 8],
    ['quest', 7],
    ['streak', 5],
    ['tier', 1],
    ['social', 1],
    ['moderation', 0.5],
  ],
  collector: [
    ['say', 5],
    ['chat', 3],
    ['react', 10],
    ['play', 18],
    ['visit', 16],
    ['points', 20],
    ['quest', 16],
    ['streak', 8],
    ['tier', 2],
    ['social', 1],
    ['moderation', 0.3],
  ],
  watcher: [
    ['say', 2],
    ['chat', 2],
    ['react', 34],
    ['play', 12],
    ['visit', 40],
    ['points', 3],
    ['quest', 2],
    ['streak', 3],
    ['tier', 0.4],
    ['social', 0.6],
    ['moderation', 0.2],
  ],
};
const DRAW: Readonly<Record<Temper, (random: Random) => Kind>> = {
  talker: weighted(MIXES.talker),
  player: weighted(MIXES.player),
  collector: weighted(MIXES.collector),
  watcher: weighted(MIXES.watcher),
};
const TIERS = ['Bronze', 'Silver', 'Gold', 'Platinum', 'Diamond'];
const drawGame = weighted([
  ['poll-voted', 40],
  ['quiz-answered', 25],
  ['prediction-made', 20],
  ['widget-interacted', 15],
] as const);

/** What was so far, by fan. */
interface Past {
  temper: (fan: number) => Temper;
  tier: Uint8Array;
  streak: Uint16Array;
  longest: Uint16Array;
  lastDay: Int16Array;
  open: Uint16Array;
  awarded: Uint16Array;
  balance: Int32Array;
  friends: Uint8Array;
  anger: Float32Array;
}

export interface Stories {
  /** `match` 0: none is played. */
  next(random: Random, fan: number, day: number, match: number): Story;
}

export function createStories(seed: number, fans: number, temper: (fan: number) => Temper, lean: boolean): Stories {
  const tempers = new Uint8Array(fans);
  const names: readonly Temper[] = ['talker', 'player', 'collector', 'watcher'];
  const past: Past = {
    temper(fan) {
      const known = tempers[fan] ?? 0;
      if (known > 0) return names[known - 1] ?? 'watcher';
      const drawn = temper(fan);
      tempers[fan] = names.indexOf(drawn) + 1;
      return drawn;
    },
    tier: new Uint8Array(fans),
    streak: new Uint16Array(fans),
    longest: new Uint16Array(fans),
    lastDay: new Int16Array(fans).fill(-9),
    open: new Uint16Array(fans),
    awarded: new Uint16Array(fans),
    balance: new Int32Array(fans),
    friends: new Uint8Array(fans),
    anger: new Float32Array(fans).fill(-1),
  };
  return {
    next(random, fan, day, match) {
      const story = tell(DRAW[past.temper(fan)](random), { random, fan, day, match, past, seed });
      return lean && !STATEFUL.has(story.type) ? { ...story, data: null } : story;
    },
  };
}

/** Types whose data attributes read. */
const STATEFUL = new Set(['tier-changed', 'streak-updated', 'leaderboard-ranking-updated', 'toxicity-scored']);

interface Scene {
  random: Random;
  fan: number;
  day: number;
  match: number;
  past: Past;
  seed: number;
}

const one = (type: string, data: Record<string, unknown> | null = null): Story => ({ type, value: 1, data });

function tell(kind: Kind, scene: Scene): Story {
  const { random, match } = scene;
  switch (kind) {
    case 'say':
      return one(
        random.chance(0.7) ? 'comment-created' : 'comment-reply-created',
        match > 0 ? { about: 'match', match } : { about: 'news' },
      );
    case 'chat':
      return one('chat-message-created', match > 0 ? { room: `match-${match}` } : { room: 'lounge' });
    case 'react':
      return one(random.chance(0.97) ? 'user-reaction-created' : 'user-reaction-deleted', {
        emoji: random.pick(['goal', 'love', 'wow', 'sad']),
      });
    case 'play':
      return one(drawGame(random), match > 0 ? { match } : null);
    case 'visit':
      return one(random.chance(0.85) ? 'session-started' : 'leaderboard-viewed', {
        platform: random.pick(['ios', 'android', 'web']),
      });
    case 'points':
      return points(scene);
    case 'quest':
      return quest(scene);
    case 'streak':
      return streak(scene);
    case 'tier':
      return tier(scene);
    case 'social':
      return social(scene);
    case 'moderation':
      return moderation(scene);
  }
}

function points({ random, fan, past }: Scene): Story {
  const balance = past.balance[fan] ?? 0;
  if (balance >= 50 && random.chance(0.25)) {
    const spent = 10 * (1 + random.int(Math.floor(balance / 10)));
    past.balance[fan] = balance - spent;
    return {
      type: 'reward-spent',
      value: spent,
      data: { item: random.pick(['badge', 'voucher', 'scarf', 'upgrade']) },
    };
  }
  if (random.chance(0.2)) return one('reward-action-triggered');
  const earned = 5 * (1 + random.int(20));
  past.balance[fan] = balance + earned;
  return { type: 'reward-earned', value: earned, data: null };
}

function quest({ random, fan, past }: Scene): Story {
  const open = past.open[fan] ?? 0;
  const awarded = past.awarded[fan] ?? 0;
  const drawn = random.next();
  if (awarded > 0 && drawn < 0.15) {
    past.awarded[fan] = awarded - 1;
    return one('user-quest-reward-claimed');
  }
  if (open === 0 || drawn < 0.35) {
    past.open[fan] = open + 1;
    return one('user-quest-started');
  }
  if (drawn < 0.6) return one('user-quest-task-completed');
  if (drawn < 0.7) {
    past.open[fan] = open - 1;
    return one('user-quest-failed');
  }
  if (drawn < 0.8) {
    past.awarded[fan] = awarded + 1;
    return one('user-quest-reward-awarded');
  }
  past.open[fan] = open - 1;
  return one('user-quest-completed');
}

function streak({ random, fan, day, past }: Scene): Story {
  const length = past.streak[fan] ?? 0;
  const last = past.lastDay[fan] ?? -9;
  if (length > 0 && length % 7 === 0 && last === day) return one('streak-milestone-reached', { length });
  if (length > 0 && day - last > 3 && random.chance(0.5)) {
    past.streak[fan] = 0;
    return one('streak-reset', { length });
  }
  const grown = last === day ? length : day - last <= 3 ? length + 1 : 1;
  const longest = Math.max(past.longest[fan] ?? 0, grown);
  past.streak[fan] = grown;
  past.longest[fan] = longest;
  past.lastDay[fan] = day;
  const data = {
    current_streak_length: grown,
    longest_streak_length: longest,
    periodic_streak_length: Math.ceil(grown / 7),
    consecutive_streak_length: grown,
    is_streak_active: true,
    is_streak_frozen: random.chance(0.03),
  };
  return one('streak-updated', data);
}

function tier({ random, fan, past }: Scene): Story {
  const rank = past.tier[fan] ?? 0;
  const isUp = rank === 0 || (rank < TIERS.length && random.chance(0.75));
  const next = isUp ? rank + 1 : Math.max(1, rank - 1);
  past.tier[fan] = next;
  return one('tier-changed', {
    direction: next > rank ? 'upgraded' : 'downgraded',
    status_tier: TIERS[next - 1],
    current_tier_rank: next,
  });
}

function social({ random, fan, past }: Scene): Story {
  const friends = past.friends[fan] ?? 0;
  if (friends > 0 && random.chance(0.2)) {
    past.friends[fan] = friends - 1;
    return one('profile-relationship-deleted');
  }
  if (random.chance(0.4)) return one('leaderboard-ranking-updated', { leaderboards_ranked_on: random.int(4) });
  past.friends[fan] = Math.min(255, friends + 1);
  return one('profile-relationship-created');
}

/** Most are harmless; a few are not, and stay so. */
function moderation({ random, fan, past, seed }: Scene): Story {
  if ((past.anger[fan] ?? -1) < 0) {
    const nature = createRandom(seed, fan, 6);
    past.anger[fan] = nature.chance(0.06) ? 0.6 + 0.35 * nature.next() : 0.3 * nature.next();
  }
  const anger = past.anger[fan] ?? 0;
  if (random.chance(anger * 0.4))
    return one('comment-reported', { reason: random.pick(['insult', 'spam', 'spoiler']) });
  const score = Math.min(1, Math.max(0, anger + (random.next() - 0.5) * 0.2));
  return one('toxicity-scored', { toxicity_score: Math.round(score * 1000) / 1000 });
}
