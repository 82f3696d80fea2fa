// Edges that the random worlds meet rarely: deep thresholds, sums that overshoot, activities ahead of the clock, ties.

import { describe, expect, it } from 'vitest';
import { MICROS_PER_DAY, parseInstant, type Instant } from '../instant.ts';
import { compileRule } from './compile.ts';
import { isMember, nextChangeAt, timeline, type CompiledRule } from './evaluate.ts';
import { explainRule } from './explain.ts';
import { mergeRecent, totalWithin, windowFlips } from './operators/windows.ts';
import { parseRuleTree } from './parse.ts';
import type { ProfileState } from './state.ts';
import { stateInMemory, testCatalogue, type Activity, type Profile, type World } from './testing/world.ts';

const catalogue = testCatalogue();
const NOW: Instant = Date.UTC(2025, 5, 15) * 1000;
const groupId = '00000000-0000-4000-8000-000000000001';

function rule(tree: unknown): CompiledRule {
  const context = { catalogue, groupId, resolveGroup: (reference: string) => reference };
  const parsed = parseRuleTree(tree, context);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  return compileRule(parsed.tree, context);
}

function stateOf(given: Partial<Profile>): ProfileState {
  const profile: Profile = {
    id: groupId,
    ordinal: 0,
    createdAt: NOW - 100 * MICROS_PER_DAY,
    nickname: 'Final Horse',
    customId: null,
    activities: [],
    pairs: [],
    groups: [],
    ...given,
  };
  const world: World = { catalogue, profiles: [profile], groups: [], start: NOW, end: NOW };
  return stateInMemory(world, profile);
}

function activities(type: string, ...ages: number[]): Activity[] {
  return ages.map((age, index) => ({ id: `${type}${index}`, type, at: NOW - age, value: 1, data: null }));
}

const atLeast3 = { attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 3, window: 'P7D' };
const week = 7 * MICROS_PER_DAY;

describe('a windowed count', () => {
  it('ends exactly when the activity at its threshold leaves the window', () => {
    const state = stateOf({ activities: activities('comment-created', 100, 50, 5, 10) });
    expect(isMember(rule(atLeast3), state, NOW)).toBe(true);
    expect(nextChangeAt(rule(atLeast3), state, NOW)).toBe(NOW - 50 + week);
    expect(isMember(rule(atLeast3), state, NOW - 50 + week - 1)).toBe(true);
    expect(isMember(rule(atLeast3), state, NOW - 50 + week)).toBe(false);
  });

  it('that must be exact begins at one threshold and ends at the next', () => {
    const state = stateOf({ activities: activities('comment-created', 1, 2, 3, 4) });
    const exactly3 = rule({ ...atLeast3, condition: 'equals' });
    expect(timeline(exactly3, state, NOW, Infinity)).toEqual({
      member: false,
      changes: [
        { at: NOW - 4 + week, member: true },
        { at: NOW - 3 + week, member: false },
      ],
    });
  });

  it('does not flip between activities that leave at the same instant', () => {
    const state = stateOf({ activities: activities('comment-created', 3, 3, 3) });
    expect(timeline(rule({ ...atLeast3, condition: 'equals', value: 2 }), state, NOW, Infinity).changes).toEqual([]);
  });

  it('counts an activity ahead of the clock from its own instant on', () => {
    const state = stateOf({ activities: activities('comment-created', 0, 1, -5) });
    expect(timeline(rule(atLeast3), state, NOW, Infinity)).toEqual({
      member: false,
      changes: [
        { at: NOW + 5, member: true },
        { at: NOW - 1 + week, member: false },
      ],
    });
  });

  it.each([0, -1, 1e300, 0.5])('against %d is settled by its thresholds alone', (value) => {
    const some = stateOf({ activities: activities('comment-created', 1) });
    const compiled = rule({ ...atLeast3, value });
    expect(isMember(compiled, some, NOW)).toBe(value <= 1);
    expect(nextChangeAt(compiled, some, NOW)).toBe(value === 0.5 ? NOW - 1 + week : null);
    expect(compiled.needs.recent.size).toBe(value === 0.5 ? 1 : 0);
  });
});

describe('a stored datetime within the last days', () => {
  it('begins at its own instant when that lies ahead, and ends exactly so many days later', () => {
    const within = rule({ attribute: 'renewal', condition: 'within_last_x_days', value: 2 });
    const at = '2025-06-20T10:00:00.000001Z';
    const state = stateOf({ pairs: [{ key: 'renewal', value: at, writtenBy: 'profile' }] });
    const begins = parseInstant(at) ?? NaN;
    expect(timeline(within, state, NOW, Infinity)).toEqual({
      member: false,
      changes: [
        { at: begins, member: true },
        { at: begins + 2 * MICROS_PER_DAY, member: false },
      ],
    });
    expect(timeline(within, state, NOW, begins)).toEqual({ member: false, changes: [{ at: begins, member: true }] });
    expect(timeline(within, state, begins, Infinity).member).toBe(true);
    expect(within.boundaries).toMatchObject([{ offset: 0 }, { offset: 2 * MICROS_PER_DAY }]);
  });
});

