// Whole days since an instant, floor(seconds / 86,400), moving with the clock: the number reaches d exactly d times 24
// hours after the instant. An instant ahead of the clock counts as 0 days.

import { MICROS_PER_DAY, type Instant } from '../../instant.ts';
import type { Derivation, FactRef } from '../attribute.ts';
import { and, andNot, emptyBitset, iterate, or, popcount, type Bitset } from '../bitset.ts';
import { numberTest, thresholds, type ValueTest } from '../conditions.ts';
import { dependency } from '../depends.ts';
import type { Boundary } from '../boundary.ts';
import type { Stretch } from '../instant-test.ts';
import type { SetReader } from '../leaf.ts';
import { sqlInstant, sqlInteger } from '../literals.ts';
import { activityConditions, instantRelation } from '../relations.ts';
import type { ProfileState } from '../state.ts';
import type { RuleLeaf } from '../tree.ts';
import { factInstant } from './instants.ts';
import { activityDepends, factNeeds, holdsOver, typeIds, type LeafParts } from './parts.ts';
import { newestPast } from './past-parts.ts';

type Age = Extract<Derivation, { kind: 'age' }>;

export function ageLeaf(leaf: RuleLeaf, { facts, orCreated }: Age): LeafParts {
  const test = numberTest(leaf);
  const steps = thresholds(test, leaf);
  const since = (state: ProfileState): Instant | null =>
    factInstant(state, 'last', facts) ?? (orCreated ? state.createdAt : null);
  const days = (state: ProfileState, now: Instant): number[] => {
    const at = since(state);
    return at === null ? [] : [Math.max(0, Math.floor((now - at) / MICROS_PER_DAY))];
  };
  return {
    test: (state, now) => holdsOver(test, days(state, now)),
    flips(state, now) {
      const at = since(state);
      return at === null ? [] : steps.map((step) => at + step * MICROS_PER_DAY).filter((flip) => flip > now);
    },
    actual: (state, now) => days(state, now)[0] ?? null,
    async set(reader) {
      const condition = (column: string): string => ageSql(column, reader.now, test, steps);
      const found =
        reader.from === 'totals'
          ? await ageFromTotals(reader, instantRelation(reader, 'last', facts), condition, orCreated)
          : await ageFromActivities(reader, { facts, orCreated, test, steps, condition });
      return test.negated ? andNot(await reader.universe(), found) : found;
    },
    past: (reader) =>
      newestPast(reader, facts, (end) => ageStretches(end, test, steps), { negated: test.negated, orCreated }),
    boundaries: steps.flatMap((step): Boundary[] => {
      const offset = step * MICROS_PER_DAY;
      const activities: Boundary = { source: { kind: 'activities', typeIds: typeIds(facts) }, offset };
      return orCreated ? [activities, { source: { kind: 'created_at' }, offset }] : [activities];
    }),
    needs: factNeeds(facts),
    depends: [...activityDepends(facts), ...(orCreated ? [dependency.profile('created_at')] : [])],
  };
}

/** The instants that are as many days old as the test asks for: below the first step it is as at 0 days, and each step turns it. */
function ageStretches(now: Instant, test: ValueTest<number>, steps: readonly number[]): Stretch[] {
  const edges = [0, ...steps];
  return edges.flatMap((low, index): Stretch[] => {
    if (!test.matches(low)) return [];
    const high = edges[index + 1] ?? Infinity;
    return [[now - high * MICROS_PER_DAY + 1, low === 0 ? Infinity : now - low * MICROS_PER_DAY + 1]];
  });
}

/** The test over days as ranges of the instant: below the first step it is as at 0 days, and each step turns it. */
function ageSql(column: string, now: Instant, test: ValueTest<number>, steps: readonly number[]): string {
  const ranges: string[] = [];
  const edges = [0, ...steps];
  for (const [index, low] of edges.entries()) {
    if (!test.matches(low)) continue;
    const high = edges[index + 1];
    const younger = high === undefined ? [] : [`${column} > ${sqlInstant(now - high * MICROS_PER_DAY)}`];
    const older = low === 0 ? [] : [`${column} <= ${sqlInstant(now - low * MICROS_PER_DAY)}`];
    ranges.push([...older, ...younger].join(' and ') || 'true');
  }
  return ranges.length === 0 ? 'false' : `(${ranges.join(' or ')})`;
}

