// The switch: replaces the membership of a group in one step, however large, beside live changes. A fill of a dynamic
// rule and a replacement of static members both come through here.
//
// The difference is prepared for the next epoch in slices, invisible to readers; whatever changes meanwhile is noted in
// fill_touched and decided anew; the switch itself updates one head row. Each step is one transaction, killed at any
// point leaves what the next attempt discards, and checks the attempt's number, so that an attempt that was superseded
// (a newer rule, another process) cannot write any more.

import type { Database, Queryable } from '../database/database.ts';
import type { Clock } from '../clock.ts';
import type { Instant } from '../instant.ts';
import type { Bitset } from '../rules/bitset.ts';

export interface SwitchPlan {
  groupId: string;
  applicationId: number;
  kind: 'rule' | 'import';
  /** Of a rule: the ruleset that is served after the switch. */
  rulesetId: string | null;
  /**
   * Who is to be a member, by ordinal. Called once leftovers are gone and every change from then on is noted, so any
   * snapshot taken in here is early enough. May yield as often as it likes.
   */
  target(): AsyncGenerator<SwitchProgress, Bitset>;
  /**
   * Of these profiles, noted since: the ordinals of those that are to be members now. In the transaction that repairs
   * them, whose every statement sees what was committed before it (read committed).
   */
  decide(tx: Queryable, profiles: { profileId: string; ordinal: number }[]): Promise<ReadonlySet<number>>;
  /** In the transaction of the switch, for whatever must come true with it. */
  onSwitch?(tx: Queryable, result: SwitchResult): Promise<void>;
}

export type SwitchStage = 'discard' | 'build' | 'scan' | 'prepare' | 'catch_up' | 'clean';

/** What a step did; the caller renews its lease, reports progress, or stops by ending the iteration. */
export interface SwitchProgress {
  stage: SwitchStage;
  done: number;
  total: number | null;
}

export interface SwitchResult {
  epoch: number;
  at: Instant;
  entered: number;
  left: number;
  profileCount: number;
}

/** Somebody else began another attempt, or the group is gone: nothing more may be written. */
export class SwitchLost extends Error {}

export interface SwitchOptions {
  /** Members changed in one transaction. */
  slice?: number;
  /** Noted profiles that are repaired under the head's lock together with the switch. */
  lastFew?: number;
}

export async function* runSwitch(
  _context: { db: Database; clock: Clock },
  _plan: SwitchPlan,
  _options: SwitchOptions = {},
): AsyncGenerator<SwitchProgress, SwitchResult> {
  yield { stage: 'discard', done: 0, total: null };
  throw new Error('not written yet');
}
