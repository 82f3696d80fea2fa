import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { totalsAndNaive } from '../activities/naive-totals.ts';
import { signClientToken } from '../credentials/testing.ts';
import { raw, sql, type Sql } from '../database/database.ts';
import { formatInstant, MICROS_PER_SECOND } from '../instant.ts';
import { createBench, type BenchProfile, type EngineBench } from '../testing/engine.ts';
import { CLIENT_ID, refusal } from '../testing/server.ts';

const COMMENT = 'comment-created';
const NOBODY = '00000000-0000-7000-8000-000000000000';

describe('merging', () => {
  let bench: EngineBench;
  beforeAll(async () => (bench = await createBench()));
  afterAll(() => bench.close());

  const sdk = () => bench.server.sdk;
  const merge = (source: BenchProfile, target: BenchProfile, options = {}) =>
    sdk().profiles.merge(source.id, { into: target.id, ...options });
  const two = async (): Promise<[BenchProfile, BenchProfile]> => [await bench.profile(), await bench.profile()];
  const sendMany = async (profile: BenchProfile, count: number, item = {}) => {
    for (let i = 0; i < count; i++) await bench.send(profile, COMMENT, item);
  };
  const atLeast = (value: number, window?: string) =>
    bench.group({
      attribute: 'total_comments_posted',
      condition: 'greater_than_or_equal',
      value,
      ...(window !== undefined && { window }),
    });
  const feed = async (group: string) =>
    (await bench.changes(group)).map(({ change, profile_id, cause }) => `${change} ${profile_id} ${cause}`);

  /** Of the whole database: totals as raw activities have them, and nothing that belongs to nobody. */
  async function expectSound() {
    const { db } = bench.server.app.context;
    const { totals, naive } = await totalsAndNaive(db);
    expect(totals).toEqual(naive);
    for (const table of ['activities', 'totals', 'members', 'pins', 'queue', 'profile_attributes', 'profile_tokens']) {
      const { rows } = await db.query(sql`
        select profile_id from ${raw(table)} t where not exists (select from profiles p where p.id = t.profile_id
          and coalesce((to_jsonb(t) ->> 'ordinal')::int, p.ordinal) = p.ordinal)`);
      expect(rows, table).toEqual([]);
    }
    const countOf = async (what: Sql): Promise<number | undefined> =>
      (await db.query<{ count: number }>(sql`select coalesce(${what}, 0)::bigint as count`)).rows[0]?.count;
    expect(await countOf(sql`(select sum(profiles) from statistics)`)).toBe(
      await countOf(sql`(select count(*) from profiles)`),
    );
    const { rows: named } = await db.query<{ id: string }>(sql`select profile_id as id from custom_ids`);
    const { rows: profiles } = await db.query<{ id: string }>(sql`select id from profiles`);
    expect(profiles.map(({ id }) => id)).toEqual(expect.arrayContaining(named.map(({ id }) => id)));
  }

  it('moves activities and counts them once', async () => {
    const [source, target] = await two();
    await bench.send(source, COMMENT, { id: 'a' });
    await bench.send(source, COMMENT, { id: 'both', value: 7 });
    await bench.send(target, COMMENT, { id: 'both', value: 2 });
    const done = await merge(source, target);
    expect(done).toMatchObject({ id: source.id, into: target.id, state: 'merged', activities: 1, duplicates: 1 });
    expect(done.profile).toEqual(await sdk().profiles.get(target.id));
    const rows = await sdk().profiles.activities(target.id).all();
    expect(rows.map(({ id, value }) => [id, value]).sort()).toEqual([
      ['a', 1],
      ['both', 2],
    ]);
    expect(await bench.server.call('GET', `applications/${CLIENT_ID}/profiles/${target.id}/activities/`)).toMatchObject(
      {
        body: { count: 2 },
      },
    );
    // Sent again under either id, both are known.
    const again = await sdk().activities.send([
      { id: 'a', type: COMMENT, profile_id: source.id },
      { id: 'both', type: COMMENT, profile_id: target.id },
    ]);
    expect(again).toEqual({ accepted: 0, duplicates: 2, rejected: [] });
    await expectSound();
  });

  it('keeps the first of one id in a batch, also where it stands under the former id', async () => {
    const [source, target] = await two();
    await merge(source, target);
    const item = { id: 'one', type: COMMENT };
    const sent = await sdk().activities.send([
      { ...item, profile_id: source.id, value: 3 },
      { ...item, profile_id: target.id, value: 1000 },
    ]);
    expect(sent).toEqual({ accepted: 1, duplicates: 1, rejected: [] });
    const [stored] = await sdk().profiles.activities(target.id).all();
    expect(stored).toMatchObject({ id: 'one', value: 3 });
    await expectSound();
  });

  it('takes the newest state of both, also where the newest of the source was known to the target otherwise', async () => {
    await sdk().attributes.define({
      key: 'mood',
      label: 'Mood',
      type: 'string',
      derived_from: { fn: 'state', types: [COMMENT], key: 'mood' },
    });
    const at = (second: number) => formatInstant(bench.clock.now() - (100 - second) * MICROS_PER_SECOND);
    for (const [ofSource, ofTarget, expected] of [
      [{ id: 's', second: 5 }, { id: 't', second: 3 }, 's5'],
      [{ id: 's', second: 3 }, { id: 't', second: 5 }, 't5'],
      [{ id: 'x', second: 9 }, { id: 'x', second: 3 }, 't3'],
    ] as const) {
      const [source, target] = await two();
      const mood = (who: string, { id, second }: { id: string; second: number }) => ({
        id,
        occurred_at: at(second),
        data: { mood: `${who}${second}` },
      });
      await bench.send(source, COMMENT, mood('s', ofSource));
      await bench.send(target, COMMENT, mood('t', ofTarget));
      await merge(source, target);
      const group = await bench.group({ attribute: 'mood', condition: 'equals', value: expected });
      await bench.tick();
      expect(await bench.members(group), expected).toContain(target.id);
    }
    await expectSound();
  });

  it('gives the target what both together amount to, in one step, and lets the source go', async () => {
    const [source, target] = await two();
    const [ten, five, never] = [await atLeast(10), await atLeast(5), await atLeast(50)];
    const fewer = await bench.group({ attribute: 'total_comments_posted', condition: 'between', value: [1, 6] });
    const nested = await bench.group({ attribute: 'profile_group', condition: 'in', value: [ten] });
    await bench.tick();
    await sendMany(source, 6);
    await sendMany(target, 6);
    await bench.tick();
    expect(await bench.members(five)).toEqual([source.id, target.id].sort());
    expect(await bench.members(fewer)).toEqual(expect.arrayContaining([source.id, target.id]));
    const done = await merge(source, target);
    expect(done.groups.entered.sort()).toEqual([ten, nested].sort());
    expect(done.groups.left).toEqual([fewer]);
    for (const group of [ten, five, nested]) expect(await bench.members(group)).toEqual([target.id]);
    expect(await bench.members(never)).toEqual([]);
    expect(await feed(ten)).toEqual([`entered ${target.id} merged`]);
    expect((await feed(five)).slice(-1)).toEqual([`left ${source.id} merged`]);
    expect((await feed(fewer)).slice(-2).sort()).toEqual(
      [`left ${source.id} merged`, `left ${target.id} merged`].sort(),
    );
    for (const group of [ten, five, never, fewer, nested]) {
      expect((await bench.show(group)).profile_count).toBe((await bench.members(group)).length);
      expect(await sdk().groups.verify(group)).toMatchObject({ missing: 0, extra: 0 });
    }
    await bench.tick();
    expect(await feed(ten)).toEqual([`entered ${target.id} merged`]);
    await expectSound();
  });

  it('loses no flip that had come but was not swept yet', async () => {
    const [source, target] = await two();
    const group = await atLeast(2, 'PT5S');
    const both = await atLeast(3, 'PT60S');
    await bench.tick();
    await sendMany(target, 1);
    const second = await bench.send(target, COMMENT);
    await sendMany(source, 2);
    await bench.tick();
    expect(await bench.members(group)).toEqual(expect.arrayContaining([source.id, target.id]));
    bench.clock.advance(7 * MICROS_PER_SECOND);
    await merge(source, target);
    const changes = (await bench.changes(group)).filter(({ profile_id }) => profile_id === target.id);
    expect(changes.map(({ change, cause }) => [change, cause])).toEqual([
      ['entered', 'activity'],
      ['left', 'clock'],
    ]);
    expect(Date.parse(changes[1]?.at ?? '')).toBeLessThanOrEqual((second + 5 * MICROS_PER_SECOND) / 1000);
    expect((await bench.changes(group)).filter(({ profile_id }) => profile_id === source.id).at(-1)).toMatchObject({
      change: 'left',
      cause: 'clock',
    });
    expect(await bench.members(both)).toContain(target.id);
    bench.clock.advance(60 * MICROS_PER_SECOND);
    await bench.tick();
    expect(await bench.members(both)).not.toContain(target.id);
    for (const one of [group, both]) expect(await sdk().groups.verify(one)).toMatchObject({ missing: 0, extra: 0 });
  });

  it('unites static memberships and keeps the pins of the target', async () => {
    const [source, target] = await two();
    const [own, shared, theirs] = [
      await bench.staticGroup([target]),
      await bench.staticGroup([source, target]),
      await bench.staticGroup([source]),
    ];
    const groups = [await atLeast(100), await atLeast(100), await atLeast(100)];
    await bench.tick();
    const pin = (group: string, profile: BenchProfile, how: 'in' | 'out') =>
      sdk().groups.pin(group, profile.id, { pin: how, reason: how });
    await pin(groups[0] ?? '', source, 'in');
    await pin(groups[1] ?? '', source, 'in');
    await pin(groups[1] ?? '', target, 'out');
    await pin(groups[2] ?? '', target, 'in');
    await bench.tick();
    const done = await merge(source, target);
    for (const group of [own, shared, theirs]) expect(await bench.members(group)).toEqual([target.id]);
    expect(await feed(shared)).toEqual([
      expect.stringMatching('entered'),
      expect.stringMatching('entered'),
      `left ${source.id} merged`,
    ]);
    expect(done.groups.entered.sort()).toEqual([theirs, groups[0]].sort());
    expect(await bench.members(groups[0] ?? '')).toEqual([target.id]);
    expect(await bench.members(groups[1] ?? '')).toEqual([]);
    expect(await bench.members(groups[2] ?? '')).toEqual([target.id]);
    expect(await sdk().groups.explain(groups[1] ?? '', source.id)).toMatchObject({ pin: { pin: 'out' } });
    await bench.tick();
    await expectSound();
  });

  it('lets a pin that comes along act in a paused group', async () => {
    const [source, target] = await two();
    const group = await atLeast(100);
    await bench.tick();
    await bench.patch(group, { is_paused: true });
    await sdk().groups.pin(group, source.id, { pin: 'in', reason: '' });
    await bench.tick();
    await merge(source, target);
    expect(await bench.members(group)).toEqual([target.id]);
  });

  it('brings the pins of a deactivated group along, which act when it is restored', async () => {
    const [source, target] = await two();
    const [theirs, both, over] = [await atLeast(100), await atLeast(100), await atLeast(100)];
    const pin = (group: string, profile: BenchProfile, how: 'in' | 'out', seconds?: number) =>
      sdk().groups.pin(group, profile.id, {
        pin: how,
        reason: '',
        expires_at: seconds === undefined ? null : formatInstant(bench.clock.now() + seconds * MICROS_PER_SECOND),
      });
    await pin(theirs, source, 'in');
    await pin(both, source, 'in');
    await pin(both, target, 'out');
    await pin(over, source, 'in');
    await pin(over, target, 'out', 60);
    await bench.tick();
    for (const group of [theirs, both, over]) await bench.patch(group, { is_active: false });
    bench.clock.advance(120 * MICROS_PER_SECOND);
    await merge(source, target);
    for (const group of [theirs, both, over]) await sdk().groups.restore(group);
    await bench.tick();
    expect(await bench.members(theirs)).toEqual([target.id]);
    expect(await bench.members(both)).toEqual([]);
    expect(await bench.members(over)).toEqual([target.id]);
    await expectSound();
  });

  it('keeps the values of the target, takes what it lacks and unites lists', async () => {
    await sdk().attributes.define({ key: 'teams', label: 'Teams', type: 'list' });
    const source = await bench.profile({
      nickname: 'Source',
      custom_data: 'of the source',
      attributes: [
        { key: 'city', value: 'Oslo' },
        { key: 'shirt', value: 'L' },
        { key: 'teams', value: 'lions' },
        { key: 'teams', value: 'bears' },
      ],
    });
    const target = await bench.profile({
      nickname: 'Target',
      attributes: [
        { key: 'city', value: 'Bergen' },
        { key: 'teams', value: 'bears' },
      ],
    });
    const group = await bench.group({ attribute: 'teams', condition: 'contains', value: 'lions' });
    await bench.tick();
    const { profile } = await merge(source, target);
    expect(profile).toMatchObject({ nickname: 'Target', custom_data: 'of the source' });
    expect(profile.attributes).toEqual([
      { key: 'city', value: 'Bergen' },
      { key: 'teams', value: 'bears' },
      { key: 'shirt', value: 'L' },
      { key: 'teams', value: 'lions' },
    ]);
    expect(profile).toEqual(await sdk().profiles.get(target.id));
    expect(await bench.members(group)).toEqual([target.id]);
  });

  it('is told in the feed of profiles', async () => {
    const { body: before } = await bench.server.call<{ count: number }>(
      'GET',
      `applications/${CLIENT_ID}/profile-changes/`,
    );
    const [source, target] = [await bench.profile({ attributes: [{ key: 'hat', value: 'M' }] }), await bench.profile()];
    await merge(source, target);
    const { body } = await bench.server.call<{ results: unknown[] }>(
      'GET',
      `applications/${CLIENT_ID}/profile-changes/?after=${before.count + 2}`,
    );
    expect(body.results).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ event: 'profile.merged', profile_id: source.id, into: target.id }),
        expect.objectContaining({ event: 'profile.updated', profile_id: target.id, changed: ['attributes.hat'] }),
      ]),
    );
  });

  it('leaves out what finds no room, and says how much', async () => {
    const pairs = (prefix: string, count: number) =>
      Array.from({ length: count }, (_, index) => ({ key: `${prefix}${index}`, value: '1' }));
    const source = await bench.profile({ attributes: pairs('s', 60) });
    const target = await bench.profile({ attributes: pairs('t', 60) });
    const done = await merge(source, target);
    expect(done.attributes_left_out).toBe(20);
    expect(done.profile.attributes).toHaveLength(100);
  });

  it('makes the old id answer as the target does, in paths and in lists', async () => {
    const [first, source, target] = [await bench.profile(), ...(await two())];
    const [group, pinned] = [await bench.staticGroup(), await atLeast(100)];
    await bench.tick();
    await merge(first, source);
    await merge(source, target); // a chain
    const { profiles, groups, activities } = sdk();
    for (const old of [first, source]) {
      expect((await profiles.get(old.id)).id).toBe(target.id);
      expect((await profiles.update(old.id, { nickname: `By ${old.id}` })).id).toBe(target.id);
      expect((await profiles.get(target.id)).nickname).toBe(`By ${old.id}`);
      expect(await activities.send([{ id: `by ${old.id}`, type: COMMENT, profile_id: old.id }])).toMatchObject({
        accepted: 1,
        rejected: [],
      });
      expect((await profiles.activities(old.id).all()).map(({ id }) => id)).toContain(`by ${old.id}`);
      expect((await profiles.list({ id: [old.id] } as never).all()).map(({ id }) => id)).toEqual([target.id]);
      expect(await groups.addMembers(group, { profile_ids: [old.id] })).toEqual({
        successfully_added: [old.id],
        already_added: [],
        invalid_ids: [],
      });
      expect(await groups.addMembers(group, { profile_ids: [old.id, target.id, NOBODY] })).toEqual({
        successfully_added: [],
        already_added: [old.id],
        invalid_ids: [NOBODY],
      });
      expect(await groups.explain(group, old.id)).toMatchObject({ is_member: true });
      expect((await profiles.groups(old.id).all()).map(({ group_id }) => group_id)).toContain(group);
      await groups.removeMembers(group, { profile_ids: [old.id] });
      expect(await bench.members(group)).toEqual([]);
      expect(await groups.replaceMembers(group, JSON.stringify(old.id), 'application/x-ndjson')).toMatchObject({
        added: 1,
        invalid_count: 0,
      });
      expect(await bench.members(group)).toEqual([target.id]);
      await groups.removeMembers(group, { profile_ids: [old.id] });
      await groups.pin(pinned, old.id, { pin: 'in', reason: '' });
      await bench.tick();
      expect(await bench.members(pinned)).toEqual([target.id]);
      expect(await groups.explain(pinned, old.id)).toMatchObject({ is_member: true, pin: { pin: 'in' } });
      await groups.unpin(pinned, old.id);
      await bench.tick();
      expect(await bench.members(pinned)).toEqual([]);
      await activities.delete(old.id, `by ${old.id}`);
      expect(await profiles.activities(target.id).all()).toEqual([]);
      const token = await profiles.rotateToken(old.id);
      expect(
        (await bench.server.as(token).request<{ id: string }>('GET', `applications/${CLIENT_ID}/profile/`)).id,
      ).toBe(target.id);
    }
    expect((await profiles.merges(target.id).all()).map(({ id }) => id)).toEqual([source.id, first.id]);
    await profiles.erase(first.id);
    for (const { id } of [first, source, target]) expect((await refusal(profiles.get(id))).status).toBe(404);
    await expectSound();
  });

  it('counts a repeat that would be refused today as one, also under the old id', async () => {
    const [source, target] = await two();
    const at = formatInstant(bench.clock.now() - 8 * 86_400 * MICROS_PER_SECOND);
    await sdk().activities.send([{ id: 'old', type: COMMENT, profile_id: source.id, occurred_at: at }]);
    await merge(source, target, { tokens: 'follow' });
    const items = [
      { id: 'old', type: COMMENT, profile_id: source.id, occurred_at: at },
      { id: 'new', type: COMMENT, profile_id: source.id },
    ];
    const answer = await bench.server.call('POST', `applications/${CLIENT_ID}/activities/`, {
      token: source.token,
      body: { activities: items },
    });
    expect(answer.body).toMatchObject({
      accepted: 1,
      rejected: expect.toSatisfy((list: unknown[]) => list.length <= 1),
    });
  });

  it('lets tokens follow or die', async () => {
    const [dead, lively, target, last] = [
      await bench.profile(),
      await bench.profile(),
      await bench.profile(),
      await bench.profile(),
    ];
    const whoIs = async (token: string) =>
      bench.server.call<{ id: string }>('GET', `applications/${CLIENT_ID}/profile/`, { token });
    await merge(dead, target);
    expect((await whoIs(dead.token)).status).toBe(401);
    await merge(lively, target, { tokens: 'follow' });
    for (const token of [lively.token, target.token])
      expect(await whoIs(token)).toMatchObject({ status: 200, body: { id: target.id } });
    await merge(target, last, { tokens: 'follow' });
    for (const token of [lively.token, target.token, last.token])
      expect(await whoIs(token)).toMatchObject({ status: 200, body: { id: last.id } });
    expect((await whoIs(dead.token)).status).toBe(401);
    await sdk().profiles.revokeTokens(last.id);
    for (const token of [dead.token, lively.token, target.token, last.token])
      expect((await whoIs(token)).status).toBe(401);
  });

  describe('of custom ids', () => {
    const use = async (customId: string, at = bench.clock.now()) => {
      const token = await signClientToken(at, { custom_profile_id: customId });
      return bench.server.call<{ id: string; custom_id: string }>('GET', `applications/${CLIENT_ID}/profile/`, {
        token,
      });
    };

    it('gives the only one to the target', async () => {
      const [source, target] = [await bench.profile({ custom_id: 'only' }), await bench.profile()];
      bench.clock.advance(5 * MICROS_PER_SECOND);
      const before = bench.clock.now();
      bench.clock.advance(5 * MICROS_PER_SECOND);
      expect((await merge(source, target)).profile.custom_id).toBe('only');
      expect((await sdk().profiles.getByCustomId('only')).id).toBe(target.id);
      expect((await use('only', before)).status).toBe(401); // its tokens died
      bench.clock.advance(5 * MICROS_PER_SECOND);
      expect((await use('only')).body).toMatchObject({ id: target.id, custom_id: 'only' });
    });

    it('refuses two unless forced; then the one leads to the other', async () => {
      const [source, target] = [
        await bench.profile({ custom_id: 'two-s' }),
        await bench.profile({ custom_id: 'two-t' }),
      ];
      bench.clock.advance(5 * MICROS_PER_SECOND);
      const before = bench.clock.now();
      bench.clock.advance(5 * MICROS_PER_SECOND);
      const refused = await refusal(merge(source, target));
      expect(refused).toMatchObject({ status: 409, message: expect.stringContaining("'two-s' and 'two-t'") });
      const done = await merge(source, target, { force: true, tokens: 'follow' });
      expect(done).toMatchObject({ custom_id: 'two-s', profile: { custom_id: 'two-t' } });
      expect((await sdk().profiles.getByCustomId('two-s')).id).toBe(target.id);
      expect((await use('two-s', before)).body).toMatchObject({ id: target.id, custom_id: 'two-t' });
      expect((await refusal(sdk().profiles.createByCustomId('two-s'))).status).toBe(409);
      expect(await sdk().profiles.upsert([{ custom_id: 'two-s', nickname: 'Upserted' }])).toMatchObject([
        { status: 'updated', id: target.id },
      ]);
      expect(await sdk().profiles.get(target.id)).toMatchObject({ custom_id: 'two-t', nickname: 'Upserted' });
      expect(await sdk().activities.send([{ id: 'by alias', type: COMMENT, custom_id: 'two-s' }])).toMatchObject({
        accepted: 1,
      });
      const group = await bench.staticGroup();
      expect(await sdk().groups.addMembers(group, { custom_ids: ['two-s', 'two-t'] })).toMatchObject({
        successfully_added: ['two-s'],
      });
      // A further merge takes it along; tokens that do not follow die with it.
      const last = await bench.profile();
      bench.clock.advance(5 * MICROS_PER_SECOND);
      await merge(target, last);
      expect((await sdk().profiles.getByCustomId('two-s')).id).toBe(last.id);
      expect((await use('two-s', before)).status).toBe(401);
      bench.clock.advance(5 * MICROS_PER_SECOND);
      expect((await use('two-s')).body.id).toBe(last.id);
      // It may become the profile's own; what it had before is free.
      expect((await sdk().profiles.update(last.id, { custom_id: 'two-s' })).custom_id).toBe('two-s');
      expect((await refusal(sdk().profiles.getByCustomId('two-t'))).status).toBe(404);
      await expectSound();
    });

    it('frees them all when the target is erased', async () => {
      const [source, target] = [await bench.profile({ custom_id: 'er-s' }), await bench.profile({ custom_id: 'er-t' })];
      await merge(source, target, { force: true });
      bench.clock.advance(5 * MICROS_PER_SECOND);
      const before = bench.clock.now();
      bench.clock.advance(5 * MICROS_PER_SECOND);
      await sdk().profiles.erase(source.id);
      for (const customId of ['er-s', 'er-t']) {
        expect((await use(customId, before)).status).toBe(401);
        expect((await refusal(sdk().profiles.getByCustomId(customId))).status).toBe(404);
      }
      bench.clock.advance(5 * MICROS_PER_SECOND);
      expect((await use('er-s')).body.id).not.toBe(target.id);
      await expectSound();
    });
  });

  it('refuses rings, oneself, the erased and the unknown', async () => {
    const [source, target, gone] = [...(await two()), await bench.profile()];
    expect(await refusal(merge(source, source))).toMatchObject({ status: 409 });
    await sdk().profiles.erase(gone.id);
    expect(await refusal(merge(source, gone))).toMatchObject({ status: 409 });
    expect(await refusal(merge(gone, target))).toMatchObject({ status: 404 });
    expect(await refusal(sdk().profiles.merge(source.id, { into: 'custom:nobody-has-it' }))).toMatchObject({
      status: 409,
    });
    expect((await refusal(sdk().profiles.merge(source.id, { into: 'x' }))).fields).toHaveProperty('into');
    await merge(source, target);
    expect(await refusal(merge(target, source))).toMatchObject({ status: 409 });
    expect(await refusal(merge(source, target))).toMatchObject({ status: 409 });
    expect((await refusal(bench.server.as(target.token).profiles.merge(source.id, { into: target.id }))).status).toBe(
      403,
    );
  });

  it('says what it would do and does nothing of it', async () => {
    const [source, target] = await two();
    await sendMany(source, 3);
    await sendMany(target, 3);
    const group = await bench.group({ attribute: 'total_comments_posted', condition: 'equals', value: 6 });
    await bench.tick();
    const before = await Promise.all([source, target].map(({ id }) => sdk().profiles.get(id)));
    const told = await merge(source, target, { dryRun: true });
    expect(told).toMatchObject({
      activities: 3,
      groups: { entered: expect.arrayContaining([group]), left: [] },
      profile: { id: target.id },
    });
    expect(await Promise.all([source, target].map(({ id }) => sdk().profiles.get(id)))).toEqual(before);
    expect(await bench.members(group)).toEqual([]);
    expect(await merge(source, target)).toMatchObject({ activities: 3, groups: told.groups });
    expect(await bench.members(group)).toEqual([target.id]);
  });

  describe('by fans', () => {
    const mergeOwn = (token: string, accessToken: unknown, more = {}) =>
      bench.server.call<{ id: string; into: string; profile: { id: string } }>(
        'POST',
        `applications/${CLIENT_ID}/profile/merge/`,
        { token, body: { access_token: accessToken, ...more } },
      );

    it('takes the anonymous one into the one with a custom id, whoever asks', async () => {
      for (const [index, asks] of (['anonymous', 'known'] as const).entries()) {
        const [anonymous, known] = [await bench.profile(), await bench.profile({ custom_id: `fan-${index}` })];
        await sendMany(anonymous, 2);
        const [own, other] = asks === 'anonymous' ? [anonymous, known] : [known, anonymous];
        const answer = await mergeOwn(own.token, other.token, { tokens: 'follow' });
        expect(answer).toMatchObject({ status: 200, body: { id: anonymous.id, into: known.id, activities: 2 } });
        expect(answer.body).not.toHaveProperty('groups');
        expect(answer.body.profile.id).toBe(known.id);
        expect(
          (await bench.server.as(anonymous.token).request<{ id: string }>('GET', `applications/${CLIENT_ID}/profile/`))
            .id,
        ).toBe(known.id);
      }
    });

    it('needs both tokens, and one custom id', async () => {
      const [one, other, known] = [...(await two()), await bench.profile({ custom_id: 'known' })];
      const second = await bench.profile({ custom_id: 'second' });
      expect(await mergeOwn(one.token, other.token)).toMatchObject({ status: 409 });
      expect(await mergeOwn(known.token, second.token)).toMatchObject({ status: 409 });
      expect(await mergeOwn(known.token, known.token)).toMatchObject({ status: 409 });
      for (const wrong of ['nonsense', `${one.token}x`, '', 5]) {
        expect(await mergeOwn(known.token, wrong)).toMatchObject({
          status: 400,
          body: { access_token: [expect.any(String)] },
        });
      }
      expect(
        await bench.server.call('POST', `applications/${CLIENT_ID}/profile/merge/`, { token: null, body: {} }),
      ).toMatchObject({ status: 401 });
    });

    it('takes a token that the application signed for either', async () => {
      const anonymous = await bench.profile();
      const token = await signClientToken(bench.clock.now(), { custom_profile_id: 'signed-in' });
      const { body } = await mergeOwn(token, anonymous.token, { tokens: 'follow' });
      expect(body.id).toBe(anonymous.id);
      const other = await bench.profile();
      expect((await mergeOwn(other.token, token)).body).toMatchObject({ id: other.id, into: body.into });
    });
  });

  it('fails with words that help where a client sends nonsense', async () => {
    const [source] = await two();
    const answer = await bench.server.call('POST', `applications/${CLIENT_ID}/profiles/${source.id}/merge/`, {
      body: { into: 5, tokens: 'keep' },
    });
    expect(answer.status).toBe(400);
    expect(Object.keys(answer.body).sort()).toEqual(['into', 'tokens']);
  });
});
