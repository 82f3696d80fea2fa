// Profiles: made, changed and erased. Keeps the invariants that a custom id belongs to one profile, that a profile's own
// token never writes what only admins may, and that whatever a rule may read is queued in the transaction that changes it.

import { forgetObject } from '../audit/audit-store.ts';
import { describeChange } from '../audit/entry.ts';
import { lockHistories } from '../facts/totals.ts';
import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import type { Queryable } from '../database/database.ts';
import { ApiError, conflict, notFound, throwFound, type FieldErrors } from '../errors.ts';
import { lockForErasing } from '../membership/erasing.ts';
import { removeFromGroups } from '../membership/membership.ts';
import type { ProfileEvent } from '../events/event.ts';
import { recordEvents } from '../events/event-store.ts';
import { UNREACHABLE, isReachable, newId } from '../ids.ts';
import { formatInstant, parseInstant, type Instant } from '../instant.ts';
import { enqueue, type QueueEntry } from '../queue/queue.ts';
import { dependency } from '../rules/depends.ts';
import type { Catalogue } from '../rules/attribute.ts';
import { parseNumber } from '../rules/values.ts';
import { deleteAliases, hasCustomIdAlias, orItsTarget } from './alias-store.ts';
import { readAttributes } from './attribute-pairs.ts';
import { generateNickname, nicknameProblem } from './nickname.ts';
import {
  MAX_CUSTOM_DATA_BYTES,
  MAX_CUSTOM_ID,
  type AttributePair,
  type Profile,
  type ProfileFields,
  type ProfilePatch,
  type Writer,
} from './profile.ts';
import { markProfile } from '../sheets/sheet-store.ts';
import * as store from './profile-store.ts';

export interface CreatedProfile {
  profile: Profile;
  accessToken: string;
}

/** Trims and checks the plain fields; problems are added to `errors`. */
function readFields(
  fields: Omit<ProfileFields, 'attributes'>,
  writer: Writer,
  errors: FieldErrors,
  before?: Pick<Profile, 'custom_id'>,
): { nickname?: string; customId?: string | null; customData?: string | null } {
  const read: { nickname?: string; customId?: string | null; customData?: string | null } = {};
  if (fields.nickname != null) {
    const nickname = fields.nickname.trim();
    const problem = nicknameProblem(nickname);
    if (problem) errors['nickname'] = [problem];
    else read.nickname = nickname;
  }
  if (fields.custom_id !== undefined) {
    const problem = customIdProblem(fields.custom_id, writer, before);
    if (problem) errors['custom_id'] = [problem];
    else read.customId = fields.custom_id;
  }
  if (fields.custom_data !== undefined) {
    if (fields.custom_data !== null && Buffer.byteLength(fields.custom_data) > MAX_CUSTOM_DATA_BYTES) {
      errors['custom_data'] = [`This must have at most ${MAX_CUSTOM_DATA_BYTES} bytes.`];
    } else read.customData = fields.custom_data;
  }
  return read;
}

function customIdProblem(
  customId: string | null,
  writer: Writer,
  before: Pick<Profile, 'custom_id'> | undefined,
): string | undefined {
  // Clients send whole objects back.
  if (before && customId === before.custom_id) return undefined;
  if (writer !== 'admin') return 'Only an admin access token may set this.';
  if (customId === null) return undefined;
  if (!isReachable(customId)) return UNREACHABLE;
  const length = [...customId].length;
  return length < 1 || length > MAX_CUSTOM_ID ? `This must have 1 to ${MAX_CUSTOM_ID} characters.` : undefined;
}

export const toStored = (pairs: AttributePair[]): store.StoredPair[] =>
  pairs.map((pair) => {
    const instant = parseInstant(pair.value);
    return {
      ...pair,
      number: parseNumber(pair.value) ?? null,
      instant: instant === undefined ? null : formatInstant(instant),
    };
  });

export const customIdTaken = (customId: string): ApiError =>
  conflict(`profile with custom_id '${customId}' already exists.`);

/** Makes a profile with an access token. Throws 409 where the custom id is taken. */
export async function createProfile(
  context: Context,
  application: Application,
  fields: ProfileFields,
  writer: Writer,
): Promise<CreatedProfile> {
  const created = await tryCreateProfile(context, application, fields, writer);
  if (!created) throw customIdTaken(fields.custom_id ?? '');
  return created;
}

/** What a new profile is made of; throws with every problem. `attributesBy`: who is meant to have written the attributes, where that is not who writes the rest. */
export function readNew(catalogue: Catalogue, fields: ProfilePatch, writer: Writer, attributesBy = writer) {
  const errors: FieldErrors = {};
  const read = readFields(fields, writer, errors);
  const pairs = readAttributes(fields.attributes ?? [], attributesBy, [], catalogue, errors);
  throwFound(errors);
  return { read, pairs };
}

