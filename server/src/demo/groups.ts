// The example groups: what teams ask of an audience, in rules and by hand.

import type { GroupFields } from '../groups/group.ts';

type Leaf = { attribute: string; condition: string; value: unknown; window?: string; salt?: string };
type Node = { operator: 'AND' | 'OR' | 'NOT' | 'AT_LEAST'; children: (Node | Leaf)[]; count?: number };

const leaf = (attribute: string, condition: string, value: unknown, window?: string): Leaf => ({
  attribute,
  condition,
  value,
  ...(window !== undefined && { window }),
});
const any = (...children: (Node | Leaf)[]): Node => ({ operator: 'OR', children });
const all = (...children: (Node | Leaf)[]): Node => ({ operator: 'AND', children });
const not = (child: Node | Leaf): Node => ({ operator: 'NOT', children: [child] });

const dynamic = (customId: string, name: string, description: string, rule: Node, kind: string): GroupFields => ({
  name,
  description,
  custom_id: customId,
  membership_type: 'dynamic',
  rule_tree: rule,
  attributes: [
    { key: 'season', value: 'demo' },
    { key: 'kind', value: kind },
  ],
});

const fixed = (customId: string, name: string, description: string): GroupFields => ({
  name,
  description,
  custom_id: customId,
  attributes: [
    { key: 'season', value: 'demo' },
    { key: 'kind', value: 'curated' },
  ],
});

/** Who is put into a static group: every nth fan, beginning with one. */
export interface StaticGroup {
  fields: GroupFields;
  first: number;
  every: number;
}

export const STATIC_GROUPS: readonly StaticGroup[] = [
  { fields: fixed('vip-guests', 'VIP guests', 'Invited to the lounge.'), first: 7, every: 40 },
  { fields: fixed('beta-testers', 'Beta testers', 'See new features first.'), first: 3, every: 25 },
  { fields: fixed('moderators', 'Moderators', 'Help to keep the chat friendly.'), first: 11, every: 200 },
];

export const DYNAMIC_GROUPS: readonly GroupFields[] = [
  dynamic(
    'chatty-this-week',
    'Chatty this week',
    'More than ten comments in seven days.',
    any(leaf('total_comments_posted', 'greater_than', 10, 'P7D')),
    'engagement',
  ),
  dynamic(
    'regular-commenters',
    'Regular commenters',
    'Twenty comments or more.',
    any(leaf('total_comments_posted', 'greater_than_or_equal', 20)),
    'engagement',
  ),
  dynamic(
    'have-commented',
    'Have commented',
    'Any comment at all counts.',
    any(leaf('total_comments_posted', 'greater_than', 32), leaf('has_ever_commented', 'is', true)),
    'engagement',
  ),
  dynamic('poll-voters', 'Poll voters', 'Have voted in a poll.', any(leaf('has_ever_voted', 'is', true)), 'engagement'),
  dynamic(
    'toxic',
    'Needs a closer look',
    'Newest toxicity score above 0.7.',
    any(leaf('toxicity_score', 'greater_than', 0.7)),
    'safety',
  ),
  dynamic(
    'inactive-30-days',
    'Gone quiet',
    'Nothing for thirty days.',
    any(leaf('days_inactive', 'greater_than_or_equal', 30)),
    'retention',
  ),
  dynamic(
    'silent-questers',
    'Silent questers',
    'Completed five quests or more and have not commented for thirty days: worth inviting to talk.',
    all(
      any(leaf('total_quests_completed', 'greater_than_or_equal', 5)),
      any(not(leaf('total_comments_posted', 'greater_than_or_equal', 1, 'P30D'))),
    ),
    'retention',
  ),
  dynamic(
    'golden-lions',
    'Golden lions',
    'Fans of the Lions in the gold tier or above who were there this week.',
    all(
      any(leaf('favourite_team', 'equals', 'lions')),
      any(leaf('current_tier_rank', 'greater_than_or_equal', 3), leaf('subscription', 'equals', 'vip')),
      any(leaf('last_active_at', 'within_last_x_days', 7)),
    ),
    'campaign',
  ),
  dynamic(
    'upsell-test',
    'Upsell test, half of the free fans',
    'Busy fans without a subscription, one half of them, without the guests of the lounge.',
    all(
      any(leaf('subscription', 'equals', 'free')),
      any({
        operator: 'AT_LEAST',
        count: 2,
        children: [
          leaf('total_activities', 'greater_than_or_equal', 10, 'P14D'),
          leaf('reward_balance', 'greater_than', 200),
          leaf('current_streak_length', 'greater_than_or_equal', 3),
        ],
      }),
      any({ ...leaf('random_bucket', 'less_than', 5000), salt: 'upsell-2026' }),
      any(leaf('profile_group', 'not_in', ['custom:vip-guests'])),
    ),
    'experiment',
  ),
];