describe('lists of newest activities', () => {
  it('merge no further back than the shortest of them reaches', () => {
    const long = { at: [9, 5, 3], value: [1, 1, 1], complete: true };
    const cut = { at: [8, 6], value: [2, 2], complete: false };
    expect(mergeRecent([long, cut])).toEqual({ at: [9, 8, 6], value: [1, 2, 2], complete: false });
    expect(mergeRecent([long, { ...cut, complete: true }]).at).toEqual([9, 8, 6, 5, 3]);
  });

  it('give the same flips when cut at the highest threshold', () => {
    const at = [100, 90, 80, 80, 80, 70, 60];
    const holds = (total: number): boolean => total >= 3 || total === 1;
    const full = windowFlips(at, undefined, 50, 100, holds);
    expect(windowFlips(at.slice(0, 3), undefined, 50, 100, holds)).toEqual(full);
    expect(full).toEqual([130, 140, 150]);
    expect(totalWithin(at, undefined, 50, 100, 3)).toBe(3);
    expect(totalWithin(at, [5, 5, 5, 5, 5, 5, 5], 30, 100, Infinity)).toBe(25);
  });
});

describe('an explanation', () => {
  it('shows each leaf with its actual value and its next flip, as the rule stands', () => {
    const tree = {
      operator: 'OR',
      children: [
        atLeast3,
        { ...atLeast3, window: 'P1W' },
        { operator: 'NOT', children: [{ attribute: 'days_inactive', condition: 'less_than', value: 30 }] },
        { operator: 'AT_LEAST', count: 1, children: [{ attribute: 'tags', condition: 'contains', value: 'vip' }] },
        { attribute: 'last_comment_at', condition: 'before', value: '2020-01-01' },
      ],
    };
    const state = stateOf({
      activities: activities('comment-created', 1, 2, 3, 4),
      pairs: [{ key: 'tags', value: 'a', writtenBy: 'admin' }],
    });
    const flip = '2025-06-21T23:59:59.999997Z';
    expect(parseInstant(flip)).toBe(NOW - 3 + week);
    const comments = { actual: 4, result: true, next_flip_at: flip };
    expect(explainRule(rule(tree), state, NOW)).toEqual({
      is_member: true,
      next_change_at: flip,
      explanation: {
        operator: 'AND',
        result: true,
        children: [
          {
            operator: 'OR',
            result: true,
            children: [
              { ...atLeast3, ...comments },
              { ...atLeast3, window: 'P1W', ...comments },
              {
                operator: 'NOT',
                result: false,
                children: [
                  {
                    attribute: 'days_inactive',
                    condition: 'less_than',
                    value: 30,
                    actual: 0,
                    result: true,
                    next_flip_at: '2025-07-14T23:59:59.999999Z',
                  },
                ],
              },
              {
                operator: 'AT_LEAST',
                count: 1,
                result: false,
                children: [
                  {
                    attribute: 'tags',
                    condition: 'contains',
                    value: 'vip',
                    actual: ['a'],
                    result: false,
                    next_flip_at: null,
                  },
                ],
              },
              {
                attribute: 'last_comment_at',
                condition: 'before',
                value: '2020-01-01',
                actual: '2025-06-14T23:59:59.999999Z',
                result: false,
                next_flip_at: null,
              },
            ],
          },
        ],
      },
    });
  });

  it('announces the flips of the groups that a rule reads', () => {
    const reads = rule({ attribute: 'profile_group', condition: 'not_in', value: ['x', 'y'] });
    const state = stateOf({});
    state.groups.set('x', { member: true, flips: [NOW + 5, NOW + 9] });
    state.groups.set('y', { member: false, flips: [NOW + 5, NOW + 7] });
    expect(timeline(reads, state, NOW, Infinity)).toEqual({
      member: false,
      changes: [
        { at: NOW + 7, member: true },
        { at: NOW + 9, member: false },
      ],
    });
  });
});

describe('equal leaves', () => {
  it('are read once, unless groups or salts set them apart', () => {
    const bucket = { attribute: 'random_bucket', condition: 'equals', value: 1 };
    const groups = { attribute: 'profile_group', condition: 'in' };
    const compiled = rule({
      operator: 'AND',
      children: [
        atLeast3,
        { ...atLeast3, window: 'PT168H' },
        { ...atLeast3, window: 'P8D' },
        bucket,
        { ...bucket, salt: groupId },
        { ...bucket, salt: 'other' },
        { ...groups, value: ['x', 'y'] },
        { ...groups, value: ['x', 'z'] },
      ],
    });
    expect(compiled.leaves.map((leaf) => leaf.leaf.window ?? leaf.leaf.salt ?? leaf.leaf.value)).toEqual([
      'P7D',
      'P8D',
      1,
      'other',
      ['x', 'y'],
      ['x', 'z'],
    ]);
  });
});
