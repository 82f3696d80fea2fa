// Members of static groups: added, removed and listed. The rules of what a call may send stand here; what makes counts,
// rows and changes agree stands in membership.ts.

import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import type { PageRequest } from '../database/page.ts';
import { ValidationError, invalid, notFound } from '../errors.ts';
import { readUuid } from '../ids.ts';
import { formatInstant, parseInstant, type Instant } from '../instant.ts';
import { findAliases, orItsTarget } from '../profiles/alias-store.ts';
import { findProfile, findProfileIdsByCustomIds } from '../profiles/profile-store.ts';
import type { Group } from './group.ts';
import { getGroup, requireStatic } from './group-service.ts';
import { findHead } from '../membership/head.ts';
import { feedEnd } from '../membership/fold.ts';
import { addToGroup, leaveGroup } from '../membership/membership-many.ts';
import { pageOfMembersAsOf, type MemberAsOf } from './member-as-of-store.ts';
import * as store from './member-store.ts';

export const MAX_IDS = 10_000;

export interface IdFields {
  profile_ids?: string[];
  application_profile_ids?: string[];
  custom_ids?: string[];
}

interface SentIds {
  kind: 'profile' | 'custom';
  /** As sent, each once. */
  ids: string[];
}

/** Exactly one list of ids, 1 to 10,000. */
function readIds(fields: IdFields): SentIds {
  const given = (['profile_ids', 'application_profile_ids', 'custom_ids'] as const).filter(
    (name) => fields[name] !== undefined,
  );
  const [name] = given;
  if (name === undefined || given.length > 1)
    throw invalid('non_field_errors', 'Give exactly one of profile_ids and custom_ids.');
  const sent = fields[name] ?? [];
  if (sent.length < 1 || sent.length > MAX_IDS)
    throw new ValidationError({ [name]: [`This must have 1 to ${MAX_IDS} items.`] });
  return { kind: name === 'custom_ids' ? 'custom' : 'profile', ids: [...new Set(sent)] };
}

/** The profile that each sent id may name, in their order; undefined of one that cannot name any. */
async function resolve(
  context: Context,
  application: Application,
  { kind, ids }: SentIds,
): Promise<(string | undefined)[]> {
  if (kind === 'profile') return ids.map(readUuid);
  const byCustomId = await findProfileIdsByCustomIds(context.db, application.id, ids);
  return ids.map((id) => byCustomId.get(id));
}

/** Each profile once. What was sent is distinct already, but for spellings. */
function distinct(sent: readonly string[], profileIds: readonly (string | undefined)[]): readonly string[] {
  if (profileIds.every((id, index) => id === sent[index])) return sent;
  return [...new Set(profileIds.filter((id) => id !== undefined))];
}

export interface Added {
  successfully_added: string[];
  already_added: string[];
  invalid_ids: string[];
}

export async function addMembers(
  context: Context,
  application: Application,
  text: string,
  fields: IdFields,
): Promise<Added> {
  const group = await getGroup(context.db, application.id, text);
  requireStatic(group);
  const sent = readIds(fields);
  const profileIds = await resolve(context, application, sent);
  const options = {
    groupId: group.id,
    applicationId: application.id,
    at: context.clock.now(),
    cause: 'manual' as const,
  };
  const wanted = distinct(sent.ids, profileIds);
  const done = await addToGroup(context.db, wanted, options);
  if (!done) throw notFound();
  if (done.entered === wanted && wanted.length === sent.ids.length)
    return { successfully_added: sent.ids, already_added: [], invalid_ids: [] };
  const [entered, already] = [new Set(done.entered), new Set(done.already)];
  const known = (id: string): boolean => entered.has(id) || already.has(id);
  // Ids that profiles had before they were merged.
  const aliases = await findAliases(
    context.db,
    application.id,
    wanted.filter((id) => !known(id)),
  );
  const targets = [...new Set([...aliases.values()].map(({ id }) => id))].filter((id) => !known(id));
  if (targets.length > 0) {
    const more = await addToGroup(context.db, targets, options);
    if (!more) throw notFound();
    for (const id of more.entered) entered.add(id);
    for (const id of more.already) already.add(id);
  }
  const meant = profileIds.map((id) => (id === undefined ? undefined : (aliases.get(id)?.id ?? id)));
  return sortOut(sent.ids, meant, entered, already);
}

/** Each sent id into the list that it belongs to; the same profile in another spelling is told once. */
function sortOut(
  sent: string[],
  profileIds: (string | undefined)[],
  entered: Set<string>,
  already: Set<string>,
): Added {
  const added: Added = { successfully_added: [], already_added: [], invalid_ids: [] };
  const told = new Set<string>();
  sent.forEach((id, index) => {
    const profileId = profileIds[index];
    if (profileId === undefined) added.invalid_ids.push(id);
    else if (entered.delete(profileId)) {
      added.successfully_added.push(id);
      told.add(profileId);
    } else if (already.delete(profileId)) {
      added.already_added.push(id);
      told.add(profileId);
    } else if (!told.has(profileId)) added.invalid_ids.push(id);
  });
  return added;
}

