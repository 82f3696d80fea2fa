// Every operation that changes something leaves exactly one row, and no secret in any. The table names a call for each
// operation of the OpenAPI document: a new one fails here until it has one, or says in its route why it leaves none.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditAll } from '../commands/audited.ts';
import { sql } from '../database/database.ts';
import { isOwnAccess, type OwnAccess } from '../http/route.ts';
import { formatInstant, MICROS_PER_DAY } from '../instant.ts';
import {
  ADMIN_TOKEN,
  CLIENT_ID,
  CLIENT_SECRET,
  startTestServer,
  testClock,
  type TestServer,
} from '../testing/server.ts';
import { createTenant, signedIn, type Tenant } from '../testing/two-applications.ts';
import { startReceiver, type Receiver } from '../webhooks/testing/receiver.ts';
import { deleteOldEntries } from './audit-chores.ts';
import { redact, REDACTED } from './redact.ts';

const PASSWORD = 'correct horse battery';
const NEW_PASSWORD = 'battery staple horse';
const RULE = { attribute: 'total_comments_posted', condition: 'greater_than', value: 1 };

interface Call {
  method: string;
  path: string;
  body?: unknown;
  /** By the owner's session instead of the admin token. */
  session?: boolean;
  headers?: Record<string, string>;
}

/** Of these the reasons stand in their routes, or they change nothing of an application by a person. */
const NOT_AUDITED: Record<string, string> = {
  sendActivities: 'what fans did is data',
  sendSegmentEvents: 'what fans did is data',
  updateOwnProfile: 'by the fan',
  mergeOwnProfile: 'by the fan',
  previewRule: 'changes nothing',
  compareGroups: 'changes nothing',
  previewImport: 'changes nothing',
  verifyGroup: 'changes no membership',
  getInvitation: 'changes nothing',
};

