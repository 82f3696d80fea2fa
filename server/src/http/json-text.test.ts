import fc from 'fast-check';
import { expect, it } from 'vitest';
import { chooseSeed, propertyRuns } from '../testing/random.ts';
import { elementsOf, parseText, requireElements, unreadList, type Elements } from './elements.ts';
import { measureJson, type Measured } from './json-text.ts';

const LIMITS = { field: 'items', most: 50, bytes: 10_000 };
const RUNS = propertyRuns(500);

function measure(text: Buffer, step = text.length): Measured {
  const measure = measureJson(text, LIMITS);
  for (let to = 0; to < text.length; to += step) measure.scan(Math.min(text.length, to + step));
  return measure.result();
}

/** What body.ts refuses: one of the two lists would not be read. */
const TWICE = 'twice';

/** The value as body.ts reads it: around the list in one piece, and its elements one by one. */
function readByElements(text: string, step: number): unknown {
  const body = Buffer.from(text);
  const { lists } = measure(body, step);
  let around = '';
  let from = 0;
  for (const list of lists) {
    around += body.toString('utf8', from, list.from);
    from = list.to;
  }
  const value = parseText(around + body.toString('utf8', from)) as Record<string, unknown> | null;
  const [list] = lists;
  if (!list || value === null || typeof value !== 'object') return value;
  if (lists.length > 1 || !Array.isArray(value[LIMITS.field])) return TWICE;
  return { ...value, [LIMITS.field]: valuesOf(unreadList(body, list, LIMITS)) };
}

const valuesOf = (elements: Elements): unknown[] =>
  Array.from({ length: elements.length }, (_, index) => elements.read(index).value);

const attempt = (work: () => unknown): unknown => {
  try {
    return { value: work() };
  } catch {
    return 'not JSON';
  }
};

const names = fc.constantFrom('items', 'other', 'it\\u0065ms', 'a"b', '', '{[,:]}', '\\');
const json = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom('0', '-1.5e3', 'true', 'null', '""', '"a,b"', '"[{\\"}]"', '"\\\\"', '"\\u005b"', '"é😀"', ' 1 '),
    fc.array(tie('value'), { maxLength: 4 }).map((list) => `[${list.join(' ,')}]`),
    fc
      .array(fc.tuple(names, tie('value')), { maxLength: 4 })
      .map((fields) => `{${fields.map(([name, value]) => `${quoted(name)} :${value}`).join(',\n')}}`),
  ),
})).value;
/** Names with an escape of their own are taken as they are. */
const quoted = (name: string): string => (name.includes('\\u') ? `"${name}"` : JSON.stringify(name));
const body = fc
  .array(fc.tuple(names, json), { maxLength: 4 })
  .map((fields) => `{${fields.map(([name, value]) => `${quoted(name)}:${value}`).join(',')}}`);

it('finds what parsing finds, element by element, in steps of any size', () => {
  fc.assert(
    fc.property(fc.oneof(body, json), fc.integer({ min: 1, max: 40 }), (text, step) => {
      const read = readByElements(text, step);
      fc.pre(read !== TWICE);
      expect(read).toEqual(JSON.parse(text));
    }),
    { numRuns: RUNS, seed: chooseSeed() },
  );
});

it('takes no text for JSON that is none, wherever it was cut or changed', () => {
  const marks = fc.constantFrom(',', '"', '[', ']', '{', '}', ':', ' ', '\\', '0', '');
  fc.assert(
    fc.property(
      body,
      fc.nat(),
      fc.nat(3),
      marks,
      fc.integer({ min: 1, max: 40 }),
      (text, place, length, mark, step) => {
        const at = place % (text.length + 1);
        const changed = (text.slice(0, at) + mark + text.slice(at + length)).toWellFormed(); // bodies are UTF-8
        const read = attempt(() => readByElements(changed, step));
        fc.pre(JSON.stringify(read) !== JSON.stringify({ value: TWICE }));
        expect(read).toEqual(attempt(() => JSON.parse(changed)));
      },
    ),
    { numRuns: RUNS * 4, seed: chooseSeed() },
  );
});

it('counts values, names and levels', () => {
  const { size, depth, field, lists } = measure(
    Buffer.from('{"a": [1, {"b": 2}], "items": [3, [4, {"c": 5}]], "z": 6}'),
  );
  expect(size).toEqual({ values: 8, fields: 4 });
  expect(depth).toBe(4);
  expect(field()).toBe('z');
  expect(lists).toMatchObject([
    {
      count: 2,
      elements: [
        { values: 1, fields: 0 },
        { values: 4, fields: 1 },
      ],
    },
  ]);
  expect(measure(Buffer.from(`{"items":[${'0,'.repeat(99)}0]}`)).lists[0]).toMatchObject({ count: 100 });
});

it('says which list is missing, none, empty or too long', () => {
  const read = (text: string) => {
    const buffer = Buffer.from(text);
    const [list] = measure(buffer).lists;
    return () => requireElements(list ? { items: unreadList(buffer, list, LIMITS) } : JSON.parse(text), LIMITS);
  };
  expect(read('{"items": [1, 2]}')().length).toBe(2);
  expect(read('{"items": [ ]}')).toThrow('1 to 50 items');
  expect(read(`{"items": [${'0,'.repeat(50)}0]}`)).toThrow('1 to 50 items');
  expect(read('{"items": 5}')).toThrow('must be a list');
  expect(read('{}')).toThrow('required');
  expect(read('[]')).toThrow('must be an object');
  expect(elementsOf(['a']).read(0)).toEqual({ value: 'a', problems: undefined });
});

it('passes over an element that is too large, and reads its neighbours', () => {
  const items = [
    '1',
    `"${'x'.repeat(LIMITS.bytes)}"`,
    `[${'0,'.repeat(3999)}0]`,
    `{${'"a":0,'.repeat(1100)}"a":0}`,
    '2',
  ];
  const buffer = Buffer.from(`{"items":[${items.join(',')}]}`);
  const [list] = measure(buffer).lists;
  if (!list) throw new Error('no list');
  const elements = unreadList(buffer, list, LIMITS);
  const tooLarge = {
    value: undefined,
    problems: { non_field_errors: [expect.stringContaining('at most 10000 bytes')] },
  };
  expect(items.map((_, index) => elements.read(index))).toEqual([
    { value: 1, problems: undefined },
    tooLarge,
    { value: Array(4000).fill(0), problems: undefined },
    tooLarge,
    { value: 2, problems: undefined },
  ]);
});
