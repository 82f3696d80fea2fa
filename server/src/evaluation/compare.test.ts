import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBench, type BenchProfile, type EngineBench } from '../testing/engine.ts';
import { CLIENT_ID } from '../testing/server.ts';

describe('comparing groups', () => {
  let bench: EngineBench;
  let fans: BenchProfile[];
  beforeAll(async () => {
    bench = await createBench();
    fans = await Promise.all(Array.from({ length: 7 }, () => bench.profile()));
  });
  afterAll(() => bench.close());

  it('tells the size of every intersection, exactly', async () => {
    const places = [
      [0, 1, 2, 3],
      [2, 3, 4],
      [3, 4, 5],
    ];
    const of = (at: number[]): BenchProfile[] => fans.filter((_, index) => at.includes(index));
    const groups = [];
    for (const each of places) groups.push(await bench.staticGroup(of(each)));
    const [a = '', b = '', c = ''] = groups;
    const answer = await bench.server.sdk.groups.compare(groups);
    expect(answer.groups.map(({ count }) => count)).toEqual([4, 3, 3]);
    expect(answer.union).toBe(6);
    expect(answer.intersections).toEqual([
      { groups: [a], count: 4, only: 2 },
      { groups: [b], count: 3, only: 0 },
      { groups: [c], count: 3, only: 1 },
      { groups: [a, b], count: 2, only: 1 },
      { groups: [a, c], count: 1, only: 0 },
      { groups: [b, c], count: 2, only: 1 },
      { groups: [a, b, c], count: 1, only: 1 },
    ]);
  });

  it('takes dynamic groups and custom ids, and follows what is written', async () => {
    const [fan = { id: '', token: '' }] = fans;
    const dynamic = await bench.group(
      { attribute: 'has_ever_commented', condition: 'is', value: true },
      { custom_id: 'talkers' },
    );
    const all = await bench.staticGroup(fans);
    const both = async (): Promise<number | undefined> =>
      (await bench.server.sdk.groups.compare(['custom:talkers', all])).intersections.at(-1)?.count;
    await bench.tick();
    expect(await both()).toBe(0);
    await bench.send(fan, 'comment-created');
    await bench.tick();
    expect(await bench.members(dynamic)).toEqual([fan.id]);
    expect(await both()).toBe(1);
  });

  it('says what is wrong with each group that was named', async () => {
    const group = await bench.staticGroup();
    const compare = async (groups: unknown) =>
      (await bench.server.call('POST', `applications/${CLIENT_ID}/profile-groups/compare/`, { body: { groups } })).body;
    const list = { groups: ['Must be a list of 2 to 5 groups, by id or custom:<custom_id>.'] };
    expect(await compare(undefined)).toEqual(list);
    expect(await compare([group])).toEqual(list);
    expect(await compare(Array(6).fill(group))).toEqual(list);
    expect(await compare([group, 'custom:nobody', 7, group])).toEqual({
      'groups[1]': ["There is no active group 'custom:nobody'."],
      'groups[2]': ["There is no active group '7'."],
      'groups[3]': ['Is the same group as groups[0].'],
    });
  });
});
