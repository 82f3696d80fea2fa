// Webhooks: made, changed, deleted, their secret rotated, their positions set back. Keeps the invariants that a webhook has a
// position in every stream it follows from the moment on that it follows it, and that no change of it is overlooked by
// whoever sends (`version`).

import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import type { Queryable } from '../database/database.ts';
import type { PageRequest } from '../database/page.ts';
import { conflict, invalid, notFound, throwFound, ValidationError, type FieldErrors } from '../errors.ts';
import { findLastSequence, numberEvents } from '../events/event-store.ts';
import { findGroup } from '../groups/group-service.ts';
import { newId, readUuid } from '../ids.ts';
import { MICROS_PER_DAY, type Instant } from '../instant.ts';
import { requireMatch } from '../profiles/profile-service.ts';
import { AddressRefused, findPublicAddresses, type Resolve } from './address.ts';
import { wantsFeed } from './board.ts';
import { failDeliveries } from './delivery-store.ts';
import { listFeedGroups, type FeedGroup } from './feed.ts';
import { findChangePosition, findEventPosition } from './rewind.ts';
import { createSecret } from './signature.ts';
import { GROUP_EVENTS_STREAM, groupStream, PROFILE_STREAMS } from './stream.ts';
import * as streams from './stream-store.ts';
import {
  CHANGED,
  followsGroup,
  MAX_WEBHOOKS,
  wantsEvent,
  type Interest,
  type Webhook,
  type WebhookFields,
} from './webhook.ts';
import * as store from './webhook-store.ts';

export const SECRET_GRACE = MICROS_PER_DAY;

export interface ShownWebhook {
  webhook: Webhook;
  oldest: Instant | null;
}

export interface WebhookServices {
  resolve: Resolve;
  /** Whoever sends looks now. */
  wake(): void;
}

const MUST_BE_URL = 'This must be an https URL, such as https://crm.example.com/grandstand.';

/** What is wrong with an address as it is written; undefined where nothing is. */
function urlProblem(text: string, allowPrivate: boolean): string | undefined {
  if (!URL.canParse(text)) return MUST_BE_URL;
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(allowPrivate && url.protocol === 'http:')) return MUST_BE_URL;
  if (url.username !== '' || url.password !== '')
    return 'A URL with a user name or password is stored nowhere: leave them out.';
  return undefined;
}

/** Adds what is wrong with the fields to `errors`; what is right is returned. */
async function readFields(
  context: Context,
  { resolve }: Pick<WebhookServices, 'resolve'>,
  application: Application,
  fields: WebhookFields,
  errors: FieldErrors,
): Promise<store.WebhookChange> {
  const { url, events, groups, ...rest } = fields;
  const allowPrivate = context.config.webhookAllowPrivate;
  if (url !== undefined) {
    const problem = urlProblem(url, allowPrivate) ?? (allowPrivate ? undefined : await addressProblem(url, resolve));
    if (problem !== undefined) errors['url'] = [problem];
  }
  for (const [index, text] of (groups ?? []).entries()) {
    if (!(await findGroup(context.db, application.id, text)))
      errors[`groups[${index}]`] = [`There is no profile group '${text}'.`];
  }
  return {
    ...rest,
    ...(url !== undefined && { url }),
    ...(events !== undefined && { events: events && [...new Set(events)] }),
    ...(groups !== undefined && { groups: groups && [...new Set(groups.map((text) => readUuid(text) ?? text))] }),
  };
}

/** A name that is not known yet may be given: every connection is judged again. */
async function addressProblem(url: string, resolve: Resolve): Promise<string | undefined> {
  try {
    await findPublicAddresses(new URL(url).hostname, resolve);
    return undefined;
  } catch (error) {
    return error instanceof AddressRefused ? error.message : undefined;
  }
}

/** Throws what is wrong with the fields that met the schema. */
export async function checkFields(
  context: Context,
  services: WebhookServices,
  application: Application,
  fields: WebhookFields,
  isNew: boolean,
): Promise<void> {
  const errors: FieldErrors = {};
  await readFields(context, services, application, fields, errors);
  if (isNew && fields.url === undefined) errors['url'] ??= ['This field is required.'];
  throwFound(errors);
}

