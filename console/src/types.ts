// The shapes of answers: the SDK's, by the names of the console, and those of calls that only the console makes.

import type {
  Member as SdkMember,
  MembershipState,
  ProfileAttribute,
  RuleNode,
  RuleTree,
  Sizes,
} from '@grandstand/sdk/server';

export type {
  ActivityType,
  AdminToken,
  AttributePair as Pair,
  DataCondition,
  Evaluation,
  ExplainedLeaf,
  ExplainedNode,
  Explanation as Explained,
  FixedWindow,
  MembershipChange as Change,
  MembershipState,
  Page,
  Preview,
  Profile,
  ProfileGroup as Group,
  ProfileGroupMembership as GroupOfProfile,
  RuleLeaf,
  RuleNode,
  RuleTree,
  SavedRuleset,
  StoredActivity as Activity,
} from '@grandstand/sdk/server';

export const isNode = (tree: RuleTree): tree is RuleNode => 'operator' in tree;

export type Pin = NonNullable<MembershipState['pin']>;
export type SizePoint = Sizes['results'][number];

/** Of the present, so that each has its name. */
export interface Member extends SdkMember {
  nickname: string;
}

export interface Attribute extends ProfileAttribute {
  choices?: string[] | null;
  visible_to: 'admin' | 'owner' | 'public';
  derived_from?: Derivation | null;
}

export interface Derivation extends Record<string, unknown> {
  fn: string;
  types?: string[];
  key?: string;
  where?: { key: string; equals: string | number | boolean };
  of?: Derivation[];
}

export type Role = 'owner' | 'editor' | 'viewer' | 'admin';

export interface SessionApplication {
  client_id: string;
  name: string;
  role: Role;
}

export interface SessionResource {
  kind: 'producer' | 'admin';
  name: string;
  email: string | null;
  csrf_token: string | null;
  applications: SessionApplication[];
}
