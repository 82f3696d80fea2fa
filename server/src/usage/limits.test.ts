import { randomBytes } from 'node:crypto';
import type { Limits, OwnProfile } from '@grandstand/sdk/server';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { signClientToken } from '../credentials/testing.ts';
import { MICROS_PER_DAY, MICROS_PER_SECOND } from '../instant.ts';
import { CLIENT_ID, pagesOf, refusal, startTestServer, testClock, type TestServer } from '../testing/server.ts';

describe('limits of an application', () => {
  let server: TestServer;
  let other: TestServer;
  const clock = testClock('2026-03-01T00:00:00.000000Z');
  beforeAll(async () => {
    server = await startTestServer({ clock });
    other = await startTestServer({ clock, databaseUrl: server.databaseUrl });
  });
  afterAll(async () => {
    await other.close();
    await server.close();
  });
  /** A day on which nothing was made yet, and no limits. */
  beforeEach(async () => {
    clock.set(Math.floor(clock.now() / MICROS_PER_DAY) * MICROS_PER_DAY + 1.5 * MICROS_PER_DAY);
    await server.sdk.updateApplication({ limits: { max_mau: null, max_profiles_per_day: null } });
  });

  const create = (body: object = {}, at = server, headers: Record<string, string> = {}) =>
    at.call<OwnProfile & { detail: string }>('POST', `applications/${CLIENT_ID}/profile/`, {
      token: null,
      body,
      headers,
    });
  const statuses = (answers: { status: number }[]): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
    return counts;
  };
  const count = async (): Promise<number> => (await pagesOf(server.sdk.profiles.list()))[0]?.count ?? NaN;
  const perDay = async () => (await server.sdk.getLimits()).max_profiles_per_day;
  const newKey = (): string => randomBytes(16).toString('hex');
  const send = async (profileIds: string[]): Promise<void> => {
    const activities = profileIds.map((profile_id) => ({ id: newKey(), type: 'poll-voted', profile_id }));
    expect(await server.sdk.activities.send(activities)).toMatchObject({ accepted: profileIds.length });
  };

  it('make as many profiles a day as they say, not one more, however many ask of several servers', async () => {
    await server.sdk.updateApplication({ limits: { max_profiles_per_day: { value: 17, action: 'refuse' } } });
    clock.advance(6 * MICROS_PER_SECOND); // by then every server knows
    const before = await count();
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) =>
        create(n % 4 === 0 ? { device_key: newKey() } : {}, n % 2 === 0 ? server : other, {
          ...(n % 3 === 0 && { 'idempotency-key': newKey() }),
        }),
      ),
    );
    expect(statuses(answers)).toEqual({ 201: 17, 429: 43 });
    expect(await count()).toBe(before + 17);
    clock.advance(MICROS_PER_DAY);
    const next = await Promise.all(Array.from({ length: 40 }, (_, n) => create({}, n % 2 === 0 ? server : other)));
    expect(statuses(next)).toEqual({ 201: 17, 429: 23 });
  });

  it('say which limit it is, when it ends and who may raise it, and count what they refuse', async () => {
    await server.sdk.updateApplication({ limits: { max_profiles_per_day: { value: 1, action: 'refuse' } } });
    await create();
    const refused = await create();
    expect(refused).toMatchObject({
      status: 429,
      body: {
        detail: expect.stringMatching(
          /^This application makes at most 1 profiles a day \(max_profiles_per_day\), and today’s are made\. It goes on at 2026-.*T00:00:00.000000Z\. An owner/,
        ) as string,
        error_code: 'throttled',
        limit: 'max_profiles_per_day',
        value: 1,
        ends_at: expect.stringMatching(/T00:00:00.000000Z$/) as string,
      },
    });
    const seconds = Number(refused.headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(11 * 3600);
    expect(seconds).toBeLessThanOrEqual(12 * 3600);
    await server.app.usageChores.run();
    expect(await perDay()).toMatchObject({ value: 1, action: 'refuse', used: 1, is_reached: true, refused_today: 1 });
    const text = String((await server.call('GET', `${server.url}/metrics`)).body);
    expect(text).toContain('grandstand_limit_refusals_total{limit="max_profiles_per_day"}');
    expect(text).toContain(`grandstand_limit_used_ratio{client_id="${CLIENT_ID}",limit="max_profiles_per_day"} 1`);
    expect(text).toContain(`grandstand_usage_active_profiles{client_id="${CLIENT_ID}",days="30"}`);
  });

  it('that warn refuse nothing, and show what is used; raised or removed they let go at once', async () => {
    await server.sdk.updateApplication({ limits: { max_profiles_per_day: { value: 2 } } });
    expect(statuses(await Promise.all(Array.from({ length: 5 }, () => create())))).toEqual({ 201: 5 });
    expect(await perDay()).toMatchObject({ action: 'warn', used: 5, is_reached: true });
    await server.sdk.updateApplication({ limits: { max_profiles_per_day: { value: 5, action: 'refuse' } } });
    expect((await create()).status).toBe(429);
    await server.sdk.updateApplication({ limits: { max_profiles_per_day: { value: 6, action: 'refuse' } } });
    expect((await create()).status).toBe(201);
    expect((await create()).status).toBe(429);
    await server.sdk.updateApplication({ limits: { max_profiles_per_day: null } });
    expect((await create()).status).toBe(201);
    // Set anew, it knows what the day had already.
    await server.sdk.updateApplication({ limits: { max_profiles_per_day: { value: 7, action: 'refuse' } } });
    expect(await perDay()).toMatchObject({ used: 7 });
    expect((await create()).status).toBe(429);
  });

  it('count what is made: not what was refused for another reason, nor what a device key got again', async () => {
    await server.sdk.updateApplication({ limits: { max_profiles_per_day: { value: 3, action: 'refuse' } } });
    const key = newKey();
    expect((await create({ nickname: ' ' })).status).toBe(400);
    expect((await create({ device_key: key })).status).toBe(201);
    expect(statuses(await Promise.all(Array.from({ length: 5 }, () => create({ device_key: key }))))).toEqual({
      200: 5,
    });
    const racing = newKey();
    await Promise.all(Array.from({ length: 5 }, () => create({ device_key: racing })));
    expect(await perDay()).toMatchObject({ used: 2 });
    expect((await create()).status).toBe(201);
    expect((await create()).status).toBe(429);
    expect((await create({ device_key: key })).status).toBe(200);
  });

  it('hold for first uses of client-signed tokens, and neither for admins nor for fans who are there', async () => {
    await server.sdk.updateApplication({ limits: { max_profiles_per_day: { value: 1, action: 'refuse' } } });
    const signed = (customProfileId: string) => signClientToken(clock.now(), { custom_profile_id: customProfileId });
    const first = await signed('first');
    const path = `applications/${CLIENT_ID}/profile/`;
    const own = async (token: string) => (await server.call('GET', path, { token })).status;
    expect(await own(first)).toBe(200);
    expect(await own(await signed('second'))).toBe(429);
    expect(await own(first)).toBe(200);
    await server.sdk.profiles.create();
    await server.sdk.profiles.createByCustomId('by-an-admin');
    await server.sdk.profiles.upsert([{ custom_id: 'bulk' }]);
    expect(await perDay()).toMatchObject({ used: 1 });
    expect((await server.call('PATCH', path, { token: first, body: { nickname: 'Still here' } })).status).toBe(200);
  });

  it('of active fans refuse new profiles once so many were active within thirty days, and no activity', async () => {
    const { body: fan } = await create();
    const { body: second } = await create();
    await send([fan.id]);
    await server.sdk.updateApplication({ limits: { max_mau: { value: 2, action: 'refuse' } } });
    expect((await server.sdk.getLimits()).max_mau).toMatchObject({ used: 1, is_reached: false, ends_at: null });
    expect((await create()).status).toBe(201);
    await send([second.id]);
    await server.app.usageChores.run();
    expect((await server.sdk.getLimits()).max_mau).toMatchObject({ used: 2, is_reached: true });
    expect(await create()).toMatchObject({
      status: 429,
      body: { limit: 'max_mau', detail: expect.stringContaining('2 active fans within 30 days') as string },
    });
    await send([fan.id]);
    clock.advance(31 * MICROS_PER_DAY);
    await server.app.usageChores.run();
    expect((await server.sdk.getLimits()).max_mau).toMatchObject({ used: 0, is_reached: false });
    expect((await create()).status).toBe(201);
  });

  it('are changed one by one by owners and full admin tokens, and read by all who may read', async () => {
    await server.sdk.updateApplication({ limits: { max_mau: { value: 9, action: 'refuse' } } });
    await server.sdk.updateApplication({ limits: { max_profiles_per_day: { value: 8 } } });
    const limits: Limits = await server.sdk.getLimits();
    expect(limits).toMatchObject({ max_mau: { value: 9 }, max_profiles_per_day: { value: 8, action: 'warn' } });
    const reader = await server.sdk.accessTokens.create({ name: 'reads', read_only: true });
    expect(await server.as(reader.token).getLimits()).toMatchObject({ max_mau: { value: 9 } });
    expect(await refusal(server.as(reader.token).updateApplication({ limits: {} }))).toMatchObject({ status: 403 });
    expect(await refusal(server.as(null).getLimits())).toMatchObject({ status: 401 });
    expect(await server.sdk.audit({ action: 'updateApplication' }).all(1)).toMatchObject([
      {
        object: { type: 'application', id: CLIENT_ID },
        before: { limits: { max_mau: { value: 9, action: 'refuse' } } },
        after: { limits: { max_mau: { value: 9 }, max_profiles_per_day: { value: 8, action: 'warn' } } },
      },
    ]);
    const wrong = { limits: { max_mau: { value: 0, action: 'stop' }, max_profiles_per_day: 5, max_cats: null } };
    const refused = await server.call('PATCH', `applications/${CLIENT_ID}/`, { body: wrong });
    expect(refused.status).toBe(400);
    expect(Object.keys(refused.body).sort()).toEqual([
      'limits.max_cats',
      'limits.max_mau.action',
      'limits.max_mau.value',
      'limits.max_profiles_per_day',
    ]);
  });

  it('change together with the time zone, all of it or nothing, in one row of the audit log', async () => {
    const path = `applications/${CLIENT_ID}/`;
    const rows = () => server.sdk.audit({ action: 'updateApplication' }).all(500);
    const known = (await rows()).length;
    const limits = { max_profiles_per_day: { value: 5, action: 'refuse' } };
    for (const bad of [
      { limits, time_zone: 'Atlantis' },
      { limits: { max_mau: { value: 0 } }, time_zone: 'Europe/Madrid' },
    ])
      expect((await server.call('PATCH', path, { body: bad })).status).toBe(400);
    expect(await perDay()).toBeNull();
    expect(await server.sdk.getApplication()).toMatchObject({ time_zone: 'UTC' });
    expect(await rows()).toHaveLength(known);
    const both = await server.call('PATCH', path, {
      body: { limits: { max_mau: { value: 0 } }, time_zone: 'Atlantis' },
    });
    expect(Object.keys(both.body).sort()).toEqual(['limits.max_mau.value', 'time_zone']);

    const changed = await server.call('PATCH', path, { body: { limits, time_zone: 'Europe/Madrid' } });
    expect(changed).toMatchObject({
      status: 200,
      body: { time_zone: 'Europe/Madrid', max_profiles_per_day: { value: 5 } },
    });
    const [row, ...others] = await rows();
    expect(others).toHaveLength(known);
    expect(row).toMatchObject({
      before: { limits: {}, time_zone: 'UTC' },
      after: { limits, time_zone: 'Europe/Madrid' },
    });
    // Another server has the time zone that was before in its cache still.
    await other.sdk.getApplication();
    await server.sdk.updateApplication({ time_zone: 'UTC' });
    await other.sdk.updateApplication({ time_zone: 'Europe/Madrid' });
    clock.advance(6 * MICROS_PER_SECOND);
    expect(await server.sdk.getApplication()).toMatchObject({ time_zone: 'Europe/Madrid' });
    await server.sdk.updateApplication({ time_zone: 'UTC' });
  });

  describe('hold for what sources make, whose problems say so,', () => {
    const FULL = /at most 2 profiles a day \(max_profiles_per_day\).*It goes on at/;
    const limit = () =>
      server.sdk.updateApplication({ limits: { max_profiles_per_day: { value: 2, action: 'refuse' } } });
    const post = async (key: string, path: string, body: object): Promise<void> => {
      const headers = { authorization: `Basic ${btoa(`${key}:`)}` };
      expect(await server.call('POST', `${server.url}/v1/${path}`, { token: null, body, headers })).toMatchObject({
        status: 200,
        body: { success: true },
      });
    };
    const refusals = async (id: string): Promise<string[]> =>
      (await server.sdk.sources.problems(id).all()).flatMap(({ outcome, reason }) =>
        outcome === 'refused' ? (reason ?? '') : [],
      );
    const isThere = async (customId: string): Promise<boolean> =>
      server.sdk.profiles.getByCustomId(customId).then(
        () => true,
        () => false,
      );
    let names = 0;
    const fan = (): string => `of-a-source-${++names}`;

    it.each(['client', 'server'] as const)('of trust %s, call by call', async (trust) => {
      const source = await server.sdk.sources.create({ name: `Limits ${trust}`, kind: 'segment', trust });
      const [known, first, second, third, fourth] = [fan(), fan(), fan(), fan(), fan()];
      await server.sdk.profiles.createByCustomId(known);
      await limit();
      const track = (userId: string, n: number) => ({
        type: 'track',
        userId,
        event: 'Poll Voted',
        messageId: `${userId}-${n}`,
      });
      await post(source.write_key, 'batch', {
        batch: [track(first, 1), track(known, 1), track(second, 1), track(third, 1), track(third, 2), track(first, 2)],
      });
      expect(await perDay()).toMatchObject({ used: 2, is_reached: true });
      const there = await Promise.all([first, second, third].map(isThere));
      expect(there.filter(Boolean)).toHaveLength(2);
      const problems = await refusals(source.id);
      expect(problems.length).toBeGreaterThan(0);
      for (const reason of problems) expect(reason).toMatch(FULL);

      await post(source.write_key, 'identify', { userId: fourth, traits: { name: 'Ada' } });
      await post(source.write_key, 'identify', { userId: fourth, anonymousId: `device-${fourth}` });
      expect(await refusals(source.id)).toHaveLength(problems.length + 2);
      expect(await isThere(fourth)).toBe(false);
      // Who is there goes on, and takes along what is done on a new device.
      await post(source.write_key, 'identify', { userId: known, anonymousId: `device-${known}` });
      await post(source.write_key, 'track', { anonymousId: `device-${known}`, event: 'Poll Voted', messageId: 'late' });
      const profile = await server.sdk.profiles.getByCustomId(known);
      expect(await server.sdk.profiles.activities(profile.id).all()).toHaveLength(2);
      expect(await refusals(source.id)).toHaveLength(problems.length + 2);
      expect(await perDay()).toMatchObject({ used: 2 });
      expect((await create()).status).toBe(429);
      await server.app.usageChores.run();
      expect((await perDay())?.refused_today).toBeGreaterThanOrEqual(3);

      const audience = fan();
      await post(source.write_key, 'identify', {
        userId: audience,
        context: { personas: { computation_class: 'audience', computation_key: 'vip', computation_id: 'aud_limits' } },
        traits: { vip: true },
      });
      expect(await isThere(audience)).toBe(false);
      clock.advance(MICROS_PER_DAY);
      await post(source.write_key, 'track', track(third, 1));
      expect(await isThere(third)).toBe(true);
    });

    it('and neither for a history that a server brings in nor for an import', async () => {
      const source = await server.sdk.sources.create({ name: 'History', kind: 'segment', trust: 'server' });
      await limit();
      const past = Array.from({ length: 5 }, () => fan());
      await post(source.write_key, 'import', {
        batch: past.map((userId) => ({ type: 'identify', userId, timestamp: '2025-06-01T00:00:00Z' })),
      });
      expect(await refusals(source.id)).toEqual([]);
      const { id } = await server.sdk.imports.create('profiles', 'custom_id\na-1\na-2\na-3\n', 'text/csv');
      expect(await server.sdk.imports.wait(id, { interval: 20 })).toMatchObject({ accepted: 3, rejected: 0 });
      expect(await perDay()).toMatchObject({ used: 0 });
    });

    it('exactly, however many batches come at once from several servers', async () => {
      const source = await server.sdk.sources.create({ name: 'Race', kind: 'segment', trust: 'client' });
      await server.sdk.updateApplication({ limits: { max_profiles_per_day: { value: 40, action: 'refuse' } } });
      clock.advance(6 * MICROS_PER_SECOND);
      const before = await count();
      const headers = { authorization: `Basic ${btoa(`${source.write_key}:`)}` };
      await Promise.all(
        Array.from({ length: 20 }, async (_, n) => {
          const at = n % 2 === 0 ? server : other;
          if (n % 5 === 4) return create({}, at);
          const batch = Array.from({ length: 7 }, () => ({ type: 'identify', userId: fan(), traits: {} }));
          return at.call('POST', `${at.url}/v1/batch`, { token: null, body: { batch }, headers });
        }),
      );
      expect(await count()).toBe(before + 40);
      expect(await perDay()).toMatchObject({ used: 40 });
    });

    it('by how many fans are active too', async () => {
      const source = await server.sdk.sources.create({ name: 'MAU', kind: 'segment', trust: 'server' });
      const { body: active } = await create();
      await send([active.id]);
      await server.sdk.updateApplication({ limits: { max_mau: { value: 1, action: 'refuse' } } });
      const refused = fan();
      await post(source.write_key, 'track', { userId: refused, event: 'Poll Voted', messageId: refused });
      expect(await isThere(refused)).toBe(false);
      expect(await refusals(source.id)).toEqual([expect.stringContaining('(max_mau)') as string]);
    });
  });
});
