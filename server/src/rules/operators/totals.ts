// Lifetime counts and sums, their differences and ratios. They change with activities alone, so they never flip.

import type { Derivation, FactRef } from '../attribute.ts';
import { andNot, emptyBitset, type Bitset } from '../bitset.ts';
import { booleanTest, numberTest, type ValueTest } from '../conditions.ts';
import type { SetReader } from '../leaf.ts';
import { activityConditions, totalsCondition } from '../relations.ts';
import type { ProfileState } from '../state.ts';
import type { RuleLeaf } from '../tree.ts';
import {
  activityDepends,
  createTally,
  factNeeds,
  holdsOver,
  scalarSet,
  tallySet,
  type LeafParts,
  type Numbers,
  type Tally,
} from './parts.ts';
import { differencePast, ratioPast } from './past-parts.ts';

type Measure = 'count' | 'sum';
type Of<Kind extends Derivation['kind']> = Extract<Derivation, { kind: Kind }>;

/** A test over "is there any" (`total >= 1`), as one over the total. */
export function existenceTest(leaf: RuleLeaf): ValueTest<number> {
  const test = booleanTest(leaf);
  return {
    negated: test.negated,
    matches: (total) => test.matches(total >= 1),
    sql: (column) => test.sql(`(${column} >= 1)`),
  };
}

function factsTotal(state: ProfileState, of: Measure, facts: readonly FactRef[]): number {
  let total = 0;
  for (const fact of facts) total += state.totals.get(fact.factId)?.[of] ?? 0;
  return total;
}

/** Adds the totals of the facts, times a factor, to the tally. */
async function tallyFacts(
  reader: SetReader,
  tally: Tally,
  { of, facts }: { of: Measure; facts: readonly FactRef[] },
  factor = 1,
): Promise<void> {
  if (reader.from === 'totals') {
    const select = `select ordinal, ${of} as v from totals where ${totalsCondition(reader, facts)}`;
    await reader.pairs(select, (ordinal, value) => tally.add(ordinal, value * factor));
    return;
  }
  await tallyActivities(reader, tally, of === 'sum' ? 'value' : undefined, activityConditions(reader, facts), factor);
}

/** Adds one for each activity, or what a column of integers says, times a factor. */
export async function tallyActivities(
  reader: SetReader,
  tally: Tally,
  added: string | undefined,
  conditions: readonly string[],
  factor = 1,
): Promise<void> {
  for (const where of conditions) {
    if (added === undefined) {
      await reader.each(`select ordinal from ${reader.activities} where ${where}`, (ordinals) =>
        tally.addAll(ordinals, factor),
      );
    } else {
      const select = `select ordinal, ${added} as v from ${reader.activities} where ${where}`;
      await reader.pairs(select, (ordinal, value) => tally.add(ordinal, value * factor));
    }
  }
}

export function totalLeaf(leaf: RuleLeaf, { of, facts, exists }: Of<'total'>): LeafParts {
  const test = exists ? existenceTest(leaf) : numberTest(leaf);
  const total = (state: ProfileState): number => factsTotal(state, of, facts);
  return {
    test: (state) => holdsOver(test, [total(state)]),
    flips: () => [],
    actual: (state) => (exists ? total(state) >= 1 : total(state)),
    async set(reader) {
      if (reader.from === 'totals' && facts.length === 1) {
        const where = totalsCondition(reader, facts);
        return scalarSet(reader, test, 0, (meets) => `select ordinal from totals where ${where} and ${meets(of)}`);
      }
      const tally = createTally();
      await tallyFacts(reader, tally, { of, facts });
      return numberSet(reader, test, tally.values);
    },
    past: (reader) => differencePast(reader, [{ of, facts }], [1], (total) => holdsOver(test, [total])),
    boundaries: [],
    needs: factNeeds(facts),
    depends: activityDepends(facts),
  };
}

/** The set of a test over one number each, 0 where nothing was tallied. */
export async function numberSet(reader: SetReader, test: ValueTest<number>, values: Numbers): Promise<Bitset> {
  const passes = (value: number): boolean => test.matches(value) !== test.negated;
  const zeroPasses = passes(0);
  const isOther = (value: number): boolean => passes(value) !== zeroPasses;
  const small = Array.from({ length: 256 }, (_, value) => isOther(value)); // most are, and the test is a chain of calls
  const found = emptyBitset(values.length);
  for (let ordinal = 0; ordinal < values.length; ordinal++) {
    const value = values[ordinal]!; // within the array; so is the word below
    if (value !== 0 && (small[value] ?? isOther(value))) found[ordinal >>> 5]! |= 1 << (ordinal & 31);
  }
  return zeroPasses ? andNot(await reader.universe(), found) : found;
}

export function differenceLeaf(leaf: RuleLeaf, { terms, positive }: Of<'difference'>): LeafParts {
  const test = positive ? existenceTest(leaf) : numberTest(leaf);
  const facts = terms.flatMap((term) => term.facts);
  const sign = (index: number): number => (index === 0 ? 1 : -1);
  const difference = (state: ProfileState): number =>
    terms.reduce((total, term, index) => total + sign(index) * factsTotal(state, term.of, term.facts), 0);
  return {
    test: (state) => holdsOver(test, [difference(state)]),
    flips: () => [],
    actual: (state) => (positive ? difference(state) >= 1 : difference(state)),
    async set(reader) {
      const tally = createTally();
      for (const [index, term] of terms.entries()) await tallyFacts(reader, tally, term, sign(index));
      return numberSet(reader, test, tally.values);
    },
    past: (reader) =>
      differencePast(
        reader,
        terms,
        terms.map((_, index) => sign(index)),
        (total) => holdsOver(test, [total]),
      ),
    boundaries: [],
    needs: factNeeds(facts),
    depends: activityDepends(facts),
  };
}

export function ratioLeaf(leaf: RuleLeaf, { part, whole }: Of<'ratio'>): LeafParts {
  const test = numberTest(leaf);
  const facts = [...part, ...whole];
  const ratio = (state: ProfileState): number[] => {
    const denominator = factsTotal(state, 'count', whole);
    return denominator === 0 ? [] : [factsTotal(state, 'count', part) / denominator];
  };
  return {
    test: (state) => holdsOver(test, ratio(state)),
    flips: () => [],
    actual: (state) => ratio(state)[0] ?? null,
    async set(reader) {
      const parts = createTally();
      const wholes = createTally();
      await tallyFacts(reader, parts, { of: 'count', facts: part });
      await tallyFacts(reader, wholes, { of: 'count', facts: whole });
      const passes = (ordinal: number): boolean => {
        const denominator = wholes.values[ordinal] ?? 0;
        const matches = denominator !== 0 && test.matches((parts.values[ordinal] ?? 0) / denominator);
        return matches !== test.negated;
      };
      return tallySet(reader, wholes.values.length, passes, test.negated);
    },
    past: (reader) =>
      ratioPast(
        reader,
        [
          { of: 'count', facts: part },
          { of: 'count', facts: whole },
        ],
        (a, b) => holdsOver(test, b === 0 ? [] : [a / b]),
        test.negated,
      ),
    boundaries: [],
    needs: factNeeds(facts),
    depends: activityDepends(facts),
  };
}
