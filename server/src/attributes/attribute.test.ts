import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { totalsAndNaive } from '../activities/naive-totals.ts';
import { sql } from '../database/database.ts';
import { CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';
import { createFactBuilder } from './build-facts.ts';

interface Shown {
  key: string;
  type: string;
  ready: boolean;
  conditions: string[];
}

describe('attributes', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());

  const path = `applications/${CLIENT_ID}/profile-attributes/`;
  const define = (body: unknown) => server.call<Shown>('POST', path, { body });
  const profile = async (body: unknown = {}) =>
    (await server.call<{ id: string; access_token: string }>('POST', `applications/${CLIENT_ID}/profile/`, { body }))
      .body;
  const send = (activities: unknown[]) =>
    server.call('POST', `applications/${CLIENT_ID}/activities/`, { body: { activities } });
  const getReady = async (key: string): Promise<void> => {
    const builder = createFactBuilder(server.app.context);
    for (;;) {
      await builder.tick();
      if ((await server.call<Shown>('GET', `${path}${key}/`)).body.ready) return;
      await server.app.context.catalogues.refresh((await server.app.context.applications.get(CLIENT_ID)).id);
    }
  };
  /** Until nothing is left to be built or deleted, whoever does it. */
  const untilTidy = async (): Promise<void> => {
    const builder = createFactBuilder(server.app.context);
    for (let left = 1; left > 0;) {
      await builder.tick();
      const { rows } = await server.app.context.db.query(sql`
        select 1 from dropped_facts union all select 1 from facts where not built`);
      left = rows.length;
    }
  };

  it('are all in the catalogue, with what a rule builder needs', async () => {
    const { body } = await server.call<{
      count: number;
      results: Shown[];
      leaves: Shown[];
      conditions: { condition: string }[];
    }>('GET', path);
    expect(body.count).toBe(64);
    expect(body.results[0]).toEqual({
      key: 'total_comments_posted',
      label: 'Comments posted',
      description: 'How many comments the profile has posted.',
      category: 'comments',
      type: 'number',
      conditions: [
        'between',
        'greater_than',
        'less_than',
        'greater_than_or_equal',
        'less_than_or_equal',
        'equals',
        'not_equals',
      ],
      supports_window: true,
      missing: 0,
      source: 'platform',
      writable_by: 'admin',
      visible_to: 'owner',
      derived_from: { fn: 'count', types: ['comment-created'] },
      ready: true,
    });
    expect(body.leaves.map((leaf) => leaf.key)).toEqual(['profile_group', 'random_bucket']);
    const described = new Set(body.conditions.map((condition) => condition.condition));
    for (const { conditions } of [...body.results, ...body.leaves])
      for (const condition of conditions) expect(described).toContain(condition);
  });

  it('are defined, shown, changed and deleted', async () => {
    const made = await define({
      key: 'favourite_team',
      label: 'Favourite team',
      type: 'string',
      choices: ['lions', 'tigers'],
      writable_by: 'profile',
    });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      key: 'favourite_team',
      source: 'custom',
      choices: ['lions', 'tigers'],
      writable_by: 'profile',
      visible_to: 'owner',
      missing: null,
      ready: true,
    });
    expect((await define({ key: 'favourite_team', type: 'string' })).status).toBe(400);
    const changed = await server.call('PATCH', `${path}favourite_team/`, { body: { label: 'Team', choices: null } });
    expect(changed.body).toMatchObject({ label: 'Team', type: 'string' });
    expect(changed.body).not.toHaveProperty('choices');
    expect((await server.call('PATCH', `${path}favourite_team/`, { body: { type: 'number' } })).status).toBe(400);
    expect((await server.call('DELETE', `${path}favourite_team/`)).status).toBe(204);
    expect((await server.call('GET', `${path}favourite_team/`)).status).toBe(404);
    expect((await server.call('DELETE', `${path}nickname/`)).status).toBe(403);
  });

  it('that are no good are refused with every problem', async () => {
    const answer = await define({
      key: 'nickname',
      type: 'color',
      derived_from: { fn: 'median', types: ['nope'], extra: 1 },
    });
    expect(answer.status).toBe(400);
    expect(Object.keys(answer.body).sort()).toEqual([
      'derived_from.extra',
      'derived_from.fn',
      'derived_from.types[0]',
      'key',
      'type',
    ]);
    expect((await define([])).status).toBe(400);
  });

  it('decide what profiles may write', async () => {
    await define({ key: 'vip', type: 'boolean' });
    const fan = await profile();
    const own = `profiles/${fan.id}/`;
    const refused = await server.call('PATCH', own, {
      body: { attributes: [{ key: 'vip', value: 'true' }] },
      token: fan.access_token,
    });
    expect(refused.status).toBe(400);
    expect((await server.call('PATCH', own, { body: { attributes: [{ key: 'vip', value: 'maybe' }] } })).status).toBe(
      400,
    );
    expect((await server.call('PATCH', own, { body: { attributes: [{ key: 'vip', value: 'true' }] } })).status).toBe(
      200,
    );
  });

  it('that only admins see cannot be guessed at by sending values back', async () => {
    await define({ key: 'suspect', type: 'boolean', visible_to: 'admin' });
    await define({ key: 'club', type: 'string' });
    const fan = await profile();
    const stored = [
      { key: 'suspect', value: 'true' },
      { key: 'club', value: 'north' },
    ];
    await server.call('PATCH', `profiles/${fan.id}/`, { body: { attributes: stored } });
    const sendBack = (attributes: unknown[]) =>
      server.call('PATCH', `profiles/${fan.id}/`, { body: { attributes }, token: fan.access_token });
    const [right, wrong] = [await sendBack(stored), await sendBack([{ key: 'suspect', value: 'false' }])];
    expect(right.status).toBe(400);
    expect(right.body).toEqual(wrong.body);
    // What it sees it may send back, as it came.
    expect((await sendBack([{ key: 'club', value: 'north' }])).status).toBe(200);
    expect((await server.call('GET', `profiles/${fan.id}/`)).body).toMatchObject({ attributes: stored });
  });

  it('derived from activities read the past into their totals, while new activities come in', async () => {
    const fans = await Promise.all(Array.from({ length: 12 }, () => profile()));
    const days = ['2026-01-05', '2026-01-02T00:00:00+14:00', 'rubbish', '2026-01-09T10:00Z'];
    const item = (i: number, round: string, sound = false) => ({
      id: `${round}${i}`,
      type: 'match-attended',
      profile_id: fans[i % 12]?.id,
      occurred_at: `2026-01-${String((i % 27) + 1).padStart(2, '0')}T00:00:00Z`,
      value: i + 1,
      data: {
        stand: i % 3 === 0 ? 'north' : 'south',
        row: i % 5 === 0 && !sound ? 'x' : i,
        seen: sound ? null : days[i % 4],
      },
    });
    await send(Array.from({ length: 300 }, (_, i) => item(i, 'a')));
    const definitions = [
      {
        key: 'north_visits',
        derived_from: { fn: 'count', types: ['match-attended'], where: { key: 'stand', equals: 'north' } },
      },
      { key: 'row', type: 'number', derived_from: { fn: 'state', types: ['match-attended'], key: 'row' } },
      { key: 'seen', type: 'datetime', derived_from: { fn: 'state', types: ['match-attended'], key: 'seen' } },
      { key: 'any_north', derived_from: { fn: 'exists', types: ['*'], where: { key: 'stand', equals: 'north' } } },
    ];
    const sending = (async () => {
      for (let round = 0; round < 6; round++)
        await send(Array.from({ length: 50 }, (_, i) => item(i, `b${round}-`, true)));
    })();
    for (const definition of definitions) expect((await define(definition)).status).toBe(201);
    for (const { key } of definitions) await getReady(key);
    await sending;
    const { totals, naive } = await totalsAndNaive(server.app.context.db);
    expect(totals.filter((row) => row.fact_id > 1000 && row.state_instant !== null)).not.toEqual([]);
    expect(totals).toEqual(naive);
  });

  it('read as one type cannot be read as another', async () => {
    const answer = await define({
      key: 'row_text',
      type: 'string',
      derived_from: { fn: 'state', types: ['match-attended'], key: 'row' },
    });
    expect(answer.status).toBe(400);
  });

  it('may be defined anew, as another type, once they are deleted', async () => {
    const fan = await profile();
    let sent = 0;
    const feel = async (mood: unknown): Promise<unknown[]> => {
      const activity = { id: `mood-${++sent}`, type: 'match-left', profile_id: fan.id, data: { mood } };
      return (await send([activity])).body['rejected'] as unknown[];
    };
    expect(await feel('grim')).toEqual([]);
    const derived_from = { fn: 'state', types: ['match-left'], key: 'mood' };
    expect((await define({ key: 'mood', type: 'number', derived_from })).status).toBe(201);
    await getReady('mood');
    expect(await feel(5)).toEqual([]);
    expect(await feel('merry')).toHaveLength(1);
    expect((await server.call('DELETE', `${path}mood/`)).status).toBe(204);
    expect(await feel('merry')).toEqual([]);
    expect((await define({ key: 'mood', type: 'string', derived_from })).status).toBe(201);
    await getReady('mood');
    expect(await feel(5)).toHaveLength(1);
    await untilTidy();
    const { totals, naive } = await totalsAndNaive(server.app.context.db);
    expect(totals.filter((row) => row.profile_id === fan.id).map((row) => row.state)).toContain('merry');
    expect(totals).toEqual(naive);
  });

  it('keep what others read of the same activities when one of them is deleted', async () => {
    const derived_from = { fn: 'count', types: ['match-attended'], where: { key: 'stand', equals: 'south' } };
    for (const key of ['south_one', 'south_two']) expect((await define({ key, derived_from })).status).toBe(201);
    await getReady('south_two');
    await server.call('DELETE', `${path}south_one/`);
    expect((await server.call<Shown>('GET', `${path}south_two/`)).body.ready).toBe(true);
    await send([
      { id: 'one-more', type: 'match-attended', profile_id: (await profile()).id, data: { stand: 'south' } },
    ]);
    await untilTidy();
    const { totals, naive } = await totalsAndNaive(server.app.context.db);
    expect(totals).toEqual(naive);
  });

  it('of a type that has no activities yet are ready as well', async () => {
    await server.call('POST', `applications/${CLIENT_ID}/activity-types/`, { body: { type: 'never-sent' } });
    await define({
      key: 'never',
      derived_from: { fn: 'count', types: ['never-sent'], where: { key: 'a', equals: 1 } },
    });
    await getReady('never');
  });

  it('cannot be deleted while the rule of an active group reads them', async () => {
    await define({ key: 'level', type: 'number' });
    const { db, applications } = server.app.context;
    const { id } = await applications.get(CLIENT_ID);
    const group = '00000000-0000-4000-8000-000000000001';
    const tree = {
      operator: 'AND',
      children: [{ operator: 'NOT', children: [{ attribute: 'level', condition: 'equals', value: 3 }] }],
    };
    await db.query(sql`
      insert into groups (id, application_id, name, description, is_active, visible_to_members, membership_type, attributes, ruleset_id, created_at, updated_at)
      values (${group}, ${id}, 'High levels', '', true, true, 'dynamic', '[]', ${group}, now(), now())`);
    await db.query(
      sql`insert into rulesets (id, application_id, group_id, rule_tree, created_at, created_by) values (${group}, ${id}, ${group}, ${JSON.stringify(tree)}, now(), 'test')`,
    );
    await db.query(
      sql`insert into group_heads (group_id, application_id, profile_count, epoch, last_number, base_sequence) values (${group}, ${id}, 0, 0, 0, 0)`,
    );
    const refused = await server.call<{ detail: string }>('DELETE', `${path}level/`);
    expect(refused.status).toBe(409);
    expect(refused.body.detail).toContain('High levels');
    expect((await server.call('PATCH', `${path}level/`, { body: { writable_by: 'profile' } })).status).toBe(409);
    await db.query(sql`update groups set is_active = false where id = ${group}`);
    expect((await server.call('DELETE', `${path}level/`)).status).toBe(204);
  });
});
