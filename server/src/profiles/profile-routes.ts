import { Type } from 'typebox';
import type { FastifyRequest } from 'fastify';
import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import type { Credential } from '../credential.ts';
import { PageOf, PageQuery, presentPage, readPage, type Query } from '../database/page.ts';
import { ApiError, denied, notFound, readAll } from '../errors.ts';
import {
  asPresented,
  ClientIdParams,
  ClientProfileParams,
  IfMatch,
  NoContent,
  ProfileParams,
} from '../http/schemas.ts';
import { requireElements } from '../http/elements.ts';
import { BODY_LIMIT, LARGE_BODY_LIMIT, type App } from '../http/route.ts';
import type { Share } from '../http/shares.ts';
import { upsertProfiles } from './bulk.ts';
import {
  MAX_BULK,
  NewProfileFields,
  NewProfileResource,
  ProfileFields,
  ProfilePatch,
  ProfileResource,
  ProfileDetailResource,
  presentProfile,
  presentProfileDetail,
  orPublic,
  presentPublicProfile,
  type Profile,
  type Writer,
} from './profile.ts';
import { ProfileFilterQuery, readProfileFilter } from './profile-filter.ts';
import { createOrRecover, readAsked } from './device-keys.ts';
import { hashNetwork } from './network.ts';
import * as service from './profile-service.ts';
import * as store from './profile-store.ts';
import { resolveIds } from './alias-store.ts';
import { reach, reachToChange, type ProfileRequest } from './reach.ts';

/** An item is what a request that makes one profile may be. */
const ITEMS = { field: 'profiles', most: MAX_BULK, bytes: BODY_LIMIT };

