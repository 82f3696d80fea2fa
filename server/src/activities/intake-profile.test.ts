// What a profile's own token may send.

import { type AcceptedActivities, type NewActivity } from '@grandstand/sdk/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
});
