// Who works on an application: listing, inviting, changing roles. Only for owners who are signed in.

import { Type } from 'typebox';
import type { Context } from '../context.ts';
import { PageOf, PageQuery, presentPage, readPage } from '../database/page.ts';
import { notFound } from '../errors.ts';
import { ClientIdParams, NoContent, readPathId, Timestamp } from '../http/schemas.ts';
import type { App } from '../http/route.ts';
import { formatInstant } from '../instant.ts';
import { Role } from './producer.ts';
import * as service from './producer-service.ts';
import { producerOf } from './session.ts';
import * as store from './producer-store.ts';

const MAX_INVITATIONS = 1000;

const Producer = Type.Object({
  id: Type.String(),
  email: Type.String(),
  name: Type.String(),
  role: Role,
  created_at: Timestamp('Since when.'),
});

const Invitation = Type.Object({
  id: Type.String(),
  email: Type.String(),
  role: Role,
  created_at: Timestamp('When it was made.'),
  expires_at: Timestamp('Until when it can be accepted.'),
});

const ProducerParams = Type.Object({ ...ClientIdParams.properties, producer_id: Type.String() });

export function producerRoutes(app: App, context: Context): void {
  app.get(
    '/api/v1/applications/:client_id/producers/',
    {
      config: { access: 'owner' },
      schema: {
        operationId: 'listProducers',
        summary: 'List producers',
        description: 'Who works on the application, by e-mail address, and beside every page who is invited.',
        tags: ['Producers'],
        params: ClientIdParams,
        querystring: Type.Object(PageQuery),
        response: {
          200: Type.Object({ ...PageOf(Producer).properties, invitations: Type.Array(Invitation) }),
        },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const now = formatInstant(context.clock.now());
      const page = readPage(request, store.PRODUCER_ORDER);
      const { rows, count } = await store.pageOfProducers(context.db, application.id, page);
      const invitations = await store.listInvitations(context.db, application.id, now, MAX_INVITATIONS);
      return {
        ...presentPage(request, page, store.PRODUCER_ORDER, rows, count, (row) => ({
          ...row,
          created_at: formatInstant(row.created_at),
        })),
        invitations: invitations.map(({ id, email, role, created_at, expires_at }) => ({
          id,
          email: email ?? '',
          role,
          created_at: formatInstant(created_at),
          expires_at: formatInstant(expires_at),
        })),
      };
    },
  );

  app.post(
    '/api/v1/applications/:client_id/producers/invitations/',
    {
      config: { access: 'owner-session', check: ({ body }) => service.readAddress((body as { email?: string }).email) }, // it met the schema
      schema: {
        operationId: 'inviteProducer',
        summary: 'Invite a producer',
        description:
          'Makes a link that can be used once, within seven days. It is in this answer and nowhere else: pass it on. An earlier invitation of the same address dies, and so does this one if whoever made it is no owner any longer.',
        tags: ['Producers'],
        params: ClientIdParams,
        body: Type.Object({ email: Type.String({ maxLength: 1000, examples: ['ben@example.com'] }), role: Role }),
        response: {
          201: Type.Object({ ...Invitation.properties, link: Type.String({ description: 'Opens the console.' }) }),
        },
      },
    },
    async (request, reply) => {
      const { producerId } = producerOf(request.credential);
      const application = await context.applications.get(request.params.client_id);
      const { id, token, email, createdAt, expiresAt } = await service.inviteProducer(
        context,
        application,
        request.body,
        producerId,
      );
      reply.header('cache-control', 'no-store').code(201);
      return {
        id,
        email,
        role: request.body.role,
        created_at: formatInstant(createdAt),
        expires_at: formatInstant(expiresAt),
        link: `${request.origin}/invitation#${token}`,
      };
    },
  );

  app.delete(
    '/api/v1/applications/:client_id/producers/invitations/:invitation_id/',
    {
      config: { access: 'owner-session' },
      schema: {
        operationId: 'withdrawInvitation',
        summary: 'Withdraw an invitation',
        description: 'Its link is dead at once.',
        tags: ['Producers'],
        params: Type.Object({ ...ClientIdParams.properties, invitation_id: Type.String() }),
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      const id = request.params.invitation_id;
      await context.db.transaction(async (tx) => {
        if (!/^[0-9a-f]{64}$/.test(id) || !(await store.deleteInvitation(tx, application.id, id))) throw notFound();
      });
      return reply.code(204).send(null);
    },
  );

  app.patch(
    '/api/v1/applications/:client_id/producers/:producer_id/',
    {
      config: { access: 'owner-session' },
      schema: {
        operationId: 'changeProducerRole',
        summary: 'Change a producer’s role',
        description: '409 where the application would be left without an owner.',
        tags: ['Producers'],
        params: ProducerParams,
        body: Type.Object({ role: Role }),
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      await service.changeRole(
        context,
        await context.applications.get(request.params.client_id),
        readPathId(request.params.producer_id),
        request.body.role,
      );
      return reply.code(204).send(null);
    },
  );

  app.delete(
    '/api/v1/applications/:client_id/producers/:producer_id/',
    {
      config: { access: 'owner-session' },
      schema: {
        operationId: 'removeProducer',
        summary: 'Remove a producer',
        description:
          'From this application, at once, with the invitations that they made. 409 where it would be left without an owner.',
        tags: ['Producers'],
        params: ProducerParams,
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      await service.changeRole(
        context,
        await context.applications.get(request.params.client_id),
        readPathId(request.params.producer_id),
        undefined,
      );
      return reply.code(204).send(null);
    },
  );
}
