// Everything that LiveLike's REST API tells of an application, brought in here: attributes of its own, profiles, groups,
// members. How far it is, is written down with each page, in the page's transaction: broken off, it goes on from there.
// Repeated, it changes what differs and takes nothing away.

import pLimit from 'p-limit';
import type { Application } from '../../applications/application.ts';
import { defineAttribute } from '../../attributes/attribute-service.ts';
import type { Context } from '../../context.ts';
import type { Queryable } from '../../database/database.ts';
import { ApiError, sentencesOf, ValidationError, type FieldErrors } from '../../errors.ts';
import { createGroup, updateGroup } from '../../groups/group-service.ts';
import { findGroup } from '../../groups/group-store.ts';
import { elementsOf } from '../../http/elements.ts';
import { readUuid } from '../../ids.ts';
import { formatInstant } from '../../instant.ts';
import { enterGroup } from '../../membership/membership-many.ts';
import { resolveIds } from '../../profiles/alias-store.ts';
import { upsertMany } from '../../profiles/upsert.ts';
import { findProfiles } from '../../profiles/upsert-store.ts';
import type { Progress } from '../../progress.ts';
import { isRecord } from '../../rules/fields.ts';
import { isPassing } from '../apply.ts';
import { toDefinition, toGroup, toProfile, type SourceGroup } from './items.ts';
import { findState, saveState } from './livelike-store.ts';
import { SourceError, type LiveLikeSource, type SourcePage } from './source.ts';

export interface LiveLikeOptions {
  source: LiveLikeSource;
  clientId: string;
  /** Dynamic groups become dynamic ones with the same rule, or static ones of those who are members now. */
  dynamic: 'rule' | 'members';
  progress: Progress;
  /** Once the other system answered, before anything is brought in. */
  onBegin?: () => Promise<void>;
  /** Of each page that is brought in. */
  onPage?: () => void;
}

export interface Counts {
  attributes: number;
  profiles: number;
  changed: number;
  groups: number;
  members: number;
  entered: number;
  problems: number;
}

const STEPS = ['attributes', 'profiles', 'groups', 'members', 'done'] as const;

interface State {
  step: (typeof STEPS)[number];
  /** The query of the page that comes next. */
  next: string | null;
  /** Whose members are being read; those with smaller ids are done. */
  group: string | null;
  counts: Counts;
}

const NOTHING: Counts = { attributes: 0, profiles: 0, changed: 0, groups: 0, members: 0, entered: 0, problems: 0 };
const PROFILES = 100;
const MEMBERS = 1000;
const AT_ONCE = 8;
const MAX_ATTEMPTS = 10;
const ACTOR = 'command line';

interface Work extends LiveLikeOptions {
  context: Context;
  application: Application;
  state: State;
  root: string;
}

export async function importLiveLike(
  context: Context,
  application: Application,
  options: LiveLikeOptions,
): Promise<Counts> {
  const { source, clientId, progress } = options;
  const root = `applications/${encodeURIComponent(clientId)}/`;
  if (!(await source.get(root))) throw new SourceError(`There is no application '${clientId}' at ${source.name}.`, 404);
  await options.onBegin?.();
  const earlier = readState(await findState(context.db, application.id, source.name));
  if (earlier) progress.note(`going on where it was broken off, at the ${earlier.step}`);
  const state = earlier ?? { step: 'attributes', next: null, group: null, counts: { ...NOTHING } };
  const work: Work = { ...options, context, application, state, root };
  const steps = { attributes: doAttributes, profiles: doProfiles, groups: doGroups, members: doMembers };
  while (state.step !== 'done') {
    await steps[state.step](work);
    Object.assign(state, { step: STEPS[STEPS.indexOf(state.step) + 1], next: null, group: null });
    await save(context.db, work);
  }
  return state.counts;
}

/** Of one that was not finished. */
function readState(stored: unknown): State | undefined {
  if (!isRecord(stored) || stored['step'] === 'done') return undefined;
  return stored as unknown as State; // saveState wrote it
}

const save = (db: Queryable, { context, application, source, state }: Work): Promise<void> =>
  saveState(db, application.id, source.name, state, formatInstant(context.clock.now()));

/** One page and how far it brings us, together; again where somebody else's work was in the way. */
async function commit(
  work: Work,
  effect: (tx: Queryable) => Promise<Partial<Counts>>,
  next: string | null,
): Promise<void> {
  const { state, context } = work;
  for (let attempt = 1; ; attempt++) {
    const before = { next: state.next, counts: { ...state.counts } };
    try {
      await context.db.transaction(async (tx) => {
        Object.assign(state, before, { counts: { ...before.counts } }); // the transaction may be tried again
        for (const [name, more] of Object.entries(await effect(tx))) state.counts[name as keyof Counts] += more;
        state.next = next;
        await save(tx, work);
      });
      work.onPage?.();
      return;
    } catch (error) {
      Object.assign(state, before);
      if (!isPassing(error) || attempt >= MAX_ATTEMPTS) throw error;
    }
  }
}