export async function createWebhook(
  context: Context,
  services: WebhookServices,
  application: Application,
  fields: WebhookFields,
  actor: string,
): Promise<ShownWebhook & { secret: string }> {
  const errors: FieldErrors = {};
  const read = await readFields(context, services, application, fields, errors);
  if (read.url === undefined) errors['url'] ??= ['This field is required.'];
  if (Object.keys(errors).length > 0 || read.url === undefined) throw new ValidationError(errors);
  await numberEvents(context.db, application.id, 'profile');
  await numberEvents(context.db, application.id, 'group');
  const secret = createSecret();
  const webhook: store.NewWebhook = {
    id: newId(),
    application_id: application.id,
    url: read.url,
    description: read.description ?? '',
    events: read.events ?? null,
    groups: read.groups ?? null,
    switches: read.switches ?? 'changes',
    is_active: read.is_active ?? true,
    secret: context.secrets.encrypt(secret),
  };
  const made = await context.db.transaction(async (tx) => {
    if ((await store.countWebhooks(tx, application.id)) >= MAX_WEBHOOKS)
      throw conflict(`An application has at most ${MAX_WEBHOOKS} webhooks.`);
    await store.insertWebhook(tx, webhook, actor, context.clock.now());
    await streams.setPositions(tx, webhook.id, await presentPositions(tx, application.id, webhook));
    return store.findWebhook(tx, application.id, webhook.id);
  });
  if (!made) throw notFound();
  services.wake();
  return { webhook: made, oldest: null, secret };
}

/** Every stream that it follows, from here on. */
async function presentPositions(
  tx: Queryable,
  applicationId: number,
  interest: Interest,
): Promise<Map<string, number>> {
  const positions = new Map<string, number>();
  for (const group of await followedGroups(tx, applicationId, interest))
    positions.set(groupStream(group.id), group.newest);
  for (const feed of ['profile', 'group'] as const) {
    if (!wantsFeed(interest, feed)) continue;
    const last = await findLastSequence(tx, applicationId, feed);
    for (const stream of feed === 'profile' ? PROFILE_STREAMS : [GROUP_EVENTS_STREAM]) positions.set(stream, last);
  }
  return positions;
}

async function followedGroups(tx: Queryable, applicationId: number, interest: Interest): Promise<FeedGroup[]> {
  if (!wantsEvent(interest, CHANGED)) return [];
  return (await listFeedGroups(tx, [applicationId])).filter((group) => followsGroup(interest, group));
}

export async function updateWebhook(
  context: Context,
  services: WebhookServices,
  application: Application,
  id: string,
  fields: WebhookFields,
  ifMatch?: string,
): Promise<ShownWebhook> {
  const errors: FieldErrors = {};
  const read = await readFields(context, services, application, fields, errors);
  throwFound(errors);
  await numberEvents(context.db, application.id, 'profile');
  await numberEvents(context.db, application.id, 'group');
  const shown = await context.db.transaction(async (tx) => {
    const before = await store.lockWebhook(tx, application.id, id);
    if (!before) throw notFound();
    requireMatch(ifMatch, before.updated_at);
    const now = Math.max(context.clock.now(), before.updated_at + 1);
    const { is_active: isActive, ...rest } = read;
    const turned = isActive === undefined || isActive === before.is_active ? {} : { is_active: isActive };
    await store.updateWebhook(tx, id, { ...rest, ...turned }, now);
    if (read.events !== undefined || read.groups !== undefined) await followOthers(tx, before, { ...before, ...rest });
    if (turned.is_active === true) await streams.makeDue(tx, id);
    return show(tx, application, id);
  });
  services.wake();
  return shown;
}

/** What is newly followed is told from here on; what no longer is loses its position. */
async function followOthers(tx: Queryable, before: Webhook, after: Interest): Promise<void> {
  const known = new Set((await streams.listStreams(tx, [before.id])).map(({ stream }) => stream));
  const wanted = await presentPositions(tx, before.application_id, after);
  const fresh = [...wanted].filter(([stream]) => !known.has(stream));
  await streams.insertStreams(
    tx,
    fresh.map(([stream, position]) => ({ webhookId: before.id, stream, position })),
  );
  const others = [...known].filter((stream) => !wanted.has(stream));
  await streams.deleteStreams(
    tx,
    others.map((stream) => ({ webhookId: before.id, stream })),
  );
}

