// The OpenAPI 3.1 document, made from the schemas that validate and serialise. OpenAPI 3.1 speaks JSON Schema itself, so they
// are taken as they are; what every operation has in common (credentials, errors, the Idempotency-Key) is added from its
// config. Made when it is first asked for, and kept. Not @fastify/swagger: it collects routes and
// schemas, the smaller part of this file; credentials, errors, examples and schemas named by `$id` would still be written here.

import { STATUS_CODES } from 'node:http';
import type { FastifySchema, RouteOptions } from 'fastify';
import { ERRORS } from '../errors.ts';
import { exampleOf, exampleOfStream, examplesOf, type Json, type JsonSchema } from './openapi-examples.ts';
import { BODY_LIMIT, isOwnAccess, type Access, type App, type OwnAccess } from './route.ts';
import { SESSION_COOKIE } from './schemas.ts';
import { readVersion } from '../version.ts';

declare module 'fastify' {
  interface FastifySchema {
    /** Left out of the document. */
    hide?: boolean;
    operationId?: string;
    summary?: string;
    description?: string;
    tags?: string[];
    /** Of a body that the route reads itself, for the document alone: nothing is held against it. */
    describedBody?: object;
    /** A reading that is 409 for some states of what it reads. */
    conflicts?: boolean;
    /** Media types of the body, where it is not JSON. */
    consumes?: string[];
    /** Media types of an answer that is streamed and has no schema. */
    produces?: string[];
    deprecated?: boolean;
  }
}

/** A route of the document as it was registered. */
export interface Operation {
  method: string;
  /** With `{parameter}`s. */
  path: string;
  access: Access | OwnAccess | undefined;
  /** Changes nothing: read-only tokens and viewers may call it. */
  reads: boolean;
  schema: FastifySchema;
  rawBody: boolean;
  optionalBody: boolean;
  /** Bytes. */
  bodyLimit: number;
}

export interface OpenApiDocument {
  openapi: string;
  info: Json;
  servers: Json[];
  tags: Json[];
  paths: Record<string, Record<string, Json>>;
  components: { schemas: Record<string, JsonSchema>; securitySchemes: Json };
}

/** Collects the routes that are registered from now on; the returned function gives the document. */
export function collectOperations(app: App): { operations: Operation[]; document: () => OpenApiDocument } {
  const operations: Operation[] = [];
  app.addHook('onRoute', (route) => {
    for (const method of [route.method].flat()) {
      const isShown = route.url.startsWith('/api/') || route.config?.ownAccess !== undefined;
      if (method !== 'HEAD' && isShown && route.schema?.hide !== true) operations.push(toOperation(method, route));
    }
  });
  let document: OpenApiDocument | undefined;
  return { operations, document: () => (document ??= describe(operations)) };
}

function toOperation(method: string, route: RouteOptions): Operation {
  return {
    method,
    path: route.url.replace(/:(\w+)/g, '{$1}'),
    access: route.config?.access ?? route.config?.ownAccess,
    reads: route.config?.reads ?? method === 'GET',
    schema: route.schema ?? {},
    rawBody: route.config?.rawBody ?? false,
    optionalBody: route.config?.optionalBody ?? false,
    bodyLimit: route.bodyLimit ?? BODY_LIMIT,
  };
}

function describe(operations: Operation[]): OpenApiDocument {
  const schemas: Record<string, JsonSchema> = { Error: ERROR_SCHEMA, ValidationError: VALIDATION_SCHEMA };
  const hoist = hoisting(schemas);
  const paths: OpenApiDocument['paths'] = {};
  for (const operation of operations) {
    (paths[operation.path] ??= {})[operation.method.toLowerCase()] = describeOperation(operation, hoist);
  }
  const tags = [...new Set(operations.flatMap((operation) => operation.schema.tags ?? []))];
  return {
    openapi: '3.1.0',
    info: {
      title: 'Grandstand',
      version: readVersion(),
      description: ABOUT,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: tags.map((name) => ({ name })),
    paths,
    components: { schemas, securitySchemes: SECURITY_SCHEMES },
  };
}

/** Plain JSON of a schema, named ones (`$id`) as references to components. */
function hoisting(schemas: Record<string, JsonSchema>): (schema: unknown) => JsonSchema {
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    const { $id, ...rest } = value as Record<string, unknown>; // an object has string keys
    const plain = Object.fromEntries(Object.entries(rest).map(([key, item]) => [key, walk(item)]));
    if (typeof $id !== 'string') return plain;
    schemas[$id] = plain;
    return { $ref: `#/components/schemas/${$id}` };
  };
  return (schema) => walk(JSON.parse(JSON.stringify(schema))) as JsonSchema; // an object stays one
}

