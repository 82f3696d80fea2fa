// Attributes that are plain values: the newest state of a key, a pair stored on the profile, a field of the profile.

import type { Derivation, FactRef, Scalar, ValueType } from '../attribute.ts';
import { andNot, buildBitset, type Bitset } from '../bitset.ts';
import { booleanTest, elementTest, numberTest, textTest, type ValueTest } from '../conditions.ts';
import type { Instant } from '../../instant.ts';
import { instantTest, type InstantTest } from '../instant-test.ts';
import { instantNamed, storedInstant } from '../moments.ts';
import type { Zone } from '../zone.ts';
import { dependency } from '../depends.ts';
import type { Actual, SetReader } from '../leaf.ts';
import { sqlInteger } from '../literals.ts';
import { complementIf, createRecorder, type Film, type PastReader } from '../past.ts';
import { stateInstantRelation, stateRelation, stateRelationWithin, stateTexts, within } from '../relations.ts';
import { NO_NEEDS, type FactTotal, type ProfileState, type StoredValue } from '../state.ts';
import type { RuleLeaf } from '../tree.ts';
import { compareText, parseBoolean } from '../values.ts';
import { instantParts, instantSet, storedBoundaries, storedPairs } from './instants.ts';
import { activityDepends, countingPairs, factNeeds, holdsOver, scalarSet, type LeafParts } from './parts.ts';

/** The newest state among the facts: by occurred_at, then by the id of the activity. */
function newestState(state: ProfileState, facts: readonly FactRef[]): FactTotal | undefined {
  let newest: FactTotal | undefined;
  for (const fact of facts) {
    const total = state.totals.get(fact.factId);
    if (!total || total.stateAt === null) continue;
    if (newest?.stateAt === undefined || newest.stateAt === null || isNewer(total, newest)) newest = total;
  }
  return newest;
}

function isNewer(a: FactTotal, b: FactTotal): boolean {
  const difference = (a.stateAt ?? 0) - (b.stateAt ?? 0);
  return difference > 0 || (difference === 0 && compareText(a.stateActivity ?? '', b.stateActivity ?? '') > 0);
}

export function stateLeaf(
  leaf: RuleLeaf,
  { facts, positive }: Extract<Derivation, { kind: 'state' }>,
  type: ValueType,
  missing: 0 | false | null,
  zone: Zone,
): LeafParts {
  if (positive) return positiveStateLeaf(leaf, facts);
  switch (type) {
    case 'number':
      return typedStateLeaf(facts, 'number', numberTest(leaf), (value) => typeof value === 'number', null);
    case 'boolean':
      return typedStateLeaf(
        facts,
        'boolean',
        booleanTest(leaf),
        (value) => typeof value === 'boolean',
        missing === false ? false : null,
      );
    case 'datetime':
      return stateInstantLeaf(leaf, facts, zone);
    default:
      return typedStateLeaf(facts, 'string', textTest(leaf), (value) => typeof value === 'string', null);
  }
}

function typedStateLeaf<T extends Scalar>(
  facts: readonly FactRef[],
  column: 'number' | 'boolean' | 'string',
  test: ValueTest<T>,
  isTyped: (value: Scalar) => value is T & Scalar,
  missing: T | null,
): LeafParts {
  const valueOf = (state: ProfileState): T | null => {
    const value = newestState(state, facts)?.state ?? null;
    return value !== null && isTyped(value) ? value : missing;
  };
  return {
    test(state) {
      const value = valueOf(state);
      return holdsOver(test, value === null ? [] : [value]);
    },
    flips: () => [],
    actual: valueOf,
    set: (reader) =>
      scalarSet(
        reader,
        test,
        missing,
        (meets) =>
          `select ordinal from (${stateRelation(reader, facts, column)}) v where v is not null and ${meets('v')}`,
      ),
    past: (reader) =>
      statePast(reader, (time) => stateRelationWithin(reader, facts, column, time), {
        condition: test.sql('v'),
        missingMatches: missing !== null && test.matches(missing),
        negated: test.negated,
      }),
    boundaries: [],
    needs: factNeeds(facts),
    depends: activityDepends(facts),
  };
}