export async function showWebhook(context: Context, application: Application, id: string): Promise<ShownWebhook> {
  return show(context.db, application, id);
}

async function show(db: Queryable, application: Application, id: string): Promise<ShownWebhook> {
  const webhook = await store.findWebhook(db, application.id, id);
  if (!webhook) throw notFound();
  return { webhook, oldest: (await streams.findOldestUndelivered(db, [id])).get(id) ?? null };
}

export async function listWebhooks(
  context: Context,
  application: Application,
  page: PageRequest,
): Promise<{ rows: ShownWebhook[]; count: number | undefined }> {
  const { rows, count } = await store.pageOfWebhooks(context.db, application.id, page);
  const oldest = await streams.findOldestUndelivered(
    context.db,
    rows.map((webhook) => webhook.id),
  );
  return { rows: rows.map((webhook) => ({ webhook, oldest: oldest.get(webhook.id) ?? null })), count };
}

export async function deleteWebhook(context: Context, application: Application, id: string): Promise<void> {
  await context.db.transaction(async (tx) => {
    if (!(await store.lockWebhook(tx, application.id, id))) throw notFound();
    await store.deleteWebhook(tx, id, context.clock.now());
  });
}

/** A new secret. The old one signs beside it for a day, so that receivers can be told of it. */
export async function rotateSecret(context: Context, application: Application, id: string): Promise<string> {
  const secret = createSecret();
  await context.db.transaction(async (tx) => {
    const webhook = await store.lockWebhook(tx, application.id, id);
    if (!webhook) throw notFound();
    const now = context.clock.now();
    await store.rotateSecret(tx, webhook, context.secrets.encrypt(secret), now + SECRET_GRACE, now);
  });
  return secret;
}

/** Tells everything since an instant once more. A stream that is further back stays there: nothing is passed over. */
export async function rewindWebhook(
  context: Context,
  services: WebhookServices,
  application: Application,
  id: string,
  since: Instant,
): Promise<ShownWebhook> {
  if (since > context.clock.now()) throw invalid('since', 'This must not lie in the future.');
  const { db } = context;
  await numberEvents(db, application.id, 'profile');
  await numberEvents(db, application.id, 'group');
  const webhook = await store.findWebhook(db, application.id, id);
  if (!webhook) throw notFound();
  const found = await findPositions(db, application.id, webhook, since);
  const shown = await db.transaction(async (tx) => {
    if (!(await store.lockWebhook(tx, application.id, id))) throw notFound();
    const known = new Map((await streams.listStreams(tx, [id])).map((stream) => [stream.stream, stream]));
    const back = [...found].filter(([stream, position]) => position < (known.get(stream)?.position ?? Infinity));
    await streams.setPositions(tx, id, new Map(back));
    const lost = back.flatMap(([stream]) => known.get(stream)?.pending ?? []);
    await failDeliveries(tx, lost.map((pending) => ({ webhookId: id, id: pending.id }))); // prettier-ignore
    await store.touchWebhook(tx, id);
    return show(tx, application, id);
  });
  services.wake();
  return shown;
}

const AT_ONCE = 4;

async function findPositions(
  db: Queryable,
  applicationId: number,
  webhook: Webhook,
  since: Instant,
): Promise<Map<string, number>> {
  // prettier-ignore
  const positions = new Map<string, number>();
  const waiting = await followedGroups(db, applicationId, webhook);
  const work = async (): Promise<void> => {
    for (let group = waiting.pop(); group; group = waiting.pop())
      positions.set(groupStream(group.id), await findChangePosition(db, group.id, since));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  for (const feed of ['profile', 'group'] as const) {
    if (!wantsFeed(webhook, feed)) continue;
    const newest = await findLastSequence(db, applicationId, feed);
    const position = await findEventPosition(db, applicationId, feed, newest, since);
    for (const stream of feed === 'profile' ? PROFILE_STREAMS : [GROUP_EVENTS_STREAM]) positions.set(stream, position);
  }
  return positions;
}
