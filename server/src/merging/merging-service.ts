// Two profiles of one fan become one, in one transaction: activities and totals (facts/merge-histories.ts), attributes, ids,
// tokens, pins and memberships (evaluation/merge-memberships.ts). Afterwards everything is as if the target had done it
// all, and the source's id leads to the target (profiles/alias-store.ts). Locks are taken as erasing takes them:
// histories, profiles, then whoever lets profiles enter groups, member rows, heads.

import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import type { Queryable } from '../database/database.ts';
import { conflict, notFound } from '../errors.ts';
import { recordEvents } from '../events/event-store.ts';
import { lockHistories } from '../facts/totals.ts';
import { markProfile } from '../sheets/sheet-store.ts';
import { raiseDefinitionsVersion } from '../facts/definitions.ts';
import { mergeHistories, readHistories } from '../facts/merge-histories.ts';
import type { MembershipMerge, MergedMembership } from '../groups/dynamic.ts';
import { readUuid } from '../ids.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { findAlias, insertAlias, listCustomIdAliases, type MergeRow } from '../profiles/alias-store.ts';
import type { Profile } from '../profiles/profile.ts';
import { changedFields, customIdHash, toStored } from '../profiles/profile-service.ts';
import * as profiles from '../profiles/profile-store.ts';
import { mergeAttributes } from './merge-attributes.ts';
import type { TokenFate } from './merging.ts';
import * as store from './merging-store.ts';

export interface MergeRequest {
  sourceId: string;
  targetId: string;
  tokens: TokenFate;
  /** Also two of different custom ids. */
  force: boolean;
  /** Who did it, as pins and rules keep it. */
  actor: string;
}

export interface Merged {
  merge: MergeRow;
  groups: MergedMembership;
  attributesLeftOut: number;
  profile: Profile;
}

/** Undoes what a dry run did, and carries what it would have been. */
class DryRun extends Error {
  readonly merged: Merged;
  constructor(merged: Merged) {
    super('a dry run');
    this.merged = merged;
  }
}

/** One of the two is no profile any more. Thrown, so that the locks that were taken for it are given back. */
class Gone extends Error {}

const MAX_ATTEMPTS = 5;

/** Merges the source into the target. A dry run does it all and undoes it. */
export async function mergeProfiles(
  context: Context,
  application: Application,
  request: MergeRequest,
  isDryRun = false,
): Promise<Merged> {
  let { sourceId, targetId } = request;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    if (sourceId === targetId)
      throw conflict('A profile cannot be merged into itself; both ids lead to the same profile.');
    const catalogue = await context.catalogues.get(application.id);
    try {
      const merged = await context.dynamicGroups.merge(application.id, async (tx, merge) => {
        const done = await mergeLocked(
          tx,
          { ...context, catalogue },
          application,
          { ...request, sourceId, targetId },
          merge,
        );
        if (isDryRun) throw new DryRun(done);
        return done;
      });
      if (merged.merge.progress < 1) wakeMover(context);
      return merged;
    } catch (error) {
      if (error instanceof DryRun) return error.merged;
      if (!(error instanceof Gone)) throw error;
    }
    // One of the two was merged or erased a moment ago.
    const [source, target] = await Promise.all([
      resolveProfile(context.db, application, sourceId),
      resolveProfile(context.db, application, targetId),
    ]);
    if (source === undefined) throw notFound();
    if (target === undefined) throw gone(targetId);
    [sourceId, targetId] = [source, target];
  }
  throw conflict('The profiles are being changed by others; send it again.');
}

/** Once it is committed: under an Idempotency-Key that is later than here. */
function wakeMover({ db, mover }: Context): void {
  if (!db.isTogether(async () => mover.wake())) mover.wake();
}

const gone = (reference: string) =>
  conflict(`There is no profile '${reference}' to merge into; it may have been erased.`);

/** The id of the profile that a reference leads to: an id that it has or had, or `custom:…`. */
export async function resolveProfile(
  db: Queryable,
  application: Application,
  reference: string,
): Promise<string | undefined> {
  const custom = /^custom:(.+)$/s.exec(reference)?.[1];
  if (custom !== undefined) return profiles.findProfileIdByCustomId(db, application.id, custom);
  const id = readUuid(reference);
  if (id === undefined) return undefined;
  if (await profiles.findProfile(db, application.id, id)) return id;
  const alias = await findAlias(db, id);
  return alias?.applicationId === application.id ? alias.targetId : undefined;
}

/** As resolveProfile, of the profile that stays: 409 where there is none. */
export async function getTarget(db: Queryable, application: Application, reference: string): Promise<string> {
  const id = await resolveProfile(db, application, reference);
  if (id === undefined) throw gone(reference);
  return id;
}

type MergeContext = Context & { catalogue: Awaited<ReturnType<Context['catalogues']['get']>> };