/** From where the state says; from the beginning where that place is gone. */
async function* resumed(work: Work, path: string): AsyncGenerator<SourcePage> {
  const from = work.state.next;
  try {
    yield* work.source.pages(path, from);
  } catch (error) {
    const isGone = error instanceof SourceError && (error.status === 404 || error.status === 400);
    if (from === null || work.state.next !== from || !isGone) throw error;
    yield* work.source.pages(path);
  }
}

const isNotOffered = (error: unknown): boolean =>
  error instanceof SourceError && [400, 403, 404, 405].includes(error.status);

async function doAttributes(work: Work): Promise<void> {
  const { source, context, application, root, state } = work;
  const catalogue = await context.catalogues.get(application.id);
  try {
    for await (const { results } of source.pages(`${root}profile-attributes/?page_size=100`)) {
      for (const sent of results) {
        const definition = toDefinition(sent);
        if (!definition || catalogue.attributes.has(String(definition['key']))) continue;
        await attempt(work, `attribute ${String(definition['key'])}`, async () => {
          await defineAttribute(context, application.id, definition);
          state.counts.attributes++;
        });
      }
    }
  } catch (error) {
    if (!isNotOffered(error)) throw error;
  }
}

async function doProfiles(work: Work): Promise<void> {
  const { progress, root } = work;
  const pages = resumed(work, `${root}profiles/?page_size=${PROFILES}`);
  const first = await pages.next().catch((error: unknown) => {
    if (!isNotOffered(error)) throw error;
    progress.note('profiles: the source lists none, so those who are members of a group are read');
  });
  if (!first || first.done === true) return;
  const step = progress.begin('Profiles', first.value.count ?? 0);
  step.advance(work.state.counts.profiles);
  for (let page: SourcePage | undefined = first.value; page; page = await nextOf(pages)) {
    const { results, next } = page;
    await commit(work, (tx) => bringIn(tx, work, results), next);
    step.advance(results.length);
  }
  step.end(`${work.state.counts.profiles.toLocaleString('en')} profiles`);
}

async function nextOf(pages: AsyncGenerator<SourcePage>): Promise<SourcePage | undefined> {
  const { done, value } = await pages.next();
  return done === true ? undefined : (value as SourcePage);
}

async function bringIn(
  tx: Queryable,
  work: Work,
  sent: readonly Record<string, unknown>[],
): Promise<Pick<Counts, 'profiles' | 'changed' | 'problems'>> {
  const { context, application } = work;
  const catalogue = await context.catalogues.get(application.id);
  const items = sent.map((profile) => toProfile(profile, catalogue));
  const results = await upsertMany(tx, context, application, elementsOf(items));
  results.forEach(({ errors }, index) => {
    if (errors) tell(work, `profile ${String(items[index]?.['id'])}`, errors);
  });
  const problems = results.filter(({ status }) => status === 'rejected').length;
  const changed = results.filter(({ status }) => status === 'created' || status === 'updated').length;
  return { profiles: items.length, changed, problems };
}

async function listGroups({ source, root, dynamic }: Work): Promise<SourceGroup[]> {
  const groups: SourceGroup[] = [];
  for await (const { results } of source.pages(`${root}profile-groups/?page_size=100`))
    groups.push(...results.flatMap((sent) => toGroup(sent, dynamic === 'rule') ?? []));
  return groups.sort((a, b) => (a.id < b.id ? -1 : 1));
}

async function doGroups(work: Work): Promise<void> {
  const groups = await listGroups(work);
  const step = work.progress.begin('Groups', groups.length);
  const { counts } = work.state;
  // A rule may read other groups: those come first. In each round at least one more must have been made.
  let waiting = groups;
  for (let isLast = false; waiting.length > 0;) {
    const failed: SourceGroup[] = [];
    for (const group of waiting) {
      const made = isLast
        ? await attempt(work, `group ${group.id} (${group.name})`, () => bringGroup(work, group))
        : await bringGroup(work, group).then(
            () => true,
            (error: unknown) => {
              if (!errorsOf(error)) throw error;
              return false;
            },
          );
      if (made) counts.groups++;
      else failed.push(group);
      if (made || isLast) step.advance(1);
    }
    if (isLast) break;
    isLast = failed.length === waiting.length;
    waiting = failed;
  }
  step.end(`${counts.groups.toLocaleString('en')} groups`);
}

