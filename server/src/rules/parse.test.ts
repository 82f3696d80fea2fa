import { describe, expect, it } from 'vitest';
import { parseRuleTree } from './parse.ts';
import { testCatalogue } from './testing/world.ts';

const catalogue = testCatalogue();
const known = '0190aaaa-0000-7000-8000-000000000001';
const resolveGroup = (reference: string): string | undefined =>
  reference.toLowerCase() === known || reference === 'custom:vip' ? known : undefined;

function parse(tree: unknown): ReturnType<typeof parseRuleTree> {
  return parseRuleTree(tree, { catalogue, resolveGroup });
}

function errors(tree: unknown): Record<string, string[]> {
  const parsed = parse(tree);
  return parsed.ok ? {} : parsed.errors;
}

const comments = { attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 20 };
const leaf = (rest: Record<string, unknown>): Record<string, unknown> => ({ ...comments, ...rest });
const or = (...children: unknown[]): unknown => ({ operator: 'OR', children });

describe('normalisation', () => {
  it('wraps a root that is not AND in one, and a bare leaf in OR in AND', () => {
    expect(parse(or(comments))).toEqual({ ok: true, tree: { operator: 'AND', children: [or(comments)] } });
    expect(parse(comments)).toEqual({ ok: true, tree: { operator: 'AND', children: [or(comments)] } });
    const not = { operator: 'NOT', children: [comments] };
    expect(parse(not)).toEqual({ ok: true, tree: { operator: 'AND', children: [not] } });
  });

  it('changes nothing else, neither nesting nor values nor windows', () => {
    const tree = {
      operator: 'AND',
      children: [
        {
          operator: 'AT_LEAST',
          count: 2,
          children: [comments, leaf({ value: 20.0, window: 'PT24H' }), { operator: 'AND', children: [comments] }],
        },
        { attribute: 'profile_group', condition: 'in', value: ['custom:vip', known.toUpperCase()] },
        { attribute: 'created_at', condition: 'after', value: '2025-04-28T14:16:49+02:00' },
        { attribute: 'random_bucket', condition: 'less_than', value: 5000, salt: 'a' },
        { attribute: 'team', condition: 'is_empty' },
        { attribute: 'team', condition: 'is_empty', value: false },
      ],
    };
    expect(parse(tree)).toEqual({ ok: true, tree });
  });
});

describe('which activities a leaf counts', () => {
  const match6 = { key: 'match', condition: 'equals', value: 6 };
  it.each([
    { window: { from: '2025-06-15T18:00:00Z', until: '2025-06-15T21:00:00Z' } },
    { window: { from: '2025-06-15' } },
    { window: { from: '2025-06-15', until: '2025-06-15' } },
    { window: 'P7D', where: [match6, { key: 'half', condition: 'in', value: [1, 'first'] }] },
    { where: [{ key: 'team', condition: 'is_not_empty' }], sum_of: 'amount' },
  ])('comes back as it was sent: %j', (fields) => {
    expect(parse(leaf(fields))).toMatchObject({
      ok: true,
      tree: { children: [{ children: [leaf(fields)] }] },
    });
  });

  it('is described problem by problem', () => {
    const found = errors(
      or(
        leaf({ window: {} }),
        leaf({ window: { from: 'June', to: 1 } }),
        leaf({ window: { from: '2025-06-16', until: '2025-06-15' } }),
        leaf({ window: { from: '2025-06-15T10:00:00Z', until: '2025-06-15T10:00:00Z' } }),
        leaf({ where: [] }),
        leaf({ where: [match6, match6, match6, match6] }),
        leaf({ where: [7, { key: '', condition: 'is', value: true, of: 1 }, { condition: 'equals' }] }),
        leaf({
          where: [
            { key: 'a', condition: 'between', value: [2, 1] },
            { key: 'a', condition: 'in', value: [null] },
            { key: 'a', condition: 'contains', value: '' },
          ],
        }),
        leaf({ sum_of: '' }),
        { attribute: 'has_ever_commented', condition: 'is', value: true, sum_of: 'amount' },
        { attribute: 'last_comment_at', condition: 'before', value: '2025-01-01', where: [match6] },
      ),
    );
    expect(found).toMatchObject({
      'rule_tree.children[0].window': ['Must have from, until or both.'],
      'rule_tree.children[1].window.to': ['Unknown field. Allowed: from, until.'],
      'rule_tree.children[2].window': ['from must lie before until.'],
      'rule_tree.children[3].window': ['from must lie before until.'],
      'rule_tree.children[4].where': ['Must be a list of 1 to 3 conditions, each with key, condition and value.'],
      'rule_tree.children[5].where': ['Must be a list of 1 to 3 conditions, each with key, condition and value.'],
      'rule_tree.children[6].where[0]': ['Must be an object with key, condition and value.'],
      'rule_tree.children[6].where[1].of': ['Unknown field. Allowed: key, condition, value.'],
      'rule_tree.children[6].where[1].key': ['May not be empty.'],
      'rule_tree.children[6].where[2].key': ['This field is required.'],
      'rule_tree.children[6].where[2].value': ['Must be a text, a number, true or false.'],
      'rule_tree.children[7].where[0].value': ['The first must not be greater than the second.'],
      'rule_tree.children[7].where[1].value[0]': ['Must be a text, a number, true or false.'],
      'rule_tree.children[7].where[2].value': ['May not be empty.'],
      'rule_tree.children[8].sum_of': ['May not be empty.'],
      'rule_tree.children[9].sum_of': [
        'has_ever_commented is not a count or a sum of activities, in whose place numbers of their data can be added.',
      ],
      'rule_tree.children[10].where': [
        'last_comment_at is not a count, a sum or a yes or no of activities, which alone can be narrowed.',
      ],
    });
    expect(found?.['rule_tree.children[1].window.from']?.[0]).toMatch(/^Must be an ISO 8601/);
    expect(found?.['rule_tree.children[6].where[1].condition']?.[0]).toMatch(
      /^'is' is not a condition on data\. Allowed: equals,/,
    );
  });
});

