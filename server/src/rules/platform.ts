// The platform's own catalogue as data: 38 activity types, the facts kept beyond them, 64 attributes, and which
// conditions each type of value allows. The ids stand in every database and are never given a new meaning;
// migrations insert the same rows, and a test holds them equal to this file. Long because it is a table.

import type { ActivityType, BasicDerivation, Condition, DerivedFrom, Fact, ValueType } from './attribute.ts';

type TypeRow = readonly [type: string, label: string, client: boolean];

/** Each list in alphabetical order: the place in all of them is the id. */
const FIRST_TYPES: readonly TypeRow[] = [
  ['chat-message-created', 'Chat message sent', true],
  ['comment-created', 'Comment posted', true],
  ['comment-reply-created', 'Reply posted', true],
  ['comment-reported', 'Comment reported by others', false],
  ['leaderboard-ranking-updated', 'Leaderboard ranking updated', false],
  ['leaderboard-viewed', 'Leaderboard viewed', true],
  ['poll-voted', 'Poll vote', true],
  ['prediction-made', 'Prediction made', true],
  ['profile-relationship-created', 'Relationship formed', false],
  ['profile-relationship-deleted', 'Relationship ended', false],
  ['quiz-answered', 'Quiz answered', true],
  ['reward-action-triggered', 'Reward action triggered', false],
  ['reward-earned', 'Reward earned', false],
  ['reward-spent', 'Reward spent', false],
  ['session-started', 'Session started', true],
  ['streak-milestone-reached', 'Streak milestone reached', false],
  ['streak-reset', 'Streak lost', false],
  ['streak-updated', 'Streak updated', false],
  ['tier-changed', 'Tier changed', false],
  ['toxicity-scored', 'Toxicity scored', false],
  ['user-quest-completed', 'Quest completed', false],
  ['user-quest-failed', 'Quest failed', false],
  ['user-quest-reward-awarded', 'Quest reward awarded', false],
  ['user-quest-reward-claimed', 'Quest reward claimed', false],
  ['user-quest-started', 'Quest started', false],
  ['user-quest-task-completed', 'Quest task completed', false],
  ['user-reaction-created', 'Reaction added', true],
  ['user-reaction-deleted', 'Reaction removed', false],
  ['widget-interacted', 'Widget used', true],
];

/** What other systems send, and no attribute of the platform is computed from. */
const SENT_TYPES: readonly TypeRow[] = [
  ['badge-awarded', 'Badge awarded', false],
  ['chat-mention-created', 'Mentioned somebody in a chat', false],
  ['comment-mention-created', 'Mentioned somebody in a comment', false],
  ['page-viewed', 'Page viewed', true],
  ['rich-post-created', 'Post published', false],
  ['rich-post-mention-created', 'Mentioned somebody in a post', false],
  ['role-assignment-created', 'Role assigned', false],
  ['screen-viewed', 'Screen viewed', true],
  ['user-quest-task-progressed', 'Quest task progressed', false],
];

const numbered = (rows: readonly TypeRow[], before: number): ActivityType[] =>
  rows.map(([type, label, client], index) => ({ id: before + index + 1, type, label, client, registered: true }));

/** One list for each migration that inserts it. */
export const PLATFORM_TYPE_LISTS: readonly (readonly ActivityType[])[] = [
  numbered(FIRST_TYPES, 0),
  numbered(SENT_TYPES, FIRST_TYPES.length),
];
export const PLATFORM_TYPES: readonly ActivityType[] = PLATFORM_TYPE_LISTS.flat();

const typeIds = new Map(PLATFORM_TYPES.map((type) => [type.type, type.id]));

