// Each attribute of the catalogue with each of its conditions: a member, one that is none, and the edge, by the function
// and by the set. The cases follow from the catalogue; what each value must give is written out below.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, type Database } from '../database/database.ts';
import { createSetReader, inSnapshot } from '../evaluation/sets.ts';
import { loadStates } from '../evaluation/state.ts';
import { formatInstant, MICROS_PER_DAY, startOfDay, type Instant } from '../instant.ts';
import { createTestDatabase, type TestDatabase } from '../testing/database.ts';
import type { Attribute, BasicDerivation, Condition, Scalar } from './attribute.ts';
import { has } from './bitset.ts';
import { compileRule } from './compile.ts';
import { isMember, type CompiledRule } from './evaluate.ts';
import { mergeNeeds } from './state.ts';
import { parseRuleTree } from './parse.ts';
import { CUSTOM_CONDITIONS } from './platform.ts';
import { saveWorld } from './testing/save-world.ts';
import { testCatalogue, type Activity, type Profile, type World } from './testing/world.ts';
import type { RuleLeaf } from './tree.ts';

const NOW: Instant = Date.UTC(2025, 5, 15, 12) * 1000 + 123_457;
const EMPTY: readonly Condition[] = ['is_empty', 'is_not_empty'];

/** A value that a profile may have; undefined: none at all. */
type Given = Scalar | undefined;
interface Case {
  leaf: RuleLeaf;
  members: Given[];
  others: Given[];
}

const catalogue = testCatalogue();
const attributes = [...catalogue.attributes.values()];

function numberCases(attribute: Attribute): Case[] {
  // Ratios and scores take quarters, so that the same cases fit; whole numbers stand for themselves.
  const unit = attribute.derived_from?.fn === 'ratio' || attribute.key === 'toxicity_score' ? 0.25 : 1;
  const n = (value: number): number => value * unit;
  const missing = attribute.missing === 0 ? [undefined] : [];
  const negative = attribute.missing === 0 ? [] : [undefined];
  const ask = (condition: Condition, value: RuleLeaf['value']): RuleLeaf => leafOf(attribute, condition, value);
  const cases: Case[] = [
    { leaf: ask('between', [n(2), n(4)]), members: [n(2), n(3), n(4)], others: [n(1), n(5), undefined] },
    { leaf: ask('greater_than', n(2)), members: [n(3)], others: [n(2), n(1), undefined] },
    { leaf: ask('greater_than_or_equal', n(2)), members: [n(3), n(2)], others: [n(1), undefined] },
    { leaf: ask('less_than', n(2)), members: [n(1), ...missing], others: [n(2), n(3), ...negative] },
    { leaf: ask('less_than_or_equal', n(2)), members: [n(1), n(2), ...missing], others: [n(3), ...negative] },
    { leaf: ask('equals', n(2)), members: [n(2)], others: [n(1), n(3), undefined] },
    { leaf: ask('not_equals', n(2)), members: [n(1), n(3), undefined], others: [n(2)] },
    { leaf: ask('in', [n(1), n(3)]), members: [n(1), n(3)], others: [n(2), undefined] },
    { leaf: ask('not_in', [n(1), n(3)]), members: [n(2), undefined], others: [n(1), n(3)] },
    { leaf: ask('is_empty', true), members: negative, others: [n(1), ...missing] },
    { leaf: ask('is_empty', false), members: [n(1), ...missing], others: negative },
    { leaf: leafOf(attribute, 'is_not_empty'), members: [n(1), ...missing], others: negative },
  ];
  // Neither is days_inactive ever missing: it counts from the creation where there is no activity.
  return attribute.key === 'days_inactive'
    ? cases.map(({ leaf, members, others }) => ({
        leaf,
        members: members.filter(isThere),
        others: others.filter(isThere),
      }))
    : cases;
}

const isThere = (value: Given): boolean => value !== undefined;

function leafOf(attribute: Attribute, condition: Condition, value?: RuleLeaf['value']): RuleLeaf {
  return { attribute: attribute.key, condition, ...(value !== undefined && { value }) };
}

function booleanCases(attribute: Attribute): Case[] {
  const without = attribute.missing === false;
  const unknown: Given[] = without ? [] : [undefined];
  const no: Given[] = without ? [undefined] : [];
  return [
    { leaf: leafOf(attribute, 'is', true), members: [true], others: [false, undefined] },
    { leaf: leafOf(attribute, 'is', false), members: [false, ...no], others: [true, ...unknown] },
    { leaf: leafOf(attribute, 'is_empty'), members: unknown, others: [true, false, ...no] },
    { leaf: leafOf(attribute, 'is_not_empty', true), members: [true, false, ...no], others: unknown },
  ];
}