/** Whether the number is greater than 0; no number is not. */
function positiveStateLeaf(leaf: RuleLeaf, facts: readonly FactRef[]): LeafParts {
  const test = booleanTest(leaf);
  const isPositive = (state: ProfileState): boolean => {
    const value = newestState(state, facts)?.state;
    return typeof value === 'number' && value > 0;
  };
  return {
    test: (state) => holdsOver(test, [isPositive(state)]),
    flips: () => [],
    actual: isPositive,
    set: (reader) =>
      scalarSet(
        reader,
        test,
        false,
        (meets) =>
          `select ordinal from (${stateRelation(reader, facts, 'number')}) v where v is not null and ${meets('(v > 0)')}`,
      ),
    past: (reader) =>
      statePast(reader, (time) => stateRelationWithin(reader, facts, 'number', time), {
        condition: test.sql('(v > 0)'),
        missingMatches: test.matches(false),
        negated: test.negated,
      }),
    boundaries: [],
    needs: factNeeds(facts),
    depends: activityDepends(facts),
  };
}

function stateInstantLeaf(leaf: RuleLeaf, facts: readonly FactRef[], zone: Zone): LeafParts {
  const test = instantTest(leaf, zone);
  return {
    ...instantParts(test, (state) => {
      const newest = newestState(state, facts);
      const at = newest?.stateInstant ?? null;
      return at === null ? [] : [storedInstant(newest?.state, at, zone)];
    }),
    async set(reader) {
      if (reader.from === 'totals') {
        return instantSet(
          reader,
          test,
          (meets) =>
            `select ordinal from (${stateInstantRelation(reader, facts)}) s where v is not null and ${meets('v', 'text')}`,
        );
      }
      // Raw values are texts; the parser that intake uses reads them, so that both sides take the same ones.
      const found = buildBitset();
      let decided = -1;
      await reader.texts(stateTexts(reader, facts), (ordinal, text) => {
        if (ordinal === decided) return;
        const at = text === null ? null : instantNamed(text, zone);
        if (at === undefined) return; // not an instant: as if the activity did not have the key
        decided = ordinal;
        if (at !== null && test.matches(at, reader.now)) found.add(ordinal);
      });
      return test.negated ? andNot(await reader.universe(), found.set) : found.set;
    },
    past: (reader) => stateInstantPast(reader, facts, test, zone),
    boundaries: facts.flatMap((fact) => storedBoundaries({ kind: 'state', factId: fact.factId }, test, zone)),
    needs: factNeeds(facts),
    depends: activityDepends(facts),
  };
}

/** Whose newest state so far meets a condition over its column `v`; null is none, whose value is the missing one. */
async function statePast(
  reader: PastReader,
  relation: (time: string) => string,
  { condition, missingMatches, negated }: { condition: string; missingMatches: boolean; negated: boolean },
): Promise<Film> {
  const verdict = `case when v is null then 0 when ${condition} then 1 else 2 end::int8 as v`;
  const recorder = createRecorder();
  const film: Bitset[] = [];
  for (const [day, until] of reader.ends.entries()) {
    await reader.pause();
    const time = within(reader.ends[day - 1] ?? -Infinity, until);
    await reader.pairs(`select ordinal, ${verdict} from (${relation(time)}) s`, (ordinal, verdict) =>
      recorder.put(ordinal, (verdict === 0 ? missingMatches : verdict === 1) !== missingMatches),
    );
    film.push(recorder.take());
  }
  return complementIf(missingMatches !== negated, reader, film);
}

