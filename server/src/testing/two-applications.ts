// Two applications on one server, each with one of everything that a path may name, and everybody who may knock: what the
// tests over all routes send and expect. Routes are taken from the OpenAPI document, so a new one is among them by itself.

import { createAdminToken, createApplication } from '../applications/application-service.ts';
import { sql } from '../database/database.ts';
import type { Access, OwnAccess } from '../http/route.ts';
import { newId } from '../ids.ts';
import { formatInstant } from '../instant.ts';
import { openSession } from '../producers/session.ts';
import { SESSION_COOKIE } from '../http/schemas.ts';
import type { ProducerRole } from '../credential.ts';
import type { TestServer } from './server.ts';

export interface Operation {
  id: string;
  method: string;
  /** With `{parameter}`s, behind `/api/v1/`; from the root where it is elsewhere. */
  path: string;
  access: Access | OwnAccess;
  reads: boolean;
  /** A body that the route takes, if it takes one: the document's example. */
  example: unknown;
  /** Of the body. */
  contentType: string;
  isStream: boolean;
}

interface Described {
  operationId: string;
  'x-access'?: Access | OwnAccess;
  'x-reads': boolean;
  requestBody?: { content: Record<string, { example?: unknown; examples?: Record<string, { value: unknown }> }> };
  responses: Record<string, { content?: Record<string, unknown> }>;
}

/** Where the document's example says less than the route asks, or is no JSON. */
const BODIES: Record<string, unknown> = {
  pinProfile: { pin: 'in', reason: 'r' },
  replaceMembers: `"${newId()}"\n`,
  updateWebhook: {},
  updateSource: {},
  updateApplication: { limits: { max_profiles_per_day: { value: 1_000_000 } } },
  createSource: { name: 'Shop', kind: 'segment' },
};

/** Every operation that says who may call it, the public ones included. */
export async function listOperations(server: TestServer): Promise<Operation[]> {
  const { body } = await server.call<{ paths: Record<string, Record<string, Described>> }>('GET', 'openapi.json', {
    token: null,
  });
  return Object.entries(body.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, described]): Operation[] => {
      const access = described['x-access'];
      if (access === undefined) return [];
      const content = described.requestBody?.content ?? {};
      const json = content['application/json'];
      const [contentType = 'application/json'] = json ? [] : Object.keys(content);
      return [
        {
          id: described.operationId,
          method: method.toUpperCase(),
          path: path.replace('/api/v1/', ''),
          access,
          reads: described['x-reads'],
          example: BODIES[described.operationId] ?? json?.example ?? Object.values(json?.examples ?? {})[0]?.value,
          contentType,
          isStream: described.responses['200']?.content?.['text/event-stream'] !== undefined,
        },
      ];
    }),
  );
}

export interface Tenant {
  clientId: string;
  applicationId: number;
  clientSecret: string;
  adminToken: string;
  fan: { id: string; token: string; customId: string };
  otherFan: { id: string; token: string };
  producers: Record<ProducerRole, string>;
  /** Of sources of Segment's kind: trusted as a server, and as a page. */
  writeKeys: { server: string; client: string };
  /** What LiveLike's webhooks are signed with. */
  liveLikeSecret: string;
  /** What stands for each path parameter. */
  params: Record<string, string>;
}

const RULE = { attribute: 'total_comments_posted', condition: 'greater_than', value: 0 };

