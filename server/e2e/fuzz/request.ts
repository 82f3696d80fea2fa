// One request of the fuzz: drawn from an operation of the OpenAPI document, then made concrete with what exists.

import fc from 'fast-check';
import type { JsonSchema } from '../../src/http/openapi-examples.ts';
import { flawed, hostile, hostileText, isPoolRef, poolRef, valid, type PoolRef } from './values.ts';

export interface Parameter {
  name: string;
  in: string;
  required: boolean;
  schema: JsonSchema;
}

export interface FuzzOperation {
  id: string;
  method: string;
  path: string;
  parameters: Parameter[];
  /** Names of the document's security schemes. */
  security: string[];
  body: { types: string[]; schema: JsonSchema; required: boolean } | undefined;
  /** Schemas of the answers by status; undefined where there is no JSON. */
  responses: Map<number, JsonSchema | undefined>;
}

export type Who = 'admin' | 'profile' | 'producer' | 'nobody' | 'garbage';

interface BodyDraw {
  value: unknown;
  how: 'json' | 'truncated' | 'junk' | 'wrong type' | 'no type' | 'none' | 'not utf-8' | 'encoded';
  cut: number;
  junk: Uint8Array;
  type: string;
}

export interface Draw {
  who: Who;
  path: (string | PoolRef)[];
  query: [string, string | PoolRef][];
  headers: Record<string, string>;
  body: BodyDraw | undefined;
}

export function draws(operation: FuzzOperation, components: Record<string, JsonSchema>): fc.Arbitrary<Draw> {
  const inPath = operation.parameters.filter((parameter) => parameter.in === 'path');
  return fc.record({
    who: fc.oneof(
      { weight: 8, arbitrary: fc.constant<Who>('admin') },
      { weight: 4, arbitrary: fc.constantFrom<Who[]>('profile', 'producer') },
      { weight: 1, arbitrary: fc.constantFrom<Who[]>('nobody', 'garbage') },
    ),
    path: fc.tuple(
      ...inPath.map(({ name }) =>
        fc.oneof({ weight: 12, arbitrary: poolRef(name) }, { weight: 1, arbitrary: hostileText }),
      ),
    ) as fc.Arbitrary<(string | PoolRef)[]>, // a tuple of as many as there are parameters
    query: queries(operation),
    headers: headers(operation),
    body: operation.body ? bodies(operation.body, components) : fc.constant(undefined),
  });
}

function queries({ parameters }: FuzzOperation): fc.Arbitrary<[string, string | PoolRef][]> {
  const inQuery = parameters.filter((parameter) => parameter.in === 'query');
  if (inQuery.length === 0)
    return fc.oneof(
      { weight: 9, arbitrary: fc.constant<[string, string][]>([]) },
      { weight: 1, arbitrary: fc.array(fc.tuple(hostileText, hostileText), { maxLength: 2 }) },
    );
  const likely = fc.constantFrom(
    '1',
    '2',
    '20',
    '1000',
    '0',
    'false',
    'true',
    'static',
    'a:b',
    'team:lions',
    'hour',
    'day',
    '2026-03-01T00:00:00Z',
    'F',
    'null',
  );
  const one = fc
    .constantFrom(...inQuery)
    .chain((parameter) =>
      fc.tuple(
        fc.constant(parameter.name),
        fc.oneof(
          { weight: 5, arbitrary: valid(parameter.schema, parameter.name).map(asText) },
          { weight: 5, arbitrary: likely },
          { weight: 2, arbitrary: hostileText },
        ),
      ),
    );
  return fc.oneof(fc.constant<[string, string | PoolRef][]>([]), fc.array(one, { maxLength: 3 }));
}

/** A reference stays one; what is no text is written as JSON. */
const asText = (value: unknown): string | PoolRef =>
  typeof value === 'string' || isPoolRef(value) ? value : JSON.stringify(value);

function headers({ method, parameters }: FuzzOperation): fc.Arbitrary<Record<string, string>> {
  const names = parameters.filter((parameter) => parameter.in === 'header').map((parameter) => parameter.name);
  const value = fc.oneof(
    fc.constantFrom('*', '"2025-04-28T12:16:49.670053Z"', 'x', '"'),
    fc.string({ minLength: 1, maxLength: 60 }).map((text) => text.trim() || 'x'),
  );
  const choices: fc.Arbitrary<Record<string, string>>[] = names.map((name) => value.map((text) => ({ [name]: text })));
  const key = fc.uuid().map((text) => ({ 'idempotency-key': text }));
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant({}) },
    ...(method === 'POST' ? [{ weight: 3, arbitrary: key }] : []),
    ...choices.map((arbitrary) => ({ weight: 1, arbitrary })),
  );
}