/** The same of instants, which are read as intake reads them. */
async function stateInstantPast(
  reader: PastReader,
  facts: readonly FactRef[],
  test: InstantTest,
  zone: Zone,
): Promise<Film> {
  const current = new Map<number, Instant | null>();
  const film: Bitset[] = [];
  for (const [day, until] of reader.ends.entries()) {
    await reader.pause();
    let decided = -1;
    const select = stateTexts(reader, facts, within(reader.ends[day - 1] ?? -Infinity, until));
    await reader.texts(select, (ordinal, text) => {
      const at = text === null ? null : instantNamed(text, zone);
      if (ordinal === decided || at === undefined) return;
      decided = ordinal;
      current.set(ordinal, at);
    });
    const found = buildBitset();
    for (const [ordinal, at] of current) if (at !== null && test.matches(at, until)) found.add(ordinal);
    film.push(found.set);
  }
  return complementIf(test.negated, reader, film);
}

/** A pair on the profile. Where a scalar key was repeated before it was catalogued, every value stands. */
export function storedLeaf(leaf: RuleLeaf, key: string, adminOnly: boolean, type: ValueType): LeafParts {
  const { test, read, column } = storedReading(leaf, type);
  const values = (state: ProfileState): readonly Scalar[] =>
    countingPairs(state.attributes.get(key), adminOnly).flatMap((pair) => {
      const value = read(pair);
      return value === undefined || value === null ? [] : [value];
    });
  return {
    test: (state) => holdsOver(test, values(state)),
    flips: () => [],
    actual(state): Actual {
      const found = values(state);
      return type === 'list' ? found.map(String) : (found[0] ?? null);
    },
    async set(reader) {
      const rows = await reader.ordinals(`${storedPairs(reader, key, adminOnly)} and ${column(test)}`);
      return test.negated ? andNot(await reader.universe(), rows) : rows;
    },
    boundaries: [],
    needs: { ...NO_NEEDS, attributes: new Set([key]) },
    depends: [dependency.attribute(key)],
  };
}

interface StoredReading {
  test: ValueTest<Scalar>;
  read(pair: StoredValue): Scalar | null | undefined;
  column(test: ValueTest<Scalar>): string;
}

function storedReading(leaf: RuleLeaf, type: ValueType): StoredReading {
  switch (type) {
    case 'number':
      return {
        test: numberTest(leaf) as ValueTest<Scalar>, // `read` gives it numbers alone; so below with the other types
        read: (pair) => pair.number,
        column: (test) => `number is not null and ${test.sql('number')}`,
      };
    case 'boolean':
      return {
        test: booleanTest(leaf) as ValueTest<Scalar>,
        read: (pair) => parseBoolean(pair.value),
        column: (test) => `value in ('true', 'false') and ${test.sql(`(value = 'true')`)}`,
      };
    default:
      return {
        test: (type === 'list' ? elementTest(leaf) : textTest(leaf)) as ValueTest<Scalar>,
        read: (pair) => pair.value,
        column: (test) => test.sql('value'),
      };
  }
}

export function profileTextLeaf(leaf: RuleLeaf, field: 'nickname' | 'custom_id'): LeafParts {
  const test = textTest(leaf);
  const valueOf = (state: ProfileState): string | null => (field === 'nickname' ? state.nickname : state.customId);
  return {
    test(state) {
      const value = valueOf(state);
      return holdsOver(test, value === null ? [] : [value]);
    },
    flips: () => [],
    actual: valueOf,
    async set(reader) {
      const rows = await reader.ordinals(profileRows(reader, `${field} is not null and ${test.sql(field)}`));
      return test.negated ? andNot(await reader.universe(), rows) : rows;
    },
    boundaries: [],
    needs: NO_NEEDS,
    depends: [dependency.profile(field)],
  };
}

function profileRows(reader: SetReader, condition: string): string {
  return `select ordinal from profiles where application_id = ${sqlInteger(reader.applicationId)} and ${condition}`;
}
