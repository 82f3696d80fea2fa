import { expect, it } from 'vitest';
import { describeRule } from './describe.ts';
import { testCatalogue } from './testing/world.ts';
import type { RuleTree } from './tree.ts';

const catalogue = testCatalogue();

it.each<[RuleTree, string]>([
  [
    {
      operator: 'AND',
      children: [
        {
          operator: 'OR',
          children: [
            { attribute: 'total_comments_posted', condition: 'greater_than', value: 10, window: 'P7D' },
            { attribute: 'has_ever_voted', condition: 'is', value: true },
          ],
        },
        { operator: 'NOT', children: [{ attribute: 'days_inactive', condition: 'greater_than_or_equal', value: 30 }] },
      ],
    },
    'Profiles where (Comments posted is greater than 10 in the last 7 days or Has voted is true) and not (Days inactive is at least 30 days).',
  ],
  [
    {
      operator: 'AND',
      children: [
        { operator: 'OR', children: [{ attribute: 'profile_group', condition: 'in', value: ['custom:vip'] }] },
      ],
    },
    'Profiles where the profile is in “VIPs”.',
  ],
  [
    {
      operator: 'AT_LEAST',
      count: 2,
      children: [
        { attribute: 'last_comment_at', condition: 'within_last_x_days', value: 1 },
        { attribute: 'nickname', condition: 'in', value: ['a', 'b'] },
        { attribute: 'reward_balance', condition: 'between', value: [1, 5] },
        { attribute: 'team', condition: 'is_empty', value: false },
      ],
    },
    'Profiles where at least 2 of (Last comment is within the last 1 day; Nickname is one of “a”, “b”; Reward balance is between 1 and 5 points; team has a value).',
  ],
])('a rule reads as a sentence: %#', (tree, sentence) => {
  expect(describeRule(tree, catalogue, (reference) => (reference === 'custom:vip' ? 'VIPs' : reference))).toBe(
    sentence,
  );
});
