// What others fell into, one test each; the property test meets most of it too, by chance rather than by name.

import { type RuleTree } from '@grandstand/sdk/server';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../database/database.ts';
import { MICROS_PER_DAY, MICROS_PER_SECOND, formatInstant } from '../instant.ts';
import { createBench, type EngineBench } from '../testing/engine.ts';
import { pagesOf, refusal } from '../testing/server.ts';
import { dynamicGroups } from './dynamic-groups.ts';
import { listDueBackfills, runBackfill } from './backfill.ts';
import { LeaseLost, leases } from '../database/leases.ts';
import { EVALUATION } from '../queue/queue.ts';
import { verifyNext } from './nightly.ts';
import { rulesCache } from './rules-cache.ts';
import { evaluateQueue } from './testing/evaluate-queue.ts';
import { Killed, mortal } from './testing/mortal.ts';
import { createWorker } from './worker.ts';

const ACTIVE = { attribute: 'total_activities', condition: 'greater_than_or_equal', value: 1 };

describe('pitfalls', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await createBench();
  });
  afterAll(() => bench.close());
  const db = () => bench.server.app.context.db;
  const verify = (group: string) => bench.server.sdk.groups.verify(group);

  it('a group whose backfill died goes on by itself and is never stuck', async () => {
    const profile = await bench.profile();
    await bench.send(profile, 'comment-created');
    const group = await bench.group(ACTIVE);
    const { clock } = bench;
    const dying = mortal(db(), 40);
    const doomed = createWorker({
      db: dying.db,
      clock,
      log: pino({ level: 'silent' }),
      dynamicGroups: dynamicGroups({ db: dying.db, clock }),
    });
    await expect(doomed.tick()).rejects.toThrow(Killed);
    doomed.abandon();
    expect((await bench.show(group)).evaluation?.state).toBe('filling');
    await db().query(sql`update leases set expires_at = '-infinity' where starts_with(name, 'heartbeat:')`);
    await bench.tick();
    expect((await bench.show(group)).evaluation).toMatchObject({ state: 'live', progress: null });
    expect(await bench.members(group)).toEqual([profile.id]);
  });

  it('"did not do it" holds for profiles that never did anything, also for new ones', async () => {
    const group = await bench.group({
      operator: 'NOT',
      children: [{ attribute: 'has_ever_commented', condition: 'is', value: true }],
    });
    await bench.tick();
    const fresh = await bench.profile();
    await bench.tick();
    expect(await bench.members(group)).toContain(fresh.id);
  });

  it('as_of is never ahead of what is evaluated', async () => {
    const group = await bench.group(ACTIVE);
    await bench.tick();
    const before = (await bench.show(group)).evaluation?.as_of ?? '';
    bench.clock.advance(10 * MICROS_PER_SECOND);
    const sent = formatInstant(bench.clock.now());
    await bench.send(await bench.profile(), 'comment-created');
    bench.clock.advance(10 * MICROS_PER_SECOND);
    const waiting = (await bench.show(group)).evaluation?.as_of ?? '';
    expect(waiting < sent && waiting >= before).toBe(true);
    await bench.tick();
    expect(((await bench.show(group)).evaluation?.as_of ?? '') > sent).toBe(true);
  });

  it('an edit shows the old members, then the new ones, and only the difference in the feed', async () => {
    const both = await bench.profile();
    const old = await bench.profile();
    const next = await bench.profile();
    for (const [profile, types] of [
      [both, ['poll-voted', 'quiz-answered']],
      [old, ['poll-voted']],
      [next, ['quiz-answered']],
    ] as const) {
      for (const type of types) await bench.send(profile, type);
    }
    const group = await bench.group({ attribute: 'total_poll_votes', condition: 'greater_than', value: 0 });
    await bench.tick();
    const sequence = (await bench.changes(group)).length;
    await bench.patch(group, { rule_tree: { attribute: 'total_quiz_answers', condition: 'greater_than', value: 0 } });
    const seen = new Set<string>([JSON.stringify(await bench.members(group))]);
    let done = false;
    const polling = (async () => {
      while (!done) seen.add(JSON.stringify(await bench.members(group)));
    })();
    await bench.tick();
    done = true;
    await polling;
    seen.add(JSON.stringify(await bench.members(group)));
    expect([...seen]).toEqual([JSON.stringify([both.id, old.id].sort()), JSON.stringify([both.id, next.id].sort())]);
    const changes = await bench.changes(group, sequence);
    expect(changes.map((change) => `${change.change} ${change.profile_id} ${change.cause}`).sort()).toEqual(
      [`entered ${next.id} rule`, `left ${old.id} rule`].sort(),
    );
  });

  it('the same rule again gets no new id and no backfill; a second edit supersedes the first', async () => {
    const group = await bench.group(ACTIVE);
    await bench.tick();
    const first = await bench.show(group);
    await bench.patch(group, {
      rule_tree: { operator: 'OR', children: [{ value: 1, condition: ACTIVE.condition, attribute: ACTIVE.attribute }] },
    });
    expect(await bench.show(group)).toMatchObject({
      ruleset: { id: first.ruleset?.id },
      evaluation: { state: 'live' },
    });
    await bench.patch(group, { rule_tree: { ...ACTIVE, value: 50 } });
    await bench.patch(group, { rule_tree: { ...ACTIVE, value: 0 } });
    await bench.tick();
    const last = await bench.show(group);
    expect(last.evaluation).toMatchObject({ state: 'live', ruleset_id: last.ruleset?.id });
    expect((await bench.changes(group)).filter((change) => change.change === 'left')).toEqual([]);
  });

  it('every rule of the history can come back, also the deepest that may be sent', async () => {
    const { groups } = bench.server.sdk;
    const deep = Array.from({ length: 7 }).reduce<RuleTree>(
      (child) => ({ operator: 'NOT', children: [child] }),
      ACTIVE,
    );
    const group = await bench.group(deep);
    const first = (await bench.show(group)).ruleset;
    const tree: RuleTree = { operator: 'AND', children: [deep] };
    expect(first?.rule_tree).toEqual(tree);
    await bench.patch(group, { rule_tree: tree }); // as it was given out
    expect((await bench.show(group)).ruleset?.id).toBe(first?.id);
    expect(await groups.preview(tree, group)).toMatchObject({ as_of: expect.any(String) });
    await bench.patch(group, { rule_tree: ACTIVE });
    const restored = (await groups.restoreRuleset(group, first?.id ?? '')).ruleset;
    expect(restored?.rule_tree).toEqual(tree);
    expect(restored?.id).not.toBe(first?.id);
    const [page] = await pagesOf(groups.rulesets(group));
    expect(page?.count).toBe(3);
    const history = page?.results ?? [];
    expect(history.map((row) => row.rule_tree)).toEqual([tree, expect.anything(), tree]);
    expect(history[0]).toMatchObject({ id: restored?.id, created_by: 'token:bootstrap' });
    const saved = history.map((row) => row.created_at);
    expect(saved.toSorted().toReversed()).toEqual(saved);
    const tooDeep = await refusal(groups.update(group, { rule_tree: { operator: 'NOT', children: [tree] } }));
    expect(tooDeep.fields).toEqual({ rule_tree: ['The tree has more than 8 levels.'] });
    expect((await refusal(groups.restoreRuleset(group, group))).status).toBe(404);
  });

  it('what changes while a group is filled is not lost in the switch', async () => {
    const group = await bench.group({
      attribute: 'total_quests_completed',
      condition: 'greater_than_or_equal',
      value: 5,
    });
    const late = await bench.profile();
    await bench.tick();
    await bench.patch(group, {
      rule_tree: { attribute: 'total_quests_completed', condition: 'greater_than_or_equal', value: 2 },
    });
    const { clock } = bench;
    const real = db();
    const rules = rulesCache(real);
    let scans = 0;
    // Once the new rule's set was read, the profile comes to meet it, and live evaluation sees to that first.
    const between: typeof real = {
      ...real,
      async withClient(work, isolation) {
        const result = await real.withClient(work, isolation);
        if (++scans > 1) return result;
        for (let n = 0; n < 2; n++) await bench.send(late, 'user-quest-completed');
        await evaluateQueue(real, clock);
        return result;
      },
    };
    const [due] = await listDueBackfills(real, clock.now());
    expect(due?.group_id).toBe(group);
    if (due)
      expect(
        await runBackfill({ db: between, clock, rules, dynamicGroups: dynamicGroups({ db: real, clock }) }, due),
      ).toBe('done');
    expect(await bench.members(group)).toEqual([late.id]);
    await bench.tick();
    expect(await verify(group)).toMatchObject({ missing: 0, extra: 0 });
  });

  it('a rule that fails says why, keeps its members, holds nobody up and recovers by itself', async () => {
    const profile = await bench.profile();
    await bench.send(profile, 'comment-created');
    const group = await bench.group(ACTIVE);
    const other = await bench.group({ ...ACTIVE, value: 2 });
    await bench.tick();
    const members = await bench.members(group);
    const id = (await bench.show(group)).ruleset?.id;
    const broken = { operator: 'AND', children: [{ attribute: 'gone', condition: 'is', value: true }] };
    const { rows } = await db().query<{ rule_tree: unknown }>(sql`select rule_tree from rulesets where id = ${id}`);
    const store = async (tree: unknown): Promise<void> => {
      await db().query(sql`update rulesets set rule_tree = ${JSON.stringify(tree)} where id = ${id}`);
      await db().query(sql`update applications set definitions_version = definitions_version + 1`);
    };
    await store(broken);
    await bench.send(profile, 'comment-created');
    await bench.tick();
    expect(await bench.members(other)).toContain(profile.id);
    expect((await bench.show(group)).evaluation).toMatchObject({
      state: 'failed',
      last_error: "There is no attribute 'gone'.",
    });
    expect(await bench.members(group)).toEqual(members);
    const retries = async (): Promise<number> =>
      (await db().query<{ failures: number }>(sql`select failures from backfills where group_id = ${group}`)).rows[0]
        ?.failures ?? 0;
    const failures = await retries();
    await bench.tick(); // not yet: it pauses
    expect(await retries()).toBe(failures);
    bench.clock.advance(2 * MICROS_PER_SECOND);
    await bench.tick();
    expect(await retries()).toBe(failures + 1);
    await store(rows[0]?.rule_tree);
    bench.clock.advance(3_600 * MICROS_PER_SECOND);
    await bench.tick();
    expect((await bench.show(group)).evaluation).toMatchObject({ state: 'live', last_error: null });
    const { rows: told } = await db().query<{ error: string }>(
      sql`select data->>'error' as error from new_events where subject_id = ${group} and event = 'evaluation.failed'`,
    );
    expect(told).toEqual([{ error: "There is no attribute 'gone'." }]); // once, however often it failed in a row
    expect(await verify(group)).toMatchObject({ missing: 0, extra: 0 });
  });

  it('windows end to the microsecond, not by the day', async () => {
    const profile = await bench.profile();
    const sent = await bench.send(profile, 'user-reaction-created');
    const group = await bench.group({
      attribute: 'total_reactions_added',
      condition: 'greater_than_or_equal',
      value: 1,
      window: 'P7D',
    });
    await bench.tick();
    const end = sent + 7 * MICROS_PER_DAY;
    bench.clock.set(end - 500); // the tick reads the clock a few times, each a microsecond on
    await bench.tick();
    expect(await bench.members(group)).toEqual([profile.id]);
    bench.clock.set(end);
    await bench.tick();
    expect(await bench.members(group)).toEqual([]);
    expect((await bench.changes(group)).at(-1)).toMatchObject({
      change: 'left',
      cause: 'clock',
      at: formatInstant(end),
    });
  });

  it('a group that reads another follows it within the same evaluation, and none may come to read itself', async () => {
    const inner = await bench.group({
      attribute: 'total_predictions',
      condition: 'greater_than',
      value: 0,
      window: 'PT10S',
    });
    const outer = await bench.group({
      operator: 'NOT',
      children: [{ attribute: 'profile_group', condition: 'in', value: [inner] }],
    });
    const profile = await bench.profile();
    await bench.tick();
    const sent = await bench.send(profile, 'prediction-made');
    await bench.tick();
    expect([
      (await bench.members(inner)).includes(profile.id),
      (await bench.members(outer)).includes(profile.id),
    ]).toEqual([true, false]);
    bench.clock.advance(60 * MICROS_PER_SECOND);
    await bench.tick();
    expect((await bench.changes(outer)).filter((change) => change.profile_id === profile.id).at(-1)).toMatchObject({
      change: 'entered',
      cause: 'group',
      at: formatInstant(sent + 10 * MICROS_PER_SECOND),
    });
    const cycle = await refusal(
      bench.patch(inner, { rule_tree: { attribute: 'profile_group', condition: 'in', value: [outer] } }),
    );
    expect(cycle.status).toBe(400);
    const previewed = await refusal(
      bench.server.sdk.groups.preview({ attribute: 'profile_group', condition: 'in', value: [outer] }, inner),
    );
    expect(previewed).toMatchObject({ status: 400, fields: cycle.fields });
  });

  it('a pin that ends is not lost when its profile is evaluated for something else before the sweep comes by', async () => {
    const pinned = await bench.group({ attribute: 'total_poll_votes', condition: 'greater_than', value: 1000 });
    await bench.group({ attribute: 'total_quiz_answers', condition: 'greater_than', value: 1000 });
    const [profile, other] = [await bench.profile(), await bench.profile()];
    await bench.tick();
    const end = bench.clock.now() + MICROS_PER_SECOND;
    await bench.server.sdk.groups.pin(pinned, profile.id, {
      pin: 'in',
      reason: 'for a second',
      expires_at: formatInstant(end),
    });
    await bench.tick();
    expect(await bench.members(pinned)).toEqual([profile.id]);
    bench.clock.set(end + 1);
    await bench.send(profile, 'quiz-answered');
    await bench.send(other, 'poll-voted');
    await evaluateQueue(db(), bench.clock);
    await bench.tick();
    expect((await bench.changes(pinned)).map(({ change, at, cause }) => ({ change, at, cause }))).toEqual([
      expect.objectContaining({ change: 'entered', cause: 'pin' }),
      { change: 'left', cause: 'pin', at: formatInstant(end) },
    ]);
    expect(await bench.members(pinned)).toEqual([]);
  });

  it('verify finds what is wrong', async () => {
    const profile = await bench.profile();
    await bench.send(profile, 'comment-created');
    const group = await bench.group(ACTIVE);
    await bench.tick();
    expect(await verify(group)).toMatchObject({ missing: 0, extra: 0 });
    await db().query(sql`delete from members where group_id = ${group} and profile_id = ${profile.id}`);
    expect(await verify(group)).toMatchObject({ missing: 1, extra: 0 });
    await bench.patch(group, { is_paused: true });
    expect((await refusal(verify(group))).status).toBe(409);
  });

  it('each group is verified once a night, and the result is a metric', async () => {
    const group = await bench.group(ACTIVE);
    await bench.tick();
    const context = { db: db(), clock: bench.clock, rules: rulesCache(db()), log: pino({ level: 'silent' }) };
    const all = Array.from({ length: 64 }, (_, bucket) => bucket);
    bench.clock.set('2026-05-01T12:00:00.000000Z');
    await bench.tick();
    expect(await verifyNext(context, all)).toBe(false);
    bench.clock.set('2026-05-02T02:30:00.000000Z');
    await bench.tick();
    await db().query(
      sql`delete from members where group_id = ${group} and profile_id in (select profile_id from members where group_id = ${group} limit 1)`,
    );
    let verified = 0;
    while (await verifyNext(context, all)) verified++;
    expect(verified).toBeGreaterThan(0);
    const metrics = await (await fetch(`${bench.server.url}/metrics`)).text();
    expect(metrics).toMatch(/grandstand_verify_missing [1-9]/);
    expect(metrics).toMatch(/grandstand_verify_checked [1-9]/);
  });

  it('a worker that was taken for dead cannot write any more', async () => {
    const stalled = leases(db(), EVALUATION);
    await stalled.rebalance();
    await db().transaction((tx) => stalled.hold(tx));
    await db().query(sql`update leases set expires_at = '-infinity' where starts_with(name, 'heartbeat:')`);
    const successor = leases(db(), EVALUATION);
    await successor.rebalance();
    await expect(db().transaction((tx) => stalled.hold(tx))).rejects.toThrow(LeaseLost);
    expect(successor.buckets()).toHaveLength(64);
    await successor.release();
    await bench.tick().catch(() => {}); // it was taken for dead as well, and joins anew
  });

  it('a preview is exact, changes nothing and counts who would enter and leave', async () => {
    const group = await bench.group(ACTIVE);
    await bench.tick();
    const preview = await bench.server.sdk.groups.preview({ ...ACTIVE, value: 1000 }, group);
    expect(preview).toMatchObject({
      count: 0,
      entering: 0,
      leaving: (await bench.show(group)).profile_count,
      sample: [],
    });
    const more = await bench.profile();
    await bench.send(more, 'comment-created');
    const again = await bench.server.sdk.groups.preview(ACTIVE);
    await bench.tick();
    expect(again.count).toBe((await bench.show(group)).profile_count);
  });
});
