// Every operation of the OpenAPI document is sent the largest bodies that its limit lets through, under the names that its
// schema has. What comes back is short, and nobody else waits for it.

import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_REFUSAL_BYTES } from '../problems.ts';
import { fullList, LARGE_VALUES } from '../testing/large-bodies.ts';
import { sendRaw, type RawAnswer } from '../testing/raw.ts';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';
import { costOf, slowness, type Cost } from '../testing/stall.ts';
import type { OpenApiDocument } from './openapi.ts';

const MIB = 1024 * 1024;
/** What stands around a value in a body. */
const FRAME = 200;
const ATTEMPTS = 3;
const SECRET = 'the-client-secret-over-there';

interface Schema {
  type?: string | string[];
  properties?: Record<string, Schema>;
  maxItems?: number;
}
interface Operation {
  name: string;
  path: string;
  method: string;
  security: Record<string, unknown>[];
  limit: number;
  body: Schema;
}

let server: TestServer;
let operations: Operation[];
let values: Record<string, string>;
/** By the names of the document's security schemes. */
let tokens: Record<string, (body: Buffer) => Record<string, string>>;
let allowedMs: number;

beforeAll(async () => {
  server = await startTestServer({ env: { RATE_LIMIT_APPLICATION: '0', RATE_LIMIT_PROFILE: '0' } });
  const profile = await server.sdk.profiles.create({ custom_id: 'fan' });
  const rule = { attribute: 'nickname', condition: 'equals', value: 'x' } as const;
  const dynamic = await server.sdk.groups.create({ name: 'D', membership_type: 'dynamic', rule_tree: rule });
  const still = await server.sdk.groups.create({ name: 'S' });
  await server.sdk.attributes.define({ key: 'own', type: 'string' });
  await server.call('POST', `applications/${CLIENT_ID}/activity-types/`, { body: { type: 'own-type', label: 'Own' } });
  const owner = await server.call<{ csrf_token: string }>('POST', 'producers/invitations/accept/', {
    token: null,
    body: { token: server.app.firstOwnerToken, email: 'o@example.com', name: 'O', password: 'correct horse battery' },
  });
  const cookie = (owner.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const segment = await server.sdk.sources.create({ name: 'Segment', kind: 'segment' });
  const liveLike = await server.sdk.sources.create({ name: 'LiveLike', kind: 'livelike', write_key: SECRET });
  tokens = {
    adminToken: () => ({ authorization: `Bearer ${ADMIN_TOKEN}` }),
    profileToken: () => ({ authorization: `Bearer ${profile.access_token ?? ''}` }),
    producerSession: () => ({ cookie, 'x-csrf-token': owner.body.csrf_token }),
    writeKey: () => ({ authorization: `Basic ${btoa(`${segment.write_key}:`)}` }),
    webhookSignature: (body) => ({ 'x-webhook-signature': createHmac('sha1', SECRET).update(body).digest('base64') }),
  };
  values = {
    client_id: CLIENT_ID,
    profile_id: profile.id,
    group: dynamic.id,
    still: still.id,
    ruleset_id: dynamic.ruleset?.id ?? '',
    key: 'own',
    type: 'own-type',
    livelike_source_id: liveLike.id,
  };
  const { body } = await server.call<OpenApiDocument>('GET', 'openapi.json', { token: null });
  operations = operationsOf(body);
  allowedMs = 100 * slowness();
});
afterAll(() => server.close());

/** Those that take JSON. */
function operationsOf({ paths, components }: OpenApiDocument): Operation[] {
  const resolve = (schema: Schema & { $ref?: string }): Schema =>
    schema.$ref ? ((components.schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {}) as Schema) : schema;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, described]) => {
      const operation = described as unknown as {
        operationId: string;
        security: Operation['security'];
        requestBody?: { description?: string; content: Record<string, { schema: Schema }> };
      };
      const media = operation.requestBody?.content['application/json'];
      if (!media) return [];
      const limit = Number(/^At most (\d+) MiB/.exec(operation.requestBody?.description ?? '')?.[1]) * MIB;
      const { operationId: name, security } = operation;
      return [{ name, path, method: method.toUpperCase(), security, limit, body: resolve(media.schema) }];
    }),
  );
}