function createdWhere(reader: SetReader, condition: string): string {
  return `select ordinal from profiles where application_id = ${sqlInteger(reader.applicationId)} and ${condition}`;
}

/**
 * Profiles by their last activity; with `orCreated` those that have none by their creation. Those are marked: to find
 * them as the rest of all profiles, every total and every profile would have to be read out.
 */
async function ageFromTotals(
  reader: SetReader,
  last: string,
  condition: (column: string) => string,
  orCreated: boolean,
): Promise<Bitset> {
  const found = await reader.ordinals(`select ordinal from (${last}) f where ${condition('v')}`);
  if (!orCreated) return found;
  return or(found, await reader.ordinals(createdWhere(reader, `not has_activities and ${condition('created_at')}`)));
}

interface RawAge {
  facts: readonly FactRef[];
  orCreated: boolean;
  test: ValueTest<number>;
  steps: readonly number[];
  condition(column: string): string;
}

/**
 * The same from raw activities, without looking at the instant of each: a profile is younger than a step when it has an
 * activity since. With `orCreated`, of the profiles that have none since the last step those alone are looked at further
 * that are younger than that: they have an older activity (the past may be sent at any time) or none. Hardly any profile
 * is left by then; looking up each young one cost twice as much as the rest.
 */
async function ageFromActivities(
  reader: SetReader,
  { facts, orCreated, test, steps, condition }: RawAge,
): Promise<Bitset> {
  const acted = async (after?: Instant): Promise<Bitset> => {
    const later = after === undefined ? '' : ` and occurred_at > ${sqlInstant(after)}`;
    const selects = activityConditions(reader, facts).map(
      (where) => `select ordinal from ${reader.activities} where ${where}${later}`,
    );
    return reader.ordinals(selects.join(' union all '));
  };
  const since = (step: number): Instant => reader.now - step * MICROS_PER_DAY;
  const reached: Bitset[] = [];
  for (const step of steps) reached.push(await acted(since(step)));
  let found = emptyBitset();
  let neverAndYoung = emptyBitset();
  if (orCreated) {
    const young = `created_at > ${sqlInstant(since(steps.at(-1) ?? 0))}`;
    const quiet = andNot(await reader.universe(), reached.at(-1) ?? emptyBitset());
    neverAndYoung = await youngWithout(reader, facts, quiet, young);
    const passing = await reader.ordinals(createdWhere(reader, `${young} and ${condition('created_at')}`));
    found = and(neverAndYoung, passing);
  }
  reached.push(orCreated ? andNot(await reader.universe(), neverAndYoung) : await acted());
  let younger = emptyBitset();
  for (const [index, low] of [0, ...steps].entries()) {
    const before = younger;
    younger = reached[index] ?? before;
    if (test.matches(low)) found = or(found, andNot(younger, before));
  }
  return found;
}

/** Of so many profiles each is looked up by itself; of more, all that are as young. */
const FEW = 50_000;

/** Of these profiles the young ones that have no activity of these facts at all. */
async function youngWithout(
  reader: SetReader,
  facts: readonly FactRef[],
  among: Bitset,
  young: string,
): Promise<Bitset> {
  const ever = activityConditions(reader, facts).map(
    (where) => `exists (select from activities where profile_id = profiles.id and ${where})`,
  );
  for (const [id, sources] of reader.sources) {
    const ids = sources.map((source) => `'${source}'::uuid`).join(', ');
    for (const where of activityConditions(reader, facts))
      ever.push(`(id = '${id}'::uuid and exists (select from activities where profile_id in (${ids}) and ${where}))`);
  }
  const without = `${young} and not (${ever.join(' or ')})`;
  let few = among;
  if (popcount(few) > FEW) few = and(few, await reader.ordinals(createdWhere(reader, young)));
  if (popcount(few) > FEW) return reader.ordinals(createdWhere(reader, without));
  return reader.ordinals(
    createdWhere(reader, `ordinal = any ('{${[...iterate(few)].join(',')}}'::int[]) and ${without}`),
  );
}