/** What a profile changes to; throws with every problem. */
export function readChange(
  catalogue: Catalogue,
  before: Profile,
  fields: ProfilePatch,
  writer: Writer,
  attributesBy = writer,
) {
  const errors: FieldErrors = {};
  const read = readFields(fields, writer, errors, before);
  const pairs =
    fields.attributes && readAttributes(fields.attributes, attributesBy, before.attributes, catalogue, errors);
  throwFound(errors);
  return { read, pairs };
}

/** As createProfile, but undefined where the custom id is taken. */
export async function tryCreateProfile(
  context: Context,
  application: Application,
  fields: ProfileFields,
  writer: Writer,
): Promise<CreatedProfile | undefined> {
  return insertProfile(context, application, readNew(await context.catalogues.get(application.id), fields, writer));
}

/** Of what was read already; undefined where the custom id, or the device key, is taken. */
export async function insertProfile(
  context: Context,
  application: Application,
  { read, pairs }: ReturnType<typeof readNew>,
  { network = null, deviceKey }: { network?: Buffer | null; deviceKey?: store.NewDeviceKey | undefined } = {},
): Promise<CreatedProfile | undefined> {
  const now = context.clock.now();
  const id = newId();
  const tokenId = newId();
  describeChange({ object: { type: 'profile', id, name: read.nickname ?? null } });
  const ordinal = await context.ordinals.next(application.id);
  const row: store.NewProfile = {
    id,
    applicationId: application.id,
    ordinal,
    nickname: read.nickname ?? generateNickname(),
    customId: read.customId ?? null,
    customData: read.customData ?? null,
    tokenId,
    network,
    deviceKey,
    now: formatInstant(now),
  };
  const entry: QueueEntry = {
    profileId: id,
    ordinal,
    applicationId: application.id,
    cause: 'profile',
    changed: newProfileKeys(pairs),
    now,
  };
  const event: ProfileEvent = { event: 'profile.created', applicationId: application.id, profileId: id, at: now };
  const done =
    pairs.length === 0
      ? await store.insertProfile(context.db.own, row, entry, event)
      : await context.db.transaction(async (tx) => {
          if (!(await store.insertProfile(tx, row, entry, event))) return false;
          await store.replaceAttributes(tx, { id, applicationId: application.id, ordinal }, toStored(pairs));
          return true;
        });
  if (!done) return undefined;
  return {
    profile: {
      id,
      ordinal,
      nickname: row.nickname,
      custom_id: row.customId,
      custom_id_since: row.customId === null ? null : now,
      custom_data: row.customData,
      created_at: now,
      updated_at: now,
      last_active_at: null,
      client_tokens_after: null,
      attributes: pairs,
    },
    accessToken: context.tokens.sign({ clientId: application.client_id, profileId: id, tokenId, now }),
  };
}

/** What a rule may read of a profile that did not exist before: everything. */
export const newProfileKeys = (pairs: AttributePair[]): string[] => [
  dependency.profile('created_at'),
  dependency.profile('nickname'),
  dependency.profile('custom_id'),
  ...new Set(pairs.map((pair) => dependency.attribute(pair.key))),
];

/** Changes the given fields; attributes are replaced, as far as the writer may write them. */
export async function updateProfile(
  context: Context,
  application: Application,
  id: string,
  fields: ProfilePatch,
  writer: Writer,
  ifMatch?: string,
): Promise<Profile> {
  return context.db.transaction((tx) => changeProfile(tx, context, application, id, fields, writer, ifMatch));
}

/** As updateProfile, in the caller's transaction. Throws before it changes anything. */
export async function changeProfile(
  tx: Queryable,
  context: Context,
  application: Application,
  id: string,
  fields: ProfilePatch,
  writer: Writer,
  ifMatch?: string,
  attributesBy = writer,
): Promise<Profile> {
  const catalogue = await context.catalogues.get(application.id);
  const before = await lockProfile(tx, application.id, id);
  requireMatch(ifMatch, before.updated_at);
  const at = context.clock.now(); // evaluation must not be told of an instant that is yet to come
  const now = Math.max(at, before.updated_at + 1); // the order of its events
  const { read, pairs } = readChange(catalogue, before, fields, writer, attributesBy);
  if (read.customId !== undefined && read.customId !== before.custom_id) {
    // First, so that nothing was changed where it is taken.
    if (read.customId !== null && !(await store.reserveCustomId(tx, application.id, read.customId, before.id)))
      throw customIdTaken(read.customId);
    if (before.custom_id !== null) await releaseCustomId(tx, context, application, before.custom_id, now);
  }
  await store.updateProfile(tx, application.id, before.id, read, formatInstant(now));
  if (pairs)
    await store.replaceAttributes(
      tx,
      { id: before.id, applicationId: application.id, ordinal: before.ordinal },
      toStored(pairs),
    );
  await enqueue(tx, {
    profileId: before.id,
    ordinal: before.ordinal,
    applicationId: application.id,
    cause: 'profile',
    changed: changedKeys(before, read, pairs),
    now: at,
  });
  describeChange({
    object: { type: 'profile', id: before.id, name: before.nickname },
    before: { nickname: before.nickname, custom_id: before.custom_id, ...(pairs && { attributes: before.attributes }) },
    after: { nickname: read.nickname, custom_id: read.customId, ...(pairs && { attributes: pairs }) },
  });
  const changed = changedFields(before, read, pairs);
  if (changed.length > 0)
    await recordEvents(tx, [
      { event: 'profile.updated', applicationId: application.id, profileId: before.id, changed, at: now },
    ]);
  return {
    ...before,
    ...(read.nickname !== undefined && { nickname: read.nickname }),
    ...(read.customId !== undefined &&
      read.customId !== before.custom_id && { custom_id: read.customId, custom_id_since: now }),
    ...(read.customData !== undefined && { custom_data: read.customData }),
    ...(pairs && { attributes: pairs }),
    updated_at: now,
  };
}

