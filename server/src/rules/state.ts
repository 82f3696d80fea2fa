// What the functions of the leaves read: one profile's facts, and the description of which of them a rule needs, so
// that they are loaded in one go (evaluation/state.ts).

import type { Instant, Micros } from '../instant.ts';
import type { ActivityFilter } from './activity-filter.ts';
import type { FactRef, Scalar } from './attribute.ts';

/** A row of `totals`. */
export interface FactTotal {
  count: number;
  sum: number;
  firstAt: Instant | null;
  lastAt: Instant | null;
  /** Of a state fact: the newest value; null when it was cleared or never set. */
  state: Scalar | null;
  /** When the state was last set or cleared, and by which activity: the newest of several facts wins. */
  stateAt: Instant | null;
  stateActivity: string | null;
  stateInstant: Instant | null;
}

/** The newest activities of a fact, newest first. */
export interface Recent {
  at: Instant[];
  value: number[];
  /** Whether it reaches back as far as any window asks; else it holds at least as many as the needs said. */
  complete: boolean;
}

/** A pair stored on a profile. */
export interface StoredValue {
  value: string;
  number: number | null;
  instant: Instant | null;
  writtenBy: 'admin' | 'profile';
}

export interface GroupState {
  member: boolean;
  /** When the membership itself changes if nothing else happens; filled in for explanations. */
  flips: Instant[];
}

export interface ProfileState {
  id: string;
  ordinal: number;
  createdAt: Instant;
  nickname: string;
  customId: string | null;
  totals: Map<number, FactTotal>;
  recent: Map<RecentKey, Recent>;
  attributes: Map<string, StoredValue[]>;
  groups: Map<string, GroupState>;
}

/** A list of newest activities: of all of a fact by its id, of those that a filter lets through by both as text. */
export type RecentKey = number | string;

export const recentKey = (fact: FactRef, filter: ActivityFilter | undefined): RecentKey =>
  filter === undefined ? fact.factId : JSON.stringify([fact.factId, filter]);

/** Of the newest activities of a fact: as far back as `span`, or until count and sum reach these ranks. */
export interface RecentNeed {
  fact: FactRef;
  filter?: ActivityFilter;
  span: Micros;
  /** 0: the count is not asked for; Infinity: everything within the span. */
  count: number;
  sum: number;
  /** A profile that never did so much in all has the same answer at any time; Infinity: it is not asked for. */
  leastCount: number;
  leastSum: number;
}

export interface Needs {
  facts: ReadonlySet<number>;
  recent: ReadonlyMap<RecentKey, RecentNeed>;
  attributes: ReadonlySet<string>;
  groups: ReadonlySet<string>;
}

export const NO_NEEDS: Needs = { facts: new Set(), recent: new Map(), attributes: new Set(), groups: new Set() };

/** Everything that any of them needs. */
export function mergeNeeds(all: Iterable<Needs>): Needs {
  const facts = new Set<number>();
  const recent = new Map<RecentKey, RecentNeed>();
  const attributes = new Set<string>();
  const groups = new Set<string>();
  for (const needs of all) {
    for (const fact of needs.facts) facts.add(fact);
    for (const key of needs.attributes) attributes.add(key);
    for (const group of needs.groups) groups.add(group);
    for (const [key, need] of needs.recent) {
      const known = recent.get(key);
      recent.set(key, {
        ...need,
        span: Math.max(need.span, known?.span ?? 0),
        count: Math.max(need.count, known?.count ?? 0),
        sum: Math.max(need.sum, known?.sum ?? 0),
        leastCount: Math.min(need.leastCount, known?.leastCount ?? Infinity),
        leastSum: Math.min(need.leastSum, known?.leastSum ?? Infinity),
      });
    }
  }
  return { facts, recent, attributes, groups };
}