function datetimeCases(attribute: Attribute): Case[] {
  const ask = (condition: Condition, value?: RuleLeaf['value']): RuleLeaf => leafOf(attribute, condition, value);
  const nobody: Given[] = attribute.key === 'created_at' ? [] : [undefined];
  const at = NOW - 100 * MICROS_PER_DAY;
  const later = at + 10 * MICROS_PER_DAY;
  const week = 7 * MICROS_PER_DAY;
  const startOfAt = startOfDay(at);
  const dayOfAt = formatInstant(at).slice(0, 10);
  return [
    { leaf: ask('before', formatInstant(at)), members: [at - 1], others: [at, at + 1, ...nobody] },
    { leaf: ask('after', formatInstant(at)), members: [at + 1], others: [at, at - 1, ...nobody] },
    {
      leaf: ask('between', [formatInstant(at), formatInstant(later)]),
      members: [at, later],
      others: [at - 1, later + 1, ...nobody],
    },
    {
      leaf: ask('within_last_x_days', 7),
      members: [NOW, NOW - week + 1],
      others: [NOW - week, NOW + 1, at, ...nobody],
    },
    { leaf: ask('on_or_before', formatInstant(at)), members: [at - 1, at], others: [at + 1, ...nobody] },
    {
      leaf: ask('on_or_before', dayOfAt),
      members: [startOfAt - 1, startOfAt + MICROS_PER_DAY - 1],
      others: [startOfAt + MICROS_PER_DAY, ...nobody],
    },
    { leaf: ask('on_or_after', formatInstant(at)), members: [at, at + 1], others: [at - 1, ...nobody] },
    { leaf: ask('on_or_after', dayOfAt), members: [startOfAt], others: [startOfAt - 1, ...nobody] },
    {
      leaf: ask('days_ago_between', [1, 2]),
      members: [startOfDay(NOW) - 1, startOfDay(NOW) - 2 * MICROS_PER_DAY],
      others: [startOfDay(NOW), startOfDay(NOW) - 2 * MICROS_PER_DAY - 1, ...nobody],
    },
    {
      leaf: ask('within_next_x_days', 7),
      members: [NOW + 1, NOW + week],
      others: [NOW, NOW + week + 1, ...nobody],
    },
    {
      leaf: ask('anniversary_within_next_x_days', 1),
      members: [yearsAgo(3, 0), yearsAgo(1, 1)],
      others: [yearsAgo(3, 2), yearsAgo(1, -1), ...nobody],
    },
    { leaf: ask('is_empty', true), members: nobody, others: [at] },
    { leaf: ask('is_not_empty', true), members: [at], others: nobody },
  ];
}

/** So many years before today, and so many days after that. */
const yearsAgo = (years: number, days: number): Instant => {
  const date = new Date(NOW / 1000);
  return Date.UTC(date.getUTCFullYear() - years, date.getUTCMonth(), date.getUTCDate() + days, 12) * 1000;
};

function textCases(attribute: Attribute): Case[] {
  const ask = (condition: Condition, value?: RuleLeaf['value']): RuleLeaf => leafOf(attribute, condition, value);
  const nobody: Given[] = attribute.key === 'nickname' ? [] : [undefined];
  return [
    { leaf: ask('equals', 'gold'), members: ['gold'], others: ['Gold', 'gold ', ...nobody] },
    { leaf: ask('not_equals', 'gold'), members: ['Gold', 'golden', ...nobody], others: ['gold'] },
    { leaf: ask('in', ['gold', 'e\u0301']), members: ['gold', 'e\u0301'], others: ['é', ...nobody] },
    { leaf: ask('not_in', ['gold', 'e\u0301']), members: ['é', ...nobody], others: ['gold', 'e\u0301'] },
    { leaf: ask('contains', 'ol'), members: ['gold', 'ol'], others: ['GOLD', 'o l', ...nobody] },
    { leaf: ask('contains', '%_'), members: ['a%_b'], others: ['a%b', 'ab', ...nobody] },
    { leaf: ask('not_contains', 'ol'), members: ['GOLD', ...nobody], others: ['gold', 'ol'] },
    { leaf: ask('starts_with', '🏆g'), members: ['🏆gold', '🏆g'], others: ['🏆', '🏆Gold', 'gold🏆', ...nobody] },
    { leaf: ask('ends_with', 'd🏆'), members: ['gold🏆', 'd🏆'], others: ['🏆', 'golD🏆', '🏆gold', ...nobody] },
    { leaf: ask('is_empty', true), members: nobody, others: ['gold'] },
    { leaf: ask('is_not_empty', true), members: ['gold'], others: nobody },
  ];
}