type Hoist = (schema: unknown) => JsonSchema;

function describeOperation(operation: Operation, hoist: Hoist): Json {
  const { schema, access } = operation;
  return {
    operationId: schema.operationId,
    summary: schema.summary,
    description: schema.description,
    tags: schema.tags,
    ...(schema.deprecated === true && { deprecated: true }),
    security: SECURITY[access ?? 'public'],
    'x-access': access,
    'x-reads': operation.reads,
    parameters: [
      ...parameters(schema.params, 'path', hoist),
      ...parameters(schema.querystring, 'query', hoist),
      ...parameters(schema.headers, 'header', hoist),
      ...(operation.method === 'POST' && !isOwnAccess(access) ? [IDEMPOTENCY_KEY] : []),
    ],
    ...requestBody(operation, hoist),
    responses: responses(operation, hoist),
  };
}

function parameters(schema: unknown, place: 'path' | 'query' | 'header', hoist: Hoist): Json[] {
  if (schema === undefined) return [];
  const plain = JSON.parse(JSON.stringify(schema)) as JsonSchema; // routes give object schemas
  return Object.entries(plain.properties ?? {}).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || (plain.required?.includes(name) ?? false),
    description: property.description ?? COMMON_PARAMETERS[name],
    schema: hoist(property),
    ...(place === 'path' && { example: exampleOf(property, name) }),
  }));
}

const COMMON_PARAMETERS: Record<string, string> = {
  client_id: 'The application’s client id.',
  profile_id: 'The profile’s id, a UUID.',
  group: 'The group’s id, or `custom:` and its custom id.',
  ruleset_id: 'The ruleset’s id, a UUID.',
  producer_id: 'The producer’s id, a UUID.',
  invitation_id: 'The invitation’s id.',
};

function requestBody(operation: Operation, hoist: Hoist): Json {
  const { schema, rawBody, optionalBody, bodyLimit } = operation;
  if (rawBody) {
    const types = schema.consumes ?? ['application/x-ndjson', 'text/csv'];
    return {
      requestBody: {
        required: true,
        content: streams(types),
      },
    };
  }
  const body = schema.body ?? schema.describedBody;
  if (body === undefined) return {};
  const shown = examplesOf(JSON.parse(JSON.stringify(body)) as JsonSchema, 'request'); // routes give schemas
  return {
    requestBody: {
      description: `At most ${bodyLimit / 1_048_576} MiB.`,
      required: !optionalBody,
      content: { 'application/json': { schema: hoist(body), ...shown } },
    },
  };
}

function responses(operation: Operation, hoist: Hoist): Json {
  const { schema } = operation;
  const described: Record<string, Json> = {};
  for (const [status, response] of Object.entries((schema.response ?? {}) as Record<string, JsonSchema>)) {
    const description = response.description ?? STATUS_CODES[status] ?? 'Done.';
    described[status] =
      status === '204'
        ? { description }
        : {
            description,
            content: {
              'application/json': {
                schema: hoist(response),
                ...examplesOf(JSON.parse(JSON.stringify(response)) as JsonSchema, 'answer'),
              },
            },
          }; // a schema stays one
  }
  // An answer that is streamed has no schema.
  if (!Object.keys(described).some((status) => status.startsWith('2'))) {
    described['200'] = {
      description: schema.summary ?? 'Done.',
      ...(schema.produces && { content: streams(schema.produces) }),
    };
  }
  for (const status of errorStatuses(operation)) described[status] ??= errorResponse(status);
  return described;
}

const streams = (types: string[]): Json =>
  Object.fromEntries(types.map((type) => [type, { schema: { type: 'string' }, example: exampleOfStream(type) }]));

