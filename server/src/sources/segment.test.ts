// Segment's tracking API as its official clients speak it, unchanged but for the host, and as anybody may by hand.

import { gzipSync } from 'node:zlib';
import { Analytics } from '@segment/analytics-node';
import RudderAnalytics from '@rudderstack/rudder-sdk-node';
import type { SourceOptions } from '@grandstand/sdk/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatInstant, parseInstant } from '../instant.ts';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer, testClock, type TestServer } from '../testing/server.ts';

const HOUR = 3_600_000_000;
let server: TestServer;
const clock = testClock();
beforeAll(async () => {
  server = await startTestServer({ clock });
});
afterAll(() => server.close());

interface Made {
  id: string;
  write_key: string;
}
let made = 0;
async function source(fields: SourceOptions = {}): Promise<Made> {
  return server.sdk.sources.create({ name: `Source ${++made}`, kind: 'segment', ...fields });
}

const basic = (key: string): Record<string, string> => ({ authorization: `Basic ${btoa(`${key}:`)}` });
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  server.call(`POST`, `${server.url}/v1/${path}`, { token: null, body, headers });

/** Everything that a profile did: newest first. */
async function activitiesOf(customId: string) {
  const profile = await server.sdk.profiles.getByCustomId(customId);
  return server.sdk.profiles.activities(profile.id).all();
}
const typesOf = async (customId: string): Promise<string[]> =>
  (await activitiesOf(customId)).map(({ type }) => type).sort();
const problemsOf = ({ id }: Made) => server.sdk.sources.problems(id).all();

describe('a call', () => {
  it('is taken under every path and every way to say the key', async () => {
    const key = (await source()).write_key;
    const call = { userId: 'ways', event: 'Comment Created' };
    const ways: [path: string, body: unknown, headers?: Record<string, string>][] = [
      ['track', { ...call, messageId: '1' }, basic(key)],
      ['track', { ...call, messageId: '2' }, { authorization: `Basic ${btoa(key)}` }],
      ['track/', { ...call, messageId: '3', writeKey: key }],
      ['t', JSON.stringify({ ...call, messageId: '4', writeKey: key }), { 'content-type': 'text/plain' }],
      ['batch', { writeKey: key, batch: [{ ...call, type: 'track', messageId: '5' }] }],
      ['b', { batch: [{ ...call, type: 'track', messageId: '6' }] }, basic(key)],
      ['import', { batch: [{ ...call, type: 'track', messageId: '7' }] }, basic(key)],
    ];
    for (const [path, body, headers] of ways)
      expect(await post(path, body, headers), path).toMatchObject({ status: 200, body: { success: true } });
    const zipped = await fetch(`${server.url}/v1/track`, {
      method: 'POST',
      headers: { ...basic(key), 'content-type': 'application/json', 'content-encoding': 'gzip' },
      body: gzipSync(JSON.stringify({ ...call, messageId: '8' })),
    });
    expect(zipped.status).toBe(200);
    expect(await typesOf('ways')).toEqual(Array(8).fill('comment-created'));
  });

  it('without a key, or with one of nobody, is 401 and says so', async () => {
    expect(await post('track', { userId: 'x', event: 'X' })).toMatchObject({
      status: 401,
      body: { error_code: 'authentication_failed', detail: expect.stringContaining('write key') as string },
    });
    const answer = await post('track', { userId: 'x', event: 'X' }, basic('nobody-has-this-key'));
    expect(answer).toMatchObject({ status: 401, body: { detail: 'No source has this write key.' } });
    expect((await post('track', '{"userId":', { ...basic((await source()).write_key) })).status).toBe(400);
  });

  it('that is no good is answered 200 and kept with the reason', async () => {
    const made = await source();
    const batch = [
      { type: 'track', event: 'No one' },
      { type: 'track', userId: 'p1' },
      { type: 'dance', userId: 'p1' },
      { type: 'track', userId: 'p1', event: '投票' },
      { type: 'track', userId: 'p1', event: 'Late', timestamp: 'yesterday' },
      { type: 'track', userId: '.', event: 'Dot' },
      { type: 'identify', userId: 'p1', traits: { shoe: 44 } },
      'text',
      { type: 'track', userId: 'p1', event: 'Good' },
    ];
    expect((await post('batch', { batch }, basic(made.write_key))).status).toBe(200);
    expect(await typesOf('p1')).toEqual(['good']);
    const problems = await problemsOf(made);
    expect(problems.map(({ outcome, reason }) => `${outcome} ${reason}`).toReversed()).toEqual([
      'refused A userId or an anonymousId is required.',
      'refused event: This field is required.',
      'refused The type must be one of identify, track, page, screen, group, alias.',
      expect.stringContaining('mapping.events') as string,
      'refused timestamp: This must be an ISO 8601 date and time.',
      expect.stringContaining('no URL leads') as string,
      'not_mapped No trait leads to an attribute: shoe.',
      'refused This must be an object.',
    ]);
  });

  it('counts once, however often its batch comes', async () => {
    const key = (await source()).write_key;
    const batch = Array.from({ length: 1_200 }, (_, index) => ({
      type: 'track',
      userId: `again-${index % 3}`,
      event: 'Goal Seen',
      messageId: `m-${index}`,
    }));
    for (let time = 0; time < 2; time++) expect((await post('batch', { batch }, basic(key))).status).toBe(200);
    const counts = await Promise.all([0, 1, 2].map(async (n) => (await activitiesOf(`again-${n}`)).length));
    expect(counts).toEqual([400, 400, 400]);
  });

  it('is dated by our clock where the sender’s is wrong by an hour, but history by its own', async () => {
    const key = (await source()).write_key;
    clock.set('2026-04-01T12:00:00.000000Z');
    const theirs = (micros: number): string => formatInstant((parseInstant('2026-04-01T13:00:00Z') ?? 0) + micros);
    const sentAt = theirs(0);
    const call = { type: 'track', userId: 'skewed', event: 'Seen' };
    await post('batch', { sentAt, batch: [{ ...call, messageId: 'a', timestamp: theirs(-60_000_000) }] }, basic(key));
    await post('track', { ...call, sentAt, messageId: 'b', originalTimestamp: theirs(-120_000_000) }, basic(key));
    await post(
      'import',
      { sentAt, batch: [{ ...call, messageId: 'c', timestamp: '2024-01-01T00:00:00Z' }] },
      basic(key),
    );
    const seconds = (await activitiesOf('skewed')).map((each) => [each.id, each.occurred_at.slice(0, 19)]);
    expect(seconds).toEqual([
      ['a', '2026-04-01T11:59:00'],
      ['b', '2026-04-01T11:58:00'],
      ['c', '2024-01-01T00:00:00'],
    ]);
    clock.advance(HOUR);
  });

  it('leaves out what is too large, but for what an attribute reads', async () => {
    await server.call('POST', `applications/${CLIENT_ID}/activity-types/`, { body: { type: 'team-picked' } });
    await server.sdk.attributes.define({
      key: 'last_team',
      type: 'string',
      derived_from: { fn: 'state', types: ['team-picked'], key: 'team' },
    });
    const made = await source();
    const properties = { team: 'reds', essay: 'x'.repeat(5_000), value: 7 };
    await post('track', { userId: 'large', event: 'Team Picked', properties }, basic(made.write_key));
    expect(await activitiesOf('large')).toMatchObject([{ type: 'team-picked', data: { team: 'reds' }, value: 7 }]);
    expect(await problemsOf(made)).toMatchObject([
      { outcome: 'cut', reason: expect.stringContaining('2 are left') as string },
    ]);
  });
});

