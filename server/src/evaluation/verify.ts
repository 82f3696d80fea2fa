// Proof by the other meaning. Membership is kept by functions over one profile's totals; here the same rule is read as
// sets over the raw activities, in one snapshot, and the two are compared. Profiles that wait in the queue or are due are
// brought up to the same instant by their function first: that they wait is no fault.

import type pg from 'pg';
import type { Clock } from '../clock.ts';
import { onClient } from '../database/client.ts';
import { join, sql, type Database, type Queryable } from '../database/database.ts';
import { conflict, notFound } from '../errors.ts';
import { newId } from '../ids.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { andNot, buildBitset, fromOrdinals, or, popcount, type Bitset } from '../rules/bitset.ts';
import { isMember, type CompiledRule } from '../rules/evaluate.ts';
import { currentRules } from './explain-member.ts';
import type { ApplicationRules, RulesCache } from './rules-cache.ts';
import { createSetReader, inSnapshot, readRuleSet } from './sets.ts';
import { resolveIds } from '../profiles/alias-store.ts';
import { loadStates } from './state.ts';
import { crossed } from './sweep.ts';

export interface Verification {
  checked: number;
  /** Should be members and are not. */
  missing: number;
  /** Are members and should not be. */
  extra: number;
}

export interface VerifyContext {
  db: Database;
  clock: Clock;
  rules: RulesCache;
}

/** No other process's clock is further ahead: what it evaluated is not after the instant of the comparison. */
const AHEAD = 50_000;
const SLICE = 2_000;

/** Compares and keeps the result. 409 where membership is not kept by the rule right now. */
export async function verify(context: VerifyContext, applicationId: number, groupId: string): Promise<Verification> {
  const { at, ...result } = await inSnapshot(context.db, async (client) => {
    const proof = await beginProof(context, client, applicationId);
    return { at: proof.at, ...(await proof.compare(groupId)) };
  });
  await keepVerification(context.db, groupId, { at, ...result, nightly: false });
  return result;
}

export async function keepVerification(
  db: Queryable,
  groupId: string,
  { at, checked, missing, extra, nightly }: Verification & { at: Instant; nightly: boolean },
): Promise<void> {
  await db.query(sql`
    insert into verifications (group_id, id, at, checked, missing, extra, nightly)
    values (${groupId}, ${newId()}, ${formatInstant(at)}, ${checked}, ${missing}, ${extra}, ${nightly})`);
}

/** Several groups of an application in one snapshot, at one instant: what their rules share is read once. */
export interface Proof {
  at: Instant;
  /** Fails with 409 or 404 where the group is none that is live: others may follow. */
  compare(groupId: string): Promise<Verification>;
}

/** The caller's snapshot, as `inSnapshot` gives it. */
export async function beginProof(context: VerifyContext, client: pg.ClientBase, applicationId: number): Promise<Proof> {
  const tx = onClient(client, context.db.isDistributed);
  const { swept, sweeping } = await readSweep(tx, applicationId);
  const now = Math.max(context.clock.now(), sweeping) + AHEAD;
  const reader = await createSetReader(client, { applicationId, now, from: 'activities' });
  const leaves = new Map<string, Bitset>();

  const compare = async (groupId: string): Promise<Verification> => {
    const epoch = await requireLive(tx, groupId);
    const rules = await currentRules(tx, context.rules, applicationId, () => [groupId]);
    const rule = rules.groups.get(groupId)?.served;
    if (!rule) throw conflict('The rule of this group cannot be evaluated.');
    const universe = await reader.universe();
    const expected = await withPins(tx, groupId, now, await readRuleSet(reader, rule, leaves));
    const members = await reader.ordinals(
      `select ordinal from members where group_id = '${groupId}' and since_epoch <= ${epoch} and (until_epoch is null or until_epoch > ${epoch})`,
    );
    const pending = await listPending(tx, rules, groupId, rule, swept, now);
    const evaluated = await evaluatePending(tx, applicationId, groupId, rule, pending, now);
    const settled = or(andNot(members, evaluated.seen), evaluated.members);
    return {
      checked: popcount(universe),
      missing: popcount(andNot(expected, settled)),
      extra: popcount(andNot(settled, expected)),
    };
  };
  return { at: now - AHEAD, compare };
}

