// Segment's audiences: static groups that a CDP keeps. Each has the id that it has there as its custom id, `aud_…`; who enters and
// leaves is told profile by profile.

import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import { ApiError, notFound, ValidationError } from '../errors.ts';
import { createGroup, findGroup } from '../groups/group-service.ts';
import { MAX_NAME } from '../groups/group.ts';
import { addMembers, removeMembers } from '../groups/member-service.ts';
import { explain, type Call, type Subject } from './call.ts';
import { createProfiles, type Sender } from './identify.ts';

export interface AudienceChange {
  audienceId: string;
  audienceName: string;
  enters: boolean;
  subject: Subject;
}

export interface AudienceOutcome {
  /** Places of changes that led nowhere, with the reason. */
  refused: { index: number; reason: string }[];
}

/** Does all of it; of several changes about one profile in one audience the last one holds. */
export async function changeAudiences(
  context: Context,
  application: Application,
  source: Sender,
  changes: readonly AudienceChange[],
  actor: string,
): Promise<AudienceOutcome> {
  const refused: AudienceOutcome['refused'] = [];
  const last = new Map<string, number>();
  changes.forEach(({ audienceId, subject }, index) => last.set(JSON.stringify([audienceId, subject]), index));
  const audiences = new Map<string, number[]>();
  for (const index of last.values()) {
    const id = changes[index]?.audienceId ?? '';
    audiences.set(id, [...(audiences.get(id) ?? []), index]);
  }
  // Whoever is not known yet is made: the audience is true of them when they come.
  const made = [...last.values()].flatMap((index): { index: number; call: Call & { subject: Subject } }[] => {
    const change = changes[index];
    if (change?.enters !== true || change.subject.customId === undefined) return [];
    const subject = { customId: change.subject.customId };
    return [{ index, call: { call: 'audience', name: null, item: change, subject, problems: [] } }];
  });
  if (made.length > 0) await createProfiles(context, application, source, made.map(({ call }) => call)); // prettier-ignore
  for (const { index, call } of made) refused.push(...call.problems.map(({ reason }) => ({ index, reason })));
  for (const [audienceId, indexes] of audiences) {
    const reason = await changeOne(context, application, audienceId, indexes.flatMap((index) => changes[index] ?? []), actor); // prettier-ignore
    if (reason !== undefined) refused.push(...indexes.map((index) => ({ index, reason })));
  }
  return { refused: refused.sort((a, b) => a.index - b.index) };
}

/** Why it could not be done; undefined where it was. */
async function changeOne(
  context: Context,
  application: Application,
  audienceId: string,
  changes: readonly AudienceChange[],
  actor: string,
): Promise<string | undefined> {
  const reference = `custom:${audienceId}`;
  const name = (changes.at(-1)?.audienceName ?? audienceId).slice(0, MAX_NAME).toWellFormed();
  try {
    if (!(await findGroup(context.db, application.id, reference))) {
      if (changes.every(({ enters }) => !enters)) return undefined; // nobody is to be taken out of it
      await createGroup(context, application, { name, custom_id: audienceId }, actor).catch((error: unknown) => {
        if (!(error instanceof ApiError) || error.code !== 'conflict') throw error; // made by another request
      });
    }
    for (const enters of [true, false]) {
      const subjects = changes.filter((change) => change.enters === enters).map(({ subject }) => subject);
      const customIds = subjects.flatMap(({ customId }) => customId ?? []);
      const profileIds = subjects.flatMap(({ customId, profileId }) =>
        customId === undefined ? (profileId ?? []) : [],
      );
      const change = enters ? addMembers : removeMembers;
      if (customIds.length > 0) await change(context, application, reference, { custom_ids: customIds });
      if (profileIds.length > 0) await change(context, application, reference, { profile_ids: profileIds });
    }
    return undefined;
  } catch (error) {
    if (error instanceof ValidationError) return explain(error.fields);
    if (error instanceof ApiError && error.status < 500)
      return error.code === 'not_found' ? notFound().detail : error.detail;
    throw error;
  }
}
