import { Type } from 'typebox';
import type { FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import { PageOf, type Query } from '../database/page.ts';
import { invalid, readAll } from '../errors.ts';
import { FeedQuery, presentFeed, readFeedPosition } from '../http/feed.ts';
import { SteppedRangeFields, SteppedRangeQuery, readSteppedRange, type SteppedRange } from '../http/range.ts';
import { ClientIdParams, Timestamp } from '../http/schemas.ts';
import { readUuid } from '../ids.ts';
import type { App } from '../http/route.ts';
import { formatInstant } from '../instant.ts';
import { listChanges, listFlow, listReaders, listSizes, listSizesOfMany } from './change-service.ts';
import { GroupParams } from './group-routes.ts';

const CAUSES = ['activity', 'clock', 'profile', 'group', 'rule', 'pin', 'manual', 'import', 'erased', 'merged'];

const ChangeResource = Type.Object(
  {
    sequence: Type.Integer({ description: 'From 1, without gaps.' }),
    change: Type.Unsafe<'entered' | 'left'>({ type: 'string', enum: ['entered', 'left'] }),
    profile_id: Type.String(),
    at: Timestamp(
      'The exact instant of a change by the clock, else that of its evaluation; never backwards for a profile.',
    ),
    cause: Type.Unsafe<string>({ type: 'string', enum: CAUSES }),
  },
  { $id: 'MembershipChange' },
);

const SizeResource = Type.Object({
  ...SteppedRangeFields,
  results: Type.Array(
    Type.Object({
      at: Timestamp('The start of the hour or day.'),
      size: Type.Integer({ description: 'Members at its end, or now where it is not over.' }),
      entered: Type.Integer(),
      left: Type.Integer(),
    }),
  ),
});

const FlowResource = Type.Object({
  ...SteppedRangeFields,
  results: Type.Array(
    Type.Object({
      at: Timestamp('The start of the hour or day.'),
      cause: Type.Unsafe<string | null>({
        type: ['string', 'null'],
        description: `One of ${CAUSES.join(', ')}; null of what happened before the release that counts causes.`,
      }),
      entered: Type.Integer(),
      left: Type.Integer(),
    }),
  ),
});

const ReadersResource = Type.Object({
  results: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      custom_id: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
    }),
  ),
});

const MAX_GROUPS = 100;

const SizesResource = Type.Object({
  ...SteppedRangeFields,
  results: Type.Array(
    Type.Object({
      group_id: Type.String(),
      sizes: Type.Array(Type.Integer(), {
        description:
          'Members at the end of each hour or day, from `since` on; of the last one that has begun, members now.',
      }),
    }),
  ),
});

const SizesQuery = Type.Object({
  id: Type.Optional(
    Type.Unsafe<string | string[]>({
      type: ['string', 'array'],
      items: { type: 'string' },
      maxItems: MAX_GROUPS,
      description: `Required: the ids of groups; given up to ${MAX_GROUPS} times.`,
      examples: ['13a1fd98-24ca-4935-8791-5556586c0005'],
    }),
  ),
  ...SteppedRangeQuery,
});

