// The past of a rule, held against the naive evaluator asked at each of its instants about the world as it was then. A run
// is repeated by GRANDSTAND_SEED with GRANDSTAND_PROPERTY_RUNS=1; GRANDSTAND_PROPERTY_SECONDS makes it last.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, type Database } from '../database/database.ts';
import { createSetReader, inSnapshot } from '../evaluation/sets.ts';
import { MICROS_PER_DAY, type Instant } from '../instant.ts';
import { createTestDatabase, type TestDatabase } from '../testing/database.ts';
import { chooseSeed, createRandom, propertyTimeout, runSeeds, type Random } from '../testing/random.ts';
import { compileRule } from './compile.ts';
import type { CompiledRule } from './evaluate.ts';
import { parseRuleTree } from './parse.ts';
import { createPastReader, readPast } from './past.ts';
import { edges } from './testing/edges.ts';
import { holdsNaively } from './testing/naive.ts';
import { randomTree } from './testing/random-rule.ts';
import { saveFeeds } from './testing/save-feeds.ts';
import { saveWorld } from './testing/save-world.ts';
import { createWorld, type World } from './testing/world.ts';
import type { RuleLeaf } from './tree.ts';

const firstSeed = chooseSeed();
const GROUP = '00000000-0000-4000-8000-00000000feed';

/** What random trees come to seldom. */
function narrowLeaf(random: Random, world: World): RuleLeaf {
  return random.pick<RuleLeaf>([
    { attribute: 'profile_group', condition: random.pick(['in', 'not_in']), value: random.some(world.groups, 2) },
    {
      attribute: 'days_inactive',
      condition: random.pick(['greater_than_or_equal', 'less_than', 'equals']),
      value: random.pick([1, 3]),
    },
    { attribute: random.pick(['first_deal', 'last_deal']), condition: random.pick(['is_empty', 'is_not_empty']) },
  ]);
}

function randomRule(random: Random, world: World): CompiledRule {
  const resolveGroup = (reference: string): string | undefined => world.groups.find((id) => id === reference);
  const tree = random.chance(0.3) ? narrowLeaf(random, world) : randomTree(random, world);
  const parsed = parseRuleTree(tree, { catalogue: world.catalogue, resolveGroup });
  if (!parsed.ok) throw new Error(`a random tree was refused: ${JSON.stringify(parsed.errors)}`);
  return compileRule(parsed.tree, { catalogue: world.catalogue, groupId: GROUP, resolveGroup });
}

/** Ends of days in the zone of the world, or instants at which somebody may flip, with those beside them. */
function randomEnds(random: Random, world: World, rule: CompiledRule, turns: readonly Instant[]): Instant[] {
  const { zone } = world.catalogue;
  const length = 1 + random.below(12);
  if (random.chance(0.5)) {
    const last = zone.dayOf(world.start) + random.below(45);
    return Array.from({ length }, (_, index) => zone.startOf(last - length + index + 2) - 1);
  }
  const near = world.profiles
    .flatMap((profile) => edges(rule.tree, profile, world))
    .filter((at) => at > world.start - 40 * MICROS_PER_DAY && at < world.end + 40 * MICROS_PER_DAY);
  const happened = world.profiles.flatMap(({ createdAt, activities }) => [
    createdAt,
    ...activities.map(({ at }) => at),
  ]);
  const picked = Array.from({ length }, () =>
    random.pick([random.pick([...near, world.end]), random.pick([...happened, ...turns]) + random.pick([0, 0, 1, -1])]),
  );
  return [...new Set(picked)].sort((a, b) => a - b);
}

describe('the past of a rule', () => {
  let database: TestDatabase;
  let db: Database;
  beforeAll(async () => {
    database = await createTestDatabase();
    db = openDatabase({ ...database, poolSize: 4, name: 'past' });
  });
  afterAll(async () => {
    await db.close();
    await database.drop();
  });

  it(
    `is what the naive evaluator says of each of its instants (seed ${firstSeed})`,
    { timeout: propertyTimeout() },
    async () => {
      for (const seed of runSeeds(firstSeed, 6)) {
        const random = createRandom(seed);
        const world = await saveWorld(db, (applicationId) => createWorld(random, 20, applicationId));
        const { groupsAt, instants } = await saveFeeds(db, random, world);
        for (let turn = 0; turn < 25; turn++) {
          const rule = randomRule(random, world);
          const ends = randomEnds(random, world, rule, instants);
          const now = (ends.at(-1) ?? 0) + random.pick([0, 1, MICROS_PER_DAY]);
          const sizes = await inSnapshot(db, async (client) => {
            const reader = await createSetReader(client, { applicationId: world.catalogue.applicationId, now });
            return readPast(createPastReader(reader, ends), rule);
          });
          const expected = ends.map(
            (end) =>
              world.profiles
                .filter(({ createdAt }) => createdAt <= end)
                .map((one) => ({
                  ...one,
                  activities: one.activities.filter(({ at }) => at <= end),
                  groups: groupsAt(one, end),
                }))
                .filter((one) => holdsNaively(rule.tree, world, one, end, GROUP)).length,
          );
          expect(
            sizes,
            `seed ${seed}, ends ${ends.join()}, zone ${world.catalogue.zone.name}, rule ${JSON.stringify(rule.tree)}`,
          ).toEqual(expected);
        }
      }
    },
  );
});