/** Those that are no members are ignored. */
export async function removeMembers(
  context: Context,
  application: Application,
  text: string,
  fields: IdFields,
): Promise<void> {
  const group = await getGroup(context.db, application.id, text);
  requireStatic(group);
  const sent = readIds(fields);
  const profileIds = await resolve(context, application, sent);
  const options = {
    groupId: group.id,
    applicationId: application.id,
    at: context.clock.now(),
    cause: 'manual' as const,
  };
  const wanted = distinct(sent.ids, profileIds);
  await context.db.transaction(async (tx) => {
    if ((await leaveGroup(tx, wanted, options)) === undefined) throw notFound();
    // Asked afterwards: of a profile that is being merged at this moment the rows were waited for.
    const aliases = await findAliases(tx, application.id, wanted);
    const targets = [...new Set([...aliases.values()].map(({ id }) => id))];
    if (targets.length > 0) await leaveGroup(tx, targets, options);
  });
}

/** A group of up to so many members can be ordered and searched by nickname: all of them are read for each page. */
export const MAX_SORTED = 10_000;

/** As Django REST Framework has it: a field, with a minus downwards. */
export function readOrdering(text: unknown): store.MemberOrdering {
  if (text === undefined) return '-membership_created_at';
  const known = Object.keys(store.MEMBER_ORDERS);
  if (typeof text !== 'string' || !known.includes(text))
    throw invalid('ordering', `This must be one of: ${known.join(', ')}.`);
  return text as store.MemberOrdering; // one of its keys
}

/** Head and rows of one snapshot: the count never contradicts the list. */
export async function listMembers(
  context: Context,
  application: Application,
  text: string,
  query: store.MemberQuery,
  page: PageRequest,
): Promise<{ rows: store.Member[]; count: number | undefined }> {
  return context.db.transaction(
    async (tx) => {
      const group = await getGroup(tx, application.id, text);
      const head = await findHead(tx, group.id);
      if (!head) throw notFound();
      if (store.isSorted(query) && head.profile_count > MAX_SORTED)
        throw invalid(
          query.nickname !== undefined ? 'nickname' : query.search !== undefined ? 'search' : 'ordering',
          `Groups of more than ${MAX_SORTED} members cannot be ordered by nickname or searched.`,
        );
      const rows = await store.pageOfMembers(tx, group, head.epoch, query, page);
      if (!page.wantsCount) return { rows, count: undefined };
      const isAll = query.nickname === undefined && query.search === undefined;
      return { rows, count: isAll ? head.profile_count : await store.countMembers(tx, group, head.epoch, query) };
    },
    { isolation: 'repeatable read' },
  );
}

/** The members at an instant: the changes folded up to it. */
export async function listMembersAsOf(
  context: Context,
  application: Application,
  text: string,
  asOf: string,
  page: PageRequest,
): Promise<{ rows: MemberAsOf[]; count: number | undefined }> {
  const instant = parseInstant(asOf);
  if (instant === undefined)
    throw invalid('as_of', 'This must be an ISO 8601 date and time, such as 2025-04-28T12:16:49Z.');
  return context.db.transaction(
    async (tx) => {
      const group = await getGroup(tx, application.id, text);
      const limit =
        group.membership_type === 'static' ? context.clock.now() : await context.dynamicGroups.asOf(tx, group);
      if (limit === null || instant > limit) {
        throw invalid(
          'as_of',
          limit === null ? 'The group was not evaluated yet.' : `This must be at or before ${formatInstant(limit)}.`,
        );
      }
      const head = await findHead(tx, group.id);
      if (!head) throw notFound();
      return pageOfMembersAsOf(tx, feedEnd(head), instant, page);
    },
    { isolation: 'repeatable read' },
  );
}

export interface Membership {
  group: Group;
  /** The profile that the id means. */
  profileId: string;
  isMember: boolean;
  since: Instant | null;
}

/** Whether the profile is a member of the group, and since when. 404 where there is no such profile. */
export async function getMembership(
  context: Context,
  application: Application,
  text: string,
  profileId: string,
): Promise<Membership> {
  const id = readUuid(profileId);
  return context.db.transaction(
    async (tx) => {
      const group = await getGroup(tx, application.id, text);
      const profile =
        id === undefined ? undefined : await orItsTarget(tx, id, (current) => findProfile(tx, application.id, current));
      const head = await findHead(tx, group.id);
      if (!profile || !head) throw notFound();
      const since = await store.findMember(tx, group.id, head.epoch, profile.id);
      return { group, profileId: profile.id, isMember: since !== undefined, since: since ?? null };
    },
    { isolation: 'repeatable read' },
  );
}
