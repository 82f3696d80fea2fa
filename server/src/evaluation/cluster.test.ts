// The statements that a cluster needs, run on one node: they do what those of one node do.

import { type RuleTree } from '@grandstand/sdk/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql, type Queryable } from '../database/database.ts';
import { formatInstant, MICROS_PER_SECOND } from '../instant.ts';
import type { ActivityFilter } from '../rules/activity-filter.ts';
import type { RecentNeed } from '../rules/state.ts';
import { createBench, type BenchProfile, type EngineBench } from '../testing/engine.ts';
import { CLIENT_ID } from '../testing/server.ts';
import { findLastChanges } from './last-changes.ts';
import { loadRecents, type RecentOf } from './recents.ts';

describe('the statements of a cluster', () => {
  let bench: EngineBench;
  let fans: BenchProfile[];
  beforeAll(async () => {
    bench = await createBench({ isDistributed: true });
    fans = await Promise.all(Array.from({ length: 6 }, () => bench.profile()));
  });
  afterAll(() => bench.close());

  const oneNode = (): Queryable => ({ query: bench.server.app.context.db.query });
  const verify = (group: string) => bench.server.sdk.groups.verify(group);

  it('find the newest activities of each profile, as deep as they are needed and all that lie ahead', async () => {
    const now = bench.clock.now();
    const types = ['comment-created', 'poll-voted'];
    for (let i = 0; i < 120; i++) {
      const occurred_at = formatInstant(now - (i % 40) * MICROS_PER_SECOND);
      const fan = fans[i % 5];
      if (fan)
        await bench.send(fan, types[i % 2] ?? '', {
          occurred_at,
          value: 1 + (i % 3),
          data: { odd: i % 3 === 0, n: i / 4 },
        });
    }
    const { id } = await bench.server.app.context.applications.get(CLIENT_ID);
    const need = (fact: RecentNeed['fact'], count: number): RecentNeed => ({
      fact,
      span: 30 * MICROS_PER_SECOND,
      count,
      sum: 0,
      leastCount: 1,
      leastSum: Infinity,
    });
    const narrowed: ActivityFilter = {
      from: now - 20 * MICROS_PER_SECOND,
      until: now - 2 * MICROS_PER_SECOND,
      where: [{ key: 'odd', condition: 'equals', value: true }],
      sumOf: null,
    };
    const needs = [
      need({ factId: 2, typeId: 2 }, 3),
      need({ factId: 7, typeId: 7 }, Infinity),
      need({ factId: 0, typeId: 0 }, 4),
      need({ factId: 2000, typeId: 2, where: { key: 'odd', equals: true } }, 2),
      need({ factId: 2001, typeId: 0, where: { key: 'odd', equals: false } }, 2),
      { ...need({ factId: 2, typeId: 2 }, 2), filter: narrowed },
      {
        ...need({ factId: 0, typeId: 0 }, Infinity),
        sum: Infinity,
        span: Infinity,
        filter: { ...narrowed, sumOf: 'n' },
      },
    ];
    const asked = needs.map((each) => ({ ids: fans.map((fan) => fan.id), need: each, later: true }));
    const from = now - 5 * MICROS_PER_SECOND;
    const load = async (db: Queryable): Promise<RecentOf[]> =>
      (await loadRecents(db, id, asked, from, 2)).sort((a, b) =>
        `${a.profileId} ${a.key}` < `${b.profileId} ${b.key}` ? -1 : 1,
      );
    const here = await load(oneNode());
    expect(here.length).toBeGreaterThan(20);
    // Of activities at the same instant either may be the last that is read; their instants are the same.
    const instants = (rows: RecentOf[]) => rows.map(({ recent, ...of }) => ({ ...of, at: recent.at }));
    expect(instants(await load(bench.server.app.context.db))).toEqual(instants(here));
  });

  it('keep dynamic groups true through activities, windows that end, edits and pins', async () => {
    const rule = (value: number): RuleTree => ({
      operator: 'OR',
      children: [
        { attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value, window: 'PT20S' },
        { attribute: 'total_activities', condition: 'greater_than_or_equal', value: value + 1, window: 'PT10S' },
      ],
    });
    const group = await bench.group(rule(2));
    await bench.tick();
    for (let round = 0; round < 12; round++) {
      const fan = fans[(round * 5) % 6];
      if (fan) await bench.send(fan, round % 3 === 0 ? 'poll-voted' : 'comment-created');
      if (round === 4) await bench.patch(group, { rule_tree: rule(1) });
      if (round === 7)
        await bench.server.sdk.groups.pin(group, fans[5]?.id ?? '', {
          pin: 'in',
          reason: 'a guest',
          expires_at: formatInstant(bench.clock.now() + 6 * MICROS_PER_SECOND),
        });
      bench.clock.advance(3 * MICROS_PER_SECOND);
      await bench.tick();
      expect(await verify(group)).toMatchObject({ missing: 0, extra: 0 });
    }
    const inside = new Set<string>();
    for (const { change, profile_id } of await bench.changes(group)) {
      expect(inside.has(profile_id)).toBe(change === 'left');
      if (change === 'entered') inside.add(profile_id);
      else inside.delete(profile_id);
    }
    expect([...inside].sort()).toEqual(await bench.members(group));

    const { rows } = await oneNode().query<{ epoch: number }>(
      sql`select epoch from group_heads where group_id = ${group}`,
    );
    const pairs = fans.map((fan) => ({ profileId: fan.id, groupId: group, epoch: rows[0]?.epoch }));
    const here = await findLastChanges(oneNode(), pairs);
    expect(here.some(({ at }) => at !== null)).toBe(true);
    expect(await findLastChanges(bench.server.app.context.db, pairs)).toEqual(here);
  });

  it('add, take away and replace the members of a static group', async () => {
    const group = await bench.staticGroup(fans.slice(0, 4));
    const { groups } = bench.server.sdk;
    await groups.removeMembers(group, { profile_ids: [fans[0]?.id ?? '', fans[5]?.id ?? ''] });
    const list = [fans[0], fans[3], fans[4]].map((fan) => JSON.stringify(fan?.id)).join('\n');
    expect(await groups.replaceMembers(group, list, 'application/x-ndjson')).toMatchObject({
      added: 2,
      removed: 2,
      unchanged: 1,
    });
    await bench.server.app.context.groupChores.run();
    expect(await bench.members(group)).toEqual([fans[0]?.id, fans[3]?.id, fans[4]?.id].sort());
    expect((await bench.show(group)).profile_count).toBe(3);
  });
});