describe('the audit log', () => {
  let server: TestServer;
  let receiver: Receiver;
  const clock = testClock();
  let cookie = '';
  let csrf = '';
  const secrets = [ADMIN_TOKEN, CLIENT_SECRET, PASSWORD, NEW_PASSWORD];
  beforeAll(async () => {
    receiver = await startReceiver();
    server = await startTestServer({ clock, env: { WEBHOOK_ALLOW_PRIVATE: 'true' } });
  });
  afterAll(async () => {
    await server.close();
    await receiver.close();
  });

  const app = (path: string): string => `applications/${CLIENT_ID}/${path}`;

  async function call<T = Record<string, unknown>>({ method, path, body, session, headers }: Call): Promise<T> {
    const answer = await server.call<T>(method, path, {
      ...(body !== undefined && { body }),
      ...(session ? { token: null, headers: { cookie, 'x-csrf-token': csrf, ...headers } } : headers && { headers }),
    });
    expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBeLessThan(300);
    const set = answer.headers.get('set-cookie')?.split(';')[0];
    if (set && !set.endsWith('=')) cookie = set;
    const { csrf_token: token } = (answer.body || {}) as { csrf_token?: string | null }; // of a session
    if (token) csrf = token;
    return answer.body;
  }

  const count = async (): Promise<number> => {
    const { rows } = await server.app.context.db.query<{ count: number }>(sql`select count(*) as count from audit_log`);
    return rows[0]?.count ?? 0;
  };

  const invite = async (role: string): Promise<{ id: string; token: string }> => {
    const body = { email: `${role}@example.com`, role };
    const { link, id } = await call<{ link: string; id: string }>({
      method: 'POST',
      path: app('producers/invitations/'),
      body,
      session: true,
    });
    const token = new URL(link).hash.slice(1);
    secrets.push(token);
    return { id, token };
  };

  /** For each operation something to do it to, and the call. */
  const calls: Record<string, () => Promise<Call> | Call> = {
    acceptInvitation: () => {
      const token = server.app.firstOwnerToken ?? '';
      secrets.push(token);
      const body = { token, email: 'owner@example.com', name: 'Olga Owner', password: PASSWORD };
      return { method: 'POST', path: 'producers/invitations/accept/', body, session: true };
    },
    signIn: () => {
      const body = { email: 'owner@example.com', password: PASSWORD };
      return { method: 'POST', path: 'producers/sessions/', body, session: true };
    },
    changePassword: () => {
      const body = { current_password: PASSWORD, password: NEW_PASSWORD };
      return { method: 'POST', path: 'producers/password/', body, session: true };
    },
    inviteProducer: () => {
      const body = { email: 'new@example.com', role: 'viewer' };
      return { method: 'POST', path: app('producers/invitations/'), body, session: true };
    },
    withdrawInvitation: async () => {
      const { id } = await invite('editor');
      return { method: 'DELETE', path: app(`producers/invitations/${id}/`), session: true };
    },
    changeProducerRole: async () => ({
      method: 'PATCH',
      path: app(`producers/${await otherProducer('viewer')}/`),
      body: { role: 'editor' },
      session: true,
    }),
    removeProducer: async () => ({
      method: 'DELETE',
      path: app(`producers/${await otherProducer('editor')}/`),
      session: true,
    }),
    rotateClientSecret: () => ({ method: 'POST', path: app('client-secret/'), session: true }),
    updateApplication: () => ({
      method: 'PATCH',
      path: app(''),
      body: { limits: { max_mau: { value: 1_000_000 } } },
    }),
    createAdminToken: () => ({ method: 'POST', path: app('access-tokens/'), body: { name: 'import' } }),
    revokeAdminToken: async () => {
      const made = await server.sdk.accessTokens.create({ name: 'dies' });
      return { method: 'DELETE', path: app(`access-tokens/${made.id}/`) };
    },
    createProfile: () => ({ method: 'POST', path: app('profile/'), body: { nickname: 'Ann' } }),
    createProfileByCustomId: () => ({ method: 'POST', path: `profile-by-custom-id/${CLIENT_ID}/ann/` }),
    upsertProfiles: () => ({
      method: 'POST',
      path: app('profiles/bulk/'),
      body: { profiles: [{ custom_id: 'bulk-1' }] },
    }),
    updateProfile: async () => ({ method: 'PATCH', path: `profiles/${await profile()}/`, body: { nickname: 'Ben' } }),
    eraseProfile: async () => ({ method: 'DELETE', path: `profiles/${await profile()}/` }),
    rotateProfileToken: async () => ({ method: 'POST', path: `profiles/${await profile()}/access-tokens/` }),
    revokeProfileTokens: async () => ({ method: 'DELETE', path: `profiles/${await profile()}/access-tokens/` }),
    mergeProfile: async () => ({
      method: 'POST',
      path: app(`profiles/${await profile()}/merge/`),
      body: { into: await profile() },
    }),
    createGroup: () => ({ method: 'POST', path: app('profile-groups/'), body: { name: 'Group' } }),
    updateGroup: async () => ({
      method: 'PATCH',
      path: app(`profile-groups/${await group()}/`),
      body: { name: 'Other' },
    }),
    deleteGroup: async () => ({ method: 'DELETE', path: app(`profile-groups/${await group()}/`) }),
    restoreGroup: async () => {
      const id = await group();
      await server.sdk.groups.update(id, { is_active: false });
      return { method: 'POST', path: app(`profile-groups/${id}/restore/`) };
    },
    addMembers: async () => ({
      method: 'POST',
      path: app(`profile-groups/${await group()}/members/`),
      body: { profile_ids: [await profile()] },
    }),
    removeMembers: async () => ({
      method: 'DELETE',
      path: app(`profile-groups/${await group()}/members/`),
      body: { profile_ids: [await profile()] },
    }),
    replaceMembers: async () => ({
      method: 'PUT',
      path: app(`profile-groups/${await group()}/members/`),
      body: `profile_id\n${await profile()}\n`,
      headers: { 'content-type': 'text/csv' },
    }),
    restoreRuleset: async () => {
      const id = await group(RULE);
      const { ruleset } = await server.sdk.groups.get(id);
      await server.sdk.groups.update(id, { rule_tree: { ...RULE, value: 2 } });
      return { method: 'POST', path: app(`profile-groups/${id}/rulesets/${ruleset?.id ?? ''}/restore/`) };
    },
    pinProfile: async () => ({
      method: 'PUT',
      path: app(`profile-groups/${await group(RULE)}/pins/${await profile()}/`),
      body: { pin: 'in', reason: 'a friend' },
    }),
    unpinProfile: async () => {
      const [id, one] = [await group(RULE), await profile()];
      await call({ method: 'PUT', path: app(`profile-groups/${id}/pins/${one}/`), body: { pin: 'in', reason: 'x' } });
      return { method: 'DELETE', path: app(`profile-groups/${id}/pins/${one}/`) };
    },
    removeActivity: async () => {
      const one = await profile();
      const activities = [{ id: 'a1', type: 'poll-voted', profile_id: one }];
      await call({ method: 'POST', path: app('activities/'), body: { activities } });
      return { method: 'DELETE', path: app(`profiles/${one}/activities/a1/`) };
    },
    createImport: () => ({
      method: 'POST',
      path: app('imports/?of=profiles'),
      body: 'custom_id\nimported-1\n',
      headers: { 'content-type': 'text/csv' },
    }),
    syncSegmentAudiences: () => ({
      method: 'POST',
      path: app('segment-audience-sync/'),
      body: [{ audience_id: 'aud_1', audience_name: 'Regulars', action: true, user_id: 'of-an-audience' }],
    }),
    createWebhook: () => ({ method: 'POST', path: app('webhooks/'), body: { url: receiver.url } }),
    updateWebhook: async () => ({
      method: 'PATCH',
      path: app(`webhooks/${await webhook()}/`),
      body: { description: 'The shop' },
    }),
    rotateWebhookSecret: async () => ({ method: 'POST', path: app(`webhooks/${await webhook()}/rotate-secret/`) }),
    rewindWebhook: async () => ({
      method: 'POST',
      path: app(`webhooks/${await webhook()}/rewind/`),
      body: { since: '2026-02-28T00:00:00Z' },
    }),
    testWebhook: async () => ({ method: 'POST', path: app(`webhooks/${await webhook()}/test/`) }),
    retryWebhookDelivery: async () => {
      const id = await webhook();
      await call({ method: 'POST', path: app(`webhooks/${id}/test/`) });
      const [delivery] = await server.sdk.webhooks.deliveries(id).all(1);
      return { method: 'POST', path: app(`webhooks/${id}/deliveries/${delivery?.id ?? ''}/retry/`) };
    },
    deleteWebhook: async () => ({ method: 'DELETE', path: app(`webhooks/${await webhook()}/`) }),
    createSource: () => ({
      method: 'POST',
      path: app('sources/'),
      body: { name: 'Shop', kind: 'segment', write_key: secrets[secrets.push('a-key-that-clients-have') - 1] },
    }),
    updateSource: async () => ({
      method: 'PATCH',
      path: app(`sources/${await source()}/`),
      body: { name: 'Web shop' },
    }),
    rotateSourceKey: async () => ({ method: 'POST', path: app(`sources/${await source()}/rotate-key/`) }),
    deleteSource: async () => ({ method: 'DELETE', path: app(`sources/${await source()}/`) }),
    registerActivityType: () => ({
      method: 'POST',
      path: app('activity-types/'),
      body: { type: 'waved', label: 'Waved', client: true },
    }),
    updateActivityType: () => ({ method: 'PATCH', path: app('activity-types/waved/'), body: { label: 'Waves' } }),
    unregisterActivityType: () => ({ method: 'DELETE', path: app('activity-types/waved/') }),
    defineAttribute: () => ({
      method: 'POST',
      path: app('profile-attributes/'),
      body: { key: 'shoe_size', label: 'Shoe size', type: 'number' },
    }),
    updateAttribute: () => ({ method: 'PATCH', path: app('profile-attributes/shoe_size/'), body: { label: 'Size' } }),
    deleteAttribute: () => ({ method: 'DELETE', path: app('profile-attributes/shoe_size/') }),
    // The session ends with these.
    signOut: () => ({ method: 'DELETE', path: 'producers/session/', session: true }),
    signOutEverywhere: async () => {
      await call({
        method: 'POST',
        path: 'producers/sessions/',
        body: { email: 'owner@example.com', password: NEW_PASSWORD },
        session: true,
      });
      return { method: 'DELETE', path: 'producers/sessions/', session: true };
    },
  };

  const profile = async (): Promise<string> => {
    const { id, access_token: token } = await server.sdk.profiles.create({ nickname: 'Somebody' });
    secrets.push(token);
    return id;
  };
  const webhook = async (): Promise<string> => {
    const { id, secret } = await server.sdk.webhooks.create({ url: receiver.url });
    secrets.push(secret ?? '');
    return id;
  };
  const source = async (): Promise<string> => {
    const { id, write_key: key } = await server.sdk.sources.create({ name: 'A source', kind: 'segment' });
    secrets.push(key);
    return id;
  };
  const group = async (rule?: object): Promise<string> => {
    const dynamic = rule && { membership_type: 'dynamic', rule_tree: rule };
    return (
      await call<{ id: string }>({ method: 'POST', path: app('profile-groups/'), body: { name: 'G', ...dynamic } })
    ).id;
  };
  const otherProducer = async (role: string): Promise<string> => {
    const { token } = await invite(role);
    const body = { token, name: role, password: PASSWORD };
    await server.call('POST', 'producers/invitations/accept/', { token: null, body });
    const { results } = await call<{ results: { id: string; email: string | null }[] }>({
      method: 'GET',
      path: app('producers/'),
      session: true,
    });
    return results.find(({ email }) => email === `${role}@example.com`)?.id ?? '';
  };

  it('has one row of each change, with who, what and from where, and no secret in any', async () => {
    type Described = { operationId: string; 'x-access'?: OwnAccess };
    const { body } = await server.call<{ paths: Record<string, Record<string, Described>> }>('GET', 'openapi.json', {
      token: null,
    });
    // What sources send is what fans did, and data.
    const operations = Object.values(body.paths).flatMap((methods) =>
      Object.entries(methods).flatMap(([method, { operationId, 'x-access': access }]) =>
        method === 'get' || isOwnAccess(access) ? [] : [operationId],
      ),
    );
    const known = [...Object.keys(calls), ...Object.keys(NOT_AUDITED)];
    expect(operations.filter((operation) => !known.includes(operation))).toEqual([]);

    const rowsOf: Record<string, number> = {};
    for (const [operation, prepare] of Object.entries(calls)) {
      const asked = await prepare();
      const before = await count();
      const answer = await call<unknown>(asked);
      rowsOf[operation] = (await count()) - before;
      if (rowsOf[operation] !== 1) continue; // said of all of them below
      const [row] = await server.sdk.audit().all(1);
      expect(row, operation).toMatchObject({ action: operation, address: '127.0.0.1' });
      expect(row?.actor.name, operation).toBe(asked.session ? 'owner@example.com' : 'bootstrap');
      for (const [name, value] of Object.entries((answer || {}) as object))
        if (/secret|token|write_key/.test(name) && typeof value === 'string') secrets.push(value);
    }
    expect(rowsOf).toEqual(Object.fromEntries(Object.keys(calls).map((operation) => [operation, 1])));
    const { rows } = await server.app.context.db.query<{ all: string }>(
      sql`select string_agg(a::text, ' ') as all from audit_log a`,
    );
    for (const secret of secrets.filter(Boolean)) expect(rows[0]?.all).not.toContain(secret);
  });

  it('of a producer of two applications stands in the one that the profile is of', async () => {
    const { context } = server.app;
    const tenants = [await createTenant(server, 'first-app'), await createTenant(server, 'second-app')] as const;
    const producer = tenants[0].producers.owner;
    await context.db.query(sql`
      insert into producer_roles (producer_id, application_id, role, created_at)
      values (${producer}, ${tenants[1].applicationId}, 'owner', ${formatInstant(clock.now())})`);
    const actions = async (tenant: Tenant): Promise<string[]> => {
      const { body } = await server.call<{ results: { action: string; object: { id: string } | null }[] }>(
        'GET',
        `applications/${tenant.clientId}/audit/`,
        { token: tenant.adminToken },
      );
      return body.results.filter(({ object }) => object?.id === tenant.fan.id).map(({ action }) => action);
    };
    for (const tenant of tenants) {
      const before = await actions(tenant);
      const headers = { ...(await signedIn(server, producer)) };
      const path = `profiles/${tenant.fan.id}/`;
      for (const [method, at, body] of [
        ['PATCH', path, { nickname: 'Ada' }],
        ['POST', `${path}access-tokens/`, {}],
        ['DELETE', path, undefined],
      ] as const)
        expect((await server.call(method, at, { token: null, headers, body })).status).toBeLessThan(300);
      const after = await actions(tenant);
      expect(after.slice(0, after.length - before.length)).toEqual([
        'eraseProfile',
        'rotateProfileToken',
        'updateProfile',
      ]);
    }
  });

  it('says what was before and after, and is filtered', async () => {
    const id = await group();
    await server.sdk.groups.update(id, { name: 'Renamed' });
    const results = await server.sdk.audit({ object_type: 'group', object_id: id, action: 'updateGroup' }).all();
    expect(results).toMatchObject([
      { object: { type: 'group', id, name: 'G' }, before: { name: 'G' }, after: { name: 'Renamed' } },
    ]);
    expect(await server.sdk.audit({ actor: 'nobody@example.com' }).all()).toEqual([]);
    expect((await server.call('GET', app('audit/?since=yesterday'))).status).toBe(400);
  });

  it('names the group of a file of members, and what it was called', async () => {
    const id = await group();
    await call({
      method: 'POST',
      path: app(`imports/?of=members&group=${id}&name=fans.csv`),
      body: `profile_id\n${await profile()}\n`,
      headers: { 'content-type': 'text/csv' },
    });
    expect(await server.sdk.audit({ action: 'createImport' }).all(1)).toMatchObject([
      { object: { type: 'import', name: 'fans.csv' }, after: { of: 'members', group: id, dry_run: false } },
    ]);
  });

  it('has a row in each application of what the command line does to the whole database', async () => {
    await auditAll(server.databaseUrl, { action: 'backup', request: { file: 'of-today' } }, clock.now());
    for (const clientId of [CLIENT_ID, 'second-app']) {
      const { id } = await server.app.context.applications.get(clientId);
      const { rows } = await server.app.context.db.query(sql`
        select actor_kind, details from audit_log where application_id = ${id} and action = 'backup'`);
      expect(rows, clientId).toEqual([{ actor_kind: 'command line', details: { request: { file: 'of-today' } } }]);
    }
  });

  it('comes as a file, whole and with the same filters, whose cells no spreadsheet calculates', async () => {
    const id = await group();
    const names = Array.from({ length: 1_001 }, (_, n) => ({ action: `bulk${n}` }));
    const { context } = server.app;
    const { id: applicationId } = await context.applications.get(CLIENT_ID);
    await context.db.query(sql`
      insert into audit_log (id, application_id, at, actor_kind, actor_name, action, object_type, object_id, object_name)
      select gen_random_uuid(), ${applicationId}, ${formatInstant(clock.now())}, 'command line', 'root', a.action, 'test', ${id}, '=1+1'
      from unnest(${names.map(({ action }) => action)}::text[]) as a (action)`);
    const path = app(`audit/?object_type=test&object_id=${id}`);
    const csv = await server.call<string>('GET', path, { headers: { accept: 'text/csv' } });
    expect(csv.headers.get('content-type')).toContain('text/csv');
    const [header, ...lines] = csv.body.trimEnd().split('\r\n');
    expect(header).toContain('at,actor_kind,actor_id,actor,address,action,');
    expect(new Set(lines.map((line) => line.split(',')[5])).size).toBe(1_001);
    expect(lines.every((line) => line.includes(",'=1+1,"))).toBe(true);
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const ndjson = await (await fetch(server.api(`${path}&format=ndjson`), { headers })).text();
    expect(ndjson.trimEnd().split('\n')).toHaveLength(1_001);
    expect((await server.call('GET', `${path}&format=xml`)).status).toBe(400);
  });

  it('has no row of what failed', async () => {
    const before = await count();
    expect((await server.call('DELETE', app(`access-tokens/${crypto.randomUUID()}/`))).status).toBe(404);
    expect(
      (await server.call('PATCH', app(`profile-groups/${crypto.randomUUID()}/`), { body: { name: 'x' } })).status,
    ).toBe(404);
    expect((await server.call('POST', app('profile-groups/'), { body: { name: '' } })).status).toBe(400);
    await server.sdk.groups.create({ name: 'Taken', custom_id: 'taken' });
    expect(
      (await server.call('POST', app('profile-groups/'), { body: { name: 'x', custom_id: 'taken' } })).status,
    ).toBe(409);
    expect(await count()).toBe(before + 1);
  });

  it('has one row of each reading of all that is stored about fans, but for the fan’s own', async () => {
    const made = await server.sdk.profiles.create();
    const before = await count();
    await server.sdk.exports.profile(made.id);
    for (const kind of ['profiles', 'activities', 'members', 'changes'])
      expect((await server.call('GET', app(`exports/${kind}/?format=csv`))).status).toBe(200);
    expect(await count()).toBe(before + 5);
    expect(await server.sdk.audit({ action: 'exportProfile' }).all()).toMatchObject([
      { object: { type: 'profile', id: made.id } },
    ]);
    await server.as(made.access_token).exports.profile(made.id);
    expect((await server.call('GET', `profiles/${crypto.randomUUID()}/export/`)).status).toBe(404);
    expect((await server.call('GET', app('exports/members/?group=custom:none'))).status).toBe(400);
    expect(await count()).toBe(before + 5);
  });

  it('has one row of a change that was sent twice under one key', async () => {
    const before = await count();
    for (let n = 0; n < 2; n++)
      await call({
        method: 'POST',
        path: app('profile-groups/'),
        body: { name: 'Once' },
        headers: { 'idempotency-key': 'the-same-key-twice' },
      });
    expect(await count()).toBe(before + 1);
  });

  it('has failed sign-ins of known addresses', async () => {
    const body = { email: 'owner@example.com', password: 'wrong' };
    expect((await server.call('POST', 'producers/sessions/', { token: null, body })).status).toBeGreaterThanOrEqual(
      400,
    );
    const results = await server.sdk.audit({ action: 'signInFailed' }).all();
    expect(results).toMatchObject([{ actor: { name: 'owner@example.com' }, object: null }]);
  });

  it('forgets what it says of a profile that is erased, and whole rows with time', async () => {
    const id = await profile();
    await server.sdk.profiles.update(id, { nickname: 'Somebody Else' });
    await server.sdk.profiles.erase(id);
    const results = await server.sdk.audit({ object_id: id }).all();
    expect(results.map(({ action }) => action)).toEqual(['eraseProfile', 'updateProfile', 'createProfile']);
    expect(JSON.stringify(results)).not.toContain('Somebody');
    clock.advance(401 * MICROS_PER_DAY);
    await deleteOldEntries(server.app.context);
    expect(await count()).toBe(0);
  });

  it('keeps no secret and no more than a row should hold', () => {
    expect(redact({ password: 'x', nested: [{ client_secret: 'y' }], has_token: true })).toEqual({
      password: REDACTED,
      nested: [{ client_secret: REDACTED }],
      has_token: true,
    });
    expect(redact({ ids: Array.from({ length: 50 }, () => 'id') })).toMatchObject({
      ids: expect.arrayContaining(['… 30 more']) as unknown,
    });
    expect(redact({ text: 'x'.repeat(1_000) })).toEqual({ text: `${'x'.repeat(500)}…` });
  });
});
