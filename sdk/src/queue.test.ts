import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createClient, InvalidTokenError, NetworkError, type Client, type ClientOptions, type Drop } from './index.ts';
import { CLIENT_ID, deviceStorage, faultyFetch, startTestServer, type TestServer } from './testing/sdk.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const client = (options: Partial<ClientOptions> = {}): Client =>
  createClient({ clientId: CLIENT_ID, endpoint: server.url, storage: deviceStorage(), ...options });

interface Stored {
  id: string;
  type: string;
  occurred_at: string;
  data: unknown;
}

async function stored(of: Client): Promise<Stored[]> {
  const { body } = await server.call<{ results: Stored[] }>(
    'GET',
    `applications/${CLIENT_ID}/profiles/${of.profile?.id}/activities/?page_size=100`,
  );
  return body.results;
}

describe('track', () => {
  it('returns at once, and sends what was tracked together in one request', async () => {
    const { fetch, calls } = faultyFetch();
    const fan = client({ fetch });
    const ids = [fan.track('session-started')];
    await fan.init();
    ids.push(fan.track('poll-voted', { data: { poll: 'p1' }, occurredAt: new Date(Date.now() - 60_000) }));
    await fan.flush();
    expect(calls).toEqual([`POST applications/${CLIENT_ID}/profile/`, `POST applications/${CLIENT_ID}/activities/`]);
    const rows = await stored(fan);
    expect(rows.map((row) => row.id).sort()).toEqual(ids.sort());
    expect(rows.find((row) => row.type === 'poll-voted')?.data).toEqual({ poll: 'p1' });
    await fan.flush();
    expect(calls).toHaveLength(2);
  });

  it('sends by itself', async () => {
    const fan = client({ flushInterval: 1 });
    await fan.init();
    fan.track('poll-voted');
    await vi.waitFor(async () => expect(await stored(fan)).toHaveLength(1));
  });

  it('keeps what was not acknowledged over a reload, however it failed, and counts it once', async () => {
    for (const isAsync of [false, true]) {
      const storage = deviceStorage(isAsync);
      const net = faultyFetch();
      const before = client({ storage, fetch: net.fetch });
      await before.init();
      for (let i = 0; i < 150; i++) before.track('poll-voted');
      net.faults.push(null, 'lost-answer');
      await expect(before.flush()).rejects.toBeInstanceOf(NetworkError);
      before.close();
      const after = client({ storage });
      await after.init();
      await after.flush();
      const { body } = await server.call<{ count: number }>(
        'GET',
        `applications/${CLIENT_ID}/profiles/${after.profile?.id}/activities/`,
      );
      expect(body.count).toBe(150);
      await vi.waitFor(async () =>
        expect([...storage.items.keys()].filter((key) => key.includes(':queue'))).toEqual([]),
      );
    }
  });

  it('keeps what a fan did before anybody could be asked who they are', async () => {
    const storage = deviceStorage();
    const offline = client({ storage, fetch: faultyFetch(Array<'lost-request'>(20).fill('lost-request')).fetch });
    offline.track('session-started');
    await expect(offline.init()).rejects.toBeInstanceOf(NetworkError);
    const online = client({ storage });
    await online.init();
    await online.flush();
    expect(await stored(online)).toMatchObject([{ type: 'session-started' }]);
  });

  it('never sends one profile’s activities as another’s', async () => {
    const storage = deviceStorage();
    const [ann, bob] = [await client().init(), await client().init()];
    const net = faultyFetch();
    const first = client({ storage, accessToken: ann.access_token, fetch: net.fetch });
    await first.init();
    net.faults.push('lost-request');
    first.track('poll-voted', { data: { by: 'ann' } });
    await first.signOut();
    const second = client({ storage, accessToken: bob.access_token });
    await second.init();
    second.track('poll-voted', { data: { by: 'bob' } });
    await second.flush();
    expect(await stored(second)).toMatchObject([{ data: { by: 'bob' } }]);
    const third = client({ storage, accessToken: ann.access_token });
    await third.init();
    await third.flush();
    expect(await stored(third)).toMatchObject([{ data: { by: 'ann' } }]);
  });

  it('waits as long as the server asks and tries again by itself', async () => {
    const net = faultyFetch();
    const fan = client({ fetch: net.fetch, flushInterval: 1 });
    await fan.init();
    net.faults.push(
      new Response('{"detail":"slow down","error_code":"throttled"}', { status: 429, headers: { 'retry-after': '1' } }),
      503,
    );
    const started = performance.now();
    fan.track('poll-voted');
    await vi.waitFor(async () => expect(await stored(fan)).toHaveLength(1), { timeout: 15_000 });
    expect(performance.now() - started).toBeGreaterThan(1000);
    expect(net.calls.filter((call) => call.includes('activities'))).toHaveLength(3);
  });

  it('says what the server refused, and sends the rest', async () => {
    const drops: Drop[] = [];
    const fan = client({ onDrop: (drop) => drops.push(drop) });
    await fan.init();
    fan.track('poll-voted');
    const id = fan.track('reward-earned');
    fan.track('poll-voted', { occurredAt: '2020-01-01T00:00:00Z', id: 'old' });
    await fan.flush();
    expect(await stored(fan)).toHaveLength(1);
    expect(drops).toMatchObject([
      {
        reason: 'rejected',
        activities: [{ id }, { id: 'old' }],
        errors: [{ type: [expect.any(String)] }, { occurred_at: [expect.any(String)] }],
      },
    ]);
  });

  it('drops of a refused batch only what it was refused for', async () => {
    const drops: Drop[] = [];
    const calls: number[] = [];
    // A firewall before the server, which refuses whole requests by a word in them.
    const firewall: typeof fetch = async (input, init) => {
      const { activities } = JSON.parse(typeof init?.body === 'string' ? init.body : '{}') as {
        activities?: unknown[];
      };
      if (activities) calls.push(activities.length);
      if (activities && String(init?.body).includes('drop table')) return new Response('<html>', { status: 403 });
      return fetch(input, init);
    };
    const fan = client({ fetch: firewall, onDrop: (drop) => drops.push(drop) });
    await fan.init();
    const ids = Array.from({ length: 150 }, (_, i) =>
      fan.track('poll-voted', { data: { answer: i === 70 || i === 149 ? 'drop table' : i } }),
    );
    await fan.flush();
    expect(drops).toMatchObject([
      { reason: 'rejected', activities: [{ id: ids[70] }], errors: [{ status: 403 }] },
      { reason: 'rejected', activities: [{ id: ids[149] }], errors: [{ status: 403 }] },
    ]);
    const { body } = await server.call<{ count: number }>(
      'GET',
      `applications/${CLIENT_ID}/profiles/${fan.profile?.id}/activities/`,
    );
    expect(body.count).toBe(148);
    expect(calls.length).toBeLessThan(40);
  });

  it('lets no odd content hold up what else was tracked', async () => {
    const drops: Drop[] = [];
    const storage = deviceStorage();
    const fan = client({ storage, onDrop: (drop) => drops.push(drop) });
    await fan.init();
    const good = fan.track('poll-voted');
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    const odd = [
      fan.track('poll-voted', { data: circle }),
      fan.track('poll-voted', { data: { big: 1n } }),
      fan.track('poll-voted', { occurredAt: new Date(NaN) }),
    ];
    expect(drops.map(({ activities, errors }) => [activities[0]?.id, errors?.[0] instanceof Error])).toEqual(
      odd.map((id) => [id, true]),
    );
    const refused = [
      fan.track('poll-voted', { data: JSON.parse('{"__proto__": {"a": 1}}') as Record<string, unknown> }),
      fan.track('poll-voted', { data: { text: '\ud800' } }),
      fan.track('poll-voted', { data: { text: '\0' } }),
      fan.track('poll-voted', { occurredAt: 'yesterday' }),
      fan.track('\ud800'),
    ];
    const last = fan.track('poll-voted');
    await fan.flush();
    const dropped = drops.slice(odd.length).flatMap(({ activities }) => activities.map(({ id }) => id));
    expect(refused.filter((id) => id !== refused[0])).toEqual(dropped.filter((id) => id !== refused[0]));
    expect((await stored(fan)).map(({ id }) => id)).toEqual(expect.arrayContaining([good, last]));
  });

  it('sends an instant as it was written, and what the caller changes afterwards not at all', async () => {
    const fan = client();
    await fan.init();
    const at = new Date(Date.now() - 60_000).toISOString().slice(0, 19);
    const data = { poll: 'one' };
    fan.track('poll-voted', { occurredAt: `${at}.123456789Z`, data });
    data.poll = 'two';
    await fan.flush();
    expect(await stored(fan)).toMatchObject([{ occurred_at: `${at}.123456Z`, data: { poll: 'one' } }]);
  });

  it('takes the server’s time where the device’s clock is wrong', async () => {
    const drops: Drop[] = [];
    const fan = client({ onDrop: (drop) => drops.push(drop) });
    await fan.init();
    const now = Date.now();
    for (const skew of [3_600_000, -30 * 86_400_000]) {
      vi.spyOn(Date, 'now').mockReturnValue(now + skew);
      fan.track('poll-voted');
      await fan.flush();
      vi.restoreAllMocks();
    }
    expect(drops).toEqual([]);
    const rows = await stored(fan);
    expect(rows).toHaveLength(2);
    for (const row of rows) expect(Math.abs(Date.parse(row.occurred_at) - Date.now())).toBeLessThan(60_000);
  });

  it('drops the oldest beyond its bound, and says so', async () => {
    const drops: Drop[] = [];
    const storage = deviceStorage();
    const fan = client({
      storage,
      maxQueue: 3,
      onDrop: (drop) => drops.push(drop),
      fetch: faultyFetch(Array<'lost-request'>(20).fill('lost-request')).fetch,
    });
    const ids = Array.from({ length: 5 }, () => fan.track('poll-voted'));
    expect(drops.flatMap((drop) => drop.activities.map((activity) => activity.id))).toEqual(ids.slice(0, 2));
    expect(drops[0]?.reason).toBe('full');
    fan.close();
    const kept = [...storage.items].find(([key]) => key.includes(':queue'))?.[1] ?? '[]';
    expect((JSON.parse(kept) as { id: string }[]).map(({ id }) => id)).toEqual(ids.slice(2));
  });

  it('keeps everything when the token has died', async () => {
    const storage = deviceStorage();
    const fan = client({ storage });
    const made = await fan.init();
    await server.call('DELETE', `profiles/${made.id}/access-tokens/`);
    fan.track('poll-voted');
    await expect(fan.flush()).rejects.toBeInstanceOf(InvalidTokenError);
    const { body } = await server.call<{ access_token: string }>('POST', `profiles/${made.id}/access-tokens/`, {
      body: {},
    });
    const renewed = client({ storage, accessToken: body.access_token });
    await renewed.init();
    await renewed.flush();
    expect(await stored(renewed)).toHaveLength(1);
  });
});
