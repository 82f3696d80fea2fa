// Who somebody is. A fan is known by a custom id, by a profile id (which an anonymous id of the source stands for), or by
// both; then the two are one. Keeps these invariants:
// - A profile that has a custom id never gets another one, and never becomes part of somebody else's by an anonymous id:
//   two people on one device stay two.
// - Where one of the two is new, no merging is needed: the anonymous profile is given the custom id.
// - Calls that share an id are done one after the other.

import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import { ApiError } from '../errors.ts';
import { elementsOf } from '../http/elements.ts';
import { mergeProfiles } from '../merging/merging-service.ts';
import { resolveIds } from '../profiles/alias-store.ts';
import { findProfileIdsByCustomIds } from '../profiles/profile-store.ts';
import { upsertAgain, upsertMany, type UpsertOptions } from '../profiles/upsert.ts';
import { findProfiles } from '../profiles/upsert-store.ts';
import { explain, type Call, type Subject } from './call.ts';
import type { Source } from './source.ts';

type Identifying = Call & { subject: Subject };

const MAX_ATTEMPTS = 10;
/** Of one transaction. */
const SLICE = 500;

/** As far as it matters here. */
export interface Sender extends Pick<Source, 'name' | 'trust'> {
  /** What an admin sends, or a server brings in from the past, is meant: it makes profiles beside the limits. */
  isMeant?: boolean;
}

interface Work {
  context: Context;
  application: Application;
  source: Sender;
}

export async function identify(
  context: Context,
  application: Application,
  source: Sender,
  calls: readonly Identifying[],
): Promise<void> {
  const work = { context, application, source };
  for (let waiting = [...calls]; waiting.length > 0;) {
    const { now, later } = takeTurn(waiting);
    await doTurn(work, now);
    waiting = later;
  }
}

/** Profiles for those who have none yet. */
export async function createProfiles(
  context: Context,
  application: Application,
  source: Sender,
  calls: readonly Identifying[],
): Promise<void> {
  const fans = new Map<string, { step: Step; calls: Call[] }>();
  for (const call of calls) {
    const { customId, profileId } = call.subject;
    const key = customId === undefined ? `p${profileId}` : `c${customId}`;
    const fan = fans.get(key) ?? { step: { call, fields: customId === undefined ? { id: profileId } : { custom_id: customId } }, calls: [] }; // prettier-ignore
    fan.calls.push(call);
    fans.set(key, fan);
  }
  const refused = await upsertAll({ context, application, source }, [...fans.values()].map(({ step }) => step)); // prettier-ignore
  const reasons = new Map(refused.map(({ step, reason }) => [step, reason]));
  for (const fan of fans.values()) {
    const reason = reasons.get(fan.step);
    if (reason !== undefined) for (const call of fan.calls) call.problems.push({ outcome: 'refused', reason });
  }
}

const keysOf = ({ subject, previousCustomId }: Identifying): string[] =>
  [subject.customId, previousCustomId].flatMap((id) => (id === undefined ? [] : [`c${id}`])).concat(subject.profileId ?? []); // prettier-ignore

/** Those whose ids no call before them shares, but for calls about exactly the same ids. */
function takeTurn(calls: readonly Identifying[]): { now: Identifying[]; later: Identifying[] } {
  const claims = new Map<string, string>();
  const now: Identifying[] = [];
  const later: Identifying[] = [];
  for (const call of calls) {
    const keys = keysOf(call);
    const own = JSON.stringify(keys);
    const isFree = keys.every((key) => (claims.get(key) ?? own) === own);
    for (const key of keys) claims.set(key, isFree ? own : '');
    (isFree ? now : later).push(call);
  }
  return { now, later };
}

/** An upsert; `merge`: afterwards this profile becomes part of that one. */
interface Step {
  call: Call;
  fields: Record<string, unknown>;
  /** What it makes becomes part of a profile that is there: no fan more. */
  vanishes?: true;
  merge?: { from: string; to: string };
}

async function doTurn(work: Work, calls: readonly Identifying[]): Promise<void> {
  let waiting = calls;
  for (let attempt = 1; waiting.length > 0; attempt++) {
    const known = await findKnown(work, waiting);
    const steps = waiting.flatMap((call) => stepsOf(work, call, known));
    const refused = await upsertAll(work, steps);
    // Another request may have given the custom id to a profile a moment ago: that one is found now.
    const again = new Set<Call>();
    for (const { step, reason, isFinal } of refused) {
      const { call, fields } = step;
      const isPassing = !isFinal && fields['id'] !== undefined && fields['custom_id'] !== undefined;
      if (isPassing && attempt < MAX_ATTEMPTS) again.add(call);
      else call.problems.push({ outcome: 'refused', reason });
    }
    await mergeAll(
      work,
      steps.filter(({ call }) => !again.has(call)),
    );
    waiting = waiting.filter((call) => again.has(call));
  }
}

async function mergeAll(work: Work, steps: readonly Step[]): Promise<void> {
  const merged = new Set<string>();
  for (const { call, merge } of steps) {
    if (!merge || merged.has(JSON.stringify(merge))) continue;
    merged.add(JSON.stringify(merge));
    await mergeOne(work, call, merge);
  }
}

interface Known {
  /** The profile that has a custom id. */
  owner: (customId: string) => string | undefined;
  /** The profile that a profile id means now, with its custom id; undefined where there is none. */
  profile: (id: string) => { id: string; custom_id: string | null } | undefined;
}

