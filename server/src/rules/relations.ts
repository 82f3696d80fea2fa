// Where the set side finds facts in the database: from their totals, or, to prove those, from the raw activities.

import type { Instant } from '../instant.ts';
import type { FactRef, StateType } from './attribute.ts';
import type { SetReader } from './leaf.ts';
import { sqlIn, sqlInstant, sqlInteger, sqlJson, sqlText } from './literals.ts';

type Place = Pick<SetReader, 'applicationId' | 'from' | 'activities'>;

/** Rows of activities of these facts; where-facts and plain ones come as separate conditions, which never overlap. */
export function activityConditions(place: Place, facts: readonly FactRef[]): string[] {
  const application = `application_id = ${sqlInteger(place.applicationId)}`;
  const plain = facts.filter((fact) => !fact.where);
  const conditions = facts.flatMap((fact) =>
    fact.where
      ? [`${typeCondition(place, [fact])} and data -> ${sqlText(fact.where.key)} = ${sqlJson(fact.where.equals)}`]
      : [],
  );
  if (plain.length > 0) conditions.unshift(typeCondition(place, plain));
  return conditions.map((condition) => `${application} and ${condition}`);
}

/** Any type is written out as all types, so that the index by type serves it. */
function typeCondition(place: Place, facts: readonly FactRef[]): string {
  return facts.some((fact) => fact.typeId === 0)
    ? `type_id = any(array(select id from activity_types where application_id in (0, ${sqlInteger(place.applicationId)})))`
    : sqlIn(
        'type_id',
        facts.map((fact) => sqlInteger(fact.typeId)),
      );
}

/** Ends that are infinite are none. */
export function within(after: Instant, until: Instant): string {
  const low = Number.isFinite(after) ? [`occurred_at > ${sqlInstant(after)}`] : [];
  const high = Number.isFinite(until) ? [`occurred_at <= ${sqlInstant(until)}`] : [];
  return [...low, ...high].join(' and ') || 'true';
}

export function totalsCondition(place: Place, facts: readonly FactRef[]): string {
  const ids = facts.map((fact) => sqlInteger(fact.factId));
  return `application_id = ${sqlInteger(place.applicationId)} and ${sqlIn('fact_id', ids)}`;
}

/** A select of (ordinal, v): the first or last instant of each profile that has one, from totals. */
export function instantRelation(place: Place, fn: 'first' | 'last', facts: readonly FactRef[]): string {
  const where = `${totalsCondition(place, facts)} and ${fn}_at is not null`;
  return facts.length === 1
    ? `select ordinal, ${fn}_at as v from totals where ${where}`
    : `select ordinal, ${fn === 'first' ? 'min' : 'max'}(${fn}_at) as v from totals where ${where} group by ordinal`;
}

/** The first or last occurred_at by ordinal from raw activities, NaN where there is none. */
export async function readInstants(
  reader: SetReader,
  fn: 'first' | 'last',
  facts: readonly FactRef[],
): Promise<Float64Array> {
  let found = new Float64Array(1 << 12).fill(NaN);
  const keep = (ordinal: number, at: Instant): void => {
    if (ordinal >= found.length) {
      const grown = new Float64Array(Math.max(ordinal + 1, found.length * 2)).fill(NaN);
      grown.set(found);
      found = grown;
    }
    const known = found[ordinal] ?? NaN;
    if (Number.isNaN(known) || (fn === 'first' ? at < known : at > known)) found[ordinal] = at;
  };
  for (const where of activityConditions(reader, facts)) {
    await reader.instants(`select ordinal, occurred_at from ${reader.activities} where ${where}`, keep);
  }
  return found;
}

/** A select of (ordinal, v): the newest state of each profile that has one, as a column of its type; null if cleared. */
export function stateRelation(place: Place, facts: readonly FactRef[], type: Exclude<StateType, 'datetime'>): string {
  return `select ordinal, ${COLUMNS[type]} as v from (${newestStates(place, facts, type)}) s`;
}

/** The same for a state of type datetime, whose totals keep the instant. */
export function stateInstantRelation(place: Place, facts: readonly FactRef[]): string {
  return `select ordinal, state_instant as v, state #>> '{}' as text from (${newestStates({ ...place, from: 'totals' }, facts, 'datetime')}) s`;
}

const COLUMNS = {
  number: `case when jsonb_typeof(state) = 'number' then state::float8 end`,
  boolean: `case when jsonb_typeof(state) = 'boolean' then state::boolean end`,
  string: `case when jsonb_typeof(state) = 'string' then state #>> '{}' end`,
} as const;

/** A select of (ordinal, v): the newest state that each profile had of those set at these times. */
export function stateRelationWithin(
  place: Place,
  facts: readonly FactRef[],
  type: Exclude<StateType, 'datetime'>,
  time: string,
): string {
  const newest = newestStates({ ...place, from: 'activities' }, facts, type, time);
  return `select ordinal, ${COLUMNS[type]} as v from (${newest}) s`;
}

function newestStates(place: Place, facts: readonly FactRef[], type: StateType, time = 'true'): string {
  if (place.from === 'totals') {
    const where = `${totalsCondition(place, facts)} and state_at is not null`;
    return facts.length === 1
      ? `select ordinal, state, state_instant from totals where ${where}`
      : `select distinct on (ordinal) ordinal, state, state_instant from totals where ${where}
         order by ordinal, state_at desc, state_activity collate "C" desc`;
  }
  const json = type === 'datetime' ? 'string' : type;
  const rows = facts.map((fact) => {
    const state = `data -> ${sqlText(fact.key ?? '')}`;
    const [where] = activityConditions(place, [fact]);
    return `select ordinal, ${state} as state, occurred_at, id from ${place.activities}
            where ${where} and ${time} and jsonb_typeof(${state}) in ('${json}', 'null')`;
  });
  return `select distinct on (ordinal) ordinal, state from (${rows.join(' union all ')}) a
          order by ordinal, occurred_at desc, id collate "C" desc`;
}

/** A select of (ordinal, text), the newest first within a profile: what datetime states are read from. */
export function stateTexts(place: Place, facts: readonly FactRef[], time = 'true'): string {
  const rows = facts.map((fact) => {
    const state = `data -> ${sqlText(fact.key ?? '')}`;
    const [where] = activityConditions(place, [fact]);
    return `select ordinal, ${state} #>> '{}' as v, occurred_at, id from ${place.activities}
            where ${where} and ${time} and jsonb_typeof(${state}) in ('string', 'null')`;
  });
  return `select ordinal, v from (${rows.join(' union all ')}) a order by ordinal, occurred_at desc, id collate "C" desc`;
}
