// Profiles by the beginning of their nickname, at the address where clients of LiveLike look for them: no application in the path.

import { Type } from 'typebox';
import type { FastifyRequest } from 'fastify';
import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import type { Credential } from '../credential.ts';
import { PageOf, PageQuery, presentPage, readPage, type PageRequest } from '../database/page.ts';
import { ApiError, denied, invalid } from '../errors.ts';
import type { App } from '../http/route.ts';
import { orPublic, presentProfile, presentPublicProfile, ProfileResource } from './profile.ts';
import { ProfileFilterQuery } from './profile-filter.ts';
import * as store from './profile-store.ts';

export function profileSearchRoutes(app: App, context: Context): void {
  app.get(
    '/api/v1/profiles/',
    {
      config: { access: 'any', check: readSearch },
      schema: {
        operationId: 'searchProfiles',
        summary: 'Search for profiles by nickname',
        description:
          'Newest first. As `GET applications/{client_id}/profiles/`, at the address that clients of LiveLike take from `profile_search_url`. ' +
          'With a profile’s token where the application says `fans_may_search`: the beginning of a nickname must be named, and of each profile only what others may see is told, without their number.',
        tags: ['Profiles'],
        querystring: Type.Object({
          client_id: Type.Optional(
            Type.String({ description: 'The application’s client id. Default: the application of the access token.' }),
          ),
          ...PageQuery,
          nickname: ProfileFilterQuery.nickname,
        }),
        response: { 200: PageOf(orPublic(ProfileResource)) },
      },
    },
    async (request) => {
      const application = applicationOf(request.credential, request.query.client_id);
      const isFan = request.credential?.kind === 'profile';
      const { page: asked, filter } = readSearch(request);
      if (isFan && !filter) throw invalid('nickname', 'This field is required.');
      const page = isFan ? { ...asked, wantsCount: false } : asked;
      const { rows, count } = await store.pageOfProfiles(context.db, application.id, filter, page);
      const { attributes } = await context.catalogues.get(application.id);
      return presentPage(request, page, store.PROFILE_ORDER, rows, count, (profile) =>
        isFan
          ? presentPublicProfile(profile, request.origin, (key) => attributes.get(key)?.visible_to === 'public')
          : presentProfile(profile, application.client_id, request.origin),
      );
    },
  );
}

function readSearch(request: FastifyRequest): { page: PageRequest; filter: store.ProfileFilter | undefined } {
  const { nickname } = request.query as { nickname?: string }; // it meets the schema
  return {
    page: readPage(request, store.PROFILE_ORDER),
    filter: nickname ? { attributes: [], nickname } : undefined,
  };
}

function applicationOf(credential: Credential | undefined, clientId: string | undefined): Application {
  if (!credential) throw new ApiError('not_authenticated');
  if (credential.kind === 'producer') {
    if (clientId === undefined) throw invalid('client_id', 'This field is required.');
    const role = credential.roles.get(clientId);
    if (!role) throw denied('You are not a producer of this application.');
    return role.application;
  }
  if (clientId !== undefined && clientId !== credential.application.client_id)
    throw denied('This access token belongs to another application.');
  if (credential.kind === 'profile' && !credential.application.fans_may_search)
    throw denied('Fans of this application may not search: an owner may let them, by fans_may_search.');
  return credential.application;
}
