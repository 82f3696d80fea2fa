// Many profiles made or changed, each by its id or its custom id: what an import and the bulk call do. Items are judged each
// by itself; what is new is made in a handful of statements, what is as it is already is left alone, and what changes is
// changed as a PATCH changes it. Two items about one profile keep their order.

import { Compile } from 'typebox/compile';
import { Type, type Static } from 'typebox';
import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import type { Queryable } from '../database/database.ts';
import { isRetryable } from '../database/faults.ts';
import { ApiError, ValidationError, addOthers, fieldOf, soundFields, type FieldErrors } from '../errors.ts';
import { createPace, type Elements } from '../http/elements.ts';
import { findTooLong } from '../http/sizes.ts';
import { newId, readUuid } from '../ids.ts';
import { parseInstant, type Instant } from '../instant.ts';
import type { Catalogue } from '../rules/attribute.ts';
import { isRecord } from '../rules/fields.ts';
import { hashToken } from '../secrets.ts';
import { resolveIds } from './alias-store.ts';
import { generateNickname } from './nickname.ts';
import { MAX_CUSTOM_ID, ProfilePatch, type AttributePair, type Profile, type Writer } from './profile.ts';
import { changeProfile, newProfileKeys, readChange, readNew, toStored } from './profile-service.ts';
import { findProfileIdsByCustomIds, takeOrdinals } from './profile-store.ts';
import * as store from './upsert-store.ts';

const MAX_TOKEN = 4096;
const MAX_ATTEMPTS = 10;

export const UpsertFields = Type.Object({
  id: Type.Optional(Type.Unsafe<string | null>({ type: ['string', 'null'], description: 'A UUID, which is kept.' })),
  ...ProfilePatch.properties,
  custom_id: Type.Optional(
    Type.Unsafe<string | null>({ type: ['string', 'null'], minLength: 1, maxLength: MAX_CUSTOM_ID }),
  ),
  access_token: Type.Optional(
    Type.Unsafe<string | null>({
      type: ['string', 'null'],
      minLength: 16,
      maxLength: MAX_TOKEN,
      description:
        'One that another system made for this profile: it goes on working, until the profile’s tokens are rotated. Kept as a hash.',
    }),
  ),
  created_at: Type.Optional(
    Type.Unsafe<string | null>({ type: ['string', 'null'], description: 'Of a new profile; default: now.' }),
  ),
});
type UpsertFields = Static<typeof UpsertFields>;
const Fields = Compile(UpsertFields);

export interface Upserted {
  status: 'created' | 'updated' | 'unchanged' | 'rejected';
  id: string | null;
  /** It is no good only now: `refuseNew` refused it. */
  isRefused?: true;
  /** Of a new profile, where tokens are asked for. */
  tokenId?: string;
  errors?: FieldErrors;
}

export interface UpsertOptions {
  /** New profiles get an access token of ours. */
  withTokens?: boolean;
  /** Nothing is written. */
  isDryRun?: boolean;
  /** Asked before profiles are made, of the items that would make them: which may not, and why. Default: all may. */
  refuseNew?: (tx: Queryable, indexes: number[]) => Promise<{ refused: number[]; reason: string }>;
  /** Throws NotNew before anything is written where an item is about what is there already. */
  onlyNew?: boolean;
  /** Who is meant to have written the attributes. Default: an admin. */
  attributesBy?: Writer;
}

interface Item {
  index: number;
  fields: UpsertFields;
  id: string | undefined;
  tokenHash: Buffer | undefined;
  createdAt: Instant | undefined;
}

interface Work {
  tx: Queryable;
  context: Context;
  application: Application;
  catalogue: Catalogue;
  now: Instant;
  options: UpsertOptions;
  results: Upserted[];
}

export class NotNew extends Error {}

/** Begins work around `upsertMany` again where others took an id, a custom id or a token meanwhile. */
export async function upsertAgain<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof store.TakenMeanwhile || isRetryable(error))) throw error;
      if (attempt >= MAX_ATTEMPTS)
        throw new ApiError('unavailable', { detail: 'These profiles are being changed by others.', retryAfter: 1 });
    }
  }
}

