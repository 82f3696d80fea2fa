// What a dynamic group promises over HTTP, call by call: pins, pauses, the past, sizes, causes, proofs, explanations.

import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAdminToken, createApplication } from '../applications/application-service.ts';
import { formatInstant, MICROS_PER_DAY, MICROS_PER_SECOND } from '../instant.ts';
import { createBench, type BenchProfile, type EngineBench } from '../testing/engine.ts';
import { CLIENT_ID } from '../testing/server.ts';

const APPLICATION = `applications/${CLIENT_ID}/`;
const GROUPS = `${APPLICATION}profile-groups/`;
const HOUR = 3600 * MICROS_PER_SECOND;

const comments = (value: number, window?: string) => ({
  attribute: 'total_comments_posted',
  condition: 'greater_than_or_equal' as const,
  value,
  ...(window !== undefined && { window }),
});

describe('a dynamic group', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await createBench();
  });
  afterAll(() => bench.close());

  const call = (method: string, path: string, body?: unknown, token?: string) =>
    bench.server.call<Record<string, unknown>>(method, path, {
      ...(body !== undefined && { body }),
      ...(token !== undefined && { token }),
    });
  const pin = (group: string, profile: BenchProfile, body: unknown) =>
    call('PUT', `${GROUPS}${group}/pins/${profile.id}/`, body);
  const unpin = (group: string, profile: BenchProfile) => call('DELETE', `${GROUPS}${group}/pins/${profile.id}/`);
  const explain = async (group: string, profile: BenchProfile) =>
    (await call('GET', `${GROUPS}${group}/members/${profile.id}/`)).body;
  const feed = async (group: string): Promise<string[]> =>
    (await bench.changes(group)).map(({ change, cause }) => `${change} ${cause}`);

  it('lets pins stand over the rule until they end or are taken away, and says so', async () => {
    const [inside, outside] = [await bench.profile(), await bench.profile()];
    await bench.send(inside, 'comment-created');
    const group = await bench.group(comments(1));
    await bench.tick();
    expect(await bench.members(group)).toEqual([inside.id]);
    const end = bench.clock.now() + HOUR;
    expect((await pin(group, inside, { pin: 'out', reason: 'took a break' })).body).toMatchObject({
      pin: 'out',
      reason: 'took a break',
      expires_at: null,
      created_by: 'token:bootstrap',
    });
    expect((await pin(group, outside, { pin: 'in', reason: 'jury', expires_at: formatInstant(end) })).status).toBe(200);
    await bench.tick();
    expect(await bench.members(group)).toEqual([outside.id]);
    expect(await explain(group, outside)).toMatchObject({
      is_member: true,
      pin: { pin: 'in', reason: 'jury', expires_at: formatInstant(end) },
      next_change_at: formatInstant(end),
      explanation: { result: false },
    });
    expect(await explain(group, inside)).toMatchObject({ is_member: false, next_change_at: null });

    bench.clock.set(end);
    await bench.tick();
    expect((await unpin(group, inside)).status).toBe(204);
    expect((await unpin(group, inside)).status).toBe(404);
    await bench.tick();
    expect(await bench.members(group)).toEqual([inside.id]);
    expect(await explain(group, outside)).toMatchObject({ is_member: false, pin: null });
    expect(await feed(group)).toEqual(['entered rule', 'left pin', 'entered pin', 'left pin', 'entered pin']);
    expect((await bench.changes(group))[3]?.at).toBe(formatInstant(end));
  });

  it('refuses pins that are none, of nobody, and on static groups', async () => {
    const profile = await bench.profile();
    const group = await bench.group(comments(1));
    const refused = await pin(group, profile, { pin: 'maybe', reason: 'x'.repeat(1001), expires_at: '2020-01-01' });
    expect(refused.status).toBe(400);
    expect(Object.keys(refused.body).sort()).toEqual(['expires_at', 'pin', 'reason']);
    const nobody = { id: crypto.randomUUID(), token: '' };
    expect((await pin(group, nobody, { pin: 'in', reason: 'x' })).status).toBe(404);
    const fixed = await bench.staticGroup();
    expect(await pin(fixed, profile, { pin: 'in', reason: 'x' })).toMatchObject({
      status: 409,
      body: { error_code: 'conflict' },
    });
    expect((await unpin(fixed, profile)).status).toBe(409);
    expect((await call('POST', `${GROUPS}${fixed}/verify/`)).status).toBe(409);
    for (const method of ['POST', 'DELETE'])
      expect((await call(method, `${GROUPS}${group}/members/`, { profile_ids: [profile.id] })).status).toBe(409);
  });

  it('names the groups that it misses or would close a circle with', async () => {
    const inner = await bench.group(comments(1));
    const { name } = await bench.show(inner);
    const reads = (id: string) => ({ attribute: 'profile_group', condition: 'in' as const, value: [id] });
    const outer = await bench.group(reads(inner));
    const circle = await call('PATCH', `${GROUPS}${inner}/`, { rule_tree: reads(outer) });
    expect(circle.status).toBe(400);
    expect(JSON.stringify(circle.body)).toContain(`'${name}' (${inner})`);
    await bench.patch(outer, { is_active: false });
    await bench.patch(inner, { is_active: false });
    const restored = await call('POST', `${GROUPS}${outer}/restore/`);
    expect(restored).toMatchObject({ status: 409, body: { detail: `The group '${name}' (${inner}) is not active.` } });
    const saved = await call('POST', GROUPS, { name: 'n', membership_type: 'dynamic', rule_tree: reads(inner) });
    expect(saved.body).toMatchObject({ 'rule_tree.value[0]': [`The group '${name}' (${inner}) is not active.`] });
  });

  it('is compared with a preview only where there is such a group', async () => {
    const { context } = bench.server.app;
    const { application } = await createApplication(context, { name: 'Another' });
    const { token } = await createAdminToken(context, application.id, { name: 'another' });
    const theirs = await bench.server.call<{ id: string }>(
      'POST',
      `applications/${application.client_id}/profile-groups/`,
      { token, body: { name: 'Theirs', membership_type: 'dynamic', custom_id: 'theirs', rule_tree: comments(1) } },
    );
    expect(theirs.status).toBe(201);
    const inactive = await bench.group(comments(1));
    await bench.patch(inactive, { is_active: false });
    const missing = [crypto.randomUUID(), theirs.body.id, 'custom:theirs', 'custom:', 'nobody', '', inactive];
    for (const group_id of missing) {
      const answer = await call('POST', `${GROUPS}preview/`, { rule_tree: comments(1), group_id });
      expect(answer.status, group_id).toBe(400);
      expect(Object.keys(answer.body), group_id).toEqual(['group_id']);
    }
    const both = await call('POST', `${GROUPS}preview/`, { rule_tree: {}, group_id: missing[0] });
    expect(Object.keys(both.body)).toEqual(expect.arrayContaining(['group_id']));
    expect(JSON.stringify(both.body)).toContain('rule_tree');
    const fixed = await bench.staticGroup();
    expect((await call('POST', `${GROUPS}preview/`, { rule_tree: comments(1), group_id: fixed })).status).toBe(409);
  });

  it('that is paused stands still but for pins, and catches up when it goes on', async () => {
    const [staying, coming, pinned] = [await bench.profile(), await bench.profile(), await bench.profile()];
    await bench.send(staying, 'poll-voted');
    const group = await bench.group({
      attribute: 'total_poll_votes',
      condition: 'greater_than',
      value: 0,
      window: 'PT1H',
    });
    await bench.tick();
    expect((await explain(group, staying))['next_change_at']).not.toBeNull();
    await bench.patch(group, { is_paused: true });
    expect(await explain(group, staying)).toMatchObject({ is_member: true, next_change_at: null });
    const { as_of: asOf } = (await bench.show(group)).evaluation ?? {};
    await bench.send(coming, 'poll-voted');
    await pin(group, pinned, { pin: 'in', reason: 'x' });
    bench.clock.advance(2 * HOUR);
    await bench.send(coming, 'poll-voted');
    await bench.tick();
    expect(await bench.members(group)).toEqual([staying.id, pinned.id].sort());
    expect((await bench.show(group)).evaluation).toMatchObject({ state: 'paused', as_of: asOf });
    expect((await call('POST', `${GROUPS}${group}/verify/`)).status).toBe(409);

    const edit = { attribute: 'total_poll_votes', condition: 'greater_than' as const, value: 1 };
    const served = (await bench.show(group)).evaluation?.ruleset_id;
    await bench.patch(group, { rule_tree: edit });
    await bench.tick();
    expect((await bench.show(group)).evaluation).toMatchObject({ state: 'paused', ruleset_id: served });
    await bench.patch(group, { is_paused: false });
    expect((await bench.show(group)).evaluation?.state).toBe('filling');
    expect((await call('POST', `${GROUPS}${group}/verify/`)).status).toBe(409);
    await bench.tick();
    expect(await bench.members(group)).toEqual([coming.id, pinned.id].sort());
    const shown = await bench.show(group);
    expect(shown.evaluation).toMatchObject({ state: 'live', ruleset_id: shown.ruleset?.id, progress: null });
    expect((await call('POST', `${GROUPS}${group}/verify/`)).body).toMatchObject({ missing: 0, extra: 0 });
  });

  it('tells its past up to where it is evaluated, and its size by the instants of its changes', async () => {
    bench.clock.set((Math.floor(bench.clock.now() / MICROS_PER_DAY) + 2) * MICROS_PER_DAY + 10 * HOUR);
    await bench.tick();
    const profile = await bench.profile();
    const group = await bench.group({
      attribute: 'total_quiz_answers',
      condition: 'greater_than',
      value: 0,
      window: 'PT2H',
    });
    expect((await call('GET', `${GROUPS}${group}/members/?as_of=${formatInstant(bench.clock.now())}`)).status).toBe(
      400,
    );
    await bench.tick();
    const sent = await bench.send(profile, 'quiz-answered');
    await bench.tick();
    bench.clock.advance(5 * HOUR);
    const past = async (at: number): Promise<unknown> => {
      const answer = await call('GET', `${GROUPS}${group}/members/?as_of=${formatInstant(at)}`);
      return answer.status === 200 ? answer.body['count'] : Object.keys(answer.body);
    };
    expect(await past(sent + 2 * HOUR)).toEqual(['as_of']); // nobody has looked yet
    await bench.tick();
    expect(await past(sent + 2 * HOUR)).toBe(0);
    expect(await past(sent + 2 * HOUR - 1)).toBe(1);
    expect(await past(sent - 1)).toBe(0);
    const { body } = await call('GET', `${GROUPS}${group}/size/?since=${formatInstant(sent)}`);
    const sizes = body['results'] as { size: number; entered: number; left: number }[];
    expect(sizes.map(({ size, entered, left }) => [size, entered, left])).toEqual([
      [1, 1, 0],
      [1, 0, 0],
      [0, 0, 1],
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
    ]);
    // What comes late changes membership now, and never the past.
    await bench.send(profile, 'quiz-answered', { occurred_at: formatInstant(bench.clock.now() - HOUR) });
    const before = bench.clock.now();
    await bench.tick();
    const last = (await bench.changes(group)).at(-1);
    expect(last).toMatchObject({ change: 'entered', cause: 'activity' });
    expect((last?.at ?? '') >= formatInstant(before)).toBe(true);
  });

  it('names the cause of each change, and keeps the bare id of whom it lost', async () => {
    const profile = await bench.profile();
    const inner = await bench.group({ attribute: 'nickname', condition: 'equals', value: 'Named' });
    const outer = await bench.group({ attribute: 'profile_group', condition: 'in', value: [inner] });
    await bench.tick();
    await call('PATCH', `profiles/${profile.id}/`, { nickname: 'Named' });
    await bench.tick();
    expect((await call('DELETE', `profiles/${profile.id}/`)).status).toBe(204);
    await bench.tick();
    expect(await feed(inner)).toEqual(['entered profile', 'left erased']);
    expect(await feed(outer)).toEqual(['entered group', 'left erased']);
    expect((await bench.changes(outer)).map((row) => row.profile_id)).toEqual([profile.id, profile.id]);
    expect([(await bench.show(inner)).profile_count, (await bench.show(outer)).profile_count]).toEqual([0, 0]);
  });

  it('splits profiles by its own id, or by the salt that its rule gives', async () => {
    const profiles: BenchProfile[] = [];
    for (let n = 0; n < 12; n++) profiles.push(await bench.profile());
    const bucketOf = (salt: string, id: string): bigint =>
      createHash('sha256').update(`${salt}\0${id}`).digest().readBigUInt64BE() % 10_000n;
    const half = { attribute: 'random_bucket', condition: 'less_than' as const, value: 5000 };
    const own = await bench.group(half);
    const salted = await bench.group({ ...half, salt: 'ü' });
    await bench.tick();
    for (const [group, salt] of [
      [own, own],
      [salted, 'ü'],
    ] as const) {
      const members = await bench.members(group);
      for (const { id } of profiles) expect(members.includes(id), id).toBe(bucketOf(salt, id) < 5000n);
    }
  });

  it('lets nobody in by an attribute of their own writing', async () => {
    const fan = await bench.profile();
    const own = `profiles/${fan.id}/`;
    const backstage = (value: string) => ({ attributes: [{ key: 'backstage', value }] });
    expect((await call('PATCH', own, backstage('true'), fan.token)).status).toBe(200); // nobody knows the key yet
    await call('POST', `${APPLICATION}profile-attributes/`, { key: 'backstage', type: 'boolean' });
    const group = await bench.group({ attribute: 'backstage', condition: 'is', value: true });
    const empty = await bench.group({ attribute: 'backstage', condition: 'is_empty' });
    await bench.tick();
    expect(await bench.members(group)).toEqual([]);
    expect(await bench.members(empty)).toContain(fan.id);
    expect((await call('PATCH', own, backstage('false'), fan.token)).status).toBe(400);
    expect((await call('PATCH', own, backstage('true'), fan.token)).status).toBe(200); // sent back as it stands: no change
    const fresh = await bench.server.call<{ id: string }>('POST', `${APPLICATION}profile/`, {
      body: backstage('true'),
      token: null,
    });
    expect(fresh.status).toBe(400);
    await bench.tick();
    expect(await bench.members(group)).toEqual([]);

    await call('PATCH', own, backstage('true')); // sent back as it stands, it keeps its writer
    await bench.tick();
    expect(await bench.members(group)).toEqual([]);
    await call('PATCH', own, { attributes: [] });
    await call('PATCH', own, backstage('true'));
    await bench.tick();
    expect(await bench.members(group)).toEqual([fan.id]);
    for (const attributes of [[], [{ key: 'team', value: 'lions' }]])
      expect((await call('PATCH', own, { attributes }, fan.token)).status).toBe(200);
    await bench.tick();
    expect(await bench.members(group)).toEqual([fan.id]); // it cannot take away what an admin wrote either
    await call('PATCH', own, { attributes: [] });
    await bench.tick();
    expect(await bench.members(group)).toEqual([]);
    expect(await feed(group)).toEqual(['entered profile', 'left profile']);
  });
});
