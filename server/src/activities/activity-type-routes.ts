import { Type } from 'typebox';
import type { Context } from '../context.ts';
import { ClientIdParams, NoContent } from '../http/schemas.ts';
import type { App } from '../http/route.ts';
import { invalid } from '../errors.ts';
import type { ActivityType } from '../rules/attribute.ts';
import { FIRST_CUSTOM_ID } from '../rules/platform.ts';
import * as service from './activity-types.ts';

const Fields = {
  label: Type.Optional(Type.String({ description: 'For people. Default: the type.' })),
  client: Type.Optional(
    Type.Boolean({ description: 'Whether profiles may send it with their own tokens. Default false.' }),
  ),
};

const ActivityTypeResource = Type.Object(
  {
    type: Type.String({ examples: ['comment-created'] }),
    label: Type.String(),
    client: Type.Boolean(),
    registered: Type.Boolean({ description: 'False: an admin sent it, and nobody registered it.' }),
    source: Type.Unsafe<'platform' | 'custom'>({ type: 'string', enum: ['platform', 'custom'] }),
  },
  { $id: 'ActivityType' },
);

const TypeParams = Type.Object({ ...ClientIdParams.properties, type: Type.String({ description: 'The type.' }) });

export function activityTypeRoutes(app: App, context: Context): void {
  app.get(
    '/api/v1/applications/:client_id/activity-types/',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'listActivityTypes',
        summary: 'List activity types',
        description:
          'The platform’s and the application’s registered ones, all in one answer; `?registered=false` those that were only ever sent.',
        tags: ['Activities'],
        params: ClientIdParams,
        querystring: Type.Object({
          registered: Type.Optional(Type.String({ description: '`true` (default) or `false`.' })),
        }),
        response: {
          200: Type.Object({
            count: Type.Integer(),
            next: Type.Null(),
            previous: Type.Null(),
            results: Type.Array(ActivityTypeResource),
          }),
        },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const { registered = 'true' } = request.query;
      if (registered !== 'true' && registered !== 'false') throw invalid('registered', 'This must be true or false.');
      const { types } = await context.catalogues.get(application.id);
      const results = [...types.values()]
        .filter((type) => type.registered === (registered === 'true'))
        .sort(byPlatformThenName)
        .map(present);
      return { count: results.length, next: null, previous: null, results };
    },
  );

  app.post(
    '/api/v1/applications/:client_id/activity-types/',
    {
      config: { access: 'admin' },
      validatorCompiler: () => () => true, // read in one place, which names every problem
      schema: {
        operationId: 'registerActivityType',
        summary: 'Register an activity type',
        description:
          'Needed for what profiles send themselves (`client`) and for what attributes are derived from. 409 where it is registered.',
        tags: ['Activities'],
        params: ClientIdParams,
        body: Type.Object({
          type: Type.Optional(Type.String({ description: '1 to 64 characters of a-z, 0-9 and -.' })),
          ...Fields,
        }),
        response: { 201: ActivityTypeResource },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      const made = await service.registerType(context, application.id, request.body);
      reply.code(201);
      return present(made);
    },
  );

  app.get(
    '/api/v1/applications/:client_id/activity-types/:type/',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'getActivityType',
        summary: 'Get an activity type',
        description: 'One of the platform or of the application.',
        tags: ['Activities'],
        params: TypeParams,
        response: { 200: ActivityTypeResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      return present(await service.getType(context, application.id, request.params.type));
    },
  );

  app.patch(
    '/api/v1/applications/:client_id/activity-types/:type/',
    {
      config: { access: 'admin', optionalBody: true },
      validatorCompiler: () => () => true, // likewise
      schema: {
        operationId: 'updateActivityType',
        summary: 'Change an activity type',
        description: 'Label and `client` of one of the application’s own; the name stays.',
        tags: ['Activities'],
        params: TypeParams,
        body: Type.Object({ type: Type.Optional(Type.String()), ...Fields }),
        response: { 200: ActivityTypeResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      return present(await service.changeType(context, application.id, request.params.type, request.body));
    },
  );

  app.delete(
    '/api/v1/applications/:client_id/activity-types/:type/',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'unregisterActivityType',
        summary: 'Unregister an activity type',
        description:
          'Profiles can no longer send it. Its activities and the attributes derived from it stay; admins may go on sending it.',
        tags: ['Activities'],
        params: TypeParams,
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      await service.unregisterType(context, application.id, request.params.type);
      return reply.code(204).send(null);
    },
  );
}

const isPlatform = (type: ActivityType): boolean => type.id < FIRST_CUSTOM_ID;

const byPlatformThenName = (a: ActivityType, b: ActivityType): number =>
  Number(isPlatform(b)) - Number(isPlatform(a)) || (a.type < b.type ? -1 : 1);

function present(type: ActivityType) {
  const source: 'platform' | 'custom' = isPlatform(type) ? 'platform' : 'custom';
  return { type: type.type, label: type.label, client: type.client, registered: type.registered, source };
}
