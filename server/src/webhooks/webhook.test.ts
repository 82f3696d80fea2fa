// Webhooks by the API: who may do what, which addresses are taken, what is shown and what never is.

import type { AdminClient } from '@grandstand/sdk/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLIENT_ID, pagesOf, refusal, startTestServer, testClock, type TestServer } from '../testing/server.ts';

const PATH = `applications/${CLIENT_ID}/webhooks/`;
const NAMES: Record<string, string[]> = {
  'hooks.example.com': ['8.8.8.8', '2606:4700:4700::1111'],
  'inside.example.com': ['10.0.0.5'],
  'mixed.example.com': ['10.0.0.5', '8.8.8.8'],
};

describe('webhooks by the API', () => {
  let server: TestServer;
  let webhooks: AdminClient['webhooks'];
  beforeAll(async () => {
    server = await startTestServer({
      clock: testClock(),
      webhooks: {
        resolve: async (name) => {
          const addresses = NAMES[name];
          if (!addresses) throw new Error(`The name ${name} does not exist.`);
          return addresses;
        },
      },
    });
    ({ webhooks } = server.sdk);
  });
  afterAll(() => server.close());

  const post = (body: unknown) => server.call('POST', PATH, { body });

  it('are created with a secret that is shown once, listed newest first, changed and deleted', async () => {
    const { id: group } = await server.sdk.groups.create({ name: 'Reds', custom_id: 'reds' });
    const made = await post({
      url: 'https://hooks.example.com/a?b=c',
      description: 'CRM',
      events: ['membership.changed', 'membership.changed'],
      groups: ['custom:reds', group.toUpperCase()],
      switches: 'summary',
      more: 'is ignored',
    });
    expect(made.status).toBe(201);
    expect(made.headers.get('cache-control')).toBe('no-store');
    expect(made.body).toEqual({
      id: expect.any(String),
      url: 'https://hooks.example.com/a?b=c',
      description: 'CRM',
      events: ['membership.changed'],
      groups: ['custom:reds', group],
      switches: 'summary',
      is_active: true,
      state: {
        status: 'healthy',
        since: made.body['created_at'],
        last_success_at: null,
        last_error: null,
        oldest_undelivered_at: null,
      },
      secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
      created_at: expect.any(String),
      updated_at: made.body['created_at'],
    });
    const { secret: _secret, ...shown } = made.body;
    const id = String(shown['id']);
    expect(await webhooks.get(id)).toEqual(shown);
    const plain = await webhooks.create({ url: 'https://hooks.example.com/' });
    expect(plain).toMatchObject({ description: '', events: null, groups: null, switches: 'changes' });
    const [page] = await pagesOf(webhooks.list());
    expect(page?.count).toBe(2);
    expect(page?.results.map((webhook) => webhook.id)).toEqual([plain.id, id]);
    expect(JSON.stringify(page)).not.toContain('whsec_');

    const changed = await webhooks.update(id, { description: 'Mail', events: null, is_active: false });
    expect(changed).toMatchObject({ description: 'Mail', events: null, is_active: false, state: { status: 'disabled' }, url: made.body['url'] }); // prettier-ignore
    expect((await refusal(webhooks.update(id, { is_active: true }, String(shown['updated_at'])))).status).toBe(412);
    await webhooks.update(id, { is_active: true }, changed.updated_at);
    await webhooks.delete(id);
    const gone = [webhooks.get(id), webhooks.delete(id), webhooks.test(id), webhooks.deliveries(id).all()];
    expect((await Promise.all(gone.map(refusal))).map(({ status }) => status)).toEqual([404, 404, 404, 404]);
    expect((await webhooks.list().all()).map((webhook) => webhook.id)).toEqual([plain.id]);
    await webhooks.delete(plain.id);
  });

  it('name every problem at once', async () => {
    expect((await post({})).body).toEqual({ url: ['This field is required.'] });
    const answer = await post({ url: 'ftp://x', events: ['nothing'], groups: ['custom:nobody'], switches: 'all' });
    expect(answer.status).toBe(400);
    expect(Object.keys(answer.body).toSorted()).toEqual(['events[0]', 'groups[0]', 'switches', 'url']);
    expect(answer.body['groups[0]']).toEqual(["There is no profile group 'custom:nobody'."]);
    expect((await post({ url: 'https://hooks.example.com', events: [] })).status).toBe(400);
  });

  const ONLY_PUBLIC = 'webhooks go to public addresses only.';
  it.each([
    ['http://hooks.example.com/', 'This must be an https URL'],
    ['hooks.example.com', 'This must be an https URL'],
    ['https://user:secret@hooks.example.com/', 'A URL with a user name or password is stored nowhere'],
    ['https://127.0.0.1/', ONLY_PUBLIC],
    ['https://2130706433/', ONLY_PUBLIC],
    ['https://0x7f.0.0.1:8443/', ONLY_PUBLIC],
    ['https://[::1]/', ONLY_PUBLIC],
    ['https://[::ffff:10.0.0.1]/', ONLY_PUBLIC],
    ['https://169.254.169.254/latest/meta-data/', ONLY_PUBLIC],
    ['https://inside.example.com/', `inside.example.com has no public address (10.0.0.5): ${ONLY_PUBLIC}`],
  ])('refuse %s', async (url, problem) => {
    const { status, body } = await post({ url });
    expect(status).toBe(400);
    expect(String(body['url'])).toContain(problem);
  });

  it('take a name of which one address is public, and one that is not known yet', async () => {
    for (const url of ['https://mixed.example.com/', 'https://not-yet.example.com/'])
      await webhooks.delete((await webhooks.create({ url })).id);
  });

  it('are for owners and admin tokens; read-only ones may look', async () => {
    const { id } = await webhooks.create({ url: 'https://hooks.example.com/' });
    const { token } = await server.sdk.accessTokens.create({ name: 'Reader', read_only: true });
    const reader = server.as(token).webhooks;
    expect((await reader.list().all()).map((webhook) => webhook.id)).toEqual([id]);
    expect(await reader.deliveries(id).all()).toEqual([]);
    const writes = [
      reader.create({ url: 'https://hooks.example.com/' }),
      reader.update(id, {}),
      reader.delete(id),
      reader.rotateSecret(id),
      reader.rewind(id, '2026-01-01T00:00:00Z'),
      reader.test(id),
    ];
    for (const { status } of await Promise.all(writes.map(refusal))) expect(status).toBe(403);
    const { access_token: fan } = await server.sdk.profiles.create();
    expect((await refusal(server.as(fan).webhooks.list().all())).status).toBe(403);
    expect((await refusal(server.as(null).webhooks.list().all())).status).toBe(401);
    await webhooks.delete(id);
  });

  it('are rewound to instants of the past', async () => {
    const { id } = await webhooks.create({ url: 'https://hooks.example.com/' });
    const rewind = (body: unknown) => server.call('POST', `${PATH}${id}/rewind/`, { body });
    expect((await rewind({})).body).toEqual({ since: ['This field is required.'] });
    expect((await rewind({ since: 'yesterday' })).body).toEqual({
      since: ['This must be an ISO 8601 date and time.'],
    });
    expect((await rewind({ since: '2100-01-01T00:00:00Z' })).body).toEqual({
      since: ['This must not lie in the future.'],
    });
    expect((await rewind({ since: '2026-01-01T00:00:00Z' })).status).toBe(200);
    await webhooks.delete(id);
  });

  it('are a hundred at most', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 100; n++) ids.push((await webhooks.create({ url: 'https://hooks.example.com/' })).id);
    const refused = await refusal(webhooks.create({ url: 'https://hooks.example.com/' }));
    expect([refused.status, refused.message]).toEqual([409, 'An application has at most 100 webhooks.']);
    for (const id of ids) await webhooks.delete(id);
  });
});
