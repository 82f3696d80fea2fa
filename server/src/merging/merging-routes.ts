import { Type } from 'typebox';
import type { FastifyRequest } from 'fastify';
import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import { actorName } from '../credential.ts';
import { authenticateProfile } from '../authenticate.ts';
import { PageOf, PageQuery, presentPage, readPage } from '../database/page.ts';
import { ApiError, conflict, invalid, notFound } from '../errors.ts';
import { ClientIdParams, ClientProfileParams } from '../http/schemas.ts';
import type { App } from '../http/route.ts';
import { readUuid } from '../ids.ts';
import { countMerges, MERGE_ORDER, pageOfMerges } from '../profiles/alias-store.ts';
import { presentProfileDetail, type Profile } from '../profiles/profile.ts';
import {
  MergedOwnResource,
  MergedResource,
  MergeFields,
  MergeOwnFields,
  MergeResource,
  presentMerge,
} from './merging.ts';
import { getTarget, mergeProfiles, resolveProfile } from './merging-service.ts';

const tags = ['Merging'];

export function mergingRoutes(app: App, context: Context): void {
  app.post(
    '/api/v1/applications/:client_id/profiles/:profile_id/merge/',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'mergeProfile',
        summary: 'Merge a profile into another',
        description:
          'Two profiles of one fan become one, as if it had always been one. Activities move; of an id that both have, the profile’s own stays. Of attributes, pins and ' +
          '`custom_data` its own stay, what it lacks comes along, lists and static memberships unite. The merged id leads to the profile from then on. ' +
          '409 where both ids lead to one profile, where `into` leads to none, and, unless forced, where both have a `custom_id`.',
        tags,
        params: ClientProfileParams,
        querystring: Type.Object({
          dry_run: Type.Optional(
            Type.String({ description: '`true`: only say what would change.', examples: ['true'] }),
          ),
        }),
        body: MergeFields,
        response: { 200: MergedResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const { into, tokens = 'revoke', force = false } = request.body;
      if (readUuid(into) === undefined && !/^custom:./s.test(into))
        throw invalid('into', 'This must be the id of a profile, or custom: and a custom id.');
      const sourceId = await resolveProfile(context.db, application, request.params.profile_id);
      if (sourceId === undefined) throw notFound();
      const targetId = await getTarget(context.db, application, into);
      const { merge, groups, attributesLeftOut, profile } = await mergeProfiles(
        context,
        application,
        { sourceId, targetId, tokens, force, actor: actorName(request.credential) },
        readFlag(request.query.dry_run, 'dry_run'),
      );
      return {
        ...presentMerge(merge),
        groups,
        attributes_left_out: attributesLeftOut,
        profile: presentProfileDetail(profile, application.client_id, request.origin),
      };
    },
  );

  app.post(
    '/api/v1/applications/:client_id/profile/merge/',
    {
      config: { access: 'profile' },
      schema: {
        operationId: 'mergeOwnProfile',
        summary: 'Merge another profile of the same fan with the profile of the token',
        description:
          'Whoever holds a token of both may merge the anonymous one into the one that has a `custom_id`, whichever of the two the Authorization header names. ' +
          'So what a fan did before signing in comes along.',
        tags,
        params: ClientIdParams,
        body: MergeOwnFields,
        response: { 200: MergedOwnResource },
      },
    },
    async (request) => {
      const { application, profile } = own(request);
      const other = await authenticateOther(request, application);
      const [source, target] = direction(profile, other);
      const { merge, profile: merged } = await mergeProfiles(context, application, {
        sourceId: source.id,
        targetId: target.id,
        tokens: request.body.tokens ?? 'revoke',
        force: false,
        actor: 'profile',
      });
      const { attributes } = await context.catalogues.get(application.id);
      return {
        ...presentMerge(merge),
        profile: presentProfileDetail(
          merged,
          application.client_id,
          request.origin,
          (key) => attributes.get(key)?.visible_to === 'admin',
        ),
      };
    },
  );

  app.get(
    '/api/v1/applications/:client_id/profiles/:profile_id/merges/',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'listMerges',
        summary: 'List what was merged into a profile',
        description: 'The newest first. Those that a merged profile had taken in before count as merged into this one.',
        tags,
        params: ClientProfileParams,
        querystring: Type.Object(PageQuery),
        response: { 200: PageOf(MergeResource) },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const page = readPage(request, MERGE_ORDER);
      const id = await resolveProfile(context.db, application, request.params.profile_id);
      if (id === undefined) throw notFound();
      const { rows, count } = await context.db.transaction(
        async (tx) => ({
          rows: await pageOfMerges(tx, id, page),
          count: page.wantsCount ? await countMerges(tx, id) : undefined,
        }),
        { isolation: 'repeatable read' },
      );
      return presentPage(request, page, MERGE_ORDER, rows, count, presentMerge);
    },
  );

  /** The profile of the token in the body. What is wrong with it is a fault of the field, not of the request's credential. */
  async function authenticateOther(
    request: FastifyRequest<{ Body: { access_token: string } }>,
    application: Application,
  ): Promise<Profile> {
    const credential = await authenticateProfile(context, request.body.access_token).catch((error: unknown) => {
      if (error instanceof ApiError && error.status === 401) throw invalid('access_token', error.detail);
      throw error;
    });
    if (credential.application.id !== application.id)
      throw invalid('access_token', 'This access token belongs to another application.');
    return credential.profile;
  }
}

function own({ credential }: FastifyRequest): { application: Application; profile: Profile } {
  if (credential?.kind !== 'profile') throw new ApiError('internal_error');
  return credential;
}

/** The anonymous one goes into the other. */
function direction(one: Profile, other: Profile): [source: Profile, target: Profile] {
  if (one.id === other.id) throw conflict('Both access tokens are of the same profile.');
  if (one.custom_id === null && other.custom_id !== null) return [one, other];
  if (one.custom_id !== null && other.custom_id === null) return [other, one];
  throw conflict(
    one.custom_id === null
      ? 'One of the two profiles must have a custom_id: that one stays.'
      : 'Both profiles have a custom_id; only an admin access token may merge them.',
  );
}

function readFlag(text: string | undefined, field: string): boolean {
  if (text === undefined || text === 'false') return false;
  if (text !== 'true') throw invalid(field, 'This must be true or false.');
  return true;
}
