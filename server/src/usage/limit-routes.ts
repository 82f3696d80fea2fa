import type { Context } from '../context.ts';
import type { App } from '../http/route.ts';
import { ClientIdParams } from '../http/schemas.ts';
import { ApplicationChange, LimitsResource } from './limits.ts';
import { changeLimits, getLimits } from './limit-service.ts';

export function limitRoutes(app: App, context: Context): void {
  app.patch(
    '/api/v1/applications/:client_id/',
    {
      config: { access: 'owner' },
      schema: {
        operationId: 'updateApplication',
        summary: 'Change an application',
        description:
          'Its limits: `max_mau` and `max_profiles_per_day`, each of which warns or refuses. They concern profiles that apps of fans make, without a credential or by the first use of a client-signed token; what admin tokens, producers and sources make is neither counted nor refused. Activities of fans who have a profile are never refused. Answers with the limits.',
        tags: ['Applications'],
        params: ClientIdParams,
        body: ApplicationChange,
        response: { 200: LimitsResource },
      },
    },
    async (request) => changeLimits(context, await context.applications.get(request.params.client_id), request.body),
  );

  app.get(
    '/api/v1/applications/:client_id/limits/',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'getLimits',
        summary: 'Get the limits of an application',
        description: 'And how far they are used.',
        tags: ['Applications'],
        params: ClientIdParams,
        response: { 200: LimitsResource },
      },
    },
    async (request) => getLimits(context, await context.applications.get(request.params.client_id)),
  );
}
