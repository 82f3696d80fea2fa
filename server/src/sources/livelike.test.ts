// LiveLike's webhooks, with the bodies that its documentation shows: each event counts for the one who acted.

import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../ids.ts';
import { CLIENT_ID, startTestServer, testClock, type TestServer } from '../testing/server.ts';
import { LIVELIKE_EVENTS } from './livelike.ts';

const SECRET = 'the-client-secret-over-there';
let server: TestServer;
let address: string;
let sourceId: string;
beforeAll(async () => {
  server = await startTestServer({ clock: testClock('2026-03-01T12:00:00Z') });
  const made = await server.sdk.sources.create({ name: 'LiveLike', kind: 'livelike', write_key: SECRET });
  address = made.endpoint;
  sourceId = made.id;
});
afterAll(() => server.close());

const sign = (text: string, secret = SECRET): string => createHmac('sha1', secret).update(text).digest('base64');
const post = (body: string, signature: string | undefined) =>
  server.call('POST', address, {
    token: null,
    body,
    headers: {
      'content-type': 'application/json',
      ...(signature !== undefined && { 'x-webhook-signature': signature }),
    },
  });
const send = (event: string, data: object, id = newId()) => {
  const body = JSON.stringify({ id, event, data, created_at: '2026-03-01T11:00:00.5+00:00' });
  return post(body, sign(body));
};
const profileByCustomId = (customId: string) => server.sdk.profiles.getByCustomId(customId);
const typesOf = async (id: string): Promise<string[]> =>
  (await server.sdk.profiles.activities(id).all()).map(({ type }) => type).sort();

