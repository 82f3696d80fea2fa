import { Type } from 'typebox';
import type { FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import { PageOf, PageQuery, presentPage, readPage, type PageRequest, type Query } from '../database/page.ts';
import { invalid, readAll } from '../errors.ts';
import type { App } from '../http/route.ts';
import { DeliveryResource, presentDelivery, type DeliveryState } from './delivery.ts';
import * as service from './delivery-service.ts';
import { DELIVERY_ORDER, type DeliveryFilter } from './delivery-store.ts';
import type { Sender } from './send.ts';
import { EVENTS } from './webhook.ts';
import { WEBHOOK, WebhookParams } from './webhook-routes.ts';

const STATES = ['pending', 'delivered', 'failed'];
const tags = ['Webhooks'];

export function deliveryRoutes(app: App, context: Context, services: { sender: Sender; wake(): void }): void {
  const params = Type.Object({
    ...WebhookParams.properties,
    delivery_id: Type.String({ description: 'The delivery’s id, which is the `webhook-id` of its message.' }),
  });

  app.get(
    `${WEBHOOK}deliveries/`,
    {
      config: { access: 'admin', check: readList },
      schema: {
        operationId: 'listWebhookDeliveries',
        summary: 'List what was sent to a webhook',
        description: 'Of the last seven days, newest first, with every attempt.',
        tags,
        params: WebhookParams,
        querystring: Type.Object({
          ...PageQuery,
          state: Type.Optional(Type.String({ description: `One of ${STATES.join(', ')}.`, examples: ['pending'] })),
          event: Type.Optional(Type.String({ description: 'Of one event.', examples: ['membership.changed'] })),
        }),
        response: { 200: PageOf(DeliveryResource) },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const [page, filter] = readList(request);
      const { webhook_id: id } = request.params;
      const { rows, count } = await service.listDeliveries(context, application, id, filter, page);
      return presentPage(request, page, DELIVERY_ORDER, rows, count, (row) => presentDelivery(row));
    },
  );

  app.get(
    `${WEBHOOK}deliveries/:delivery_id/`,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'getWebhookDelivery',
        summary: 'Get what was sent to a webhook, with its body',
        description: 'The body is told anew from the feed: custom ids are those of now, and an erased fan’s is gone.',
        tags,
        params,
        response: { 200: DeliveryResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const { webhook_id: webhookId, delivery_id: id } = request.params;
      return present(await service.showDelivery(context, application, webhookId, id));
    },
  );

  app.post(
    `${WEBHOOK}deliveries/:delivery_id/retry/`,
    {
      config: { access: 'owner', optionalBody: true },
      schema: {
        operationId: 'retryWebhookDelivery',
        summary: 'Send a message to a webhook once more',
        description:
          'Under the same `webhook-id`. One that waits is made due and keeps its place; any other is sent now, and the answer tells what became of it.',
        tags,
        params,
        body: Type.Object({}),
        response: { 200: DeliveryResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const { webhook_id: webhookId, delivery_id: id } = request.params;
      return present(await service.retryDelivery(context, services, application, webhookId, id));
    },
  );

  app.post(
    `${WEBHOOK}test/`,
    {
      config: { access: 'owner', optionalBody: true },
      schema: {
        operationId: 'testWebhook',
        summary: 'Send a test to a webhook',
        description: 'Sends the event `test` now, also where the webhook is turned off, and answers with the outcome.',
        tags,
        params: WebhookParams,
        body: Type.Object({}),
        response: { 200: DeliveryResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      return present(await service.testWebhook(context, services.sender, application, request.params.webhook_id));
    },
  );
}

const present = ({ delivery, nextAttemptAt, body }: service.ShownDelivery): DeliveryResource =>
  presentDelivery(delivery, nextAttemptAt, body);

const readList = (request: FastifyRequest): [PageRequest, DeliveryFilter] =>
  readAll(
    () => readPage(request, DELIVERY_ORDER),
    () => readFilter(request.query as Query),
  );

function readFilter({ state, event }: Query): DeliveryFilter {
  const one = (name: string, value: Query[string], allowed: readonly string[]): string | undefined => {
    if (value === undefined || (typeof value === 'string' && allowed.includes(value))) return value;
    throw invalid(name, `This must be one of ${allowed.join(', ')}.`);
  };
  const [found, of] = readAll(
    () => one('state', state, STATES),
    () => one('event', event, EVENTS),
  );
  return { ...(found !== undefined && { state: found as DeliveryState }), ...(of !== undefined && { event: of }) }; // one of them
}
