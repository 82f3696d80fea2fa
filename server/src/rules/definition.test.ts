import { describe, expect, it } from 'vitest';
import { buildCatalogue, factSpecs, findAttribute, presentAttribute, type DefinitionRow } from './catalogue.ts';
import { parseDefinition } from './definition.ts';
import { CUSTOM_FACTS, CUSTOM_TYPES, DEFINITIONS, testCatalogue } from './testing/world.ts';

const catalogue = testCatalogue();

function errors(input: unknown, current?: DefinitionRow): Record<string, string[]> {
  const parsed = parseDefinition(input, { catalogue, ...(current && { current }) });
  return parsed.ok ? {} : parsed.errors;
}

function defined(input: unknown): DefinitionRow {
  const parsed = parseDefinition(input, { catalogue });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  return parsed.definition;
}

describe('definitions', () => {
  it('are filled with defaults', () => {
    expect(defined({ key: 'shirt', type: 'string' })).toEqual({
      key: 'shirt',
      label: 'shirt',
      description: '',
      category: 'custom',
      type: 'string',
      unit: null,
      choices: null,
      writable_by: 'admin',
      visible_to: 'owner',
      derived_from: null,
    });
  });

  it('take their type from what they are derived from', () => {
    const types = ['shop-purchase'];
    expect(defined({ key: 'a', derived_from: { fn: 'count', types: ['*'] } }).type).toBe('number');
    expect(defined({ key: 'a', derived_from: { fn: 'exists', types, where: { key: 'x', equals: false } } }).type).toBe(
      'boolean',
    );
    expect(defined({ key: 'a', derived_from: { fn: 'last', types } }).type).toBe('datetime');
    expect(defined({ key: 'a', type: 'number', derived_from: { fn: 'state', types, key: 'x' } }).type).toBe('number');
  });

  it('report every problem at once', () => {
    expect(
      errors({
        key: '',
        type: 'json',
        writable_by: 'me',
        visible_to: 1,
        choices: [],
        label: 3,
        derived_from: { fn: 'avg', types: ['nope', '*'], x: 1 },
      }),
    ).toEqual({
      key: ['May not be empty.'],
      type: ['Must be one of string, number, boolean, datetime, list.'],
      writable_by: ['Must be one of admin, profile.'],
      visible_to: ['Must be one of admin, owner, public.'],
      label: ['Must be a text.'],
      choices: ['Must be a list of 1 to 200 texts.'],
      'derived_from.fn': ['Must be one of count, sum, exists, first, last, state.'],
      'derived_from.types': ["'*' is any type and stands alone."],
      'derived_from.types[0]': ["There is no activity type 'nope'."],
      'derived_from.x': ['Unknown field. Allowed: fn, types, key, where.'],
    });
  });

  it('refuse a key to which no path leads', () => {
    for (const key of ['.', '..'])
      expect(errors({ key, type: 'string' })).toEqual({ key: ["'.' and '..' cannot be ids: no URL leads to them."] });
  });

  const count = { fn: 'count', types: ['shop-purchase'] };
  it.each([
    ['no key', { type: 'string' }, 'key'],
    ['no type', { key: 'a' }, 'type'],
    ['the key of the platform', { key: 'nickname', type: 'string' }, 'key'],
    ['the key of a leaf beside the catalogue', { key: 'random_bucket', type: 'number' }, 'key'],
    ['a key of its own already', { key: 'team', type: 'string' }, 'key'],
    ['a type that the function does not give', { key: 'a', type: 'string', derived_from: count }, 'type'],
    [
      'a state that is a list',
      { key: 'a', type: 'list', derived_from: { fn: 'state', types: ['quiz-won'], key: 'k' } },
      'type',
    ],
    ['a state without type', { key: 'a', derived_from: { fn: 'state', types: ['quiz-won'], key: 'k' } }, 'type'],
    [
      'a state kept as another type',
      { key: 'a', type: 'number', derived_from: { fn: 'state', types: ['tier-changed'], key: 'status_tier' } },
      'type',
    ],
    [
      'a state without key',
      { key: 'a', type: 'string', derived_from: { fn: 'state', types: ['quiz-won'] } },
      'derived_from.key',
    ],
    [
      'a state with where',
      {
        key: 'a',
        type: 'string',
        derived_from: { fn: 'state', types: ['quiz-won'], key: 'k', where: { key: 'a', equals: 1 } },
      },
      'derived_from.where',
    ],
    ['a key without state', { key: 'a', derived_from: { ...count, key: 'k' } }, 'derived_from.key'],
    [
      'where null',
      { key: 'a', derived_from: { ...count, where: { key: 'k', equals: null } } },
      'derived_from.where.equals',
    ],
    ['where without key', { key: 'a', derived_from: { ...count, where: { equals: 1 } } }, 'derived_from.where.key'],
    [
      'a repeated type',
      { key: 'a', derived_from: { fn: 'count', types: ['quiz-won', 'quiz-won'] } },
      'derived_from.types',
    ],
    [
      'a derived attribute for profiles to write',
      { key: 'a', derived_from: count, writable_by: 'profile' },
      'writable_by',
    ],
    ['choices of a number', { key: 'a', type: 'number', choices: ['1'] }, 'choices'],
    ['NUL in the label', { key: 'a', type: 'string', label: '\0' }, 'label'],
    ['a list', [1], 'non_field_errors'],
  ])('refuse %s', (_what, input, path) => {
    expect(Object.keys(errors(input))).toEqual([path]);
  });

  it('keep key, type and derivation when they are edited', () => {
    const team = DEFINITIONS.find((row) => row.key === 'team') as DefinitionRow; // it is there
    expect(parseDefinition({ label: 'Team', key: 'team' }, { catalogue, current: team })).toEqual({
      ok: true,
      definition: { ...team, label: 'Team' },
    });
    expect(
      Object.keys(errors({ key: 'side', type: 'number', derived_from: count, writable_by: 'admin' }, team)).sort(),
    ).toEqual(['derived_from', 'key', 'type']);
    const hats = DEFINITIONS.find((row) => row.key === 'hats_bought') as DefinitionRow; // it is there
    const asStored = { where: { equals: 'hat', key: 'category' }, types: ['shop-purchase'], fn: 'count' };
    expect(
      errors({ derived_from: asStored }, { ...hats, derived_from: asStored as DefinitionRow['derived_from'] }),
    ).toEqual({});
  });
});

