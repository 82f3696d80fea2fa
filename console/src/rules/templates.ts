// Rules to start from: what producers ask for most, over attributes that every application has.

import type { RuleLeaf, RuleTree } from '../types.ts';

export interface Template {
  name: string;
  text: string;
  rule: RuleTree;
}

const leaf = (attribute: string, condition: string, value: unknown, fields: Partial<RuleLeaf> = {}): RuleLeaf => ({
  attribute,
  condition,
  value,
  ...fields,
});
const all = (...rules: RuleTree[]): RuleTree => ({
  operator: 'AND',
  children: rules.map((rule) => ({ operator: 'OR', children: [rule] })),
});
const not = (rule: RuleTree): RuleTree => ({ operator: 'NOT', children: [rule] });

export const TEMPLATES: readonly Template[] = [
  {
    name: 'Lapsed regulars',
    text: 'Did a lot, and nothing for thirty days.',
    rule: all(
      leaf('total_activities', 'greater_than_or_equal', 50),
      leaf('days_inactive', 'greater_than_or_equal', 30),
    ),
  },
  {
    name: 'New and chatty',
    text: 'Came within two weeks, and has commented five times or more.',
    rule: all(leaf('created_at', 'within_last_x_days', 14), leaf('total_comments_posted', 'greater_than_or_equal', 5)),
  },
  {
    name: 'Busy commenters',
    text: 'Over ten comments in seven days.',
    rule: all(leaf('total_comments_posted', 'greater_than', 10, { window: 'P7D' })),
  },
  {
    name: 'Poll voters',
    text: 'Has voted in a poll.',
    rule: all(leaf('has_ever_voted', 'is', true)),
  },
  {
    name: 'Needs a closer look',
    text: 'The newest toxicity score is above 0.7.',
    rule: all(leaf('toxicity_score', 'greater_than', 0.7)),
  },
  {
    name: 'Gone quiet',
    text: 'Nothing for thirty days.',
    rule: all(leaf('days_inactive', 'greater_than_or_equal', 30)),
  },
  {
    name: 'Silent questers',
    text: 'Five quests or more, and no comment in thirty days.',
    rule: all(
      leaf('total_quests_completed', 'greater_than_or_equal', 5),
      not(leaf('total_comments_posted', 'greater_than_or_equal', 1, { window: 'P30D' })),
    ),
  },
  {
    name: 'Yesterday’s guests',
    text: 'First seen yesterday, by your time zone.',
    rule: all(leaf('created_at', 'days_ago_between', [1, 1])),
  },
];
