// Ids of another application wherever a request can carry one: in the path, the body, the query, a rule, a pin, a cursor. They
// are as good as ids of nothing, and what they name is neither shown nor changed.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, testClock, type TestServer } from '../testing/server.ts';
import {
  createTenant,
  differences,
  everythingStored,
  fill,
  listOperations,
  signedIn,
  type Operation,
  type Tenant,
} from '../testing/two-applications.ts';

let server: TestServer;
let ours: Tenant;
let theirs: Tenant;
let operations: Operation[];

beforeAll(async () => {
  server = await startTestServer({ clock: testClock(), env: { RATE_LIMIT_APPLICATION: '0' } });
  ours = await createTenant(server, 'ours');
  theirs = await createTenant(server, 'theirs');
  operations = await listOperations(server);
});
afterAll(() => server.close());

/** With our best credential for it: our owner where only they may, the fan where only a profile may, else the admin. */
async function send(
  operation: Pick<Operation, 'method' | 'access'> & Partial<Operation>,
  path: string,
  body?: unknown,
) {
  const { access } = operation;
  const needsOwner = access === 'owner-session' || access === 'producer';
  return server.call<Record<string, unknown>>(operation.method, path, {
    token: needsOwner ? null : access === 'profile' ? ours.fan.token : ours.adminToken,
    ...(needsOwner && { headers: { ...(await signedIn(server, ours.producers.owner)) } }),
    ...(body !== undefined && operation.method !== 'GET' && { body }),
    ...(typeof body === 'string' && { headers: { 'content-type': operation.contentType ?? '' } }),
  });
}

const call = (method: string, path: string, body?: unknown) =>
  send({ method, access: 'admin' }, `applications/ours/${path}`, body);

/** All that tells their things from ours. */
const marks = (): string[] => [
  ...Object.entries(theirs.params).flatMap(([name, value]) =>
    name === 'client_id' || name === 'program_id' ? [] : [value],
  ),
  theirs.otherFan.id,
  ...Object.values(theirs.producers),
  'of-theirs',
  'of theirs',
  '@theirs',
];
const shown = (body: unknown): string[] => marks().filter((mark) => JSON.stringify(body).includes(mark));

/** Runs it, and expects that nothing of theirs is another afterwards. */
async function leavingTheirs(work: () => Promise<void>): Promise<void> {
  // Our audit log says what was asked for, whosever id that was.
  const isTheirs = (row: string): boolean =>
    row.includes(`["application_id",${theirs.applicationId}]`) ||
    (!row.startsWith('audit_log ') && marks().some((mark) => row.includes(mark)));
  const only = async () => new Set([...(await everythingStored(server))].filter(isTheirs));
  const before = await only();
  await work();
  expect(differences(before, await only())).toEqual([]);
}

/**
 * What is named as one likes: another application's name for it is free here. A program is another name of an application. A
 * webhook's address names its source to anybody, and lets in who signs (attack-matrix.test.ts).
 */
const NAMED_BY_CALLER = new Set(['createProfileByCustomId', 'getProgram', 'receiveLiveLikeWebhook']);

