// What a profile's own token may send.

import { type AcceptedActivities, type NewActivity, type StoredActivity } from '@grandstand/sdk/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../database/database.ts';
import { formatInstant, MICROS_PER_DAY } from '../instant.ts';
import {
  CLIENT_ID,
  pagesOf,
  refusal,
  startTestServer,
  testClock,
  type TestClock,
  type TestServer,
} from '../testing/server.ts';
import { totalsAndNaive } from './naive-totals.ts';

describe('a profile’s own token', () => {
  let server: TestServer;
  let clock: TestClock;
  beforeAll(async () => {
    clock = testClock('2026-03-01T12:00:00.000000Z');
    server = await startTestServer({ clock, env: { RATE_LIMIT_PROFILE: '50' } });
  });
  afterAll(() => server.close());

  const send = (activities: NewActivity[], token: string): Promise<AcceptedActivities> =>
    server.as(token).activities.send(activities);
  const makeProfile = () => server.as(null).profiles.create();

  it('sends activities of its profile without naming it', async () => {
    const fan = await makeProfile();
    const answer = await send(
      [
        { id: 'a', type: 'comment-created' },
        { id: 'b', type: 'poll-voted', profile_id: fan.id },
      ],
      fan.access_token,
    );
    expect(answer).toEqual({ accepted: 2, duplicates: 0, rejected: [] });
    expect(await pagesOf(server.as(fan.access_token).profiles.activities(fan.id))).toMatchObject([{ count: 2 }]);
  });

  it('cannot send another profile’s activities, server-only or unknown types, large values or old dates', async () => {
    const [fan, other] = [await makeProfile(), await makeProfile()];
    const now = clock.now();
    const answer = await send(
      [
        { id: 'a', type: 'comment-created', profile_id: other.id },
        { id: 'b', type: 'comment-created', custom_id: 'somebody' },
        { id: 'c', type: 'reward-earned' },
        { id: 'd', type: 'never-heard-of' },
        { id: 'e', type: 'comment-created', value: 2 },
        { id: 'f', type: 'comment-created', occurred_at: formatInstant(now - 8 * MICROS_PER_DAY) },
        {
          id: 'g',
          type: 'comment-created',
          value: 1,
          occurred_at: formatInstant(now - 7 * MICROS_PER_DAY + 1_000_000),
        },
      ],
      fan.access_token,
    );
    expect(answer.accepted).toBe(1);
    expect(answer.rejected.map(({ id, errors }) => [id, Object.keys(errors)])).toEqual([
      ['a', ['profile_id']],
      ['b', ['custom_id']],
      ['c', ['type']],
      ['d', ['type']],
      ['e', ['value']],
      ['f', ['occurred_at']],
    ]);
    expect(await server.sdk.activities.types({ registered: false })).toEqual([]);
    expect(await pagesOf(server.sdk.profiles.activities(other.id))).toMatchObject([{ count: 0 }]);
  });

  it('may repeat what it sent in time, also once that is long ago', async () => {
    const fan = await makeProfile();
    const item = { id: 'a', type: 'comment-created', occurred_at: formatInstant(clock.now()) };
    await send([item], fan.access_token);
    clock.advance(9 * MICROS_PER_DAY);
    const answer = await send([item, { ...item, id: 'b' }], fan.access_token);
    expect(answer).toMatchObject({ accepted: 0, duplicates: 1, rejected: [{ index: 1, id: 'b' }] });
  });

  it('sends types that were registered for clients, until they are unregistered', async () => {
    const fan = await makeProfile();
    const types = server.sdk.activities;
    const cheer = async (id: string): Promise<number> =>
      (await send([{ id, type: 'cheered' }], fan.access_token)).accepted;
    expect(await cheer('a')).toBe(0);
    await types.registerType({ type: 'cheered', label: 'Cheered', client: true });
    expect(await cheer('a')).toBe(1);
    expect(await types.updateType('cheered', { client: false })).toMatchObject({ client: false, label: 'Cheered' });
    expect(await cheer('b')).toBe(0);
    await types.unregisterType('cheered');
    expect((await refusal(types.unregisterType('cheered'))).status).toBe(404);
    expect((await refusal(types.unregisterType('comment-created'))).status).toBe(403);
    expect(await pagesOf(server.sdk.profiles.activities(fan.id, { type: 'cheered' }))).toMatchObject([
      { count: 1, results: [{ id: 'a', type: 'cheered' }] },
    ]);
  });

  it('finds types registered only where every field of them is sound', async () => {
    const types = `applications/${CLIENT_ID}/activity-types/`;
    const refused = await server.call('POST', types, { body: { type: 'Not One', label: ' ', client: 'yes' } });
    expect(refused.status).toBe(400);
    expect(Object.keys(refused.body).sort()).toEqual(['client', 'label', 'type']);
    expect((await server.call('POST', types, { body: { type: 5 } })).body).toEqual({
      type: ['This must be a string.'],
    });
    expect((await server.call('POST', types, { body: [] })).status).toBe(400);
    expect((await server.call('POST', types, { body: { client: null } })).body).toHaveProperty('type');
  });

  it('cannot remove activities, follow the tail or read another’s list', async () => {
    const [fan, other] = [await makeProfile(), await makeProfile()];
    await send([{ id: 'a', type: 'comment-created' }], fan.access_token);
    const own = server.as(fan.access_token);
    expect((await refusal(own.activities.delete(fan.id, 'a'))).status).toBe(403);
    expect((await refusal(own.activities.tail().next())).status).toBe(403);
    expect((await refusal(server.as(other.access_token).profiles.activities(fan.id).all())).status).toBe(403);
    expect((await refusal(server.as(null).profiles.activities(fan.id).all())).status).toBe(401);
  });

  it('is stopped when it floods', async () => {
    const fan = await makeProfile();
    const batch = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => ({ id: `${from + i}`, type: 'comment-created' }));
    expect((await refusal(send(batch(0, 51), fan.access_token))).status).toBe(429);
    expect((await send(batch(0, 40), fan.access_token)).accepted).toBe(40);
    const refused = await refusal(send(batch(100, 11), fan.access_token));
    expect(refused).toMatchObject({ status: 429, code: 'throttled' });
    expect(refused.retryAfter).toBeGreaterThan(0);
    expect((await send(batch(100, 10), fan.access_token)).accepted).toBe(10);
  });

  describe('and ids', () => {
    const listed = async (profileId: string) =>
      (await server.sdk.profiles.activities(profileId).all()).map(({ id, sent_by: by, value }) => [by, id, value]);
    const order = (id: string, fields: Partial<NewActivity> = {}) => ({ id, type: 'comment-created', ...fields });

    it('takes no id away from the back end: what it sent under one is not what others send under it', async () => {
      const fan = await makeProfile();
      expect(await send([order('order-1001')], fan.access_token)).toMatchObject({ accepted: 1 });
      const real = order('order-1001', { profile_id: fan.id, value: 50 });
      expect(await server.sdk.activities.send([real, real])).toEqual({ accepted: 1, duplicates: 1, rejected: [] });
      expect(await server.sdk.activities.send([real])).toEqual({ accepted: 0, duplicates: 1, rejected: [] });
      expect(await send([order('order-1001'), order('order-1001')], fan.access_token)).toMatchObject({
        accepted: 0,
        duplicates: 2,
      });
      expect(new Set(await listed(fan.id))).toEqual(
        new Set([
          ['admin', 'order-1001', 50],
          ['profile', 'order-1001', 1],
        ]),
      );
      const all = await server.sdk.profiles.activities(fan.id, { page_size: 1 }).all();
      expect(all.map(({ sent_by: by }) => by).sort()).toEqual(['admin', 'profile']);
      const { totals, naive } = await totalsAndNaive(server.app.context.db);
      expect(totals).toEqual(naive);
      const tail = await server.call<{ results: StoredActivity[] }>('GET', `applications/${CLIENT_ID}/activities/`);
      expect(tail.body.results.filter(({ profile_id: id }) => id === fan.id).map(({ id }) => id)).toEqual([
        'order-1001',
        'order-1001',
      ]);
    });

    it('cannot be made to look like the other’s, however they begin', async () => {
      const fan = await makeProfile();
      const tricks = ['p', 'a', '', 'pp', 'pa', 'x'].flatMap((rest) => [
        `\u0001${rest}`,
        `\u0001\u0001${rest}`,
        rest || 'e',
      ]);
      const distinct = [...new Set(tricks)];
      for (const id of distinct) {
        expect(await send([order(id)], fan.access_token), JSON.stringify(id)).toMatchObject({ accepted: 1 });
        const mine = order(id, { profile_id: fan.id });
        expect(await server.sdk.activities.send([mine]), JSON.stringify(id)).toMatchObject({ accepted: 1 });
      }
      const ids = (await listed(fan.id)).map(([by, id]) => `${by} ${id}`).sort();
      expect(ids).toEqual(distinct.flatMap((id) => [`admin ${id}`, `profile ${id}`]).sort());
    });

    it('name one activity when it is removed: the sender is asked for only where both have sent it', async () => {
      const fan = await makeProfile();
      await send([order('twice'), order('once')], fan.access_token);
      await server.sdk.activities.send([order('twice', { profile_id: fan.id, value: 9 })]);
      const { activities } = server.sdk;
      await activities.delete(fan.id, 'once');
      const both = await refusal(activities.delete(fan.id, 'twice'));
      expect(both).toMatchObject({ status: 409, message: expect.stringContaining('?sent_by=') as string });
      await activities.delete(fan.id, 'twice', { sentBy: 'profile' });
      expect(await listed(fan.id)).toEqual([['admin', 'twice', 9]]);
      expect((await refusal(activities.delete(fan.id, 'twice', { sentBy: 'profile' }))).status).toBe(404);
      await activities.delete(fan.id, 'twice');
      expect(await listed(fan.id)).toEqual([]);
      const path = `applications/${CLIENT_ID}/profiles/${fan.id}/activities/twice/?sent_by=nobody`;
      expect(await server.call('DELETE', path)).toMatchObject({ status: 400, body: { sent_by: [expect.any(String)] } });
    });

    it('of an admin may stand among the profile’s where that is said, as when an activity is brought back', async () => {
      const fan = await makeProfile();
      await send([order('brought-back')], fan.access_token);
      await server.sdk.activities.delete(fan.id, 'brought-back');
      const back = order('brought-back', { profile_id: fan.id, sent_by: 'profile' });
      expect(await server.sdk.activities.send([back])).toMatchObject({ accepted: 1 });
      expect(await send([order('brought-back', { sent_by: 'profile' })], fan.access_token)).toMatchObject({
        duplicates: 1,
      });
      const refused = await send([order('x', { sent_by: 'admin' })], fan.access_token);
      expect(refused.rejected).toEqual([
        { index: 0, id: 'x', errors: { sent_by: ['Only an admin access token may send for the back end.'] } },
      ]);
      const nonsense = { ...order('y', { profile_id: fan.id }), sent_by: 'nobody' };
      const { body } = await server.call<AcceptedActivities>('POST', `applications/${CLIENT_ID}/activities/`, {
        body: { activities: [nonsense] },
      });
      expect(body.rejected).toEqual([
        { index: 0, id: 'y', errors: { sent_by: ["This must be 'admin' or 'profile'."] } },
      ]);
    });

    it('that were stored before senders were told apart are known to both', async () => {
      const fan = await makeProfile();
      await server.sdk.activities.send([order('old', { profile_id: fan.id }), order('young', { profile_id: fan.id })]);
      const { db } = server.app.context;
      const since = await db.query<{ value: string }>(
        sql`select value from settings where key = 'activity_ids_by_sender_since'`,
      );
      const before = new Date(Date.parse(since.rows[0]?.value ?? '') - 60_000).toISOString();
      await db.query(sql`update activities set received_at = ${before} where profile_id = ${fan.id} and id = 'old'`);
      const week = formatInstant(clock.now() - 6 * MICROS_PER_DAY);
      const later = formatInstant(clock.now() - 8 * MICROS_PER_DAY);
      const again = [
        order('old'),
        order('young'),
        order('old', { occurred_at: week }),
        order('old', { occurred_at: later }),
      ];
      expect(await send(again, fan.access_token)).toEqual({ accepted: 1, duplicates: 3, rejected: [] });
      expect(await server.sdk.activities.send([order('old', { profile_id: fan.id })])).toMatchObject({ duplicates: 1 });
    });
  });
});