function bodies(
  body: NonNullable<FuzzOperation['body']>,
  components: Record<string, JsonSchema>,
): fc.Arbitrary<BodyDraw> {
  const good = valid(body.schema, '', components);
  return fc.record({
    value: fc.oneof(
      { weight: 6, arbitrary: good },
      { weight: 5, arbitrary: flawed(good) },
      { weight: 1, arbitrary: hostile },
    ),
    how: fc.oneof(
      { weight: 16, arbitrary: fc.constant<BodyDraw['how']>('json') },
      {
        weight: 1,
        arbitrary: fc.constantFrom<BodyDraw['how'][]>(
          'truncated',
          'junk',
          'wrong type',
          'no type',
          'none',
          'not utf-8',
          'encoded',
        ),
      },
    ),
    cut: fc.nat(1000),
    junk: fc.uint8Array({ maxLength: 100 }),
    type: fc.constantFrom(
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/xml',
      '',
    ),
  });
}

export interface ConcreteRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: Uint8Array | undefined;
}

export type Pools = Map<string, string[]>;

export function makeConcrete(
  operation: FuzzOperation,
  draw: Draw,
  origin: string,
  pools: Pools,
  credential: Record<string, string>,
): ConcreteRequest {
  let index = 0;
  const path = operation.path.replace(/\{(\w+)\}/g, () => encode(String(resolve(draw.path[index++] ?? '', pools))));
  const query = draw.query.map(([name, value]) => `${encode(name)}=${encode(String(resolve(value, pools)))}`).join('&');
  const body = draw.body && bytesOf(operation, draw.body, pools);
  const headers = { ...draw.headers, ...credential };
  if (draw.body && body) {
    const type = typeOf(operation, draw.body);
    if (type !== '') headers['content-type'] = type;
    if (draw.body.how === 'encoded') headers['content-encoding'] = 'gzip';
  }
  return { method: operation.method, url: `${origin}${path}${query === '' ? '' : `?${query}`}`, headers, body };
}

/** As encodeURIComponent, but it takes lone surrogates too: as the bytes that a careless encoder writes. */
const encode = (text: string): string =>
  Array.from(text, (character) => (character.isWellFormed() ? encodeURIComponent(character) : '%ED%A0%80'))
    .join('')
    .replace(/^\.+$/, (dots) => '%2E'.repeat(dots.length));

function resolve(value: unknown, pools: Pools): unknown {
  if (isPoolRef(value)) {
    const pool = pools.get(value.$pool) ?? pools.get('id') ?? [];
    return pool[value.n % Math.max(pool.length, 1)] ?? 'nothing-yet';
  }
  if (Array.isArray(value)) return value.map((item) => resolve(item, pools));
  if (typeof value !== 'object' || value === null) return value;
  // Not fromEntries: a key may be __proto__.
  const copy = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(value)) copy[key] = resolve(item, pools);
  return copy;
}

function typeOf(operation: FuzzOperation, body: BodyDraw): string {
  if (body.how === 'wrong type') return body.type;
  if (body.how === 'no type') return '';
  const types = operation.body?.types ?? [];
  return types[body.cut % Math.max(types.length, 1)] ?? 'application/json';
}

function bytesOf(operation: FuzzOperation, body: BodyDraw, pools: Pools): Uint8Array | undefined {
  const isJson = operation.body?.types.includes('application/json') ?? true;
  const encoded = Buffer.from(isJson ? JSON.stringify(resolve(body.value, pools)) : lines(body, pools));
  switch (body.how) {
    case 'none':
      return undefined;
    case 'truncated':
      return encoded.subarray(0, body.cut % Math.max(encoded.length, 1));
    case 'junk':
      return body.junk;
    case 'not utf-8':
      return Buffer.concat([
        encoded.subarray(0, body.cut % Math.max(encoded.length, 1)),
        Buffer.from([0xc3, 0x28, 0xff]),
        encoded,
      ]);
    default:
      return encoded;
  }
}

/** For bodies that are lists of ids, one a line. */
function lines(body: BodyDraw, pools: Pools): string {
  const ids = [
    ...(pools.get('profile_id') ?? []).slice(0, 5),
    typeof body.value === 'string' ? body.value : 'no-such-id',
  ];
  return body.cut % 2 === 0 ? ids.map((id) => JSON.stringify(id)).join('\n') : ['profile_id', ...ids].join('\n');
}