const FACTS: readonly [
  id: number,
  type: string,
  key: string,
  rest: { equals: string } | { state: Fact['valueType'] },
][] = [
  [500, 'tier-changed', 'direction', { equals: 'upgraded' }],
  [501, 'tier-changed', 'direction', { equals: 'downgraded' }],
  [502, 'tier-changed', 'status_tier', { state: 'string' }],
  [503, 'tier-changed', 'current_tier_rank', { state: 'number' }],
  [504, 'streak-updated', 'current_streak_length', { state: 'number' }],
  [505, 'streak-updated', 'longest_streak_length', { state: 'number' }],
  [506, 'streak-updated', 'periodic_streak_length', { state: 'number' }],
  [507, 'streak-updated', 'consecutive_streak_length', { state: 'number' }],
  [508, 'streak-updated', 'is_streak_active', { state: 'boolean' }],
  [509, 'streak-updated', 'is_streak_frozen', { state: 'boolean' }],
  [510, 'leaderboard-ranking-updated', 'leaderboards_ranked_on', { state: 'number' }],
  [511, 'toxicity-scored', 'toxicity_score', { state: 'number' }],
];

export const PLATFORM_FACTS: readonly Fact[] = FACTS.map(([id, type, key, rest]) => ({
  id,
  typeId: typeIds.get(type) ?? 0,
  key,
  equals: 'equals' in rest ? rest.equals : null,
  valueType: 'state' in rest ? rest.state : null,
  built: true,
}));

/** Ids of activity types and facts below this are the platform's. */
export const FIRST_CUSTOM_ID = 1000;

const COMPARE: readonly Condition[] = [
  'between',
  'greater_than',
  'less_than',
  'greater_than_or_equal',
  'less_than_or_equal',
];
const NUMBER: readonly Condition[] = [...COMPARE, 'equals', 'not_equals'];
/** Of instants that lie in the past. */
const DATETIME: readonly Condition[] = [
  'before',
  'after',
  'between',
  'within_last_x_days',
  'on_or_before',
  'on_or_after',
  'days_ago_between',
];
const ANNIVERSARY: readonly Condition[] = ['anniversary_within_next_x_days'];
const TEXT: readonly Condition[] = [
  'equals',
  'not_equals',
  'contains',
  'not_contains',
  'starts_with',
  'ends_with',
  'in',
  'not_in',
];
const EMPTY: readonly Condition[] = ['is_empty', 'is_not_empty'];

/** What rules may ask of the application's own attributes, by their type. */
export const CUSTOM_CONDITIONS: Readonly<Record<ValueType, readonly Condition[]>> = {
  string: [...TEXT, ...EMPTY],
  number: [...NUMBER, 'in', 'not_in', ...EMPTY],
  boolean: ['is', ...EMPTY],
  datetime: [...DATETIME, 'within_next_x_days', ...ANNIVERSARY, ...EMPTY],
  list: ['contains', 'not_contains', ...EMPTY],
};

/** Of the two leaves beside the catalogue. */
export const GROUP_CONDITIONS: readonly Condition[] = ['in', 'not_in'];
export const BUCKET_CONDITIONS: readonly Condition[] = [...NUMBER, 'in', 'not_in'];

export interface PlatformAttribute {
  key: string;
  category: string;
  label: string;
  description: string;
  type: ValueType;
  conditions: readonly Condition[];
  missing: 0 | false | null;
  unit?: string;
  derived: DerivedFrom;
}

const count = (...types: string[]): BasicDerivation => ({ fn: 'count', types });
const sum = (...types: string[]): BasicDerivation => ({ fn: 'sum', types });
const exists = (...types: string[]): BasicDerivation => ({ fn: 'exists', types });
const first = (...types: string[]): BasicDerivation => ({ fn: 'first', types });
const last = (...types: string[]): BasicDerivation => ({ fn: 'last', types });
const state = (type: string, key: string): BasicDerivation => ({ fn: 'state', types: [type], key });
const moved = (fn: 'count' | 'exists', equals: string): BasicDerivation => ({
  fn,
  types: ['tier-changed'],
  where: { key: 'direction', equals },
});

type Row = [key: string, label: string, description: string, derived: DerivedFrom, rest?: Partial<PlatformAttribute>];

