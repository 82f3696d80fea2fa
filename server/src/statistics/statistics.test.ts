import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../database/database.ts';
import { CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';
import { createBench, type EngineBench } from '../testing/engine.ts';
import type { StatisticsResource } from './statistics.ts';

const ADDRESS = `applications/${CLIENT_ID}/statistics/`;
const read = async (server: TestServer): Promise<StatisticsResource> =>
  (await server.call<StatisticsResource>('GET', ADDRESS)).body;

describe('the overview of an application', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await createBench(); // 1 March 2026, noon
  });
  afterAll(() => bench.close());

  const day = async (start: string): Promise<StatisticsResource['days'][number] | undefined> => {
    await bench.server.app.statisticsChores.run();
    return (await read(bench.server)).days.find((one) => one.day.startsWith(start));
  };

  it('has thirty days, the present one at the end, also before anything was counted', async () => {
    const { days, evaluation } = await read(bench.server);
    expect(days).toHaveLength(30);
    expect(days[0]?.day).toBe('2026-01-31T00:00:00.000000Z');
    expect(days.at(-1)).toMatchObject({ day: '2026-03-01T00:00:00.000000Z', new_profiles: 0 });
    expect(evaluation).toMatchObject({ verification: null, failed: 0, queue: { count: 0, oldest_at: null } });
  });

  it('counts who was made and who was active on a day, each profile once', async () => {
    const [ann, ben] = [await bench.profile(), await bench.profile()];
    await bench.profile();
    await bench.send(ann, 'comment-created');
    await bench.send(ann, 'poll-voted');
    await bench.send(ben, 'poll-voted', { occurred_at: '2026-02-27T23:59:59.999999Z' });
    expect(await day('2026-03-01')).toMatchObject({ new_profiles: 3, active_profiles: 1, activities: 2 });
    expect(await day('2026-02-27')).toMatchObject({ new_profiles: 0, active_profiles: 1, activities: 1 });
    expect(await day('2026-02-28')).toMatchObject({ active_profiles: 0, activities: 0 });
    expect((await day('2026-02-28'))?.counted_at).toMatch(/^2026-03-01T12/);
    expect((await read(bench.server)).profiles.count).toBe(3);
  });

  it('counts a past day again when something of it comes in late', async () => {
    const late = await bench.profile();
    await bench.send(late, 'poll-voted', { occurred_at: '2026-02-27T08:00:00Z' });
    await bench.send(late, 'poll-voted', { occurred_at: '2026-02-27T09:00:00Z' });
    expect(await day('2026-02-27')).toMatchObject({ active_profiles: 2, activities: 3 });
  });

  it('leaves out what was erased, from the next day on', async () => {
    const gone = await bench.profile();
    await bench.send(gone, 'poll-voted', { occurred_at: '2026-02-20T08:00:00Z' });
    expect(await day('2026-02-20')).toMatchObject({ active_profiles: 1 });
    await bench.server.call('DELETE', `profiles/${gone.id}/`);
    expect(await day('2026-02-20')).toMatchObject({ active_profiles: 1 });
    bench.clock.set('2026-03-02T00:00:01Z');
    expect(await day('2026-02-20')).toMatchObject({ active_profiles: 0, activities: 0 });
    expect((await day('2026-03-01'))?.new_profiles).toBe(4);
    expect(await day('2026-01-31')).toBeUndefined();
  });

  it('names the largest groups and those that moved most within a day', async () => {
    const profiles = await Promise.all(Array.from({ length: 4 }, () => bench.profile()));
    bench.clock.set('2026-03-02T06:00:00Z');
    const large = await bench.staticGroup(profiles);
    const inactive = await bench.staticGroup(profiles);
    await bench.patch(inactive, { is_active: false });
    bench.clock.set('2026-03-04T09:00:00Z');
    const fast = await bench.staticGroup(profiles.slice(0, 2));
    await bench.server.call('DELETE', `applications/${CLIENT_ID}/profile-groups/${fast}/members/`, {
      body: { profile_ids: [profiles[0]?.id] },
    });
    const { groups } = await read(bench.server);
    expect(groups.largest.map(({ group_id, profile_count }) => [group_id, profile_count])).toEqual([
      [large, 4],
      [fast, 1],
    ]);
    expect(groups.fastest).toMatchObject([
      { group_id: fast, name: 'A static group', membership_type: 'static', profile_count: 1, entered: 2, left: 1 },
    ]);
    expect(groups).toMatchObject({ static: 2, dynamic: 0 });
  });

  it('tells how evaluation stands: up to when, what waits, what was verified', async () => {
    const rule = { attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 1 };
    const group = await bench.group(rule);
    expect((await read(bench.server)).evaluation).toMatchObject({ filling: 1, paused: 0 });
    await bench.tick();
    await bench.send(await bench.profile(), 'comment-created');
    const waiting = (await read(bench.server)).evaluation;
    expect(waiting.queue.count).toBe(1);
    expect(waiting.queue.oldest_at).toMatch(/^2026-03-04T09:00/);
    await bench.tick();
    await bench.server.call('POST', `applications/${CLIENT_ID}/profile-groups/${group}/verify/`, { body: {} });
    const { evaluation } = await read(bench.server);
    expect(evaluation.queue).toEqual({ count: 0, oldest_at: null });
    expect(evaluation.as_of).toMatch(/^2026-03-04T09:00/);
    expect(evaluation.verification).toMatchObject({ groups: 1, missing: 0, extra: 0 });
    expect(evaluation.verification?.checked).toBeGreaterThan(0);
    await bench.patch(group, { is_paused: true });
    expect((await read(bench.server)).evaluation.paused).toBe(1);
  });
});

