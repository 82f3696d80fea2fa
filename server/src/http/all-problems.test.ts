import { afterAll, beforeAll, expect, it } from 'vitest';
import { CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';

const application = (path: string): string => `applications/${CLIENT_ID}/${path}`;
const BAD_RULE = { operator: 'AND', children: [{ attribute: 'nickname', condition: 'no-such', value: 'x' }] };
const BAD_RULE_PATH = 'rule_tree.children[0].condition';

let server: TestServer;
let profile: { id: string; access_token: string };
let groupId: string;
beforeAll(async () => {
  server = await startTestServer();
  profile = await server.sdk.profiles.create({ attributes: [{ key: 'team', value: 'lions' }] });
  ({ id: groupId } = await server.sdk.groups.create({
    name: 'Ours',
    membership_type: 'dynamic',
    rule_tree: { attribute: 'nickname', condition: 'equals', value: 'x' },
  }));
});
afterAll(() => server.close());

/** The fields that a refusal names, in order of their names. */
async function refused(method: string, path: string, body?: unknown, token?: string | null): Promise<string[]> {
  const answer = await server.call<Record<string, string[]>>(method, path, {
    ...(body !== undefined && { body }),
    ...(token !== undefined && { token }),
    ...(typeof body === 'string' && { headers: { 'content-type': 'application/json' } }),
  });
  expect(answer.status, JSON.stringify(answer.body)).toBe(400);
  for (const messages of Object.values(answer.body)) expect(messages).toEqual([expect.any(String)]);
  return Object.keys(answer.body).sort();
}

it('names what the schema finds of a profile together with what it cannot say', async () => {
  const bad = { nickname: '', custom_data: 5, custom_id: 'mine' };
  const fields = ['custom_data', 'custom_id', 'nickname'];
  expect(await refused('POST', application('profile/'), bad, null)).toEqual(fields);
  expect(await refused('PATCH', application('profile/'), bad, profile.access_token)).toEqual(fields);
  expect(await refused('PATCH', `profiles/${profile.id}/`, bad, profile.access_token)).toEqual(fields);
  expect(await refused('PATCH', `profiles/${profile.id}/`, bad)).toEqual(['custom_data', 'nickname']);
  expect(await refused('POST', `profile-by-custom-id/${CLIENT_ID}/${'x'.repeat(256)}/`, bad)).toEqual(fields);
  const pairs = { nickname: 5, attributes: [...Array<unknown>(2)].map(() => ({ key: 'a', value: 'b' })) };
  expect(await refused('POST', application('profile/'), pairs, null)).toEqual(['attributes[1]', 'nickname']);
});

it('names every problem of an item of many profiles', async () => {
  const profiles = [{ custom_id: 'fan-1', nickname: '', custom_data: 5 }, { nickname: '', custom_data: 5 }, 7];
  const { body } = await server.call<{ results: { errors: Record<string, string[]> }[] }>(
    'POST',
    application('profiles/bulk/'),
    { body: { profiles } },
  );
  expect(body.results.map(({ errors }) => Object.keys(errors).sort())).toEqual([
    ['custom_data', 'nickname'],
    ['custom_data', 'custom_id', 'nickname'],
    ['non_field_errors'],
  ]);
});

it('names what is wrong inside a rule together with the rest of the group', async () => {
  const groups = application('profile-groups/');
  const group = { name: '', membership_type: 'dynamic', rule_tree: BAD_RULE };
  expect(await refused('POST', groups, group)).toEqual(['name', BAD_RULE_PATH]);
  expect(await refused('POST', groups, { ...group, is_active: 'yes' })).toEqual(['is_active', 'name', BAD_RULE_PATH]);
  // Which kind was meant is not known, so nothing is said of it.
  expect(await refused('POST', groups, { ...group, membership_type: 'x' })).toEqual([
    'membership_type',
    'name',
    BAD_RULE_PATH,
  ]);
  expect(await refused('POST', groups, { name: 5, description: 7 })).toEqual(['description', 'name']);
  const change = { name: '', rule_tree: BAD_RULE, visible_to_members: 1, membership_type: 'static' };
  expect(await refused('PATCH', `${groups}${groupId}/`, change)).toEqual([
    'membership_type',
    'name',
    BAD_RULE_PATH,
    'visible_to_members',
  ]);
  expect(await refused('POST', `${groups}preview/`, { rule_tree: BAD_RULE, group_id: 5 })).toEqual([
    'group_id',
    BAD_RULE_PATH,
  ]);
});

it('names every problem of definitions, types, tokens and invitations', async () => {
  const attribute = { key: '', type: 'x', writable_by: 'y', label: 5 };
  expect(await refused('POST', application('profile-attributes/'), attribute)).toEqual([
    'key',
    'label',
    'type',
    'writable_by',
  ]);
  const type = { type: 'NO', label: 5, client: 'x' };
  expect(await refused('POST', application('activity-types/'), type)).toEqual(['client', 'label', 'type']);
  const accept = { token: 5, email: 'x', name: '', password: 'short' };
  expect(await refused('POST', 'producers/invitations/accept/', accept, null)).toEqual([
    'email',
    'name',
    'password',
    'token',
  ]);
});

it('names every query parameter that is wrong, also one that stands twice', async () => {
  const page = 'page_size=0&page=x&count=y';
  const pages = ['count', 'page', 'page_size'];
  for (const [path, query, fields] of [
    ['profiles/', `${page}&custom_id=a&custom_id=b&created_since=x`, [...pages, 'created_since', 'custom_id']],
    ['profile-groups/', `${page}&name=a&name=b&is_active=x`, [...pages, 'is_active', 'name']],
    [
      `profile-groups/${groupId}/members/`,
      `${page}&ordering=x&nickname=a&nickname=b`,
      [...pages, 'nickname', 'ordering'],
    ],
    [`profile-groups/${groupId}/changes/`, 'page_size=0&page=x&after=-', ['after', 'page', 'page_size']],
    [`profile-groups/${groupId}/size/`, 'interval=x&since=y&until=a&until=b', ['interval', 'since', 'until']],
    [
      `profiles/${profile.id}/activities/`,
      `${page}&type=x&since=a&since=b&until=y`,
      [...pages, 'since', 'type', 'until'],
    ],
    [`profiles/${profile.id}/activity-counts/`, 'interval=x&type=y&since=z', ['interval', 'since', 'type']],
  ] as const) {
    expect(await refused('GET', `${application(path)}?${query}`), path).toEqual([...fields].sort());
  }
});

it('names every field whose text cannot be stored, together with the other problems', async () => {
  const bad =
    '{"nickname": "a\\u0000", "custom_data": "\\ud800", "attributes": 5, "custom_id": "x", "more": {"a": "\\u0000"}}';
  expect(await refused('POST', application('profile/'), bad, null)).toEqual([
    'attributes',
    'custom_data',
    'custom_id',
    'more.a',
    'nickname',
  ]);
  expect(await refused('GET', `${application('profiles/')}?nickname=%00&custom_id=a%00`)).toEqual([
    'custom_id',
    'nickname',
  ]);
});

it('says what is not found or not allowed only once the fields are sound', async () => {
  const missing = `profiles/${groupId}/`;
  expect(await refused('PATCH', missing, { nickname: '', custom_data: 5 })).toEqual(['custom_data']);
  expect(await server.call('PATCH', missing, { body: { nickname: '' } })).toMatchObject({ status: 404 });
});
