import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBench, type BenchProfile, type EngineBench } from '../testing/engine.ts';
import { CLIENT_ID, refusal } from '../testing/server.ts';

describe('attributes changed one by one', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await createBench();
    const { attributes } = bench.server.sdk;
    await attributes.define({ key: 'tags', label: 'Tags', type: 'list', writable_by: 'profile' });
    await attributes.define({ key: 'level', label: 'Level', type: 'number', writable_by: 'admin' });
    await attributes.define({ key: 'secret', label: 'Secret', type: 'string', visible_to: 'admin' });
  });
  afterAll(() => bench.close());

  const patch = (profile: BenchProfile, attributes: unknown, token = profile.token) =>
    bench.server.call<Record<string, unknown>>('PATCH', `profiles/${profile.id}/`, { token, body: { attributes } });
  const admin = (profile: BenchProfile, attributes: unknown) =>
    bench.server.call<Record<string, unknown>>('PATCH', `profiles/${profile.id}/`, { body: { attributes } });
  const read = async ({ id }: BenchProfile) =>
    (await bench.server.sdk.profiles.get(id)).attributes.map(({ key, value }) => `${key}=${value}`);

  it('leave the others as they are and in their place', async () => {
    const profile = await bench.profile({
      attributes: [
        { key: 'a', value: '1' },
        { key: 'tags', value: 'x' },
        { key: 'b', value: '2' },
        { key: 'tags', value: 'y' },
        { key: 'c', value: '3' },
      ],
    });
    const answer = await admin(profile, {
      set: [
        { key: 'tags', value: 'z' },
        { key: 'tags', value: 'x' },
        { key: 'new', value: 'n' },
      ],
      remove: ['b', 'never there'],
    });
    expect(answer.status).toBe(200);
    expect(await read(profile)).toEqual(['a=1', 'tags=z', 'tags=x', 'c=3', 'new=n']);
    expect((await admin(profile, {})).status).toBe(200);
    expect(await read(profile)).toEqual(['a=1', 'tags=z', 'tags=x', 'c=3', 'new=n']);
  });

  it('are what programs have', async () => {
    const profile = await bench.profile();
    const fan = bench.server.fan(profile.token);
    await fan.init();
    await fan.setAttributes({ team: 'lions', tags: ['a', 'b'], vip: true, at: new Date(0), n: 1.5 });
    const changed = await fan.setAttributes({ team: null, tags: [], n: 2 });
    expect(changed.attributes).toEqual([
      { key: 'vip', value: 'true' },
      { key: 'at', value: '1970-01-01T00:00:00.000Z' },
      { key: 'n', value: '2' },
    ]);
    await bench.server.sdk.profiles.setAttributes(profile.id, { level: 3, vip: null });
    expect(await read(profile)).toEqual(['at=1970-01-01T00:00:00.000Z', 'n=2', 'level=3']);
  });

  it('lose none of twenty that come at once', async () => {
    const profile = await bench.profile({ attributes: [{ key: 'old', value: '1' }] });
    const group = await bench.group({ attribute: 'tags', condition: 'contains', value: 'k7' });
    await bench.tick();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        admin(profile, {
          set: [{ key: index === 7 ? 'tags' : `k${index}`, value: `k${index}` }],
          remove: [`gone${index}`],
        }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const expected = Array.from({ length: 20 }, (_, index) => `${index === 7 ? 'tags' : `k${index}`}=k${index}`);
    expect((await read(profile)).sort()).toEqual(['old=1', ...expected].sort());
    await bench.tick();
    expect(await bench.members(group)).toEqual([profile.id]);
  });

  it('keep to what a profile may write', async () => {
    const profile = await bench.profile({
      attributes: [
        { key: 'level', value: '5' },
        { key: 'secret', value: 's' },
        { key: 'free', value: 'admin’s' },
      ],
    });
    const refused = await patch(profile, {
      set: [
        { key: 'level', value: '6' },
        { key: 'ok', value: '1' },
        { key: 'free', value: 'mine' },
      ],
      remove: ['level', 'secret', 'free'],
    });
    expect(refused).toMatchObject({
      status: 400,
      body: {
        'attributes.set[0].key': ["Only an admin access token may write 'level'."],
        'attributes.set[2].key': ["Only an admin access token may write 'free'."],
        'attributes.remove[1]': ["Only an admin access token may remove 'secret'."],
      },
    });
    const same = await patch(profile, { set: [{ key: 'level', value: '5' }, { key: 'mine', value: '1' }] }); // prettier-ignore
    expect(same.status).toBe(200);
    expect(await read(profile)).toEqual(['level=5', 'secret=s', 'free=admin’s', 'mine=1']);
    // What was set stays its writer's: the profile may still change what it wrote, and an admin has not vouched for it.
    await admin(profile, { set: [{ key: 'mine', value: '1' }] });
    expect((await patch(profile, { set: [{ key: 'mine', value: '2' }] })).status).toBe(200);
  });

  it('name every problem by its place', async () => {
    const profile = await bench.profile();
    const { body } = await admin(profile, {
      set: [{ key: 'level', value: 'high' }, { key: 'x' }, { key: 'y', value: '1' }, { key: 'total_comments_posted', value: '1' }], // prettier-ignore
      remove: ['y', 5],
      replace: [],
    });
    expect(Object.keys(body).sort()).toEqual(
      expect.arrayContaining(['attributes.remove[1]', 'attributes.replace', 'attributes.set[1].value']),
    );
    const second = await admin(profile, {
      set: [{ key: 'level', value: 'high' }, { key: 'y', value: '1' }, { key: 'y', value: '1' }], // prettier-ignore
      remove: ['y'],
    });
    expect(Object.keys(second.body).sort()).toEqual([
      'attributes.remove[0]',
      'attributes.set[0].value',
      'attributes.set[2]',
    ]);
    expect((await admin(profile, 'x')).body).toEqual({ attributes: ['This field must be array or object.'] });
    const many = Array.from({ length: 100 }, (_, index) => ({ key: `m${index}`, value: '1' }));
    await admin(profile, many);
    expect((await admin(profile, { set: [{ key: 'more', value: '1' }] })).body).toHaveProperty('attributes');
    expect((await admin(profile, { set: [{ key: 'more', value: '1' }], remove: ['m0'] })).status).toBe(200);
  });

  it('are refused where a profile is made', async () => {
    const made = await refusal(
      bench.server.sdk.request('POST', `applications/${CLIENT_ID}/profile/`, { body: { attributes: { set: [] } } }),
    );
    expect(made.fields).toEqual({ attributes: ['This field must be array.'] });
  });
});