async function bringGroup({ context, application }: Work, group: SourceGroup): Promise<void> {
  const id = readUuid(group.id);
  if (id === undefined) throw new ApiError('conflict', { detail: 'Its id is no UUID.' });
  const here = await findGroup(context.db, application.id, { id });
  if (!here) {
    const kept = { id, ...(group.createdAt !== undefined && { createdAt: group.createdAt }) };
    const fields =
      group.isDynamic && group.isPaused && group.fields.rule_tree ? { ...group.fields, is_paused: true } : group.fields;
    await createGroup(context, application, fields, ACTOR, kept);
    return;
  }
  const { membership_type: _same, ...fields } = group.fields;
  const { rule_tree: tree, ...others } = fields;
  const differs = Object.entries(others).some(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(here[name as keyof typeof here]),
  );
  const change = {
    ...(differs && others),
    ...(here.membership_type === 'dynamic' && tree !== undefined && { rule_tree: tree }),
  };
  if (Object.keys(change).length > 0) await updateGroup(context, application, id, change, ACTOR);
}

async function doMembers(work: Work): Promise<void> {
  const { state, progress, context, application } = work;
  const groups = (await listGroups(work)).filter(({ isDynamic }) => !isDynamic || work.dynamic === 'members');
  const step = progress.begin(
    'Members',
    groups.reduce((sum, { members }) => sum + members, 0),
  );
  step.advance(state.counts.members);
  for (const group of groups) {
    if (state.group !== null && group.id < state.group) continue;
    const here = await findGroup(context.db, application.id, { id: group.id });
    if (!here || here.membership_type !== 'static' || !here.is_active) continue;
    if (state.group !== group.id) Object.assign(state, { group: group.id, next: null });
    for await (const { results, next } of resumed(
      work,
      `${work.root}profile-groups/${group.id}/members/?page_size=${MEMBERS}`,
    )) {
      const missing = await readMissing(work, results);
      await commit(work, (tx) => enter(tx, work, group.id, results, missing), next);
      step.advance(results.length);
    }
  }
  step.end(`${state.counts.members.toLocaleString('en')} members`);
}

/** The profiles of members that are not here, as whole as the source shows them. */
async function readMissing(
  work: Work,
  members: readonly Record<string, unknown>[],
): Promise<Record<string, unknown>[]> {
  const { context, application, source } = work;
  const ids = members.flatMap(({ id }) => readUuid(String(id)) ?? []);
  const meant = await resolveIds(context.db, application.id, ids);
  const there = await findProfiles(context.db, application.id, ids.map(meant));
  const limit = pLimit(AT_ONCE);
  const missing = members.filter(({ id }) => !there.has(meant(readUuid(String(id)) ?? String(id))));
  return Promise.all(
    missing.map((member) =>
      limit(async () => {
        const { membership_created_at: _since, ...known } = member;
        return (await source.get(`profiles/${encodeURIComponent(String(member['id']))}/`)) ?? known;
      }),
    ),
  );
}

async function enter(
  tx: Queryable,
  work: Work,
  groupId: string,
  members: readonly Record<string, unknown>[],
  missing: readonly Record<string, unknown>[],
): Promise<Partial<Counts>> {
  const { context, application } = work;
  const made = missing.length > 0 ? await bringIn(tx, work, missing) : { profiles: 0, changed: 0, problems: 0 };
  const ids = members.flatMap(({ id }) => readUuid(String(id)) ?? []);
  const meant = await resolveIds(tx, application.id, ids);
  const wanted = [...new Set(ids.map(meant))];
  const options = { groupId, applicationId: application.id, at: context.clock.now(), cause: 'import' as const };
  const done = wanted.length === 0 ? undefined : await enterGroup(tx, wanted, options);
  return { ...made, members: members.length, entered: done?.entered.length ?? 0 };
}

/** False, and told, where it cannot be taken. */
async function attempt(work: Work, what: string, effort: () => Promise<void>): Promise<boolean> {
  try {
    await effort();
    return true;
  } catch (error) {
    const errors = errorsOf(error);
    if (!errors) throw error;
    work.state.counts.problems++;
    tell(work, what, errors);
    return false;
  }
}

function errorsOf(error: unknown): FieldErrors | undefined {
  if (error instanceof ValidationError) return error.fields;
  if (error instanceof ApiError && error.status < 500) return { non_field_errors: [error.detail] };
  return undefined;
}

function tell({ progress }: Work, what: string, errors: FieldErrors): void {
  progress.note(`${what} is left out: ${sentencesOf(errors).join(' ').slice(0, 1000)}`);
}