describe('ids of another application', () => {
  it('in a path are not found, each in turn beside our own', async () => {
    await leavingTheirs(async () => {
      const wrong: string[] = [];
      let tried = 0;
      for (const operation of operations) {
        const names = [...operation.path.matchAll(/\{(\w+)\}/g)].map((match) => String(match[1]));
        for (const name of names) {
          if (name === 'client_id' || NAMED_BY_CALLER.has(operation.id)) continue;
          const values = [theirs.params[name], ...(name === 'group' ? ['custom:dynamic-of-theirs'] : [])];
          for (const value of values) {
            if (value === undefined) throw new Error(`testing/two-applications.ts has nothing for {${name}}`);
            tried++;
            const path = fill(operation.path, { ...ours.params, [name]: value });
            const { status, body } = await send(operation, path, operation.example);
            if (status !== 404 || shown(body).length > 0)
              wrong.push(`${operation.method} ${path}: ${status} ${JSON.stringify(body).slice(0, 200)}`);
          }
        }
      }
      expect(wrong).toEqual([]);
      expect(tried).toBeGreaterThan(50);
    });
  });

  it('in a body name nothing', async () => {
    const { fan, params } = theirs;
    const { body: group } = await call('POST', 'profile-groups/', { name: 'Ours' });
    const members = `profile-groups/${String(group['id'])}/members/`;
    await leavingTheirs(async () => {
      expect((await call('POST', members, { profile_ids: [fan.id] })).body).toEqual({
        successfully_added: [],
        already_added: [],
        invalid_ids: [fan.id],
      });
      expect((await call('POST', members, { custom_ids: [fan.customId] })).body).toMatchObject({
        successfully_added: [],
        invalid_ids: [fan.customId],
      });
      for (const body of [{ profile_ids: [fan.id] }, { custom_ids: [fan.customId] }])
        expect((await call('DELETE', members, body)).status).toBe(204);
      const replaced = await server.call('PUT', `applications/ours/${members}?allow_invalid=true`, {
        token: ours.adminToken,
        headers: { 'content-type': 'application/x-ndjson' },
        body: `"${fan.id}"\n`,
      });
      expect(replaced.status).toBeGreaterThanOrEqual(200);
      expect((await call('GET', members)).body).toMatchObject({ count: 0 });
      const sent = await call('POST', 'activities/', {
        activities: [
          { id: 'a', type: 'comment-created', profile_id: fan.id },
          { id: 'b', type: 'comment-created', custom_id: fan.customId },
        ],
      });
      expect(sent.body).toMatchObject({ accepted: 0, rejected: [{ id: 'a' }, { id: 'b' }] });
      const tree = { attribute: 'total_comments_posted', condition: 'greater_than', value: 0 };
      for (const group_id of [params['group'], 'custom:dynamic-of-theirs'])
        expect(await call('POST', 'profile-groups/preview/', { rule_tree: tree, group_id })).toMatchObject({
          status: 400,
          body: { group_id: [expect.any(String)] },
        });
      for (const group of [params['group'], 'custom:dynamic-of-theirs'])
        expect(await call('POST', 'profile-groups/compare/', { groups: [ours.params['group'], group] })).toMatchObject({
          status: 400,
          body: { 'groups[1]': [expect.any(String)] },
        });
    });
  });

  it('in a rule are no groups, attributes or types', async () => {
    const { group = '', key = '', type = '' } = theirs.params;
    await leavingTheirs(async () => {
      const rules = [
        { attribute: 'profile_group', condition: 'in', value: [group] },
        { attribute: 'profile_group', condition: 'not_in', value: ['custom:static-of-theirs'] },
        { attribute: key, condition: 'equals', value: 'x' },
      ];
      for (const rule_tree of rules) {
        const fields = { name: 'n', membership_type: 'dynamic', rule_tree };
        for (const [path, body] of [
          ['profile-groups/', fields],
          ['profile-groups/preview/', { rule_tree }],
        ] as const) {
          const answer = await call('POST', path, body);
          expect(answer.status, path).toBe(400);
          expect(Object.keys(answer.body)[0], path).toMatch(/^rule_tree/);
          expect(shown(answer.body).filter((mark) => !JSON.stringify(rule_tree).includes(mark))).toEqual([]);
        }
      }
      const derived = { key: 'derived', derived_from: { fn: 'count', types: [type] } };
      expect((await call('POST', 'profile-attributes/', derived)).status).toBe(400);
    });
  });

  it('in a query find nothing', async () => {
    await leavingTheirs(async () => {
      const { fan, params } = theirs;
      const group = ours.params['group'] ?? '';
      const queries = [
        `profiles/?id=${fan.id}`,
        `profiles/?custom_id=${fan.customId}`,
        'profiles/?attributes=tier:theirs',
        'profile-groups/?custom_id=static-of-theirs',
        `profile-groups/sizes/?id=${params['group']}`,
        `profiles/${ours.fan.id}/activities/?type=${params['type']}`,
        `profile-groups/${group}/members/?nickname=of-theirs`,
      ];
      for (const query of queries) {
        const { status, body } = await call('GET', query);
        expect([200, 400, 404], query).toContain(status);
        if (status === 200) expect(body, query).toMatchObject({ results: [] });
        expect(shown(body), query).toEqual([]);
      }
    });
  });

  it('in a cursor lead to nothing of theirs, in any list', async () => {
    const seen: string[] = [];
    for (const operation of operations) {
      if (operation.method !== 'GET' || operation.isStream) continue;
      const query = new URLSearchParams({ page_size: '1' });
      const path = fill(operation.path, theirs.params);
      const needsOwner = operation.access === 'owner-session';
      const first = await server.call<{ next?: string | null; results?: unknown[] }>('GET', `${path}?${query}`, {
        token: needsOwner ? null : theirs.adminToken,
        ...(needsOwner && { headers: { ...(await signedIn(server, theirs.producers.owner)) } }),
      });
      const next = first.body.next ?? null;
      if (first.status !== 200 || next === null) continue;
      seen.push(operation.id);
      const { search } = new URL(next);
      const { status, body } = await send(operation, `${fill(operation.path, ours.params)}${search}`);
      expect([200, 404], operation.id).toContain(status);
      expect(shown(body), operation.id).toEqual([]);
    }
    expect(seen).toEqual(
      expect.arrayContaining(['listProfiles', 'listGroups', 'listAdminTokens', 'listProducers', 'followActivities']),
    );
  });

  it('of an application keep their answers to themselves under one Idempotency-Key', async () => {
    const headers = { 'idempotency-key': 'the-same-key-everywhere-0123456789' };
    const body = { name: 'Keyed', custom_id: 'keyed' };
    const make = (tenant: Tenant) =>
      server.call<{ id: string }>('POST', `applications/${tenant.clientId}/profile-groups/`, {
        token: tenant.adminToken,
        headers,
        body,
      });
    const [one, other] = [await make(theirs), await make(ours)];
    expect([one.status, other.status]).toEqual([201, 201]);
    expect(other.headers.get('idempotent-replayed')).toBeNull();
    expect(other.body.id).not.toBe(one.body.id);
  });
});
