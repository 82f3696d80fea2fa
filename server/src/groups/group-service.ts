// Groups: made, changed, deactivated, restored and deleted. Keeps the invariants that a custom id belongs to one group,
// that a group which a rule reads stays, and that every change of what rules may name happens under the application's
// definitions_version.

import { describeChange, pickAs, type AuditObject } from '../audit/entry.ts';
import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import type { Queryable } from '../database/database.ts';
import { isUniqueViolation } from '../database/faults.ts';
import type { PageRequest } from '../database/page.ts';
import { ValidationError, conflict, notFound, throwFound, type FieldErrors } from '../errors.ts';
import type { GroupEvent, GroupEventName } from '../events/event.ts';
import { recordEvents } from '../events/event-store.ts';
import { newId, readUuid } from '../ids.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { requireMatch } from '../profiles/profile-service.ts';
import { dependency } from '../rules/depends.ts';
import { leavesOf, type RuleNode } from '../rules/tree.ts';
import { parseRule } from './dynamic.ts';
import { insertHead } from '../membership/head.ts';
import {
  MAX_DESCRIPTION,
  MAX_GROUP_CUSTOM_ID,
  MAX_NAME,
  type DynamicFields,
  type Group,
  type GroupFields,
} from './group.ts';
import * as store from './group-store.ts';

export interface PresentedGroup {
  group: Group;
  dynamic: DynamicFields | undefined;
}

/** `custom:<custom id>` or an id; undefined where it can be neither. */
function readReference(text: string): store.GroupReference | undefined {
  if (text.startsWith('custom:')) return { customId: text.slice('custom:'.length) };
  const id = readUuid(text);
  return id === undefined ? undefined : { id };
}

export async function findGroup(db: Queryable, applicationId: number, text: string): Promise<Group | undefined> {
  const reference = readReference(text);
  return reference && store.findGroup(db, applicationId, reference);
}

/** The active group that a path names; 404 else. */
export async function getGroup(db: Queryable, applicationId: number, text: string): Promise<Group> {
  const group = await findGroup(db, applicationId, text);
  if (!group?.is_active) throw notFound();
  return group;
}

async function lockGroup(tx: Queryable, applicationId: number, text: string): Promise<Group> {
  const reference = readReference(text);
  const group = reference && (await store.lockGroup(tx, applicationId, reference));
  if (!group) throw notFound();
  return group;
}

/** The group as an answer shows it, all of one snapshot. */
export async function showGroup(context: Context, application: Application, text: string): Promise<PresentedGroup> {
  return context.db.transaction(async (tx) => present(context, tx, await getGroup(tx, application.id, text)), {
    isolation: 'repeatable read',
  });
}

async function present(context: Context, tx: Queryable, group: Group): Promise<PresentedGroup> {
  if (group.membership_type === 'static') return { group, dynamic: undefined };
  const dynamic = await context.dynamicGroups.present(tx, [group]);
  return { group, dynamic: dynamic.get(group.id) };
}

export async function listGroups(
  context: Context,
  application: Application,
  filter: store.GroupFilter,
  page: PageRequest,
): Promise<{ rows: PresentedGroup[]; count: number | undefined }> {
  return context.db.transaction(
    async (tx) => {
      const { rows, count } = await store.pageOfGroups(tx, application.id, filter, page);
      const dynamic = rows.filter((group) => group.membership_type === 'dynamic');
      const fields =
        dynamic.length === 0 ? new Map<string, DynamicFields>() : await context.dynamicGroups.present(tx, dynamic);
      return { rows: rows.map((group) => ({ group, dynamic: fields.get(group.id) })), count };
    },
    { isolation: 'repeatable read' },
  );
}

