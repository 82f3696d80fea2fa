// Every operation of the OpenAPI document under valid, almost valid and hostile requests. Whatever comes: no 5xx, no hang, only
// documented statuses, the error shapes of the API, answers that their own schemas describe; and what a 2xx answered is
// what a GET shows. Operations that are added later are covered without a word here.
//
// GRANDSTAND_SEED repeats a run, FUZZ_SECONDS makes it longer, FUZZ_ONLY takes operations whose id matches.

import { createHmac } from 'node:crypto';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAdminToken } from '../../src/applications/application-service.ts';
import { sql } from '../../src/database/database.ts';
import { ERRORS } from '../../src/errors.ts';
import type { JsonSchema } from '../../src/http/openapi-examples.ts';
import type { OpenApiDocument } from '../../src/http/openapi.ts';
import { openSession } from '../../src/producers/session.ts';
import { chooseSeed } from '../../src/testing/random.ts';
import { CLIENT_ID, startTestServer, type TestServer } from '../../src/testing/server.ts';
import {
  draws,
  makeConcrete,
  type ConcreteRequest,
  type FuzzOperation,
  type Parameter,
  type Pools,
  type Who,
} from './request.ts';

// CI judges every change by the same requests; elsewhere each run draws its own.
const SEED = process.env['CI'] && process.env['GRANDSTAND_SEED'] === undefined ? 7 : chooseSeed();
const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 10);
const ONLY = new RegExp(process.env['FUZZ_ONLY'] ?? '');
const ANSWER_WITHIN_MS = 20_000;
const LIVELIKE_SECRET = 'the-client-secret-over-there';

/** Operations that the fuzz leaves out. None: there is no reason that would hold. */
const LEFT_OUT: string[] = [];

/** Changes by itself between an answer and the GET after it: a dynamic group is being evaluated. */
const RESTLESS = new Set(['evaluation', 'profile_count', 'last_used_at', 'last_active_at']);
/** Shown by one answer and never again. */
const SHOWN_ONCE = new Set(['access_token', 'token', 'secret', 'link', 'url_once', 'write_key']);

/** Answer with what stands at another path: the limits of an application, which are not for everybody who may see it. */
const SHOWN_ELSEWHERE = new Set(['updateApplication']);

/** Need a secret that no answer contains. */
const HARD_TO_GUESS = new Set(['acceptInvitation', 'getInvitation', 'signIn', 'changePassword']);

interface Described {
  operationId: string;
  parameters: Parameter[];
  security: Record<string, unknown>[];
  requestBody?: { required: boolean; content: Record<string, { schema: JsonSchema }> };
  responses: Record<string, { content?: Record<string, { schema: JsonSchema }> }>;
}

interface World {
  server: TestServer;
  document: OpenApiDocument;
  operations: FuzzOperation[];
  pools: Pools;
  adminToken: string;
  profileToken: string;
  session: Record<string, string>;
  /** Of a source of Segment's kind. */
  writeKey: string;
  validators: Map<JsonSchema, ValidateFunction>;
}

async function makeWorld(): Promise<World> {
  const server = await startTestServer({ env: { RATE_LIMIT_PROFILE: '0', RATE_LIMIT_APPLICATION: '0' } });
  const document = (await server.call<OpenApiDocument>('GET', 'openapi.json')).body;
  const operations = Object.entries(document.paths).flatMap(
    ([path, methods]) =>
      Object.entries(methods).map(([method, described]) =>
        toOperation(method.toUpperCase(), path, described as unknown as Described),
      ), // as openapi.ts writes them
  );
  const pools: Pools = new Map([
    ['client_id', [CLIENT_ID]],
    ['type', ['comment-created', 'goal-cheered']],
    ['key', ['team', 'city']],
  ]);
  const world: World = {
    server,
    document,
    operations,
    pools,
    adminToken: '',
    profileToken: '',
    session: {},
    writeKey: '',
    validators: new Map(),
  };
  const accepted = await server.call<{ csrf_token: string }>('POST', 'producers/invitations/accept/', {
    token: null,
    body: {
      token: server.app.firstOwnerToken ?? '',
      email: 'owner@example.com',
      name: 'Owner',
      password: 'correct horse battery',
    },
  });
  world.session = {
    cookie: (accepted.headers.get('set-cookie') ?? '').split(';')[0] ?? '',
    'x-csrf-token': accepted.body.csrf_token,
  };
  await restore(world);
  return world;
}