/** In the caller's transaction, which must be begun again where this throws `TakenMeanwhile`. */
export async function upsertMany(
  tx: Queryable,
  context: Context,
  application: Application,
  sent: Elements,
  options: UpsertOptions = {},
): Promise<Upserted[]> {
  const catalogue = await context.catalogues.get(application.id);
  const results: Upserted[] = [];
  const work: Work = { tx, context, application, catalogue, now: context.clock.now(), options, results };
  let waiting: Item[] = [];
  const pace = createPace();
  for (let index = 0; index < sent.length; index++) {
    if (pace.isDue()) await pace.turn();
    const { value, problems } = sent.read(index);
    const read = problems ? { errors: withOthers(problems, value, catalogue) } : readItem(value, index, catalogue);
    if ('errors' in read) results[index] = { status: 'rejected', id: null, errors: read.errors };
    else waiting.push(read);
  }
  while (waiting.length > 0) waiting = await doRound(work, waiting);
  return results;
}

function readItem(sent: unknown, index: number, catalogue: Catalogue): Item | { errors: FieldErrors } {
  if (!Fields.Check(sent)) return { errors: problemsOf(sent, catalogue) };
  const errors: FieldErrors = {};
  const id = sent.id == null ? undefined : readUuid(sent.id);
  if (sent.id != null && id === undefined) errors['id'] = ['This must be a UUID.'];
  if (id === undefined && sent.custom_id == null && !errors['id'])
    errors['custom_id'] = ['This field is required, or id.'];
  const createdAt = sent.created_at == null ? undefined : parseInstant(sent.created_at);
  if (sent.created_at != null && createdAt === undefined)
    errors['created_at'] = ['This must be an ISO 8601 date and time, such as 2025-04-28T12:16:49Z.'];
  if (Object.keys(errors).length > 0) return { errors };
  const tokenHash = sent.access_token == null ? undefined : hashToken(sent.access_token);
  return { index, fields: sent, id, tokenHash, createdAt };
}

/** Each profile that is meant once; returns the items that come after another one about the same profile. */
async function doRound(work: Work, items: readonly Item[]): Promise<Item[]> {
  const { tx, application, results } = work;
  const customIds = items.flatMap(({ fields }) => fields.custom_id ?? []);
  const owners = await findProfileIdsByCustomIds(tx, application.id, [...new Set(customIds)]);
  const meant = await resolveIds(
    tx,
    application.id,
    items.flatMap(({ id }) => id ?? []),
  );
  const idOf = ({ id }: Item): string | undefined => (id === undefined ? undefined : meant(id));
  const ids = [...new Set([...items.flatMap((item) => idOf(item) ?? []), ...owners.values()])];
  const hashes = items.flatMap(({ tokenHash }) => tokenHash ?? []);
  // One connection: they go out together.
  const [profiles, taken, tokens] = await Promise.all([
    store.findProfiles(tx, application.id, ids),
    store.findTakenIds(
      tx,
      items.flatMap(({ id }) => id ?? []),
    ),
    store.findForeignTokens(tx, hashes),
  ]);
  const later: Item[] = [];
  const claimed = new Set<string>();
  const fresh: Fresh[] = [];
  const changes: Change[] = [];
  const pace = createPace();
  for (const item of items) {
    if (pace.isDue()) await pace.turn();
    const customId = item.fields.custom_id ?? undefined;
    const owner = customId === undefined ? undefined : owners.get(customId);
    const targetId = idOf(item) ?? owner;
    const keys = [targetId ?? '', `custom:${customId ?? ''}`, `token:${item.tokenHash?.toString('hex') ?? ''}`].filter(
      (key) => !/^(custom:|token:)?$/.test(key),
    );
    if (keys.some((key) => claimed.has(key))) {
      for (const key of keys) claimed.add(key); // what follows it follows later too
      later.push(item);
      continue;
    }
    for (const key of keys) claimed.add(key);
    const before = targetId === undefined ? undefined : profiles.get(targetId);
    const errors = conflicts(item, targetId, before, owner, taken, tokens);
    if (work.options.onlyNew === true && (errors || before)) throw new NotNew();
    if (errors) results[item.index] = { status: 'rejected', id: null, errors };
    else if (before) changes.push({ item: owned(item, owner), before, hasToken: hasToken(item, tokens) });
    else judgeNew(work, item, fresh);
  }
  await insertAll(work, fresh);
  await changeAll(work, changes);
  return later;
}

