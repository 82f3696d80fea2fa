// Who is about to enter and leave, held against what the engine does: a question, then time goes by and nothing else
// happens, then the feed. GRANDSTAND_SEED repeats a run.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatInstant, MICROS_PER_DAY, MICROS_PER_SECOND } from '../instant.ts';
import { createBench, type EngineBench } from '../testing/engine.ts';
import { chooseSeed, createRandom } from '../testing/random.ts';
import { refusal } from '../testing/server.ts';

const HOUR = 3600 * MICROS_PER_SECOND;
const SEED = chooseSeed();

describe(`coming changes (GRANDSTAND_SEED=${SEED})`, () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await createBench();
  });
  afterAll(() => bench.close());

  const comments = (count: number, window: string) => ({
    attribute: 'total_comments_posted',
    condition: 'greater_than_or_equal',
    value: count,
    window,
  });

  it('are what comes of time alone, through windows, groups that are read, and pins that end', async () => {
    const random = createRandom(SEED);
    const { profiles, activities, groups: calls } = bench.server.sdk;
    const fans = (await profiles.upsert(Array.from({ length: 30 }, (_, n) => ({ custom_id: `fan-${n}` })))).map(
      ({ id }) => id ?? '',
    );
    await activities.send(
      fans.flatMap((profile_id) =>
        Array.from({ length: 1 + random.below(3) }, (_, n) => ({
          id: `${profile_id} ${n}`,
          type: 'comment-created',
          profile_id,
          occurred_at: formatInstant(bench.clock.now() - random.below(9 * MICROS_PER_DAY)),
        })),
      ),
    );
    const chatty = await bench.group(comments(1, 'P7D'));
    const loud = await bench.group(comments(2, 'P3D'));
    const quiet = await bench.group({
      operator: 'AND',
      children: [
        { attribute: 'profile_group', condition: 'not_in', value: [chatty] },
        { operator: 'NOT', children: [comments(3, 'P5D')] },
      ],
    });
    const either = await bench.group({ attribute: 'profile_group', condition: 'in', value: [loud, quiet] });
    const groups = [chatty, loud, quiet, either];
    await bench.tick();
    const inHours = (hours: number): string => formatInstant(bench.clock.now() + hours * HOUR);
    const pin = (group: string, fan: number, way: 'in' | 'out', hours: number | null) =>
      calls.pin(group, fans[fan] ?? '', {
        pin: way,
        reason: 'A test.',
        expires_at: hours === null ? null : inHours(hours),
      });
    await pin(chatty, 0, 'in', 5);
    await pin(chatty, 1, 'out', 30);
    await pin(loud, 2, 'in', null);
    await pin(quiet, 3, 'out', 11);
    await bench.tick();

    for (const hours of [24, 1, 60]) {
      // A write, so that nothing is answered from a snapshot of before the clock was moved.
      await profiles.update(fans[0] ?? '', { nickname: `Asked for ${hours} hours` });
      const asked = await Promise.all(
        groups.map(async (group) => ({
          group,
          before: await bench.members(group),
          seen: (await bench.changes(group)).at(-1)?.sequence ?? 0,
          coming: await calls.coming(group, { hours }),
        })),
      );
      const until =
        asked
          .map(({ coming }) => coming.until)
          .sort()
          .at(-1) ?? '';
      bench.clock.set(until);
      await bench.tick();
      for (const { group, before, seen, coming } of asked) {
        const now = await bench.members(group);
        const changes = await bench.changes(group, seen);
        const told = `${group} in ${hours} h`;
        for (const side of ['entering', 'leaving'] as const) {
          const [from, to] = side === 'entering' ? [before, now] : [now, before];
          const moved = to.filter((id) => !from.includes(id));
          expect(coming[side].count, `${side} of ${told}`).toBe(moved.length);
          const kind = side === 'entering' ? 'entered' : 'left';
          const first = new Map<string, string>();
          for (const { profile_id: id, change, at } of changes)
            if (change === kind && !first.has(id)) first.set(id, at);
          expect(
            coming[side].results.map(({ profile_id: id, at }) => [id, at]),
            `${side} of ${told}`,
          ).toEqual(coming[side].results.map(({ profile_id: id }) => [id, first.get(id)]));
          const soonest = moved.map((id) => first.get(id) ?? '').sort();
          expect(coming[side].results.map(({ at }) => at)).toEqual(soonest.slice(0, 20));
        }
      }
    }
  }, 240_000);

  it('say the soonest where very many change', async () => {
    const now = bench.clock.now();
    const { profiles, activities } = bench.server.sdk;
    const made = await profiles.upsert(Array.from({ length: 700 }, (_, n) => ({ custom_id: `many-${n}` })));
    const ids = made.map(({ id }) => id ?? '');
    await activities.send(
      ids.map((profile_id, n) => ({
        id: `quiz-${n}`,
        type: 'quiz-answered',
        profile_id,
        // They leave one by one, the last made first.
        occurred_at: formatInstant(now - 7 * MICROS_PER_DAY + (700 - n) * 120 * MICROS_PER_SECOND),
      })),
    );
    const group = await bench.group({
      attribute: 'total_quiz_answers',
      condition: 'greater_than_or_equal',
      value: 1,
      window: 'P7D',
    });
    await bench.tick();
    const { leaving, entering } = await bench.server.sdk.groups.coming(group, { hours: 24 });
    expect([leaving.count, entering]).toEqual([700, { count: 0, results: [] }]);
    expect(leaving.results.map((one) => one.custom_id)).toEqual(
      Array.from({ length: 20 }, (_, n) => `many-${699 - n}`),
    );
  });

  it('are told of groups that are live alone, for 1 to 168 hours', async () => {
    const { groups } = bench.server.sdk;
    const fixed = await bench.staticGroup();
    expect((await refusal(groups.coming(fixed))).status).toBe(409);
    const paused = await bench.group(comments(1, 'P7D'));
    await bench.tick();
    await bench.patch(paused, { is_paused: true });
    expect((await refusal(groups.coming(paused))).status).toBe(409);
    for (const hours of [0, 169, 1.5])
      expect((await refusal(groups.coming(paused, { hours }))).fields).toEqual({
        hours: ['This must be a whole number from 1 to 168.'],
      });
  });
});
