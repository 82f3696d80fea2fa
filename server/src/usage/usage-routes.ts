import { Type } from 'typebox';
import type { Context } from '../context.ts';
import { ClientIdParams } from '../http/schemas.ts';
import type { App } from '../http/route.ts';
import { DuplicatesResource, RetentionResource, UsageResource } from './usage.ts';
import { getDuplicates, getRetention, getUsage, readUsageRange } from './usage-service.ts';

const TAGS = ['Usage'];

export function usageRoutes(app: App, context: Context): void {
  app.get(
    '/api/v1/applications/:client_id/usage/',
    {
      config: { access: 'admin', share: 'heavy' },
      schema: {
        operationId: 'getUsage',
        summary: 'Count active, new and returning profiles',
        description:
          'Exact, by day, week or month (UTC), with the rolling figures of seven and thirty days. Follows what is erased and merged. A late activity changes the interval in which it occurred.',
        tags: TAGS,
        params: ClientIdParams,
        querystring: Type.Object({
          interval: Type.Optional(Type.String({ description: '`day` (default), `week` or `month`.' })),
          since: Type.Optional(Type.String({ description: 'Default: 30 days, 13 weeks or 12 months back.' })),
          until: Type.Optional(Type.String({ description: 'Default: now.' })),
        }),
        response: { 200: UsageResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      return getUsage(context, application, readUsageRange(request.query, context.clock.now()));
    },
  );

  app.get(
    '/api/v1/applications/:client_id/usage/retention/',
    {
      config: { access: 'admin', share: 'heavy' },
      schema: {
        operationId: 'getRetention',
        summary: 'Follow the profiles of each week',
        description: 'By week of creation: how many were active in that week and in each of the twelve after it.',
        tags: TAGS,
        params: ClientIdParams,
        response: { 200: RetentionResource },
      },
    },
    async (request) => getRetention(context, await context.applications.get(request.params.client_id)),
  );

  app.get(
    '/api/v1/applications/:client_id/usage/duplicates/',
    {
      config: { access: 'admin', share: 'heavy' },
      schema: {
        operationId: 'getDuplicates',
        summary: 'Find profiles that were made by accident',
        description:
          'Of the profiles made on each of the last thirty days, those never active on a later one, and bursts from one network. ' +
          'An app that makes a profile at each start, or loses its token, shows here first.',
        tags: TAGS,
        params: ClientIdParams,
        response: { 200: DuplicatesResource },
      },
    },
    async (request) => getDuplicates(context, await context.applications.get(request.params.client_id)),
  );
}
