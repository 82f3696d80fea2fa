import { Type } from 'typebox';
import type { FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import { PageOf, PageQuery, presentPage, readPage } from '../database/page.ts';
import { ApiError, notFound, readAll, throwFound, type FieldErrors } from '../errors.ts';
import { requireElements } from '../http/elements.ts';
import { SteppedRangeFields, SteppedRangeQuery, readInstant, readSteppedRange } from '../http/range.ts';
import { ClientIdParams, ClientProfileParams, NoContent, Timestamp } from '../http/schemas.ts';
import { LARGE_BODY_LIMIT, type App } from '../http/route.ts';
import { readUuid } from '../ids.ts';
import { formatInstant } from '../instant.ts';
import { reachToChange } from '../profiles/reach.ts';
import type { Catalogue } from '../rules/attribute.ts';
import {
  ActivityResource,
  IntakeAnswer,
  IntakeBody,
  MAX_ACTIVITY_ID,
  MAX_BATCH,
  SentByField,
  presentActivity,
  type Activity,
} from './activity.ts';
import * as service from './activity-service.ts';
import * as store from './activity-store.ts';
import { createFloodGate } from './flood.ts';
import type { Intake } from './intake.ts';
import type { Sender } from './read-items.ts';
import { formatPosition, readPosition } from './tail-position.ts';

/** `data` is 4 KiB as we write it; with escapes and spaces the same may be several times as long. */
const ITEMS = { field: 'activities', most: MAX_BATCH, bytes: 65_536 };

export function activityRoutes(app: App, context: Context, intake: Intake): void {
  const flood = createFloodGate(context.config.limits.perProfile);

  const typeNames = async (applicationId: number, rows: Activity[]): Promise<(id: number) => string> => {
    let { typesById } = await context.catalogues.get(applicationId);
    if (rows.some((row) => !typesById.has(row.type_id)))
      ({ typesById } = await context.catalogues.refresh(applicationId));
    return (id) => typesById.get(id)?.type ?? '';
  };

  const present = async (applicationId: number, rows: Activity[]): Promise<ActivityResource[]> => {
    const typeName = await typeNames(applicationId, rows);
    return rows.map((row) => presentActivity(row, typeName));
  };

  const readList = async (request: FastifyRequest) => {
    const { types } = await catalogueOf(request);
    return readAll(
      () => readPage(request, store.ACTIVITY_ORDER),
      () => readFilter(types, request.query as FilterQuery), // of strings
    );
  };
  const readCounts = async (request: FastifyRequest) => {
    const { types } = await catalogueOf(request);
    const query = request.query as FilterQuery; // likewise
    return readAll(
      () => readSteppedRange({ ...query }, context.clock.now()),
      () => readFilter(types, { type: query.type }),
    );
  };
  const catalogueOf = async ({ params }: FastifyRequest): Promise<Catalogue> => {
    const application = await context.applications.get((params as { client_id: string }).client_id); // of the path
    return context.catalogues.get(application.id);
  };

  app.post(
    '/api/v1/applications/:client_id/activities/',
    {
      bodyLimit: LARGE_BODY_LIMIT,
      config: {
        access: 'any',
        elements: ITEMS,
        share: 'none',
        audit: { none: 'What fans did is data that comes in, and stands in the activities themselves.' },
      },
      // Only the envelope can be wrong as a whole, and the handler reads it; the schema is for the documentation.
      validatorCompiler: () => () => true,
      schema: {
        operationId: 'sendActivities',
        summary: 'Send activities',
        description:
          `1 to ${MAX_BATCH} activities. Each is accepted, a duplicate (its \`id\` is known of the profile; the first content stands) or rejected by itself. ` +
          'What the answer counts as accepted is stored durably. A profile’s token sends its own activities, of types marked `client`, with the value 1, at most 7 days back.',
        tags: ['Activities'],
        params: ClientIdParams,
        body: IntakeBody,
        response: { 200: IntakeAnswer },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const items = requireElements(request.body, ITEMS);
      const sender = senderOf(request);
      if (sender.kind === 'profile') flood(sender.profile.id, items.length);
      return intake.receive(application, sender, items);
    },
  );

  app.get(
    '/api/v1/applications/:client_id/activities/',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'followActivities',
        summary: 'Follow activities as they come in',
        description:
          'In the order of their receipt. Without `after` the newest. `next` goes on from there and is never null: asked again and again it misses nothing. ' +
          'An activity appears once everything that was being received before it is settled.',
        tags: ['Activities'],
        params: ClientIdParams,
        querystring: Type.Object({
          after: Type.Optional(Type.String({ description: 'As `next` carries it.' })),
          page_size: PageQuery.page_size,
        }),
        response: { 200: TailAnswer },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const { size } = readPage(request, { name: '', columns: [] }, MAX_BATCH);
      const { after: text = '' } = request.query;
      const after = text === '' ? undefined : readPosition(text);
      const { rows, next } = await service.followActivities(context, application.id, after, size);
      const url = new URL(request.url.replace(/^[a-z]+:\/\/[^/?]*/i, ''), request.origin); // never a host that the request line names
      url.searchParams.set('after', formatPosition(next));
      return { count: null, next: url.href, previous: null, results: await present(application.id, rows) };
    },
  );

  app.get(
    '/api/v1/applications/:client_id/profiles/:profile_id/activities/',
    {
      config: { access: 'any', check: readList },
      schema: {
        operationId: 'listActivities',
        summary: 'List the activities of a profile',
        description: 'Newest first by `occurred_at`. For the profile’s own token and admin tokens.',
        tags: ['Activities'],
        params: ClientProfileParams,
        querystring: Type.Object({
          ...PageQuery,
          type: Type.Optional(Type.String({ description: 'Only of this type.', examples: ['comment-created'] })),
          since: Type.Optional(Type.String({ description: 'Happened at or after this instant.' })),
          until: Type.Optional(Type.String({ description: 'Happened before this instant.' })),
        }),
        response: { 200: PageOf(ActivityResource) },
      },
    },
    async (request) => {
      const { application, profile } = await reachToChange(context, request);
      if (application.client_id !== request.params.client_id) throw notFound();
      const [page, filter] = await readList(request);
      const { rows, count } = await store.pageOfActivities(context.db, profile.id, filter, page);
      const typeName = await typeNames(application.id, rows);
      return presentPage(request, page, store.ACTIVITY_ORDER, rows, count, (row) => presentActivity(row, typeName));
    },
  );

  app.get(
    '/api/v1/applications/:client_id/profiles/:profile_id/activity-counts/',
    {
      config: { access: 'any', check: readCounts },
      schema: {
        operationId: 'countActivities',
        summary: 'Count the activities of a profile over time',
        description:
          'A row an hour or day, upwards, by `occurred_at`; `since` is taken back to the start of its hour or day. For the profile’s own token and admin tokens.',
        tags: ['Activities'],
        params: ClientProfileParams,
        querystring: Type.Object({
          ...SteppedRangeQuery,
          type: Type.Optional(Type.String({ description: 'Only of this type.', examples: ['comment-created'] })),
        }),
        response: { 200: CountsAnswer },
      },
    },
    async (request) => {
      const { application, profile } = await reachToChange(context, request);
      if (application.client_id !== request.params.client_id) throw notFound();
      const [range, { typeId }] = await readCounts(request);
      const results = await service.countOverTime(context, profile.id, typeId, range);
      return {
        interval: range.interval,
        since: formatInstant(range.since),
        until: formatInstant(range.until),
        results,
      };
    },
  );

  app.delete(
    '/api/v1/applications/:client_id/profiles/:profile_id/activities/:activity_id/',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'removeActivity',
        summary: 'Remove an activity',
        description:
          'With all its effects, as if it had never been sent. Its id may be sent again. 409 where both the profile and an admin sent one with this id, and `sent_by` does not say which is meant.',
        tags: ['Activities'],
        params: Type.Object({
          ...ClientProfileParams.properties,
          activity_id: Type.String({ description: 'The activity’s id, percent-encoded.' }),
        }),
        querystring: Type.Object({ sent_by: Type.Optional(SentByField) }),
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      const profileId = readUuid(request.params.profile_id);
      if (!profileId || request.params.activity_id.length > MAX_ACTIVITY_ID * 2) throw notFound();
      const { sent_by: sentBy } = request.query;
      await service.removeActivity(context, application, profileId, request.params.activity_id, sentBy);
      return reply.code(204).send(null);
    },
  );
}

