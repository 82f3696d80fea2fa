import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, sql, type Database } from '../database/database.ts';
import { MICROS_PER_DAY, type Instant } from '../instant.ts';
import { iterate, type Bitset } from '../rules/bitset.ts';
import { loadCatalogue } from '../rules/catalogue-store.ts';
import { compileRule } from '../rules/compile.ts';
import { isMember, nextChangeAt, type CompiledRule } from '../rules/evaluate.ts';
import { explainRule } from '../rules/explain.ts';
import { parseRuleTree } from '../rules/parse.ts';
import { saveWorld } from '../rules/testing/save-world.ts';
import { createRandom } from '../testing/random.ts';
import { createWorld, testCatalogue, type Profile, type World } from '../rules/testing/world.ts';
import { createTestDatabase, type TestDatabase } from '../testing/database.ts';
import { createSetReader, inSnapshot, readRuleSet } from './sets.ts';
import { loadStates } from './state.ts';

const NOW: Instant = Date.UTC(2025, 5, 15) * 1000;
const MINUTE = 60_000_000;

let database: TestDatabase;
let db: Database;
let world: World;

function profile(ordinal: number, comments: number, everyMinutes: number): Profile {
  return {
    id: randomUUID(),
    ordinal,
    createdAt: NOW - 100 * MICROS_PER_DAY,
    nickname: 'Final Horse',
    customId: null,
    activities: Array.from({ length: comments }, (_, index) => ({
      id: `c${index}`,
      type: index % 2 === 0 ? 'shop-purchase' : 'quiz-won',
      at: NOW - index * everyMinutes * MINUTE,
      value: 1 + (index % 3),
      data: null,
    })),
    pairs: [],
    groups: [],
  };
}

beforeAll(async () => {
  database = await createTestDatabase();
  db = openDatabase({ ...database, poolSize: 4, name: 'state' });
  world = await saveWorld(db, (applicationId) => ({
    catalogue: testCatalogue(applicationId),
    profiles: [profile(0, 700, 1), profile(1, 3, 1), profile(2, 0, 1)],
    groups: [],
    start: NOW,
    end: NOW,
  }));
});
afterAll(async () => {
  await db.close();
  await database.drop();
});

function rule(tree: unknown): CompiledRule {
  const context = { catalogue: world.catalogue, groupId: randomUUID(), resolveGroup: () => undefined };
  const parsed = parseRuleTree(tree, context);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  return compileRule(parsed.tree, context);
}

describe('states', () => {
  it.each([
    ['total_activities', 600, NOW - 599 * MINUTE + MICROS_PER_DAY],
    ['spend', 1201, NOW - 600 * MINUTE + MICROS_PER_DAY],
    ['all_values', 1201, NOW - 600 * MINUTE + MICROS_PER_DAY],
  ])('reach thresholds that lie deep in the past: %s >= %d', async (attribute, value, leaves) => {
    const deep = rule({ attribute, condition: 'greater_than_or_equal', value, window: 'P1D' });
    const [busy] = world.profiles;
    if (!busy) throw new Error('no profile');
    const states = await loadStates(db, world.catalogue.applicationId, [busy.id], deep.needs, NOW);
    const state = states.get(busy.id);
    expect(state && nextChangeAt(deep, state, NOW)).toBe(leaves);
  });

  it('hold no more activities than the highest threshold asks for, until an explanation wants them all', async () => {
    const three = rule({ attribute: 'total_activities', condition: 'less_than', value: 3, window: 'P1D' });
    const ids = world.profiles.map((one) => one.id);
    const states = await loadStates(db, world.catalogue.applicationId, ids, three.needs, NOW);
    const lengths = world.profiles.map((one) => states.get(one.id)?.recent.get(0)?.at.length ?? 0);
    expect(lengths).toEqual([5, 3, 0]); // three of either type, as far back as both reach
    const full = await loadStates(db, world.catalogue.applicationId, ids, three.explainNeeds, NOW);
    const [busy] = world.profiles;
    const state = busy && full.get(busy.id);
    expect(state && explainRule(three, state, NOW).explanation).toMatchObject({
      children: [{ children: [{ actual: 700 }] }],
    });
  });

  it('that were asked for an earlier instant are good for it and for every later one', async () => {
    const three = rule({ attribute: 'total_activities', condition: 'between', value: [2, 3], window: 'PT2M' });
    const [busy] = world.profiles;
    if (!busy) throw new Error('no profile');
    const earlier = NOW - 400 * MINUTE;
    const states = await loadStates(db, world.catalogue.applicationId, [busy.id], three.needs, earlier);
    const state = states.get(busy.id);
    expect(state && three.leaves[0]?.flips(state, earlier)).toEqual([NOW + 2 * MINUTE - MINUTE]);
  });

  it('leave out profiles that do not exist or belong to another application', async () => {
    const ids = [randomUUID(), ...world.profiles.map((one) => one.id)];
    const { needs } = rule({ attribute: 'nickname', condition: 'equals', value: 'x' });
    expect(await loadStates(db, world.catalogue.applicationId + 1, ids, needs, NOW)).toEqual(new Map());
    expect((await loadStates(db, world.catalogue.applicationId, ids, needs, NOW)).size).toBe(3);
    expect(await loadStates(db, world.catalogue.applicationId, [], needs, NOW)).toEqual(new Map());
  });
});

