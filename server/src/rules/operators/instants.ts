// Attributes that are instants: the first or last activity, created_at, a datetime stored on the profile. Against
// absolute values they never flip; conditions that count days do, at instants that follow from the value.

import { formatInstant, type Instant } from '../../instant.ts';
import { andNot, buildBitset, type Bitset } from '../bitset.ts';
import type { Derivation, FactRef } from '../attribute.ts';
import { instantTest, type InstantTest, type Stretch } from '../instant-test.ts';
import { dependency } from '../depends.ts';
import type { Boundary, BoundarySource } from '../boundary.ts';
import type { SetReader } from '../leaf.ts';
import { sqlInteger, sqlText } from '../literals.ts';
import { instantRelation, readInstants } from '../relations.ts';
import { NO_NEEDS, type ProfileState } from '../state.ts';
import { instantNamed, storedInstant } from '../moments.ts';
import { complementIf, createColumns, scanInstants } from '../past.ts';
import type { RuleLeaf } from '../tree.ts';
import type { Zone } from '../zone.ts';
import { activityDepends, changesAmong, countingPairs, factNeeds, typeIds, type LeafParts } from './parts.ts';
import { firstInstants, newestPast } from './past-parts.ts';

/** The function side of any leaf over instants, given the profile's. */
export function instantParts(
  test: InstantTest,
  instants: (state: ProfileState) => readonly Instant[],
): Pick<LeafParts, 'test' | 'flips' | 'actual'> {
  const holds = (values: readonly Instant[], now: Instant): boolean =>
    values.some((value) => test.matches(value, now)) !== test.negated;
  return {
    test: (state, now) => holds(instants(state), now),
    flips(state, now, until = Infinity) {
      if (test.crossings.length === 0) return [];
      const values = instants(state);
      const candidates = values.flatMap((value) => test.changes(value, now, until));
      return changesAmong(candidates, now, (at) => holds(values, at));
    },
    actual(state) {
      const [value] = instants(state);
      return value === undefined ? null : formatInstant(value);
    },
  };
}

/** The profiles of a select that takes a condition over its column of instants. */
export async function instantSet(
  reader: SetReader,
  test: InstantTest,
  select: (condition: (column: string, text?: string) => string) => string,
): Promise<Bitset> {
  const rows = await reader.ordinals(select((column, text) => test.sql(column, reader.now, text)));
  return test.negated ? andNot(await reader.universe(), rows) : rows;
}

/** Instants that lie in the past need no boundary before themselves, nor at their own instant. */
export function pastBoundaries(source: BoundarySource, test: InstantTest): Boundary[] {
  return test.crossings
    .filter(
      (crossing) => !('offset' in crossing && crossing.offset <= 0) && !('days' in crossing && crossing.days <= 0),
    )
    .map((crossing) => ({ source, ...crossing }));
}

/** Of instants that were stored as texts, some of which may be dates without a time. */
export function storedBoundaries(source: BoundarySource, test: InstantTest, zone: Zone): Boundary[] {
  return test.crossings.flatMap((crossing): Boundary[] => [
    { source, ...crossing },
    ...('offset' in crossing && zone.name !== 'UTC' ? [{ source, dated: crossing.offset, zone: zone.name }] : []),
  ]);
}

export function factInstant(state: ProfileState, fn: 'first' | 'last', facts: readonly FactRef[]): Instant | null {
  let found: Instant | null = null;
  for (const fact of facts) {
    const total = state.totals.get(fact.factId);
    const at = fn === 'first' ? total?.firstAt : total?.lastAt;
    if (at === null || at === undefined) continue;
    if (found === null || (fn === 'first' ? at < found : at > found)) found = at;
  }
  return found;
}

export function instantLeaf(
  leaf: RuleLeaf,
  { fn, facts }: Extract<Derivation, { kind: 'instant' }>,
  zone: Zone,
): LeafParts {
  const test = instantTest(leaf, zone);
  return {
    ...instantParts(test, (state) => {
      const at = factInstant(state, fn, facts);
      return at === null ? [] : [at];
    }),
    async set(reader) {
      if (reader.from === 'totals') {
        const relation = instantRelation(reader, fn, facts);
        return instantSet(reader, test, (meets) => `select ordinal from (${relation}) f where ${meets('v')}`);
      }
      const instants = await readInstants(reader, fn, facts);
      const found = buildBitset(instants.length);
      instants.forEach((at, ordinal) => {
        if (!Number.isNaN(at) && test.matches(at, reader.now)) found.add(ordinal);
      });
      return test.negated ? andNot(await reader.universe(), found.set) : found.set;
    },
    async past(reader) {
      const { negated, stretches } = test;
      if (fn === 'last') return newestPast(reader, facts, stretches, { negated });
      const firsts = await firstInstants(reader, facts);
      const soFar = (end: Instant): Stretch[] =>
        stretches(end).map(([from, until]) => [from, Math.min(until, end + 1)]);
      return complementIf(negated, reader, await scanInstants(reader, firsts, soFar));
    },
    boundaries: pastBoundaries({ kind: 'activities', typeIds: typeIds(facts) }, test),
    needs: factNeeds(facts),
    depends: activityDepends(facts),
  };
}

export function createdAtLeaf(leaf: RuleLeaf, zone: Zone): LeafParts {
  const test = instantTest(leaf, zone);
  return {
    ...instantParts(test, (state) => [state.createdAt]),
    set: (reader) =>
      instantSet(
        reader,
        test,
        (meets) =>
          `select ordinal from profiles where application_id = ${sqlInteger(reader.applicationId)} and ${meets('created_at')}`,
      ),
    past: async (reader) =>
      complementIf(test.negated, reader, await scanInstants(reader, await reader.creations(), test.stretches)),
    boundaries: pastBoundaries({ kind: 'created_at' }, test),
    needs: NO_NEEDS,
    depends: [dependency.profile('created_at')],
  };
}

export function storedInstantLeaf(leaf: RuleLeaf, key: string, adminOnly: boolean, zone: Zone): LeafParts {
  const test = instantTest(leaf, zone);
  return {
    ...instantParts(test, (state) =>
      countingPairs(state.attributes.get(key), adminOnly).flatMap((pair) =>
        pair.instant === null ? [] : [storedInstant(pair.value, pair.instant, zone)],
      ),
    ),
    set: (reader) =>
      instantSet(
        reader,
        test,
        (meets) => `${storedPairs(reader, key, adminOnly)} and instant is not null and ${meets('instant', 'value')}`,
      ),
    async past(reader) {
      const columns = createColumns();
      const select = storedPairs(reader, key, adminOnly, 'ordinal, value');
      await reader.texts(`${select} and instant is not null`, (ordinal, text) => {
        const at = text === null ? undefined : instantNamed(text, zone);
        if (at !== undefined) columns.add(ordinal, at);
      });
      return complementIf(test.negated, reader, await scanInstants(reader, columns.read(), test.stretches));
    },
    boundaries: storedBoundaries({ kind: 'attribute', key }, test, zone),
    needs: { ...NO_NEEDS, attributes: new Set([key]) },
    depends: [dependency.attribute(key)],
  };
}

/** A select of the ordinals of the pairs that count, or of more of them, to which conditions may be added. */
export function storedPairs(reader: SetReader, key: string, adminOnly: boolean, columns = 'ordinal'): string {
  return `select ${columns} from profile_attributes
    where application_id = ${sqlInteger(reader.applicationId)} and key = ${sqlText(key)}
      ${adminOnly ? `and written_by = 'admin'` : ''}`;
}