async function findKnown({ context: { db }, application }: Work, calls: readonly Identifying[]): Promise<Known> {
  const customIds = calls.flatMap(({ subject, previousCustomId }) =>
    [subject.customId ?? [], previousCustomId ?? []].flat(),
  );
  const ids = calls.flatMap(({ subject }) => subject.profileId ?? []);
  const owners = await findProfileIdsByCustomIds(db, application.id, [...new Set(customIds)]);
  const meant = await resolveIds(db, application.id, [...new Set(ids)]);
  const profiles = await findProfiles(db, application.id, [...new Set(ids.map(meant))]);
  return { owner: (customId) => owners.get(customId), profile: (id) => profiles.get(meant(id)) };
}

function stepsOf({ source }: Work, call: Identifying, known: Known): Step[] {
  const { attributes, nickname, firstNickname } = call;
  const { customId, profileId } = call.subject;
  const other = profileId === undefined ? undefined : known.profile(profileId);
  const owner = customId === undefined ? undefined : known.owner(customId);
  const isNew = other === undefined && owner === undefined && firstNickname !== undefined;
  const fields = {
    ...(isNew && { nickname: firstNickname }),
    ...(attributes && { attributes }),
    ...(nickname !== undefined && { nickname }),
  };
  if (customId === undefined) return [{ call, fields: { id: profileId, ...fields } }];
  const named = { custom_id: customId, ...fields };
  const byCustomId: Step = { call, fields: named };
  if (call.unites !== true || profileId === undefined) return [byCustomId];
  const previous = previousOf(source, call, known);
  if (previous === 'refused') return [];
  if (previous) return [{ ...byCustomId, merge: { from: previous, to: customId } }];
  if (other?.id !== undefined && other.id === owner) return [byCustomId];
  if (other && other.custom_id !== null && other.custom_id !== customId) {
    call.problems.push({ outcome: 'not_mapped', reason: APART });
    return [byCustomId];
  }
  if (owner === undefined) return [{ call, fields: { id: profileId, ...named } }];
  // Also of one that is yet to come: what was done under it may arrive late.
  const made: Step[] = other ? [] : [{ call, fields: { id: profileId }, vanishes: true }];
  return [...made, { ...byCustomId, merge: { from: profileId, to: customId } }];
}

const APART = 'The anonymousId belongs to another user already; the two stay apart.';

/** Of an alias: the profile that has the previous id as its custom id, unless that is an anonymous one. */
function previousOf(source: Sender, call: Identifying, known: Known): string | 'refused' | undefined {
  const { previousCustomId: previous } = call;
  if (previous === undefined || known.profile(call.subject.profileId ?? '')) return undefined;
  const owner = known.owner(previous);
  if (owner === undefined || previous === call.subject.customId) return undefined;
  if (source.trust === 'server') return owner;
  const reason = "Only a source with trust 'server' may merge users; with 'client', anonymous fans into users.";
  call.problems.push({ outcome: 'refused', reason });
  return 'refused';
}

interface Refused {
  step: Step;
  reason: string;
  /** By a limit: it is not tried again. */
  isFinal: boolean;
}

async function upsertAll(work: Work, steps: readonly Step[]): Promise<Refused[]> {
  const refused: Refused[] = [];
  for (let from = 0; from < steps.length; from += SLICE)
    refused.push(...(await upsertSlice(work, steps.slice(from, from + SLICE))));
  return refused;
}

async function upsertSlice({ context, application, source }: Work, steps: readonly Step[]): Promise<Refused[]> {
  const refuseNew: UpsertOptions['refuseNew'] = async (tx, indexes) => {
    const counted = indexes.filter((index) => steps[index]?.vanishes !== true);
    const { admitted, reason = '' } = await context.creationLimits.admit(tx, application, counted.length);
    return { refused: counted.slice(admitted), reason };
  };
  const options: UpsertOptions = {
    attributesBy: source.trust === 'server' ? 'admin' : 'profile',
    ...(source.isMeant !== true && { refuseNew }),
  };
  const fields = steps.map((step) => step.fields);
  const results = await upsertAgain(() =>
    context.db.transaction((tx) => upsertMany(tx, context, application, elementsOf(fields), options)),
  );
  return steps.flatMap((step, index): Refused[] => {
    const { errors, isRefused = false } = results[index] ?? {};
    return errors ? [{ step, reason: explain(errors), isFinal: isRefused }] : [];
  });
}

async function mergeOne(
  { context, application, source }: Work,
  call: Call,
  { from, to }: { from: string; to: string },
): Promise<void> {
  const owners = await findProfileIdsByCustomIds(context.db, application.id, [to]);
  const targetId = owners.get(to);
  if (targetId === undefined) return; // erased meanwhile
  const request = {
    sourceId: from,
    targetId,
    tokens: 'revoke' as const,
    // An alias of users says so; anonymous fans have no custom id.
    force: call.previousCustomId !== undefined && source.trust === 'server',
    actor: `source:${source.name}`,
  };
  try {
    await mergeProfiles(context, application, request);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status >= 500) throw error;
    // By another request meanwhile, which did the same.
    if (error.code !== 'not_found') call.problems.push({ outcome: 'refused', reason: error.detail });
  }
}
