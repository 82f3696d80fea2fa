import { Type } from 'typebox';
import type { FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import { actorName } from '../credential.ts';
import { PageOf, PageQuery, presentPage, readPage, type Query } from '../database/page.ts';
import { notFound, readAll } from '../errors.ts';
import { asPresented, ClientIdParams, ClientProfileParams, IfMatch, NoContent } from '../http/schemas.ts';
import type { App } from '../http/route.ts';
import { formatInstant } from '../instant.ts';
import { reachToChange } from '../profiles/reach.ts';
import { GroupFields, GroupResource, ProfileGroupResource, presentGroup, type Group } from './group.ts';
import { NEW_GROUP_EXAMPLES } from './group-examples.ts';
import { GroupFilterQuery, readGroupFilter } from './group-filter.ts';
import * as service from './group-service.ts';
import * as store from './group-store.ts';

export const GroupParams = Type.Object({
  ...ClientIdParams.properties,
  group: Type.String({ description: 'The group’s id, or `custom:` and its custom id, percent-encoded.' }),
});

const GROUPS = '/api/v1/applications/:client_id/profile-groups/';
const GROUP = '/api/v1/applications/:client_id/profile-groups/:group/';
const tags = ['Profile groups'];

export function groupRoutes(app: App, context: Context): void {
  app.setSerializerCompiler(asPresented);
  const present = ({ group, dynamic }: service.PresentedGroup): GroupResource => presentGroup(group, dynamic);

  const checkNew = async ({ params, body }: FastifyRequest, failed: ReadonlySet<string>): Promise<void> => {
    const application = await context.applications.get((params as { client_id: string }).client_id); // of the path
    await service.checkNewGroup(context, application, body as GroupFields, failed); // only what met the schema
  };
  const checkChange = async ({ params, body }: FastifyRequest): Promise<void> => {
    const { client_id: clientId, group } = params as { client_id: string; group: string }; // of the path
    const application = await context.applications.get(clientId);
    await service.checkGroupChange(context, application, group, body as GroupFields); // as above
  };

  app.post(
    GROUPS,
    {
      config: { access: 'admin', check: checkNew },
      schema: {
        operationId: 'createGroup',
        summary: 'Make a profile group',
        description:
          'A new group has no members. `membership_type: "dynamic"` with a `rule_tree` makes one whose members follow a rule.',
        tags,
        params: ClientIdParams,
        body: Type.Object(GroupFields.properties, { examples: NEW_GROUP_EXAMPLES }),
        response: { 201: GroupResource },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      const made = await service.createGroup(context, application, request.body, actorName(request.credential));
      reply.code(201);
      return present(made);
    },
  );

  app.get(
    GROUPS,
    {
      config: { access: 'admin', check: readList },
      schema: {
        operationId: 'listGroups',
        summary: 'List profile groups',
        description: 'Newest first.',
        tags,
        params: ClientIdParams,
        querystring: Type.Object({ ...PageQuery, ...GroupFilterQuery }),
        response: { 200: PageOf(GroupResource) },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const [page, filter] = readList(request);
      const { rows, count } = await service.listGroups(context, application, filter, page);
      return presentPage(request, page, ROWS, rows, count, present);
    },
  );

  app.get(
    GROUP,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'getGroup',
        summary: 'Get a profile group',
        description: '404 while the group is deactivated.',
        tags,
        params: GroupParams,
        response: { 200: GroupResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      return present(await service.showGroup(context, application, request.params.group));
    },
  );

  app.patch(
    GROUP,
    {
      config: { access: 'admin', optionalBody: true, check: checkChange },
      schema: {
        operationId: 'updateGroup',
        summary: 'Change a profile group',
        description:
          'Changes the given fields. `is_active: false` makes the group unavailable; 409 while a rule reads it. A new `rule_tree` ' +
          'backfills in the background: the old members are served until the new ones are there, in one step.',
        tags,
        params: GroupParams,
        headers: IfMatch,
        body: GroupFields,
        response: { 200: GroupResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const { group } = request.params;
      return present(
        await service.updateGroup(
          context,
          application,
          group,
          request.body,
          actorName(request.credential),
          request.headers['if-match'],
        ),
      );
    },
  );

  app.delete(
    GROUP,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'deleteGroup',
        summary: 'Delete a profile group',
        description: 'Cannot be undone. 409 while a rule reads the group.',
        tags,
        params: GroupParams,
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      await service.deleteGroup(context, application, request.params.group);
      return reply.code(204).send(null);
    },
  );

  app.post(
    `${GROUP}restore/`,
    {
      config: { access: 'admin', optionalBody: true },
      schema: {
        operationId: 'restoreGroup',
        summary: 'Bring a deactivated group back',
        description: 'With the members that it had; a dynamic group is filled by its rule first.',
        tags,
        params: GroupParams,
        response: { 200: GroupResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      return present(await service.restoreGroup(context, application, request.params.group));
    },
  );

  app.get(
    '/api/v1/applications/:client_id/profiles/:profile_id/profile-groups/',
    {
      config: { access: 'any' },
      schema: {
        operationId: 'listGroupsOfProfile',
        summary: 'List the groups of a profile',
        description: 'Newest group first. With an access token of the profile: those that are visible to members.',
        tags,
        params: ClientProfileParams,
        querystring: Type.Object(PageQuery),
        response: { 200: PageOf(ProfileGroupResource) },
      },
    },
    async (request) => {
      const { application, profile } = await reachToChange(context, request);
      if (application.client_id !== request.params.client_id) throw notFound();
      const page = readPage(request, store.GROUP_ORDER);
      const onlyVisible = request.credential?.kind === 'profile';
      const { rows, count } = await store.pageOfProfileGroups(
        context.db,
        application.id,
        profile.id,
        onlyVisible,
        page,
      );
      return presentPage(request, page, store.GROUP_ORDER, rows, count, presentProfileGroup);
    },
  );
}

const readList = (request: FastifyRequest) =>
  readAll(
    () => readPage(request, store.GROUP_ORDER),
    () => readGroupFilter(request.query as Query),
  );

const ROWS = { ...store.GROUP_ORDER, key: ({ group }: service.PresentedGroup) => store.GROUP_ORDER.key(group) };

const presentProfileGroup = (group: Group): ProfileGroupResource => ({
  group_id: group.id,
  group_name: group.name,
  profile_count: group.profile_count,
  is_active: group.is_active,
  created_at: formatInstant(group.created_at),
  custom_id: group.custom_id,
});
