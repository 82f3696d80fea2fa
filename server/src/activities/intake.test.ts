import {
  type AcceptedActivities,
  type NewActivity,
  type OwnProfile,
  type StoredActivity,
} from '@grandstand/sdk/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../database/database.ts';
import { formatInstant, MICROS_PER_DAY, MICROS_PER_SECOND } from '../instant.ts';
import { countWaiting } from '../testing/waiting.ts';
import { CLIENT_ID, startTestServer, testClock, type TestClock, type TestServer } from '../testing/server.ts';
import { totalsAndNaive } from './naive-totals.ts';

const MINUTE = 60 * MICROS_PER_SECOND;

describe('intake', () => {
  let server: TestServer;
  let clock: TestClock;
  beforeAll(async () => {
    clock = testClock('2026-03-01T12:00:00.000000Z');
    server = await startTestServer({ clock });
  });
  afterAll(() => server.close());

  const path = `applications/${CLIENT_ID}/activities/`;
  /** Some items are no activities at all. */
  const send = (activities: unknown[]): Promise<AcceptedActivities> =>
    server.sdk.activities.send(activities as NewActivity[]);
  const makeProfile = (customId?: string): Promise<OwnProfile> =>
    server.sdk.profiles.create({ nickname: 'Fan', ...(customId !== undefined && { custom_id: customId }) });
  const list = (profileId: string, type?: string): Promise<StoredActivity[]> =>
    server.sdk.profiles.activities(profileId, type === undefined ? {} : { type }).all();

  const total = async (profileId: string, factId: number) => {
    const { rows } = await server.app.context.db.query<{
      count: number;
      sum: number;
      first_at: number;
      last_at: number;
      state: unknown;
    }>(
      sql`select count, sum, first_at, last_at, state from totals where profile_id = ${profileId} and fact_id = ${factId}`,
    );
    return rows[0];
  };

  it('stores what it accepts, for profiles named by id or by custom id', async () => {
    const fan = await makeProfile('fan-1');
    const answer = await send([
      { id: 'a', type: 'comment-created', profile_id: fan.id.toUpperCase(), occurred_at: '2026-02-28T10:00:00Z' },
      {
        id: 'b',
        type: 'reward-earned',
        custom_id: 'fan-1',
        occurred_at: '2026-02-28T11:00:00+01:00',
        value: 7,
        data: { 'a"\\,{}': [null, 'x'] },
      },
    ]);
    expect(answer).toEqual({ accepted: 2, duplicates: 0, rejected: [] });
    const [second, first] = await list(fan.id);
    expect(first).toMatchObject({
      id: 'a',
      type: 'comment-created',
      profile_id: fan.id,
      occurred_at: '2026-02-28T10:00:00.000000Z',
      value: 1,
      data: null,
    });
    expect(second).toMatchObject({
      id: 'b',
      type: 'reward-earned',
      occurred_at: '2026-02-28T10:00:00.000000Z',
      value: 7,
      data: { 'a"\\,{}': [null, 'x'] },
    });
  });

  it('counts a repeat as a duplicate also where a state that was defined since refuses its data', async () => {
    const fan = await makeProfile();
    await makeProfile('refused-since');
    const items = [
      { id: 'old', type: 'size-told', profile_id: fan.id, data: { size: 5 } },
      { id: 'old', type: 'size-told', custom_id: 'refused-since', data: { size: 5 } },
    ];
    expect(await send(items)).toMatchObject({ accepted: 2 });
    await server.sdk.attributes.define({
      key: 'told_size',
      label: 'Size',
      type: 'string',
      derived_from: { fn: 'state', types: ['size-told'], key: 'size' },
    });
    const fresh = { ...items[0], id: 'new' };
    const stranger = { ...items[1], id: 'old', custom_id: 'nobody-has-this' };
    expect(await send([...items, fresh, stranger])).toMatchObject({
      accepted: 0,
      duplicates: 2,
      rejected: [
        { index: 2, id: 'new', errors: { 'data.size': [expect.any(String)] } },
        { index: 3, id: 'old' },
      ],
    });
  });

  it('refuses ids to which no path leads, but knows those that were stored', async () => {
    const fan = await makeProfile();
    const item = (id: string) => ({ id, type: 'comment-created', profile_id: fan.id });
    expect(await send([item('.'), item('..'), item('...')])).toEqual({
      accepted: 1,
      duplicates: 0,
      rejected: [0, 1].map((index) => ({
        index,
        id: '...'.slice(0, index + 1),
        errors: { id: ["'.' and '..' cannot be ids: no URL leads to them."] },
      })),
    });
    await server.app.context.db.query(sql`update activities set id = '.' where profile_id = ${fan.id}`);
    expect(await send([item('.')])).toEqual({ accepted: 0, duplicates: 1, rejected: [] });
  });

  it('counts a repeat as a duplicate, in the same batch or however much later, and keeps the first content', async () => {
    const fan = await makeProfile();
    const first = { id: 'once', type: 'reward-earned', profile_id: fan.id, value: 5 };
    expect(await send([first, { ...first, value: 9 }])).toEqual({ accepted: 1, duplicates: 1, rejected: [] });
    clock.advance(400 * MICROS_PER_DAY);
    expect(await send([{ ...first, value: 9, type: 'comment-created' }])).toEqual({
      accepted: 0,
      duplicates: 1,
      rejected: [],
    });
    expect(await list(fan.id)).toMatchObject([{ id: 'once', type: 'reward-earned', value: 5 }]);
    expect(await total(fan.id, 0)).toMatchObject({ count: 1, sum: 5 });
  });

  it('keeps the ids of different profiles apart', async () => {
    const [one, two] = [await makeProfile(), await makeProfile()];
    const answer = await send([one, two].map(({ id }) => ({ id: 'same', type: 'comment-created', profile_id: id })));
    expect(answer.accepted).toBe(2);
  });

  it('counts each activity once when the same batch is sent twenty times at once', async () => {
    const fans = await Promise.all(Array.from({ length: 10 }, () => makeProfile()));
    const batch = Array.from({ length: 200 }, (_, i) => ({
      id: `p${i}`,
      type: i % 3 === 0 ? 'tier-changed' : 'comment-created',
      profile_id: fans[i % 10]?.id,
      ...(i % 3 === 0 && { data: { direction: 'upgraded', current_tier_rank: i } }),
    }));
    const shuffled = (turn: number) => [...batch.slice(turn * 10), ...batch.slice(0, turn * 10)];
    const answers = await Promise.all(Array.from({ length: 20 }, (_, turn) => send(shuffled(turn))));
    expect(answers.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(200);
    expect(answers.reduce((sum, { duplicates }) => sum + duplicates, 0)).toBe(19 * 200);
    for (const fan of fans) expect(await total(fan.id, 0)).toMatchObject({ count: 20 });
    const { totals, naive } = await totalsAndNaive(server.app.context.db);
    expect(totals).toEqual(naive);
  });

  describe('dates', () => {
    it('takes now where no date is given', async () => {
      const fan = await makeProfile();
      const before = clock.now();
      await send([{ id: 'a', type: 'comment-created', profile_id: fan.id }]);
      const [row] = await list(fan.id);
      expect(Date.parse(row?.occurred_at ?? '')).toBeGreaterThanOrEqual(Math.floor(before / 1000));
      expect(Date.parse(row?.occurred_at ?? '')).toBeLessThanOrEqual(Math.ceil(clock.now() / 1000));
    });

    it('takes up to five minutes ahead as now, and refuses more', async () => {
      const fan = await makeProfile();
      clock.set('2027-06-01T00:00:00.000000Z'); // the reading itself is one microsecond later each time
      const answer = await send([
        {
          id: 'near',
          type: 'comment-created',
          profile_id: fan.id,
          occurred_at: formatInstant(clock.now() + 5 * MINUTE),
        },
        {
          id: 'far',
          type: 'comment-created',
          profile_id: fan.id,
          occurred_at: formatInstant(clock.now() + 6 * MINUTE),
        },
      ]);
      expect(answer).toEqual({
        accepted: 1,
        duplicates: 0,
        rejected: [{ index: 1, id: 'far', errors: { occurred_at: ['This may be at most 5 minutes ahead.'] } }],
      });
      const [near] = await list(fan.id);
      expect(near?.occurred_at).toMatch(/^2027-06-01T00:00:00\.0000\d\dZ$/);
    });

    it('takes any past date', async () => {
      const fan = await makeProfile();
      await send([{ id: 'old', type: 'comment-created', profile_id: fan.id, occurred_at: '1900-01-01' }]);
      expect(await list(fan.id)).toMatchObject([{ occurred_at: '1900-01-01T00:00:00.000000Z' }]);
    });

    it('keeps first and last by occurred_at, whatever the order of arrival', async () => {
      const fan = await makeProfile();
      for (const day of ['05', '02', '09', '07']) {
        await send([{ id: day, type: 'comment-created', profile_id: fan.id, occurred_at: `2026-01-${day}T00:00:00Z` }]);
      }
      const totals = await total(fan.id, 2);
      expect(totals?.first_at).toBe(Date.UTC(2026, 0, 2) * 1000);
      expect(totals?.last_at).toBe(Date.UTC(2026, 0, 9) * 1000);
    });
  });

  describe('items that are no good', () => {
    it('are named one by one, with every problem, and do not cost the others', async () => {
      const fan = await makeProfile();
      const answer = await send([
        { id: 'good', type: 'comment-created', profile_id: fan.id },
        {},
        'text',
        null,
        [],
        {
          id: '',
          type: 'No Good',
          profile_id: 7,
          occurred_at: 'yesterday',
          value: 0,
          data: [],
          extra: 1,
          constructor: 2,
        },
        {
          id: 'x'.repeat(129),
          type: 'a'.repeat(65),
          profile_id: 'no-uuid',
          value: 1.5,
          data: 'text',
          occurred_at: 1_700_000_000,
        },
        { id: 'who', type: 'comment-created', profile_id: '00000000-0000-4000-8000-000000000000' },
        { id: 'nobody', type: 'comment-created', custom_id: 'nobody' },
        { id: 'both', type: 'comment-created', custom_id: 'nobody', profile_id: fan.id },
        { id: 'big', type: 'comment-created', profile_id: fan.id, value: 1_000_000_001 },
      ]);
      expect(answer.accepted).toBe(1);
      const fields = answer.rejected.map(({ index, errors }) => [index, Object.keys(errors).sort()]);
      expect(fields).toEqual([
        [1, ['id', 'profile_id', 'type']],
        [2, ['non_field_errors']],
        [3, ['non_field_errors']],
        [4, ['non_field_errors']],
        [5, ['constructor', 'data', 'extra', 'id', 'occurred_at', 'profile_id', 'type', 'value']],
        [6, ['data', 'id', 'occurred_at', 'profile_id', 'type', 'value']],
        [7, ['profile_id']],
        [8, ['custom_id']],
        [9, ['non_field_errors']],
        [10, ['value']],
      ]);
    });

    it('may have an id of 128 characters of any kind, and 4 KiB of data, no more', async () => {
      const fan = await makeProfile();
      const data = (bytes: number) => ({ text: 'x'.repeat(bytes - '{"text":""}'.length) });
      const answer = await send([
        { id: '😀'.repeat(128), type: 'comment-created', profile_id: fan.id, data: data(4096) },
        { id: '😀'.repeat(129), type: 'comment-created', profile_id: fan.id },
        { id: 'wide', type: 'comment-created', profile_id: fan.id, data: { text: 'é'.repeat(2043) } },
        { id: 'big', type: 'comment-created', profile_id: fan.id, data: data(4097) },
        { id: '"\\ ,{}null', type: 'comment-created', profile_id: fan.id },
        { id: 'null', type: 'comment-created', profile_id: fan.id, data: { n: 1e308, deep: [[[{}]]] } },
      ]);
      expect(answer).toMatchObject({ accepted: 3, rejected: [{ index: 1 }, { index: 2 }, { index: 3 }] });
      const ids = (await list(fan.id)).map((row) => row.id);
      expect(ids.sort()).toEqual(['"\\ ,{}null', 'null', '😀'.repeat(128)].sort());
    });

    it('may not hold numbers beyond a double or prototypes', async () => {
      const fan = await makeProfile();
      const raw = (item: string) =>
        server.call<AcceptedActivities>('POST', path, {
          body: `{"activities":[${item}]}`,
          headers: { 'content-type': 'application/json' },
        });
      const start = `{"id":"n","type":"comment-created","profile_id":"${fan.id}"`;
      expect((await raw(`${start},"data":{"a":{"b":[1e999]}}}`)).body).toMatchObject({
        accepted: 0,
        rejected: [{ errors: { data: [expect.any(String)] } }],
      });
      expect((await raw(`${start},"__proto__":{"value":5}}`)).body).toMatchObject({
        accepted: 0,
        rejected: [{ index: 0, id: 'n', errors: Object.fromEntries([['__proto__', expect.any(Array)]]) }],
      });
      expect(await list(fan.id)).toEqual([]);
    });

    it('are rejected by themselves, and by path, for text that cannot be stored', async () => {
      const fan = await makeProfile();
      const raw = (body: string) =>
        server.call<AcceptedActivities>('POST', path, { body, headers: { 'content-type': 'application/json' } });
      const item = (id: string, more: string) =>
        `{"id":"${id}","type":"comment-created","profile_id":"${fan.id}"${more}}`;
      const items = [
        item('good', ''),
        item('nul', ',"value":0,"data":{"a":["x","\\u0000"],"b":"\\ud800"}'),
        item('n\\u0000', ''),
        item('key', ',"data":{"\\udc00":1}'),
        '"\\u0000"',
      ];
      const reason = ['NUL characters and lone surrogates are not allowed.'];
      expect((await raw(`{"activities":[${items.join(',')}]}`)).body).toEqual({
        accepted: 1,
        duplicates: 0,
        rejected: [
          { index: 1, id: 'nul', errors: { 'data.a[1]': reason, 'data.b': reason, value: [expect.any(String)] } },
          { index: 2, id: null, errors: { id: reason } },
          { index: 3, id: 'key', errors: { data: reason } },
          { index: 4, id: null, errors: { non_field_errors: ['This must be an object.'] } },
        ],
      });
      expect((await list(fan.id)).map((row) => row.id)).toEqual(['good']);
      // Around the items it is the envelope that is bad.
      expect(await raw(`{"activities":[${items.join(',')}],"more":"\\u0000"}`)).toMatchObject({
        status: 400,
        body: { more: reason },
      });
    });

    it('are a 400 as a whole only where the envelope is bad', async () => {
      for (const body of [
        {},
        { activities: {} },
        { activities: [] },
        { activities: Array(1001).fill({}) },
        [],
        'text',
      ]) {
        const answer = await server.call('POST', path, {
          body: JSON.stringify(body),
          headers: { 'content-type': 'application/json' },
        });
        expect(answer.status).toBe(400);
      }
      const most = await server.call<AcceptedActivities>('POST', path, { body: { activities: Array(1000).fill({}) } });
      expect(most.status).toBe(200);
      expect(most.body.rejected).toHaveLength(1000);
    });
  });

  describe('states', () => {
    const tier = (id: string, day: number, data: unknown, profileId: string) => ({
      id,
      type: 'tier-changed',
      profile_id: profileId,
      occurred_at: `2026-01-${String(day).padStart(2, '0')}T00:00:00Z`,
      data,
    });
    const rank = async (profileId: string) => (await total(profileId, 503))?.state;

    it('are what the newest activity says that has the key, by date and then by id', async () => {
      const { id } = await makeProfile();
      await send([
        tier('a', 5, { current_tier_rank: 5 }, id),
        tier('b', 3, { current_tier_rank: 3 }, id),
        tier('c', 9, { other: 1 }, id),
      ]);
      expect(await rank(id)).toBe(5);
      await send([tier('a1', 5, { current_tier_rank: 51 }, id), tier('B', 5, { current_tier_rank: 52 }, id)]);
      expect(await rank(id)).toBe(51);
      await send([tier('a0', 5, { current_tier_rank: 50 }, id)]);
      expect(await rank(id)).toBe(51);
      await send([tier('é', 5, { current_tier_rank: 53 }, id), tier('z', 5, { current_tier_rank: 54 }, id)]);
      expect(await rank(id)).toBe(53);
    });

    it('are cleared by null, unless something newer says otherwise', async () => {
      const { id } = await makeProfile();
      await send([tier('a', 5, { current_tier_rank: 5 }, id)]);
      await send([tier('b', 4, { current_tier_rank: null }, id)]);
      expect(await rank(id)).toBe(5);
      await send([tier('c', 6, { current_tier_rank: null }, id)]);
      expect(await rank(id)).toBe(null);
      await send([tier('d', 7, { current_tier_rank: 0.5 }, id)]);
      expect(await rank(id)).toBe(0.5);
    });

    it('of a wrong type reject the activity', async () => {
      const { id } = await makeProfile();
      const answer = await send([
        tier('a', 5, { current_tier_rank: '5', status_tier: 7 }, id),
        { id: 'b', type: 'streak-updated', profile_id: id, data: { is_streak_active: 1 } },
        { id: 'c', type: 'comment-created', profile_id: id, data: { current_tier_rank: '5' } },
      ]);
      expect(answer).toEqual({
        accepted: 1,
        duplicates: 0,
        rejected: [
          {
            index: 0,
            id: 'a',
            errors: {
              'data.current_tier_rank': ['This must be a number or null.'],
              'data.status_tier': ['This must be a string or null.'],
            },
          },
          { index: 1, id: 'b', errors: { 'data.is_streak_active': ['This must be true, false or null.'] } },
        ],
      });
    });

    it('and conditions count beside their type', async () => {
      const { id } = await makeProfile();
      await send([
        tier('a', 1, { direction: 'upgraded' }, id),
        tier('b', 2, { direction: 'downgraded' }, id),
        tier('c', 3, { direction: 'upgraded' }, id),
      ]);
      expect(await total(id, 500)).toMatchObject({ count: 2 });
      expect(await total(id, 501)).toMatchObject({ count: 1 });
      expect(await total(id, 19)).toMatchObject({ count: 3 });
    });
  });

  describe('types', () => {
    it('beyond the catalogue are taken from admins, and known from then on', async () => {
      const fan = await makeProfile();
      const item = (id: string) => ({ id, type: 'stadium-entered', profile_id: fan.id });
      expect((await send([item('a'), item('b')])).accepted).toBe(2);
      expect((await send([item('c')])).accepted).toBe(1);
      expect(await list(fan.id, 'stadium-entered')).toHaveLength(3);
      expect(await server.sdk.activities.types({ registered: false })).toContainEqual({
        type: 'stadium-entered',
        label: 'stadium-entered',
        client: false,
        registered: false,
        source: 'custom',
      });
    });

    it('get one id each when many batches bring them at the same time', async () => {
      const fan = await makeProfile();
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, i) =>
          send(
            Array.from({ length: 5 }, (_unused, t) => ({ id: `r${i}-${t}`, type: `race-${t}`, profile_id: fan.id })),
          ),
        ),
      );
      expect(answers.map(({ accepted }) => accepted)).toEqual(Array(12).fill(5));
      const { rows } = await server.app.context.db.query<{ types: number; ids: number }>(
        sql`select count(distinct type) as types, count(distinct id) as ids from activity_types where type like 'race-%'`,
      );
      expect(rows).toEqual([{ types: 5, ids: 5 }]);
      for (let t = 0; t < 5; t++) expect(await list(fan.id, `race-${t}`)).toHaveLength(12);
    });
  });

  it('reads the definitions again when they changed since it read them', async () => {
    const fan = await makeProfile();
    const { db } = server.app.context;
    await send([{ id: 'warm', type: 'comment-created', profile_id: fan.id }]);
    // As another process would: nothing tells this one.
    await db.query(
      sql`insert into facts (application_id, id, type_id, key, equals, value_type, built) select id, 5000, 2, 'mood', null, 'string', true from applications`,
    );
    await db.query(sql`update applications set definitions_version = definitions_version + 1`);
    const answer = await send([
      { id: 'a', type: 'comment-created', profile_id: fan.id, data: { mood: 'happy' } },
      { id: 'b', type: 'comment-created', profile_id: fan.id, data: { mood: 5 } },
    ]);
    expect(answer).toMatchObject({ accepted: 1, rejected: [{ index: 1 }] });
    expect(await total(fan.id, 5000)).toMatchObject({ count: 1, state: 'happy' });
    await db.query(sql`delete from facts where id = 5000`);
    await db.query(sql`delete from totals where fact_id = 5000`);
    await db.query(sql`update applications set definitions_version = definitions_version + 1`);
  });

  it('queues the profiles whose changed facts somebody reads, and no others', async () => {
    const { db } = server.app.context;
    const [reader, other] = [await makeProfile(), await makeProfile()];
    await db.query(
      sql`insert into watched_keys (application_id, key, group_id) select id, 'activity:2', ${reader.id}::uuid from applications`,
    );
    await send([
      { id: 'a', type: 'comment-created', profile_id: reader.id },
      { id: 'b', type: 'poll-voted', profile_id: reader.id },
      { id: 'a', type: 'poll-voted', profile_id: other.id },
    ]);
    await send([{ id: 'a', type: 'comment-created', profile_id: reader.id }]);
    const { rows } = await db.query(sql`select profile_id, cause, changed, bucket from queue`);
    expect(rows).toEqual([
      { profile_id: reader.id, cause: 'activity', changed: ['activity:2'], bucket: expect.any(Number) },
    ]);
    await db.query(sql`delete from watched_keys`);
    await db.query(sql`delete from queue`);
  });

  it('leaves nothing behind of a profile that is erased while its activities come in', async () => {
    const { db } = server.app.context;
    for (let turn = 0; turn < 15; turn++) {
      const fan = await makeProfile(`erased-${turn}`);
      if (turn % 2 === 0) await send([{ id: 'first', type: 'comment-created', profile_id: fan.id }]);
      const batches = Array.from({ length: 6 }, (_, i) =>
        send([{ id: `r${i}`, type: 'comment-created', custom_id: `erased-${turn}` }]),
      );
      await Promise.all([server.sdk.profiles.erase(fan.id), ...batches]);
    }
    const { rows } = await db.query<{ activities: number; totals: number }>(sql`
      select (select count(*) from activities a where not exists (select from profiles p where p.id = a.profile_id)) as activities,
        (select count(*) from totals t where not exists (select from profiles p where p.id = t.profile_id)) as totals`);
    expect(rows).toEqual([{ activities: 0, totals: 0 }]);
  });

  it('is over before a profile is erased, when it was there first', async () => {
    const { db } = server.app.context;
    const fan = await makeProfile();
    let release = (): void => {};
    let begun = (): void => {};
    const started = new Promise<void>((resolve) => (begun = resolve));
    const held = new Promise<void>((resolve) => (release = resolve));
    const intake = db.transaction(async (tx) => {
      await tx.query(sql`insert into activities (profile_id, id, application_id, ordinal, type_id, occurred_at, value)
        select id, 'first', application_id, ordinal, 2, '2026-01-01', 1 from profiles where id = ${fan.id}`);
      await tx.query(sql`insert into totals (profile_id, fact_id, application_id, ordinal, count, sum)
        select id, 0, application_id, ordinal, 1, 1 from profiles where id = ${fan.id}`);
      begun();
      await held;
    });
    await started;
    let erased = false;
    const erasing = server.sdk.profiles.erase(fan.id).then(() => {
      erased = true;
    });
    while (!erased && (await countWaiting(db)) === 0);
    release();
    await intake;
    await erasing;
    const { rows } = await db.query(sql`
      select (select count(*) from activities where profile_id = ${fan.id}) as activities, (select count(*) from totals where profile_id = ${fan.id}) as totals`);
    expect(rows).toEqual([{ activities: 0, totals: 0 }]);
  });
});