describe('a signature', () => {
  const message = { id: newId(), event: 'comment-created', created_at: '2026-03-01T11:00:00Z' };
  const data = { author_id: newId(), author_custom_id: 'signed', author_nickname: 'Zoë 🎉', comment_text: 'Grüße' };

  it('is right over the bytes, over the body written again, and with its characters escaped', async () => {
    const compact = JSON.stringify({ ...message, data });
    const spaced = JSON.stringify({ ...message, data }, null, 2);
    const escaped = compact.replace(
      /[\u007f-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    for (const [body, signed] of [
      [spaced, spaced],
      [spaced, compact],
      [compact, escaped],
      [escaped, compact],
    ] as const)
      expect(await post(body, sign(signed))).toMatchObject({ status: 200, body: { success: true } });
    // However often it came, it counts once.
    expect(await typesOf((await profileByCustomId('signed')).id)).toEqual(['comment-created']);
  });

  it('that is wrong, missing, of another secret or of another body is 401, and nothing is stored', async () => {
    const body = JSON.stringify({ ...message, id: newId(), data: { ...data, author_custom_id: 'unsigned' } });
    for (const signature of [
      undefined,
      '',
      'x',
      sign(body, 'another secret'),
      sign(`${body} `),
      sign(body).slice(0, -2),
    ])
      expect((await post(body, signature)).status, signature).toBe(401);
    await expect(profileByCustomId('unsigned')).rejects.toMatchObject({ status: 404 });
    expect((await server.call('POST', address.replace(sourceId, newId()), { token: null, body })).status).toBe(404);
  });

  it('is taken by the old secret for a day after it was rotated', async () => {
    const other = await server.sdk.sources.create({ name: 'Rotated', kind: 'livelike', write_key: SECRET });
    await server.sdk.sources.rotateKey(other.id, 'the-new-secret-over-there');
    for (const secret of [SECRET, 'the-new-secret-over-there']) {
      const body = JSON.stringify({ ...message, id: newId(), data });
      const answer = await server.call('POST', other.endpoint, {
        token: null,
        body,
        headers: { 'x-webhook-signature': sign(body, secret) },
      });
      expect(answer.status).toBe(200);
    }
  });
});

/** Written down from LiveLike's documentation, apart from the table of the code. */
const ACTORS: Record<string, string> = {
  'comment-created': 'author',
  'comment-reply-created': 'reply_author',
  'comment-mention-created': 'mentioned_by',
  'chat-message-created': 'sender',
  'chat-mention-created': 'mentioned_by',
  'user-reaction-created': 'reaction_created_by',
  'user-reaction-deleted': 'reaction_created_by',
  'user-quest-task-progressed': 'profile',
  'user-quest-task-completed': 'profile',
  'user-quest-completed': 'profile',
  'user-quest-reward-awarded': 'profile',
  'user-reward-awarded': 'profile',
  'reward-table-rewards-awarded': 'profile',
  'badge-awarded': 'profile',
  'profile-relationship-created': 'profile',
  'role-assignment-created': 'profile',
  'rich-post-created': 'created_by',
  'rich-post-mention-created': 'mentioned_by',
};

describe('events', () => {
  it('count for the one who acted, each in its field', async () => {
    expect(Object.keys(LIVELIKE_EVENTS).sort()).toEqual(Object.keys(ACTORS).sort());
    for (const [event, { types }] of Object.entries(LIVELIKE_EVENTS)) {
      const by = ACTORS[event] ?? '';
      const [actor, other] = [newId(), newId()];
      const others = Object.fromEntries(
        [
          'profile',
          'author',
          'reply_author',
          'mentioned_by',
          'reaction_created_by',
          'created_by',
          'sender',
          'to_profile',
        ].map((name) => [`${name}_id`, other]),
      );
      const data = { ...others, [`${by}_id`]: actor, [`${by}_nickname`]: `Actor of ${event}`, reward_item_amount: 5 };
      expect((await send(event, data)).status).toBe(200);
      expect(await typesOf(actor), event).toEqual([...types].sort());
      expect((await server.sdk.profiles.get(actor)).nickname).toBe(`Actor of ${event}`);
      await expect(server.sdk.profiles.get(other), event).rejects.toMatchObject({ status: 404 });
    }
  });

  it('are dated by what they say: a quest by its completion, a reaction’s end by its deletion', async () => {
    const id = newId();
    const data = { profile_id: id, created_at: '2026-02-01T00:00:00Z', completed_at: '2026-02-02T00:00:00.123456Z' };
    await send('user-quest-completed', data);
    await send('comment-created', { author_id: id, created_at: '2026-02-03T00:00:00Z' });
    await send('badge-awarded', { profile_id: id });
    const [first, second, third] = await server.sdk.profiles.activities(id).all();
    expect([first?.occurred_at, second?.occurred_at, third?.occurred_at]).toEqual([
      '2026-03-01T11:00:00.500000Z',
      '2026-02-03T00:00:00.000000Z',
      '2026-02-02T00:00:00.123456Z',
    ]);
  });

  it('rewards add up, under either name of their event', async () => {
    const id = newId();
    for (const event of ['user-quest-reward-awarded', 'user-reward-awarded', 'reward-table-rewards-awarded'])
      await send(event, { profile_id: id, reward_item_amount: 10, reward_transaction_id: newId() });
    const activities = await server.sdk.profiles.activities(id).all();
    const earned = activities.filter(({ type }) => type === 'reward-earned');
    expect(earned.reduce((sum, { value }) => sum + value, 0)).toBe(30);
    expect(activities.filter(({ type }) => type === 'user-quest-reward-awarded')).toHaveLength(2);
  });

  it('reach the profile that was brought along, by its id there, and learn its custom id', async () => {
    const id = newId();
    const body = { profiles: [{ id, nickname: 'Brought Along' }] };
    await server.call('POST', `applications/${CLIENT_ID}/profiles/bulk/`, { body });
    await send('badge-awarded', { profile_id: id });
    await send('badge-awarded', { profile_id: id, profile_custom_id: 'learned' });
    await send('badge-awarded', { profile_id: newId(), profile_custom_id: 'learned' });
    expect((await profileByCustomId('learned')).id).toBe(id);
    expect(await typesOf(id)).toHaveLength(3);
  });

  it('that are unknown or no good are answered 200 and kept with the reason', async () => {
    const { id } = await server.sdk.sources.create({ name: 'Odd', kind: 'livelike', write_key: SECRET });
    await server.sdk.sources.update(id, { mapping: { events: { 'poll-opened': 'poll-voted', boring: null } } });
    const odd = `${server.url}/v1/livelike/${id}/`;
    const profile_id = newId();
    const messages = [
      { id: '1', event: 'never-heard-of', data: { profile_id } },
      { id: '2', event: 'comment-created', data: { profile_id } },
      { id: '3', event: 'poll-opened', data: { profile_id } },
      { id: '4', event: 'boring', data: {} },
      { id: '5', event: 'flair-created', data: {} },
      { event: 'comment-created' },
    ];
    for (const message of messages) {
      const body = JSON.stringify(message);
      const headers = { 'x-webhook-signature': sign(body) };
      expect((await server.call('POST', odd, { token: null, body, headers })).status).toBe(200);
    }
    expect(await typesOf(profile_id)).toEqual(['poll-voted']);
    const problems = await server.sdk.sources.problems(id).all();
    expect(problems.map(({ outcome, reason }) => `${outcome} ${reason}`).toReversed()).toEqual([
      'not_mapped Nothing is known of this event; name its activity type in mapping.events.',
      'refused author_id: This must be the UUID of who acted.',
      'refused A message has id, event and data.',
    ]);
  });
});

describe('Segment’s destination “LiveLike”', () => {
  const path = (name: string): string => `applications/${CLIENT_ID}/${name}/`;

  it('finds client id and token right, or wrong', async () => {
    expect((await server.call('GET', path('validate-app'))).body).toMatchObject({ client_id: CLIENT_ID });
    expect((await server.call('GET', path('validate-app'), { token: 'wrong-token-0123456789' })).status).toBe(401);
  });

  it('keeps an audience as a static group with its id', async () => {
    const { id } = await server.sdk.profiles.create();
    const item = (fields: object) => ({ audience_id: 'aud_1', audience_name: 'big_spenders', action: true, ...fields });
    const body = [item({ user_id: 'a' }), item({ user_id: 'b' }), item({ livelike_profile_id: id }), item({})];
    const answer = await server.call('POST', path('segment-audience-sync'), { body });
    expect(answer).toMatchObject({ status: 200, body: { accepted: 3, rejected: [{ index: 3 }] } });
    const group = await server.sdk.groups.get('custom:aud_1');
    expect(group).toMatchObject({ name: 'big_spenders', membership_type: 'static', profile_count: 3 });
    await server.call('POST', path('segment-audience-sync'), {
      body: [item({ user_id: 'a', action: false }), item({ user_id: 'b', action: false }), item({ user_id: 'b' })],
    });
    const members = await server.sdk.groups.members('custom:aud_1').all();
    expect(members.map(({ custom_id: customId }) => customId).sort()).toEqual(['b', null].sort());
  });

  it('sends events, each once', async () => {
    const events = [
      { action_key: 'comment-created', user_id: 'of-segment', timestamp: '2026-03-01T10:00:00Z', properties: { a: 1 } },
      { action_key: 'Badge Rewarded', user_id: 'of-segment', timestamp: '2026-03-01T10:00:00Z' },
      { action_key: 'x' },
    ];
    for (let time = 0; time < 2; time++)
      expect((await server.call('POST', path('segment-events'), { body: { events } })).body).toMatchObject({
        accepted: 2,
        rejected: [{ index: 2 }],
      });
    expect(await typesOf((await profileByCustomId('of-segment')).id)).toEqual(['badge-rewarded', 'comment-created']);
  });
});
