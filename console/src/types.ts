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