/** Type, conditions and missing value follow from the derivation; what a row says beside it wins. */
function attributesOf(category: string, rows: readonly Row[]): PlatformAttribute[] {
  return rows.map(([key, label, description, derived, rest]) => ({
    key,
    category,
    label,
    description,
    derived,
    ...usual(derived),
    ...rest,
  }));
}

function usual(derived: DerivedFrom): Pick<PlatformAttribute, 'type' | 'conditions' | 'missing'> {
  switch (derived.fn) {
    case 'count':
    case 'sum':
    case 'difference':
      return { type: 'number', conditions: NUMBER, missing: 0 };
    case 'exists':
    case 'exceeds':
    case 'positive':
      return { type: 'boolean', conditions: ['is'], missing: false };
    case 'first':
    case 'last':
      return { type: 'datetime', conditions: DATETIME, missing: null };
    case 'ratio':
      return { type: 'number', conditions: COMPARE, missing: null };
    case 'state':
    case 'age_in_days':
      return { type: 'number', conditions: NUMBER, missing: null };
    case 'profile':
      return { type: 'string', conditions: TEXT, missing: null };
  }
}

const flag: Partial<PlatformAttribute> = { type: 'boolean', conditions: ['is'], missing: false };
const quests = ['user-quest-started', 'user-quest-completed', 'user-quest-failed'] as const;
const [started, completed, failed] = quests;
const awarded = 'user-quest-reward-awarded';
const claimed = 'user-quest-reward-claimed';
const linked = 'profile-relationship-created';
const unlinked = 'profile-relationship-deleted';

