// What the API answers, as far as the console reads it.

export interface Page<T> {
  count: number | null;
  next: string | null;
  previous: string | null;
  results: T[];
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

export interface Pair {
  key: string;
  value: string;
}

export interface RuleNode {
  operator: 'AND' | 'OR' | 'NOT' | 'AT_LEAST';
  children: RuleTree[];
  count?: number;
}

export interface RuleLeaf {
  attribute: string;
  condition: string;
  value?: unknown;
  window?: string;
  salt?: string;
}

export type RuleTree = RuleNode | RuleLeaf;

export const isNode = (tree: RuleTree): tree is RuleNode => 'operator' in tree;

export interface Evaluation {
  state: 'filling' | 'live' | 'paused' | 'failed';
  ruleset_id: string | null;
  as_of: string | null;
  progress: number | null;
  last_error: string | null;
}

export interface Group {
  id: string;
  name: string;
  is_active: boolean;
  description: string;
  profile_count: number;
  custom_id: string | null;
  created_at: string;
  attributes: Pair[];
  membership_type: 'static' | 'dynamic';
  updated_at: string;
  visible_to_members: boolean;
  ruleset?: { id: string; rule_tree: RuleNode } | null;
  is_paused?: boolean;
  evaluation?: Evaluation | null;
}

export interface Attribute {
  key: string;
  label: string;
  description: string;
  category: string;
  type: 'string' | 'number' | 'boolean' | 'datetime' | 'list';
  conditions: string[];
  supports_window: boolean;
  missing: unknown;
  choices?: string[] | null;
  unit?: string | null;
  source: 'platform' | 'custom';
  writable_by: 'admin' | 'profile';
  visible_to: 'admin' | 'owner' | 'public';
  derived_from?: Derivation | null;
  /** False while past activities are still being read into it. */
  ready?: boolean;
}

export interface Derivation {
  fn: string;
  types?: string[];
  key?: string;
  where?: { key: string; equals: string | number | boolean };
  of?: Derivation[];
}

export interface Member {
  id: string;
  nickname: string;
  custom_id: string | null;
  membership_created_at: string;
}

export interface Change {
  sequence: number;
  change: 'entered' | 'left';
  profile_id: string;
  at: string;
  cause: string;
}

export interface Profile {
  id: string;
  url: string;
  client_id: string;
  created_at: string;
  updated_at: string;
  last_active_at: string | null;
  nickname: string;
  custom_id: string | null;
  custom_data: string | null;
  attributes: Pair[];
}

export interface SavedRuleset {
  id: string;
  rule_tree: RuleNode;
  created_at: string;
  created_by: string;
}

export interface Preview {
  count: number;
  sample: { id: string; nickname: string; custom_id: string | null }[];
  as_of: string;
  entering?: number;
  leaving?: number;
}

export interface Pin {
  pin: 'in' | 'out';
  reason: string;
  expires_at: string | null;
}

export interface Explained {
  result: boolean;
  operator?: RuleNode['operator'];
  count?: number;
  children?: Explained[];
  attribute?: string;
  condition?: string;
  value?: unknown;
  window?: string;
  salt?: string;
  actual?: unknown;
  next_flip_at?: string | null;
}

export interface MembershipState {
  is_member: boolean;
  since: string | null;
  pin: Pin | null;
  next_change_at: string | null;
  explanation: Explained | null;
}

export interface GroupOfProfile {
  group_id: string;
  group_name: string;
  profile_count: number;
  is_active: boolean;
  created_at: string;
  custom_id: string | null;
}

export interface SizePoint {
  at: string;
  size: number;
  entered?: number;
  left?: number;
}

export interface Activity {
  id: string;
  type: string;
  profile_id: string;
  occurred_at: string;
  received_at?: string;
  value: number;
  data: Record<string, unknown> | null;
}

export interface ActivityType {
  type: string;
  label: string;
  client: boolean;
  registered: boolean;
  source: 'platform' | 'custom';
}

export interface AdminToken {
  id: string;
  name: string;
  hint: string;
  read_only: boolean;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
}