interface Fresh {
  item: Item;
  id: string;
  pairs: AttributePair[];
  nickname: string;
  customId: string | null;
  customData: string | null;
}

interface Change {
  item: Item;
  before: Profile;
  /** Its foreign token is known already. */
  hasToken: boolean;
}

const hasToken = ({ tokenHash }: Item, tokens: Map<string, string>): boolean =>
  tokenHash === undefined || tokens.has(tokenHash.toString('hex'));

/** What leads to the profile already, be it by one that was merged into it, is no custom id to give it. */
function owned(item: Item, owner: string | undefined): Item {
  if (owner === undefined) return item;
  const { custom_id: _leading, ...fields } = item.fields;
  return { ...item, fields };
}

function conflicts(
  item: Item,
  targetId: string | undefined,
  before: Profile | undefined,
  owner: string | undefined,
  taken: Set<string>,
  tokens: Map<string, string>,
): FieldErrors | undefined {
  const { fields, id, tokenHash } = item;
  if (id !== undefined && !before && taken.has(id)) return { id: ['This id cannot be used.'] };
  if (id !== undefined && owner !== undefined && owner !== targetId)
    return { custom_id: [`profile with custom_id '${fields.custom_id ?? ''}' already exists.`] };
  const holder = tokenHash && tokens.get(tokenHash.toString('hex'));
  if (holder !== undefined && holder !== before?.id) return { access_token: ['This is the token of another profile.'] };
  return undefined;
}

function judgeNew(work: Work, item: Item, fresh: Fresh[]): void {
  const judged = attempt(() => readNew(work.catalogue, item.fields, 'admin', work.options.attributesBy));
  if ('errors' in judged) {
    work.results[item.index] = { status: 'rejected', id: null, errors: judged.errors };
    return;
  }
  const { read, pairs: stored } = judged.value;
  fresh.push({
    item,
    id: item.id ?? newId(),
    pairs: stored,
    nickname: read.nickname ?? generateNickname(),
    customId: read.customId ?? null,
    customData: read.customData ?? null,
  });
}

async function insertAll(work: Work, asked: readonly Fresh[]): Promise<void> {
  const { tx, application, now, options, results } = work;
  const fresh = await leaveOutRefused(work, asked);
  if (fresh.length === 0) return;
  const [first, watched] =
    options.isDryRun === true
      ? [0, new Set<string>()]
      : await Promise.all([
          takeOrdinals(work.context.db, application.id, fresh.length),
          store.listWatchedKeys(tx, application.id),
        ]);
  const rows = fresh.map(({ item, id, pairs, nickname, customId, customData }, place) => ({
    id,
    ordinal: first + place,
    nickname,
    customId,
    customData,
    createdAt: item.createdAt,
    pairs: toStored(pairs),
    changed: newProfileKeys(pairs).filter((key) => watched.has(key)),
  }));
  const tokens = fresh.flatMap(({ item, id }) =>
    options.withTokens === true || item.tokenHash
      ? [{ profileId: id, tokenId: newId(), hash: item.tokenHash, index: item.index }]
      : [],
  );
  for (const { item, id } of fresh) results[item.index] = { status: 'created', id };
  for (const { index, tokenId } of tokens) results[index] = { ...results[index], tokenId } as Upserted; // set above
  if (options.isDryRun === true) return;
  await Promise.all([
    store.insertProfiles(tx, application.id, rows, now),
    store.insertTokens(tx, tokens, now),
    store.insertForeignTokens(
      tx,
      application.id,
      tokens.flatMap((token) => (token.hash ? [{ ...token, hash: token.hash }] : [])),
    ),
  ]);
}

async function leaveOutRefused({ tx, options, results }: Work, fresh: readonly Fresh[]): Promise<readonly Fresh[]> {
  if (!options.refuseNew || fresh.length === 0) return fresh;
  const { refused, reason } = await options.refuseNew(
    tx,
    fresh.map(({ item }) => item.index),
  );
  for (const index of refused)
    results[index] = { status: 'rejected', id: null, errors: { non_field_errors: [reason] }, isRefused: true };
  const left = new Set(refused);
  return fresh.filter(({ item }) => !left.has(item.index));
}

