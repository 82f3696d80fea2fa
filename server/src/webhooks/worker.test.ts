// What reaches a receiver, in which order, and what becomes of what it does not take. Real HTTP, the clock is the test's.

import type { AdminClient, Webhook, WebhookDelivery, WebhookOptions } from '@grandstand/sdk/server';
import { afterEach, beforeAll, beforeEach, afterAll, describe, expect, it } from 'vitest';
import { sql } from '../database/database.ts';
import { formatInstant, MICROS_PER_DAY, MICROS_PER_SECOND } from '../instant.ts';
import { createBench, type EngineBench } from '../testing/engine.ts';
import { addProfiles } from '../testing/profiles.ts';
import { startReceiver, type Received, type Receiver, type Respond } from './testing/receiver.ts';

const SECOND = MICROS_PER_SECOND;

describe('webhooks', () => {
  let bench: EngineBench;
  let receiver: Receiver;
  let webhooks: AdminClient['webhooks'];
  let groups: AdminClient['groups'];
  beforeAll(async () => {
    bench = await createBench({ env: { WEBHOOK_ALLOW_PRIVATE: 'true' }, webhooks: { timeoutMs: 300 } });
    ({ webhooks, groups } = bench.server.sdk);
    receiver = await startReceiver();
  });
  afterAll(async () => {
    await bench.close();
    await receiver.close();
  });
  beforeEach(() => {
    bench.clock.set(Date.now() * 1000); // signatures are verified against the real time
  });
  afterEach(async () => {
    for (const { id } of await webhooks.list().all()) await webhooks.delete(id);
    receiver.received.length = 0;
    expect(receiver.forged).toEqual([]);
  });

  let paths = 0;
  const hook = async (
    fields: WebhookOptions = {},
    respond?: Respond,
  ): Promise<Webhook & { path: string; secret: string }> => {
    const path = `/${++paths}`;
    const made = await webhooks.create({ events: ['membership.changed'], ...fields, url: receiver.url + path });
    receiver.secrets.set(path, made.secret);
    if (respond) receiver.answers.set(path, respond);
    return { ...made, path };
  };
  const tick = (): Promise<number> => bench.server.app.webhookWorker.tick();
  const at = (path: string): Received[] => receiver.received.filter((message) => message.path === path);
  const sequences = (messages: Received[]): number[] =>
    messages.flatMap(({ body }) => body.data.changes?.map(({ sequence }) => sequence) ?? []);
  const deliveries = (id: string): Promise<WebhookDelivery[]> => webhooks.deliveries(id).all();
  const add = (group: string, ids: string[]) => groups.addMembers(group, { profile_ids: ids });
  const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, n) => from + n);

  it('are told of the changes of a group as its feed has them, with custom ids', async () => {
    const { path, id } = await hook();
    const group = await groups.create({ name: 'Reds', custom_id: 'reds' });
    const [anonymous = ''] = await addProfiles(bench.server, 1);
    const known = await bench.profile({ custom_id: 'fan-1' });
    await add(group.id, [anonymous, known.id]);
    await groups.removeMembers(group.id, { profile_ids: [anonymous] });
    await tick();
    const [message] = at(path);
    const feed = await bench.changes(group.id);
    expect(message?.body).toEqual({
      type: 'membership.changed',
      timestamp: feed.at(-1)?.at,
      client_id: 'test-app',
      data: {
        group: { id: group.id, custom_id: 'reds', name: 'Reds' },
        first_sequence: 1,
        last_sequence: 3,
        changes: feed.map(({ sequence, change, profile_id, at, cause }) => ({
          sequence,
          change,
          profile_id,
          custom_id: profile_id === known.id ? 'fan-1' : null,
          at,
          cause,
        })),
      },
    });
    expect(message?.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': 'Grandstand-Webhooks/1',
    });
    const [delivery] = await deliveries(id);
    expect(delivery).toMatchObject({ id: message?.id, state: 'delivered', first_sequence: 1, last_sequence: 3, group_id: group.id }); // prettier-ignore
    expect(delivery?.attempts).toMatchObject([{ status: 200, error: null }]);
    expect((await webhooks.delivery(id, message?.id ?? '')).body).toBe(message?.text);
    expect((await webhooks.get(id)).state).toMatchObject({ status: 'healthy', last_success_at: expect.any(String) });
    await tick();
    expect(at(path)).toHaveLength(1);
  });

  it('begin where the feeds are when they are created, and tell new groups from their beginning', async () => {
    const [first = '', second = ''] = await addProfiles(bench.server, 2);
    const old = await bench.staticGroup();
    await add(old, [first]);
    const { path } = await hook();
    await add(old, [second]);
    const fresh = await bench.staticGroup();
    await add(fresh, [first]);
    await tick();
    const told = at(path).map(({ body }) => [body.data.group?.id, body.data.first_sequence, body.data.last_sequence]);
    expect(told.toSorted()).toEqual(
      [
        [old, 2, 2],
        [fresh, 1, 1],
      ].toSorted(),
    );
  });

  it('are told of the groups and events that they ask for', async () => {
    const { id: named } = await groups.create({ name: 'Named', custom_id: 'named' });
    const byId = await bench.staticGroup();
    const other = await bench.staticGroup();
    const some = await hook({ groups: [byId, 'custom:named'] });
    const profiles = await hook({ events: ['profile.created', 'profile.erased'] });
    const everything = await hook({ events: null });
    const fan = await bench.profile({ custom_id: 'told' });
    await bench.server.sdk.profiles.update(fan.id, { nickname: 'New name' });
    for (const group of [named, byId, other]) await add(group, [fan.id]);
    await groups.update(other, { name: 'Renamed' });
    await bench.server.sdk.profiles.erase(fan.id);
    await groups.delete(byId);
    await tick();
    const groupsOf = (path: string): string[] => [
      ...new Set(at(path).flatMap(({ body }) => body.data.group?.id ?? [])),
    ];
    expect(groupsOf(some.path)).toEqual([named]); // the other one is gone, with its feed
    expect(at(profiles.path).map(({ type }) => type)).toEqual(['profile.created', 'profile.erased']);
    const ofEverything = at(everything.path);
    expect(
      ofEverything.filter(({ type }) => type.startsWith('profile.')).map(({ body }) => [body.type, body.data.changed]),
    ).toEqual([
      // prettier-ignore
      ['profile.created', undefined],
      ['profile.updated', ['nickname']],
      ['profile.erased', undefined],
    ]);
    expect(
      ofEverything
        .filter(({ type }) => type.startsWith('group.'))
        .map(({ body }) => [body.type, body.data.group, body.data.changed]),
    ).toEqual([
      // prettier-ignore
      ['group.updated', { id: other, custom_id: null, name: 'Renamed' }, ['name']],
      ['group.deleted', { id: byId, custom_id: null, name: 'A static group' }, undefined],
    ]);
    expect(JSON.stringify(ofEverything)).not.toContain('"custom_id":"told"'); // erased before anything was sent
  });

  it('take 500 changes at once, and never more than 256 KiB', async () => {
    const { path } = await hook();
    const long = await addProfiles(bench.server, 700, '\u{1F980}'.repeat(250));
    const group = await bench.staticGroup();
    await groups.addMembers(group, { profile_ids: long });
    const short = await addProfiles(bench.server, 1200);
    const other = await bench.staticGroup();
    await groups.addMembers(other, { profile_ids: short });
    await tick();
    const of = (id: string): Received[] => at(path).filter(({ body }) => body.data.group?.id === id);
    expect(sequences(of(group))).toEqual(range(1, 700));
    expect(of(group).length).toBeGreaterThan(2);
    expect(Math.max(...of(group).map(({ text }) => Buffer.byteLength(text)))).toBeLessThanOrEqual(256 * 1024);
    expect(of(other).map(({ body }) => body.data.changes?.length)).toEqual([500, 500, 200]);
  });

  it('send a message again after 5 s, 30 s, 2 min, 10 min, 30 min, 1 h and every 3 h, the same one, and nothing after it', async () => {
    let status = 500;
    const { path, id } = await hook({}, () => status);
    const [first = '', second = '', third = ''] = await addProfiles(bench.server, 3);
    const group = await bench.staticGroup();
    await add(group, [first]);
    const start = bench.clock.now();
    await tick();
    await add(group, [second, third]);
    const waited: number[] = [];
    for (let n = 0; n < 9; n++) {
      const [{ next_attempt_at: next } = { next_attempt_at: null }] = await Promise.all(
        (await deliveries(id)).map((delivery) => webhooks.delivery(id, delivery.id)),
      );
      const before = bench.clock.now();
      const due = Date.parse(next ?? '') * 1000;
      waited.push(Math.round((due - before) / SECOND));
      bench.clock.set(due - SECOND);
      await tick();
      expect(at(path)).toHaveLength(n + 1);
      bench.clock.set(due + 1_000);
      receiver.secrets.delete(path); // the verifying side goes by the real time
      await tick();
      expect(at(path)).toHaveLength(n + 2);
    }
    expect(waited).toEqual([5, 30, 120, 600, 1800, 3600, 10800, 10800, 10800]);
    expect(new Set(at(path).map((message) => message.id)).size).toBe(1);
    expect(new Set(at(path).map((message) => message.text)).size).toBe(1);
    expect((await webhooks.get(id)).state).toMatchObject({
      status: 'failing',
      last_error: 'It answered 500.',
      oldest_undelivered_at: expect.any(String),
    });
    status = 200;
    bench.clock.set(start + MICROS_PER_DAY);
    await tick();
    expect(sequences(at(path).slice(-2))).toEqual([1, 2, 3]);
    expect((await webhooks.get(id)).state).toMatchObject({ status: 'healthy', last_error: null, oldest_undelivered_at: null }); // prettier-ignore
    const log = await deliveries(id);
    expect(log.map(({ state, attempts }) => [state, attempts.length])).toEqual([
      ['delivered', 1],
      ['delivered', 11],
    ]);
  });

  it('obey Retry-After with 429 and 503, for all of their messages', async () => {
    let busy = true;
    const { path } = await hook({}, (_message, response) => {
      if (!busy) return 200;
      response.setHeader('retry-after', '90');
      return 429;
    });
    const [fan = ''] = await addProfiles(bench.server, 1);
    await add(await bench.staticGroup(), [fan]);
    await tick();
    busy = false;
    await add(await bench.staticGroup(), [fan]);
    bench.clock.advance(60 * SECOND);
    await tick();
    expect(at(path)).toHaveLength(1);
    bench.clock.advance(31 * SECOND);
    await tick();
    expect(at(path)).toHaveLength(3);
  });

  it('are turned off by 410, keep their place, and go on from there when they are turned on', async () => {
    let status = 410;
    const { path, id } = await hook({}, () => status);
    const [first = '', second = ''] = await addProfiles(bench.server, 2);
    const group = await bench.staticGroup();
    await add(group, [first]);
    await tick();
    expect(await webhooks.get(id)).toMatchObject({
      is_active: false,
      state: { status: 'disabled', last_error: 'It answered 410 Gone, which turns the webhook off.' },
    });
    await add(group, [second]);
    bench.clock.advance(MICROS_PER_DAY);
    await tick();
    expect(at(path)).toHaveLength(1);
    status = 200;
    receiver.secrets.delete(path);
    await webhooks.update(id, { is_active: true });
    await tick();
    expect(sequences(at(path).slice(1))).toEqual([1, 2]);
    expect((await webhooks.get(id)).state.status).toBe('healthy');
  });

  it('are turned off after five days without success, and not before', async () => {
    const { path, id } = await hook({}, () => 500);
    receiver.secrets.delete(path);
    const [fan = ''] = await addProfiles(bench.server, 1);
    await add(await bench.staticGroup(), [fan]);
    await tick();
    const start = bench.clock.now();
    for (let hour = 1; hour < 5 * 24; hour += 3) {
      bench.clock.set(start + hour * 3600 * SECOND);
      await tick();
    }
    expect((await webhooks.get(id)).state.status).toBe('failing');
    bench.clock.set(start + (5 * 24 + 3) * 3600 * SECOND);
    await tick();
    expect(await webhooks.get(id)).toMatchObject({
      is_active: false,
      state: { status: 'disabled', last_error: 'No message was taken for five days: It answered 500.' },
    });
    const metrics = await (await fetch(`${bench.server.url}/metrics`)).text();
    expect(metrics).toContain(`grandstand_webhook_status{webhook="${id}",status="disabled"} 1`);
    const age = new RegExp(`grandstand_webhook_oldest_undelivered_seconds\\{webhook="${id}"\\} (.*)`).exec(
      metrics,
    )?.[1];
    expect(Number(age)).toBeGreaterThan(5 * 86_400);
  });

  it('one that answers slowly or never holds up no other', async () => {
    let flying = 0;
    let most = 0;
    const dead = await hook({}, (_message, response) => {
      most = Math.max(most, ++flying);
      response.once('close', () => flying--);
      return undefined;
    });
    const living = await hook();
    const fans = await addProfiles(bench.server, 30);
    const all = await Promise.all(fans.map(async (fan) => add(await bench.staticGroup(), [fan])));
    expect(all).toHaveLength(30);
    const ticking = tick();
    const startedAt = performance.now();
    while (at(living.path).length < 30) {
      if (performance.now() - startedAt > 20_000) throw new Error('it never came');
      await new Promise((resolve) => setImmediate(resolve));
    }
    await ticking;
    expect(most).toBeLessThanOrEqual(8);
    expect((await webhooks.get(dead.id)).state).toMatchObject({
      status: 'failing',
      last_error: 'It did not answer within 0.3 seconds.',
    });
    expect((await webhooks.get(living.id)).state.status).toBe('healthy');
  });

  it('that are down are asked one message at a time, and told everything at once when they are back', async () => {
    let isUp = false;
    let flying = 0;
    let most = 0;
    const { path, id } = await hook({}, (_message, response) => {
      most = Math.max(most, ++flying);
      setImmediate(() => {
        flying--;
        response.writeHead(isUp ? 200 : 500).end();
      });
      return undefined;
    });
    const [fan = ''] = await addProfiles(bench.server, 1);
    for (let n = 0; n < 20; n++) await add(await bench.staticGroup(), [fan]);
    await tick();
    most = 0;
    bench.clock.advance(40 * SECOND);
    await tick();
    expect(most).toBe(1);
    isUp = true;
    const told = at(path).length;
    bench.clock.advance(3600 * SECOND);
    receiver.secrets.delete(path);
    await tick();
    expect(
      new Set(
        at(path)
          .slice(told)
          .map(({ body }) => body.data.group?.id),
      ).size,
    ).toBe(20);
    expect((await webhooks.get(id)).state.status).toBe('healthy');
  });

  it('are told of a switch change by change, or as one message with the numbers', async () => {
    const full = await hook();
    const summary = await hook({ switches: 'summary' });
    const ids = await addProfiles(bench.server, 1300);
    const group = await bench.staticGroup();
    await add(group, ids.slice(0, 3));
    const replace = (list: string[]) =>
      groups.replaceMembers(group, list.map((id) => `"${id}"\n`).join(''), 'application/x-ndjson');
    await replace(ids.slice(2, 1300));
    await groups.removeMembers(group, { profile_ids: ids.slice(5, 6) });
    await replace(ids.slice(100, 1300));
    await tick();
    const feed = await bench.changes(group);
    expect(sequences(at(full.path))).toEqual(range(1, feed.length));
    const told = at(summary.path).map(({ body }) => body.data);
    expect(
      told.map((data) => [
        data.first_sequence,
        data.last_sequence,
        data.changes?.length,
        data.switch?.entered,
        data.switch?.left,
      ]),
    ).toEqual([
      // prettier-ignore
      [1, 3, 3, undefined, undefined],
      [4, 1302, 0, 1297, 2],
      [1303, 1303, 1, undefined, undefined],
      [1304, feed.length, 0, 0, feed.length - 1303],
    ]);
    expect(told[1]?.switch?.cause).toBe('import');
  });

  it('go back to an instant, tell everything since and nothing else twice', async () => {
    const { path, id } = await hook({ events: ['membership.changed', 'profile.created'] });
    const ids = await addProfiles(bench.server, 40);
    const group = await bench.staticGroup();
    const since: number[] = [];
    for (const fan of ids) {
      bench.clock.advance(600 * SECOND);
      since.push(bench.clock.now());
      await add(group, [fan]);
      await bench.profile();
    }
    receiver.secrets.delete(path);
    await tick();
    const before = at(path).length;
    await webhooks.rewind(id, formatInstant(since[30] ?? 0));
    await tick();
    const again = at(path).slice(before);
    expect(sequences(again)).toEqual(range(31, 40));
    expect(again.filter(({ type }) => type === 'profile.created')).toHaveLength(10);
    expect(again.some((message) => at(path).slice(0, before).some(({ id: known }) => known === message.id))).toBe(false); // prettier-ignore
    await webhooks.rewind(id, '2020-01-01T00:00:00Z');
    await tick();
    const all = at(path).slice(before + again.length);
    expect(sequences(all.filter(({ body }) => body.data.group?.id === group))).toEqual(range(1, 40));
  });

  it('sign with both secrets for a day after a rotation', async () => {
    const { path, id, secret } = await hook();
    const fresh = await webhooks.rotateSecret(id);
    expect(fresh).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const group = await bench.staticGroup();
    const [first = '', second = '', third = ''] = await addProfiles(bench.server, 3);
    await add(group, [first]);
    await tick(); // verified with the old one
    receiver.secrets.set(path, fresh);
    await add(group, [second]);
    await tick();
    expect(receiver.forged).toEqual([]);
    expect(at(path).map(({ headers }) => headers['webhook-signature']?.split(' ').length)).toEqual([2, 2]);
    bench.clock.advance(MICROS_PER_DAY);
    receiver.secrets.delete(path);
    await add(group, [third]);
    await tick();
    expect(at(path).at(-1)?.headers['webhook-signature']?.split(' ')).toHaveLength(1);
    const { rows } = await bench.server.app.context.db.query<{ secret: Buffer }>(sql`select secret from webhooks where id = ${id}`); // prettier-ignore
    expect(rows[0]?.secret.toString('latin1')).not.toContain(secret.slice(6));
  });

  it('send a test and a message once more, and say what became of it', async () => {
    let status = 200;
    const { path, id } = await hook({}, () => status);
    const test = await webhooks.test(id);
    expect(test).toMatchObject({ event: 'test', state: 'delivered', attempts: [{ status: 200 }] });
    expect(at(path)[0]).toMatchObject({ id: test.id, text: test.body });
    status = 500;
    expect(await webhooks.test(id)).toMatchObject({ state: 'failed', attempts: [{ status: 500, error: 'It answered 500.' }] }); // prettier-ignore
    expect((await webhooks.get(id)).state.status).toBe('healthy'); // a test changes nothing

    const [fan = ''] = await addProfiles(bench.server, 1);
    await add(await bench.staticGroup(), [fan]);
    await tick();
    const [waiting] = await deliveries(id);
    expect(waiting?.state).toBe('pending');
    expect(await webhooks.retry(id, waiting?.id ?? '')).toMatchObject({ state: 'pending', next_attempt_at: null });
    status = 200;
    await tick();
    expect(await webhooks.delivery(id, waiting?.id ?? '')).toMatchObject({ state: 'delivered', attempts: [{ status: 500 }, { status: 200 }] }); // prettier-ignore
    const again = await webhooks.retry(id, waiting?.id ?? '');
    expect(again).toMatchObject({ state: 'delivered', attempts: [{}, {}, { status: 200 }] });
    expect(at(path).filter((message) => message.id === waiting?.id)).toHaveLength(3);
    await tick();
    expect(at(path)).toHaveLength(5);
  });

  it('forget deliveries after seven days, and of a deleted one everything', async () => {
    const { path, id } = await hook();
    receiver.secrets.delete(path);
    const ids = await addProfiles(bench.server, 2);
    const group = await bench.staticGroup();
    await add(group, ids.slice(0, 1));
    await tick();
    bench.clock.advance(4 * MICROS_PER_DAY);
    await add(group, ids.slice(1));
    await tick();
    expect(await deliveries(id)).toHaveLength(2);
    bench.clock.advance(4 * MICROS_PER_DAY);
    await tick();
    expect((await deliveries(id)).map(({ first_sequence: first }) => first)).toEqual([2]);
    await webhooks.delete(id);
    await tick();
    const { db } = bench.server.app.context;
    const left = await db.query(sql`select from webhook_deliveries where webhook_id = ${id}`);
    expect(left.rows).toHaveLength(0);
    bench.clock.advance(2 * 3600 * SECOND);
    await tick();
    expect((await db.query(sql`select from webhooks where id = ${id}`)).rows).toHaveLength(0);
  });
});
