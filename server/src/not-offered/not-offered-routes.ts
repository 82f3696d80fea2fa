import { Type } from 'typebox';
import { ApiError, notFound } from '../errors.ts';
import type { App } from '../http/route.ts';
import { isFeature, notOfferedDetail } from './not-offered.ts';

const METHODS = ['GET', 'POST', 'PATCH', 'PUT', 'DELETE'];

/** One answer for every method and every path below a feature, whatever the body is: it is not read. */
export function notOfferedRoutes(app: App): void {
  for (const url of ['/api/v1/not-offered/:feature/', '/api/v1/not-offered/:feature/*']) {
    app.route({
      method: METHODS,
      url,
      config: { access: 'public', reads: true, strictQuery: false },
      schema: { hide: true, params: Type.Object({ feature: Type.String() }) },
      onRequest: (request, _reply, done) => {
        const { feature } = request.params as { feature: string }; // the path's own
        done(isFeature(feature) ? new ApiError('not_offered', { detail: notOfferedDetail(feature) }) : notFound());
      },
      handler: () => {
        throw new ApiError('internal_error'); // the hook has answered
      },
    });
  }
}