describe('problems in a rule tree', () => {
  it('are all reported at once, each at its path as sent', () => {
    const found = errors(
      or(
        { attribute: 'total_comments_posted', condition: 'is', value: 3 },
        { operator: 'NOT', children: [comments, comments], extra: 1 },
        { operator: 'AT_LEAST', count: 3, children: [leaf({ value: 'x', window: 'P1M' }), leaf({ salt: 's' })] },
        { operator: 'XOR', children: [{}] },
        7,
        { attribute: 'no_such', condition: 'is' },
        leaf({ attribute: 'last_comment_at', condition: 'within_last_x_days', value: 0, window: 'P7D' }),
        { operator: 'AND', children: [], count: 1 },
        { attribute: 'profile_group', condition: 'in', value: ['custom:vip', 'custom:nobody', 4] },
        { attribute: 'quest_completion_rate', condition: 'between', value: [2, 1] },
      ),
    );
    expect(found).toEqual({
      'rule_tree.children[0].condition': [
        "'is' is not allowed for total_comments_posted. Allowed: between, greater_than, less_than, greater_than_or_equal, less_than_or_equal, equals, not_equals.",
      ],
      'rule_tree.children[1].extra': ['Unknown field. Allowed: operator, children, count.'],
      'rule_tree.children[1].children': ['NOT has exactly one child.'],
      'rule_tree.children[2].children[0].value': ['Must be a number.'],
      'rule_tree.children[2].children[0].window': [
        'Must be an ISO 8601 duration of weeks, days, hours, minutes and seconds, PT1S to P365D, like P7D, or an object with from and until.',
      ],
      'rule_tree.children[2].children[1].salt': ['Is allowed only with random_bucket.'],
      'rule_tree.children[2].count': ['Must be an integer from 1 to the number of children (2).'],
      'rule_tree.children[3].operator': ['Must be one of AND, OR, NOT, AT_LEAST.'],
      'rule_tree.children[3].children[0].attribute': ['This field is required.'],
      'rule_tree.children[3].children[0].condition': ['This field is required.'],
      'rule_tree.children[4]': [
        'Must be an object: a node with operator and children, or a leaf with attribute and condition.',
      ],
      'rule_tree.children[5].attribute': ["There is no attribute 'no_such' in the catalogue."],
      'rule_tree.children[6].value': ['Must be an integer from 1 to 3650.'],
      'rule_tree.children[6].window': ['last_comment_at does not support a window.'],
      'rule_tree.children[7].children': ['May not be empty.'],
      'rule_tree.children[7].count': ['Is allowed only with AT_LEAST.'],
      'rule_tree.children[8].value[1]': ["There is no group 'custom:nobody'."],
      'rule_tree.children[8].value[2]': ["Must be a group's id or custom:<custom_id>."],
      'rule_tree.children[9].value': ['The first must not be greater than the second.'],
    });
  });

  it.each([
    ['a number as text', leaf({ value: '20' })],
    ['no value', { attribute: 'total_comments_posted', condition: 'equals' }],
    ['null', leaf({ value: null })],
    ['a value beyond a double', leaf({ value: Infinity })],
    ['a list where one number belongs', leaf({ value: [1] })],
    ['a boolean as text', { attribute: 'has_ever_voted', condition: 'is', value: 'true' }],
    ['a day that does not exist', { attribute: 'created_at', condition: 'before', value: '2025-02-30' }],
    ['a number as datetime', { attribute: 'created_at', condition: 'before', value: 1745842609 }],
    ['one bound', { attribute: 'created_at', condition: 'between', value: ['2025-01-01'] }],
    [
      'bounds reversed in time',
      {
        attribute: 'created_at',
        condition: 'between',
        value: ['2025-01-02T00:00:00+00:00', '2025-01-02T00:00:00+01:00'],
      },
    ],
    ['half a day', { attribute: 'created_at', condition: 'within_last_x_days', value: 1.5 }],
    ['3651 days', { attribute: 'created_at', condition: 'within_last_x_days', value: 3651 }],
    ['an empty list', { attribute: 'nickname', condition: 'in', value: [] }],
    ['1001 elements', { attribute: 'nickname', condition: 'in', value: Array.from({ length: 1001 }, String) }],
    ['201 characters', { attribute: 'nickname', condition: 'equals', value: '🏆'.repeat(201) }],
    ['NUL', { attribute: 'nickname', condition: 'equals', value: 'a\0' }],
    ['half a surrogate pair', { attribute: 'nickname', condition: 'in', value: ['a\ud800'] }],
    ['an empty text to look for', { attribute: 'nickname', condition: 'contains', value: '' }],
    ['is_empty with a text', { attribute: 'custom_id', condition: 'is_empty', value: 'true' }],
    ['an empty salt', { attribute: 'random_bucket', condition: 'equals', value: 1, salt: '' }],
    ['no group', { attribute: 'profile_group', condition: 'in', value: [] }],
  ])('%s is refused as a value', (_what, tree) => {
    const paths = Object.keys(errors(tree));
    expect(paths).toHaveLength(1);
    expect(paths[0]).toMatch(/^rule_tree\.(value|salt)/);
  });

  it.each([
    ['200 characters beyond the BMP', { attribute: 'nickname', condition: 'equals', value: '🏆'.repeat(200) }],
    ['1000 elements', { attribute: 'nickname', condition: 'in', value: Array.from({ length: 1000 }, String) }],
    ['equal bounds', { attribute: 'total_comments_posted', condition: 'between', value: [2, 2] }],
    ['3650 days', { attribute: 'created_at', condition: 'within_last_x_days', value: 3650 }],
    ['an empty text to equal', { attribute: 'nickname', condition: 'equals', value: '' }],
    ['a fraction', leaf({ value: 2.5 })],
  ])('%s is accepted', (_what, tree) => {
    expect(errors(tree)).toEqual({});
  });
});