/** The profile that the id means by now, locked; 404 where there is none. */
async function lockProfile(tx: Queryable, applicationId: number, id: string): Promise<Profile> {
  const profile = await orItsTarget(tx, id, (current) => store.lockProfile(tx, applicationId, current));
  if (!profile) throw notFound();
  return profile;
}

/** The dependency keys whose facts differ afterwards. */
function changedKeys(
  before: Profile,
  read: { nickname?: string; customId?: string | null },
  pairs: AttributePair[] | undefined,
): string[] {
  const changed: string[] = [];
  if (read.nickname !== undefined && read.nickname !== before.nickname) changed.push(dependency.profile('nickname'));
  if (read.customId !== undefined && read.customId !== before.custom_id) changed.push(dependency.profile('custom_id'));
  for (const key of changedAttributes(before, pairs)) changed.push(dependency.attribute(key));
  return changed;
}

/** The same as its event names them. */
export function changedFields(
  before: Profile,
  read: { nickname?: string; customId?: string | null; customData?: string | null },
  pairs: AttributePair[] | undefined,
): string[] {
  const changed: string[] = [];
  if (read.nickname !== undefined && read.nickname !== before.nickname) changed.push('nickname');
  if (read.customId !== undefined && read.customId !== before.custom_id) changed.push('custom_id');
  if (read.customData !== undefined && read.customData !== before.custom_data) changed.push('custom_data');
  for (const key of changedAttributes(before, pairs)) changed.push(`attributes.${key}`);
  return changed;
}

function changedAttributes(before: Profile, pairs: AttributePair[] | undefined): string[] {
  if (!pairs) return [];
  const keys = new Set([...before.attributes, ...pairs].map((pair) => pair.key));
  return [...keys].filter((key) => !samePairs(before.attributes, pairs, key));
}

function samePairs(a: AttributePair[], b: AttributePair[], key: string): boolean {
  const of = (pairs: AttributePair[]): string =>
    JSON.stringify(pairs.filter((pair) => pair.key === key).map((pair) => [pair.value, pair.written_by]));
  return of(a) === of(b);
}

/** `If-Match: "<updated_at>"`: 412 when another request was faster. */
export function requireMatch(ifMatch: string | undefined, updatedAt: Instant): void {
  if (ifMatch === undefined || ifMatch.trim() === '*') return;
  const expected = formatInstant(updatedAt);
  const tags = ifMatch.split(',').map((tag) => tag.trim().replace(/^"(.*)"$/, '$1'));
  if (!tags.includes(expected))
    throw new ApiError('precondition_failed', { detail: `The resource was changed at ${expected}.` });
}

/** Erases the profile, its tokens, memberships and activities. */
export async function eraseProfile(context: Context, application: Application, id: string): Promise<void> {
  await context.db.transaction(async (tx) => {
    const profile = await orItsTarget(tx, id, async (current) => {
      await lockHistories(tx, application.id, [current]); // first, as intake does: no activity may slip in behind the deletion
      return store.lockProfile(tx, application.id, current);
    });
    if (!profile) throw notFound();
    const now = Math.max(context.clock.now(), profile.updated_at + 1);
    const aliases = await deleteAliases(tx, profile.id);
    const customIds = [...aliases.customIds, ...(profile.custom_id === null ? [] : [profile.custom_id])];
    for (const customId of customIds) await releaseCustomId(tx, context, application, customId, now);
    await store.deleteSourceItems(tx, application.id, [profile.id, ...aliases.profileIds], customIds);
    await forgetObject(tx, application.id, 'profile', profile.id);
    await markProfile(tx, application.id, profile.id);
    await store.deleteHistory(tx, profile.id);
    await lockForErasing(tx, application.id, profile.id);
    await store.deleteProfile(tx, application.id, profile);
    await recordEvents(tx, [
      { event: 'profile.erased', applicationId: application.id, profileId: profile.id, at: now },
    ]);
    await removeFromGroups(tx, { id: profile.id, ordinal: profile.ordinal, applicationId: application.id }, now);
  });
}