/** One of everything, made by calls as far as there are some. */
export async function createTenant(server: TestServer, clientId: string): Promise<Tenant> {
  const { context } = server.app;
  const clientSecret = `the-client-secret-of-${clientId}-0123456789`;
  const { application } = await createApplication(context, { clientId, name: clientId, clientSecret });
  const { token: adminToken } = await createAdminToken(context, application.id, { name: 'admin' });
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await server.call<T>(method, path, { token: adminToken, ...(body !== undefined && { body }) });
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const root = `applications/${clientId}/`;
  const customId = `fan-of-${clientId}`;
  type Made = { id: string; access_token: string };
  const fan = await call<Made>('POST', `profile-by-custom-id/${clientId}/${customId}/`, {
    attributes: [{ key: 'tier', value: clientId }],
  });
  const otherFan = await call<Made>('POST', `${root}profile/`, {});
  const key = `key-of-${clientId}`;
  const type = `type-of-${clientId}`;
  await call('POST', `${root}profile-attributes/`, { key, type: 'string' });
  await call('POST', `${root}activity-types/`, { type });
  await call('POST', `${root}activities/`, {
    activities: [{ id: `activity-of-${clientId}`, type, profile_id: fan.id }],
  });
  const fixed = await call<{ id: string }>('POST', `${root}profile-groups/`, {
    name: 'Static',
    custom_id: `static-of-${clientId}`,
  });
  await call('POST', `${root}profile-groups/${fixed.id}/members/`, { profile_ids: [fan.id] });
  const group = await call<{ id: string; ruleset: { id: string } }>('POST', `${root}profile-groups/`, {
    name: 'Dynamic',
    membership_type: 'dynamic',
    custom_id: `dynamic-of-${clientId}`,
    rule_tree: RULE,
  });
  await call('PUT', `${root}profile-groups/${group.id}/pins/${fan.id}/`, {
    pin: 'in',
    reason: `reason of ${clientId}`,
  });
  const webhook = await call<{ id: string }>('POST', `${root}webhooks/`, {
    url: 'https://8.8.8.8/',
    description: `of ${clientId}`,
  });
  const deliveryId = newId();
  await context.db.query(sql`
    insert into webhook_deliveries (webhook_id, id, stream, event, first_sequence, last_sequence, state, created_at, attempts)
    values (${webhook.id}, ${deliveryId}, 'test', ${`event of ${clientId}`}, 0, 0, 'failed', ${formatInstant(context.clock.now())}, '[]')`);
  const makeSource = (fields: object) =>
    call<{ id: string; write_key: string }>('POST', `${root}sources/`, { kind: 'segment', ...fields });
  const source = await makeSource({ name: `source of ${clientId}` });
  const page = await makeSource({ name: `page of ${clientId}`, trust: 'client' });
  const liveLikeSecret = `over-there-of-${clientId}`;
  const liveLike = await makeSource({ name: `LiveLike of ${clientId}`, kind: 'livelike', write_key: liveLikeSecret });
  const importId = await importNothing(server, root, adminToken);
  const token = await call<{ id: string }>('POST', `${root}access-tokens/`, { name: `token of ${clientId}` });
  const producers = {
    owner: await createProducer(server, application.id, 'owner', clientId),
    editor: await createProducer(server, application.id, 'editor', clientId),
    viewer: await createProducer(server, application.id, 'viewer', clientId),
  };
  const invited = await server.call<{ id: string }>('POST', `${root}producers/invitations/`, {
    token: null,
    headers: await signedIn(server, producers.owner),
    body: { email: `invited-to-${clientId}@example.com`, role: 'viewer' },
  });
  return {
    clientId,
    applicationId: application.id,
    clientSecret,
    adminToken,
    fan: { id: fan.id, token: fan.access_token, customId },
    otherFan: { id: otherFan.id, token: otherFan.access_token },
    producers,
    writeKeys: { server: source.write_key, client: page.write_key },
    liveLikeSecret,
    params: {
      client_id: clientId,
      program_id: clientId,
      profile_id: fan.id,
      custom_id: customId,
      group: group.id,
      ruleset_id: group.ruleset.id,
      token_id: token.id,
      producer_id: producers.viewer,
      invitation_id: invited.body.id,
      activity_id: `activity-of-${clientId}`,
      type,
      key,
      webhook_id: webhook.id,
      delivery_id: deliveryId,
      import_id: importId,
      source_id: source.id,
      livelike_source_id: liveLike.id,
    },
  };
}

/** An import that is through with its only row, which it refused. */
async function importNothing(server: TestServer, root: string, token: string): Promise<string> {
  const { body } = await server.call<{ id: string }>('POST', `${root}imports/?of=profiles`, {
    token,
    headers: { 'content-type': 'application/x-ndjson' },
    body: '{}\n',
  });
  for (;;) {
    const answer = await server.call<{ state: string }>('GET', `${root}imports/${body.id}/`, { token });
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
    if (['done', 'failed'].includes(answer.body.state)) return body.id;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function createProducer(
  server: TestServer,
  applicationId: number,
  role: ProducerRole,
  clientId: string,
): Promise<string> {
  const { context } = server.app;
  const id = newId();
  const now = formatInstant(context.clock.now());
  await context.db.query(sql`
    insert into producers (id, email, name, password_hash, created_at, updated_at, sessions_valid_after)
    values (${id}, ${`${role}@${clientId}.example`}, ${role}, null, ${now}, ${now}, '-infinity')`);
  await context.db.query(sql`
    insert into producer_roles (producer_id, application_id, role, created_at) values (${id}, ${applicationId}, ${role}, ${now})`);
  return id;
}

/** The headers of a browser that is signed in, by a session of its own. */
export async function signedIn(
  server: TestServer,
  producerId: string,
): Promise<{ cookie: string; 'x-csrf-token': string }> {
  const { context } = server.app;
  const session = await openSession(context, context.db, producerId);
  return { cookie: `${SESSION_COOKIE}=${session.token}`, 'x-csrf-token': session.csrfToken };
}

/** Fills a path. A parameter that nobody named gets an id that nothing has. */
export const fill = (path: string, params: Record<string, string>): string =>
  path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? newId()));

/** When somebody was last seen: looking is no change. */
const SEEN = new Set(['last_used_at']);
/** What the server keeps of itself: sessions of those who knock, counts that it makes at its own times. */
const OF_ITSELF = [
  'producer_sessions',
  'sign_in_attempts',
  'leases',
  'sweeps',
  'settings',
  'daily_counts',
  'minute_counts',
  'usage_figures',
];

/** All that is stored: equal before and after means that nothing was changed. */
export async function everythingStored(server: TestServer): Promise<Set<string>> {
  const { db } = server.app.context;
  const tables = await db.query<{ name: string }>(sql`
    select tablename as name from pg_tables where schemaname = 'public' and tablename <> all (${OF_ITSELF}::text[])
      and not exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid where c.relname = tablename)`);
  const stored = new Set<string>();
  for (const { name } of tables.rows) {
    const { rows } = await db.withClient((client) =>
      client.query<{ row: Record<string, unknown> }>(`select to_jsonb(t) as row from ${name} t`),
    );
    for (const { row } of rows)
      stored.add(`${name} ${JSON.stringify(Object.entries(row).filter(([column]) => !SEEN.has(column)))}`);
  }
  return stored;
}

/** What is in one of them and not in the other. */
export const differences = (before: Set<string>, after: Set<string>): string[] => [
  ...[...before].filter((row) => !after.has(row)).map((row) => `gone: ${row}`),
  ...[...after].filter((row) => !before.has(row)).map((row) => `new: ${row}`),
];
