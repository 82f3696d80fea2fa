import { describe, expect, it } from 'vitest';
import { activityDependencies, findCycle, inReadingOrder, indexReaders } from './depends.ts';

describe('dependency keys', () => {
  it('find the groups that read what changed, and no other', () => {
    const index = indexReaders([
      { groupId: 'comments', depends: ['activity:2'] },
      { groupId: 'inactive', depends: ['activity:*', 'profile:created_at'] },
      { groupId: 'named', depends: ['profile:nickname'] },
    ]);
    expect([...index.readersOf(activityDependencies(2))]).toEqual(['comments', 'inactive']);
    expect([...index.readersOf(activityDependencies(3))]).toEqual(['inactive']);
    expect([...index.readersOf(['attribute:team'])]).toEqual([]);
  });
});

describe('groups in groups', () => {
  it('are ordered so that each stands after those that it reads', () => {
    const reads = new Map([
      ['a', ['b', 'c']],
      ['b', ['c', 'elsewhere']],
      ['c', []],
      ['d', ['a']],
    ]);
    expect(inReadingOrder(reads)).toEqual(['c', 'b', 'a', 'd']);
  });

  it('are ordered however long the chain', () => {
    const reads = new Map(Array.from({ length: 50_000 }, (_, n) => [String(n), [String(n + 1)]] as const));
    expect(inReadingOrder(reads).slice(0, 2)).toEqual(['49999', '49998']);
  });

  it('show the way of a cycle', () => {
    const reads = new Map([
      ['b', ['c']],
      ['c', ['d', 'a']],
    ]);
    expect(findCycle('a', ['a'], reads)).toEqual(['a', 'a']);
    expect(findCycle('a', ['x', 'b'], reads)).toEqual(['a', 'b', 'c', 'a']);
    expect(findCycle('e', ['b'], reads)).toBeUndefined();
  });
});