export const PLATFORM_ATTRIBUTES: readonly PlatformAttribute[] = [
  ...attributesOf('comments', [
    ['total_comments_posted', 'Comments posted', 'How many comments the profile has posted.', count('comment-created')],
    [
      'total_comment_replies',
      'Replies posted',
      'How many replies to comments the profile has posted.',
      count('comment-reply-created'),
    ],
    [
      'total_comments_reported',
      'Comments reported',
      "How many of the profile's comments others have reported.",
      count('comment-reported'),
    ],
    ['last_comment_at', 'Last comment', 'When the profile posted its newest comment.', last('comment-created')],
    [
      'has_ever_commented',
      'Has commented',
      'Whether the profile has posted a comment at all.',
      exists('comment-created'),
    ],
  ]),
  ...attributesOf('profile', [
    [
      'created_at',
      'Profile created',
      'When the profile was created.',
      { fn: 'profile', key: 'created_at' },
      { type: 'datetime', conditions: [...DATETIME, ...ANNIVERSARY] },
    ],
    [
      'has_social_connections',
      'Has connections',
      'Whether the profile stands in a relationship with another one now.',
      { fn: 'exceeds', of: [count(linked), count(unlinked)] },
    ],
  ]),
  ...attributesOf('quests', [
    [
      'total_active_quests',
      'Active quests',
      'How many quests are started, but neither completed nor failed.',
      { fn: 'difference', of: [count(started), count(completed), count(failed)] },
    ],
    ['total_quests_completed', 'Quests completed', 'How many quests the profile has completed.', count(completed)],
    ['total_failed_quests', 'Quests failed', 'How many quests the profile has failed.', count(failed)],
    [
      'quest_completion_rate',
      'Quest completion rate',
      'Completed quests divided by started ones; no value before the first start.',
      { fn: 'ratio', of: [count(completed), count(started)] },
    ],
    [
      'completed_any_quest',
      'Has completed a quest',
      'Whether the profile has completed a quest at all.',
      exists(completed),
    ],
    ['ever_started_quest', 'Has started a quest', 'Whether the profile has started a quest at all.', exists(started)],
    [
      'quest_rewards_claimed',
      'Quest rewards claimed',
      'How many quest rewards the profile has claimed.',
      count(claimed),
    ],
    [
      'quest_rewards_unclaimed',
      'Quest rewards unclaimed',
      'How many quest rewards wait to be claimed.',
      { fn: 'difference', of: [count(awarded), count(claimed)] },
    ],
    [
      'quest_rewards_earned',
      'Quest rewards earned',
      'How many quest rewards the profile has been awarded.',
      count(awarded),
    ],
    [
      'has_unclaimed_quest_rewards',
      'Has unclaimed quest rewards',
      'Whether a quest reward waits to be claimed.',
      { fn: 'exceeds', of: [count(awarded), count(claimed)] },
    ],
    ['last_quest_started_at', 'Last quest start', 'When the profile last started a quest.', last(started)],
    ['last_quest_completed_at', 'Last quest completion', 'When the profile last completed a quest.', last(completed)],
  ]),
  ...attributesOf('streaks', [
    [
      'current_streak_length',
      'Current streak',
      'How long the running streak is.',
      state('streak-updated', 'current_streak_length'),
    ],
    [
      'longest_streak_length',
      'Longest streak',
      'How long the longest streak so far was.',
      state('streak-updated', 'longest_streak_length'),
    ],
    [
      'periodic_streak_length',
      'Periodic streak',
      'How long the streak of periods is.',
      state('streak-updated', 'periodic_streak_length'),
    ],
    [
      'consecutive_streak_length',
      'Consecutive streak',
      'How long the streak without a gap is.',
      state('streak-updated', 'consecutive_streak_length'),
    ],
    [
      'first_streak_activity',
      'First streak activity',
      'When a streak of the profile first moved.',
      first('streak-updated'),
    ],
    [
      'last_streak_activity',
      'Last streak activity',
      'When a streak of the profile last moved.',
      last('streak-updated'),
    ],
    [
      'streak_milestones_reached',
      'Streak milestones',
      'How many streak milestones the profile has reached.',
      count('streak-milestone-reached'),
    ],
    ['streak_reset_count', 'Streaks lost', 'How many times a streak of the profile was reset.', count('streak-reset')],
    [
      'has_ever_started_streak',
      'Has had a streak',
      'Whether the profile has had a streak at all.',
      exists('streak-updated'),
    ],
    [
      'is_streak_active',
      'Streak running',
      'Whether a streak is running now.',
      state('streak-updated', 'is_streak_active'),
      flag,
    ],
    [
      'is_streak_frozen',
      'Streak frozen',
      'Whether the streak is frozen now.',
      state('streak-updated', 'is_streak_frozen'),
      flag,
    ],
  ]),
  ...attributesOf('tiers', [
    [
      'status_tier',
      'Tier',
      'Name of the tier that the profile is in.',
      state('tier-changed', 'status_tier'),
      { type: 'string', conditions: ['equals', 'not_equals'] },
    ],
    [
      'current_tier_rank',
      'Tier rank',
      'Rank of the tier that the profile is in.',
      state('tier-changed', 'current_tier_rank'),
    ],
    ['last_tier_change_at', 'Last tier change', 'When the profile last moved between tiers.', last('tier-changed')],
    [
      'have_ever_upgraded_tier',
      'Has moved up a tier',
      'Whether the profile has ever moved up.',
      moved('exists', 'upgraded'),
    ],
    ['tier_entry_date', 'In tier since', 'When the profile entered the tier that it is in.', last('tier-changed')],
    [
      'days_in_current_tier',
      'Days in tier',
      'Whole days since the profile entered its tier; moves with the clock.',
      { fn: 'age_in_days', of: [last('tier-changed')] },
      { unit: 'days' },
    ],
    ['tier_upragde_count', 'Tier upgrades', 'How many times the profile moved up.', moved('count', 'upgraded')],
    ['tier_downgrade_count', 'Tier downgrades', 'How many times the profile moved down.', moved('count', 'downgraded')],
    [
      'has_ever_reached_tier',
      'Has reached a tier',
      'Whether the profile has been in a tier at all.',
      exists('tier-changed'),
    ],
  ]),
  ...attributesOf('rewards', [
    [
      'reward_balance',
      'Reward balance',
      'What the profile has earned less what it has spent.',
      { fn: 'difference', of: [sum('reward-earned'), sum('reward-spent')] },
      { unit: 'points' },
    ],
    [
      'reward_balance_total_earned',
      'Rewards earned',
      'Everything that the profile has earned.',
      sum('reward-earned'),
      { unit: 'points' },
    ],
    [
      'reward_balance_total_spent',
      'Rewards spent',
      'Everything that the profile has spent.',
      sum('reward-spent'),
      { unit: 'points' },
    ],
    ['last_reward_earned_at', 'Last reward', 'When the profile last earned a reward.', last('reward-earned')],
    [
      'reward_actions_triggered_total',
      'Reward actions',
      'How many reward actions the profile has triggered.',
      count('reward-action-triggered'),
    ],
    [
      'has_earned_any_reward',
      'Has earned a reward',
      'Whether the profile has earned a reward at all.',
      exists('reward-earned'),
    ],
  ]),
  ...attributesOf('leaderboards', [
    [
      'leaderboards_ranked_on',
      'Leaderboards ranked on',
      'On how many leaderboards the profile stands.',
      state('leaderboard-ranking-updated', 'leaderboards_ranked_on'),
    ],
    [
      'is_ranked_on_leaderboard',
      'Ranked on a leaderboard',
      'Whether the profile stands on a leaderboard.',
      { fn: 'positive', of: [state('leaderboard-ranking-updated', 'leaderboards_ranked_on')] },
    ],
    [
      'leaderboard_views_count',
      'Leaderboard views',
      'How many times the profile has looked at a leaderboard.',
      count('leaderboard-viewed'),
    ],
  ]),
  ...attributesOf('reactions', [
    [
      'total_reactions_added',
      'Reactions added',
      'How many reactions the profile has added.',
      count('user-reaction-created'),
    ],
    ['last_reaction_at', 'Last reaction', 'When the profile added its newest reaction.', last('user-reaction-created')],
    ['has_ever_reacted', 'Has reacted', 'Whether the profile has reacted at all.', exists('user-reaction-created')],
  ]),
  ...attributesOf('widgets', [
    ['total_poll_votes', 'Poll votes', 'How many votes the profile has cast in polls.', count('poll-voted')],
    ['has_ever_voted', 'Has voted', 'Whether the profile has voted in a poll at all.', exists('poll-voted')],
    ['total_quiz_answers', 'Quiz answers', 'How many quiz questions the profile has answered.', count('quiz-answered')],
    ['total_predictions', 'Predictions', 'How many predictions the profile has made.', count('prediction-made')],
    [
      'total_widget_interactions',
      'Widget interactions',
      'Poll votes, quiz answers, predictions and other uses of widgets together.',
      count('poll-voted', 'quiz-answered', 'prediction-made', 'widget-interacted'),
    ],
  ]),
  ...attributesOf('chat', [
    [
      'total_chat_messages',
      'Chat messages',
      'How many chat messages the profile has sent.',
      count('chat-message-created'),
    ],
    [
      'last_chat_message_at',
      'Last chat message',
      'When the profile sent its newest chat message.',
      last('chat-message-created'),
    ],
  ]),
  ...attributesOf('moderation', [
    [
      'toxicity_score',
      'Toxicity score',
      'The newest score, from 0 (harmless) to 1.',
      state('toxicity-scored', 'toxicity_score'),
      { conditions: COMPARE },
    ],
  ]),
  ...attributesOf('profile', [
    ['last_active_at', 'Last active', 'When the profile last did anything.', last('*')],
    ['total_activities', 'Activities', 'How many activities of any type the profile has.', count('*')],
    [
      'days_inactive',
      'Days inactive',
      'Whole days since the newest activity, since the creation where there is none; moves with the clock.',
      { fn: 'age_in_days', of: [last('*')], or: 'created_at' },
      { unit: 'days' },
    ],
    ['nickname', 'Nickname', 'The nickname of the profile.', { fn: 'profile', key: 'nickname' }],
    [
      'custom_id',
      'Custom id',
      'The id that the application gave the profile.',
      { fn: 'profile', key: 'custom_id' },
      { conditions: [...TEXT, ...EMPTY] },
    ],
  ]),
];
