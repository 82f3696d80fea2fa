import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createClient, InvalidTokenError, type Client, type ClientOptions, type GroupsChange } from './index.ts';
import { createAdminClient, type AdminClient } from './server.ts';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer, type TestServer } from './testing/sdk.ts';

let server: TestServer;
let admin: AdminClient;
beforeAll(async () => {
  server = await startTestServer();
  admin = createAdminClient({ clientId: CLIENT_ID, endpoint: server.url, accessToken: ADMIN_TOKEN });
});
afterAll(() => server.close());

async function startFan(options: Partial<ClientOptions> = {}): Promise<Client & { id: string }> {
  const accessToken = (await admin.profiles.create()).access_token;
  const client = createClient({ endpoint: server.url, storage: 'memory', accessToken, pollInterval: 20, ...options });
  const { id } = await client.init();
  return Object.assign(Object.create(client) as Client, { id }); // the client with its profile's id beside
}

describe('own groups', () => {
  it('are listed over all pages, and asked for by id or custom id', async () => {
    const fan = await startFan();
    const made = [];
    for (let i = 0; i < 101; i++)
      made.push(await admin.groups.create({ name: `Group ${i}`, ...(i === 0 && { custom_id: 'zeroth' }) }));
    for (const { id } of made) await admin.groups.addMembers(id, { profile_ids: [fan.id] });
    expect(await fan.getProfileGroups()).toHaveLength(101);
    for (const name of [made[0]?.id ?? '', 'zeroth', 'custom:zeroth']) expect(await fan.isMember(name)).toBe(true);
    expect(await fan.isMember('first')).toBe(false);
  });

  const page = { headers: { 'content-type': 'text/html' } };
  const ways: [string, (() => Response)?][] = [
    ['stream'],
    ['polling where streams do not get through', () => new Response('no', { status: 502 })],
    ['polling where a portal answers instead of the stream', () => new Response('<html>Our terms</html>', page)],
  ];
  for (const [way, answer] of ways) {
    it(`are followed by ${way}`, async () => {
      const blocked: typeof fetch = async (input, init) =>
        (String(input).endsWith('/events/') && answer?.()) || fetch(input, init);
      const fan = await startFan({ fetch: blocked });
      const group = await admin.groups.create({ name: 'Watched', custom_id: `watched-${way.length}` });
      const changes: GroupsChange[] = [];
      const stop = fan.onProfileGroupsChange((change) => changes.push(change));
      await vi.waitFor(() => expect(changes).toMatchObject([{ groups: [], entered: [], left: [] }]), { timeout: 5000 });
      await admin.groups.addMembers(group.id, { profile_ids: [fan.id] });
      await vi.waitFor(() => expect(changes).toHaveLength(2), { timeout: 5000 });
      expect(changes[1]).toMatchObject({
        groups: [{ group_id: group.id }],
        entered: [{ group_name: 'Watched' }],
        left: [],
      });
      expect(await fan.isMember(`watched-${way.length}`)).toBe(true);
      await admin.groups.removeMembers(group.id, { profile_ids: [fan.id] });
      await vi.waitFor(() => expect(changes).toHaveLength(3), { timeout: 5000 });
      expect(changes[2]).toMatchObject({ groups: [], left: [{ group_id: group.id }] });
      stop();
      await admin.groups.addMembers(group.id, { profile_ids: [fan.id] });
      expect(await fan.isMember(group.id)).toBe(true);
      expect(changes).toHaveLength(3);
    });
  }

  it('are told again as a difference after the connection broke', async () => {
    let connections = 0;
    const breaking: typeof fetch = async (input, init) => {
      if (!String(input).endsWith('/events/')) return fetch(input, init);
      connections++;
      const response = await fetch(input, init);
      if (connections > 1) return response;
      const { value } = (await response.body?.getReader().read()) ?? {};
      return new Response(
        new ReadableStream({
          start: (controller) => (controller.enqueue(value), controller.error(new TypeError('terminated'))),
        }),
      );
    };
    const fan = await startFan({ fetch: breaking });
    const group = await admin.groups.create({ name: 'Meanwhile' });
    const entered: string[] = [];
    const errors: unknown[] = [];
    const stop = fan.onProfileGroupsChange((change) => entered.push(...change.entered.map(({ group_id: id }) => id)), {
      onError: (error) => errors.push(error),
    });
    await vi.waitFor(() => expect(errors).toHaveLength(1));
    await admin.groups.addMembers(group.id, { profile_ids: [fan.id] });
    await vi.waitFor(() => expect(entered).toEqual([group.id]), { timeout: 5000 });
    await vi.waitFor(() => expect(connections).toBeGreaterThan(1), { timeout: 5000 });
    stop();
  });

  it('end with a dead token, which is told', async () => {
    const fan = await startFan();
    await admin.profiles.revokeTokens(fan.id);
    const error = await new Promise((resolve) => void fan.onProfileGroupsChange(() => {}, { onError: resolve }));
    expect(error).toBeInstanceOf(InvalidTokenError);
  });
});
