import { type AdminClient, type NewActivity, type ProfileAttributeOptions } from '@grandstand/sdk/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { totalsAndNaive } from '../activities/naive-totals.ts';
import { sql } from '../database/database.ts';
import { CLIENT_ID, refusal, startTestServer, type TestServer } from '../testing/server.ts';
import { createFactBuilder } from './build-facts.ts';

describe('attributes', () => {
  let server: TestServer;
  let attributes: AdminClient['attributes'];
  beforeAll(async () => {
    server = await startTestServer();
    ({ attributes } = server.sdk);
  });
  afterAll(() => server.close());

  const define = (fields: ProfileAttributeOptions & { key: string }) => attributes.define(fields);
  const profile = () => server.sdk.profiles.create();
  const send = (activities: NewActivity[]) => server.sdk.activities.send(activities);
  const getReady = async (key: string): Promise<void> => {
    const builder = createFactBuilder(server.app.context);
    for (;;) {
      await builder.tick();
      if ((await attributes.get(key)).ready) return;
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
    const body = await attributes.catalogue();
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
    expect(made).toMatchObject({
      key: 'favourite_team',
      source: 'custom',
      choices: ['lions', 'tigers'],
      writable_by: 'profile',
      visible_to: 'owner',
      missing: null,
      ready: true,
    });
    expect((await refusal(define({ key: 'favourite_team', type: 'string' }))).status).toBe(400);
    const changed = await attributes.update('favourite_team', { label: 'Team', choices: null });
    expect(changed).toMatchObject({ label: 'Team', type: 'string' });
    expect(changed).not.toHaveProperty('choices');
    expect((await refusal(attributes.update('favourite_team', { type: 'number' }))).status).toBe(400);
    await attributes.delete('favourite_team');
    expect((await refusal(attributes.get('favourite_team'))).status).toBe(404);
    expect((await refusal(attributes.delete('nickname'))).status).toBe(403);
  });

  it('that are no good are refused with every problem', async () => {
    const refused = await refusal(
      define({
        key: 'nickname',
        type: 'color' as 'string', // there is none
        derived_from: { fn: 'median', types: ['nope'], extra: 1 },
      }),
    );
    expect(refused.status).toBe(400);
    expect(Object.keys(refused.fields).sort()).toEqual([
      'derived_from.extra',
      'derived_from.fn',
      'derived_from.types[0]',
      'key',
      'type',
    ]);
    expect((await server.call('POST', `applications/${CLIENT_ID}/profile-attributes/`, { body: [] })).status).toBe(400);
  });

  it('decide what profiles may write', async () => {
    await define({ key: 'vip', type: 'boolean' });
    const fan = await profile();
    const vip = (value: string) => ({ attributes: [{ key: 'vip', value }] });
    expect((await refusal(server.as(fan.access_token).profiles.update(fan.id, vip('true')))).status).toBe(400);
    expect((await refusal(server.sdk.profiles.update(fan.id, vip('maybe')))).status).toBe(400);
    expect(await server.sdk.profiles.update(fan.id, vip('true'))).toMatchObject(vip('true'));
  });

  it('derived from activities read the past into their totals, while new activities come in', async () => {
    const fans = await Promise.all(Array.from({ length: 12 }, () => profile()));
    const days = ['2026-01-05', '2026-01-02T00:00:00+14:00', 'rubbish', '2026-01-09T10:00Z'];
    const item = (i: number, round: string, sound = false) => ({
      id: `${round}${i}`,
      type: 'match-attended',
      profile_id: fans[i % 12]?.id ?? '',
      occurred_at: `2026-01-${String((i % 27) + 1).padStart(2, '0')}T00:00:00Z`,
      value: i + 1,
      data: {
        stand: i % 3 === 0 ? 'north' : 'south',
        row: i % 5 === 0 && !sound ? 'x' : i,
        seen: sound ? null : days[i % 4],
      },
    });
    for (let lot = 0; lot < 3; lot++)
      // more than are read at once
      await send(Array.from({ length: 800 }, (_, i) => item(lot * 800 + i, 'a')));
    const definitions: Parameters<typeof define>[0][] = [
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
    for (const definition of definitions) await define(definition);
    for (const { key } of definitions) await getReady(key);
    await sending;
    const { totals, naive } = await totalsAndNaive(server.app.context.db);
    expect(totals.filter((row) => row.fact_id > 1000 && row.state_instant !== null)).not.toEqual([]);
    expect(totals).toEqual(naive);
  });

  it('read as one type cannot be read as another', async () => {
    const refused = await refusal(
      define({ key: 'row_text', type: 'string', derived_from: { fn: 'state', types: ['match-attended'], key: 'row' } }),
    );
    expect(refused.status).toBe(400);
  });

  it('may be defined anew, as another type, once they are deleted', async () => {
    const fan = await profile();
    let sent = 0;
    const feel = async (mood: unknown): Promise<unknown[]> => {
      const activity = { id: `mood-${++sent}`, type: 'match-left', profile_id: fan.id, data: { mood } };
      return (await send([activity])).rejected;
    };
    expect(await feel('grim')).toEqual([]);
    const derived_from = { fn: 'state', types: ['match-left'], key: 'mood' };
    await define({ key: 'mood', type: 'number', derived_from });
    await getReady('mood');
    expect(await feel(5)).toEqual([]);
    expect(await feel('merry')).toHaveLength(1);
    await attributes.delete('mood');
    expect(await feel('merry')).toEqual([]);
    await define({ key: 'mood', type: 'string', derived_from });
    await getReady('mood');
    expect(await feel(5)).toHaveLength(1);
    await untilTidy();
    const { totals, naive } = await totalsAndNaive(server.app.context.db);
    expect(totals.filter((row) => row.profile_id === fan.id).map((row) => row.state)).toContain('merry');
    expect(totals).toEqual(naive);
  });

  it('keep what others read of the same activities when one of them is deleted', async () => {
    const derived_from = { fn: 'count', types: ['match-attended'], where: { key: 'stand', equals: 'south' } };
    for (const key of ['south_one', 'south_two']) await define({ key, derived_from });
    await getReady('south_two');
    await attributes.delete('south_one');
    expect((await attributes.get('south_two')).ready).toBe(true);
    await send([
      { id: 'one-more', type: 'match-attended', profile_id: (await profile()).id, data: { stand: 'south' } },
    ]);
    await untilTidy();
    const { totals, naive } = await totalsAndNaive(server.app.context.db);
    expect(totals).toEqual(naive);
  });

  it('of a type that has no activities yet are ready as well', async () => {
    await server.sdk.activities.registerType({ type: 'never-sent' });
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
    const refused = await refusal(attributes.delete('level'));
    expect(refused.status).toBe(409);
    expect(refused.message).toContain('High levels');
    expect((await refusal(attributes.update('level', { writable_by: 'profile' }))).status).toBe(409);
    await db.query(sql`update groups set is_active = false where id = ${group}`);
    await attributes.delete('level');
    expect((await refusal(attributes.get('level'))).status).toBe(404);
  });
});
