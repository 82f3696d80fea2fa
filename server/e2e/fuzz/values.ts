// Values for the fuzz, from JSON schemas: valid ones, valid ones with a flaw, and hostile ones. Ids of things that exist only
// at run time are references into pools, which are resolved just before a request is sent.

import fc from 'fast-check';
import type { JsonSchema } from '../../src/http/openapi-examples.ts';

/** A value of a pool, by a number that is taken modulo its size. */
export interface PoolRef {
  $pool: string;
  n: number;
}

export const poolRef = (pool: string): fc.Arbitrary<PoolRef> =>
  fc.record({ $pool: fc.constant(pool), n: fc.nat(1000) });

export const isPoolRef = (value: unknown): value is PoolRef =>
  typeof value === 'object' && value !== null && '$pool' in value;

/** Texts that others stumbled over. */
export const HOSTILE_TEXTS = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  '\udfff x',
  '💩'.repeat(300),
  'x'.repeat(5000),
  '__proto__',
  'constructor',
  "'; drop table profiles; --",
  '%00',
  '%',
  '../../etc/passwd',
  '${7*7}',
  'null',
  'NaN',
  '-1',
  '1e999',
  '99999999999999999999',
  '0000-00-00T00:00:00Z',
  '9999-12-31T23:59:59.999999Z',
  '2024-02-30T00:00:00Z',
  'custom:',
  'custom:\ud800',
  '00000000-0000-0000-0000-000000000000',
  '\u202e\u0007\ufeff',
  'ß'.repeat(255),
];

const deep = (levels: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
};

const HOSTILE_VALUES: unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  -0.0001,
  2 ** 31,
  2 ** 53,
  -(2 ** 63),
  1e308,
  [],
  {},
  [null],
  [[]],
  [{}],
  { a: null },
  { toString: 1, length: -1 },
  deep(20),
  deep(80),
  Array.from({ length: 2000 }, () => 'x'),
  ...HOSTILE_TEXTS,
];

export const hostile: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...HOSTILE_VALUES) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }) },
);

export const hostileText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...HOSTILE_TEXTS),
  fc.string({ unit: 'binary', maxLength: 40 }),
);

const text = (min = 0, max = 40): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ unit: 'grapheme', minLength: min, maxLength: Math.min(max, 40) }),
    fc.string({ minLength: min, maxLength: Math.min(max, 40) }),
  );

