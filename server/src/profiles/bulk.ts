// Many profiles in one call, by custom id. Each item is checked and written by itself, so that one bad item does not
// cost the others.

import { Compile } from 'typebox/compile';
import { Type } from 'typebox';
import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import { addOthers, ApiError, ValidationError, fieldOf, soundFields, type FieldErrors } from '../errors.ts';
import { createPace, type Elements, type ReadElement } from '../http/elements.ts';
import { findTooLong } from '../http/sizes.ts';
import { fitRefused } from '../problems.ts';
import { MAX_CUSTOM_ID, ProfileFields } from './profile.ts';
import { readNewProfile, tryCreateProfile, updateProfile } from './profile-service.ts';
import { findProfileIdByCustomId } from './profile-store.ts';

export interface BulkResult {
  index: number;
  custom_id: string | null;
  status: 'created' | 'updated' | 'rejected';
  id: string | null;
  access_token?: string;
  errors?: FieldErrors;
}

const ItemFields = Type.Object({
  ...ProfileFields.properties,
  custom_id: Type.String({ minLength: 1, maxLength: MAX_CUSTOM_ID }),
});
const Item = Compile(ItemFields);
const AT_ONCE = 8;

export async function upsertProfiles(
  context: Context,
  application: Application,
  items: Elements,
): Promise<BulkResult[]> {
  const results: BulkResult[] = [];
  const waiting = await readLanes(items);
  const pace = createPace();
  const work = async (): Promise<void> => {
    for (let lane = waiting.pop(); lane; lane = waiting.pop()) {
      for (const index of lane) {
        if (pace.isDue()) await pace.turn();
        results[index] = await upsert(context, application, items.read(index), index);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return present(results);
}

/** Items of one custom id keep their order: they go to the same lane. Throws where an item is not even JSON. */
async function readLanes(items: Elements): Promise<number[][]> {
  const lanes = new Map<string, number[]>();
  const pace = createPace();
  for (let index = 0; index < items.length; index++) {
    if (pace.isDue()) await pace.turn();
    const key = customIdOf(items.read(index).value) ?? `${index}`;
    const lane = lanes.get(key);
    if (lane) lane.push(index);
    else lanes.set(key, [index]);
  }
  return [...lanes.values()];
}

/** Of those that were rejected, as much as an answer may hold. */
function present(results: BulkResult[]): BulkResult[] {
  const rejected = results.filter(({ status }) => status === 'rejected');
  const fitted = fitRefused(rejected, ({ index, status, id }) => ({ index, custom_id: null, status, id }));
  for (const result of fitted) results[result.index] = result;
  return results;
}

function customIdOf(item: unknown): string | null {
  const id = typeof item === 'object' && item !== null && 'custom_id' in item ? item.custom_id : undefined;
  return typeof id === 'string' ? id : null;
}

async function upsert(
  context: Context,
  application: Application,
  { value: item, problems: unsound }: ReadElement,
  index: number,
): Promise<BulkResult> {
  const base = { index, custom_id: customIdOf(item)?.slice(0, MAX_CUSTOM_ID * 2) ?? null };
  try {
    if (unsound) {
      const errors = { ...unsound };
      if (item !== undefined) addOthers(errors, await problems(context, application, item));
      return { ...base, status: 'rejected', id: null, errors };
    }
    if (!Item.Check(item))
      return { ...base, status: 'rejected', id: null, errors: await problems(context, application, item) };
    for (let attempt = 0; attempt < 5; attempt++) {
      const id = await findProfileIdByCustomId(context.db.own, application.id, item.custom_id);
      if (id !== undefined) {
        const { custom_id: _same, ...fields } = item; // it may be one that came with a merged profile, beside its own
        const profile = await updateProfile(context, application, id, fields, 'admin');
        return { ...base, status: 'updated', id: profile.id };
      }
      const created = await tryCreateProfile(context, application, item, 'admin');
      if (created) return { ...base, status: 'created', id: created.profile.id, access_token: created.accessToken };
    }
    return {
      ...base,
      status: 'rejected',
      id: null,
      errors: { custom_id: ['This profile is being changed by others; send it again.'] },
    };
  } catch (error) {
    if (error instanceof ValidationError) return { ...base, status: 'rejected', id: null, errors: error.fields };
    if (error instanceof ApiError && error.status < 500)
      return { ...base, status: 'rejected', id: null, errors: { non_field_errors: [error.detail] } };
    throw error;
  }
}

/** What the schema finds, and of the other fields what it cannot say. */
async function problems(context: Context, application: Application, item: unknown): Promise<FieldErrors> {
  if (typeof item !== 'object' || item === null || Array.isArray(item))
    return { non_field_errors: ['This must be an object.'] };
  const errors: FieldErrors = {};
  if (!('custom_id' in item)) errors['custom_id'] = ['This field is required.'];
  const tooLong = findTooLong(ItemFields, item) ?? {};
  Object.assign(errors, tooLong);
  for (const error of Item.Errors(soundFields(item, new Set(Object.keys(tooLong))))) {
    const field =
      error.instancePath
        .slice(1)
        .replace(/\/(\d+)/g, '[$1]')
        .replace(/\//g, '.') || 'non_field_errors';
    if (field !== 'non_field_errors' || 'custom_id' in item) (errors[field] ??= []).push(`This ${error.message}.`);
  }
  const sound = soundFields(item, new Set(Object.keys(errors).map(fieldOf)));
  await readNewProfile(context, application, sound, 'admin').catch((error: unknown) => {
    if (!(error instanceof ValidationError)) throw error;
    addOthers(errors, error.fields);
  });
  return errors;
}