interface FilterQuery {
  type?: string | undefined;
  since?: string;
  until?: string;
}

function readFilter(types: Catalogue['types'], query: FilterQuery): store.ActivityFilter {
  const errors: FieldErrors = {};
  const instant = (name: 'since' | 'until'): string | undefined => {
    const at = readInstant({ ...query }, name, errors);
    return at === undefined ? undefined : formatInstant(at);
  };
  const typeId = query.type === undefined ? undefined : types.get(query.type)?.id;
  if (query.type !== undefined && typeId === undefined) errors['type'] = ['There is no such activity type.'];
  const filter = { typeId, since: instant('since'), until: instant('until') };
  throwFound(errors);
  return filter;
}

const CountsAnswer = Type.Object(
  {
    ...SteppedRangeFields,
    results: Type.Array(
      Type.Object({
        at: Timestamp('The start of the hour or day.'),
        count: Type.Integer(),
        sum: Type.Integer({ description: 'Of the values.' }),
      }),
    ),
  },
  { $id: 'ActivityCounts' },
);

const TailAnswer = Type.Object({
  count: Type.Null(),
  next: Type.String({ description: 'Absolute URL of what comes after these.' }),
  previous: Type.Null(),
  results: Type.Array(ActivityResource),
});

function senderOf({ credential }: FastifyRequest): Sender {
  if (!credential) throw new ApiError('not_authenticated');
  return credential.kind === 'profile' ? { kind: 'profile', profile: credential.profile } : { kind: 'admin' };
}