describe('identities', () => {
  it('an anonymous fan becomes known, with all that was done before, in whatever order it comes', async () => {
    const key = (await source()).write_key;
    await post('track', { anonymousId: 'device-1', event: 'Poll Voted' }, basic(key));
    await post('identify', { anonymousId: 'device-1', userId: 'ann' }, basic(key));
    await post('track', { anonymousId: 'device-1', event: 'Quiz Answered' }, basic(key));
    // A second device, of which the user is there already.
    await post('page', { anonymousId: 'device-2', name: 'Home' }, basic(key));
    await post('identify', { anonymousId: 'device-2', userId: 'ann' }, basic(key));
    // A third: signing in comes first, and what was done before it comes late.
    await post('identify', { anonymousId: 'device-3', userId: 'ann' }, basic(key));
    await post('track', { anonymousId: 'device-3', event: 'Comment Created' }, basic(key));
    expect(await typesOf('ann')).toEqual(['comment-created', 'page-viewed', 'poll-voted', 'quiz-answered']);
  });

  it('two users of one device stay two, and each keeps what is theirs', async () => {
    const made = await source();
    const key = made.write_key;
    await post('identify', { anonymousId: 'shared', userId: 'first-user' }, basic(key));
    await post('identify', { anonymousId: 'shared', userId: 'second-user' }, basic(key));
    await post('track', { anonymousId: 'shared', userId: 'second-user', event: 'Mine' }, basic(key));
    const batch = ['third-user', 'fourth-user'].map((userId) => ({ type: 'identify', anonymousId: 'other', userId }));
    await post('batch', { batch }, basic(key));
    const ids = await Promise.all(
      ['first-user', 'second-user', 'third-user', 'fourth-user'].map(
        async (customId) => (await server.sdk.profiles.getByCustomId(customId)).id,
      ),
    );
    expect(new Set(ids).size).toBe(4);
    expect(await typesOf('second-user')).toEqual(['mine']);
    expect((await problemsOf(made)).map(({ reason }) => reason)).toEqual(
      Array(2).fill('The anonymousId belongs to another user already; the two stay apart.'),
    );
  });

  it('the same anonymous id of two sources is two fans', async () => {
    const [one, other] = [await source(), await source()];
    for (const { write_key: key } of [one, other])
      await post('track', { anonymousId: 'same', event: 'Hi' }, basic(key));
    await post('identify', { anonymousId: 'same', userId: 'of-one' }, basic(one.write_key));
    expect(await typesOf('of-one')).toEqual(['hi']);
  });

  it('an alias merges an anonymous fan into a user, and a user into another', async () => {
    const key = (await source()).write_key;
    await post('track', { anonymousId: 'anon-a', event: 'One' }, basic(key));
    await post('alias', { previousId: 'anon-a', userId: 'alias-a' }, basic(key));
    await post('track', { userId: 'old-name', event: 'Two' }, basic(key));
    await post('alias', { previousId: 'old-name', userId: 'alias-a' }, basic(key));
    await post('track', { userId: 'old-name', event: 'Three' }, basic(key));
    expect(await typesOf('alias-a')).toEqual(['one', 'three', 'two']);
    const client = await source({ trust: 'client' });
    await post('alias', { previousId: 'alias-a', userId: 'thief' }, basic(client.write_key));
    expect(await problemsOf(client)).toMatchObject([{ outcome: 'refused' }]);
    expect(await typesOf('alias-a')).toHaveLength(3);
  });

  it('a hundred requests at once about one new fan make one', async () => {
    const key = (await source()).write_key;
    const before = (await server.sdk.profiles.list({ page_size: 1 }).pages().next()).value as { count: number };
    await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        post(
          index % 3 === 0 ? 'identify' : 'track',
          { anonymousId: 'racer', ...(index % 2 === 0 && { userId: 'racer' }), event: 'Lap', messageId: `${index}` },
          basic(key),
        ).then(({ status }) => expect(status).toBe(200)),
      ),
    );
    await post('identify', { anonymousId: 'racer', userId: 'racer' }, basic(key));
    const after = (await server.sdk.profiles.list({ page_size: 1 }).pages().next()).value as { count: number };
    expect(after.count - before.count).toBe(1);
    expect(await activitiesOf('racer')).toHaveLength(66);
  });
});

