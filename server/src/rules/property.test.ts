// The differential property: the function of a rule, its set and the naive evaluator say the same, about membership now
// and about every instant at which it changes. Each run has a seed of its own, and is repeated alone by GRANDSTAND_SEED with
// GRANDSTAND_PROPERTY_RUNS=1. GRANDSTAND_PROPERTY_SECONDS makes each of the two last.

import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, type Database } from '../database/database.ts';
import { createSetReader, inSnapshot, readRuleSet } from '../evaluation/sets.ts';
import { loadStates } from '../evaluation/state.ts';
import type { Instant } from '../instant.ts';
import { createTestDatabase, type TestDatabase } from '../testing/database.ts';
import { iterate } from './bitset.ts';
import { compileRule } from './compile.ts';
import { isMember, nextChangeAt, timeline, type CompiledRule } from './evaluate.ts';
import { explainRule } from './explain.ts';
import { crossedRanges, type Boundary } from './boundary.ts';
import { parseRuleTree } from './parse.ts';
import { mergeNeeds, type ProfileState } from './state.ts';
import { holdsNaively } from './testing/naive.ts';
import { edges, lastEdge } from './testing/edges.ts';
import { randomTree } from './testing/random-rule.ts';
import { chooseSeed, createRandom, propertyTimeout, runSeeds, type Random } from '../testing/random.ts';
import { saveWorld } from './testing/save-world.ts';
import { createWorld, stateInMemory, type Profile, type World } from './testing/world.ts';

const firstSeed = chooseSeed();
/** Of the run. */
let seed = firstSeed;
/** A random test takes as long as it is asked to. */
const PATIENCE = { timeout: propertyTimeout() };
const GROUP = '00000000-0000-4000-8000-00000000feed';

function randomRule(random: Random, world: World): CompiledRule {
  const resolveGroup = (reference: string): string | undefined => world.groups.find((id) => id === reference);
  const parsed = parseRuleTree(randomTree(random, world), { catalogue: world.catalogue, resolveGroup });
  if (!parsed.ok) throw new Error(`a random tree was refused: ${JSON.stringify(parsed.errors)}`);
  return compileRule(parsed.tree, { catalogue: world.catalogue, groupId: GROUP, resolveGroup });
}

function describeCase(rule: CompiledRule, profile: Profile, now: Instant): string {
  return `seed ${seed}, now ${now}, rule ${JSON.stringify(rule.tree)}, profile ${JSON.stringify(profile)}`;
}

/** Fails with the whole case in the message, which is put together only then. */
function agree(actual: unknown, expected: unknown, why: () => string): void {
  if (!Object.is(actual, expected)) expect(actual, why()).toEqual(expected);
}

/** Membership by the timeline equals the naive one at every edge after `from`. */
function expectTimeline(rule: CompiledRule, world: World, profile: Profile, state: ProfileState, from: Instant): void {
  const last = lastEdge(rule.tree, world);
  const walked = timeline(rule, state, from, last);
  const naively = (at: Instant): boolean => holdsNaively(rule.tree, world, profile, at, GROUP);
  const because = (what: string, at: Instant) => () => `${what} at ${at}: ${describeCase(rule, profile, from)}`;
  let next = 0;
  let member = walked.member;
  for (const at of [from, ...edges(rule.tree, profile, world).filter((edge) => edge > from)]) {
    for (let change = walked.changes[next]; change && change.at <= at; change = walked.changes[++next]) {
      agree(change.member, !member, because('changes alternate', change.at));
      member = change.member;
      agree(member, naively(change.at), because('on the change', change.at));
      agree(!member, naively(change.at - 1), because('just before the change', change.at));
    }
    agree(member, naively(at), because('membership', at));
  }
  agree(walked.changes.length, next, because('no change beyond the edges', from));
  if (last === Infinity || walked.changes.length > 0)
    agree(nextChangeAt(rule, state, from), walked.changes[0]?.at ?? null, because('next change', from));
}

function crossedInstants(boundary: Boundary, world: World, profile: Profile, state: ProfileState): Instant[] {
  const { source } = boundary;
  switch (source.kind) {
    case 'activities':
      return profile.activities
        .filter((row) => source.typeIds.some((id) => id === 0 || id === world.catalogue.types.get(row.type)?.id))
        .map((row) => row.at);
    case 'created_at':
      return [profile.createdAt];
    case 'attribute':
      return (state.attributes.get(source.key) ?? []).flatMap((pair) => pair.instant ?? []);
    case 'state':
      return [state.totals.get(source.factId)?.stateInstant ?? []].flat();
  }
}