describe('members of other groups', () => {
  it('are those whom readers see at the epoch of the head, by state and by set', async () => {
    const random = createRandom(7);
    const crowd = await saveWorld(db, (applicationId) => createWorld(random, 60, applicationId));
    const ids = crowd.profiles.map((one) => one.id);
    for (const group of crowd.groups) {
      const context = {
        catalogue: crowd.catalogue,
        groupId: randomUUID(),
        resolveGroup: (reference: string) => reference,
      };
      const parsed = parseRuleTree({ attribute: 'profile_group', condition: 'in', value: [group] }, context);
      if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
      const reads = compileRule(parsed.tree, context);
      const expected = crowd.profiles.filter((one) => one.groups.includes(group));
      expect(expected.length).toBeGreaterThan(5);
      const { applicationId } = crowd.catalogue;
      const states = await loadStates(db, applicationId, ids, reads.needs, NOW);
      const members = crowd.profiles.filter((one) => states.get(one.id)?.groups.has(group));
      expect(members.map((one) => one.id)).toEqual(expected.map((one) => one.id));
      const set = await inSnapshot(db, async (client) =>
        readRuleSet(await createSetReader(client, { applicationId, now: NOW }), reads),
      );
      expect([...iterate(set)]).toEqual(expected.map((one) => one.ordinal));
    }
  });
});

describe('states set at the same instant', () => {
  it.each([
    ['🏆', '\uffee'],
    ['\uffee', '🏆'],
    ['b', 'a'],
    ['a', 'b'],
  ])('go to the activity whose id is later by code point: %s or %s', async (shop, quiz) => {
    const tied = await saveWorld(db, (applicationId) => {
      const one = profile(0, 0, 1);
      one.activities.push({ id: shop, type: 'shop-purchase', at: NOW, value: 1, data: { size: 'from the shop' } });
      one.activities.push({ id: quiz, type: 'quiz-won', at: NOW, value: 1, data: { size: 'from the quiz' } });
      return { catalogue: testCatalogue(applicationId), profiles: [one], groups: [], start: NOW, end: NOW };
    });
    const shopWins = Buffer.compare(Buffer.from(shop), Buffer.from(quiz)) > 0;
    const size = rule({
      attribute: 'shirt_size',
      condition: 'equals',
      value: shopWins ? 'from the shop' : 'from the quiz',
    });
    const { applicationId } = tied.catalogue;
    const [one] = tied.profiles;
    const state = one && (await loadStates(db, applicationId, [one.id], size.needs, NOW)).get(one.id);
    expect(state && isMember(size, state, NOW)).toBe(true);
    for (const from of ['totals', 'activities'] as const) {
      const set = await inSnapshot(db, async (client) =>
        readRuleSet(await createSetReader(client, { applicationId, now: NOW, from }), size),
      );
      expect([...iterate(set)], from).toEqual([0]);
    }
  });
});

describe('sets', () => {
  it('read a leaf once however many rules share it', async () => {
    const one = rule({ attribute: 'total_activities', condition: 'greater_than', value: 3 });
    const other = rule({
      operator: 'NOT',
      children: [{ attribute: 'total_activities', condition: 'greater_than', value: 3 }],
    });
    await inSnapshot(db, async (client) => {
      const reader = await createSetReader(client, { applicationId: world.catalogue.applicationId, now: NOW });
      let scans = 0;
      const counting = { ...reader, ordinals: (select: string) => (scans++, reader.ordinals(select)) };
      const cache = new Map<string, Bitset>();
      expect([...iterate(await readRuleSet(counting, one, cache))]).toEqual([0]);
      expect([...iterate(await readRuleSet(counting, other, cache))]).toEqual([1, 2]);
      expect(scans).toBe(1);
    });
  });

  it('fail as a whole when a scan fails', async () => {
    const failing = inSnapshot(db, async (client) =>
      (await createSetReader(client, { applicationId: 1, now: NOW })).ordinals(
        'select 1 / (ordinal - ordinal) as ordinal from profiles',
      ),
    );
    await expect(failing).rejects.toThrow('division by zero');
  });
});

describe('the catalogue in the database', () => {
  it('is the one in memory, at its version', async () => {
    const { applicationId } = world.catalogue;
    await db.query(sql`update applications set definitions_version = 7 where id = ${applicationId}`);
    const loaded = await loadCatalogue(db, applicationId);
    expect(loaded?.version).toBe(7);
    const inMemory = testCatalogue(applicationId);
    expect(loaded?.attributes).toEqual(inMemory.attributes);
    expect(loaded?.types).toEqual(inMemory.types);
    expect(loaded?.facts).toEqual(inMemory.facts);
    expect(await loadCatalogue(db, 999_999)).toBeUndefined();
  });
});