describe('traits', () => {
  it('become attributes by the mapping, or where the catalogue has their name', async () => {
    await server.sdk.attributes.define({ key: 'plan', type: 'string' });
    await server.sdk.attributes.define({ key: 'age', type: 'number' });
    await server.sdk.attributes.define({ key: 'teams', type: 'list' });
    await server.sdk.attributes.define({ key: 'joined', type: 'datetime' });
    const made = await source({ mapping: { traits: { 'address.city': 'city', company: null } } });
    const traits = {
      plan: 'gold',
      age: 31,
      teams: ['reds', 'blues', 'reds'],
      joined: Date.UTC(2024, 0, 1),
      address: { city: 'Paris', zip: '75001' },
      company: 'Acme',
      nickname: 'Annie',
      email: 'a@example.com',
    };
    await post('identify', { userId: 'traits', traits }, basic(made.write_key));
    await post('identify', { userId: 'traits', traits: { age: 'old', plan: null } }, basic(made.write_key));
    const profile = await server.sdk.profiles.getByCustomId('traits');
    expect(profile.nickname).toBe('Annie');
    const pairs = profile.attributes.map(({ key, value }) => `${key}=${value}`).sort();
    expect(pairs).toEqual(['age=31', 'city=Paris', 'joined=2024-01-01T00:00:00.000000Z', 'teams=blues', 'teams=reds']);
    expect(await problemsOf(made)).toMatchObject([
      { reason: expect.stringContaining("'age' must be a decimal") as string },
    ]);
  });
});

it('an audience of Engage is a static group, by trait or by event', async () => {
  const made = await source();
  const context = { personas: { computation_class: 'audience', computation_id: 'aud_x', computation_key: 'vips' } };
  const call = (userId: string, vips: boolean) => ({ type: 'identify', userId, traits: { vips }, context });
  const entered = { type: 'track', userId: 'vip-3', event: 'Audience Entered', properties: { vips: true }, context };
  await post('batch', { batch: [call('vip-1', true), call('vip-2', true), entered] }, basic(made.write_key));
  await post('batch', { batch: [call('vip-2', false)] }, basic(made.write_key));
  const members = await server.sdk.groups.members('custom:aud_x').all();
  expect(members.map(({ custom_id: customId }) => customId).sort()).toEqual(['vip-1', 'vip-3']);
  expect(await problemsOf(made)).toEqual([]);
});