describe('limits', () => {
  const nest = (levels: number): unknown =>
    Array.from({ length: levels - 1 }).reduce<unknown>((tree) => ({ operator: 'AND', children: [tree] }), comments);

  it('allow 8 levels, the leaf included, as sent', () => {
    expect(errors(nest(8))).toEqual({});
    expect(errors(nest(9))).toEqual({ rule_tree: ['The tree has more than 8 levels.'] });
  });

  it('allow 200 leaves', () => {
    expect(errors(or(...Array<unknown>(200).fill(comments)))).toEqual({});
    const tooMany = errors(or(...Array<unknown>(201).fill(comments)));
    expect(tooMany).toEqual({ rule_tree: ['The tree has 201 leaves; at most 200 are allowed.'] });
  });
});

describe('hostile input', () => {
  it.each([
    ['null', null],
    ['a text', 'AND'],
    ['a list', [comments]],
    ['an empty object', {}],
    ['children that are no list', { operator: 'AND', children: { length: 1e9 } }],
    ['operators of other types', { operator: ['AND'], children: [comments] }],
    [
      '__proto__',
      JSON.parse('{"__proto__": {"operator": "AND"}, "children": [{"constructor": 1, "attribute": "__proto__"}]}'),
    ],
    ['the names of object methods', { attribute: 'toString', condition: 'hasOwnProperty', value: {} }],
    ['a node and a leaf in one', { operator: 'AND', children: [comments], ...comments }],
    ['a value that is an object', leaf({ value: { $gt: 1 } })],
    ['surrogates in names', { 'a\ud800\0': 1, attribute: '\ud800', condition: '\0' }],
  ])('%s gives errors, not an exception', (_what, tree) => {
    const found = errors(tree);
    expect(Object.keys(found).length).toBeGreaterThan(0);
    expect(Object.keys(found).every((path) => path.startsWith('rule_tree'))).toBe(true);
    expect(JSON.stringify(found)).not.toMatch(/\\ud[89a-f]|\\u0000/);
  });

  it('a hundred thousand levels do not exhaust the stack', () => {
    let deep: unknown = comments;
    for (let level = 0; level < 100_000; level++) deep = { operator: 'NOT', children: [deep] };
    expect(errors(deep)).toEqual({ rule_tree: ['The tree has more than 8 levels.'] });
  });

  it('a hundred thousand bad leaves make a short answer in a short time', () => {
    const started = performance.now();
    const found = errors(
      or(
        ...Array<unknown>(100_000).fill({
          attribute: 'x'.repeat(50),
          ...Object.fromEntries(Array.from({ length: 5 }, (_, n) => [`f${n}`, n])),
        }),
      ),
    );
    expect(JSON.stringify(found).length).toBeLessThan(400_000);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