describe('activities by minute', () => {
  it('are counted by receipt, whenever they occurred, and are the same once they are kept', async () => {
    const server = await startTestServer();
    try {
      const { body: profile } = await server.call<{ id: string }>('POST', `applications/${CLIENT_ID}/profile/`);
      const activities = Array.from({ length: 7 }, (_, n) => ({
        id: `a${n}`,
        type: 'poll-voted',
        profile_id: profile.id,
        occurred_at: '2024-01-01T00:00:00Z',
      }));
      await server.call('POST', `applications/${CLIENT_ID}/activities/`, { body: { activities } });
      for (let round = 0; round < 2; round++) {
        const { activities: counted } = await read(server);
        expect(counted.last_minute).toBe(7);
        expect(counted.minutes).toHaveLength(60);
        expect(counted.minutes.slice(-2).reduce((sum, minute) => sum + minute.activities, 0)).toBe(7);
        await server.app.statisticsChores.run();
      }
    } finally {
      await server.close();
    }
  });

  it('that are over are kept, and not counted again', async () => {
    const bench = await createBench();
    try {
      const { db } = bench.server.app.context;
      await bench.send(await bench.profile(), 'poll-voted');
      await db.query(sql`update activities set received_at = ${new Date(Date.now() - 300_000).toISOString()}`);
      await bench.server.app.statisticsChores.run();
      const { rows } = await db.query<{ minute: number; activities: number }>(
        sql`select minute, activities from minute_counts`,
      );
      expect(rows).toMatchObject([{ activities: 1 }]);
      await db.query(sql`update minute_counts set activities = 5`);
      bench.clock.set((rows[0]?.minute ?? 0) + 300_000_000);
      const { minutes } = (await read(bench.server)).activities;
      expect(minutes.reduce((sum, minute) => sum + minute.activities, 0)).toBe(5);
    } finally {
      await bench.close();
    }
  });
});

describe('who may see the overview', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());

  it('is whoever has an admin token, and no profile', async () => {
    const { body } = await server.call<{ access_token: string }>('POST', `applications/${CLIENT_ID}/profile/`);
    expect((await server.call('GET', ADDRESS)).status).toBe(200);
    expect((await server.call('GET', ADDRESS, { token: null })).status).toBe(401);
    expect((await server.call('GET', ADDRESS, { token: body.access_token })).status).toBe(403);
    expect((await server.call('GET', 'applications/nobody/statistics/')).status).toBe(403);
  });
});
