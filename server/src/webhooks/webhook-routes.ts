import { Type } from 'typebox';
import type { FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import { actorName } from '../credential.ts';
import { PageOf, PageQuery, presentPage, readPage } from '../database/page.ts';
import { invalid } from '../errors.ts';
import type { App } from '../http/route.ts';
import { asPresented, ClientIdParams, IfMatch, NoContent, readPathId } from '../http/schemas.ts';
import { parseInstant, type Instant } from '../instant.ts';
import { presentWebhook, WebhookFields, WebhookResource } from './webhook.ts';
import * as service from './webhook-service.ts';
import { WEBHOOK_ORDER } from './webhook-store.ts';

export const WebhookParams = Type.Object({
  ...ClientIdParams.properties,
  webhook_id: Type.String({ description: 'The webhook’s id, a UUID.' }),
});

export const WEBHOOKS = '/api/v1/applications/:client_id/webhooks/';
export const WEBHOOK = '/api/v1/applications/:client_id/webhooks/:webhook_id/';
const tags = ['Webhooks'];

export function webhookRoutes(app: App, context: Context, services: service.WebhookServices): void {
  app.setSerializerCompiler(asPresented);
  const check =
    (isNew: boolean) =>
    async ({ params, body }: FastifyRequest): Promise<void> => {
      const application = await context.applications.get((params as { client_id: string }).client_id); // of the path
      await service.checkFields(context, services, application, body as WebhookFields, isNew); // only what met the schema
    };

  app.post(
    WEBHOOKS,
    {
      config: { access: 'owner', check: check(true) },
      schema: {
        operationId: 'createWebhook',
        summary: 'Create a webhook',
        description:
          'It is told of everything that happens from now on. Its `secret` is shown here only. How messages look and how to verify them: docs/webhooks.md.',
        tags,
        params: ClientIdParams,
        body: WebhookFields,
        response: { 201: WebhookResource },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      const actor = actorName(request.credential);
      const made = await service.createWebhook(context, services, application, request.body, actor);
      reply.code(201).header('cache-control', 'no-store');
      return presentWebhook(made.webhook, made.oldest, made.secret);
    },
  );

  app.get(
    WEBHOOKS,
    {
      config: { access: 'admin', check: (request) => readPage(request, WEBHOOK_ORDER) },
      schema: {
        operationId: 'listWebhooks',
        summary: 'List webhooks',
        description: 'Newest first.',
        tags,
        params: ClientIdParams,
        querystring: Type.Object(PageQuery),
        response: { 200: PageOf(WebhookResource) },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const page = readPage(request, WEBHOOK_ORDER);
      const { rows, count } = await service.listWebhooks(context, application, page);
      const order = { ...WEBHOOK_ORDER, key: ({ webhook }: service.ShownWebhook) => WEBHOOK_ORDER.key(webhook) };
      return presentPage(request, page, order, rows, count, ({ webhook, oldest }) => presentWebhook(webhook, oldest));
    },
  );

  app.get(
    WEBHOOK,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'getWebhook',
        summary: 'Get a webhook',
        description: 'With how its receiver is doing.',
        tags,
        params: WebhookParams,
        response: { 200: WebhookResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const { webhook, oldest } = await service.showWebhook(
        context,
        application,
        readPathId(request.params.webhook_id),
      );
      return presentWebhook(webhook, oldest);
    },
  );

  app.patch(
    WEBHOOK,
    {
      config: { access: 'owner', optionalBody: true, check: check(false) },
      schema: {
        operationId: 'updateWebhook',
        summary: 'Change a webhook',
        description:
          'Changes the given fields. What is newly followed is told from now on; `rewind/` tells what was before. `is_active: true` goes on where it ended, and tries at once.',
        tags,
        params: WebhookParams,
        headers: IfMatch,
        body: WebhookFields,
        response: { 200: WebhookResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const id = readPathId(request.params.webhook_id);
      const ifMatch = request.headers['if-match'];
      const shown = await service.updateWebhook(context, services, application, id, request.body, ifMatch);
      return presentWebhook(shown.webhook, shown.oldest);
    },
  );

  app.delete(
    WEBHOOK,
    {
      config: { access: 'owner' },
      schema: {
        operationId: 'deleteWebhook',
        summary: 'Delete a webhook',
        description: 'With its position and its deliveries; cannot be undone. `is_active: false` only turns it off.',
        tags,
        params: WebhookParams,
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      await service.deleteWebhook(context, application, readPathId(request.params.webhook_id));
      services.wake();
      return reply.code(204).send(null);
    },
  );

  app.post(
    `${WEBHOOK}rotate-secret/`,
    {
      config: { access: 'owner', optionalBody: true },
      schema: {
        operationId: 'rotateWebhookSecret',
        summary: 'Rotate the secret of a webhook',
        description: 'Shows the new secret, once. For 24 hours messages are signed with the old one too.',
        tags,
        params: WebhookParams,
        body: Type.Object({}),
        response: { 200: Type.Object({ secret: Type.String({ description: '`whsec_…`' }) }) },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      const secret = await service.rotateSecret(context, application, readPathId(request.params.webhook_id));
      services.wake();
      reply.header('cache-control', 'no-store');
      return { secret };
    },
  );

  app.post(
    `${WEBHOOK}rewind/`,
    {
      config: { access: 'owner', optionalBody: true, check: readSince },
      schema: {
        operationId: 'rewindWebhook',
        summary: 'Tell a webhook everything since an instant once more',
        description:
          'Goes on from there, as far as the feeds reach, with new ids; up to a minute that lies before it may come too. A stream that is further back stays where it is.',
        tags,
        params: WebhookParams,
        body: Type.Object({
          since: Type.Optional(
            Type.String({ description: 'Required: ISO 8601.', examples: ['2025-04-28T12:00:00.000000Z'] }),
          ),
        }),
        response: { 200: WebhookResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const since = readSince(request);
      const shown = await service.rewindWebhook(
        context,
        services,
        application,
        readPathId(request.params.webhook_id),
        since,
      );
      return presentWebhook(shown.webhook, shown.oldest);
    },
  );
}

function readSince({ body }: FastifyRequest): Instant {
  const { since } = (body ?? {}) as { since?: unknown }; // an object, by its schema
  if (since === undefined) throw invalid('since', 'This field is required.');
  const at = typeof since === 'string' ? parseInstant(since) : undefined;
  if (at === undefined) throw invalid('since', 'This must be an ISO 8601 date and time.');
  return at;
}
