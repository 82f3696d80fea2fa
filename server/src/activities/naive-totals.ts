// For tests: what the totals must be, added up from the raw activities in the plainest way.

import { sql, type Queryable } from '../database/database.ts';
import { parseInstant, type Instant } from '../instant.ts';
import type { Fact } from '../rules/attribute.ts';

export interface TotalRow {
  profile_id: string;
  fact_id: number;
  ordinal: number;
  count: number;
  sum: number;
  first_at: Instant | null;
  last_at: Instant | null;
  state: unknown;
  state_at: Instant | null;
  state_activity: string | null;
  state_instant: Instant | null;
  /** Of '*': whether the profile is marked as one with activities, which is a row of its own where there is no total. */
  is_marked: boolean;
}

interface Raw {
  profile_id: string;
  id: string;
  ordinal: number;
  type_id: number;
  occurred_at: Instant;
  value: number;
  data: Record<string, unknown> | null;
}

/** Both sides, in the same order, ready for `toEqual`. */
export async function totalsAndNaive(db: Queryable): Promise<{ totals: TotalRow[]; naive: TotalRow[] }> {
  const { rows: totals } = await db.query<TotalRow>(sql`
    select t.profile_id, t.fact_id, t.ordinal, t.count, t.sum, t.first_at, t.last_at, t.state, t.state_at, t.state_activity,
      t.state_instant, p.id is not null as is_marked
    from totals t full join (select id, 0 as fact_id from profiles where has_activities) p
      on p.id = t.profile_id and p.fact_id = t.fact_id`);
  const { rows: raw } = await db.query<Raw>(
    sql`select profile_id, id, ordinal, type_id, occurred_at, value, data from activities`,
  );
  const { rows: facts } = await db.query<Fact>(sql`
    select id, type_id as "typeId", key, equals, value_type as "valueType", built from facts`);
  return { totals: sorted(totals), naive: sorted(addUp(raw, facts)) };
}

function addUp(raw: Raw[], facts: Fact[]): TotalRow[] {
  const totals = new Map<string, TotalRow>();
  const oldestFirst = [...raw].sort(
    (a, b) => a.occurred_at - b.occurred_at || Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)),
  );
  for (const row of oldestFirst) {
    add(totals, row, 0);
    add(totals, row, row.type_id);
    for (const fact of facts) {
      if ((fact.typeId !== 0 && fact.typeId !== row.type_id) || row.data === null || !Object.hasOwn(row.data, fact.key))
        continue;
      const value = row.data[fact.key];
      if (fact.valueType === null) {
        if (value === fact.equals) add(totals, row, fact.id);
        continue;
      }
      const instant = fact.valueType === 'datetime' && typeof value === 'string' ? parseInstant(value) : undefined;
      const fits =
        value === null || (fact.valueType === 'datetime' ? instant !== undefined : typeof value === fact.valueType);
      if (!fits) continue;
      const total = add(totals, row, fact.id);
      Object.assign(total, {
        state: value,
        state_at: row.occurred_at,
        state_activity: row.id,
        state_instant: instant ?? null,
      });
    }
  }
  return [...totals.values()];
}

function add(totals: Map<string, TotalRow>, row: Raw, factId: number): TotalRow {
  const key = `${row.profile_id} ${factId}`;
  const total = totals.get(key) ?? {
    profile_id: row.profile_id,
    fact_id: factId,
    ordinal: row.ordinal,
    count: 0,
    sum: 0,
    first_at: row.occurred_at,
    last_at: row.occurred_at,
    state: null,
    state_at: null,
    state_activity: null,
    state_instant: null,
    is_marked: factId === 0,
  };
  total.count++;
  total.sum += row.value;
  total.last_at = row.occurred_at;
  totals.set(key, total);
  return total;
}

const sorted = (rows: TotalRow[]): TotalRow[] =>
  [...rows].sort((a, b) =>
    a.profile_id < b.profile_id ? -1 : a.profile_id > b.profile_id ? 1 : a.fact_id - b.fact_id,
  );