async function changeAll(work: Work, changes: readonly Change[]): Promise<void> {
  const { tx, context, application, catalogue, now, options, results } = work;
  const isSame = ({ item, before, hasToken: known }: Change): boolean =>
    known && isUnchanged(catalogue, before, item, options.attributesBy);
  const changing: Change[] = [];
  const pace = createPace();
  for (const change of changes) {
    if (pace.isDue()) await pace.turn();
    const { item, before } = change;
    const judged = attempt(() => readChange(catalogue, before, item.fields, 'admin', options.attributesBy));
    if ('errors' in judged) results[item.index] = { status: 'rejected', id: null, errors: judged.errors };
    else if (isSame(change)) results[item.index] = { status: 'unchanged', id: before.id };
    else {
      results[item.index] = { status: 'updated', id: before.id };
      if (options.isDryRun !== true) changing.push(change);
    }
  }
  changing.sort((a, b) => (a.before.id < b.before.id ? -1 : 1)); // the order of locks
  // Beside each other on one connection; all of them are over before the transaction may end.
  const outcomes = await Promise.allSettled(
    changing.map(async ({ item, before, hasToken: known }) => {
      try {
        await changeProfile(tx, context, application, before.id, item.fields, 'admin', undefined, options.attributesBy);
        if (known || !item.tokenHash) return;
        const token = { hash: item.tokenHash, profileId: before.id, tokenId: newId() };
        await store.insertTokens(tx, [token], now);
        await store.insertForeignTokens(tx, application.id, [token]);
      } catch (error) {
        const errors = errorsOf(error);
        if (!errors) throw error;
        results[item.index] = { status: 'rejected', id: null, errors };
      }
    }),
  );
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason as Error; // what a query failed with
}

function isUnchanged(catalogue: Catalogue, before: Profile, item: Item, by?: Writer): boolean {
  const { read, pairs } = readChange(catalogue, before, item.fields, 'admin', by);
  const text = (list: readonly AttributePair[]): string =>
    JSON.stringify(list.map(({ key, value }) => [key, value]).toSorted());
  return (
    (read.nickname === undefined || read.nickname === before.nickname) &&
    (read.customId === undefined || read.customId === before.custom_id) &&
    (read.customData === undefined || read.customData === before.custom_data) &&
    (pairs === undefined || text(pairs) === text(before.attributes))
  );
}

function attempt<T>(work: () => T): { value: T } | { errors: FieldErrors } {
  try {
    return { value: work() };
  } catch (error) {
    const errors = errorsOf(error);
    if (!errors) throw error;
    return { errors };
  }
}

function errorsOf(error: unknown): FieldErrors | undefined {
  if (error instanceof ValidationError) return error.fields;
  if (error instanceof ApiError && error.status < 500) return { non_field_errors: [error.detail] };
  return undefined;
}

/** What cannot be stored, and what else is wrong. */
function withOthers(problems: FieldErrors, item: unknown, catalogue: Catalogue): FieldErrors {
  const errors = { ...problems };
  if (item !== undefined) addOthers(errors, problemsOf(item, catalogue));
  return errors;
}

/** What the schema finds, and of the other fields what it cannot say. */
function problemsOf(item: unknown, catalogue: Catalogue): FieldErrors {
  if (!isRecord(item)) return { non_field_errors: ['This must be an object.'] };
  const errors: FieldErrors = { ...findTooLong(UpsertFields, item) };
  if (item['id'] == null && item['custom_id'] == null) errors['custom_id'] = ['This field is required, or id.'];
  for (const error of Fields.Errors(soundFields(item, new Set(Object.keys(errors))))) {
    const path = error.instancePath
      .slice(1)
      .replace(/\/(\d+)/g, '[$1]')
      .replace(/\//g, '.');
    (errors[path || 'non_field_errors'] ??= []).push(`This ${error.message}.`);
  }
  const sound = soundFields(item, new Set(Object.keys(errors).map(fieldOf)));
  const { nickname, custom_id, custom_data, attributes } = sound as ProfilePatch; // of the sound ones only
  const fields = Object.fromEntries(
    Object.entries({ nickname, custom_id, custom_data, attributes }).filter(([, value]) => value !== undefined),
  );
  const judged = attempt(() => readNew(catalogue, fields, 'admin'));
  if ('errors' in judged) addOthers(errors, judged.errors);
  return errors;
}