/** Trims and checks what a schema cannot; problems are added to `errors`. */
function readFields(fields: GroupFields, errors: FieldErrors): store.GroupChange {
  const read: store.GroupChange = {};
  const length = (text: string): number => [...text].length;
  if (fields.name !== undefined) {
    const name = fields.name?.trim() ?? '';
    if (length(name) < 1 || length(name) > MAX_NAME)
      errors['name'] = [`This must have 1 to ${MAX_NAME} characters after trimming.`];
    read.name = name;
  }
  if (fields.description !== undefined) {
    read.description = fields.description ?? '';
    if (length(read.description) > MAX_DESCRIPTION)
      errors['description'] = [`This must have at most ${MAX_DESCRIPTION} characters.`];
  }
  if (fields.custom_id !== undefined) {
    const count = fields.custom_id === null ? 1 : length(fields.custom_id);
    if (count < 1 || count > MAX_GROUP_CUSTOM_ID)
      errors['custom_id'] = [`This must have 1 to ${MAX_GROUP_CUSTOM_ID} characters.`];
    read.custom_id = fields.custom_id;
  }
  if (fields.attributes !== undefined) {
    const seen = new Set<string>();
    fields.attributes.forEach((pair, index) => {
      const identity = JSON.stringify([pair.key, pair.value]);
      if (seen.has(identity)) errors[`attributes[${index}]`] = ['The same key and value stand here twice.'];
      seen.add(identity);
    });
    read.attributes = fields.attributes;
  }
  if (fields.is_active !== undefined) read.is_active = fields.is_active;
  if (fields.visible_to_members !== undefined) read.visible_to_members = fields.visible_to_members;
  return read;
}

const NO_RULE = 'Only a group of membership_type "dynamic" has a rule.';

const customIdTaken = (error: unknown, customId: string | null | undefined): never => {
  if (isUniqueViolation(error)) throw conflict(`profile group with custom_id '${customId}' already exists.`);
  throw error;
};

/** Reads a new group's fields but for the rule itself. */
function readNew(fields: GroupFields, errors: FieldErrors, isDynamic: boolean): store.GroupChange {
  const read = readFields(fields, errors);
  if (read.name === undefined) errors['name'] = ['This field is required.'];
  if (isDynamic && fields.rule_tree === undefined) errors['rule_tree'] = ['This field is required of a dynamic group.'];
  if (!isDynamic && fields.rule_tree != null) errors['rule_tree'] = [NO_RULE];
  return read;
}

/** Throws what is wrong with the fields that met the schema; which kind of group is meant may be among the others. */
export async function checkNewGroup(
  context: Context,
  application: Application,
  fields: GroupFields,
  failed: ReadonlySet<string>,
): Promise<void> {
  const errors: FieldErrors = {};
  const isDynamic = fields.membership_type === 'dynamic' || (failed.has('membership_type') && fields.rule_tree != null);
  readNew(fields, errors, isDynamic);
  if (isDynamic && fields.rule_tree !== undefined)
    await collect(errors, () => parseRule(context.db, application.id, fields.rule_tree));
  throwFound(errors);
}

/** `kept`: what another system gave it. */
export async function createGroup(
  context: Context,
  application: Application,
  fields: GroupFields,
  actor: string,
  kept: { id?: string; createdAt?: Instant } = {},
): Promise<PresentedGroup> {
  const errors: FieldErrors = {};
  const isDynamic = fields.membership_type === 'dynamic';
  const read = readNew(fields, errors, isDynamic);
  if (!isDynamic && Object.keys(errors).length > 0) throw new ValidationError(errors);

  const now = context.clock.now();
  const group: Group = {
    id: kept.id ?? newId(),
    application_id: application.id,
    name: read.name ?? '',
    description: read.description ?? '',
    custom_id: read.custom_id ?? null,
    is_active: read.is_active ?? true,
    visible_to_members: read.visible_to_members ?? true,
    membership_type: isDynamic ? 'dynamic' : 'static',
    attributes: read.attributes ?? [],
    is_paused: false,
    ruleset_id: null,
    created_at: kept.createdAt ?? now,
    updated_at: now,
    profile_count: 0,
  };
  describeChange({ object: objectOf(group), after: { name: group.name, membership_type: group.membership_type } });
  return context.db
    .transaction(async (tx) => {
      if (!isDynamic) {
        await insert(tx, group, now);
        return { group, dynamic: undefined };
      }
      await store.lockDefinitions(tx, application.id);
      const tree = await collect(errors, () => parseRule(tx, application.id, fields.rule_tree));
      if (!tree) throw new ValidationError(errors);
      await insert(tx, group, now);
      await context.dynamicGroups.create(tx, group, { tree, createdBy: actor }, now);
      if (fields.is_paused === true) await context.dynamicGroups.update(tx, group, { isPaused: true }, now);
      if (!group.is_active) await context.dynamicGroups.deactivate(tx, group, now);
      return reread(context, tx, group);
    })
    .catch((error: unknown) => customIdTaken(error, group.custom_id));
}