export function profileRoutes(app: App, context: Context): void {
  /** What this credential sees of the profile. */
  const present = async (
    request: FastifyRequest,
    application: Application,
    profile: Profile,
  ): Promise<ProfileDetailResource> => {
    const isAdmin = writerOf(request.credential) === 'admin';
    const { attributes } = await context.catalogues.get(application.id);
    return presentProfileDetail(
      profile,
      application.client_id,
      request.origin,
      (key) => !isAdmin && attributes.get(key)?.visible_to === 'admin',
    );
  };

  const checkNew = async ({ credential, params, body }: FastifyRequest): Promise<void> => {
    const { client_id: clientId, custom_id: customId } = params as { client_id: string; custom_id?: string }; // of both paths
    const application = await context.applications.get(clientId);
    const fields = { ...(body as NewProfileFields), ...(customId !== undefined && { custom_id: customId }) }; // only what met the schema
    const writer = customId === undefined ? makerOf(credential, application) : 'admin';
    const catalogue = await context.catalogues.get(application.id);
    if (customId === undefined) readAsked(catalogue, fields, writer);
    else service.readNew(catalogue, fields, writer);
  };
  const checkChange = async (
    { application, profile }: { application: Application; profile: Profile },
    body: unknown,
    writer: Writer,
  ): Promise<void> => {
    const catalogue = await context.catalogues.get(application.id);
    service.readChange(catalogue, profile, body as ProfilePatch, writer); // likewise
  };

  app.post(
    '/api/v1/applications/:client_id/profile/',
    {
      config: { access: 'public', optionalBody: true, check: checkNew },
      schema: {
        operationId: 'createProfile',
        summary: 'Make a profile',
        description:
          'Needs no credential and no body. The answer carries the access token of the new profile: keep it. `custom_id` needs an admin token. With a `device_key` that made a profile before, 200 and that profile as it is now.',
        tags: ['Profiles'],
        params: ClientIdParams,
        body: NewProfileFields,
        response: { 200: NewProfileResource, 201: NewProfileResource },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      const writer = makerOf(request.credential, application);
      const network = writer === 'profile' ? hashNetwork(context.secrets, application.id, request.address) : null;
      const made = await createOrRecover(context, application, request.body, writer, network);
      reply.code(made.isNew ? 201 : 200);
      return { ...(await present(request, application, made.profile)), access_token: made.accessToken };
    },
  );

  app.get(
    '/api/v1/applications/:client_id/profile/',
    {
      config: { access: 'profile', share: 'none' },
      schema: {
        operationId: 'getOwnProfile',
        summary: 'Get the profile of the token',
        description: 'The profile that the access token speaks for. Never contains the token.',
        tags: ['Profiles'],
        params: ClientIdParams,
        response: { 200: ProfileDetailResource },
      },
    },
    async (request) => {
      const { application, profile } = own(request.credential);
      return present(request, application, profile);
    },
  );

  app.patch(
    '/api/v1/applications/:client_id/profile/',
    {
      config: {
        access: 'profile',
        optionalBody: true,
        check: ({ credential, body }) => checkChange(own(credential), body, 'profile'),
      },
      schema: {
        operationId: 'updateOwnProfile',
        summary: 'Change the profile of the token',
        description:
          'Changes the given fields. A list of attributes replaces those that a profile may write; `set` and `remove` change those that they name.',
        tags: ['Profiles'],
        params: ClientIdParams,
        headers: IfMatch,
        body: ProfilePatch,
        response: { 200: ProfileDetailResource },
      },
    },
    async (request) => {
      const { application, profile } = own(request.credential);
      const changed = await service.updateProfile(
        context,
        application,
        profile.id,
        request.body,
        'profile',
        request.headers['if-match'],
      );
      return present(request, application, changed);
    },
  );

  app.get(
    '/api/v1/profiles/:profile_id/',
    {
      serializerCompiler: asPresented,
      config: { access: 'any', share: 'none' },
      schema: {
        operationId: 'getProfile',
        summary: 'Get a profile',
        description:
          'The whole profile for its own token and for admin tokens; its public part for other profiles of the application.',
        tags: ['Profiles'],
        params: ProfileParams,
        response: {
          200: orPublic(ProfileDetailResource),
        },
      },
    },
    async (request) => {
      const { application, profile } = await reach(context, request.credential, request.params.profile_id);
      if (request.credential?.kind !== 'profile' || request.credential.profile.id === profile.id)
        return present(request, application, profile);
      const { attributes } = await context.catalogues.get(application.id);
      return presentPublicProfile(profile, request.origin, (key) => attributes.get(key)?.visible_to === 'public');
    },
  );

  app.patch(
    '/api/v1/profiles/:profile_id/',
    {
      config: {
        access: 'any',
        optionalBody: true,
        check: async (request) =>
          checkChange(
            await reachToChange(context, request as ProfileRequest),
            request.body,
            writerOf(request.credential),
          ),
      },
      schema: {
        operationId: 'updateProfile',
        summary: 'Change a profile',
        description:
          'With the profile’s own token or an admin token. An admin token replaces all attributes and may set `custom_id`. A pair that is sent back as it was keeps its writer: to vouch for what a profile wrote, remove it, then write it.',
        tags: ['Profiles'],
        params: ProfileParams,
        headers: IfMatch,
        body: ProfilePatch,
        response: { 200: ProfileDetailResource },
      },
    },
    async (request) => {
      const { application, profile } = await reachToChange(context, request);
      const changed = await service.updateProfile(
        context,
        application,
        profile.id,
        request.body,
        writerOf(request.credential),
        request.headers['if-match'],
      );
      return present(request, application, changed);
    },
  );

  app.delete(
    '/api/v1/profiles/:profile_id/',
    {
      config: { access: 'any' },
      schema: {
        operationId: 'eraseProfile',
        summary: 'Erase a profile',
        description: 'Erases the profile, its tokens, memberships and activities. Cannot be undone.',
        tags: ['Profiles'],
        params: ProfileParams,
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      const { application, profile } = await reachToChange(context, request);
      await service.eraseProfile(context, application, profile.id);
      return reply.code(204).send(null);
    },
  );

  const CustomIdParams = Type.Object({
    ...ClientIdParams.properties,
    custom_id: Type.String({ description: 'Your own id of the fan, percent-encoded.' }),
  });

  app.get(
    '/api/v1/profile-by-custom-id/:client_id/:custom_id/',
    {
      config: { access: 'admin', share: 'none' },
      schema: {
        operationId: 'getProfileByCustomId',
        summary: 'Get a profile by custom id',
        description: 'The profile to which the custom id belongs.',
        tags: ['Profiles'],
        params: CustomIdParams,
        response: { 200: ProfileDetailResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const quick = { query: context.db.quick };
      const id = await store.findProfileIdByCustomId(quick, application.id, request.params.custom_id);
      const profile = id === undefined ? undefined : await store.findProfile(quick, application.id, id);
      if (!profile) throw notFound();
      return present(request, application, profile);
    },
  );

  app.post(
    '/api/v1/profile-by-custom-id/:client_id/:custom_id/',
    {
      config: { access: 'admin', optionalBody: true, check: checkNew },
      schema: {
        operationId: 'createProfileByCustomId',
        summary: 'Make a profile with a custom id',
        description: '409 where a profile has the custom id already.',
        tags: ['Profiles'],
        params: CustomIdParams,
        body: ProfileFields,
        response: { 201: NewProfileResource },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      const fields = { ...request.body, custom_id: request.params.custom_id };
      const { profile, accessToken } = await service.createProfile(context, application, fields, 'admin');
      reply.code(201);
      return { ...(await present(request, application, profile)), access_token: accessToken };
    },
  );

  app.post(
    '/api/v1/applications/:client_id/profiles/bulk/',
    {
      bodyLimit: LARGE_BODY_LIMIT,
      config: { access: 'admin', elements: ITEMS },
      validatorCompiler: () => () => true, // each item is held against the schema by itself
      schema: {
        operationId: 'upsertProfiles',
        summary: 'Make or change many profiles',
        description:
          `1 to ${MAX_BULK} profiles by \`custom_id\` or \`id\`: made where there is none, changed where there is one. Each item succeeds or fails by itself. Beside the fields of a profile: ` +
          '`id` (a UUID of another system, which a new profile keeps), `access_token` (one that another system gave this fan: it goes on working here, kept as a hash) and `created_at` (of a new profile).',
        tags: ['Profiles'],
        params: ClientIdParams,
        body: Type.Object({ profiles: Type.Array(Type.Unknown(), { minItems: 1, maxItems: MAX_BULK }) }),
        response: { 200: BulkAnswer },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      return { results: await upsertProfiles(context, application, requireElements(request.body, ITEMS)) };
    },
  );

  app.get(
    '/api/v1/applications/:client_id/profiles/',
    {
      config: { access: 'admin', check: readList, share: shareOfList },
      schema: {
        operationId: 'listProfiles',
        summary: 'List profiles',
        description: 'Newest first.',
        tags: ['Profiles'],
        params: ClientIdParams,
        querystring: Type.Object({ ...PageQuery, ...ProfileFilterQuery }),
        response: { 200: PageOf(ProfileResource) },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const [page, filter] = readList(request);
      if (filter?.ids) filter.ids = filter.ids.map(await resolveIds(context.db, application.id, filter.ids));
      const { rows, count } = await store.pageOfProfiles(context.db, application.id, filter, page);
      return presentPage(request, page, store.PROFILE_ORDER, rows, count, (profile) =>
        presentProfile(profile, application.client_id, request.origin),
      );
    },
  );

  app.get(
    '/api/v1/applications/:client_id/profiles/:profile_id/',
    {
      config: { access: 'any', share: 'none' },
      schema: {
        operationId: 'getProfileOfApplication',
        summary: 'Get a profile of an application',
        description: 'As `GET /api/v1/profiles/{profile_id}/`, for its own token and admin tokens.',
        tags: ['Profiles'],
        params: ClientProfileParams,
        response: { 200: ProfileDetailResource },
      },
    },
    async (request) => {
      const { application, profile } = await reachToChange(context, request);
      return present(request, application, profile);
    },
  );
}

const readList = (request: FastifyRequest) =>
  readAll(
    () => readPage(request, store.PROFILE_ORDER),
    () => readProfileFilter(request.query as Query),
  );

/** A count under a filter looks at all that may match; a look-up by ids does not. */
const shareOfList = ({ query }: FastifyRequest): Share =>
  Object.keys(query as Query).every((name) => NOT_FILTERING.has(name)) ? 'usual' : 'heavy';
const NOT_FILTERING = new Set([...Object.keys(PageQuery), 'id', 'custom_id']);

const BulkAnswer = Type.Object({
  results: Type.Array(
    Type.Object({
      index: Type.Integer(),
      custom_id: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
      status: Type.Union([
        Type.Literal('created'),
        Type.Literal('updated'),
        Type.Literal('unchanged'),
        Type.Literal('rejected'),
      ]),
      id: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
      access_token: Type.Optional(Type.String({ description: 'Of a profile that was made.' })),
      errors: Type.Optional(Type.Record(Type.String(), Type.Array(Type.String()))),
    }),
  ),
});

/** Which of the two kinds of writers a credential is. */
export const writerOf = (credential: Credential | undefined): Writer =>
  credential?.kind === 'profile' ? 'profile' : 'admin';

const makerOf = (credential: Credential | undefined, application: Application): Writer =>
  credential?.kind === 'admin' ? adminOf(credential, application) : 'profile';

function adminOf(credential: Extract<Credential, { kind: 'admin' }>, application: Application): Writer {
  if (credential.application.id !== application.id) throw denied('This access token belongs to another application.');
  if (credential.readOnly) throw denied('This access token is read-only.');
  return 'admin';
}

function own(credential: Credential | undefined): { application: Application; profile: Profile } {
  if (credential?.kind !== 'profile') throw new ApiError('internal_error');
  return credential;
}