function expectBoundaries(rule: CompiledRule, world: World, profile: Profile, state: ProfileState, now: Instant): void {
  for (const leaf of rule.leaves) {
    for (const flip of leaf.flips(state, now, lastEdge(rule.tree, world))) {
      const isForeseen = leaf.boundaries.some((boundary) =>
        crossedRanges(boundary, flip - 1, flip).some(({ low, high }) =>
          crossedInstants(boundary, world, profile, state).some((at) => low < at && at <= high),
        ),
      );
      agree(isForeseen, true, () => `flip ${flip} of ${leaf.key}: ${describeCase(rule, profile, now)}`);
    }
  }
}

/** Mostly an instant at which a profile flips, or the microsecond before: where an edge that is wrong shows. */
function chooseClock(random: Random, world: World, rule: CompiledRule): Instant {
  const flips = world.profiles.flatMap((profile) => {
    const { changes } = timeline(
      rule,
      stateInMemory(world, profile, rule.needs),
      world.start,
      lastEdge(rule.tree, world),
    );
    return changes.flatMap((change) => [change.at, change.at - 1]);
  });
  const clocks = flips.length > 0 && random.chance(0.8) ? flips : edges(rule.tree, random.pick(world.profiles), world);
  return random.pick([...clocks, world.end]);
}

describe('the function of a rule', () => {
  it(`says what the naive evaluator says, now and at every edge to come (seed ${firstSeed})`, PATIENCE, async () => {
    for (seed of runSeeds(firstSeed, 30)) {
      const random = createRandom(seed);
      const world = createWorld(random, 12);
      for (let turn = 0; turn < 10; turn++) {
        const rule = randomRule(random, world);
        for (const profile of world.profiles) {
          const state = stateInMemory(world, profile, rule.needs);
          const now = random.pick([...edges(rule.tree, profile, world).filter((edge) => edge < world.end), world.end]);
          expectTimeline(rule, world, profile, state, now);
          const newest = Math.max(profile.createdAt, ...profile.activities.map((row) => row.at));
          expectBoundaries(rule, world, profile, state, Math.max(now, newest));
        }
      }
      await setImmediate(); // a runner that hears nothing for a minute gives up
    }
  });
});

describe('the set of a rule', () => {
  let database: TestDatabase;
  let db: Database;

  beforeAll(async () => {
    database = await createTestDatabase();
    db = openDatabase({ ...database, poolSize: 4, name: 'property' });
  });
  afterAll(async () => {
    await db.close();
    await database.drop();
  });

  it(
    `holds exactly the members, from totals and from raw activities, as do states loaded (seed ${firstSeed})`,
    PATIENCE,
    async () => {
      for (seed of runSeeds(firstSeed, 4)) {
        const random = createRandom(seed);
        const world = await saveWorld(db, (applicationId) => createWorld(random, 25, applicationId));
        for (let turn = 0; turn < 25; turn++) {
          const rule = randomRule(random, world);
          const now = chooseClock(random, world, rule);
          const context = `seed ${seed}, now ${now}, rule ${JSON.stringify(rule.tree)}`;
          const expected = world.profiles.filter((one) => holdsNaively(rule.tree, world, one, now, GROUP));
          const names = (ordinals: Iterable<number>): number[] => [...ordinals];
          const [fromTotals, fromActivities] = await inSnapshot(db, async (client) => {
            const options = { applicationId: world.catalogue.applicationId, now };
            return [
              await readRuleSet(await createSetReader(client, options), rule),
              await readRuleSet(await createSetReader(client, { ...options, from: 'activities' }), rule),
            ];
          });
          expect(names(iterate(fromTotals)), `from totals, ${context}`).toEqual(expected.map((one) => one.ordinal));
          expect(names(iterate(fromActivities)), `from activities, ${context}`).toEqual(
            expected.map((one) => one.ordinal),
          );

          const ids = world.profiles.map((one) => one.id);
          const { applicationId } = world.catalogue;
          const loaded = await loadStates(db, applicationId, ids, rule.needs, now, random.pick([1, 2, 256]));
          const explained = await loadStates(db, applicationId, ids, rule.explainNeeds, now);
          for (const one of world.profiles) {
            const state = loaded.get(one.id);
            const full = explained.get(one.id);
            if (!state || !full) throw new Error(`the state of ${one.id} was not loaded`);
            const why = (): string => describeCase(rule, one, now);
            agree(isMember(rule, state, now), expected.includes(one), why);
            const inMemory = stateInMemory(world, one, mergeNeeds([rule.needs, rule.explainNeeds]));
            const text = JSON.stringify;
            agree(text(timeline(rule, state, now, Infinity)), text(timeline(rule, inMemory, now, Infinity)), why);
            agree(text(explainRule(rule, full, now)), text(explainRule(rule, inMemory, now)), why);
          }
        }
      }
    },
  );
});
