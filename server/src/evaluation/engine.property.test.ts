// The engine as a whole against a model in memory: random steps through the API with workers that are killed at random
// statements, and after each round everything that readers see is compared. GRANDSTAND_SEED repeats a run,
// GRANDSTAND_ENGINE_SECONDS makes it last (an hour: 3600).

import { isDeepStrictEqual } from 'node:util';
import { ApiError, type AdminClient } from '@grandstand/sdk/server';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Clock } from '../clock.ts';
import { sql, type Sql } from '../database/database.ts';
import { formatInstant, MICROS_PER_DAY, MICROS_PER_SECOND, parseInstant, type Instant } from '../instant.ts';
import { leavesOf, normalise, type RuleTree } from '../rules/tree.ts';
import { randomLeaf, randomTree } from '../rules/testing/random-rule.ts';
import { chooseSeed, createRandom } from '../testing/random.ts';
import { saveDefinitions } from '../rules/testing/save-world.ts';
import { ALL_TYPES, createActivity, NUMBERS, TEXTS, type Profile } from '../rules/testing/world.ts';
import { makeCheckpoint } from '../membership/checkpoints.ts';
import { rememberPast, type Past } from '../membership/testing/past.ts';
import { createMover } from '../merging/mover.ts';
import { CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';
import { dynamicGroups } from './dynamic-groups.ts';
import { createModel, edges, membershipAt, ruleSays, type Model, type ModelGroup } from './testing/model.ts';
import { createFormer, mergeInModel, patchInModel, untouched } from './testing/merges.ts';
import { evaluateQueue } from './testing/evaluate-queue.ts';
import { Killed, mortal } from './testing/mortal.ts';
import { createWorker, type Worker } from './worker.ts';

const seed = chooseSeed();
const random = createRandom(seed);
const SECONDS = Number(process.env['GRANDSTAND_ENGINE_SECONDS'] ?? 30);
/** However busy the machine is. */
const LEAST_STEPS = 1_000;
/** Beyond the seconds, for the least steps; a machine with other work to do takes fewer. */
const PATIENCE_MS = 150_000;
const START = parseInstant('2025-02-01T00:00:00.000000Z') ?? 0;
const MOST_PROFILES = 24;
const MOST_DYNAMIC = 9;

/** Stands still within a round, so that the model is asked about the very instant of the evaluation. */
let now: Instant = START;
const clock: Clock = { now: () => now };

interface Feed {
  sequence: number;
  profile_id: string;
  change: 'entered' | 'left';
  at: Instant;
  cause: string;
}

describe('the engine', () => {
  let server: TestServer;
  let sdk: AdminClient;
  let model: Model;
  let worker: Worker;
  let kills = 0;
  let steps = 0;
  let merges = 0;
  const former = createFormer();
  /** The `updated_at` of each profile that was changed. */
  const touched = new Map<string, Instant>();
  const trace: string[] = [];
  const note = (text: string): void => {
    trace.push(`${formatInstant(now)} ${text}`);
    if (trace.length > 60) trace.shift();
  };

  beforeAll(async () => {
    // Histories of three and more come over in slices, while all else goes on.
    server = await startTestServer({ clock, moves: { atOnce: 2, slice: 2, start: false } });
    sdk = server.sdk;
    const { db, catalogues } = server.app.context;
    const { rows } = await db.query<{ id: number }>(sql`select id from applications where client_id = ${CLIENT_ID}`);
    await saveDefinitions(db, rows[0]?.id ?? 0);
    await db.query(sql`update applications set definitions_version = definitions_version + 1`);
    model = createModel(await catalogues.refresh(rows[0]?.id ?? 0), START);
    worker = hire(Infinity);
  });
  afterAll(() => server.close());

  /** A worker that dies at a statement of its own. */
  function hire(statements: number): Worker {
    const { db } = mortal(server.app.context.db, statements);
    return createWorker({
      db,
      clock,
      log: pino({ level: process.env['TEST_LOG'] ?? 'silent' }),
      dynamicGroups: dynamicGroups({ db, clock }),
    });
  }

  /** One of them, mostly. */
  const maybe = <T>(from: readonly T[]): T | undefined =>
    from.length === 0 || random.chance(0.1) ? undefined : random.pick(from);
  const dynamic = (): ModelGroup[] => model.all.filter((group) => group.tree && group.isActive);
  /** What happened to a group is soon followed by more: pins while it is edited, filled or paused. */
  let chosen: ModelGroup | undefined;
  const chooseGroup = (): ModelGroup | undefined => {
    const again = chosen && dynamic().includes(chosen) && random.chance(0.4);
    if (!again) chosen = maybe(dynamic());
    return chosen;
  };
  const instant = (): Instant => {
    const anchor =
      random.chance(0.5) && model.profiles.some((profile) => profile.activities.length > 0)
        ? (random.pick(model.profiles).activities[0]?.at ?? now)
        : now;
    const shift = random.pick([
      0,
      0,
      1,
      -1,
      -MICROS_PER_SECOND,
      -MICROS_PER_DAY,
      -7 * MICROS_PER_DAY,
      -30 * MICROS_PER_DAY,
      -random.below(MICROS_PER_DAY),
    ]);
    return Math.min(now, anchor + shift);
  };

  /** A tree that reads no group from this place on. */
  function tree(place: number): RuleTree {
    const readable = model.all.slice(0, place).filter((group) => group.isActive);
    model.groups = readable.length === 0 ? ['nobody'] : readable.map((group) => group.id);
    if (random.chance(0.6)) return busyTree(readable);
    for (;;) {
      const made = randomTree(random, model, 2);
      if (readable.length > 0 || leavesOf(made).every((leaf) => leaf.attribute !== 'profile_group')) return made;
    }
  }

  /** Rules that what happens here moves: short windows over frequent types, other dynamic groups, instants to come. */
  function busyTree(readable: ModelGroup[]): RuleTree {
    const window = (): string => random.pick(['PT1S', 'PT6H', 'P1D', 'P7D']);
    const dynamicOnes = readable.filter((group) => group.tree);
    const one = (): RuleTree => {
      if (dynamicOnes.length > 0 && random.chance(0.35)) {
        return {
          attribute: 'profile_group',
          condition: random.pick(['in', 'not_in'] as const),
          value: [random.pick(dynamicOnes).id],
        };
      }
      return random.pick<RuleTree>([
        {
          attribute: 'total_comments_posted',
          condition: random.pick(['greater_than_or_equal', 'less_than', 'equals'] as const),
          value: 1 + random.below(3),
          window: window(),
        },
        { attribute: 'spend', condition: 'greater_than', value: random.below(4), window: window() },
        { attribute: 'total_activities', condition: 'greater_than', value: random.below(4), window: window() },
        { attribute: 'total_activities', condition: 'greater_than', value: random.below(6) },
        randomLeaf(
          random,
          model,
          random.pick([
            'last_active_at',
            'renewal',
            'days_inactive',
            'offer_until',
            'subscribed',
            'mood',
            'team',
            'random_bucket',
          ]),
        ),
      ]);
    };
    if (random.chance(0.4)) return one();
    return random.chance(0.3)
      ? { operator: 'NOT', children: [one()] }
      : { operator: random.pick(['AND', 'OR'] as const), children: [one(), one()] };
  }

  const moves: [weight: number, move: () => Promise<void>][] = [
    [
      6,
      async () => {
        if (model.profiles.length >= MOST_PROFILES) return;
        const made = await sdk.profiles.create();
        model.profiles.push({
          id: made.id,
          ordinal: 0,
          createdAt: now,
          nickname: made.nickname,
          customId: null,
          activities: [],
          pairs: [],
          groups: [],
        });
        former.tokens.set(made.access_token, made.id);
        note(`profile ${made.id}`);
      },
    ],
    [30, () => send()],
    [4, repeat],
    [4, removeActivity],
    [8, () => changeProfile()],
    [1, erase],
    [5, merge],
    [4, bringOver],
    [6, createGroup],
    [5, edit],
    [9, () => pin()],
    [3, unpin],
    [2, pause],
    [2, staticMembers],
    [1, retire],
  ];

  /** Where a pin just ended: one small thing of its profile, or much of others, so that one slice looks at different groups for them. */
  async function stepBeside(profileId: string): Promise<void> {
    steps++;
    const [own, others] = [true, false].map((isOwn) => model.profiles.filter(({ id }) => (id === profileId) === isOwn));
    if (own && random.chance(0.5)) return random.chance(0.7) ? send(own, 1) : changeProfile(own);
    return random.chance(0.7) ? send(others, 6) : changeProfile(others);
  }

  const typesOf = (): string[] =>
    random.chance(0.85) ? ['comment-created', 'shop-purchase', 'quiz-won', 'session-started'] : [...ALL_TYPES];

  async function send(who: readonly Profile[] = model.profiles, most = 3): Promise<void> {
    if (who.length === 0) return;
    const chosen = random.some(who, most).map((profile) => {
      // Now and then an id that another profile has: of a merge, one of the two stays.
      const other = random.chance(0.2) ? random.pick(model.profiles).activities : [];
      const id = other.length > 0 ? random.pick(other).id : `x${steps}-${random.below(1e9)}`;
      return { profile, activity: createActivity(random, id, typesOf(), instant) };
    });
    const answer = await sdk.activities.send(
      chosen.map(({ profile, activity }) => ({
        id: activity.id,
        type: activity.type,
        profile_id: idOf(profile),
        occurred_at: formatInstant(activity.at),
        value: activity.value,
        ...(activity.data && { data: activity.data }),
      })),
    );
    const rejected = new Set(answer.rejected.map((item) => item.index));
    for (const [index, { profile, activity }] of chosen.entries()) {
      if (rejected.has(index) || profile.activities.some((known) => known.id === activity.id)) continue;
      profile.activities.push(activity);
      note(`activity ${JSON.stringify(activity)} of ${profile.id}`);
    }
  }

  async function repeat(): Promise<void> {
    const profile = maybe(model.profiles.filter((one) => one.activities.length > 0));
    if (!profile) return;
    const known = random.pick(profile.activities);
    const answer = await sdk.activities.send([
      { id: known.id, type: known.type, profile_id: idOf(profile), occurred_at: formatInstant(now), value: 7 },
    ]);
    expect(answer).toMatchObject({ accepted: 0, duplicates: 1 });
  }

  async function removeActivity(): Promise<void> {
    const profile = maybe(model.profiles);
    if (!profile || profile.activities.length === 0) return;
    const [gone] = profile.activities.splice(random.below(profile.activities.length), 1);
    note(`remove ${gone?.id} of ${profile.id}`);
    await sdk.activities.delete(idOf(profile), gone?.id ?? '');
  }

  async function changeProfile(who: readonly Profile[] = model.profiles): Promise<void> {
    if (who.length === 0) return;
    const profile = random.pick(who);
    const pools: Record<string, readonly string[]> = {
      team: TEXTS,
      plan: TEXTS,
      score: NUMBERS.filter((text) => !/abc|999|\+/.test(text)),
      credit: NUMBERS.filter((text) => !/abc|999|\+/.test(text)),
      opted_in: ['true', 'false'],
      renewal: [now - MICROS_PER_DAY, now + MICROS_PER_SECOND, now + MICROS_PER_DAY, now + 3 * MICROS_PER_DAY].map(
        formatInstant,
      ),
      tags: TEXTS,
      badges: TEXTS,
    };
    const pairs = Object.entries(pools).flatMap(([key, pool]) =>
      random.chance(0.5)
        ? [...new Set(random.some(pool, key === 'tags' || key === 'badges' ? 3 : 1))].map((value) => ({ key, value }))
        : [],
    );
    const nickname = random.pick(TEXTS).trim() || 'Final Horse';
    const set = new Set(pairs.map(({ key }) => key));
    const remove = Object.keys(pools).filter((key) => !set.has(key) && random.chance(0.3));
    const isPatch = random.chance(0.5);
    const changed = await sdk.profiles.update(idOf(profile), {
      nickname,
      ...(random.chance(0.5) && { custom_id: random.chance(0.3) ? null : `${random.pick(TEXTS)}#${profile.id}` }),
      attributes: isPatch ? { set: pairs, remove } : pairs,
    });
    touched.set(profile.id, parseInstant(changed.updated_at) ?? now);
    profile.nickname = changed.nickname;
    profile.customId = changed.custom_id;
    if (isPatch) patchInModel(profile, pairs, remove);
    else profile.pairs = pairs.map((pair) => ({ ...pair, writtenBy: 'admin' as const }));
    note(`change ${profile.id} ${JSON.stringify({ nickname, custom: changed.custom_id, pairs })}`);
  }

  async function erase(): Promise<void> {
    const able = untouched(model, touched, now);
    if (model.profiles.length < 6 || able.length === 0) return;
    const gone = random.pick(able);
    model.profiles.splice(model.profiles.indexOf(gone), 1);
    note(`erase ${gone.id}`);
    await sdk.profiles.erase(idOf(gone));
    for (const [token, of] of former.tokens) if (of === gone.id) former.tokens.set(token, undefined);
    for (const group of model.all) {
      group.members.delete(gone.id);
      group.pins.delete(gone.id);
    }
  }

  /** Its own id, or one that leads to it. */
  const idOf = ({ id }: Profile): string =>
    random.chance(0.7) ? id : random.pick([id, ...(former.ids.get(id) ?? [])]);

  async function merge(): Promise<void> {
    const able = untouched(model, touched, now);
    if (able.length < 4) return;
    const [source, target] = [random.pick(able), random.pick(able)];
    if (source === target) return;
    const follow = random.chance(0.5);
    note(`merge ${source.id} into ${target.id} ${follow ? 'follow' : 'revoke'}`);
    const known = new Set(target.activities.map(({ id }) => id));
    const done = await sdk.profiles.merge(idOf(source), {
      into: idOf(target),
      force: true,
      ...(follow && { tokens: 'follow' }),
    });
    expect(done).toMatchObject({
      into: target.id,
      duplicates: source.activities.filter(({ id }) => known.has(id)).length,
      activities: source.activities.filter(({ id }) => !known.has(id)).length,
    });
    merges++;
    touched.set(target.id, parseInstant(done.profile.updated_at) ?? now);
    mergeInModel(model, former, source, target, { follow });
    expect(done.profile.custom_id).toBe(target.customId);
    for (const id of former.ids.get(target.id) ?? []) expect((await sdk.profiles.get(id)).id).toBe(target.id);
    await askTokens();
  }

  /** Each speaks for the profile that it followed to, or is dead. */
  async function askTokens(): Promise<void> {
    if (former.tokens.size === 0) return;
    for (const [token, of] of random.some([...former.tokens], 4)) {
      const answer = await fetch(`${server.url}/api/v1/applications/${CLIENT_ID}/profile/`, {
        headers: { authorization: `Bearer ${token}` },
      });
      const { id } = (await answer.json()) as { id?: string }; // of an error there is none
      expect(id, `a token of ${of}`).toBe(of);
    }
  }

  /** What is on its way comes over, or dies on it. */
  async function bringOver(): Promise<void> {
    let left = random.below(6);
    const { db } = server.app.context;
    const mover = createMover(
      { db, clock, log: pino({ level: 'silent' }) },
      {
        atOnce: 2,
        slice: 2,
        at: () => {
          if (left-- === 0) throw new Error('it died here');
        },
      },
    );
    await mover.run().catch(() => kills++);
    note('bring over');
  }

  async function createGroup(): Promise<void> {
    const fresh = { tree: undefined, members: new Set<string>(), pins: new Map(), frozen: undefined, isActive: true };
    if (model.all.filter((group) => !group.tree).length < 2) {
      const made = await sdk.groups.create({ name: 'Static' });
      model.all.push({ ...fresh, id: made.id });
      note(`static ${made.id}`);
      return;
    }
    if (dynamic().length >= MOST_DYNAMIC) return;
    const rule = tree(model.all.length);
    const made = await sdk.groups.create({ name: 'Dynamic', membership_type: 'dynamic', rule_tree: rule });
    model.all.push({ ...fresh, id: made.id, tree: normalise(rule) });
    note(`dynamic ${made.id} ${JSON.stringify(rule)}`);
  }

  async function edit(): Promise<void> {
    const group = chooseGroup();
    if (!group) return;
    const rule = tree(model.all.indexOf(group));
    note(`edit ${group.id} ${JSON.stringify(rule)}`);
    await sdk.groups.update(group.id, { rule_tree: rule });
    group.tree = normalise(rule);
  }

  /** Mostly against the rule, so that its end is seen; now and then in the place of one that has not ended. */
  async function pin(group = chooseGroup()): Promise<void> {
    if (!group || model.profiles.length === 0) return;
    const known = model.profiles.filter(({ id }) => group.pins.has(id));
    const profile = random.pick(known.length > 0 && random.chance(0.3) ? known : model.profiles);
    const how = random.chance(0.7)
      ? ruleSays(model, group, profile, now)
        ? 'out'
        : 'in'
      : random.pick(['in', 'out'] as const);
    const until = random.chance(0.25)
      ? Infinity
      : now + random.pick([1, MICROS_PER_SECOND, MICROS_PER_SECOND, MICROS_PER_DAY, 7 * MICROS_PER_DAY]);
    note(`pin ${how} ${profile.id} in ${group.id} until ${until}`);
    await sdk.groups.pin(group.id, profile.id, {
      pin: how,
      reason: 'because',
      expires_at: until === Infinity ? null : formatInstant(until),
    });
    group.pins.set(profile.id, { pin: how, until });
    pinChanged(group, profile.id);
  }

  /**
   * Pairs whose pin changed in this round, and what the rule said of them since. In a paused group it is asked again when a
   * pin is gone: once, at any time before the round is settled, about all that was done by then.
   */
  const pinned = new Map<string, Set<boolean>>();
  const pinChanged = (group: ModelGroup, profileId: string): void => {
    pinned.set(`${group.id} ${profileId}`, new Set());
  };

  async function unpin(): Promise<void> {
    const group = chooseGroup();
    const profileId = group && [...group.pins.keys()][0];
    if (!group || profileId === undefined) return;
    note(`unpin ${profileId} in ${group.id}`);
    await sdk.groups.unpin(group.id, profileId).catch((error: unknown) => {
      if (!(error instanceof ApiError) || error.status !== 404) throw error; // its end may have come
    });
    group.pins.delete(profileId);
    pinChanged(group, profileId);
  }

  async function pause(): Promise<void> {
    const group = chooseGroup();
    if (!group) return;
    if (group.frozen) {
      note(`resume ${group.id}`);
      await sdk.groups.update(group.id, { is_paused: false });
      group.frozen = undefined;
      return;
    }
    // What is paused is what was evaluated: the model is asked once nothing waits.
    await settle();
    const member = membershipAt(model, now).get(group.id);
    note(`pause ${group.id}`);
    await sdk.groups.update(group.id, { is_paused: true });
    if (group.tree) group.served = group.tree;
    group.frozen = new Map(model.profiles.map((profile) => [profile.id, member?.has(profile.id) ?? false]));
    for (const [profileId, { pin: how }] of group.pins) group.frozen.set(profileId, how === 'in');
  }

  async function staticMembers(): Promise<void> {
    const group = maybe(model.all.filter((one) => !one.tree));
    if (!group || model.profiles.length === 0) return;
    const some = random.some(model.profiles, 5).map((profile) => profile.id);
    const how = random.pick(['add', 'remove', 'replace'] as const);
    note(`static ${how} ${group.id} ${some.join(' ')}`);
    if (how === 'add') {
      await sdk.groups.addMembers(group.id, { profile_ids: [...new Set(some)] });
      for (const id of some) group.members.add(id);
    } else if (how === 'remove') {
      await sdk.groups.removeMembers(group.id, { profile_ids: some });
      for (const id of some) group.members.delete(id);
    } else {
      const list = [...new Set(some)].map((id) => JSON.stringify(id)).join('\n');
      await sdk.groups.replaceMembers(group.id, list, 'application/x-ndjson');
      group.members = new Set(some);
    }
  }

  /** Deactivates a group that nobody reads, or brings one back. */
  async function retire(): Promise<void> {
    const retired = model.all.find((group) => !group.isActive);
    if (retired) {
      retired.isActive = await isGranted(sdk.groups.restore(retired.id));
      note(`restore ${retired.id} ${retired.isActive}`);
      return;
    }
    const group = maybe(dynamic());
    if (!group || group.frozen) return;
    group.isActive = !(await isGranted(sdk.groups.update(group.id, { is_active: false })));
    note(`deactivate ${group.id} ${!group.isActive}`);
  }

  /** Groups that others read, or that read what is gone, are refused. */
  const isGranted = (call: Promise<unknown>): Promise<boolean> =>
    call.then(
      () => true,
      (error: unknown) => {
        if (error instanceof ApiError) return false;
        throw error;
      },
    );

  async function step(): Promise<void> {
    let at = random.below(moves.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, move] of moves) {
      if ((at -= weight) >= 0) continue;
      steps++;
      return move();
    }
  }

  /** Ticks until everything is done, through any number of deaths. */
  let settling: Promise<void> = Promise.resolve();
  function settle(): Promise<void> {
    settling = settling.then(tickOn);
    return settling;
  }

  async function tickOn(): Promise<void> {
    for (let lives = 0; ; lives++) {
      try {
        await worker.tick();
        return;
      } catch (error) {
        if (!(error instanceof Killed) && lives > 20) throw error;
        if (!(error instanceof Killed)) throw error;
        kills++;
        worker.abandon();
        await expireLeases();
        worker = hire(lives < 5 && random.chance(0.5) ? random.below(80) : Infinity);
      }
    }
  }

  /** Before any sweep of this instant; whoever holds the leases meanwhile is taken for dead. */
  async function evaluateEarly(): Promise<void> {
    await settling;
    worker.abandon();
    await expireLeases();
    note('evaluate early');
    await evaluateQueue(server.app.context.db, clock);
    worker = hire(random.chance(0.3) ? random.below(120) : Infinity);
  }

  /** What was read of each feed so far: members by the feed, and the instant of each one's newest change. */
  const replayed = new Map<
    string,
    { sequence: number; present: Set<string>; newest: Map<string, Instant>; comparedAt: Instant }
  >();

  /** Changes that were not replayed yet, of the group head `h`, as JSON. */
  const newChanges = sql`
    (select coalesce(jsonb_agg(jsonb_build_object('sequence', e.base_sequence + c.number, 'profile_id', c.profile_id, 'change', c.change,
        'at', (extract(epoch from coalesce(c.at, e.switched_at)) * 1000000)::bigint, 'cause', c.cause) order by e.base_sequence + c.number), '[]')
      from group_epochs e join changes c on c.group_id = e.group_id and c.epoch = e.epoch and c.number > h.sequence - e.base_sequence
      where e.group_id = h.group_id and e.epoch <= h.epoch)`;
  const heads = (): Sql => {
    const known = [...replayed];
    return sql`
      (select h.*, coalesce(r.sequence, 0) as sequence from group_heads h
        left join unnest(${known.map(([id]) => id)}::uuid[], ${known.map(([, { sequence }]) => sequence)}::bigint[]) r (group_id, sequence) using (group_id)) h`;
  };

  /** What changed of these groups since they were compared. */
  async function readFeeds(groups: readonly ModelGroup[]): Promise<Map<string, string[]>> {
    const { rows } = await server.app.context.db.query<{ group_id: string; feed: Feed[] }>(sql`
      select h.group_id, ${newChanges} as feed from ${heads()} where h.group_id = any (${groups.map((group) => group.id)}::uuid[])`);
    return new Map(
      rows.map(({ group_id, feed }) => [group_id, feed.map((row) => `${row.profile_id} ${row.at} ${row.change}`)]),
    );
  }

  /** Fails with the whole case in the message, which is put together only then. */
  function agree(actual: unknown, expected: unknown, why: () => string): void {
    if (!isDeepStrictEqual(actual, expected)) expect(actual, why()).toEqual(expected);
  }

  /** Members, counts and feeds of all groups in one snapshot, then often one proof and one explanation. */
  async function compare(why: () => string): Promise<void> {
    if (random.chance(0.05)) replayed.clear(); // once more from the first change on
    const { rows } = await server.app.context.db.query<{
      group_id: string;
      profile_count: number;
      ids: string[];
      feed: Feed[];
    }>(sql`
      select h.group_id, h.profile_count,
        array(select m.profile_id from members m where m.group_id = h.group_id and m.since_epoch <= h.epoch
          and (m.until_epoch is null or m.until_epoch > h.epoch) order by 1)::text[] as ids,
        ${newChanges} as feed
      from ${heads()}`);
    const found = new Map(rows.map((row) => [row.group_id, row]));
    askAgain((groupId) => found.get(groupId)?.ids ?? []);
    const expected = membershipAt(model, now);
    for (const group of model.all) {
      if (!group.isActive) continue;
      const head = found.get(group.id);
      const members = [...(expected.get(group.id) ?? [])].sort();
      agree(head?.ids, members, () => `members of ${group.id}: ${why()}`);
      agree(head?.profile_count, members.length, () => `count of ${group.id}: ${why()}`);
      replay(group.id, head?.feed ?? [], members, () => `feed of ${group.id}: ${why()}`);
    }
    const { rows: totals } = await server.app.context.db.query<{ id: string; count: number; sum: number }>(sql`
      select p.id, t.count, t.sum
      from (select * from totals where fact_id = 0 and count > 0) t
      full join (select id from profiles where has_activities) p on p.id = t.profile_id order by 1`);
    const counted = model.profiles.filter((profile) => profile.activities.length > 0);
    agree(
      totals,
      counted
        .map(({ id, activities }) => ({
          id,
          count: activities.length,
          sum: activities.reduce((sum, activity) => sum + activity.value, 0),
        }))
        .sort((a, b) => (a.id < b.id ? -1 : 1)),
      () => `totals: ${why()}`,
    );
    if (random.chance(0.5)) await proveOne(why);
    if (random.chance(0.5)) await explainOne(expected, why);
    if (random.chance(0.1)) await comparePast(why);
  }

  const pasts = new Map<string, Past>();

  /** A checkpoint of some group, mostly, and its past at some instants. */
  async function comparePast(why: () => string): Promise<void> {
    const group = maybe(model.all);
    if (!group) return;
    const { db } = server.app.context;
    const pace = { interval: 1 + random.below(8), share: 1 + random.below(4), part: 3 };
    const dying = random.chance(0.2) ? random.below(12) : Infinity;
    await makeCheckpoint(mortal(db, dying).db, group.id, now, pace).catch((error: unknown) => {
      if (!(error instanceof Killed)) throw error;
      kills++;
    });
    const past = pasts.get(group.id) ?? rememberPast(db, group.id);
    pasts.set(group.id, past);
    await past.check(random, 1).catch((error: unknown) => {
      throw new Error(`past of ${group.id}: ${why()}`, { cause: error });
    });
  }

  function replay(groupId: string, feed: Feed[], members: string[], why: () => string): void {
    const state = replayed.get(groupId) ?? {
      sequence: 0,
      present: new Set<string>(),
      newest: new Map<string, Instant>(),
      comparedAt: -Infinity,
    };
    const { present, newest, comparedAt } = state;
    for (const change of feed) {
      if (change.sequence !== state.sequence + 1) expect(change.sequence, why()).toBe(state.sequence + 1);
      if (present.has(change.profile_id) === (change.change === 'entered'))
        expect(JSON.stringify(change), `does not alternate, ${why()}`).toBe('');
      if (change.at < (newest.get(change.profile_id) ?? -Infinity))
        expect(JSON.stringify(change), `goes backwards, ${why()}`).toBe('');
      if (change.at > now) expect(JSON.stringify(change), `lies ahead, ${why()}`).toBe('');
      // All was right when they were last compared: what comes later does not change what was then.
      if (change.at < comparedAt) expect(JSON.stringify(change), `changes the past, ${why()}`).toBe('');
      newest.set(change.profile_id, change.at);
      if (change.change === 'entered') present.add(change.profile_id);
      else present.delete(change.profile_id);
      state.sequence++;
    }
    state.comparedAt = now;
    replayed.set(groupId, state);
    agree([...present].sort(), members, why);
  }

  async function proveOne(why: () => string): Promise<void> {
    const group = maybe(dynamic().filter((one) => !one.frozen));
    if (!group) return;
    const proof = await sdk.groups.verify(group.id);
    expect(proof, `verify ${group.id}: ${why()}`).toEqual({ checked: model.profiles.length, missing: 0, extra: 0 });
    expect((await sdk.groups.get(group.id)).evaluation, why()).toMatchObject({
      state: 'live',
      as_of: formatInstant(now),
    });
  }

  async function explainOne(expected: Map<string, Set<string>>, why: () => string): Promise<void> {
    const group = maybe(dynamic());
    const profile = maybe(model.profiles);
    if (!group || !profile) return;
    const told = await sdk.groups.explain(group.id, profile.id);
    const isMember = expected.get(group.id)?.has(profile.id) ?? false;
    const next = edges(model, profile, now, Infinity).find(
      (at) => membershipOf(profile, at).has(group.id) !== isMember,
    );
    if (group.frozen !== undefined || reads(group).some((inner) => inner.frozen)) return; // what a pause keeps has no future to tell
    expect(
      { is_member: told.is_member, next: told.next_change_at },
      `explain ${group.id} ${profile.id}: ${why()}`,
    ).toEqual({
      is_member: isMember,
      next: next === undefined ? null : formatInstant(next),
    });
  }

  function reads(group: ModelGroup): ModelGroup[] {
    const found = new Set<ModelGroup>();
    const visit = (one: ModelGroup): void => {
      for (const leaf of one.tree ? leavesOf(one.tree) : []) {
        if (leaf.attribute !== 'profile_group') continue;
        for (const inner of model.all.filter((candidate) => (leaf.value as string[]).includes(candidate.id))) {
          if (found.has(inner)) continue;
          found.add(inner);
          visit(inner);
        }
      }
    };
    visit(group);
    return [...found];
  }

  const membershipOf = (profile: Profile, at: Instant): Set<string> => {
    const groups = membershipAt({ ...model, profiles: [profile] }, at);
    return new Set([...groups].filter(([, members]) => members.has(profile.id)).map(([id]) => id));
  };

  /** Moves the clock alone, and expects every change that it makes at its own instant. */
  async function passTime(why: () => string): Promise<void> {
    const before = now;
    const target =
      (random.chance(0.6) ? nextFlip() : undefined) ?? anyEdge() ?? now + 1 + random.below(2 * MICROS_PER_DAY);
    const watched = dynamic().filter((group) => !group.frozen && !reads(group).some((inner) => inner.frozen));
    now = Math.max(now + 1, target);
    model.end = now;
    note('time passes');
    const expected = new Map(watched.map((group) => [group.id, expectedFlips(group, before)]));
    unfreezeExpired();
    await settle();
    const changed = await readFeeds(watched);
    for (const group of watched) {
      agree(changed.get(group.id)?.sort(), expected.get(group.id), () => `flips of ${group.id}: ${why()}`);
    }
  }

  /** Not every activity of a profile makes the engine look at it. */
  const readsLittle = (group: ModelGroup): boolean =>
    group.tree !== undefined &&
    leavesOf(group.tree).every(({ attribute }) => !/active|activities|mood|profile_group/.test(attribute));

  /** A pin that ends, and who is pinned by it; often one that was set and evaluated just before. */
  async function chooseEnd(): Promise<{ profileId: string; until: Instant } | undefined> {
    if (random.chance(0.7)) {
      await pin(random.chance(0.7) ? maybe(dynamic().filter(readsLittle)) : undefined);
      await settle();
    }
    const ends = dynamic().flatMap((group) =>
      [...group.pins].flatMap(([profileId, { until }]) => (until === Infinity ? [] : [{ profileId, until }])),
    );
    return ends.sort((a, b) => a.until - b.until)[random.below(2)];
  }

  function anyEdge(): Instant | undefined {
    const near = model.profiles.flatMap((profile) => edges(model, profile, now, now + 3 * MICROS_PER_DAY));
    return near.length === 0 || random.chance(0.2) ? undefined : random.pick(near) + random.pick([0, 0, -1, 1]);
  }

  /** The very instant at which some membership really changes, or the microsecond before. */
  function nextFlip(): Instant | undefined {
    const profile = maybe(model.profiles);
    if (!profile) return undefined;
    const key = (at: Instant): string => [...membershipOf(profile, at)].join();
    const present = key(now);
    const found = edges(model, profile, now, now + 8 * MICROS_PER_DAY)
      .slice(0, 300)
      .find((at) => key(at) !== present);
    return found === undefined ? undefined : found - random.pick([0, 0, 0, 1]);
  }

  function expectedFlips(group: ModelGroup, before: Instant): string[] {
    const flips = model.profiles.flatMap((profile) => {
      let member = membershipOf(profile, before).has(group.id);
      return edges(model, profile, before, now).flatMap((at) => {
        const next = membershipOf(profile, at).has(group.id);
        if (next === member) return [];
        member = next;
        return [`${profile.id} ${at} ${next ? 'entered' : 'left'}`];
      });
    });
    return flips.sort();
  }

  /** Pins that ended: gone, and in a paused group the rule is asked again. */
  function unfreezeExpired(): void {
    for (const group of model.all) {
      for (const [profileId, { until }] of group.pins) {
        if (until > now) continue;
        if (group.frozen) pinChanged(group, profileId);
        group.pins.delete(profileId);
      }
    }
    askAgain();
  }

  /** Of what the rule may have said, takes what these members tell. */
  function askAgain(members?: (groupId: string) => readonly string[]): void {
    for (const group of model.all) {
      for (const profile of model.profiles) {
        const said = pinned.get(`${group.id} ${profile.id}`);
        if (!said || !group.frozen || group.pins.has(profile.id)) continue;
        said.add(ruleSays(model, group, profile, now));
        const isMember = members?.(group.id).includes(profile.id) ?? [...said].at(-1) === true;
        if (said.has(isMember)) group.frozen.set(profile.id, isMember);
      }
    }
  }

  it(
    `keeps every promise through random steps and deaths (seed ${seed})`,
    async () => {
      const why = (): string =>
        `seed ${seed}, step ${steps}\n${trace.join('\n')}\ngroups ${JSON.stringify(model.all.map((group) => ({ id: group.id, tree: group.tree })))}`;
      const deadline = performance.now() + SECONDS * 1000;
      const patience = deadline + PATIENCE_MS;
      let rounds = 0;
      const spent: Record<string, number> = {};
      const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
        const at = performance.now();
        try {
          return await work();
        } finally {
          spent[what] = (spent[what] ?? 0) + performance.now() - at;
        }
      };
      while (performance.now() < deadline || (steps < LEAST_STEPS && performance.now() < patience)) {
        rounds++;
        // Now and then past an edge that no sweep has come by yet.
        const end = random.chance(0.4) ? await timed('pin', chooseEnd) : undefined;
        const edge = end?.until ?? (random.chance(0.2) ? anyEdge() : undefined);
        now = Math.max(
          now + 1,
          edge === undefined ? now + 1 + random.below(MICROS_PER_SECOND) : edge + random.below(2),
        );
        model.end = now;
        pinned.clear();
        unfreezeExpired();
        const beside = random.chance(end ? 0.1 : 0.3) ? settle() : undefined;
        for (let count = 1 + random.below(5) + (end ? 2 : 0); count > 0; count--)
          await timed('step', () =>
            (end && random.chance(0.8) ? stepBeside(end.profileId) : step()).then(() => askAgain()),
          );
        await beside;
        if (random.chance(end ? 0.8 : 0.25)) await timed('early', evaluateEarly);
        if (random.chance(0.3)) {
          worker.abandon();
          await expireLeases();
          worker = hire(random.below(120));
        }
        await timed('settle', settle);
        await timed('compare', () => compare(why));
        if (random.chance(0.7)) {
          pinned.clear();
          await timed('pass', () => passTime(why));
          await timed('compare', () => compare(why));
        }
      }
      const { rows: causes } = await server.app.context.db.query(
        sql`select cause, count(*) from changes group by 1 order by 1`,
      );
      process.stdout.write(
        `engine property: ${JSON.stringify(causes)} seed ${seed}, ${rounds} rounds, ${steps} steps, ${merges} merges, ${kills} deaths, ${JSON.stringify(spent)}\n`,
      );
    },
    SECONDS * 1000 + PATIENCE_MS + 120_000,
  );

  async function expireLeases(): Promise<void> {
    await server.app.context.db.query(
      sql`update leases set expires_at = '-infinity' where starts_with(name, 'heartbeat:')`,
    );
  }
});
