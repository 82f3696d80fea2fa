import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { totalsAndNaive } from '../activities/naive-totals.ts';
import { raw, sql } from '../database/database.ts';
import { formatInstant, MICROS_PER_SECOND, type Instant } from '../instant.ts';
import { createBench, type BenchProfile, type EngineBench } from '../testing/engine.ts';
import { ADMIN_TOKEN, CLIENT_ID } from '../testing/server.ts';
import { createMover, type Mover, type MoverOptions } from './mover.ts';

const COMMENT = 'comment-created';
const SLICE = 7;
const STAGES = ['drained', 'settled', 'sliced', 'emptied'] as const;

describe('a long history that is merged', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await createBench({ moves: { atOnce: 20, slice: SLICE, start: false } });
    await bench.server.sdk.attributes.define({
      key: 'mood',
      label: 'Mood',
      type: 'string',
      derived_from: { fn: 'state', types: [COMMENT], key: 'mood' },
    });
  });
  afterAll(() => bench.close());

  const sdk = () => bench.server.sdk;
  const merge = (source: BenchProfile, target: BenchProfile) => sdk().profiles.merge(source.id, { into: target.id });
  const mover = (options: MoverOptions = {}): Mover =>
    createMover(
      { ...bench.server.app.context, log: pino({ level: 'silent' }) },
      { atOnce: 20, slice: SLICE, ...options },
    );

  /** Activities `from` to `to`, a second apart, the last one some seconds ago. */
  async function sendRange(profile: BenchProfile, from: number, to: number, base: Instant, mood?: string) {
    const activities = Array.from({ length: to - from }, (_, index) => ({
      id: `n${from + index}`,
      type: index % 3 === 0 ? 'poll-voted' : COMMENT,
      profile_id: profile.id,
      occurred_at: formatInstant(base - (1000 - from - index) * MICROS_PER_SECOND),
      ...(mood !== undefined && { data: { mood: `${mood}${from + index}` } }),
    }));
    expect((await sdk().activities.send(activities)).rejected).toEqual([]);
    return activities;
  }

  async function expectSound() {
    const { db } = bench.server.app.context;
    const { totals, naive } = await totalsAndNaive(db);
    expect(totals).toEqual(naive);
    for (const table of ['activities', 'totals', 'members', 'queue', 'moves']) {
      const { rows } = await db.query(
        sql`select profile_id from ${raw(table)} t where not exists (select from profiles p where p.id = t.profile_id)`,
      );
      expect(rows, table).toEqual([]);
    }
  }

  interface Scene {
    source: BenchProfile;
    target: BenchProfile;
    groups: string[];
    expected: Map<string, string[]>;
    base: Instant;
  }

  /** A source of 60 activities and a target of 40, of which they share ten ids, with groups whose members change by it. */
  async function scene(): Promise<Scene> {
    const [source, target] = [await bench.profile(), await bench.profile()];
    const base = bench.clock.now();
    await sendRange(source, 0, 60, base, 's');
    await sendRange(target, 50, 90, base, 't');
    const rule = (attribute: string, condition: string, value: unknown, window?: string) =>
      bench.group({ attribute, condition, value, ...(window !== undefined && { window }) } as never);
    const groups = [
      await rule('total_activities', 'equals', 90),
      await rule('total_activities', 'between', [89, 90], 'PT2H'),
      await rule('total_comments_posted', 'greater_than_or_equal', 57, 'PT2H'),
      await rule('mood', 'equals', 't88'),
      await rule('total_activities', 'equals', 60),
    ];
    await bench.tick();
    const expected = new Map(groups.map((group, index) => [group, index === 4 ? [] : [target.id]]));
    return { source, target, groups, expected, base };
  }

  /** Everything that readers can see of the profile, as if all activities were where they belong. */
  async function expectMerged({ source, target, groups, expected, base }: Scene, ids: string[]) {
    const { profiles } = sdk();
    const seen = await profiles.activities(target.id, { page_size: 13 }).all();
    expect(seen.map(({ id }) => id)).toEqual(ids.toReversed());
    expect(new Set(seen.map(({ profile_id }) => profile_id))).toEqual(new Set([target.id]));
    const votes = await profiles.activities(target.id, { type: 'poll-voted', page_size: 5 }).all();
    expect(votes.map(({ id }) => id)).toEqual(seen.filter(({ type }) => type === 'poll-voted').map(({ id }) => id));
    const counted = await bench.server.call<{ count: number }>(
      'GET',
      `applications/${CLIENT_ID}/profiles/${source.id}/activities/?since=${formatInstant(base - 2000 * MICROS_PER_SECOND)}`,
    );
    expect(counted.body.count).toBe(ids.length);
    const stored = await bench.server.call<{ activities: { id: string; profile_id: string }[] }>(
      'GET',
      `profiles/${target.id}/export/`,
    );
    expect(stored.body.activities.map(({ id }) => id)).toEqual(ids.toSorted());
    const lines = await fetch(
      `${bench.server.url}/api/v1/applications/${CLIENT_ID}/exports/activities/?format=ndjson`,
      { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } },
    );
    const exported = (await lines.text())
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as { id: string; profile_id: string }]));
    const theirs = exported.filter(({ profile_id: id }) => id === target.id).map(({ id }) => id);
    expect(theirs.toSorted()).toEqual(ids.toSorted());
    const steps = await profiles.activityCounts(target.id, { since: formatInstant(base - 3600 * MICROS_PER_SECOND) });
    expect(steps.results.reduce((sum, step) => sum + step.count, 0)).toBe(ids.length);
    for (const group of groups) {
      expect(
        (await bench.members(group)).filter((id) => [source.id, target.id].includes(id)),
        String(groups.indexOf(group)),
      ).toEqual(expected.get(group));
      expect(await sdk().groups.verify(group)).toMatchObject({ missing: 0, extra: 0 });
      const explained = await sdk().groups.explain(group, source.id);
      expect(explained.is_member).toBe(expected.get(group)?.includes(target.id));
      const { rule_tree: tree } = (await bench.show(group)).ruleset ?? {};
      expect(await sdk().groups.preview(tree as never, group)).toMatchObject({ entering: 0, leaving: 0 });
    }
  }

  const allIds = Array.from({ length: 90 }, (_, index) => `n${index}`);

  it('tells what time does to activities on their way at its own instant, beside what it does to others', async () => {
    const [source, target] = [await bench.profile(), await bench.profile()];
    const hour = 3600 * MICROS_PER_SECOND;
    const at = bench.clock.now();
    await sendRange(source, 0, 40, at - 240 * hour);
    const sent = [
      { profile: source, ago: 167 },
      { profile: target, ago: 120 },
    ].map(({ profile, ago }, index) => ({
      id: `week${index}`,
      type: 'poll-voted',
      profile_id: profile.id,
      occurred_at: formatInstant(at - ago * hour),
    }));
    await sdk().activities.send(sent);
    const group = await bench.group({ attribute: 'total_poll_votes', condition: 'equals', value: 2, window: 'P7D' });
    await bench.tick();
    expect((await merge(source, target)).state).toBe('merging');
    await bench.tick();
    expect(await bench.members(group)).toEqual([target.id]);
    // Looked through in steps that grow: the two activities leave the window in different ones.
    bench.clock.advance(72 * hour);
    await bench.tick();
    expect((await bench.changes(group)).at(-1)).toMatchObject({
      change: 'left',
      profile_id: target.id,
      at: formatInstant(at + hour),
      cause: 'clock',
    });
    await mover().run();
    await bench.tick();
    await expectSound();
  });

  it('is the target’s at once, and stays so while it comes over', async () => {
    const one = await scene();
    const done = await merge(one.source, one.target);
    expect(done).toMatchObject({ state: 'merging', progress: 0, activities: 50, duplicates: 10 });
    await expectMerged(one, allIds);
    let slices = 0;
    const slow = mover({
      at: async (stage) => {
        if (stage === 'sliced' && slices++ % 3 === 1) await expectMerged(one, allIds);
        if (slices === 3) {
          const [listed] = await sdk().profiles.merges(one.target.id).all();
          expect(listed?.state).toBe('merging');
          expect(listed?.progress).toBeGreaterThan(0.3);
        }
      },
    });
    await slow.run();
    expect(slices).toBe(8);
    await expectMerged(one, allIds);
    expect(await sdk().profiles.merges(one.target.id).all()).toMatchObject([{ state: 'merged', progress: 1 }]);
    await expectSound();
  });

  it('goes on wherever it was when the process died', async () => {
    for (const stage of STAGES) {
      const one = await scene();
      await merge(one.source, one.target);
      let left = stage === 'sliced' ? 3 : 1;
      const dying = mover({
        at: (now) => {
          if (now === stage && --left === 0) throw new Error('it died here');
        },
      });
      await expect(dying.run()).rejects.toThrow('it died here');
      await expectMerged(one, allIds);
      await mover().run();
      await expectMerged(one, allIds);
      await expectSound();
    }
  });

  it('knows every id, whichever place it stands in', async () => {
    const one = await scene();
    await merge(one.source, one.target);
    let slices = 0;
    const again = async () => {
      const sent = await sdk().activities.send(
        allIds.map((id, index) => ({ id, type: COMMENT, profile_id: index % 2 === 0 ? one.source.id : one.target.id })),
      );
      expect(sent).toEqual({ accepted: 0, duplicates: 90, rejected: [] });
    };
    await again();
    await mover({ at: (stage) => (stage === 'sliced' && slices++ === 2 ? again() : undefined) }).run();
    await again();
    await expectMerged(one, allIds);
    await expectSound();
  });

  it('is added to, taken from and moved on by time meanwhile', async () => {
    const one = await scene();
    await merge(one.source, one.target);
    const window = await bench.group({
      attribute: 'total_activities',
      condition: 'greater_than_or_equal',
      value: 89,
      window: 'PT20M',
    });
    await bench.tick();
    expect(await bench.members(window)).toContain(one.target.id);
    let slices = 0;
    const ids = [...allIds];
    await mover({
      at: async (stage) => {
        if (stage === 'settled') {
          await bench.tick();
          // The first of them is twenty minutes old, then the second: both still stand where they were sent.
          bench.clock.set(one.base + 200 * MICROS_PER_SECOND + MICROS_PER_SECOND / 2);
          await bench.tick();
          expect(await bench.members(window)).toContain(one.target.id);
          bench.clock.advance(MICROS_PER_SECOND);
          await bench.tick();
          expect(await bench.members(window)).not.toContain(one.target.id);
          expect((await bench.changes(window)).at(-1)).toMatchObject({ change: 'left', cause: 'clock' });
          expect(await sdk().groups.verify(window)).toMatchObject({ missing: 0, extra: 0 });
        }
        if (stage !== 'sliced') return;
        slices++;
        if (slices === 1) {
          await sendRange(one.source, 90, 93, one.base);
          ids.push('n90', 'n91', 'n92');
        }
        if (slices === 2) {
          for (const id of ['n2', 'n40', 'n89']) {
            await sdk().activities.delete(one.source.id, id);
            ids.splice(ids.indexOf(id), 1);
          }
        }
      },
    }).run();
    await bench.tick();
    const seen = await sdk().profiles.activities(one.target.id, { page_size: 50 }).all();
    expect(seen.map(({ id }) => id)).toEqual(ids.toReversed());
    for (const group of [...one.groups, window])
      expect(await sdk().groups.verify(group)).toMatchObject({ missing: 0, extra: 0 });
    await expectSound();
  });

  it('goes with its profile: into another one, or altogether', async () => {
    const one = await scene();
    const last = await bench.profile();
    await sendRange(last, 85, 95, one.base);
    await merge(one.source, one.target);
    await expect(
      mover({
        at: (stage) => {
          if (stage === 'sliced') throw new Error('it died here');
        },
      }).run(),
    ).rejects.toThrow();
    const done = await merge(one.target, last);
    expect(done).toMatchObject({ state: 'merging', activities: 85, duplicates: 5 });
    const chain: Scene = { ...one, target: last, groups: [], expected: new Map() };
    const ids = Array.from({ length: 95 }, (_, index) => `n${index}`);
    await expectMerged(chain, ids);
    await mover().run();
    await expectMerged(chain, ids);
    await expectSound();
    expect((await sdk().profiles.merges(last.id).all()).map(({ id, state }) => [id, state])).toEqual([
      [one.target.id, 'merged'],
      [one.source.id, 'merged'],
    ]);

    let slices = 0;
    const other = await scene();
    await merge(other.source, other.target);
    await expect(
      mover({
        at: async (stage) => {
          if (stage === 'sliced' && slices++ === 1) await sdk().profiles.erase(other.source.id);
        },
      }).run(),
    ).resolves.toBe(true);
    await expectSound();
  });

  it('counts an activity once that came while it was being merged', async () => {
    const one = await scene();
    const { db } = bench.server.app.context;
    // As an intake that began before the merge and waits for it: it knows nothing of the source.
    await merge(one.source, one.target);
    const { rows } = await db.query<{ ordinal: number }>(sql`select ordinal from profiles where id = ${one.target.id}`);
    await db.transaction(async (tx) => {
      await tx.query(sql`
        insert into activities (profile_id, id, application_id, ordinal, type_id, occurred_at, value)
        select ${one.target.id}::uuid, a.id, a.application_id, ${rows[0]?.ordinal}::int, a.type_id, a.occurred_at, a.value
        from activities a where a.profile_id = ${one.source.id} and a.id in ('n5', 'n9')`);
      await tx.query(
        sql`update totals set count = count + 2, sum = sum + 2 where profile_id = ${one.target.id} and fact_id = 0`,
      );
    });
    await mover().run();
    await bench.tick();
    await expectMerged(one, allIds);
    await expectSound();
  });
});
