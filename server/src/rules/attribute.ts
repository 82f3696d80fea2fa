// What a rule can read: the shape of an attribute, of an activity type, of a fact that totals are kept of, and of the
// catalogue that holds one application's at one definitions_version. Data stands in platform.ts, building in
// catalogue.ts.

import type { Zone } from './zone.ts';

export type ValueType = 'string' | 'number' | 'boolean' | 'datetime' | 'list';

export type Condition =
  | 'equals'
  | 'not_equals'
  | 'greater_than'
  | 'greater_than_or_equal'
  | 'less_than'
  | 'less_than_or_equal'
  | 'between'
  | 'in'
  | 'not_in'
  | 'contains'
  | 'not_contains'
  | 'starts_with'
  | 'ends_with'
  | 'before'
  | 'after'
  | 'on_or_before'
  | 'on_or_after'
  | 'within_last_x_days'
  | 'within_next_x_days'
  | 'days_ago_between'
  | 'anniversary_within_next_x_days'
  | 'is'
  | 'is_empty'
  | 'is_not_empty';

export type Scalar = string | number | boolean;

/** A condition on an activity's data: `data[key]` equals this string, number or boolean. */
export interface Where {
  key: string;
  equals: Scalar;
}

/** How an attribute is computed from activities, in the words of the API. `types: ['*']` is any type. */
export type BasicDerivation =
  | { fn: 'count' | 'sum' | 'exists' | 'first' | 'last'; types: string[]; where?: Where }
  | { fn: 'state'; types: string[]; key: string };

/** What the API shows as `derived_from`; only the basic forms can be defined by an application. */
export type DerivedFrom =
  | BasicDerivation
  /** The first minus the others. */
  | { fn: 'difference'; of: BasicDerivation[] }
  /** Whether the first is greater than the second. */
  | { fn: 'exceeds'; of: [BasicDerivation, BasicDerivation] }
  /** The first divided by the second; missing when that is 0. */
  | { fn: 'ratio'; of: [BasicDerivation, BasicDerivation] }
  /** Whether it is greater than 0. */
  | { fn: 'positive'; of: [BasicDerivation] }
  /** Whole days since, moving with the clock. */
  | { fn: 'age_in_days'; of: [BasicDerivation]; or?: 'created_at' }
  | { fn: 'profile'; key: ProfileField };

export type ProfileField = 'created_at' | 'nickname' | 'custom_id';

/** One thing that totals are kept of. The fact of a plain type has the type's id; 0 is any type. */
export interface FactRef {
  factId: number;
  /** 0: any type. */
  typeId: number;
  where?: Where;
  /** Of a state: the data key. */
  key?: string;
}

/** `derived_from` with its names resolved: what the operators work on. */
export type Derivation =
  | { kind: 'total'; of: 'count' | 'sum'; facts: FactRef[]; exists: boolean }
  | { kind: 'difference'; terms: { of: 'count' | 'sum'; facts: FactRef[] }[]; positive: boolean }
  | { kind: 'ratio'; part: FactRef[]; whole: FactRef[] }
  | { kind: 'instant'; fn: 'first' | 'last'; facts: FactRef[] }
  | { kind: 'state'; facts: FactRef[]; positive: boolean }
  | { kind: 'age'; facts: FactRef[]; orCreated: boolean }
  | { kind: 'profile'; field: ProfileField }
  | { kind: 'stored'; adminOnly: boolean }
  | { kind: 'groups' }
  | { kind: 'bucket' };

export interface Attribute {
  key: string;
  label: string;
  description: string;
  category: string;
  type: ValueType;
  conditions: readonly Condition[];
  supports_window: boolean;
  /** The value of a profile that has none: null is no value at all. */
  missing: 0 | false | null;
  choices?: readonly string[];
  unit?: string;
  source: 'platform' | 'custom';
  writable_by: 'admin' | 'profile';
  visible_to: 'admin' | 'owner' | 'public';
  derived_from?: DerivedFrom;
  /** Internal: never part of an answer (`presentAttribute` leaves it out). */
  derivation: Derivation;
}

export interface ActivityType {
  id: number;
  type: string;
  label: string;
  client: boolean;
  registered: boolean;
}

export type StateType = 'string' | 'number' | 'boolean' | 'datetime';

/** A row of `facts`: a state (equals null) or a type under a condition. */
export interface Fact {
  id: number;
  /** 0: any type. */
  typeId: number;
  key: string;
  equals: Scalar | null;
  valueType: StateType | null;
  built: boolean;
}

/** A fact before it has an id: what a definition needs to exist. */
export type FactSpec = Omit<Fact, 'id' | 'built'>;

export interface Catalogue {
  applicationId: number;
  version: number;
  /** Of the application: where its days begin. */
  zone: Zone;
  /** The platform's 64 first, then the application's own by key; profile_group and random_bucket are not among them. */
  attributes: ReadonlyMap<string, Attribute>;
  types: ReadonlyMap<string, ActivityType>;
  typesById: ReadonlyMap<number, ActivityType>;
  /** The platform's and the application's. */
  facts: readonly Fact[];
  /** Profiles some of whose activities still stand under the id of one that was merged into them, by their ids. */
  sources: ReadonlyMap<string, readonly string[]>;
}