const instant = fc
  .date({ min: new Date('1990-01-01'), max: new Date('2150-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString());

const leaf = fc.constantFrom(
  { attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 2 },
  { attribute: 'total_comments_posted', condition: 'between', value: [1, 5], window: 'P7D' },
  { attribute: 'has_ever_commented', condition: 'is', value: false },
  { attribute: 'nickname', condition: 'starts_with', value: 'F' },
  { attribute: 'team', condition: 'is_empty' },
  { attribute: 'random_bucket', condition: 'less_than', value: 5000, salt: 's' },
);

const ruleTree = fc.letrec<{ node: object }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.record({
      operator: fc.constantFrom('AND', 'OR'),
      children: fc.array(tie('node'), { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ operator: fc.constant('NOT'), children: fc.array(tie('node'), { minLength: 1, maxLength: 1 }) }),
    fc.record({
      operator: fc.constant('AT_LEAST'),
      count: fc.constant(1),
      children: fc.array(tie('node'), { minLength: 1, maxLength: 3 }),
    }),
  ),
})).node;

const key = fc.constantFrom('team', 'city', 'score', 'vip', 'since');

/** What fields of these names hold, where a schema cannot say. */
const NAMED: Record<string, fc.Arbitrary<unknown>> = {
  profile_id: poolRef('profile_id'),
  profile_ids: fc.array(poolRef('profile_id'), { minLength: 1, maxLength: 5 }),
  application_profile_ids: fc.array(poolRef('profile_id'), { minLength: 1, maxLength: 5 }),
  custom_ids: fc.array(poolRef('custom_id'), { minLength: 1, maxLength: 5 }),
  custom_id: fc.oneof(poolRef('custom_id'), fc.uuid(), text(1, 40)),
  group_id: poolRef('group'),
  rule_tree: ruleTree,
  occurred_at: instant,
  expires_at: instant,
  email: fc.oneof(fc.constant('owner@example.com'), fc.emailAddress()),
  password: fc.constantFrom('correct horse battery', 'wrong', 'x'.repeat(200)),
  current_password: fc.constantFrom('correct horse battery', 'wrong'),
  membership_type: fc.constantFrom('static', 'dynamic'),
  key,
  type: fc.constantFrom('comment-created', 'goal-cheered', 'string', 'number', 'boolean', 'datetime', 'list'),
  data: fc.dictionary(fc.constantFrom('a', 'b'), fc.oneof(fc.integer(), text(), fc.boolean(), fc.constant(null))),
  derived_from: fc.oneof(
    fc.constant(null),
    fc.constant({ fn: 'count', types: ['comment-created'] }),
    fc.constant({ fn: 'state', types: ['goal-cheered'], key: 'a' }),
  ),
  profiles: fc.array(
    fc.record(
      { custom_id: fc.oneof(poolRef('custom_id'), fc.uuid()), nickname: fc.option(text(1, 30)) },
      { requiredKeys: ['custom_id'] },
    ),
    { minLength: 1, maxLength: 4 },
  ),
};

/** A value that the schema allows, as far as it can be told from it. */
export function valid(
  schema: JsonSchema,
  name = '',
  components: Record<string, JsonSchema> = {},
): fc.Arbitrary<unknown> {
  const own = bySchema(schema, name, components);
  const shown = schema.examples && schema.examples.length > 0 ? [fc.constantFrom(...schema.examples)] : [];
  const named = NAMED[name] && !schema.enum ? [NAMED[name], NAMED[name]] : [];
  return fc.oneof(...(named.length > 0 ? named : [own]), ...shown);
}

function bySchema(schema: JsonSchema, name: string, components: Record<string, JsonSchema>): fc.Arbitrary<unknown> {
  if (schema.$ref !== undefined)
    return bySchema(components[schema.$ref.split('/').at(-1) ?? ''] ?? {}, name, components);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return fc.oneof(...choices.map((choice) => valid(choice, name, components)));
  const types = schema.type === undefined ? ['any'] : [schema.type].flat();
  return fc.oneof(...types.map((type) => byType(type, schema, components)));
}

function byType(type: string, schema: JsonSchema, components: Record<string, JsonSchema>): fc.Arbitrary<unknown> {
  switch (type) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -1000, max: schema.maximum ?? 1000 });
    case 'number':
      return fc.double({
        noNaN: true,
        noDefaultInfinity: true,
        min: schema.minimum ?? -1e6,
        max: schema.maximum ?? 1e6,
      });
    case 'string':
      return schema.pattern === undefined
        ? text(schema.minLength, schema.maxLength)
        : fc.stringMatching(new RegExp(schema.pattern));
    case 'array':
      return fc.array(valid(schema.items ?? {}, '', components), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.max(schema.minItems ?? 0, 3),
      });
    case 'object': {
      const fields = Object.entries(schema.properties ?? {}).map(
        ([field, property]) => [field, valid(property, field, components)] as const,
      );
      return fc.record(Object.fromEntries(fields), { requiredKeys: schema.required ?? [] });
    }
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

/** The value with one of its parts replaced, left out, added or repeated. */
export function flawed(value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const flaw = fc.record({
    at: fc.nat(50),
    how: fc.constantFrom('replace', 'remove', 'add', 'repeat'),
    by: hostile,
    key: hostileText,
  });
  return fc
    .tuple(value, fc.array(flaw, { minLength: 1, maxLength: 2 }))
    .map(([base, flaws]) => flaws.reduce<unknown>((result, one) => apply(result, one), structuredClone(base)));
}

interface Flaw {
  at: number;
  how: string;
  by: unknown;
  key: string;
}

function apply(value: unknown, { at, how, by: drawn, key: added }: Flaw): unknown {
  const by = structuredClone(drawn); // what is drawn again must not hold itself: a later flaw may be put into it
  const places: { holder: Record<string, unknown>; key: string }[] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null || isPoolRef(node)) return;
    for (const [name, item] of Object.entries(node)) {
      places.push({ holder: node as Record<string, unknown>, key: name }); // objects and lists are both indexed by strings
      walk(item);
    }
  };
  walk(value);
  const place = places[at % Math.max(places.length, 1)];
  if (!place) return by;
  const { holder, key } = place;
  if (how === 'remove' && !Array.isArray(holder)) Reflect.deleteProperty(holder, key);
  else if (how === 'add' && !Array.isArray(holder))
    Object.defineProperty(holder, added, { value: by, enumerable: true, configurable: true, writable: true });
  else if (how === 'repeat' && Array.isArray(holder))
    holder.push(...Array.from({ length: 50 }, () => holder[Number(key)] as unknown));
  else holder[key] = by;
  return value;
}