/** The only way in which a profile ceases to have its custom id: what was signed for it until now is dead. */
async function releaseCustomId(
  tx: Queryable,
  context: Context,
  application: Application,
  customId: string,
  now: Instant,
): Promise<void> {
  await store.releaseCustomId(tx, application.id, customId);
  await store.upsertTombstone(tx, application.id, customIdHash(context, application, customId), formatInstant(now));
}

export const customIdHash = (context: Pick<Context, 'secrets'>, application: Application, customId: string): Buffer =>
  context.secrets.fingerprint(`tombstone:${application.id}`, customId);

/** A new access token; the others die unless they are kept. */
export async function rotateTokens(
  context: Context,
  application: Application,
  id: string,
  keepExisting: boolean,
): Promise<string> {
  const now = context.clock.now();
  const tokenId = newId();
  return context.db.transaction(async (tx) => {
    const profile = await lockProfile(tx, application.id, id);
    if (!keepExisting) await revoke(tx, profile.id, now);
    await store.insertToken(tx, profile.id, tokenId, formatInstant(now));
    return context.tokens.sign({ clientId: application.client_id, profileId: profile.id, tokenId, now });
  });
}

/** Every token of the profile dies, client-signed ones issued so far too. */
export async function revokeTokens(context: Context, application: Application, id: string): Promise<void> {
  await context.db.transaction(async (tx) => {
    const profile = await lockProfile(tx, application.id, id);
    await revoke(tx, profile.id, context.clock.now());
  });
}

async function revoke(tx: Queryable, id: string, now: Instant): Promise<void> {
  await store.deleteTokens(tx, id);
  await store.refuseClientTokens(tx, id, formatInstant(now));
}

/**
 * The profile that a client-signed token speaks for, made at its first use; or why the token is dead. A custom id that was
 * another profile's before left a tombstone: only what was signed afterwards speaks for the profile that has it now.
 */
export async function resolveClientToken(
  context: Context,
  application: Application,
  claims: { customProfileId: string; nickname: string | undefined; issuedAt: Instant },
): Promise<{ profile: Profile } | { problem: string }> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const judged = await judgeClientToken(context, application, claims);
    if (judged !== undefined && judged !== 'unused') return judged;
    if (judged === undefined) continue;
    const nickname = usableNickname(claims.nickname);
    const fields: ProfileFields = { custom_id: claims.customProfileId, ...(nickname !== undefined && { nickname }) };
    // Made by us or by another request's first use: the next turn finds it, and looks once more for a tombstone.
    await context.creationLimits.within(application, () => tryCreateProfile(context, application, fields, 'admin'));
  }
  throw new ApiError('unavailable', { retryAfter: 1 });
}

/** As resolveClientToken, but makes nothing. Undefined: the custom id was given away between two statements. */
export async function judgeClientToken(
  context: Pick<Context, 'db' | 'secrets'>,
  application: Application,
  { customProfileId, issuedAt }: { customProfileId: string; issuedAt: Instant },
): Promise<{ profile: Profile } | { problem: string } | 'unused' | undefined> {
  const quick = { query: context.db.quick };
  const id = await store.findProfileIdByCustomId(quick, application.id, customProfileId);
  const profile = id === undefined ? undefined : await store.findProfile(quick, application.id, id);
  const isOwn = profile?.custom_id === customProfileId;
  if (profile && !isOwn && !(await hasCustomIdAlias(quick, profile.id, customProfileId))) return undefined;
  if (profile && (profile.client_tokens_after ?? -Infinity) >= issuedAt)
    return { problem: 'The token was issued (iat) before the tokens of its profile were revoked.' };
  // Signed after the profile got this custom id, it cannot have been meant for an earlier holder.
  if (profile && isOwn && issuedAt > (profile.custom_id_since ?? Infinity)) return { profile };
  const hash = customIdHash(context, application, customProfileId);
  const released = await store.findTombstone(quick, application.id, hash);
  if (released !== undefined && released >= issuedAt) {
    return {
      problem:
        'The token was issued (iat) before the profile that had this custom id was erased, or given another custom id.',
    };
  }
  return profile ? { profile } : 'unused';
}

/** A claim that is no nickname is ignored: the token is good all the same. */
function usableNickname(nickname: string | undefined): string | undefined {
  const errors: FieldErrors = {};
  return nickname === undefined ? undefined : readFields({ nickname }, 'admin', errors).nickname;
}
