// Sources as administrators see them: made, changed, rotated, deleted, and what is kept of their items.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { sql } from '../database/database.ts';
import { MICROS_PER_DAY } from '../instant.ts';
import { refusal, startTestServer, testClock, type TestServer } from '../testing/server.ts';
import { ITEMS_KEPT } from './item-log.ts';
import { deleteItemsBefore } from './source-store.ts';

let server: TestServer;
const clock = testClock();
beforeAll(async () => {
  server = await startTestServer({ clock });
});
afterAll(() => server.close());

const send = (key: string, body: object) =>
  server.call('POST', `${server.url}/v1/track`, {
    token: null,
    body,
    headers: { authorization: `Basic ${btoa(`${key}:`)}` },
  });

it('shows its key once, and never again', async () => {
  const made = await server.sdk.sources.create({ name: ' Web shop ', kind: 'segment' });
  expect(made).toMatchObject({
    name: 'Web shop',
    kind: 'segment',
    trust: 'server',
    endpoint: server.url,
    mapping: {},
    problems: 0,
    last_received_at: null,
  });
  expect(made.write_key).toMatch(/^[A-Za-z0-9]{32}$/);
  const { write_key: key, ...shown } = made;
  expect(await server.sdk.sources.get(made.id)).toEqual(shown);
  expect(await server.sdk.sources.list().all()).toEqual([shown]);
  const { rows } = await server.app.context.db.query<{ row: string }>(sql`select s::text as row from sources s`);
  expect(JSON.stringify(rows)).not.toContain(key);
});

it('keeps a key that clients have already, which no other source may have', async () => {
  const key = 'the-key-in-every-app-out-there';
  await server.sdk.sources.create({ name: 'Apps', kind: 'segment', write_key: key });
  expect((await send(key, { userId: 'u', event: 'Hi' })).status).toBe(200);
  const again = await refusal(server.sdk.sources.create({ name: 'Again', kind: 'segment', write_key: key }));
  expect(again.fields).toEqual({ write_key: ['This key is in use.'] });
});

it('a rotated key leaves the old one a day', async () => {
  const { id, write_key: old } = await server.sdk.sources.create({ name: 'Rotated', kind: 'segment' });
  expect((await send(old, { userId: 'u', event: 'Hi' })).status).toBe(200);
  const fresh = await server.sdk.sources.rotateKey(id);
  for (const key of [old, fresh]) expect((await send(key, { userId: 'u', event: 'Hi' })).status).toBe(200);
  clock.advance(MICROS_PER_DAY + 1);
  expect((await send(old, { userId: 'u', event: 'Hi' })).status).toBe(401);
  expect((await send(fresh, { userId: 'u', event: 'Hi' })).status).toBe(200);
});

it('a deleted one is refused within seconds, and what it sent stays', async () => {
  const { id, write_key: key } = await server.sdk.sources.create({ name: 'Deleted', kind: 'segment' });
  await send(key, { userId: 'stays', event: 'Hi' });
  await server.sdk.sources.delete(id);
  clock.advance(3_000_000);
  expect((await send(key, { userId: 'stays', event: 'Hi' })).status).toBe(401);
  const profile = await server.sdk.profiles.getByCustomId('stays');
  expect(await server.sdk.profiles.activities(profile.id).all()).toHaveLength(1);
  expect((await refusal(server.sdk.sources.get(id))).status).toBe(404);
});

it('names every problem of its fields', async () => {
  const answer = await server.call('POST', 'applications/test-app/sources/', {
    body: {
      kind: 'livelike',
      trust: 'client',
      mapping: { events: { A: 'Not A Type' }, traits: { a: 'total_comments_posted', b: '' }, page: '!' },
    },
  });
  expect(answer.status).toBe(400);
  expect(Object.keys(answer.body).sort()).toEqual([
    'mapping.events.A',
    'mapping.page',
    'mapping.traits.a',
    'mapping.traits.b',
    'name',
    'trust',
    'write_key',
  ]);
  const { id } = await server.sdk.sources.create({ name: 'Fixed', kind: 'segment' });
  const changed = await server.call('PATCH', `applications/test-app/sources/${id}/`, {
    body: { kind: 'livelike', write_key: 'another-key-0123456789', name: '  ' },
  });
  expect(Object.keys(changed.body).sort()).toEqual(['kind', 'name', 'write_key']);
  const stale = await refusal(server.sdk.sources.update(id, { name: 'x' }, '2020-01-01T00:00:00.000000Z'));
  expect(stale.status).toBe(412);
});