function listCases(attribute: Attribute): Case[] {
  const ask = (condition: Condition, value?: RuleLeaf['value']): RuleLeaf => leafOf(attribute, condition, value);
  return [
    { leaf: ask('contains', 'gold'), members: ['gold'], others: ['golden', 'Gold', undefined] },
    { leaf: ask('not_contains', 'gold'), members: ['golden', undefined], others: ['gold'] },
    { leaf: ask('is_empty', true), members: [undefined], others: ['', 'gold'] },
    { leaf: ask('is_not_empty', true), members: ['', 'gold'], others: [undefined] },
  ];
}

const MAKERS = {
  number: numberCases,
  boolean: booleanCases,
  datetime: datetimeCases,
  string: textCases,
  list: listCases,
};

function casesOf(attribute: Attribute): Case[] {
  return MAKERS[attribute.type](attribute).filter(({ leaf }) => attribute.conditions.includes(leaf.condition));
}

/** A profile whose attribute has this value, by the activities, pairs and fields that it follows from. */
function profileWith(attribute: Attribute, value: Given, ordinal: number): Profile {
  const profile: Profile = {
    id: randomUUID(),
    ordinal,
    createdAt: NOW - 200 * MICROS_PER_DAY,
    nickname: 'Final Horse',
    customId: null,
    activities: [],
    pairs: [],
    groups: [],
  };
  if (value !== undefined) give(profile, attribute, value);
  return profile;
}

function give(profile: Profile, attribute: Attribute, value: Scalar): void {
  const derived = attribute.derived_from;
  if (!derived) {
    const text = attribute.type === 'datetime' ? formatInstant(Number(value)) : String(value);
    profile.pairs.push({ key: attribute.key, value: text, writtenBy: 'admin' });
    return;
  }
  switch (derived.fn) {
    case 'profile':
      if (derived.key === 'created_at') profile.createdAt = Number(value);
      else if (derived.key === 'nickname') profile.nickname = String(value);
      else profile.customId = String(value);
      return;
    case 'difference':
      add(profile, derived.of[0] as BasicDerivation, { total: Number(value) + 1 }); // there is a first term
      add(profile, derived.of[1] as BasicDerivation, { total: 1 }); // and a second
      return;
    case 'exceeds':
      add(profile, derived.of[0], { total: value === true ? 2 : 1 });
      add(profile, derived.of[1], { total: 1 });
      return;
    case 'ratio':
      add(profile, derived.of[0], { total: Number(value) * 4 });
      add(profile, derived.of[1], { total: 4 });
      return;
    case 'positive':
      add(profile, derived.of[0], { state: value === true ? 1 : 0 });
      return;
    case 'age_in_days':
      // The youngest and the oldest instant of that day, in turn: both edges of every number of days.
      add(profile, derived.of[0], {
        at: NOW - Number(value) * MICROS_PER_DAY - (profile.ordinal % 2) * (MICROS_PER_DAY - 1),
      });
      return;
    default:
      giveBasic(profile, derived, attribute, value);
  }
}

function giveBasic(profile: Profile, derived: BasicDerivation, attribute: Attribute, value: Scalar): void {
  if (derived.fn === 'first' || derived.fn === 'last') {
    add(profile, derived, { at: Number(value) });
    add(profile, derived, { at: Number(value) + (derived.fn === 'first' ? 1 : -1) * MICROS_PER_DAY });
  } else if (derived.fn === 'state') {
    const state = attribute.type === 'datetime' ? formatInstant(Number(value)) : value;
    add(profile, derived, { state });
    add(profile, derived, { state: null, at: NOW - 50 * MICROS_PER_DAY });
  } else {
    add(profile, derived, { total: Number(value) });
  }
}

/** Adds activities of the derivation's types: so many (or of so much value), at this instant, with this state. */
function add(
  profile: Profile,
  derived: BasicDerivation,
  { total = 1, at = NOW - 20 * MICROS_PER_DAY, state }: { total?: number; at?: Instant; state?: Scalar | null },
): void {
  const types = derived.types[0] === '*' ? ['poll-voted', 'quiz-won', 'session-started'] : derived.types;
  const rows = derived.fn === 'sum' ? Math.min(total, 1) : total;
  for (let i = 0; i < rows; i++) {
    const data: Activity['data'] =
      derived.fn === 'state'
        ? { [derived.key]: state ?? null }
        : derived.where
          ? { [derived.where.key]: derived.where.equals }
          : null;
    profile.activities.push({
      id: `a${profile.activities.length}`,
      type: types[i % types.length] ?? '',
      at: derived.fn === 'count' ? at + i : at,
      value: derived.fn === 'sum' ? total : 7,
      data,
    });
  }
}

interface Check {
  rule: CompiledRule;
  name: string;
  expected: { profile: Profile; value: Given; member: boolean }[];
}

