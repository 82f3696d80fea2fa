// What a profile's own token may send.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatInstant, MICROS_PER_DAY } from '../instant.ts';
import { CLIENT_ID, startTestServer, testClock, type TestClock, type TestServer } from '../testing/server.ts';
import type { IntakeAnswer } from './activity.ts';

describe('a profile’s own token', () => {
  let server: TestServer;
  let clock: TestClock;
  beforeAll(async () => {
    clock = testClock('2026-03-01T12:00:00.000000Z');
    server = await startTestServer({ clock, env: { RATE_LIMIT_PROFILE: '50' } });
  });
  afterAll(() => server.close());

  const path = `applications/${CLIENT_ID}/activities/`;
  const send = (activities: unknown, token: string) =>
    server.call<IntakeAnswer>('POST', path, { body: { activities }, token });
  const makeProfile = async () =>
    (
      await server.call<{ id: string; access_token: string }>('POST', `applications/${CLIENT_ID}/profile/`, {
        token: null,
      })
    ).body;

  it('sends activities of its profile without naming it', async () => {
    const fan = await makeProfile();
    const answer = await send(
      [
        { id: 'a', type: 'comment-created' },
        { id: 'b', type: 'poll-voted', profile_id: fan.id },
      ],
      fan.access_token,
    );
    expect(answer.body).toEqual({ accepted: 2, duplicates: 0, rejected: [] });
    const own = await server.call<{ count: number }>(
      'GET',
      `applications/${CLIENT_ID}/profiles/${fan.id}/activities/`,
      { token: fan.access_token },
    );
    expect(own.body.count).toBe(2);
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
    expect(answer.body.accepted).toBe(1);
    expect(answer.body.rejected.map(({ id, errors }) => [id, Object.keys(errors)])).toEqual([
      ['a', ['profile_id']],
      ['b', ['custom_id']],
      ['c', ['type']],
      ['d', ['type']],
      ['e', ['value']],
      ['f', ['occurred_at']],
    ]);
    const types = await server.call<{ results: unknown[] }>(
      'GET',
      `applications/${CLIENT_ID}/activity-types/?registered=false`,
    );
    expect(types.body.results).toEqual([]);
    const others = await server.call<{ count: number }>(
      'GET',
      `applications/${CLIENT_ID}/profiles/${other.id}/activities/`,
    );
    expect(others.body.count).toBe(0);
  });

  it('may repeat what it sent in time, also once that is long ago', async () => {
    const fan = await makeProfile();
    const item = { id: 'a', type: 'comment-created', occurred_at: formatInstant(clock.now()) };
    await send([item], fan.access_token);
    clock.advance(9 * MICROS_PER_DAY);
    const answer = await send([item, { ...item, id: 'b' }], fan.access_token);
    expect(answer.body).toMatchObject({ accepted: 0, duplicates: 1, rejected: [{ index: 1, id: 'b' }] });
  });

  it('sends types that were registered for clients, until they are unregistered', async () => {
    const fan = await makeProfile();
    const types = `applications/${CLIENT_ID}/activity-types/`;
    expect((await send([{ id: 'a', type: 'cheered' }], fan.access_token)).body.accepted).toBe(0);
    expect(
      (await server.call('POST', types, { body: { type: 'cheered', label: 'Cheered', client: true } })).status,
    ).toBe(201);
    expect((await send([{ id: 'a', type: 'cheered' }], fan.access_token)).body.accepted).toBe(1);
    expect((await server.call('PATCH', `${types}cheered/`, { body: { client: false } })).body).toMatchObject({
      client: false,
      label: 'Cheered',
    });
    expect((await send([{ id: 'b', type: 'cheered' }], fan.access_token)).body.accepted).toBe(0);
    expect((await server.call('DELETE', `${types}cheered/`)).status).toBe(204);
    expect((await server.call('DELETE', `${types}cheered/`)).status).toBe(404);
    expect((await server.call('DELETE', `${types}comment-created/`)).status).toBe(403);
    const rows = await server.call('GET', `applications/${CLIENT_ID}/profiles/${fan.id}/activities/?type=cheered`);
    expect(rows.body).toMatchObject({ count: 1, results: [{ id: 'a', type: 'cheered' }] });
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
    const own = `applications/${CLIENT_ID}/profiles/${fan.id}/activities/`;
    expect((await server.call('DELETE', `${own}a/`, { token: fan.access_token })).status).toBe(403);
    expect((await server.call('GET', path, { token: fan.access_token })).status).toBe(403);
    expect((await server.call('GET', own, { token: other.access_token })).status).toBe(403);
    expect((await server.call('GET', own, { token: null })).status).toBe(401);
  });

  it('is stopped when it floods', async () => {
    const fan = await makeProfile();
    const batch = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => ({ id: `${from + i}`, type: 'comment-created' }));
    expect((await send(batch(0, 51), fan.access_token)).status).toBe(429);
    expect((await send(batch(0, 40), fan.access_token)).body.accepted).toBe(40);
    const refused = await send(batch(100, 11), fan.access_token);
    expect(refused.status).toBe(429);
    expect(refused.body).toMatchObject({ error_code: 'throttled' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await send(batch(100, 10), fan.access_token)).body.accepted).toBe(10);
  });
});