/** A session as a sign-in opens it, without waiting for passwords and their locks. */
async function restoreSession(world: World): Promise<void> {
  const { context } = world.server.app;
  const { rows } = await context.db.query<{ id: string }>(
    sql`select id from producers where email = 'owner@example.com'`,
  );
  if (!rows[0]) return;
  const session = await openSession(context, context.db, rows[0].id);
  const [name = ''] = world.session['cookie']?.split('=') ?? [];
  world.session = { cookie: `${name}=${session.token}`, 'x-csrf-token': session.csrfToken };
}

/** What a run may have taken away: the tokens that it uses, and things for it to work on. */
async function restore(world: World): Promise<void> {
  const { server, pools } = world;
  const application = await server.app.context.applications.get(CLIENT_ID);
  world.adminToken = (await createAdminToken(server.app.context, application.id, { name: 'fuzz' })).token;
  const make = async (path: string, body: object, token = world.adminToken) => {
    const answer = await server.call<Record<string, string>>('POST', `applications/${CLIENT_ID}/${path}`, {
      token,
      body,
    });
    return answer.body;
  };
  for (let i = 0; i < 3; i++) {
    const made = await make('profile/', { custom_id: `fuzz ${Math.random()}` });
    for (const [pool, value] of [
      ['profile_id', made['id']],
      ['custom_id', made['custom_id']],
    ] as const)
      addTo(pools, pool, value ?? '');
    world.profileToken = made['access_token'] ?? '';
  }
  world.writeKey = (await make('sources/', { name: 'Fuzzed', kind: 'segment' }))['write_key'] ?? '';
  const liveLike = { name: 'Fuzzed', kind: 'livelike', write_key: LIVELIKE_SECRET };
  addTo(pools, 'livelike_source_id', (await make('sources/', liveLike))['id'] ?? '');
  addTo(pools, 'group', (await make('profile-groups/', { name: 'Fuzzed' }))['id'] ?? '');
  const rule = {
    operator: 'OR',
    children: [{ attribute: 'total_comments_posted', condition: 'greater_than', value: 1 }],
  };
  addTo(
    pools,
    'group',
    (await make('profile-groups/', { name: 'Fuzzed', membership_type: 'dynamic', rule_tree: rule }))['id'] ?? '',
  );
}

const isPoor = (pools: Pools): boolean =>
  (pools.get('livelike_source_id')?.length ?? 0) < 1 ||
  (pools.get('profile_id')?.length ?? 0) < 3 ||
  (pools.get('group')?.length ?? 0) < 2;

/** What a path names and is not there does not help any further. */
function forget(world: World, request: ConcreteRequest): void {
  const parts = new Set(new URL(request.url).pathname.split('/').map((part) => decodeURIComponent(part)));
  for (const [name, pool] of world.pools) {
    if (name !== 'client_id')
      world.pools.set(
        name,
        pool.filter((value) => !parts.has(value)),
      );
  }
}

const MAX_POOL = 12;

function addTo(pools: Pools, name: string, value: string): void {
  const pool = pools.get(name) ?? [];
  if (value === '' || pool.includes(value)) return;
  pool.unshift(value);
  pools.set(name, name === 'client_id' ? pool : pool.slice(0, MAX_POOL));
}

function toOperation(method: string, path: string, described: Described): FuzzOperation {
  const content = Object.entries(described.requestBody?.content ?? {});
  return {
    id: described.operationId,
    method,
    path,
    parameters: described.parameters.filter((parameter) => parameter.name !== 'Idempotency-Key'),
    security: described.security.flatMap((way) => Object.keys(way)),
    body: content[0] && {
      types: content.map(([type]) => type),
      schema: content[0][1].schema,
      required: described.requestBody?.required ?? false,
    },
    responses: new Map(
      Object.entries(described.responses).map(([status, response]) => [
        Number(status),
        response.content?.['application/json']?.schema,
      ]),
    ),
  };
}

interface Got {
  status: number;
  headers: Headers;
  text: string;
}