async function readSweep(tx: Queryable, applicationId: number): Promise<{ swept: Instant; sweeping: Instant }> {
  const { rows } = await tx.query<{ swept: Instant; sweeping: Instant }>(sql`
    select swept_until as swept, sweeping_until as sweeping from sweeps where application_id = ${applicationId}`);
  return rows[0] ?? { swept: 0, sweeping: 0 }; // it never had a dynamic group
}

/** The epoch of a group whose membership is kept by its rule right now. */
export async function requireLive(tx: Queryable, groupId: string): Promise<number> {
  const { rows } = await tx.query<{
    epoch: number;
    membership_type: string;
    is_paused: boolean;
    as_of: Instant | null;
    is_filling: boolean;
    last_error: string | null;
  }>(sql`
    select g.membership_type, g.is_paused, h.epoch, h.as_of, f.group_id is not null as is_filling, f.last_error
    from groups g join group_heads h on h.group_id = g.id
    left join backfills f on f.group_id = g.id and f.stage <> 'clean'
    where g.id = ${groupId} and g.is_active`);
  const [row] = rows;
  if (!row) throw notFound();
  if (row.membership_type === 'static') throw conflict('Only a dynamic group has a rule that can be evaluated.');
  if (row.is_paused) throw conflict('This group is paused.');
  if (row.last_error !== null) throw conflict('The evaluation of this group failed; it is tried again.');
  if (row.is_filling || row.as_of !== null) throw conflict('This group is being filled.');
  return row.epoch;
}

async function withPins(tx: Queryable, groupId: string, now: Instant, set: Bitset): Promise<Bitset> {
  const { rows } = await tx.query<{ ordinal: number; pin: 'in' | 'out' }>(sql`
    select ordinal, pin from pins where group_id = ${groupId} and (expires_at is null or expires_at > ${formatInstant(now)})`);
  const pinned = (pin: 'in' | 'out'): Bitset =>
    fromOrdinals(rows.filter((row) => row.pin === pin).map((row) => row.ordinal));
  return or(andNot(set, pinned('out')), pinned('in'));
}

/** Who waits for this group's evaluation, in the queue or because an edge of time has passed that no sweep has reached. */
async function listPending(
  tx: Queryable,
  rules: ApplicationRules,
  groupId: string,
  rule: CompiledRule,
  swept: Instant,
  now: Instant,
): Promise<string[]> {
  const { applicationId } = rules;
  const { rows: waiting } = await tx.query<{ profile_id: string }>(sql`
    select distinct profile_id from queue
    where application_id = ${applicationId} and changed && ${[...rules.keysOf(groupId)]}::text[]`);
  const pins = sql`
      select p.profile_id, p.ordinal, '' as keys from pins p
      where p.group_id = ${groupId} and p.expires_at > ${formatInstant(swept)} and p.expires_at <= ${formatInstant(now)}`;
  const boundaries = rule.boundaries.map((boundary) => ({ boundary, keys: [] }));
  const due = await tx.query<{ profile_id: string }>(sql`
    select distinct c.profile_id from (${join([pins, ...crossed(applicationId, boundaries, swept, now)], ' union all ')}) c`);
  // What waits for a profile that was merged waits for the one that it is now.
  const ids = [...waiting, ...due.rows].map((row) => row.profile_id);
  return [...new Set(ids.map(await resolveIds(tx, applicationId, [...new Set(ids)])))];
}

async function evaluatePending(
  tx: Queryable,
  applicationId: number,
  groupId: string,
  rule: CompiledRule,
  ids: string[],
  now: Instant,
): Promise<{ seen: Bitset; members: Bitset }> {
  const seen = buildBitset();
  const members = buildBitset();
  for (let from = 0; from < ids.length; from += SLICE) {
    const slice = ids.slice(from, from + SLICE);
    const states = await loadStates(tx, applicationId, slice, rule.needs, now);
    const { rows: pins } = await tx.query<{ profile_id: string; pin: 'in' | 'out' }>(sql`
      select profile_id, pin from pins where group_id = ${groupId} and profile_id = any (${slice}::uuid[])
        and (expires_at is null or expires_at > ${formatInstant(now)})`);
    const pinned = new Map(pins.map((pin) => [pin.profile_id, pin.pin]));
    for (const state of states.values()) {
      const pin = pinned.get(state.id);
      seen.add(state.ordinal);
      if (pin === undefined ? isMember(rule, state, now) : pin === 'in') members.add(state.ordinal);
    }
  }
  return { seen: seen.set, members: members.set };
}
