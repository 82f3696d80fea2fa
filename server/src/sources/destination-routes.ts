// The calls that Segment's own destination "LiveLike" makes: whoever can point it, or a copy of it in a Segment Function, here
// changes nothing else.

import { createHash } from 'node:crypto';
import { Type, type Static } from 'typebox';
import type { Context } from '../context.ts';
import { actorName } from '../credential.ts';
import { isReachable, readUuid, UNREACHABLE } from '../ids.ts';
import type { App } from '../http/route.ts';
import { ClientIdParams } from '../http/schemas.ts';
import { MAX_CUSTOM_ID } from '../profiles/profile.ts';
import { changeAudiences, type AudienceChange } from './audience.ts';
import type { Call, Subject } from './call.ts';
import { typeOfEvent } from './mapping.ts';
import { cutData, isRead, readInstant } from './segment.ts';
import type { SourceIntake } from './segment-routes.ts';
import { takeCalls } from './take.ts';

const MAX_ITEMS = 1_000;
const ROOT = '/api/v1/applications/:client_id/';
const tags = ['Sources'];
const SENDER = { name: 'Segment’s destination', trust: 'server', isMeant: true } as const;

const ids = {
  user_id: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: MAX_CUSTOM_ID,
      description: 'The custom id. A profile is made where there is none.',
    }),
  ),
  livelike_profile_id: Type.Optional(Type.String({ description: 'Instead of `user_id`, the id of the profile.' })),
};
const AudienceItem = Type.Object({
  audience_id: Type.String({
    minLength: 1,
    maxLength: 255,
    description: 'The custom id of the group.',
    examples: ['aud_2mWd'],
  }),
  audience_name: Type.String({
    minLength: 1,
    maxLength: 1_000,
    description: 'Of a new group.',
    examples: ['big_spenders'],
  }),
  action: Type.Boolean({ description: 'True: enters. False: leaves.' }),
  ...ids,
});
const EventItem = Type.Object({
  action_key: Type.String({
    minLength: 1,
    maxLength: 200,
    description: 'What was done; the activity type is made of it.',
    examples: ['comment-created'],
  }),
  timestamp: Type.Optional(
    Type.String({ description: 'When. Default: now.', examples: ['2025-04-28T12:16:49.670053Z'] }),
  ),
  ...ids,
  properties: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description: 'The activity’s `data`.' })),
});
const Answer = Type.Object({
  accepted: Type.Integer(),
  rejected: Type.Array(Type.Object({ index: Type.Integer(), reason: Type.String() })),
});

export function destinationRoutes(app: App, context: Context, { take }: SourceIntake): void {
  app.get(
    `${ROOT}validate-app/`,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'validateApplication',
        summary: 'Ask whether client id and token belong together',
        description: 'As Segment’s destination “LiveLike” asks when it is set up.',
        tags,
        params: ClientIdParams,
        response: { 200: Type.Object({ client_id: Type.String(), name: Type.String() }) },
      },
    },
    async (request) => {
      const { client_id, name } = await context.applications.get(request.params.client_id);
      return { client_id, name };
    },
  );

  app.post(
    `${ROOT}segment-audience-sync/`,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'syncSegmentAudiences',
        summary: 'Tell who enters and leaves audiences of Segment',
        description:
          'Each audience is a static group whose custom id is its id in Segment; it is made when somebody enters it first. The last of several items about one profile holds.',
        tags,
        params: ClientIdParams,
        body: Type.Array(AudienceItem, { minItems: 1, maxItems: MAX_ITEMS }),
        response: { 200: Answer },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const rejected: Static<typeof Answer>['rejected'] = [];
      const changes: AudienceChange[] = [];
      const places: number[] = [];
      request.body.forEach((item, index) => {
        const subject = subjectOf(item);
        if (typeof subject === 'string') rejected.push({ index, reason: subject });
        else {
          const { audience_id: audienceId, audience_name: audienceName, action: enters } = item;
          changes.push({ audienceId, audienceName, enters, subject });
          places.push(index);
        }
      });
      const actor = actorName(request.credential);
      const { refused } = await changeAudiences(context, application, SENDER, changes, actor);
      rejected.push(...refused.map(({ index, reason }) => ({ index: places[index] ?? index, reason })));
      return answer(request.body.length, rejected);
    },
  );

  app.post(
    `${ROOT}segment-events/`,
    {
      config: {
        access: 'admin',
        audit: { none: 'What fans did is data that comes in, and stands in the activities themselves.' },
      },
      schema: {
        operationId: 'sendSegmentEvents',
        summary: 'Send events in the form of Segment’s destination',
        description: 'Each becomes an activity; the same event sent again counts once.',
        tags,
        params: ClientIdParams,
        body: Type.Object({ events: Type.Array(EventItem, { minItems: 1, maxItems: MAX_ITEMS }) }),
        response: { 200: Answer },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const catalogue = await context.catalogues.get(application.id);
      const now = context.clock.now();
      const calls = request.body.events.map((item): Call => {
        const call: Call = { call: 'event', name: item.action_key, item, subject: undefined, problems: [] };
        const refuse = (reason: string): Call => ({ ...call, problems: [{ outcome: 'refused', reason }] });
        const subject = subjectOf(item);
        if (typeof subject === 'string') return refuse(subject);
        const type = typeOfEvent({}, item.action_key);
        if (type == null) return refuse('action_key: This makes no activity type.');
        const at = item.timestamp === undefined ? now : readInstant(item.timestamp);
        if (at === undefined) return refuse('timestamp: This must be an ISO 8601 date and time.');
        const { data } = cutData(item.properties ?? {}, (key) => isRead(catalogue, type, key));
        const id = createHash('sha256').update(JSON.stringify(item)).digest('hex');
        return { ...call, subject, unites: true, activity: { id, type, at, data } };
      });
      await takeCalls(take, application, SENDER, calls);
      const rejected = calls.flatMap(({ problems }, index) =>
        problems.filter(({ outcome }) => outcome === 'refused').map(({ reason }) => ({ index, reason })),
      );
      return answer(calls.length, rejected);
    },
  );
}

const answer = (sent: number, rejected: Static<typeof Answer>['rejected']): Static<typeof Answer> => ({
  accepted: sent - new Set(rejected.map(({ index }) => index)).size,
  rejected: rejected.sort((a, b) => a.index - b.index),
});

function subjectOf(item: { user_id?: string; livelike_profile_id?: string }): Subject | string {
  const { user_id: customId, livelike_profile_id: id } = item;
  if (customId !== undefined && !isReachable(customId)) return `user_id: ${UNREACHABLE}`;
  const profileId = id === undefined ? undefined : readUuid(id);
  if (id !== undefined && profileId === undefined) return 'livelike_profile_id: This must be a UUID.';
  if (customId === undefined && profileId === undefined) return 'user_id or livelike_profile_id is required.';
  return { ...(customId !== undefined && { customId }), ...(profileId !== undefined && { profileId }) };
}