async function send(request: ConcreteRequest): Promise<Got> {
  const { method, url, headers, body } = request;
  const response = await fetch(url, {
    method,
    headers,
    ...(body && { body: new Uint8Array(body) }),
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  });
  // A stream has no end to wait for.
  if (response.headers.get('content-type')?.startsWith('text/event-stream')) {
    await response.body?.cancel();
    return { status: response.status, headers: response.headers, text: '' };
  }
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const credentialOf = (world: World, who: Who, { security }: FuzzOperation): Record<string, string> => {
  if (who === 'admin' && security.includes('writeKey')) return { authorization: `Basic ${btoa(`${world.writeKey}:`)}` };
  return {
    admin: { authorization: `Bearer ${world.adminToken}` },
    profile: { authorization: `Token ${world.profileToken}` },
    producer: world.session,
    nobody: {},
    garbage: { authorization: 'Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.' },
  }[who];
};

/** What is signed is signed once the bytes are there. */
function sign(request: ConcreteRequest, who: Who, { security }: FuzzOperation): ConcreteRequest {
  if (who !== 'admin' || !security.includes('webhookSignature')) return request;
  const signature = createHmac('sha1', LIVELIKE_SECRET)
    .update(request.body ?? '')
    .digest('base64');
  return { ...request, headers: { ...request.headers, 'x-webhook-signature': signature } };
}

function checkAnswer(world: World, operation: FuzzOperation, got: Got): unknown {
  const where = `${got.status} ${got.text.slice(0, 500)}`;
  expect(got.status, where).toBeLessThan(500);
  expect(got.headers.get('x-request-id'), where).toMatch(/^[0-9a-f-]{36}$/);
  // What the path makes of a hostile parameter may be no path of ours at all.
  if (got.status !== 404 && got.status !== 405) expect([...operation.responses.keys()], where).toContain(got.status);
  if (got.status === 204) {
    expect(got.text).toBe('');
    return undefined;
  }
  if (got.status < 300 && !operation.responses.get(got.status)) return undefined;
  expect(got.headers.get('content-type'), where).toBe('application/json; charset=utf-8');
  const body: unknown = JSON.parse(got.text);
  if (got.status < 300) {
    const validate = validatorOf(world, operation.responses.get(got.status) ?? {});
    expect(validate(body) ? [] : [JSON.stringify(validate.errors), where]).toEqual([]);
  } else checkError(operation, got, body, where);
  return body;
}

function validatorOf(world: World, schema: JsonSchema): ValidateFunction {
  let validate = world.validators.get(schema);
  if (!validate) {
    validate = new Ajv2020({ strict: false, validateFormats: false }).compile({
      ...schema,
      components: world.document.components,
    });
    world.validators.set(schema, validate);
  }
  return validate;
}

function checkError(operation: FuzzOperation, got: Got, body: unknown, where: string): void {
  if (got.status === 400) {
    expect(Object.keys(body as object).length, where).toBeGreaterThan(0);
    for (const messages of Object.values(body as object)) {
      expect(messages, where).toEqual(expect.arrayContaining([expect.any(String)]));
      for (const message of messages as unknown[]) expect(message, where).toMatch(/\S/);
    }
    return;
  }
  const [, , ...further] = Object.keys(body as object);
  expect(Object.keys(body as object), where).toEqual(['detail', 'error_code', ...further]);
  if (further.length > 0) expect(further, where).toEqual(FURTHER[operation.id]);
  const { detail, error_code: code } = body as { detail: string; error_code: keyof typeof ERRORS };
  expect(detail, where).toMatch(/\S/);
  expect(ERRORS[code]?.status, where).toBe(got.status);
  if (got.status === 401) expect(got.headers.get('www-authenticate'), where).toBeTruthy();
  if (got.status === 405) expect(got.headers.get('allow'), where).toBeTruthy();
  if (got.status === 429) expect(Number(got.headers.get('retry-after')), where).toBeGreaterThan(0);
}

/** Ids in answers become material for later requests. */
function harvest(world: World, operation: FuzzOperation, body: unknown): void {
  if (typeof body !== 'object' || body === null) return;
  const { results = [body] } = body as { results?: unknown[] };
  const [, resource = ''] = /\/([a-z-]+)\/(?:\{\w+\}\/)?$/.exec(operation.path) ?? [];
  for (const item of results.slice(0, 3)) {
    if (typeof item !== 'object' || item === null) continue;
    for (const [key, value] of Object.entries(item)) {
      if (typeof value !== 'string') continue;
      if (key === 'id') addTo(world.pools, POOL_OF[resource] ?? 'id', value);
      else if (/_id$|^(key|type)$/.test(key) && key !== 'client_id') addTo(world.pools, key, value);
    }
  }
}

/** What the description of an operation says that an error tells besides. */
const FURTHER: Record<string, string[]> = { replaceMembers: ['valid_count', 'invalid_count', 'invalid_ids'] };

const POOL_OF: Record<string, string> = {
  profile: 'profile_id',
  profiles: 'profile_id',
  'profile-groups': 'group',
  'access-tokens': 'token_id',
  activities: 'activity_id',
  rulesets: 'ruleset_id',
  producers: 'producer_id',
  invitations: 'invitation_id',
};

/** Where the thing that was made or changed is shown, if it is. */
function addressOf(
  world: World,
  operation: FuzzOperation,
  request: ConcreteRequest,
  body: Record<string, unknown>,
): string | undefined {
  const shown = (path: string): boolean =>
    world.operations.some((other) => other.method === 'GET' && other.path === path);
  const [base = ''] = request.url.split('?');
  if (operation.method === 'PATCH' || (operation.method === 'PUT' && operation.path.endsWith('}/')))
    return shown(operation.path) ? base : undefined;
  if (operation.method !== 'POST' || !('id' in body || 'key' in body || 'type' in body)) return undefined;
  if (typeof body['url'] === 'string' && body['url'].startsWith(`${world.server.url}/`)) return body['url']; // its own, not a receiver's
  const detail = world.operations.find(
    (other) =>
      other.method === 'GET' &&
      other.path.startsWith(operation.path) &&
      /^\{\w+\}\/$/.test(other.path.slice(operation.path.length)),
  );
  const parameter = detail && /\{(\w+)\}\/$/.exec(detail.path)?.[1];
  const id = parameter === undefined ? undefined : (body['id'] ?? body[parameter]);
  return typeof id === 'string' ? `${base}${encodeURIComponent(id)}/` : undefined;
}

async function checkShown(
  world: World,
  operation: FuzzOperation,
  request: ConcreteRequest,
  answered: unknown,
): Promise<void> {
  if (typeof answered !== 'object' || answered === null || SHOWN_ELSEWHERE.has(operation.id)) return;
  const body = answered as Record<string, unknown>; // an object, as checked
  const url = addressOf(world, operation, request, body);
  if (url === undefined) return;
  const token =
    typeof body['access_token'] === 'string' ? { authorization: `Bearer ${body['access_token']}` } : undefined;
  const headers =
    token ??
    Object.fromEntries(
      Object.entries(request.headers).filter(([name]) => ['authorization', 'cookie', 'x-csrf-token'].includes(name)),
    );
  const got = await send({ method: 'GET', url, headers, body: undefined });
  // A group that is switched off is gone: that is what the answer said. A webhook stays, to be switched on again.
  if (body['is_active'] === false && operation.path.includes('/profile-groups/'))
    return void expect(got.status).toBe(404);
  expect(got.status, `GET ${url} after ${operation.id}: ${got.text.slice(0, 300)}`).toBe(200);
  const seen = JSON.parse(got.text) as Record<string, unknown>;
  for (const [key, value] of Object.entries(body)) {
    if (RESTLESS.has(key) || SHOWN_ONCE.has(key)) continue;
    expect(seen[key], `${key} at ${url} after ${operation.id}`).toEqual(value);
  }
}

async function checkGone(world: World, operation: FuzzOperation, request: ConcreteRequest): Promise<void> {
  const isResource =
    operation.path.endsWith('}/') &&
    world.operations.some((other) => other.method === 'GET' && other.path === operation.path);
  // Members and pins are relations: without one there is still an answer about it. A type that is no longer registered goes on
  // to exist while activities have it.
  if (!isResource || /\/(members|pins|activity-types)\//.test(operation.path)) return;
  const got = await send({
    method: 'GET',
    url: request.url.split('?')[0] ?? '',
    headers: credentialOf(world, 'admin', operation),
    body: undefined,
  });
  expect(got.status, `GET ${request.url} after ${operation.id}: ${got.text.slice(0, 200)}`).toBe(404);
}

describe('every operation', () => {
  let world: World;
  const reached = new Map<string, Map<number, number>>();
  beforeAll(async () => {
    world = await makeWorld();
    process.stdout.write(
      `fuzz: GRANDSTAND_SEED=${SEED} FUZZ_SECONDS=${SECONDS}, ${world.operations.length} operations\n`,
    );
  });
  afterAll(() => world.server.close());

  const attempt = async (operation: FuzzOperation, request: ConcreteRequest): Promise<void> => {
    const got = await send(request);
    const statuses = reached.get(operation.id) ?? new Map<number, number>();
    statuses.set(got.status, (statuses.get(got.status) ?? 0) + 1);
    reached.set(operation.id, statuses);
    const body = checkAnswer(world, operation, got);
    if (got.status === 401) {
      if (request.headers['authorization'] === `Bearer ${world.adminToken}`) await restore(world);
      if (request.headers['authorization'] === `Token ${world.profileToken}`) await restore(world);
      if (request.headers['cookie'] !== undefined) await restoreSession(world);
      if (request.headers['x-webhook-signature'] !== undefined) await restore(world);
      if (request.headers['authorization'] === `Basic ${btoa(`${world.writeKey}:`)}`) await restore(world);
    }
    if (got.status === 404 || (got.status === 204 && operation.method === 'DELETE')) forget(world, request);
    if (got.status >= 300) return;
    harvest(world, operation, body);
    if (operation.method === 'DELETE') await checkGone(world, operation, request);
    else await checkShown(world, operation, request, body);
  };

  it('answers as documented, whatever it is sent', { timeout: (SECONDS * 3 + 120) * 1000 }, async () => {
    const chosen = world.operations.filter((operation) => ONLY.test(operation.id) && !LEFT_OUT.includes(operation.id));
    const each = (SECONDS * 1000) / chosen.length;
    const failures: string[] = [];
    for (const operation of chosen) {
      if (isPoor(world.pools)) await restore(world);
      const property = fc.asyncProperty(draws(operation, world.document.components.schemas), async (draw) => {
        const credential = credentialOf(world, draw.who, operation);
        const request = sign(
          makeConcrete(operation, draw, world.server.url, world.pools, credential),
          draw.who,
          operation,
        );
        try {
          await attempt(operation, request);
        } catch (error) {
          const sent = {
            ...request,
            body: request.body && Buffer.from(request.body).toString('latin1').slice(0, 1500),
          };
          throw new Error(`${error instanceof Error ? error.message : String(error)}\nsent: ${JSON.stringify(sent)}`, {
            cause: error,
          });
        }
      });
      // At least a few of each, however slow the machine is; then as many as there is time for.
      let result = await fc.check(property, { seed: SEED, numRuns: 3 });
      const limits = { interruptAfterTimeLimit: each, markInterruptAsFailure: false };
      if (!result.failed) result = await fc.check(property, { seed: SEED + 1, numRuns: 100_000, ...limits });
      if (result.failed && result.counterexample !== null) {
        const error =
          result.errorInstance instanceof Error ? result.errorInstance.message : String(result.errorInstance);
        failures.push(`${operation.id} (${operation.method} ${operation.path}): ${error.slice(0, 3000)}`);
      }
    }
    expect(failures, `GRANDSTAND_SEED=${SEED}\n${failures.join('\n\n')}`).toEqual([]);
  });

  it('was reached: by a success, too', () => {
    if (process.env['FUZZ_REPORT'])
      for (const [id, statuses] of reached)
        process.stdout.write(`${id} ${JSON.stringify(Object.fromEntries(statuses))}\n`);
    const missed = world.operations
      .filter((operation) => ONLY.test(operation.id) && !LEFT_OUT.includes(operation.id))
      .map((operation) => operation.id);
    expect(missed.filter((id) => !reached.has(id))).toEqual([]);
    // A short run on a busy machine draws too few requests to say more.
    if (SECONDS < 120) return;
    const failedAlways = missed.filter((id) => ![...(reached.get(id)?.keys() ?? [])].some((status) => status < 300));
    expect(
      failedAlways.filter((id) => !HARD_TO_GUESS.has(id)),
      `GRANDSTAND_SEED=${SEED}`,
    ).toEqual([]);
  });
});