/** Reading is the same for every operation: of bodies that have none of its fields a few are enough. */
const ANYWHERE = ['numbers', 'one object of many names', 'a wide tree'];
/** Instead of a list that is as long as it may be. */
const TOO_LONG = ['numbers, no more than are read', 'objects, no more than are read', 'numbers', 'one long text'];

const made = new Map<string, string>();
/** Made once for each length: many operations have the same limit. */
function largeValue(what: string, bytes: number): string {
  const key = `${what} ${bytes}`;
  const value = made.get(key) ?? LARGE_VALUES[what]?.(bytes) ?? '';
  if (bytes <= 2 * MIB) made.set(key, value);
  return value;
}

/** By what they are. */
function* bodiesFor({ body: { properties = {} }, limit }: Operation): Generator<[string, string]> {
  const fields = Object.entries(properties);
  const lists = fields.filter(([, { maxItems }]) => maxItems !== undefined);
  const share = Math.floor((limit - FRAME) / Math.max(1, fields.length)) - FRAME;
  for (const what of Object.keys(LARGE_VALUES)) {
    const value = (bytes: number): string => largeValue(what, bytes);
    if (ANYWHERE.includes(what)) yield [what, value(limit)];
    if (fields.length > lists.length) {
      const large = value(share);
      yield [`${what} in every field`, `{${fields.map(([name]) => `"${name}":${large}`).join(',')}}`];
    }
    for (const [name, { maxItems = 0 }] of lists) {
      yield [`${maxItems} times ${what} in ${name}`, `{"${name}":${fullList(maxItems, limit - FRAME, value)}}`];
      if (TOO_LONG.includes(what)) yield [`${what} in ${name}`, `{"${name}":${value(limit - FRAME)}}`];
    }
  }
}

async function send(
  { method, path, security, name }: Operation,
  body: string,
  measure: { afresh?: boolean; live?: boolean },
): Promise<Cost<RawAnswer>> {
  const bytes = Buffer.from(body);
  const [scheme = ''] = security.flatMap((one) => Object.keys(one));
  const named = { ...values, ...(name.endsWith('Members') && { group: values['still'] }) } as Record<string, string>;
  const url = path.replace(/\{(\w+)\}/g, (_all, parameter: string) => named[parameter] ?? 'other');
  const head = [
    `${method} ${url} HTTP/1.1`,
    'Host: x',
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${bytes.length}`,
    ...Object.entries(tokens[scheme]?.(bytes) ?? {}).map(([header, value]) => `${header}: ${value}`),
  ];
  const request = Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), bytes]);
  return costOf(() => sendRaw(server.url, request), measure);
}

describe('the largest bodies', () => {
  it('are refused cheaply by every operation', async () => {
    expect(operations.length).toBeGreaterThan(20);
    const dear: string[] = [];
    for (const operation of operations) {
      for (const [what, body] of bodiesFor(operation)) {
        const isFine = ({ result, stallMs, heapBytes }: Cost<RawAnswer>): boolean =>
          result.status >= 200 && result.status < 500 && stallMs < allowedMs && heapBytes < 64 * MIB + body.length;
        let cost = await send(operation, body, { afresh: false });
        for (let attempt = 1; attempt < ATTEMPTS && !isFine(cost); attempt++) cost = await send(operation, body, {});
        // Where elements are read one by one, what is left of them is garbage that nobody has needed to collect yet.
        if (!isFine(cost)) cost.heapBytes = (await send(operation, body, { live: true })).heapBytes;
        const { result, stallMs, heapBytes } = cost;
        const size = Buffer.byteLength(result.text);
        const isShort = result.status < 400 || size <= MAX_REFUSAL_BYTES;
        const line = `${operation.name}, ${what}: ${result.status}, ${size} bytes, ${Math.round(stallMs)} ms, ${Math.round(heapBytes / MIB)} MiB`;
        if (process.env['SHOW_COSTS']) process.stderr.write(`${line}\n`);
        if (!isFine(cost) || !isShort) dear.push(line);
      }
    }
    expect(dear).toEqual([]);
  }, 600_000);
});