async function insert(tx: Queryable, group: Group, now: Instant): Promise<void> {
  await store.insertGroup(tx, group);
  await recordEvents(tx, [groupEvent('group.created', group, now)]);
  await insertHead(tx, group.id, group.application_id, formatInstant(now));
}

const groupEvent = (event: GroupEventName, group: Group, at: Instant): GroupEvent => ({
  event,
  applicationId: group.application_id,
  groupId: group.id,
  name: group.name,
  customId: group.custom_id,
  at,
});

const TOLD = [
  'name',
  'description',
  'custom_id',
  'is_active',
  'visible_to_members',
  'attributes',
  'is_paused',
] as const;

/** The group as it is now, and its event where something differs from before. */
async function rereadChanged(context: Context, tx: Queryable, before: Group, at: Instant): Promise<PresentedGroup> {
  const after = await reread(context, tx, before);
  const changed: string[] = TOLD.filter(
    (field) => JSON.stringify(before[field]) !== JSON.stringify(after.group[field]),
  );
  if (before.ruleset_id !== after.group.ruleset_id) changed.push('rule_tree');
  if (changed.length > 0) await recordEvents(tx, [{ ...groupEvent('group.updated', after.group, at), changed }]);
  return after;
}

async function reread(
  context: Context,
  tx: Queryable,
  { application_id: applicationId, id }: Group,
): Promise<PresentedGroup> {
  const group = await store.findGroup(tx, applicationId, { id });
  if (!group) throw notFound();
  return present(context, tx, group);
}

/** The value, or undefined with its problems (or those found before) among the rest: all are told at once. */
async function collect<T>(errors: FieldErrors, work: () => Promise<T>): Promise<T | undefined> {
  try {
    const value = await work();
    return Object.keys(errors).length === 0 ? value : undefined;
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error;
    Object.assign(errors, error.fields);
    return undefined;
  }
}

/** What a group changes to; throws with every problem. */
async function readChange(
  tx: Queryable,
  before: Group,
  fields: GroupFields,
): Promise<{ read: store.GroupChange; tree: RuleNode | undefined }> {
  const errors: FieldErrors = {};
  const read = readFields(fields, errors);
  const isDynamic = before.membership_type === 'dynamic';
  if (fields.membership_type !== undefined && fields.membership_type !== before.membership_type) {
    errors['membership_type'] = ['This cannot change.'];
  }
  if (!isDynamic && fields.rule_tree != null) errors['rule_tree'] = [NO_RULE];
  if (!isDynamic && fields.is_paused === true)
    errors['is_paused'] = ['Only a group of membership_type "dynamic" can be paused.'];
  const hasRule = isDynamic && fields.rule_tree !== undefined;
  const tree = hasRule
    ? await collect(errors, () => parseRule(tx, before.application_id, fields.rule_tree, before.id))
    : undefined;
  throwFound(errors);
  return { read, tree };
}

/** Throws what is wrong with the fields that met the schema. */
export async function checkGroupChange(
  context: Context,
  application: Application,
  text: string,
  fields: GroupFields,
): Promise<void> {
  await readChange(context.db, await getGroup(context.db, application.id, text), fields);
}

/** Changes the given fields. Everything but texts and attributes is a change of what rules may read. */
export async function updateGroup(
  context: Context,
  application: Application,
  text: string,
  fields: GroupFields,
  actor: string,
  ifMatch?: string,
): Promise<PresentedGroup> {
  const touchesRules =
    fields.is_active === false ||
    fields.rule_tree !== undefined ||
    fields.is_paused !== undefined ||
    fields.custom_id !== undefined;
  return context.db
    .transaction(async (tx) => {
      if (touchesRules) await store.lockDefinitions(tx, application.id);
      const before = await lockGroup(tx, application.id, text);
      if (!before.is_active) throw notFound();
      requireMatch(ifMatch, before.updated_at);
      const dynamic = before.membership_type === 'dynamic';
      const { read, tree } = await readChange(tx, before, fields);

      if (fields.is_active === false) await requireNoReaders(tx, before, 'deactivated');
      if (read.custom_id !== undefined && read.custom_id !== before.custom_id) await requireUnnamed(tx, before);
      const now = Math.max(context.clock.now(), before.updated_at + 1);
      await store.updateGroup(tx, before.id, read, now);
      describeChange({ object: objectOf(before), before: pickAs(read, before), after: read });
      if (dynamic && (tree ?? fields.is_paused) !== undefined) {
        const rule = tree && { tree, createdBy: actor };
        await context.dynamicGroups.update(
          tx,
          before,
          { ...(rule && { rule }), ...(fields.is_paused !== undefined && { isPaused: fields.is_paused }) },
          now,
        );
      }
      if (dynamic && fields.is_active === false) await context.dynamicGroups.deactivate(tx, before, now);
      return rereadChanged(context, tx, before, now);
    })
    .catch((error: unknown) => customIdTaken(error, fields.custom_id));
}