describe('trust: a key that stands in a web page', () => {
  it('may do what a profile’s token may, and no more', async () => {
    await server.sdk.attributes.define({ key: 'favourite', type: 'string', writable_by: 'profile' });
    await server.sdk.attributes.define({ key: 'vip', type: 'boolean' });
    const made = await source({ trust: 'client' });
    const key = basic(made.write_key);
    const call = { userId: 'paged', type: 'track' };
    const batch = [
      { ...call, event: 'Poll Voted', messageId: 'ok', properties: { value: 5 } },
      { ...call, event: 'Reward Earned' },
      { ...call, event: 'Invented Here' },
      { ...call, event: 'Poll Voted', timestamp: formatInstant(clock.now() - 8 * 24 * HOUR) },
      { userId: 'paged', type: 'page', name: 'Home' },
      { userId: 'paged', type: 'identify', traits: { favourite: 'reds', vip: true } },
    ];
    await post('batch', { batch }, key);
    const sorted = (await activitiesOf('paged')).toSorted((a, b) => (a.type < b.type ? -1 : 1));
    expect(sorted).toMatchObject([
      { type: 'page-viewed', sent_by: 'profile' },
      { type: 'poll-voted', value: 1, sent_by: 'profile' },
    ]);
    const profile = await server.sdk.profiles.getByCustomId('paged');
    expect(profile.attributes).toEqual([{ key: 'favourite', value: 'reds' }]);
    expect((await problemsOf(made)).map(({ reason }) => reason).toReversed()).toEqual([
      'type: Profiles may not send activities of this type.',
      'type: Profiles may not send activities of this type.',
      'timestamp: This may be at most 7 days back.',
      expect.stringContaining("'vip' is none") as string,
    ]);
    // What pages send uses up no id of the back end's.
    const activities = [{ id: 'ok', type: 'poll-voted', custom_id: 'paged' }];
    const answer = await server.call('POST', `applications/${CLIENT_ID}/activities/`, { body: { activities } });
    expect(answer.body).toMatchObject({ accepted: 1 });
  });
});

describe('the official clients, unchanged but for the host', () => {
  it('@segment/analytics-node: every call, in batches', async () => {
    const { write_key: writeKey } = await source({ mapping: { events: { Signup: 'session-started', Noise: null } } });
    const analytics = new Analytics({ writeKey, host: server.url, flushAt: 4, maxRetries: 0 });
    const failed: unknown[] = [];
    analytics.on('error', (error) => failed.push(error));
    analytics.track({ anonymousId: 'node-anon', event: 'Poll Voted', properties: { poll: 'p1' } });
    analytics.identify({ anonymousId: 'node-anon', userId: 'node-user', traits: { plan: 'silver' } });
    analytics.track({ userId: 'node-user', event: 'Signup' });
    analytics.track({ userId: 'node-user', event: 'Noise' });
    analytics.page({ userId: 'node-user', name: 'Home' });
    analytics.screen({ userId: 'node-user', name: 'Start' });
    analytics.group({ userId: 'node-user', groupId: 'acme' });
    analytics.alias({ userId: 'node-user', previousId: 'node-former' });
    await analytics.closeAndFlush();
    expect(failed).toEqual([]);
    expect(await typesOf('node-user')).toEqual(['page-viewed', 'poll-voted', 'screen-viewed', 'session-started']);
    const profile = await server.sdk.profiles.getByCustomId('node-user');
    expect(profile.attributes).toEqual([{ key: 'plan', value: 'silver' }]);
  });

  it('@rudderstack/rudder-sdk-node: every call, compressed', async () => {
    const { write_key: writeKey } = await source();
    const rudder = new RudderAnalytics(writeKey, { dataPlaneUrl: server.url, flushAt: 3, logLevel: 'none' as never });
    rudder.track({ anonymousId: 'rudder-anon', event: 'Poll Voted' });
    rudder.identify({ anonymousId: 'rudder-anon', userId: 'rudder-user', traits: { plan: 'bronze' } });
    rudder.track({ userId: 'rudder-user', event: 'Comment Created' });
    rudder.page({ userId: 'rudder-user', name: 'Home' });
    rudder.alias({ userId: 'rudder-user', previousId: 'rudder-former' });
    await rudder.flush();
    await expect.poll(() => typesOf('rudder-user')).toEqual(['comment-created', 'page-viewed', 'poll-voted']);
    const profile = await server.sdk.profiles.getByCustomId('rudder-user');
    expect(profile.attributes).toEqual([{ key: 'plan', value: 'bronze' }]);
  });
});

it('knows nothing of admin tokens: those are for the API', async () => {
  expect((await post('track', { userId: 'x', event: 'X' }, { authorization: `Bearer ${ADMIN_TOKEN}` })).status).toBe(
    401,
  );
});