/** Throws Gone where one of the two is no profile any more. */
async function mergeLocked(
  tx: Queryable,
  context: MergeContext,
  application: Application,
  { sourceId, targetId, tokens, force, actor }: MergeRequest,
  memberships: MembershipMerge,
): Promise<Merged> {
  // Statements that need nothing of each other go out together, here and below: the connection does them in this order,
  // so what is read behind a lock is read once it is held.
  const [low = '', high = ''] = [sourceId, targetId].sort();
  const [, one, other, , histories, customIds] = await Promise.all([
    lockHistories(tx, application.id, [low, high]),
    profiles.lockProfile(tx, application.id, low),
    profiles.lockProfile(tx, application.id, high),
    memberships.read([sourceId, targetId]),
    readHistories(tx, application.id, sourceId, targetId),
    listCustomIdAliases(tx, sourceId),
  ]);
  const [source, target] = low === sourceId ? [one, other] : [other, one];
  if (!source || !target) throw new Gone();
  const isForced = source.custom_id !== null && target.custom_id !== null;
  if (isForced && !force) {
    throw conflict(
      `The profiles have different custom ids, '${source.custom_id}' and '${target.custom_id}'. With "force": true the first one leads to the second profile afterwards.`,
    );
  }
  // After whatever else happened to either.
  const now = memberships.begin(source, target, Math.max(source.updated_at, target.updated_at) + 1);
  const [, history] = await Promise.all([
    markProfile(tx, application.id, source.id, histories.ofSource),
    mergeHistories(tx, application.id, source, target, histories, { atOnce: context.mover.atOnce, now }),
  ]);
  // So that no intake of the target passes over what is still on its way; before anything is locked that is locked last.
  if (history.isMoving) await raiseDefinitionsVersion(tx, application.id);
  const attributes = mergeAttributes(target.attributes, source.attributes, context.catalogue);
  const owner = { id: target.id, applicationId: application.id, ordinal: target.ordinal };
  const merge: MergeRow = {
    profileId: source.id,
    ordinal: source.ordinal,
    targetId: target.id,
    customId: isForced ? source.custom_id : null,
    activities: history.activities,
    duplicates: history.duplicates,
    progress: history.isMoving ? 0 : 1,
    mergedAt: now,
    mergedBy: actor,
  };
  const [identity] = await Promise.all([
    mergeIdentity(tx, context, application, source, target, { tokens, customIds, now }),
    history.finish(),
    attributes.pairs.length > target.attributes.length
      ? profiles.replaceAttributes(tx, owner, toStored(attributes.pairs))
      : undefined,
    insertAlias(tx, { ...merge, applicationId: application.id, targetOrdinal: target.ordinal }),
    memberships.hold(),
  ]);
  const changed = changedFields(
    target,
    { customId: identity.custom_id, customData: identity.custom_data },
    attributes.pairs,
  );
  const { groups, forgotten } = await memberships.finish();
  await Promise.all([
    forgotten,
    store.deleteSource(tx, application.id, source),
    recordEvents(tx, [
      { event: 'profile.merged', applicationId: application.id, profileId: source.id, into: target.id, at: now },
      ...(changed.length > 0
        ? [{ event: 'profile.updated' as const, applicationId: application.id, profileId: target.id, changed, at: now }]
        : []),
    ]),
  ]);
  const lastActive = Math.max(source.last_active_at ?? -Infinity, target.last_active_at ?? -Infinity);
  return {
    merge,
    groups,
    attributesLeftOut: attributes.leftOut,
    profile: {
      ...target,
      ...identity,
      attributes: attributes.pairs,
      last_active_at: lastActive === -Infinity ? null : lastActive,
      updated_at: now,
    },
  };
}

/** Custom ids, tokens and what else the target has once. */
async function mergeIdentity(
  tx: Queryable,
  context: MergeContext,
  application: Application,
  source: Profile,
  target: Profile,
  { tokens, customIds, now }: { tokens: TokenFate; customIds: readonly string[]; now: Instant },
): Promise<Pick<Profile, 'custom_id' | 'custom_id_since' | 'custom_data'>> {
  const moving = tokens === 'follow' ? store.moveTokens(tx, source.id, target.id) : undefined;
  // What was signed for a custom id of the source is judged by its tombstone from now on.
  const dead = tokens === 'revoke' ? now : source.client_tokens_after;
  const leading = [...customIds, ...(source.custom_id === null ? [] : [source.custom_id])].flatMap((customId) => [
    store.moveCustomId(tx, application.id, customId, target.id),
    dead === null
      ? undefined
      : profiles.upsertTombstone(tx, application.id, customIdHash(context, application, customId), formatInstant(dead)),
  ]);
  const changed = {
    custom_id: target.custom_id ?? source.custom_id,
    // Of one that came along, the tombstone is always asked for.
    custom_id_since: target.custom_id === null ? null : target.custom_id_since,
    custom_data: target.custom_data ?? source.custom_data,
  };
  await Promise.all([
    moving,
    ...leading,
    store.updateTarget(tx, target.id, {
      customId: changed.custom_id,
      customIdSince: changed.custom_id_since,
      customData: changed.custom_data,
      now,
    }),
  ]);
  return changed;
}