/** A group that a rule reads stays: 409 names the readers. */
async function requireNoReaders(tx: Queryable, group: Group, what: string): Promise<void> {
  const readers = (await store.findReaders(tx, group.application_id, dependency.group(group.id))).filter(
    (reader) => reader.id !== group.id,
  );
  refuseReaders(readers, `This group cannot be ${what}`, 'it');
}

/** Nor may the custom id go by which a rule names its group: the rule would read no group then, or later another one. */
async function requireUnnamed(tx: Queryable, group: Group): Promise<void> {
  if (group.custom_id === null) return;
  const name = `custom:${group.custom_id}`;
  const isNamed = (tree: RuleNode): boolean =>
    leavesOf(tree).some(
      ({ attribute, value }) => attribute === 'profile_group' && Array.isArray(value) && value.includes(name),
    );
  const found = await store.findReadingRules(tx, group.application_id, dependency.group(group.id));
  const readers = new Map(found.filter((row) => isNamed(row.rule_tree)).map((row) => [row.id, row]));
  refuseReaders([...readers.values()], 'The custom_id of this group cannot change', `it as '${name}'`);
}

function refuseReaders(readers: { id: string; name: string }[], what: string, object: string): void {
  if (readers.length === 0) return;
  const names = readers.map((reader) => `'${reader.name}' (${reader.id})`).join(', ');
  const [rules, read] = readers.length === 1 ? ['the rule of', 'reads'] : ['the rules of', 'read'];
  throw conflict(`${what}: ${rules} ${names} ${read} ${object}.`);
}

/** Brings a deactivated group back, a dynamic one after filling it; an active one stays as it is. */
export async function restoreGroup(context: Context, application: Application, text: string): Promise<PresentedGroup> {
  return context.db.transaction(async (tx) => {
    await store.lockDefinitions(tx, application.id);
    const group = await lockGroup(tx, application.id, text);
    if (group.is_active) return present(context, tx, group);
    const now = Math.max(context.clock.now(), group.updated_at + 1);
    await store.updateGroup(tx, group.id, { is_active: true }, now);
    if (group.membership_type === 'dynamic')
      await context.dynamicGroups.restore(tx, { ...group, is_active: true }, now);
    return rereadChanged(context, tx, group, now);
  });
}

/** Gone at once for everybody; its members and changes are deleted afterwards (group-chores.ts). */
const objectOf = ({ id, name }: Group): AuditObject => ({ type: 'group', id, name });

export async function deleteGroup(context: Context, application: Application, text: string): Promise<void> {
  await context.db.transaction(async (tx) => {
    await store.lockDefinitions(tx, application.id);
    const group = await lockGroup(tx, application.id, text);
    if (!group.is_active) throw notFound();
    await requireNoReaders(tx, group, 'deleted');
    const now = Math.max(context.clock.now(), group.updated_at + 1);
    if (group.membership_type === 'dynamic') await context.dynamicGroups.remove(tx, group, now);
    await store.deleteGroup(tx, group, now);
    describeChange({ object: objectOf(group), before: group });
    await recordEvents(tx, [groupEvent('group.deleted', group, now)]);
  });
  context.groupChores.wake();
}

/** Static groups only: the members of a dynamic one follow its rule, and pins. */
export function requireStatic(group: Group): void {
  if (group.membership_type === 'dynamic')
    throw conflict('The members of a dynamic group follow its rule; use pins to put a profile in or out.');
}
