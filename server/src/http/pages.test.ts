import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';

interface List {
  count: number | null;
  next: string | null;
  previous: string | null;
  results: { id: string; nickname: string }[];
}

const LIST = `applications/${CLIENT_ID}/profiles/`;

describe('pages', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
    for (let i = 0; i < 25; i++)
      await server.call('POST', `applications/${CLIENT_ID}/profile/`, { body: { nickname: `Fan ${i}` } });
  });
  afterAll(() => server.close());

  const get = (path: string) => server.call<List>('GET', path);
  const names = (list: List): string[] => list.results.map((profile) => profile.nickname);
  const fans = (from: number, to: number): string[] =>
    Array.from({ length: from - to + 1 }, (_, i) => `Fan ${from - i}`);

  it('have 20 rows by default and up to 100; more is taken as 100', async () => {
    expect(names((await get(LIST)).body)).toEqual(fans(24, 5));
    for (const size of ['100', '101', '1000000', '9'.repeat(40), '9'.repeat(400)])
      expect((await get(`${LIST}?page_size=${size}`)).body.results, size).toHaveLength(25);
    expect((await get(`${LIST}?page_size=1`)).body.results).toHaveLength(1);
  });

  it('of a size below 1 or that is no number are 400', async () => {
    for (const size of ['0', '-1', 'abc', '', '1.5', '1e2', ' 5', '0x10', '%F0%9F%98%80']) {
      const answer = await get(`${LIST}?page_size=${size}`);
      expect(answer, size).toMatchObject({ status: 400, body: { page_size: [expect.any(String)] } });
    }
    expect((await get(`${LIST}?page_size=1&page_size=2`)).status).toBe(400);
    expect((await get(`${LIST}?page=x`)).body).toEqual({ page: [expect.any(String)] });
    for (const [path, filters] of [
      [LIST, 'created_since=x&attributes=x'],
      [`applications/${CLIENT_ID}/profile-groups/`, 'is_active=x&attributes=x'],
    ] as const) {
      const { body } = await get(`${path}?page_size=0&page=0&count=x&${filters}`);
      const named = ['page_size', 'page', 'count', ...filters.split('&').map((filter) => filter.split('=', 1)[0])];
      expect(Object.keys(body).toSorted()).toEqual(named.toSorted());
    }
  });

  it('have absolute links that lead through everything and back', async () => {
    const seen: string[] = [];
    let list = (await get(`${LIST}?page_size=7`)).body;
    expect(list).toMatchObject({ count: 25, previous: null });
    for (;;) {
      seen.push(...names(list));
      if (list.next === null) break;
      expect(list.next).toMatch(new RegExp(`^${server.url}/api/v1/${LIST}\\?page_size=7&cursor=[\\w-]+$`));
      list = (await get(list.next)).body;
      expect(list.count).toBe(25);
    }
    expect(seen).toEqual(fans(24, 0));
    const back: string[] = [];
    for (let link: string | null = list.previous; link !== null; link = list.previous) {
      list = (await get(link)).body;
      back.unshift(...names(list));
    }
    expect(back).toEqual(fans(24, 4));
    expect(list.previous).toBeNull();
  });

  it('are found by number too; beyond the end they are 404, the first of nothing is not', async () => {
    const second = (await get(`${LIST}?page=2&page_size=10`)).body;
    expect(names(second)).toEqual(fans(14, 5));
    expect(names((await get(second.next ?? '')).body)).toEqual(fans(4, 0));
    expect(names((await get(second.previous ?? '')).body)).toEqual(fans(24, 15));
    for (const page of ['4', '99999', '999999999999999']) {
      expect(await get(`${LIST}?page=${page}&page_size=10`), page).toMatchObject({
        status: 404,
        body: { error_code: 'not_found' },
      });
    }
    expect(await get(`${LIST}?nickname=nobody`)).toMatchObject({
      status: 200,
      body: { count: 0, next: null, previous: null, results: [] },
    });
  });

  it('with a bad cursor are 404', async () => {
    const cursorOf = (fields: unknown[]): string => Buffer.from(JSON.stringify(fields)).toString('base64url');
    const id = '0190b5a2-0000-7000-8000-000000000000';
    const bad = [
      'x',
      '',
      '%00',
      cursorOf([]),
      cursorOf(['groups', 0, 1, null, '2026-01-01T00:00:00.000000Z', id]),
      cursorOf(['profiles', 2, 1, null, '2026-01-01T00:00:00.000000Z', id]),
      cursorOf(['profiles', 0, -1, null, '2026-01-01T00:00:00.000000Z', id]),
      cursorOf(['profiles', 0, 1, null, '2026-99-99T00:00:00.000000Z', id]),
      cursorOf(['profiles', 0, 1, null, '0000-01-01T00:00:00.000000Z', id]),
      cursorOf(['profiles', 0, 1, null, "'; drop table profiles", id]),
      cursorOf(['profiles', 0, 1, null, '2026-01-01T00:00:00.000000Z', 'x']),
      cursorOf(['profiles', 0, 1, null, '2026-01-01T00:00:00.000000Z']),
      cursorOf(['profiles', 0, 1, {}, '2026-01-01T00:00:00.000000Z', id]),
    ];
    for (const cursor of bad) {
      const answer = await get(`${LIST}?cursor=${cursor}`);
      expect(answer.status, cursor).toBe(cursor === '%00' ? 400 : 404);
    }
    expect((await get(`${LIST}?cursor=a&cursor=b`)).status).toBe(400);
    expect(
      (await get(`${LIST}?cursor=${cursorOf(['profiles', 0, 1, null, '2026-01-01T00:00:00.000000Z', id])}`)).status,
    ).toBe(200);
  });

  it('need not be counted', async () => {
    const first = (await get(`${LIST}?count=false&page_size=10`)).body;
    expect(first.count).toBeNull();
    expect((await get(first.next ?? '')).body).toMatchObject({ count: null });
    expect((await get(`${LIST}?count=maybe`)).status).toBe(400);
  });

  it('carry the count of a filter from the first to the last', async () => {
    const first = (await get(`${LIST}?nickname=fan%201&page_size=4`)).body;
    expect(first.count).toBe(11);
    const second = (await get(first.next ?? '')).body;
    expect(second.count).toBe(11);
    expect(names(second).every((name) => name.startsWith('Fan 1'))).toBe(true);
  });

  it('neither repeat nor skip what was there throughout while others come and go', async () => {
    const before = (await get(`${LIST}?page_size=100`)).body.results.map((profile) => profile.id);
    const seen: string[] = [];
    let list = (await get(`${LIST}?page_size=3`)).body;
    for (let turn = 0; ; turn++) {
      seen.push(...list.results.map((profile) => profile.id));
      await server.call('POST', `applications/${CLIENT_ID}/profile/`);
      const gone = await server.call<{ id: string }>('POST', `applications/${CLIENT_ID}/profile/`);
      await server.call('DELETE', `profiles/${gone.body.id}/`);
      if (list.next === null) break;
      list = (await get(list.next)).body;
    }
    expect(seen).toEqual(before);
  });
});
