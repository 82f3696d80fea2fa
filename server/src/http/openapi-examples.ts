// Examples for the OpenAPI document: a schema's own where it has one, else composed from those of its parts.

export type Json = Record<string, unknown>;

/** As much of JSON Schema as our routes use. */
export interface JsonSchema {
  $ref?: string;
  type?: string | string[];
  description?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  examples?: unknown[];
  format?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  additionalProperties?: boolean | JsonSchema;
  patternProperties?: Record<string, JsonSchema>;
}

/** What stands in fields of these names, wherever they occur. */
const BY_NAME: Record<string, unknown> = {
  id: '174cc6dd-c1da-42d2-886e-c48b2bf803a8',
  profile_id: '174cc6dd-c1da-42d2-886e-c48b2bf803a8',
  group: '13a1fd98-24ca-4935-8791-5556586c0005',
  group_id: '13a1fd98-24ca-4935-8791-5556586c0005',
  ruleset_id: '59019dcd-32c9-48d6-acdd-a304a974f886',
  token_id: '01968a1c-9f0e-7b5e-a5d4-3c1f0a2b4c6d',
  client_id: 'my-application',
  custom_id: 'fan-1001',
  name: 'Group1',
  description: 'Sample Profile Group',
  nickname: 'Final Horse',
  key: 'team',
  value: 'lions',
  hint: 'x4Qz',
  email: 'ada@example.com',
  access_token: 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpZCI6Ii…',
  token: 'gs_5tQm…',
  subscribe_channel: 'profile.174cc6dd-c1da-42d2-886e-c48b2bf803a8',
};
const MOMENT = '2025-04-28T12:16:49.670053Z';
const URL_FIELD = /(^|_)url(_template)?$/;

/** By this field the kinds of a resource are told apart. */
const KIND = 'membership_type';

/** What stands beside the schema of a body or an answer: one example, or one of each kind by name. */
export function examplesOf(schema: JsonSchema, role: 'request' | 'answer'): Json {
  const kinds = (schema.examples ?? []).filter(
    (example): example is Json => typeof example === 'object' && example !== null && KIND in example,
  );
  if (kinds.length < 2) return { example: exampleOf(schema, '', role) };
  return { examples: Object.fromEntries(kinds.map((value) => [String(value[KIND]), { value }])) };
}

/** A request shows what it must hold and what its schema gives examples for; an answer shows everything. */
export function exampleOf(schema: JsonSchema, name: string, role: 'request' | 'answer' = 'answer'): unknown {
  if (schema.examples && schema.examples.length > 0) return schema.examples[0];
  if (schema.default !== undefined) return schema.default;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const choice = (schema.anyOf ?? schema.oneOf)?.[0];
  if (choice) return exampleOf(choice, name, role);
  const types = [schema.type].flat();
  if (types.includes('null') && !(name in BY_NAME && name !== 'custom_id')) return null;
  if (types.includes('object') || schema.properties) return exampleObject(schema, role);
  if (types.includes('array'))
    return schema.items && schema.maxItems !== 0 ? exampleItems(schema.items, singular(name), role) : [];
  if (types.includes('boolean')) return true;
  if (types.includes('integer') || types.includes('number')) return schema.minimum ?? 1;
  if (types.includes('string')) return exampleString(schema, name);
  return types.includes('null') ? null : (BY_NAME[name] ?? 'anything');
}

/** A list of what has several kinds shows them all. */
function exampleItems(items: JsonSchema, name: string, role: 'request' | 'answer'): unknown[] {
  return 'examples' in examplesOf(items, role) ? (items.examples ?? []) : [exampleOf(items, name, role)];
}

function exampleObject(schema: JsonSchema, role: 'request' | 'answer'): Json {
  const shown = Object.entries(schema.properties ?? {}).filter(
    ([key, property]) => role === 'answer' || schema.required?.includes(key) === true || hasExample(property),
  );
  return Object.fromEntries(shown.map(([key, property]) => [key, exampleOf(property, key, role)]));
}

const hasExample = (schema: JsonSchema): boolean => (schema.examples?.length ?? 0) > 0;

function exampleString(schema: JsonSchema, name: string): string {
  const known = BY_NAME[name];
  if (typeof known === 'string') return known;
  if (
    schema.format === 'date-time' ||
    name.endsWith('_at') ||
    name.endsWith('_until') ||
    name === 'as_of' ||
    name === 'since'
  )
    return MOMENT;
  if (schema.format === 'uri' || URL_FIELD.test(name))
    return `http://localhost:7070/api/v1/${name.endsWith('template') ? '{id}/' : ''}`;
  return 'text'.slice(0, schema.maxLength ?? 4).padEnd(schema.minLength ?? 0, 'x');
}

const PROFILE_ID = '174cc6dd-c1da-42d2-886e-c48b2bf803a8';
const GROUP_OF_PROFILE = {
  group_id: '13a1fd98-24ca-4935-8791-5556586c0005',
  group_name: 'Group1',
  profile_count: 1,
  is_active: true,
  created_at: MOMENT,
  custom_id: null,
};
const STREAMS: Record<string, string> = {
  'application/x-ndjson': `"${PROFILE_ID}"\n"d4b24ed2-f242-4a5a-9ae1-d9b7834f5a98"\n`,
  'text/csv': `profile_id\n${PROFILE_ID}\n`,
  'text/event-stream': `event: groups\ndata: ${JSON.stringify([GROUP_OF_PROFILE])}\n\n`,
};

/** What a body or an answer of this media type looks like, where it is no JSON. */
export const exampleOfStream = (type: string): string | undefined => STREAMS[type];

const singular = (name: string): string => (name.endsWith('_ids') ? name.slice(0, -1) : name);
