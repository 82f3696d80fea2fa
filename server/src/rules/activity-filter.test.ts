// What SQL says of rows at the edges, where random worlds hardly ever stand: missing data, the end of a fixed time, leap days.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, raw, sql, type Database } from '../database/database.ts';
import { formatInstant, parseInstant, type Instant } from '../instant.ts';
import { createTestDatabase, type TestDatabase } from '../testing/database.ts';
import { addedBy, filterConditions, filterOf } from './activity-filter.ts';
import { instantTest } from './instant-test.ts';
import type { RuleLeaf } from './tree.ts';
import { UTC } from './zone.ts';

const instant = (text: string): Instant => parseInstant(text) ?? NaN;
const leaf = (fields: Partial<RuleLeaf>): RuleLeaf => ({ attribute: 'a', condition: 'equals', value: 1, ...fields });

describe('a row of activities', () => {
  let database: TestDatabase;
  let db: Database;
  beforeAll(async () => {
    database = await createTestDatabase();
    db = openDatabase({ ...database, poolSize: 1, name: 'filter' });
  });
  afterAll(async () => {
    await db.close();
    await database.drop();
  });

  const ask = async (text: string, data: unknown, at = '2025-06-15T12:00:00Z'): Promise<unknown> => {
    const { rows } = await db.query<{ says: unknown }>(sql`
      select ${raw(text)} as says from (select ${JSON.stringify(data)}::jsonb as data, ${at}::timestamptz as occurred_at, 1 as value) a`);
    return rows[0]?.says;
  };
  const counts = (fields: Partial<RuleLeaf>, data: unknown, at?: string): Promise<unknown> => {
    const filter = filterOf(leaf(fields), UTC);
    return ask(filter ? filterConditions(filter).join(' and ') : 'true', data, at);
  };

  it.each([
    ['not_equals', 'hat', {}, true],
    ['not_equals', 'hat', { k: null }, true],
    ['not_equals', 'hat', { k: 'hat' }, false],
    ['not_in', [6], { k: '6' }, true],
    ['not_contains', 'a', { k: 7 }, true],
    ['equals', 6, { k: '6' }, false],
    ['equals', 6, { k: 6 }, true],
    ['less_than', 6, { k: '5' }, false],
    ['less_than', 6, { k: [5] }, false],
    ['ends_with', 'é', { k: 'caf\u00e9' }, true],
    ['is_empty', true, null, true],
  ] as const)('whose data is %s %j: %j is %s', async (condition, value, data, expected) => {
    expect(await counts({ where: [{ key: 'k', condition, value }] }, data)).toBe(expected);
  });

  it('belongs to a fixed time from its beginning on, and no more at its end', async () => {
    const window = { from: '2025-06-15T12:00:00Z', until: '2025-06-15T13:00:00Z' };
    const at = ['2025-06-15T11:59:59.999999Z', window.from, '2025-06-15T12:59:59.999999Z', window.until];
    expect(await Promise.all(at.map((each) => counts({ window }, {}, each)))).toEqual([false, true, true, false]);
    const day = { from: '2025-06-15', until: '2025-06-15' };
    const edges = ['2025-06-15T00:00:00Z', '2025-06-15T23:59:59.999999Z', '2025-06-16T00:00:00Z'];
    expect(await Promise.all(edges.map((each) => counts({ window: day }, {}, each)))).toEqual([true, true, false]);
  });

  it('adds ten-thousandths, rounded half away from zero', async () => {
    const filter = filterOf(leaf({ sum_of: 'k' }), UTC);
    const added = (k: unknown): Promise<unknown> => ask(`(${filter ? addedBy(filter) : ''})::float8`, { k });
    const numbers = [0.1, 0.00005, -0.00005, 0.00004, 1e9, 1e9 + 1, '5', true];
    expect(await Promise.all(numbers.map(added))).toEqual([1000, 1, -1, 0, 1e13, 0, 0, 0]);
  });

  it('lies on a leap day, whose anniversary is the 1st of March in other years', async () => {
    const test = instantTest(leaf({ condition: 'anniversary_within_next_x_days', value: 0 }), UTC);
    for (const [today, born, expected] of [
      ['2027-03-01T10:00:00Z', '2000-02-29', true],
      ['2027-02-28T10:00:00Z', '2000-02-29', false],
      ['2028-02-29T10:00:00Z', '2000-02-29', true],
      ['2028-03-01T10:00:00Z', '2000-02-29', false],
      ['2028-02-29T10:00:00Z', '2001-03-01', false],
    ] as const) {
      const [now, value] = [instant(today), instant(born)];
      expect(test.matches(value, now), `${born} on ${today}`).toBe(expected);
      expect(await ask(test.sql('occurred_at', now), {}, formatInstant(value)), `${born} on ${today}, in SQL`).toBe(
        expected,
      );
    }
  });
});
