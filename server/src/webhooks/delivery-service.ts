// What was sent to a webhook, and sending by hand: a test, and a message once more. What waits to be tried again by itself is
// only made due, so that it keeps its place; all else goes out now, and the caller hears what became of it.

import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import type { PageRequest } from '../database/page.ts';
import { conflict, notFound } from '../errors.ts';
import { newId, readUuid } from '../ids.ts';
import type { Instant } from '../instant.ts';
import { TEST_STREAM, type Delivery } from './delivery.ts';
import * as store from './delivery-store.ts';
import { createFeedReader, findFeedGroup } from './feed.ts';
import { testBody } from './message.ts';
import { attemptOf, isTaken } from './outcome.ts';
import type { Sender } from './send.ts';
import { sign } from './signature.ts';
import { sourceOf } from './stream.ts';
import { findStreamOf, makeMessageDue } from './stream-store.ts';
import type { Webhook } from './webhook.ts';
import { secretsOf } from './webhook-secrets.ts';
import { findWebhook, touchWebhook } from './webhook-store.ts';

export interface ShownDelivery {
  delivery: Delivery;
  nextAttemptAt: Instant | null;
  body?: string | null;
}

async function getWebhook(context: Context, application: Application, id: string): Promise<Webhook> {
  const uuid = readUuid(id);
  const webhook = uuid === undefined ? undefined : await findWebhook(context.db, application.id, uuid);
  if (!webhook) throw notFound();
  return webhook;
}

export async function listDeliveries(
  context: Context,
  application: Application,
  webhookId: string,
  filter: store.DeliveryFilter,
  page: PageRequest,
): Promise<{ rows: Delivery[]; count: number | undefined }> {
  const { id } = await getWebhook(context, application, webhookId);
  return store.pageOfDeliveries(context.db, id, filter, page);
}

/** With the body that was sent. */
export async function showDelivery(
  context: Context,
  application: Application,
  webhookId: string,
  id: string,
): Promise<ShownDelivery> {
  // prettier-ignore
  const webhook = await getWebhook(context, application, webhookId);
  const delivery = await getDelivery(context, webhook, id);
  const stream = await findStreamOf(context.db, webhook.id, delivery.id);
  const body = await bodyOf(context, application, webhook, delivery);
  return { delivery, nextAttemptAt: stream?.nextAttemptAt ?? null, body: body ?? null };
}

async function getDelivery(context: Context, webhook: Webhook, id: string): Promise<Delivery> {
  const uuid = readUuid(id);
  const delivery = uuid === undefined ? undefined : await store.findDelivery(context.db, webhook.id, uuid);
  if (!delivery) throw notFound();
  return delivery;
}

async function bodyOf(
  context: Context,
  application: Application,
  webhook: Webhook,
  delivery: Delivery,
): Promise<string | undefined> {
  // prettier-ignore
  const clientId = application.client_id;
  if (delivery.stream === TEST_STREAM) return testBody(clientId, webhook.id, delivery.created_at);
  const source = sourceOf(delivery.stream);
  const group = source.kind === 'changes' ? await findFeedGroup(context.db, source.groupId) : undefined;
  const bounds = { event: delivery.event, first: delivery.first_sequence, last: delivery.last_sequence };
  return createFeedReader(context.db).again(delivery.stream, { webhook, clientId, group }, bounds);
}

export async function retryDelivery(
  context: Context,
  { sender, wake }: { sender: Sender; wake(): void },
  application: Application,
  webhookId: string,
  id: string,
): Promise<ShownDelivery> {
  const webhook = await getWebhook(context, application, webhookId);
  const delivery = await getDelivery(context, webhook, id);
  const waiting = await context.db.transaction(async (tx) => {
    const stream = await findStreamOf(tx, webhook.id, delivery.id);
    if (!stream) return false;
    if (!webhook.is_active)
      throw conflict('This webhook is turned off: what waits is sent when it is turned on again.');
    await makeMessageDue(tx, webhook.id, delivery.id);
    await touchWebhook(tx, webhook.id);
    return true;
  });
  if (waiting) {
    wake();
    return showDelivery(context, application, webhookId, id);
  }
  const body = await bodyOf(context, application, webhook, delivery);
  if (body === undefined) throw conflict('The feed does not reach back to this message any more.');
  const sent = await sendNow(context, sender, webhook, delivery, body);
  return { delivery: { ...sent, attempts: [...delivery.attempts, ...sent.attempts] }, nextAttemptAt: null, body };
}

/** Sends a message of no other meaning, also to a webhook that is turned off. */
export async function testWebhook(
  context: Context,
  sender: Sender,
  application: Application,
  webhookId: string,
): Promise<ShownDelivery> {
  // prettier-ignore
  const webhook = await getWebhook(context, application, webhookId);
  const delivery: Delivery = {
    webhook_id: webhook.id,
    id: newId(),
    stream: TEST_STREAM,
    event: 'test',
    first_sequence: 0,
    last_sequence: 0,
    state: 'failed',
    created_at: context.clock.now(),
    attempts: [],
  };
  const body = testBody(application.client_id, webhook.id, delivery.created_at);
  return { delivery: await sendNow(context, sender, webhook, delivery, body), nextAttemptAt: null, body };
}

/** One attempt, written down; the delivery with that attempt alone. */
async function sendNow(
  context: Context,
  sender: Sender,
  webhook: Webhook,
  delivery: Delivery,
  body: string,
): Promise<Delivery> {
  // prettier-ignore
  const startedAt = context.clock.now();
  const headers = sign(delivery.id, body, secretsOf(context.secrets, webhook, startedAt), startedAt);
  const answer = await sender.send(`${webhook.id} by hand`, { url: webhook.url, headers, body });
  sender.forget(`${webhook.id} by hand`);
  const state = isTaken(answer) || delivery.state === 'delivered' ? 'delivered' : 'failed';
  const sent: Delivery = { ...delivery, state, attempts: [attemptOf({ answer, startedAt })] };
  await context.db.transaction((tx) => store.writeDeliveries(tx, [sent]));
  return sent;
}
