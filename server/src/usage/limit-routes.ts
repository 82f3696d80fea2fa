import type { Context } from '../context.ts';
import type { App } from '../http/route.ts';
import { ClientIdParams } from '../http/schemas.ts';
import { invalid } from '../errors.ts';
import { isZoneName } from '../rules/zone.ts';
import { ApplicationChange, LimitsResource, UpdatedApplication } from './limits.ts';
import { changeApplication, getLimits } from './limit-service.ts';

export function limitRoutes(app: App, context: Context): void {
  app.patch(
    '/api/v1/applications/:client_id/',
    {
      config: { access: 'owner', check: ({ body }) => readTimeZone(body) },
      schema: {
        operationId: 'updateApplication',
        summary: 'Change an application',
        description:
          'Its limits: `max_mau` and `max_profiles_per_day`, each of which warns or refuses. They concern profiles that apps of fans make, without a credential or by the first use of a client-signed token, and those that sources make, among whose problems the reason stands; what admin tokens and producers make or import is neither counted nor refused. Activities of fans who have a profile are never refused. Answers with the limits. And its `time_zone`, by its name at the IANA: dates without a time, in rules and on profiles, are days there; dynamic groups are filled again, and served as they were until that is done. And whether its fans may look for each other (`fans_may_search`).',
        tags: ['Applications'],
        params: ClientIdParams,
        body: ApplicationChange,
        response: { 200: UpdatedApplication },
      },
    },
    async ({ params, body }) =>
      changeApplication(context, await context.applications.get(params.client_id), {
        limits: body.limits,
        time_zone: readTimeZone(body),
        fans_may_search: body.fans_may_search,
      }),
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

/** Undefined where it is not to change. */
function readTimeZone(body: unknown): string | undefined {
  const { time_zone: name } = body as { time_zone?: unknown }; // it met the schema
  if (name === undefined || (typeof name === 'string' && isZoneName(name))) return name;
  throw invalid('time_zone', 'Must be the name of a time zone at the IANA, like Europe/Madrid or UTC.');
}
