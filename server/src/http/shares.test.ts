// What one application asks for at once does not keep another one waiting. The noisy one's requests are held up by locks
// of the database, so that nothing but waiting for it could take the other's time.

import { createAdminClient, type AdminClient, type RuleTree } from '@grandstand/sdk/server';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createAdminToken, createApplication } from '../applications/application-service.ts';
import { CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';

const PREVIEW = `applications/${CLIENT_ID}/profile-groups/preview/`;
const VOTERS: RuleTree = { attribute: 'total_poll_votes', condition: 'greater_than_or_equal', value: 1 };

describe('an application beside a noisy one', () => {
  let server: TestServer;
  let quiet: AdminClient;
  let quietToken: string;
  let locks: pg.Client;
  let database: pg.Client;
  beforeAll(async () => {
    server = await startTestServer();
    const { context } = server.app;
    const { application } = await createApplication(context, { clientId: 'quiet-app', name: 'Quiet' });
    quietToken = (await createAdminToken(context, application.id, { name: 'quiet' })).token;
    quiet = createAdminClient({ clientId: 'quiet-app', endpoint: server.url, accessToken: quietToken, retries: 0 });
    await server.sdk.attributes.define({ key: 'team', label: 'Team', type: 'string' });
    locks = new pg.Client({ connectionString: server.databaseUrl });
    database = new pg.Client({ connectionString: server.databaseUrl });
    await Promise.all([locks.connect(), database.connect()]);
  });
  const held: Promise<{ status: number }>[] = [];
  afterEach(async () => {
    await locks.query('rollback');
    await Promise.all(held.splice(0));
  });
  afterAll(async () => {
    await Promise.all([locks.end(), database.end()]);
    await server.close();
  });

  /** Until so many statements wait for a lock. */
  const waiting = async (count: number): Promise<void> => {
    for (let seen = 0; seen < count;) {
      const { rows } = await database.query<{ n: number }>(
        `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      seen = rows[0]?.n ?? 0;
    }
  };
  const lockAttributes = async (): Promise<void> => {
    // Ends the snapshots that are kept for previews: they hold the table.
    await Promise.all([server.sdk.profiles.create(), quiet.profiles.create()]);
    await locks.query('begin');
    await locks.query('lock table profile_attributes in access exclusive mode');
  };
  const preview = (i: number, headers: Record<string, string> = {}) =>
    server.call('POST', PREVIEW, {
      headers,
      body: { rule_tree: { attribute: 'team', condition: 'equals', value: `team-${i}` } },
    });
  const renameOwn = async (): Promise<number> => {
    const made = await server.call<{ access_token: string }>('POST', 'applications/quiet-app/profile/', {
      token: quietToken,
      body: {},
      headers: { 'idempotency-key': crypto.randomUUID() },
    });
    return made.status;
  };

  it('previews and writes while forty previews of that one are at work, with or without keys', async () => {
    for (const keyed of [false, true]) {
      await lockAttributes();
      for (let i = 0; i < 40; i++)
        held.push(preview(i, keyed ? { 'idempotency-key': `a-key-of-the-noisy-one-${i}` } : {}));
      await waiting(1);
      expect((await quiet.groups.preview(VOTERS)).count).toBe(0);
      expect(await renameOwn()).toBe(201);
      await locks.query('rollback');
      expect(new Set((await Promise.all(held.splice(0))).map((answer) => answer.status))).toEqual(new Set([200]));
    }
  });

  it('writes while more of that one’s requests hold transactions than there are connections', async () => {
    const fan = await server.sdk.profiles.create();
    await locks.query('begin');
    await locks.query('select from profiles where id = $1 for update', [fan.id]);
    for (const method of ['PATCH', 'POST'])
      for (let i = 0; i < 30; i++) {
        const path = method === 'PATCH' ? `profiles/${fan.id}/` : `profiles/${fan.id}/access-tokens/`;
        const headers = { 'idempotency-key': `another-key-of-the-noisy-one-${i}` };
        const body = method === 'PATCH' ? { nickname: `Name ${i}` } : { keep_existing: true };
        held.push(server.call(method, path, { body, ...(method === 'POST' && { headers }) }));
      }
    await waiting(5);
    for (let i = 0; i < 5; i++) expect(await renameOwn()).toBe(201);
    expect((await quiet.profiles.list({ page_size: 5 }).all()).length).toBeGreaterThan(4);
    await locks.query('rollback');
    expect(new Set((await Promise.all(held.splice(0))).map((answer) => Math.floor(answer.status / 100)))).toEqual(
      new Set([2]),
    );
  });

  it('sends activities while that one’s batches wait', async () => {
    const [theirs, own] = [await server.sdk.profiles.create(), await quiet.profiles.create()];
    await server.sdk.activities.send([{ id: 'first', type: 'comment-created', profile_id: theirs.id }]);
    await locks.query('begin');
    await locks.query('select from totals where profile_id = $1 for update', [theirs.id]);
    for (let i = 0; i < 20; i++)
      held.push(
        server.call('POST', `applications/${CLIENT_ID}/activities/`, {
          body: { activities: [{ id: `noise-${i}`, type: 'comment-created', profile_id: theirs.id }] },
        }),
      );
    await waiting(2);
    const sent = await server.call('POST', 'applications/quiet-app/activities/', {
      token: quietToken,
      body: { activities: [{ id: 'one', type: 'comment-created', profile_id: own.id }] },
    });
    expect(sent.body).toMatchObject({ accepted: 1 });
  });

  it('is told 429 where too much of its own waits already', async () => {
    await lockAttributes();
    const answers = Array.from({ length: 130 }, (_, i) => preview(i));
    const refused = await Promise.any(
      answers.map(async (answer) => ((await answer).status === 429 ? answer : Promise.reject(new Error('other')))),
    );
    expect(refused.headers.get('retry-after')).toBe('1');
    held.push(...answers);
    expect((await quiet.groups.preview(VOTERS)).count).toBe(0);
  });
});
