// The types of activities: the platform's 29, those that an application registers, and those that its admins sent
// without registering them. An id is never given away again, since stored activities carry it.

import type { Context } from '../context.ts';
import { nextDefinitionId, raiseDefinitionsVersion } from '../facts/definitions.ts';
import { conflict, denied, invalid, notFound, type FieldErrors, ValidationError } from '../errors.ts';
import { formatInstant } from '../instant.ts';
import type { ActivityType } from '../rules/attribute.ts';
import { isRecord } from '../rules/fields.ts';
import { FIRST_CUSTOM_ID } from '../rules/platform.ts';
import { codePoints } from '../rules/values.ts';
import { TYPE_PATTERN } from './activity.ts';
import * as store from './activity-type-store.ts';

export const MAX_TYPES = 1000;
export const MAX_LABEL = 200;

/** Gives ids to types that an admin sent for the first time. Returns those that the application has no room for. */
export async function nameTypes(
  context: Context,
  applicationId: number,
  names: ReadonlySet<string>,
): Promise<Set<string>> {
  const now = formatInstant(context.clock.now());
  return context.db.transaction(async (tx) => {
    await raiseDefinitionsVersion(tx, applicationId);
    let room = MAX_TYPES - (await store.countTypes(tx, applicationId));
    let id = await nextDefinitionId(tx, applicationId);
    const refused = new Set<string>();
    for (const type of [...names].sort()) {
      if (await store.findTypeByName(tx, applicationId, type)) continue;
      if (room-- <= 0) refused.add(type);
      else
        await store.upsertType(
          tx,
          applicationId,
          { id: id++, type, label: type, client: false, registered: false },
          now,
        );
    }
    return refused;
  });
}

interface TypeFields {
  type: string | undefined;
  label: string | undefined;
  client: boolean | undefined;
}

/** Registers a type; one that admins sent before becomes a registered one. */
export async function registerType(context: Context, applicationId: number, body: unknown): Promise<ActivityType> {
  const errors: FieldErrors = {};
  const fields = readFields(body, errors);
  const type = fields.type ?? '';
  if (fields.type === undefined) errors['type'] ??= ['This field is required.'];
  else if (!TYPE_PATTERN.test(type)) errors['type'] = ['This must be 1 to 64 characters of a-z, 0-9 and -.'];
  const label = fields.label ?? type;
  if (Object.keys(errors).length > 0) throw new ValidationError(errors);
  return change(context, applicationId, async (tx) => {
    const known = await store.findTypeByName(tx, applicationId, type);
    if (known?.registered) throw conflict(`activity type '${type}' already exists.`);
    if (!known && (await store.countTypes(tx, applicationId)) >= MAX_TYPES) {
      throw invalid('non_field_errors', `An application may have at most ${MAX_TYPES} activity types.`);
    }
    const id = known?.id ?? (await nextDefinitionId(tx, applicationId));
    return { id, type, label, client: fields.client ?? false, registered: true };
  });
}

export async function getType(context: Context, applicationId: number, type: string): Promise<ActivityType> {
  const known = await store.findTypeByName(context.db, applicationId, type);
  if (!known) throw notFound();
  return known;
}

/** Changes label and client of an own type; the platform's stay as they are. */
export async function changeType(
  context: Context,
  applicationId: number,
  type: string,
  body: unknown,
): Promise<ActivityType> {
  const errors: FieldErrors = {};
  const fields = readFields(body, errors);
  const { label } = fields;
  if (fields.type !== undefined && fields.type !== type) errors['type'] = ['Cannot be changed.'];
  if (Object.keys(errors).length > 0) throw new ValidationError(errors);
  return change(context, applicationId, async (tx) => {
    const known = await ownType(tx, applicationId, type);
    return { ...known, label: label ?? known.label, client: fields.client ?? known.client };
  });
}

/** Profiles can no longer send it. Activities of it stay, and admins may go on sending it. */
export async function unregisterType(context: Context, applicationId: number, type: string): Promise<void> {
  await change(context, applicationId, async (tx) => {
    const known = await ownType(tx, applicationId, type);
    return { ...known, label: type, client: false, registered: false };
  });
}

async function ownType(
  tx: Parameters<typeof store.findTypeByName>[0],
  applicationId: number,
  type: string,
): Promise<ActivityType> {
  const known = await store.findTypeByName(tx, applicationId, type);
  if (!known?.registered) throw notFound();
  if (known.id < FIRST_CUSTOM_ID) throw denied('This type belongs to the platform.');
  return known;
}

async function change(
  context: Context,
  applicationId: number,
  decide: (tx: Parameters<typeof store.findTypeByName>[0]) => Promise<ActivityType>,
): Promise<ActivityType> {
  const now = formatInstant(context.clock.now());
  const changed = await context.db.transaction(async (tx) => {
    await raiseDefinitionsVersion(tx, applicationId);
    const row = await decide(tx);
    await store.upsertType(tx, applicationId, row, now);
    return row;
  });
  await context.catalogues.refresh(applicationId);
  return changed;
}

/** Every problem at once, each under its field. */
function readFields(body: unknown, errors: FieldErrors): TypeFields {
  if (!isRecord(body)) throw invalid('non_field_errors', 'This must be an object.');
  const { type, label, client } = body;
  if (type !== undefined && typeof type !== 'string') errors['type'] = ['This must be a string.'];
  if (client !== undefined && typeof client !== 'boolean') errors['client'] = ['This must be true or false.'];
  const trimmed = typeof label === 'string' ? label.trim() : undefined;
  if (label !== undefined && (trimmed === undefined || trimmed === '' || codePoints(trimmed) > MAX_LABEL))
    errors['label'] = [`This must have 1 to ${MAX_LABEL} characters.`];
  return {
    type: typeof type === 'string' ? type : undefined,
    label: trimmed,
    client: typeof client === 'boolean' ? client : undefined,
  };
}
