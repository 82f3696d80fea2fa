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

/** What is done to a group as the season goes on, and when: a part of the season, from 0 to 1. */
export interface Deed {
  at: number;
  group: string;
  does:
    | { kind: 'make' }
    /** Made with another rule than the one it has in the end. */
    | { kind: 'make with'; rule: Node }
    /** Gets the rule that it has in the end. */
    | { kind: 'change' }
    /** Takes in those of its fans that it is meant to have up to this part of them. */
    | { kind: 'fill'; part: number }
    /** Takes out every so-manieth of those that it has. */
    | { kind: 'thin'; every: number }
    /** Every so-manieth fan, a few of them, for so many days; without days for good. */
    | { kind: 'pin'; pin: 'in' | 'out'; every: number; most: number; days?: number; reason: string };
}

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
    'Three comments or more in seven days.',
    any(leaf('total_comments_posted', 'greater_than_or_equal', 3, 'P7D')),
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
    'Completed two quests or more and have not commented for thirty days: worth inviting to talk.',
    all(
      any(leaf('total_quests_completed', 'greater_than_or_equal', 2)),
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

const made = (at: number, group: string): Deed => ({ at, group, does: { kind: 'make' } });

/** By time. What is made at the very beginning was there before anybody came. */
export const DEEDS: readonly Deed[] = [
  made(0, 'have-commented'),
  made(0, 'poll-voters'),
  made(0.02, 'vip-guests'),
  { at: 0.02, group: 'vip-guests', does: { kind: 'fill', part: 0.5 } },
  {
    at: 0.05,
    group: 'chatty-this-week',
    does: { kind: 'make with', rule: any(leaf('total_comments_posted', 'greater_than_or_equal', 2, 'P7D')) },
  },
  made(0.08, 'moderators'),
  { at: 0.08, group: 'moderators', does: { kind: 'fill', part: 1 } },
  made(0.15, 'regular-commenters'),
  made(0.2, 'inactive-30-days'),
  made(0.25, 'beta-testers'),
  { at: 0.25, group: 'beta-testers', does: { kind: 'fill', part: 0.4 } },
  made(0.3, 'toxic'),
  made(0.4, 'golden-lions'),
  { at: 0.45, group: 'chatty-this-week', does: { kind: 'change' } },
  { at: 0.45, group: 'beta-testers', does: { kind: 'fill', part: 1 } },
  {
    at: 0.5,
    group: 'silent-questers',
    does: {
      kind: 'make with',
      rule: all(
        any(leaf('total_quests_completed', 'greater_than_or_equal', 3)),
        any(not(leaf('has_ever_commented', 'is', true))),
      ),
    },
  },
  {
    at: 0.55,
    group: 'golden-lions',
    does: { kind: 'pin', pin: 'in', every: 97, most: 6, days: 14, reason: 'Won a visit to the training' },
  },
  {
    at: 0.6,
    group: 'toxic',
    does: { kind: 'pin', pin: 'out', every: 61, most: 4, days: 21, reason: 'Talked to by a moderator' },
  },
  { at: 0.65, group: 'beta-testers', does: { kind: 'thin', every: 5 } },
  { at: 0.7, group: 'silent-questers', does: { kind: 'change' } },
  { at: 0.75, group: 'vip-guests', does: { kind: 'fill', part: 1 } },
  made(0.8, 'upsell-test'),
  {
    at: 0.85,
    group: 'upsell-test',
    does: { kind: 'pin', pin: 'out', every: 83, most: 5, reason: 'Asked not to get offers' },
  },
  {
    at: 0.97,
    group: 'golden-lions',
    does: { kind: 'pin', pin: 'in', every: 113, most: 3, days: 10, reason: 'Guests of the club' },
  },
];
