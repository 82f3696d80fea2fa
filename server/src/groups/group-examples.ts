// What a group of each kind looks like, for the OpenAPI document.

const MADE_AT = '2025-04-28T12:16:49.670053Z';
const COMMENTERS = {
  operator: 'AND',
  children: [{ attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 10, window: 'P7D' }],
};
const RULESET_ID = '59019dcd-32c9-48d6-acdd-a304a974f886';

export const NEW_GROUP_EXAMPLES = [
  {
    name: 'Group1',
    description: 'Sample Profile Group',
    attributes: [{ key: 'season', value: '2025' }],
    membership_type: 'static',
  },
  {
    name: 'Commenters',
    description: 'Ten comments or more within a week',
    membership_type: 'dynamic',
    rule_tree: COMMENTERS,
  },
];

export const GROUP_EXAMPLES = [
  {
    id: '13a1fd98-24ca-4935-8791-5556586c0005',
    name: 'Group1',
    is_active: true,
    description: 'Sample Profile Group',
    profile_count: 2,
    custom_id: null,
    created_at: MADE_AT,
    attributes: [{ key: 'season', value: '2025' }],
    membership_type: 'static',
    updated_at: MADE_AT,
    visible_to_members: true,
  },
  {
    id: '0f6f4a5e-5d0c-4c3a-9a57-2a4f1f0f7c11',
    name: 'Commenters',
    is_active: true,
    description: 'Ten comments or more within a week',
    profile_count: 1250,
    custom_id: null,
    created_at: MADE_AT,
    attributes: [],
    membership_type: 'dynamic',
    ruleset: { id: RULESET_ID, rule_tree: COMMENTERS },
    updated_at: MADE_AT,
    visible_to_members: true,
    is_paused: false,
    evaluation: {
      state: 'live',
      ruleset_id: RULESET_ID,
      as_of: '2025-04-28T12:20:00.000000Z',
      progress: null,
      last_error: null,
    },
  },
];