it('a changed mapping holds for what comes afterwards', async () => {
  const { id, write_key: key } = await server.sdk.sources.create({ name: 'Mapped', kind: 'segment' });
  await send(key, { userId: 'mapped', event: 'Song Played' });
  await server.sdk.sources.update(id, { mapping: { events: { 'Song Played': 'poll-voted' } } });
  clock.advance(3_000_000);
  await send(key, { userId: 'mapped', event: 'Song Played' });
  const profile = await server.sdk.profiles.getByCustomId('mapped');
  const types = (await server.sdk.profiles.activities(profile.id).all()).map(({ type }) => type);
  expect(types).toEqual(['poll-voted', 'song-played']);
});

it('keeps the last thousand problems for a week, none of somebody who was erased', async () => {
  const { id, write_key: key } = await server.sdk.sources.create({ name: 'Noisy', kind: 'segment' });
  const batch = (count: number, userId: string): object => ({
    batch: Array.from({ length: count }, (_, n) => ({ type: 'track', userId, event: '?', properties: { n } })),
  });
  const post = (body: object) =>
    server.call('POST', `${server.url}/v1/batch`, { token: null, body: { ...body, writeKey: key } });
  await send(key, { userId: 'erased', event: 'Hi' });
  await post(batch(700, 'erased'));
  await Promise.all([post(batch(400, 'other')), post(batch(400, 'other'))]);
  const problems = await server.sdk.sources.problems(id, { page_size: 100 }).all();
  expect(problems).toHaveLength(1_000);
  expect((await server.sdk.sources.get(id)).problems).toBe(1_500);
  expect(problems.filter(({ item }) => item.includes('erased'))).toHaveLength(200);
  await server.sdk.profiles.erase((await server.sdk.profiles.getByCustomId('erased')).id);
  const rest = await server.sdk.sources.recent(id, { page_size: 100 }).all();
  expect(rest).toHaveLength(800);
  expect(JSON.stringify(rest)).not.toContain('erased');
  clock.advance(ITEMS_KEPT + 1);
  await deleteItemsBefore(server.app.context.db, clock.now() - ITEMS_KEPT);
  expect(await server.sdk.sources.recent(id).all()).toEqual([]);
});

it('goes with the fan into the export of what is stored, under the former anonymous id too, and out with the fan', async () => {
  const { write_key: key, id } = await server.sdk.sources.create({ name: 'Exported', kind: 'segment' });
  await send(key, { userId: 'told', event: 'Hi' }); // on another device, so that two profiles become one
  await send(key, { anonymousId: 'told-anon', event: 'Hi' });
  await send(key, { anonymousId: 'told-anon', event: '?', properties: { place: 'before' } });
  await server.call('POST', `${server.url}/v1/identify`, {
    token: null,
    body: { anonymousId: 'told-anon', userId: 'told', traits: { shoe: 43 }, writeKey: key },
  });
  await send(key, { userId: 'untold', event: '?' });
  const profile = await server.sdk.profiles.getByCustomId('told');
  const all = await server.sdk.exports.profile(profile.id);
  expect(all.merged_profiles).toHaveLength(1);
  const problems = all.source_items.filter(({ outcome }) => outcome !== 'taken');
  const told = problems.map(({ source, call, outcome }) => `${source} ${call} ${outcome}`);
  expect(told).toEqual(['Exported track not_mapped', 'Exported identify not_mapped']);
  expect(problems[0]?.item).toContain('before');
  const token = await server.sdk.profiles.rotateToken(profile.id);
  const own = await server.as(token).exports.profile(profile.id);
  const fields = new Set(own.source_items.map((item) => Object.keys(item).sort().join()));
  expect([...fields]).toEqual(['at,call,name,outcome']);
  expect(own.withheld).toMatchObject({ source_items: all.source_items.length });
  await server.sdk.profiles.erase(profile.id);
  const rest = await server.sdk.sources.recent(id).all();
  expect(rest.map(({ item }) => (JSON.parse(item) as { userId?: string }).userId)).toEqual(['untold']);
});

it('tells in a metric what became of the items, by kind of source', async () => {
  const counts = async (): Promise<Map<string, number>> => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    return new Map(
      [...text.matchAll(/^grandstand_source_items_total\{kind="segment",outcome="(\w+)"\} (\d+)$/gm)].map((match) => [
        match[1] ?? '',
        Number(match[2]),
      ]),
    );
  };
  const { write_key: key } = await server.sdk.sources.create({ name: 'Counted', kind: 'segment' });
  const before = await counts();
  const batch = [
    { type: 'track', userId: 'counted', event: 'Hi' },
    { type: 'track', userId: 'counted', event: '?' },
    { type: 'track', event: 'Hi' },
  ];
  await server.call('POST', `${server.url}/v1/batch`, { token: null, body: { batch, writeKey: key } });
  const after = await counts();
  const more = ['taken', 'not_mapped', 'refused'].map(
    (outcome) => (after.get(outcome) ?? 0) - (before.get(outcome) ?? 0),
  );
  expect(more).toEqual([1, 1, 1]);
});
