import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { totalsAndNaive } from '../activities/naive-totals.ts';
import { formatInstant, MICROS_PER_DAY, parseInstant } from '../instant.ts';
import { CLIENT_ID, startTestServer, testClock, type TestServer } from '../testing/server.ts';
import { runDemo } from './demo.ts';
import { liveSeason } from './go-on.ts';
import { loadForBench } from './load-for-bench.ts';
import { plainProgress } from '../progress.ts';
import { createSeason } from './season.ts';

const END = parseInstant('2026-03-01T12:00:00Z') ?? 0;

describe('the demo', () => {
  it('makes the same season from the same seed, in order and within its time', () => {
    const options = { seed: 3, profiles: 200, activities: 5_000, end: END };
    const [one, two, other] = [options, options, { ...options, seed: 4 }].map((given) => [
      ...createSeason(given).activities(),
    ]);
    expect(one).toEqual(two);
    expect(one).not.toEqual(other);
    const times = (one ?? []).map((activity) => activity.at);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times.at(-1)).toBeLessThanOrEqual(END);
    expect(createSeason(options).fan(17)).toEqual(createSeason(options).fan(17));
  });

  it('sleeps at night and plays on its match days, at whatever hour it ends', () => {
    for (const end of ['2026-03-01T12:00:00Z', '2026-11-26T06:34:21Z', '2026-06-01T00:00:00Z']) {
      const until = parseInstant(end) ?? 0;
      const hours = new Array<number>(24).fill(0);
      const days = new Array<number>(7).fill(0);
      let last = 0;
      for (const { at } of createSeason({ seed: 1, profiles: 200, activities: 8_000, end: until }).activities()) {
        const date = new Date(at / 1000);
        hours[date.getUTCHours()]!++; // there are 24
        days[date.getUTCDay()]!++; // there are 7
        last = at;
      }
      const of = (list: number[], from: number, to: number): number => list.slice(from, to).reduce((a, b) => a + b, 0);
      expect(of(hours, 1, 6)).toBeLessThan(400);
      expect(of(hours, 14, 22)).toBeGreaterThan(4_000);
      expect((days[0] ?? 0) + (days[2] ?? 0) + (days[6] ?? 0)).toBeGreaterThan(4_800); // Sunday, Tuesday, Saturday
      expect(last).toBeLessThanOrEqual(until);
      expect(last).toBeGreaterThan(until - MICROS_PER_DAY);
    }
  });

  it('lets the hottest twentieth do about half', () => {
    const counts = new Map<number, number>();
    for (const { fan } of createSeason({ seed: 1, profiles: 2_000, activities: 40_000, end: END }).activities())
      counts.set(fan, (counts.get(fan) ?? 0) + 1);
    const hottest = [...counts.values()].sort((a, b) => b - a).slice(0, 100);
    const share = hottest.reduce((sum, count) => sum + count, 0) / 40_000;
    expect(share).toBeGreaterThan(0.42);
    expect(share).toBeLessThan(0.6);
  });

  describe('loaded', () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await startTestServer({ clock: testClock('2026-03-01T12:00:00.000000Z') });
    });
    afterAll(() => server.close());

    it('is taken in like anything else, fills its groups, and is found there when run again', async () => {
      const { context, worker } = server.app;
      const application = await context.applications.get(CLIENT_ID);
      const lines: string[] = [];
      const options = { seed: 1, profiles: 300, activities: 5_000, end: END, atOnce: true };
      const first = await runDemo(
        context,
        application,
        options,
        plainProgress((line) => lines.push(line)),
      );
      expect(first).toEqual({ profiles: 300, activities: 5_000, duplicates: 0, groups: 12 });
      expect(lines).toContain('Activities: 50 %');
      await worker.tick();
      const { body } = await server.call<{
        count: number;
        results: { custom_id: string; profile_count: number; membership_type: string }[];
      }>('GET', `applications/${CLIENT_ID}/profile-groups/?page_size=50`);
      expect(body.count).toBe(12);
      const sizes = new Map(body.results.map((group) => [group.custom_id, group.profile_count]));
      for (const id of ['have-commented', 'poll-voters', 'inactive-30-days', 'vip-guests', 'regular-commenters'])
        expect(sizes.get(id)).toBeGreaterThan(0);
      const again = await runDemo(
        context,
        application,
        options,
        plainProgress(() => {}),
      );
      expect(again).toEqual({ profiles: 0, activities: 0, duplicates: 5_000, groups: 0 });
      const { totals, naive } = await totalsAndNaive(context.db);
      expect(totals).toEqual(naive);
    });
  });

  it('is lived through where nothing was evaluated before: groups have a past, and it is true', async () => {
    const server = await startTestServer({ clock: testClock('2026-03-01T03:10:00.000000Z') });
    try {
      const { context, worker } = server.app;
      const application = await context.applications.get(CLIENT_ID);
      const end = context.clock.now();
      const options = { seed: 2, profiles: 150, activities: 3_000, end, weeks: 5 };
      const silent = plainProgress(() => {});
      const played = await runDemo(context, application, options, silent);
      expect(played).toEqual({ profiles: 150, activities: 3_000, duplicates: 0, groups: 12 });
      await worker.tick(); // the server takes over
      const { totals, naive } = await totalsAndNaive(context.db);
      expect(totals).toEqual(naive);
      const { groups, profiles } = server.sdk;
      const causes = new Map<string, number>();
      for await (const group of groups.list({ page_size: 100 })) {
        if (group.membership_type === 'dynamic')
          expect(await groups.verify(group.id), group.name).toMatchObject({ missing: 0, extra: 0 });
        const members = new Set<string>();
        let before = '';
        for await (const { change, cause, at, profile_id: fan } of groups.changes(group.id)) {
          const key = `${change} ${cause}`;
          causes.set(key, (causes.get(key) ?? 0) + 1);
          expect(members.has(fan)).toBe(change === 'left');
          if (change === 'entered') members.add(fan);
          else members.delete(fan);
          expect(at >= before || cause === 'clock').toBe(true);
          before = at;
        }
        expect(members.size).toBe(group.profile_count);
        expect(before < formatInstant(end - MICROS_PER_DAY / 2) || members.size > 0).toBe(true);
      }
      expect([...causes.keys()].sort()).toEqual(
        expect.arrayContaining([
          'entered activity',
          'entered clock',
          'entered manual',
          'entered pin',
          'entered rule',
          'left activity',
          'left clock',
          'left manual',
          'left pin',
          'left rule',
        ]),
      );
      const chatty = await groups.get('custom:chatty-this-week');
      expect(await groups.rulesets(chatty.id).all()).toHaveLength(2);
      expect(chatty.created_at < formatInstant(end - 30 * MICROS_PER_DAY)).toBe(true);
      const since = formatInstant(end - 28 * MICROS_PER_DAY);
      const { results: sizes } = await groups.size('custom:inactive-30-days', { interval: 'day', since });
      expect(new Set(sizes.map(({ size }) => size)).size).toBeGreaterThan(8);
      await server.app.sheetChores.run();
      const usage = await server.sdk.usage.get({ interval: 'day' });
      expect(usage.results.at(-1)?.active).toBeGreaterThan(0); // at ten past three in the night
      expect(usage.results.filter((row) => row.new > 0 && row.returning > 0).length).toBeGreaterThan(10);
      expect(await profiles.list({ page_size: 100 }).all()).toHaveLength(150);
      const again = await runDemo(context, application, options, silent);
      expect(again).toEqual({ profiles: 0, activities: 0, duplicates: 3_000, groups: 0 });
    } finally {
      await server.close();
    }
  }, 240_000);

  it('goes on at the pace that was chosen, with what fits what was before', async () => {
    const clock = testClock('2026-03-01T12:00:00.000000Z');
    const server = await startTestServer({ clock });
    try {
      const { context } = server.app;
      const application = await context.applications.get(CLIENT_ID);
      const options = { seed: 4, profiles: 40, activities: 400, end: clock.now(), weeks: 1, atOnce: true };
      await runDemo(
        context,
        application,
        options,
        plainProgress(() => {}),
      );
      const live = liveSeason(context, application, createSeason(options), 120);
      expect(await live.sendDue()).toBe(0);
      clock.advance(90_000_000);
      expect(await live.sendDue()).toBe(180);
      expect(await live.sendDue()).toBe(0);
      clock.advance(600_000_000);
      expect(await live.sendDue()).toBe(1_200);
      const { totals, naive } = await totalsAndNaive(context.db);
      expect(totals).toEqual(naive);
      const balance = { attribute: 'reward_balance', condition: 'less_than', value: 0 };
      expect((await server.sdk.groups.preview(balance)).count).toBe(0); // nobody spends what they have not earned
    } finally {
      await server.close();
    }
  });

  it('loads past the services what it loads through them', async () => {
    const server = await startTestServer({ clock: testClock('2026-03-01T12:00:00.000000Z') });
    try {
      const { context } = server.app;
      const application = await context.applications.get(CLIENT_ID);
      const options = { seed: 1, profiles: 300, activities: 5_000, end: END, atOnce: true };
      await loadForBench(
        server.databaseUrl,
        application.id,
        options,
        plainProgress(() => {}),
      );
      const { totals, naive } = await totalsAndNaive(context.db);
      expect(totals.length).toBeGreaterThan(1_000);
      expect(totals).toEqual(naive);
      const list = await server.call<{ count: number; results: { custom_id: string }[] }>(
        'GET',
        `applications/${CLIENT_ID}/profiles/?attributes=favourite_team:lions`,
      );
      expect(list.body.count).toBeGreaterThan(50);
      const sent = await runDemo(
        context,
        application,
        options,
        plainProgress(() => {}),
      );
      expect(sent).toMatchObject({ profiles: 0, activities: 0, duplicates: 5_000 });
    } finally {
      await server.close();
    }
  });
});
