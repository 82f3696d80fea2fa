// Signing in and out, and accepting an invitation.

import { Type } from 'typebox';
import type { FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import type { Credential } from '../credential.ts';
import { denied } from '../errors.ts';
import { NoContent } from '../http/schemas.ts';
import type { App } from '../http/route.ts';
import { guessing } from './guessing.ts';
import { MAX_NAME, MIN_PASSWORD, Role, SessionResource, checkPart } from './producer.ts';
import * as service from './producer-service.ts';
import * as store from './producer-store.ts';
import { giveCookie, producerOf, sessionDetails, sourceOf, takeCookie, type NewSession } from './session.ts';

const Password = Type.String({ maxLength: 1000 });
const InvitationToken = Type.String({ maxLength: 200, description: 'What stands behind the # of the link.' });
const Done = Type.Object({ csrf_token: Type.String({ description: 'Every unsafe method needs it in X-CSRF-Token.' }) });

export function sessionRoutes(app: App, context: Context): void {
  const guesses = guessing(context);

  app.get(
    '/api/v1/session/',
    {
      config: { access: 'any' },
      schema: {
        operationId: 'getSession',
        summary: 'Who is signed in',
        description: 'The producer or admin token that asks, and the applications it reaches.',
        tags: ['Producers'],
        response: { 200: SessionResource },
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      return present(request.credential);
    },
  );

  app.post(
    '/api/v1/producers/sessions/',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'signIn',
        summary: 'Sign in as a producer',
        description:
          'Opens a session and sets its cookie, and one by which this device is known the next time. After five wrong passwords from a device or an address it waits for a minute, then longer: 429 with Retry-After; who signed in before is not kept out by what others try. Whether anybody has the e-mail address cannot be told from the answer.',
        tags: ['Producers'],
        body: Type.Object({
          email: Type.String({ maxLength: 1000, examples: ['ana@example.com'] }),
          password: Password,
        }),
        response: { 201: Done },
      },
    },
    async (request, reply) => {
      refuseOtherSites(request);
      const { session, device } = await service.signIn(context, guesses, request.body, sourceOf(request));
      giveCookie(request, reply, session, device);
      return reply.code(201).send(done(session));
    },
  );

  app.delete(
    '/api/v1/producers/session/',
    {
      config: { access: 'producer' },
      schema: {
        operationId: 'signOut',
        summary: 'Sign out',
        description: 'Ends this session.',
        tags: ['Producers'],
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      await store.deleteSession(context.db.own, Buffer.from(producerOf(request.credential).sessionId, 'hex'));
      takeCookie(request, reply);
      return reply.code(204).send(null);
    },
  );

  app.delete(
    '/api/v1/producers/sessions/',
    {
      config: { access: 'producer' },
      schema: {
        operationId: 'signOutEverywhere',
        summary: 'Sign out everywhere',
        description: 'Ends every session of the producer who asks, this one included. All devices are strangers again.',
        tags: ['Producers'],
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      const { producerId } = producerOf(request.credential);
      await service.signOutEverywhere(context, producerId);
      takeCookie(request, reply);
      return reply.code(204).send(null);
    },
  );

  app.post(
    '/api/v1/producers/password/',
    {
      config: { access: 'producer', check: ({ body }) => checkPart(body as { password?: string }) }, // likewise
      schema: {
        operationId: 'changePassword',
        summary: 'Change your password',
        description:
          'Ends every other session of yours; this one goes on under a new cookie. What others tried never locks it.',
        tags: ['Producers'],
        body: Type.Object({ current_password: Password, password: Password }),
        response: { 200: Done },
      },
    },
    async (request, reply) => {
      const { producerId: id, email, sessionId } = producerOf(request.credential);
      const { device } = sourceOf(request);
      const session = await service.changePassword(context, guesses, { id, email, sessionId }, request.body, device);
      giveCookie(request, reply, session);
      return done(session);
    },
  );

  app.post(
    '/api/v1/producers/invitations/show/',
    {
      config: { access: 'public', reads: true },
      schema: {
        operationId: 'getInvitation',
        summary: 'Look at an invitation',
        description: 'What an invitation’s link is for. 404 once it was accepted, withdrawn or is too old.',
        tags: ['Producers'],
        body: Type.Object({ token: InvitationToken }),
        response: {
          200: Type.Object({
            email: Type.Unsafe<string | null>({
              type: ['string', 'null'],
              description: 'Null: the first owner, who names it.',
            }),
            role: Role,
            application: Type.Object({ client_id: Type.String(), name: Type.String() }),
            has_account: Type.Boolean({ description: 'Whether the password of an account that exists accepts it.' }),
          }),
        },
      },
    },
    async (request, reply) => {
      const { email, role, application, hasAccount } = await service.getInvitation(context, request.body.token);
      reply.header('cache-control', 'no-store');
      return {
        email,
        role,
        application: { client_id: application.client_id, name: application.name },
        has_account: hasAccount,
      };
    },
  );

  app.post(
    '/api/v1/producers/invitations/accept/',
    {
      config: { access: 'public', check: ({ body }) => checkPart(body as Partial<service.Acceptance>) }, // it met the schema
      schema: {
        operationId: 'acceptInvitation',
        summary: 'Accept an invitation',
        description: `Makes the account, or proves the one that exists, gives it the role and signs in. A name has 1 to ${MAX_NAME} characters, a password ${MIN_PASSWORD} or more.`,
        tags: ['Producers'],
        body: Type.Object({
          token: InvitationToken,
          email: Type.Optional(Type.String({ maxLength: 1000, description: 'Only of the first owner.' })),
          name: Type.Optional(Type.String({ maxLength: 1000 })),
          password: Password,
        }),
        response: { 201: Done },
      },
    },
    async (request, reply) => {
      refuseOtherSites(request);
      const { session, device } = await service.acceptInvitation(context, guesses, request.body, sourceOf(request));
      giveCookie(request, reply, session, device);
      return reply.code(201).send(done(session));
    },
  );
}

const done = (session: NewSession): { csrf_token: string } => ({ csrf_token: session.csrfToken });

/** No page of another site signs a producer in. */
function refuseOtherSites(request: FastifyRequest): void {
  if (request.headers['sec-fetch-site'] === 'cross-site') throw denied('Sign in on the console itself.');
}

function present(credential: Credential | undefined): SessionResource {
  if (credential?.kind === 'producer') {
    const { csrfToken, name } = sessionDetails(credential);
    const applications = [...credential.roles.values()].map(({ application, role }) => ({
      client_id: application.client_id,
      name: application.name,
      role,
    }));
    return { kind: 'producer', name, email: credential.email, csrf_token: csrfToken, applications };
  }
  if (credential?.kind !== 'admin') throw denied('This needs an admin access token or the session of a producer.');
  const { client_id, name } = credential.application;
  const role = credential.readOnly ? 'viewer' : 'admin';
  return {
    kind: 'admin',
    name: credential.name,
    email: null,
    csrf_token: null,
    applications: [{ client_id, name, role }],
  };
}