describe('the catalogue', () => {
  it('holds the 64 of the platform first, then the own by key', () => {
    const keys = [...catalogue.attributes.keys()];
    expect(keys.slice(0, 2)).toEqual(['total_comments_posted', 'total_comment_replies']);
    expect(keys.slice(64)).toEqual(DEFINITIONS.map((row) => row.key).sort());
    expect(findAttribute(catalogue, 'profile_group')?.conditions).toEqual(['in', 'not_in']);
    expect(catalogue.attributes.has('profile_group')).toBe(false);
  });

  it('shows windows and missing values of own attributes by what they are derived from', () => {
    const shown = (key: string): unknown[] => {
      const attribute = catalogue.attributes.get(key);
      return [attribute?.supports_window, attribute?.missing];
    };
    expect(
      ['hats_bought', 'spend', 'any_vip', 'first_deal', 'shirt_size', 'subscribed', 'opted_in', 'score'].map(shown),
    ).toEqual([
      [true, 0],
      [true, 0],
      [true, false],
      [false, null],
      [false, null],
      [false, false],
      [false, null],
      [false, null],
    ]);
  });

  it('is shown without what is internal', () => {
    for (const attribute of catalogue.attributes.values())
      expect(presentAttribute(attribute)).not.toHaveProperty('derivation');
  });

  it('names the facts that totals must be kept of', () => {
    expect(factSpecs({ fn: 'state', types: ['quiz-won', '*'], key: 'k' }, 'number', catalogue.types)).toEqual([
      { typeId: 1001, key: 'k', equals: null, valueType: 'number' },
      { typeId: 0, key: 'k', equals: null, valueType: 'number' },
    ]);
    expect(
      factSpecs({ fn: 'sum', types: ['quiz-won'], where: { key: 'k', equals: 1 } }, 'number', catalogue.types),
    ).toEqual([{ typeId: 1001, key: 'k', equals: 1, valueType: null }]);
    expect(factSpecs({ fn: 'sum', types: ['quiz-won'] }, 'number', catalogue.types)).toEqual([]);
  });

  it("never lets an own definition take the platform's place", () => {
    const [team] = DEFINITIONS.filter((row) => row.key === 'team');
    const built = buildCatalogue({
      applicationId: 1,
      version: 1,
      types: CUSTOM_TYPES,
      facts: CUSTOM_FACTS,
      definitions: team ? [{ ...team, key: 'nickname' }] : [],
    });
    expect(built.attributes.get('nickname')?.source).toBe('platform');
  });
});
