import { Type } from 'typebox';
import type { Context } from '../context.ts';
import { NoContent, ProfileParams } from '../http/schemas.ts';
import type { App } from '../http/route.ts';
import * as service from './profile-service.ts';
import { reachToChange } from './reach.ts';

export function profileTokenRoutes(app: App, context: Context): void {
  app.post(
    '/api/v1/profiles/:profile_id/access-tokens/',
    {
      config: { access: 'any', optionalBody: true },
      schema: {
        operationId: 'rotateProfileToken',
        summary: 'Make a new access token of a profile',
        description: 'The others die, client-signed ones issued so far too, unless `keep_existing` is true.',
        tags: ['Access tokens'],
        params: ProfileParams,
        // A misspelt field would kill the tokens that were to be kept.
        body: Type.Object({ keep_existing: Type.Optional(Type.Boolean()) }, { additionalProperties: false }),
        response: { 201: Type.Object({ access_token: Type.String() }) },
      },
    },
    async (request, reply) => {
      const { application, profile } = await reachToChange(context, request);
      const token = await service.rotateTokens(context, application, profile.id, request.body.keep_existing ?? false);
      reply.header('cache-control', 'no-store').code(201);
      return { access_token: token };
    },
  );

  app.delete(
    '/api/v1/profiles/:profile_id/access-tokens/',
    {
      config: { access: 'any' },
      schema: {
        operationId: 'revokeProfileTokens',
        summary: 'Revoke every access token of a profile',
        description: 'Client-signed tokens issued so far die too.',
        tags: ['Access tokens'],
        params: ProfileParams,
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      const { application, profile } = await reachToChange(context, request);
      await service.revokeTokens(context, application, profile.id);
      return reply.code(204).send(null);
    },
  );
}
