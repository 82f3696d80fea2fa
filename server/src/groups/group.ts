// Profile groups: what a group is, in the database and in an answer.

import { nullable } from '../http/schemas.ts';
import { Type, type Static } from 'typebox';
import type { Instant } from '../instant.ts';
import { formatInstant } from '../instant.ts';
import { GROUP_EXAMPLES } from './group-examples.ts';
import { presentTree, type RuleNode } from '../rules/tree.ts';

export const MAX_NAME = 255;
export const MAX_DESCRIPTION = 10_000;
export const MAX_GROUP_CUSTOM_ID = 255;
export const MAX_GROUP_ATTRIBUTES = 100;
export const MAX_GROUP_ATTRIBUTE = 200;

export type MembershipType = 'static' | 'dynamic';

/** A row of `groups` with its head's count. */
export interface Group {
  id: string;
  application_id: number;
  name: string;
  description: string;
  custom_id: string | null;
  is_active: boolean;
  visible_to_members: boolean;
  membership_type: MembershipType;
  attributes: { key: string; value: string }[];
  is_paused: boolean;
  /** Saved last; what is served stands in the head. */
  ruleset_id: string | null;
  created_at: Instant;
  updated_at: Instant;
  profile_count: number;
}

export type EvaluationState = 'filling' | 'live' | 'paused' | 'failed';

/** What a dynamic group has beyond a static one. */
export interface DynamicFields {
  ruleset: { id: string; rule_tree: RuleNode };
  evaluation: {
    state: EvaluationState;
    ruleset_id: string | null;
    as_of: Instant | null;
    progress: number | null;
    last_error: string | null;
  };
}

const timestamp = (description: string) => Type.String({ description, examples: ['2025-04-28T12:16:49.670053Z'] });

export const GroupAttribute = Type.Object(
  {
    key: Type.String({ minLength: 1, maxLength: MAX_GROUP_ATTRIBUTE }),
    value: Type.String({ maxLength: MAX_GROUP_ATTRIBUTE }),
  },
  { additionalProperties: false, description: 'A key may repeat with another value.' },
);

export const GroupFields = Type.Object({
  name: Type.Optional(
    Type.String({ description: `1 to ${MAX_NAME} characters after trimming.`, examples: ['Group1'] }),
  ),
  is_active: Type.Optional(
    Type.Boolean({ description: '`false` makes the group unavailable: 404 until it is restored.' }),
  ),
  description: Type.Optional(nullable({ examples: ['Sample Profile Group'] })),
  custom_id: Type.Optional(nullable({ description: 'Your own id of the group, unique in the application.' })),
  attributes: Type.Optional(Type.Array(GroupAttribute, { maxItems: MAX_GROUP_ATTRIBUTES })),
  visible_to_members: Type.Optional(
    Type.Boolean({ description: '`false` hides the group from profile tokens. Default `true`.' }),
  ),
  membership_type: Type.Optional(
    Type.Unsafe<MembershipType>({
      type: 'string',
      enum: ['static', 'dynamic'],
      description: 'Default `static`. Cannot change.',
    }),
  ),
  rule_tree: Type.Optional(Type.Unsafe<unknown>({ description: 'Of a dynamic group: its rule.' })),
  is_paused: Type.Optional(Type.Boolean({ description: 'Of a dynamic group: freezes its members; pins still act.' })),
});
export type GroupFields = Static<typeof GroupFields>;

const Evaluation = Type.Object({
  state: Type.Unsafe<EvaluationState>({ type: 'string', enum: ['filling', 'live', 'paused', 'failed'] }),
  ruleset_id: nullable({ description: 'The ruleset whose members are served; null until the first backfill is done.' }),
  as_of: nullable({ description: 'The instant up to which the membership is right.' }),
  progress: Type.Unsafe<number | null>({ type: ['number', 'null'], description: 'Of a backfill, from 0 to 1.' }),
  last_error: nullable(),
});

export const GroupResource = Type.Object(
  {
    id: Type.String({ description: 'UUID.' }),
    name: Type.String(),
    is_active: Type.Boolean(),
    description: Type.String(),
    profile_count: Type.Integer({ description: 'Members; changes in the transaction that changes them.' }),
    custom_id: nullable({ description: 'Your own id of the group, unique in the application.' }),
    created_at: timestamp('When the group was made.'),
    attributes: Type.Array(Type.Object({ key: Type.String(), value: Type.String() })),
    membership_type: Type.Unsafe<MembershipType>({ type: 'string', enum: ['static', 'dynamic'] }),
    ruleset: Type.Optional(
      Type.Object(
        {
          id: Type.String(),
          rule_tree: Type.Unsafe<RuleNode>({ type: 'object', additionalProperties: true, description: 'Normalised.' }),
        },
        { description: 'Of a dynamic group: the rule that was saved last.' },
      ),
    ),
    updated_at: timestamp('When one of its fields last changed; for `If-Match`.'),
    visible_to_members: Type.Boolean({ description: 'Whether profile tokens see it among their own groups.' }),
    is_paused: Type.Optional(Type.Boolean({ description: 'Of a dynamic group: frozen; pins still act.' })),
    evaluation: Type.Optional(Evaluation),
  },
  { $id: 'ProfileGroup', examples: GROUP_EXAMPLES },
);
export type GroupResource = Static<typeof GroupResource>;

export const ProfileGroupResource = Type.Object(
  {
    group_id: Type.String(),
    group_name: Type.String(),
    profile_count: Type.Integer(),
    is_active: Type.Boolean(),
    created_at: timestamp('When the group was made.'),
    custom_id: nullable(),
  },
  { $id: 'GroupOfProfile' },
);
export type ProfileGroupResource = Static<typeof ProfileGroupResource>;

/** The documented fields first and in the documented order. */
export function presentGroup(group: Group, dynamic: DynamicFields | undefined): GroupResource {
  return {
    id: group.id,
    name: group.name,
    is_active: group.is_active,
    description: group.description,
    profile_count: group.profile_count,
    custom_id: group.custom_id,
    created_at: formatInstant(group.created_at),
    attributes: group.attributes.map(({ key, value }) => ({ key, value })),
    membership_type: group.membership_type,
    ...(dynamic && { ruleset: { id: dynamic.ruleset.id, rule_tree: presentTree(dynamic.ruleset.rule_tree) } }),
    updated_at: formatInstant(group.updated_at),
    visible_to_members: group.visible_to_members,
    ...(dynamic && {
      is_paused: group.is_paused,
      evaluation: {
        ...dynamic.evaluation,
        as_of: dynamic.evaluation.as_of === null ? null : formatInstant(dynamic.evaluation.as_of),
      },
    }),
  };
}