function errorStatuses({ method, access, path, schema, rawBody }: Operation): number[] {
  const hasBody = (schema.body ?? schema.describedBody) !== undefined || rawBody;
  const isOwn = isOwnAccess(access);
  return [
    400,
    ...((access === 'public' && method === 'GET') || access === 'anybody' ? [] : isOwn ? [401] : [401, 403]),
    ...(path.includes('{') ? [404] : []),
    ...((method === 'GET' && schema.conflicts !== true) || isOwn ? [] : [409]),
    ...(JSON.stringify(schema.headers ?? {}).includes('if-match') ? [412] : []),
    ...(hasBody ? [413, 415] : []),
    429,
    500,
    503,
  ];
}

const codes = Object.entries(ERRORS) as [keyof typeof ERRORS, (typeof ERRORS)[keyof typeof ERRORS]][]; // keys of the table

function errorResponse(status: number): Json {
  const of = codes.filter(([, error]) => error.status === status);
  const [code, error] = of[0] ?? ['internal_error', ERRORS.internal_error];
  const retry =
    status === 429 || status === 503
      ? { headers: { 'Retry-After': { description: 'Seconds.', schema: { type: 'integer' } } } }
      : {};
  if (status === 400) {
    return {
      description: 'Fields that are not valid, all at once, each with what is wrong with it.',
      content: {
        'application/json': {
          schema: { $ref: '#/components/schemas/ValidationError' },
          example: { nickname: ['This field must be string or null.'] },
        },
      },
    };
  }
  return {
    description: of.map(([name, { detail }]) => `\`${name}\`: ${detail}`).join(' '),
    ...retry,
    content: {
      'application/json': {
        schema: { $ref: '#/components/schemas/Error' },
        example: { detail: error.detail, error_code: code },
      },
    },
  };
}

const ERROR_SCHEMA: JsonSchema = {
  type: 'object',
  description: 'Every error but that of validation.',
  required: ['detail', 'error_code'],
  properties: {
    detail: { type: 'string' },
    error_code: { type: 'string', enum: Object.keys(ERRORS).filter((code) => code !== 'invalid') },
  },
};

const VALIDATION_SCHEMA: JsonSchema = {
  type: 'object',
  description:
    'Field → what is wrong with it. Nested fields by path, `rule_tree.children[0].condition`; between fields `non_field_errors`.',
  additionalProperties: { type: 'array', items: { type: 'string' } },
};

const IDEMPOTENCY_KEY: Json = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'Makes the call safe to repeat for 24 hours: the same bytes give the first 2xx answer again, with `Idempotent-Replayed: true`. ' +
    'Without a credential: 22 random characters or more.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
};

const PROFILE = { profileToken: [] };
const ADMIN = { adminToken: [] };
const PRODUCER = { producerSession: [] };

const SECURITY: Record<Access | OwnAccess, Json[]> = {
  public: [{}, ADMIN],
  profile: [PROFILE],
  admin: [ADMIN, PRODUCER],
  owner: [ADMIN, PRODUCER],
  any: [PROFILE, ADMIN, PRODUCER],
  'owner-session': [PRODUCER],
  producer: [PRODUCER],
  'write-key': [{ writeKey: [] }],
  signature: [{ webhookSignature: [] }],
  anybody: [{}],
};

const SECURITY_SCHEMES: Json = {
  profileToken: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'The access token of a profile, or a token that the application signed itself with its client secret.',
  },
  adminToken: { type: 'http', scheme: 'bearer', description: 'An admin access token of the application.' },
  producerSession: {
    type: 'apiKey',
    in: 'cookie',
    name: `__Host-${SESSION_COOKIE}`,
    description: `The session of a person who is signed in to the console; methods that change something need \`X-CSRF-Token\` as well. Without https the cookie is \`${SESSION_COOKIE}\`.`,
  },
  writeKey: {
    type: 'http',
    scheme: 'basic',
    description:
      'The write key of a source as the user name, without a password. Clients that cannot send it so say it as `writeKey` in the body.',
  },
  webhookSignature: {
    type: 'apiKey',
    in: 'header',
    name: 'X-Webhook-Signature',
    description: 'Base64 of the HMAC-SHA1 of the body by the key of the source.',
  },
};

const ABOUT =
  'Profiles and audiences for live fan engagement. Timestamps are ISO 8601 UTC with six fractional digits, ids lower-case UUIDs. ' +
  'Paths work with and without the slash at their end. Unknown top-level fields of a body are ignored. Every answer has `X-Request-Id`.';
