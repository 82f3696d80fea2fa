// Rule trees and what the server says about them.

/** A rule: a node over other rules, or a leaf. */
export type RuleTree = RuleNode | RuleLeaf;

export interface RuleNode {
  operator: 'AND' | 'OR' | 'NOT' | 'AT_LEAST';
  children: RuleTree[];
  /** Of AT_LEAST: how many children must hold. */
  count?: number;
}

export interface RuleLeaf {
  attribute: string;
  condition: string;
  value?: unknown;
  /** Where the attribute supports it: an ISO 8601 duration, over the last `P7D`, or a time that stands still. */
  window?: string | FixedWindow;
  /** Where the attribute supports a window: only activities whose data meets all of these, up to three. */
  where?: readonly DataCondition[];
  /** Where the attribute counts or sums activities: adds this number of their data instead. */
  sum_of?: string;
  /** Of `random_bucket`. */
  salt?: string;
}

/** From an instant on, and up to but without another; either may be absent. A date without a time is the whole day. */
export interface FixedWindow {
  from?: string;
  until?: string;
}

/** A condition on `data[key]` of activities. */
export interface DataCondition {
  key: string;
  condition: string;
  /** Absent with `is_empty` and `is_not_empty`. */
  value?: unknown;
}

export interface Ruleset {
  id: string;
  rule_tree: RuleNode;
}

/** A ruleset of a group's history. */
export interface SavedRuleset extends Ruleset {
  created_at: string;
  created_by: string;
}

export interface Evaluation {
  state: 'filling' | 'live' | 'paused' | 'failed' | (string & {});
  /** Of the membership that is served; null until the first fill is done. */
  ruleset_id: string | null;
  /** Up to when membership is known to be right. */
  as_of: string | null;
  /** 0 to 1 while filling. */
  progress: number | null;
  last_error: string | null;
}

/** Who would be in a group of this rule. */
export interface Preview {
  count: number;
  sample: { id: string; nickname: string; custom_id: string | null }[];
  as_of: string;
  /** Against the group's present members, where a group was named. */
  entering?: number;
  leaving?: number;
  /** Where asked for: how many it would have been at the end of each of the last days, upwards. */
  history?: PastSize[];
}

/** How many profiles a rule would have found, by activities as they were then and attributes as they are now. */
export interface PastSize {
  /** By the calendar of the application's time zone, as `2025-04-28`. */
  day: string;
  /** The last instant of that day. */
  at: string;
  size: number;
}

/** How groups overlap. */
export interface Comparison {
  groups: { id: string; name: string; count: number }[];
  /** Of each choice of them: who is in all of these, and who of those is in none of the others. */
  intersections: { groups: string[]; count: number; only: number }[];
  /** Who is in any of them. */
  union: number;
  as_of: string;
}

/** A rule's tree with what each part came to for one profile. */
export type Explanation = ExplainedNode | ExplainedLeaf;

export interface ExplainedNode {
  operator: 'AND' | 'OR' | 'NOT' | 'AT_LEAST';
  count?: number;
  result: boolean;
  children: Explanation[];
}

export interface ExplainedLeaf extends RuleLeaf {
  /** What the profile has. */
  actual: unknown;
  result: boolean;
  /** When `result` changes if nothing else happens; null: never. */
  next_flip_at: string | null;
}

export interface MembershipState {
  is_member: boolean;
  since: string | null;
  pin: Pin | null;
  /** When membership changes if nothing else happens; null: never. */
  next_change_at: string | null;
  explanation: Explanation | null;
}

export interface Pin {
  pin: 'in' | 'out';
  reason: string;
  expires_at?: string | null;
}

/** How many profiles were compared, should be members, should not be. */
export interface Verification {
  checked: number;
  missing: number;
  extra: number;
}

export type ChangeCause =
  | 'activity'
  | 'clock'
  | 'profile'
  | 'group'
  | 'rule'
  | 'pin'
  | 'manual'
  | 'import'
  | 'erased'
  | 'merged'
  | (string & {});

/** A profile entered or left a group. Sequences have no gaps. */
export interface MembershipChange {
  sequence: number;
  change: 'entered' | 'left';
  profile_id: string;
  at: string;
  cause: ChangeCause;
}

/** The size of a group over time. */
export interface Sizes {
  interval: 'hour' | 'day';
  since: string;
  until: string;
  /** `at`: the start of the hour or day; `size`: at its end. */
  results: { at: string; size: number; entered: number; left: number }[];
}

/** Who came and went, by hour or day and by cause; those without any are left out. */
export interface Flow {
  interval: 'hour' | 'day';
  since: string;
  until: string;
  /** `cause`: null of what happened before the release that counts causes. */
  results: { at: string; cause: ChangeCause | null; entered: number; left: number }[];
}

/** Who enters and leaves a dynamic group by an instant if nothing else happens. */
export interface ComingChanges {
  as_of: string;
  until: string;
  entering: ComingSide;
  leaving: ComingSide;
}

/** How many, and up to 20 of them by when, the soonest first. */
export interface ComingSide {
  count: number;
  results: { profile_id: string; nickname: string; custom_id: string | null; at: string }[];
}

/** The sizes of groups over time, for lists that show how each moves. */
export interface SizesOfGroups {
  interval: 'hour' | 'day';
  since: string;
  until: string;
  /** `sizes`: at the end of each hour or day, from `since` on; the last one is of now. Groups that are gone are left out. */
  results: { group_id: string; sizes: number[] }[];
}