export function changeRoutes(app: App, context: Context): void {
  const readRange = (request: FastifyRequest): SteppedRange =>
    readSteppedRange(request.query as Query, context.clock.now());
  const readMany = (request: FastifyRequest): [string[], SteppedRange] =>
    readAll(
      () => readGroupIds(request.query as Query),
      () => readRange(request),
    );

  app.get(
    '/api/v1/applications/:client_id/profile-groups/:group/changes/',
    {
      config: { access: 'admin', check: readFeedPosition },
      schema: {
        operationId: 'listChanges',
        summary: 'Follow the members of a group',
        description:
          'Every entry and leave, by sequence upwards. Ask with `after` the last sequence that you saw: none is ever missed, and replaying ' +
          'from 0 gives the members. `count` is the number of changes after it.',
        tags: ['Profile groups'],
        params: GroupParams,
        querystring: FeedQuery,
        response: { 200: PageOf(ChangeResource) },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const position = readFeedPosition(request);
      const { changes, newest } = await listChanges(
        context,
        application,
        request.params.group,
        position.from,
        position.size,
      );
      return presentFeed(request, position, changes, newest, (change) => ({
        sequence: change.sequence,
        change: change.change,
        profile_id: change.profile_id,
        at: formatInstant(change.at),
        cause: change.cause,
      }));
    },
  );

  app.get(
    '/api/v1/applications/:client_id/profile-groups/:group/size/',
    {
      config: { access: 'admin', check: readRange },
      schema: {
        operationId: 'getGroupSize',
        summary: 'Get the size of a group over time',
        description: 'A row an hour or day, upwards; `since` is taken back to the start of its hour or day.',
        tags: ['Profile groups'],
        params: GroupParams,
        querystring: Type.Object(SteppedRangeQuery),
        response: { 200: SizeResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const range = readRange(request);
      const sizes = await listSizes(context, application, request.params.group, range);
      return {
        interval: range.interval,
        since: formatInstant(range.since),
        until: formatInstant(range.until),
        results: sizes.map(({ at, size, entered, left }) => ({ at: formatInstant(at), size, entered, left })),
      };
    },
  );

  app.get(
    '/api/v1/applications/:client_id/profile-groups/:group/flow/',
    {
      config: { access: 'admin', check: readRange },
      schema: {
        operationId: 'getGroupFlow',
        summary: 'Get who came and went, by cause',
        description:
          'A row for each hour or day and each cause by which profiles entered or left, upwards; those without any are left out. ' +
          'Added up they are the entries and leaves that the sizes tell.',
        tags: ['Profile groups'],
        params: GroupParams,
        querystring: Type.Object(SteppedRangeQuery),
        response: { 200: FlowResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const range = readRange(request);
      const flow = await listFlow(context, application, request.params.group, range);
      return {
        interval: range.interval,
        since: formatInstant(range.since),
        until: formatInstant(range.until),
        results: flow.map(({ at, cause, entered, left }) => ({ at: formatInstant(at), cause, entered, left })),
      };
    },
  );

  app.get(
    '/api/v1/applications/:client_id/profile-groups/:group/readers/',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'listGroupReaders',
        summary: 'List the groups whose rules read a group',
        description: 'By name. While any does, the group can neither be deleted nor deactivated.',
        tags: ['Profile groups'],
        params: GroupParams,
        response: { 200: ReadersResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      return { results: await listReaders(context, application, request.params.group) };
    },
  );

  app.get(
    '/api/v1/applications/:client_id/profile-groups/sizes/',
    {
      config: { access: 'admin', check: readMany },
      schema: {
        operationId: 'listGroupSizes',
        summary: 'Get the sizes of many groups over time',
        description:
          'For lists that show how each group moves: the numbers alone, in the order of the ids. Deleted and deactivated groups are left out.',
        tags: ['Profile groups'],
        params: ClientIdParams,
        querystring: SizesQuery,
        response: { 200: SizesResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const [ids, range] = readMany(request);
      const sizes = await listSizesOfMany(context, application, ids, range);
      return {
        interval: range.interval,
        since: formatInstant(range.since),
        until: formatInstant(range.until),
        results: ids.flatMap((id) => {
          const steps = sizes.get(id);
          return steps ? [{ group_id: id, sizes: steps.map(({ size }) => size) }] : [];
        }),
      };
    },
  );
}

function readGroupIds({ id }: Query): string[] {
  if (id === undefined) throw invalid('id', 'This field is required.');
  const read = (text: string): string => {
    const uuid = readUuid(text);
    if (uuid === undefined) throw invalid('id', `'${text}' is not the UUID of a group.`);
    return uuid;
  };
  return [...new Set([id].flat().map(read))];
}
