// What happens to activities after intake: lists, the live tail, removal; and that totals follow whatever is done.

import {
  type ActivityFilter,
  type AdminClient,
  type NewActivity,
  type Page,
  type StoredActivity,
} from '@grandstand/sdk/server';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../database/database.ts';
import { chooseSeed, propertyRuns } from '../testing/random.ts';
import { CLIENT_ID, pagesOf, refusal, startTestServer, testClock, type TestServer } from '../testing/server.ts';
import { totalsAndNaive } from './naive-totals.ts';

type CountOptions = NonNullable<Parameters<AdminClient['profiles']['activityCounts']>[1]>;

function expectGone(error: unknown): void {
  expect(error).toMatchObject({ status: 404 });
}

describe('activities', () => {
  let server: TestServer;
  let sdk: AdminClient;
  beforeAll(async () => {
    server = await startTestServer({ clock: testClock('2026-03-01T12:00:00.000000Z') });
    ({ sdk } = server);
    await sdk.activities.registerType({ type: 'check-in' });
    for (const definition of [
      {
        key: 'home_visits',
        derived_from: { fn: 'count', types: ['check-in'], where: { key: 'place', equals: 'home' } },
      },
      { key: 'visits_of_7', derived_from: { fn: 'sum', types: ['*'], where: { key: 'place', equals: 7 } } },
      { key: 'place_state', type: 'string' as const, derived_from: { fn: 'state', types: ['check-in'], key: 'name' } },
      { key: 'until_state', type: 'datetime' as const, derived_from: { fn: 'state', types: ['*'], key: 'until' } },
    ]) {
      await sdk.attributes.define(definition);
    }
  });
  afterAll(() => server.close());

  const send = (activities: NewActivity[]) => sdk.activities.send(activities);
  const makeProfile = async (): Promise<string> => (await sdk.profiles.create()).id;
  const of = (profileId: string): string => `applications/${CLIENT_ID}/profiles/${profileId}/activities/`;
  const get = async (path: string): Promise<Page<StoredActivity>> =>
    (await server.call<Page<StoredActivity>>('GET', path)).body;

  describe('counts over time', () => {
    it('have a row for each day or hour, upwards, also where nothing happened', async () => {
      const profileId = await makeProfile();
      await send(
        (
          [
            ['a', 'comment-created', '2026-02-27T00:00:00Z', 2],
            ['b', 'comment-created', '2026-02-27T23:59:59.999999Z', 1],
            ['c', 'poll-voted', '2026-03-01T11:00:00Z', 5],
          ] as const
        ).map(([id, type, occurred_at, value]) => ({ id, type, occurred_at, value, profile_id: profileId })),
      );
      const counts = async (options: CountOptions = {}): Promise<[string, number, number][]> =>
        (await sdk.profiles.activityCounts(profileId, options)).results.map(({ at, count, sum }) => [
          at.slice(5, 13),
          count,
          sum,
        ]);
      expect(await counts({ interval: 'day', since: '2026-02-27T10:00:00Z' })).toEqual([
        ['02-27T00', 2, 3],
        ['02-28T00', 0, 0],
        ['03-01T00', 1, 5],
      ]);
      expect(await counts({ interval: 'day' })).toHaveLength(30);
      expect((await counts()).filter(([, count]) => count > 0)).toEqual([['03-01T11', 1, 5]]);
      const day = { interval: 'day', since: '2026-02-27T00:00:00Z', until: '2026-02-28T00:00:00Z' } as const;
      expect(await counts({ ...day, type: 'comment-created' })).toEqual([['02-27T00', 2, 3]]);
      const later = { since: '2030-01-01T00:00:00Z', until: '2030-02-01T00:00:00Z' };
      expect(await counts({ interval: 'day', ...later })).toEqual([]);
    });

    it('are for the profile itself and admins, and say what is wrong with a question', async () => {
      const profileId = await makeProfile();
      const other = await sdk.profiles.create();
      expect((await refusal(server.as(other.access_token).profiles.activityCounts(profileId))).status).toBe(403);
      const ask = (options: CountOptions) => refusal(sdk.profiles.activityCounts(profileId, options));
      expect((await ask({ interval: 'week' as 'day' })).fields).toHaveProperty('interval'); // there is none
      expect((await ask({ type: 'nothing' })).fields).toHaveProperty('type');
    });
  });

  describe('lists', () => {
    let profileId: string;
    const day = (n: number): string => `2026-01-${String(n).padStart(2, '0')}T00:00:00Z`;
    beforeAll(async () => {
      profileId = await makeProfile();
      const types = ['comment-created', 'poll-voted', 'reward-earned'];
      await send(
        Array.from({ length: 25 }, (_, i) => ({
          id: `a${i}`,
          type: types[i % 3] ?? '',
          profile_id: profileId,
          occurred_at: day(Math.floor(i / 2) + 1),
        })),
      );
    });

    it('give the newest first, by date and then by id, over all pages and back', async () => {
      const expected = Array.from({ length: 25 }, (_, i) => ({ id: `a${i}`, day: Math.floor(i / 2) }))
        .sort((a, b) => b.day - a.day || (a.id < b.id ? 1 : -1))
        .map(({ id }) => id);
      const pages = await pagesOf(sdk.profiles.activities(profileId, { page_size: 4 }));
      expect(new Set(pages.map(({ count }) => count))).toEqual(new Set([25]));
      expect(pages.flatMap(({ results }) => results.map((row) => row.id))).toEqual(expected);
      const back = await get(pages.at(-1)?.previous ?? '');
      expect(back.results.map((row) => row.id)).toEqual(expected.slice(20, 24));
      const third = await get(`${of(profileId)}?page_size=4&page=3`);
      expect(third.results.map((row) => row.id)).toEqual(expected.slice(8, 12));
    });

    it('are narrowed by type and by dates, half-open', async () => {
      const list = async (filter: ActivityFilter) => (await pagesOf(sdk.profiles.activities(profileId, filter)))[0];
      expect((await list({ type: 'poll-voted' }))?.count).toBe(8);
      const days = { since: day(3), until: day(5) };
      const range = await list(days);
      expect(range?.count).toBe(4);
      expect(range?.results.map((row) => row.id)).toEqual(['a7', 'a6', 'a5', 'a4']);
      expect(await list({ type: 'comment-created', ...days })).toMatchObject({ count: 1, results: [{ id: 'a6' }] });
      expect((await refusal(list({ type: 'unheard-of' }))).status).toBe(400);
      expect((await refusal(list({ since: 'soon' }))).status).toBe(400);
    });

    it('of a profile without activities are empty', async () => {
      expect(await get(of(await makeProfile()))).toEqual({ count: 0, next: null, previous: null, results: [] });
    });
  });

  describe('removal', () => {
    it('takes back all effects, and the id may be used again', async () => {
      const profileId = await makeProfile();
      const tier = (id: string, rank: number) => ({
        id,
        type: 'tier-changed',
        profile_id: profileId,
        occurred_at: `2026-01-0${rank}T00:00:00Z`,
        value: rank,
        data: { current_tier_rank: rank, direction: 'upgraded' },
      });
      await send([
        tier('one', 1),
        tier('two/ü', 2),
        tier('three', 3),
        { id: 'other', type: 'comment-created', profile_id: profileId, occurred_at: '2026-01-02T00:00:00Z' },
      ]);
      await sdk.activities.delete(profileId, 'three');
      expect((await refusal(sdk.activities.delete(profileId, 'three'))).status).toBe(404);
      await sdk.activities.delete(profileId, 'two/ü');
      const { totals, naive } = await totalsAndNaive(server.app.context.db);
      expect(totals).toEqual(naive);
      const mine = totals.filter((row) => row.profile_id === profileId);
      expect(mine.find((row) => row.fact_id === 503)).toMatchObject({ count: 1, state: 1 });
      expect(mine.find((row) => row.fact_id === 0)).toMatchObject({
        count: 2,
        sum: 2,
        last_at: Date.UTC(2026, 0, 2) * 1000,
      });
      expect((await send([tier('three', 3)])).accepted).toBe(1);
    });

    it('of the last one leaves no totals and no mark, and what nobody has is 404', async () => {
      const [profileId, other] = [await makeProfile(), await makeProfile()];
      await send([{ id: 'only', type: 'comment-created', profile_id: profileId }]);
      expect((await refusal(sdk.activities.delete(other, 'only'))).status).toBe(404);
      await sdk.activities.delete(profileId, 'only');
      const { rows } = await server.app.context.db.query(sql`
        select t.fact_id, p.has_activities from profiles p left join totals t on t.profile_id = p.id
        where p.id in (${profileId}, ${other})`);
      expect(rows).toEqual(Array.from({ length: 2 }, () => ({ fact_id: null, has_activities: false })));
      expect((await refusal(sdk.activities.delete('no-uuid', 'only'))).status).toBe(404);
    });

    it('queues the profile where somebody reads what changed', async () => {
      const { db } = server.app.context;
      const profileId = await makeProfile();
      await send([{ id: 'a', type: 'comment-created', profile_id: profileId }]);
      await db.query(
        sql`insert into watched_keys (application_id, key, group_id) select id, 'activity:*', ${profileId}::uuid from applications`,
      );
      await sdk.activities.delete(profileId, 'a');
      const { rows } = await db.query<{ profile_id: string; cause: string }>(sql`select profile_id, cause from queue`);
      await db.query(sql`delete from watched_keys`);
      await db.query(sql`delete from queue`);
      expect(rows).toEqual([{ profile_id: profileId, cause: 'activity' }]);
    });
  });

  it('give the same totals in whatever order, batches and repeats they arrive and are removed', async () => {
    const profiles = await Promise.all(Array.from({ length: 4 }, makeProfile));
    let turn = 0;
    const activity = fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'é', 'Z', '😀', '￿', '"{'),
      profile: fc.nat(3),
      type: fc.constantFrom('check-in', 'tier-changed', 'comment-created', 'streak-updated'),
      second: fc.nat(6),
      value: fc.integer({ min: 1, max: 5 }),
      data: fc.record(
        {
          place: fc.constantFrom<unknown>('home', 'away', 7, '7', null, true),
          name: fc.constantFrom<unknown>('x', 'y', null),
          until: fc.constantFrom<unknown>(
            '2026-01-01',
            '2026-01-01T10:00:00.5+05:30',
            '2026-02-03t00:00z',
            '2026-12-31 23:59:59-1400',
            '2026-01-01T23:59:59.9999996Z',
            '2026-01-01T10:00:00.123456789+05:30',
            null,
          ),
          direction: fc.constantFrom<unknown>('upgraded', 'downgraded', 'sideways'),
          current_tier_rank: fc.constantFrom<unknown>(1, 2.5, -0, 1e21, null),
          is_streak_active: fc.constantFrom<unknown>(true, false, null),
        },
        { requiredKeys: [] },
      ),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(activity, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.nat(39), { maxLength: 5 }),
        async (list, size, removals) => {
          const prefix = `${turn++}-`;
          const items = list.map(({ id, profile, second, ...rest }) => ({
            ...rest,
            id: prefix + id,
            profile_id: profiles[profile] ?? '',
            occurred_at: `2026-01-01T00:00:0${second}Z`,
          }));
          const batches: NewActivity[][] = [];
          for (let at = 0; at < items.length; at += size) batches.push(items.slice(at, at + size));
          const answers = await Promise.all(batches.map(send));
          for (const answer of answers) expect(answer.rejected).toEqual([]);
          const distinct = new Set(items.map((item) => `${item.profile_id} ${item.id}`)).size;
          expect(answers.reduce((sum, answer) => sum + answer.accepted, 0)).toBe(distinct);
          await Promise.all(
            removals.map((at) => {
              const item = items[at % items.length];
              // One that is drawn twice is gone by then.
              return sdk.activities.delete(item?.profile_id ?? '', item?.id ?? '').catch(expectGone);
            }),
          );
          const { totals, naive } = await totalsAndNaive(server.app.context.db);
          expect(totals).toEqual(naive);
        },
      ),
      { numRuns: propertyRuns(30), seed: chooseSeed() },
    );
  });

  describe('the live tail', () => {
    it('begins with the newest and goes on with what comes in', async () => {
      const profileId = await makeProfile();
      await send([{ id: 't1', type: 'comment-created', profile_id: profileId }]);
      await send([{ id: 't2', type: 'comment-created', profile_id: profileId, occurred_at: '2020-01-01T00:00:00Z' }]);
      const tail = `applications/${CLIENT_ID}/activities/`;
      const first = await get(`${tail}?page_size=2`);
      expect(first.results.map((row) => row.id)).toEqual(['t1', 't2']);
      expect((await get(`${tail}?after=&page_size=2`)).results).toEqual(first.results);
      expect((await get(first.next ?? '')).results).toEqual([]);
      await send([{ id: 't3', type: 'poll-voted', profile_id: profileId }]);
      const more = await get(first.next ?? '');
      expect(more).toMatchObject({
        count: null,
        previous: null,
        results: [{ id: 't3', type: 'poll-voted', profile_id: profileId }],
      });
      expect((await get(more.next ?? '')).results).toEqual([]);
      expect((await server.call('GET', `${tail}?after=rubbish`)).status).toBe(404);
    });

    it('of an application without activities starts at now', async () => {
      const empty = await startTestServer();
      try {
        const tail = (await empty.call<Page<StoredActivity>>('GET', `applications/${CLIENT_ID}/activities/`)).body;
        expect(tail.results).toEqual([]);
        expect(tail.next).toContain('after=');
      } finally {
        await empty.close();
      }
    });

    it('misses nothing and repeats nothing while many batches commit at the same time', async () => {
      const profiles = await Promise.all(Array.from({ length: 5 }, makeProfile));
      let { next } = await get(`applications/${CLIENT_ID}/activities/?page_size=7`);
      const seen: string[] = [];
      let done = false;
      const poll = async (): Promise<void> => {
        const page = await get(next ?? '');
        seen.push(...page.results.map((row) => row.id));
        next = page.next;
      };
      const following = (async () => {
        while (!done) await poll();
      })();
      const sending = Array.from({ length: 8 }, async (_, lane) => {
        for (let i = 0; i < 15; i++) {
          await send(
            Array.from({ length: 3 }, (_unused, k) => ({
              id: `lane${lane}-${i}-${k}`,
              type: 'comment-created',
              profile_id: profiles[(lane + i + k) % 5] ?? '',
            })),
          );
        }
      });
      await Promise.all(sending);
      done = true;
      await following;
      for (let before = -1; before < seen.length;) {
        before = seen.length;
        await poll();
      }
      expect(seen).toHaveLength(8 * 15 * 3);
      expect(new Set(seen).size).toBe(8 * 15 * 3);
    });

    it('waits for a batch that was received before and is not settled yet', async () => {
      const profileId = await makeProfile();
      const { db } = server.app.context;
      const { next } = await get(`applications/${CLIENT_ID}/activities/`);
      let release = (): void => {};
      let begun = (): void => {};
      const started = new Promise<void>((resolve) => (begun = resolve));
      const held = new Promise<void>((resolve) => (release = resolve));
      const slow = db.transaction(async (tx) => {
        await tx.query(sql`insert into activities (profile_id, id, application_id, ordinal, type_id, occurred_at, value)
          select id, 'slow', application_id, ordinal, 2, '2026-01-01', 1 from profiles where id = ${profileId}`);
        begun();
        await held;
      });
      await started;
      await send([{ id: 'quick', type: 'comment-created', profile_id: profileId }]);
      expect((await get(next ?? '')).results).toEqual([]);
      release();
      await slow;
      expect((await get(next ?? '')).results.map((row) => row.id)).toEqual(['slow', 'quick']);
      await db.query(sql`delete from activities where id = 'slow'`);
    });
  });
});
