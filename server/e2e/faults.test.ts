// A database that stalls, is cut off or goes away for a while: 503 at once rather than requests that hang, nothing half
// done, no connection lost for good, and everything as before when it is back.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../src/testing/database.ts';
import { CLIENT_ID, startTestServer, type Answer, type TestServer } from '../src/testing/server.ts';
import { startProxy, type Proxy } from './proxy.ts';
import { eventually } from './server-process.ts';

describe('while the database', () => {
  let database: TestDatabase;
  let proxy: Proxy;
  let server: TestServer;
  let token: string;
  let id: string;
  beforeAll(async () => {
    database = await createTestDatabase();
    proxy = await startProxy(database.url);
    server = await startTestServer({ databaseUrl: proxy.url, env: { RATE_LIMIT_PROFILE: '0' } });
    const made = await server.call<{ id: string; access_token: string }>('POST', `applications/${CLIENT_ID}/profile/`);
    token = made.body.access_token;
    id = made.body.id;
  });
  afterAll(async () => {
    await server.close();
    await proxy.close();
    await database.drop();
  });

  const requests: Record<string, () => Promise<Answer<Record<string, unknown>>>> = {
    read: () => server.call('GET', `applications/${CLIENT_ID}/profile/`, { token }),
    create: () => server.call('POST', `applications/${CLIENT_ID}/profile/`, { token: null }),
    change: () => server.call('PATCH', `profiles/${id}/`, { body: { nickname: 'Changed' } }),
    list: () => server.call('GET', `applications/${CLIENT_ID}/profiles/`),
    ready: () => server.call('GET', `${server.url}/readyz`),
  };
  const all = (times: number) =>
    Promise.all(Array.from({ length: times }, () => Object.values(requests).map((ask) => ask())).flat());

  const expectUnavailable = (answers: Answer<Record<string, unknown>>[]): void => {
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 503, body: { error_code: 'unavailable' } });
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
  };

  const expectRecovery = async (): Promise<void> => {
    await eventually(requests['ready'] ?? requests['read']!, (answer) => answer.status === 200); // both are there
    const answers = await all(4);
    expect(answers.map((answer) => answer.status).filter((status) => status >= 300)).toEqual([]);
    const { pool } = server.app.context.db;
    await eventually(
      async () => [pool.totalCount - pool.idleCount, pool.waitingCount],
      ([busy, waiting]) => busy === 0 && waiting === 0,
    );
    expect(pool.totalCount).toBeLessThanOrEqual(server.app.context.config.databasePoolSize);
    const list = await server.call<{ count: number; results: unknown[] }>(
      'GET',
      `applications/${CLIENT_ID}/profiles/?page_size=100`,
    );
    expect(list.body.results).toHaveLength(Math.min(100, list.body.count));
  };

  it('stalls and is cut off, requests get 503 soon, then at once, and recovery needs nobody', async () => {
    for (let round = 0; round < 2; round++) {
      proxy.stall();
      const startedAt = performance.now();
      expectUnavailable(await all(4));
      expect(performance.now() - startedAt).toBeLessThan(15_000);
      const laterAt = performance.now();
      expectUnavailable(await all(4));
      expect(performance.now() - laterAt).toBeLessThan(2_500);
      proxy.cut();
      proxy.resume();
      await expectRecovery();
    }
  });

  it('stalls and goes on, nothing is left hanging', async () => {
    proxy.stall();
    expectUnavailable(await all(2));
    proxy.resume();
    await expectRecovery();
  });

  it('is gone, requests get 503 at once, and it is found again', async () => {
    proxy.cut({ refuse: true });
    await eventually(requests['ready'] ?? requests['read']!, (answer) => answer.status === 503); // both are there
    const startedAt = performance.now();
    expectUnavailable(await all(4));
    expect(performance.now() - startedAt).toBeLessThan(2_500);
    proxy.resume();
    await expectRecovery();
  });

  it('is cut again and again under writes, what was acknowledged is there and nothing is half there', async () => {
    const made: string[] = [];
    let writing = true;
    const write = async (): Promise<void> => {
      while (writing) {
        const answer = await server.call<{ id: string }>('POST', `applications/${CLIENT_ID}/profile/`, {
          body: { attributes: [{ key: 'a', value: 'b' }] },
        });
        expect([201, 503]).toContain(answer.status);
        if (answer.status === 201) made.push(answer.body.id);
      }
    };
    const writers = Array.from({ length: 6 }, write);
    for (let cuts = 0; cuts < 5; cuts++) {
      const before = made.length;
      await eventually(
        async () => made.length,
        (count) => count > before + 10,
      );
      proxy.cut();
    }
    writing = false;
    await Promise.all(writers);
    await expectRecovery();
    for (const profile of made) {
      expect(await server.call('GET', `profiles/${profile}/`)).toMatchObject({
        status: 200,
        body: { attributes: [{ key: 'a', value: 'b' }] },
      });
    }
  });
});