describe('each attribute with each of its conditions', () => {
  let database: TestDatabase;
  let db: Database;
  let world: World;
  let checks: Check[];

  beforeAll(async () => {
    database = await createTestDatabase();
    db = openDatabase({ ...database, poolSize: 4, name: 'conditions' });
    const profiles = new Map<string, Profile>();
    checks = attributes.flatMap((attribute) =>
      casesOf(attribute).flatMap(({ leaf, members, others }) => {
        const expected = [
          ...members.map((value) => ({ value, member: true })),
          ...others.map((value) => ({ value, member: false })),
        ].map(({ value, member }) => {
          const key = `${attribute.key} ${typeof value} ${value}`;
          const profile = profiles.get(key) ?? profileWith(attribute, value, profiles.size);
          profiles.set(key, profile);
          return { profile, value, member };
        });
        // The same over a window that holds everything must say the same.
        const leaves = attribute.supports_window ? [leaf, { ...leaf, window: 'P365D' }] : [leaf];
        return leaves.map((one) => ({ rule: compile(one), name: JSON.stringify(one), expected }));
      }),
    );
    world = await saveWorld(db, (applicationId) => ({
      catalogue: testCatalogue(applicationId),
      profiles: [...profiles.values()],
      groups: [],
      start: NOW,
      end: NOW,
    }));
  });
  afterAll(async () => {
    await db.close();
    await database.drop();
  });

  function compile(leaf: RuleLeaf): CompiledRule {
    const context = { catalogue, groupId: '', resolveGroup: () => undefined };
    const parsed = parseRuleTree(leaf, context);
    if (!parsed.ok) throw new Error(`${JSON.stringify(leaf)}: ${JSON.stringify(parsed.errors)}`);
    return compileRule(parsed.tree, context);
  }

  it('has cases for all of them, member and other', () => {
    for (const attribute of attributes) {
      const covered = new Set(casesOf(attribute).map(({ leaf }) => leaf.condition));
      expect([...covered].sort(), attribute.key).toEqual([...attribute.conditions].sort());
    }
    const oneSided = checks.filter(({ expected }) => new Set(expected.map((one) => one.member)).size < 2);
    const constant = (check: Check): boolean => EMPTY.some((condition) => check.name.includes(condition));
    expect(oneSided.filter((check) => !constant(check)).map((check) => check.name)).toEqual([]);
  });

  it('holds by the function for the members and for no other', async () => {
    const needs = mergeNeeds(checks.map((check) => check.rule.needs));
    const ids = world.profiles.map((profile) => profile.id);
    const states = await loadStates(db, world.catalogue.applicationId, ids, needs, NOW);
    for (const { rule, name, expected } of checks) {
      for (const { profile, value, member } of expected) {
        const state = states.get(profile.id);
        expect(state && isMember(rule, state, NOW), `${name} over ${value}`).toBe(member);
      }
    }
  });

  it.each(['totals', 'activities'] as const)('holds by the set, from %s', async (from) => {
    await inSnapshot(db, async (client) => {
      const reader = await createSetReader(client, { applicationId: world.catalogue.applicationId, now: NOW, from });
      for (const { rule, name, expected } of checks) {
        const set = await rule.leaves[0]?.set(reader);
        for (const { profile, value, member } of expected) {
          expect(set && has(set, profile.ordinal), `${name} over ${value}`).toBe(member);
        }
      }
    });
  });
});

describe('each condition that an attribute does not have', () => {
  const all = [...new Set([...Object.values(CUSTOM_CONDITIONS).flat()])];
  it.each(attributes.map((attribute) => [attribute.key, attribute] as const))(
    'is refused for %s, and the allowed ones are named',
    (_key, attribute) => {
      const context = { catalogue, resolveGroup: () => undefined };
      for (const condition of [...all, 'like'].filter(
        (one) => !attribute.conditions.some((allowed) => allowed === one),
      )) {
        const parsed = parseRuleTree(
          { operator: 'OR', children: [{ attribute: attribute.key, condition, value: 1 }] },
          context,
        );
        const allowed = attribute.conditions.join(', ');
        expect(parsed.ok ? {} : parsed.errors).toEqual({
          'rule_tree.children[0].condition': [
            `'${condition}' is not allowed for ${attribute.key}. Allowed: ${allowed}.`,
          ],
        });
      }
    },
  );

  it.each(attributes.filter((attribute) => !attribute.supports_window).map((attribute) => attribute.key))(
    'nor does %s take a window',
    (key) => {
      const parsed = parseRuleTree({ attribute: key, window: 'P7D' }, { catalogue, resolveGroup: () => undefined });
      expect(parsed.ok ? {} : parsed.errors).toHaveProperty(
        ['rule_tree.window'],
        [`${key} does not support a window.`],
      );
    },
  );
});
