import { Type, type Static } from 'typebox';
import type { Context } from '../context.ts';
import { PageOf, PageQuery, presentPage, readPage } from '../database/page.ts';
import { actorName, type Credential } from '../credential.ts';
import { denied, invalid, notFound } from '../errors.ts';
import { ClientIdParams, NoContent, Timestamp, nullable } from '../http/schemas.ts';
import type { App } from '../http/route.ts';
import { readUuid } from '../ids.ts';
import { formatInstant, parseInstant, type Instant } from '../instant.ts';
import { ApplicationResource, presentApplication } from './application.ts';
import { createAdminToken, rotateClientSecret } from './application-service.ts';
import * as store from './application-store.ts';

const AdminToken = Type.Object({
  id: Type.String(),
  name: Type.String(),
  hint: Type.String({ description: 'The last four characters.' }),
  read_only: Type.Boolean(),
  created_at: Timestamp('When it was made.'),
  expires_at: nullable({ description: 'When it dies by itself, if ever.' }),
  last_used_at: nullable({ description: 'When it was last used, to the hour.' }),
  created_by: nullable({
    description: '`token:<name>` or `producer:<email>`; null: the server’s own start or command line.',
  }),
});

/** Of tokens that made one another: each is looked up with all before it. */
const MAX_LINE = 10;

export function applicationRoutes(app: App, context: Context): void {
  /** What a token makes ends when it does, at the latest. */
  const readExpiry = (text: string | null = null, credential: Credential | undefined): Instant | null => {
    const at = text === null ? null : parseInstant(text);
    if (at === undefined || (at !== null && at <= context.clock.now()))
      throw invalid('expires_at', 'This must be an ISO 8601 date and time in the future.');
    const latest = credential?.kind === 'admin' ? credential.expiresAt : null;
    if (at !== null && latest !== null && at > latest)
      throw invalid('expires_at', `This may be at most ${formatInstant(latest)}, when the token that makes it ends.`);
    return at ?? latest;
  };

  app.get(
    '/api/v1/applications/:client_id/',
    {
      config: { access: 'public', share: 'none' },
      schema: {
        operationId: 'getApplication',
        summary: 'Get an application',
        description: 'Addresses of everything that belongs to the application. Needs no credential.',
        tags: ['Applications'],
        params: ClientIdParams,
        response: { 200: ApplicationResource },
      },
    },
    async (request) => presentApplication(await context.applications.get(request.params.client_id), request.origin),
  );

  app.get(
    '/api/v1/applications/:client_id/client-secret/',
    {
      config: { access: 'owner-session' },
      schema: {
        operationId: 'getClientSecret',
        summary: 'Get the client secret',
        description:
          'The secret with which the application signs tokens for its own accounts. Only for an owner who is signed in: admin tokens get 403.',
        tags: ['Applications'],
        params: ClientIdParams,
        response: { 200: Type.Object({ client_secret: Type.String() }) },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      reply.header('cache-control', 'no-store');
      return { client_secret: application.secrets[0] ?? '' };
    },
  );

  app.post(
    '/api/v1/applications/:client_id/client-secret/',
    {
      config: { access: 'owner-session' },
      schema: {
        operationId: 'rotateClientSecret',
        summary: 'Rotate the client secret',
        description:
          'Makes a new client secret. The old one is accepted for another 24 hours. Only for an owner who is signed in.',
        tags: ['Applications'],
        params: ClientIdParams,
        response: {
          200: Type.Object({
            client_secret: Type.String(),
            previous_accepted_until: Timestamp('Until when the old secret is accepted.'),
          }),
        },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      const { clientSecret, previousUntil } = await rotateClientSecret(context, application);
      reply.header('cache-control', 'no-store');
      return { client_secret: clientSecret, previous_accepted_until: formatInstant(previousUntil) };
    },
  );

  app.get(
    '/api/v1/applications/:client_id/access-tokens/',
    {
      config: { access: 'owner' },
      schema: {
        operationId: 'listAdminTokens',
        summary: 'List admin access tokens',
        description: 'The application’s admin tokens that were not revoked, newest first; never the tokens themselves.',
        tags: ['Access tokens'],
        params: ClientIdParams,
        querystring: Type.Object(PageQuery),
        response: { 200: PageOf(AdminToken) },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const page = readPage(request, store.ADMIN_TOKEN_ORDER);
      const { rows, count } = await store.pageOfAdminTokens(context.db, application.id, page);
      return presentPage(request, page, store.ADMIN_TOKEN_ORDER, rows, count, presentToken);
    },
  );

  app.post(
    '/api/v1/applications/:client_id/access-tokens/',
    {
      config: {
        access: 'owner',
        check: ({ body, credential }) => readExpiry((body as { expires_at?: string | null }).expires_at, credential), // it met the schema
      },
      schema: {
        operationId: 'createAdminToken',
        summary: 'Make an admin access token',
        description:
          'The token is in this answer and nowhere else: keep it. Made with an admin token, it ends with that one: by its `expires_at` at the latest, and when it is revoked.',
        tags: ['Access tokens'],
        params: ClientIdParams,
        body: Type.Object({
          name: Type.String({ minLength: 1, maxLength: 100, examples: ['season import'] }),
          read_only: Type.Optional(Type.Boolean({ description: 'May only read, preview and verify. Default false.' })),
          expires_at: Type.Optional(
            nullable({
              description: 'When it dies by itself. Default: with the token that makes it, else never.',
              examples: ['2030-01-01T00:00:00Z'],
            }),
          ),
        }),
        response: { 201: Type.Object({ ...AdminToken.properties, token: Type.String() }) },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      const { name, read_only: readOnly = false } = request.body;
      const { credential } = request;
      const expiresAt = readExpiry(request.body.expires_at, credential);
      if (credential?.kind === 'admin' && credential.madeBy.length >= MAX_LINE)
        throw denied(`This token was made by a token, and so on, ${MAX_LINE} times: it makes no further one.`);
      const options = { name, readOnly, expiresAt, ...(credential && { by: credential }) };
      const made = await createAdminToken(context, application.id, options);
      reply.header('cache-control', 'no-store').code(201);
      return {
        ...presentToken({
          id: made.id,
          name,
          hint: made.token.slice(-4),
          read_only: readOnly,
          created_at: made.now,
          expires_at: expiresAt,
          last_used_at: null,
          created_by: credential ? actorName(credential) : null,
        }),
        token: made.token,
      };
    },
  );

  app.delete(
    '/api/v1/applications/:client_id/access-tokens/:token_id/',
    {
      config: { access: 'owner' },
      schema: {
        operationId: 'revokeAdminToken',
        summary: 'Revoke an admin access token',
        description: 'It is dead at once, and so is every token that it made.',
        tags: ['Access tokens'],
        params: Type.Object({
          ...ClientIdParams.properties,
          token_id: Type.String({ description: 'The token’s id, as the list shows it.' }),
        }),
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      const id = readUuid(request.params.token_id);
      await context.db.transaction(async (tx) => {
        if (!id || !(await store.revokeAdminToken(tx, application.id, id, formatInstant(context.clock.now()))))
          throw notFound();
      });
      return reply.code(204).send(null);
    },
  );
}

function presentToken(row: store.AdminTokenRow): Static<typeof AdminToken> {
  return {
    id: row.id,
    name: row.name,
    hint: row.hint,
    read_only: row.read_only,
    created_at: formatInstant(row.created_at),
    expires_at: row.expires_at === null ? null : formatInstant(row.expires_at),
    last_used_at: row.last_used_at === null ? null : formatInstant(row.last_used_at),
    created_by: row.created_by,
  };
}
