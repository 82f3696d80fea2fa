// The feed of profiles: what it tells, in which order, and that a poller misses nothing while everybody writes at once.

import type { ProfileChange } from '@grandstand/sdk/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../database/database.ts';
import { createRandom, chooseSeed } from '../testing/random.ts';
import { CLIENT_ID, refusal, startTestServer, testClock, type TestServer } from '../testing/server.ts';
import type { GroupEventData } from './event.ts';
import { listEvents, numberEvents } from './event-store.ts';

describe('the feed of profiles', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ clock: testClock() });
  });
  afterAll(() => server.close());

  const read = async (after = 0): Promise<ProfileChange[]> => {
    const all: ProfileChange[] = [];
    for await (const change of server.sdk.profiles.changes({ after, pageSize: 3 })) all.push(change);
    return all;
  };
  const newest = async (): Promise<number> => (await read()).at(-1)?.sequence ?? 0;

  it('names what happened and what changed, never the values', async () => {
    const after = await newest();
    const { profiles } = server.sdk;
    const { id } = await profiles.create({ custom_id: 'fan-1', nickname: 'Ada' });
    await profiles.update(id, { nickname: 'Ada' });
    await profiles.update(id, {
      nickname: 'Bo',
      custom_data: '{}',
      attributes: [{ key: 'team', value: 'red' }],
    });
    await profiles.update(id, { custom_id: 'fan-2', attributes: [{ key: 'team', value: 'blue' }] });
    const changes = await read(after);
    expect(changes.map(({ event, changed }) => [event, changed])).toEqual([
      ['profile.created', undefined],
      ['profile.updated', ['nickname', 'custom_data', 'attributes.team']],
      ['profile.updated', ['custom_id', 'attributes.team']],
    ]);
    expect(changes.map(({ sequence }) => sequence - after)).toEqual([1, 2, 3]);
    expect(changes.every((change) => change.profile_id === id && change.custom_id === 'fan-2')).toBe(true);
  });

  it('keeps of an erased profile the bare id, in what was told before too', async () => {
    const after = await newest();
    const { id } = await server.sdk.profiles.create({ custom_id: 'secret-name', attributes: [{ key: 'k', value: 'secret-value' }] }); // prettier-ignore
    await server.sdk.profiles.erase(id);
    const changes = await read(after);
    expect(changes.map(({ event, custom_id }) => [event, custom_id])).toEqual([
      ['profile.created', null],
      ['profile.erased', null],
    ]);
    const { rows } = await server.app.context.db.query<{ text: string }>(
      sql`select e::text as text from events e where subject_id = ${id}`,
    );
    expect(rows).toHaveLength(2);
    expect(rows.map(({ text }) => text).join()).not.toContain('secret');
  });

  it('tells of bulk upserts, of first uses of signed tokens, and once of a request that was repeated', async () => {
    const after = await newest();
    await server.sdk.profiles.upsert([{ custom_id: 'bulk-1' }, { custom_id: 'bulk-2' }]);
    await server.sdk.profiles.upsert([{ custom_id: 'bulk-1', nickname: 'Renamed' }]);
    const headers = { 'idempotency-key': 'the-same-key-of-a-create' };
    for (const _ of [1, 2])
      await server.call('POST', `applications/${CLIENT_ID}/profile/`, { body: { custom_id: 'once' }, headers });
    const events = (await read(after)).map(({ event, custom_id }) => `${event} ${custom_id}`);
    expect(events.toSorted()).toEqual([
      'profile.created bulk-1',
      'profile.created bulk-2',
      'profile.created once',
      'profile.updated bulk-1',
    ]);
  });

  it('is for admins of its application, and reads positions as the other feeds do', async () => {
    const path = `applications/${CLIENT_ID}/profile-changes/`;
    const { access_token: token } = await server.sdk.profiles.create();
    expect((await server.call('GET', path, { token })).status).toBe(403);
    expect((await server.call('GET', path, { token: null })).status).toBe(401);
    expect((await server.call('GET', `${path}?after=x`)).body).toEqual({
      after: ['This must be a sequence: a whole number of 0 or more.'],
    });
    const last = await newest();
    const page = await server.call<{ count: number; next: string | null; results: unknown[] }>('GET', `${path}?after=${last - 2}&page_size=1`); // prettier-ignore
    expect(page.body.count).toBe(2);
    expect(new URL(page.body.next ?? '').searchParams.get('after')).toBe(String(last - 1));
    expect((await server.call('GET', `${path}?page=100000`)).status).toBe(404);
  });

  it('a poller misses nothing and sees each profile in order, while twelve write at once', async () => {
    const seed = chooseSeed();
    const from = await newest();
    let isDone = false;
    const expected = new Map<string, string[]>();
    const write = async (n: number): Promise<void> => {
      const random = createRandom(seed + n);
      const mine: string[] = [];
      for (let step = 0; step < 25; step++) {
        const id = mine.length > 0 && random.chance(0.6) ? random.pick(mine) : undefined;
        if (id === undefined) {
          const made = await server.sdk.profiles.create();
          mine.push(made.id);
          expected.set(made.id, ['profile.created']);
        } else if (random.chance(0.15)) {
          await server.sdk.profiles.erase(id);
          mine.splice(mine.indexOf(id), 1);
          expected.get(id)?.push('profile.erased');
        } else {
          await server.sdk.profiles.update(id, { custom_data: String(step) });
          expected.get(id)?.push('profile.updated');
        }
      }
    };
    const seen: ProfileChange[] = [];
    const poll = async (): Promise<void> => {
      for (let last = false; ; last = isDone) {
        seen.push(...(await read(seen.at(-1)?.sequence ?? from)));
        if (last) return;
      }
    };
    const polling = Promise.all([poll()]);
    await Promise.all(Array.from({ length: 12 }, (_, n) => write(n)));
    isDone = true;
    await polling;
    expect(seen.map(({ sequence }) => sequence)).toEqual(seen.map((_, index) => from + 1 + index));
    const told = new Map<string, string[]>();
    for (const { profile_id: id, event } of seen) told.set(id, [...(told.get(id) ?? []), event]);
    expect(told, `seed ${seed}`).toEqual(expected);
  });

  it('records groups: made, changed, deactivated, restored, deleted', async () => {
    const { db, applications } = server.app.context;
    const { id: applicationId } = await applications.get(CLIENT_ID);
    const { groups } = server.sdk;
    const { id } = await groups.create({ name: 'Reds', custom_id: 'reds' });
    await groups.update(id, { name: 'Reds' });
    await groups.update(id, { name: 'The Reds', attributes: [{ key: 'a', value: 'b' }] });
    await groups.update(id, { is_active: false });
    await groups.restore(id);
    await refusal(groups.update(id, { is_paused: true }));
    await groups.delete(id);
    const { id: dynamic } = await groups.create({
      name: 'Rule',
      membership_type: 'dynamic',
      rule_tree: { attribute: 'nickname', condition: 'equals', value: 'a' },
    });
    await groups.update(dynamic, { rule_tree: { attribute: 'nickname', condition: 'equals', value: 'b' } });
    await numberEvents(db, applicationId, 'group');
    const events = await listEvents<GroupEventData>(db, applicationId, 'group', 0, 100);
    expect(
      events.map(({ event, data, subject_id }) => [
        event,
        subject_id === id ? data?.custom_id : data?.name,
        data?.changed,
      ]),
    ).toEqual([
      // prettier-ignore
      ['group.created', 'reds', undefined],
      ['group.updated', 'reds', ['name', 'attributes']],
      ['group.updated', 'reds', ['is_active']],
      ['group.updated', 'reds', ['is_active']],
      ['group.deleted', 'reds', undefined],
      ['group.created', 'Rule', undefined],
      ['group.updated', 'Rule', ['rule_tree']],
    ]);
  });
});
