// Previews at once: they share a snapshot as long as nothing was written, and none of that may show. GRANDSTAND_PREVIEW_ROUNDS
// makes the first test last (1000 take some minutes); GRANDSTAND_SEED repeats a run.

import { createAdminClient, type AdminClient, type Preview, type RuleTree } from '@grandstand/sdk/server';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAdminToken, createApplication } from '../applications/application-service.ts';
import { chooseSeed, createRandom } from '../testing/random.ts';
import { CLIENT_ID, startTestServer, testClock, type TestServer } from '../testing/server.ts';

const ROUNDS = Number(process.env['GRANDSTAND_PREVIEW_ROUNDS'] ?? 12);
const FANS = 12;

const supports = (team: string): RuleTree => ({ attribute: 'favourite_team', condition: 'equals', value: team });
const LIONS = supports('lions');
const TIGERS = supports('tigers');

/** Each rule with the size that follows from how many support the lions: everybody else supports the tigers. */
const RULES: { rule: RuleTree; size: (lions: number) => number }[] = [
  { rule: LIONS, size: (lions) => lions },
  { rule: TIGERS, size: (lions) => FANS - lions },
  { rule: { operator: 'OR', children: [LIONS, TIGERS] }, size: () => FANS },
  { rule: { operator: 'AND', children: [LIONS, TIGERS] }, size: () => 0 },
  { rule: { operator: 'NOT', children: [LIONS] }, size: (lions) => FANS - lions },
  {
    rule: { operator: 'AND', children: [{ operator: 'NOT', children: [TIGERS] }, LIONS] },
    size: (lions) => lions,
  },
  { rule: { operator: 'AT_LEAST', count: 1, children: [TIGERS, LIONS] }, size: () => FANS },
];

/** An application whose fans change sides one by one; it remembers how many supported the lions after each change. */
async function createSides(sdk: AdminClient) {
  const fans = await Promise.all(
    Array.from({ length: FANS }, () =>
      sdk.profiles.create({ attributes: [{ key: 'favourite_team', value: 'tigers' }] }),
    ),
  );
  const sizes = [0];
  let acknowledged = 0;
  const write = async (): Promise<void> => {
    const next = sizes.length;
    const fan = fans[next % FANS];
    const toLions = Math.floor((next - 1) / FANS) % 2 === 0;
    sizes.push((sizes.at(-1) ?? 0) + (toLions ? 1 : -1));
    await sdk.profiles.update(fan?.id ?? '', {
      attributes: [{ key: 'favourite_team', value: toLions ? 'lions' : 'tigers' }],
    });
    acknowledged = next;
  };
  /** Which sizes of the lions would explain the answer, of all that there were between the question and it. */
  const preview = async ({ rule, size }: (typeof RULES)[number]): Promise<{ asOf: string; possible: Set<number> }> => {
    const since = acknowledged;
    const { count, as_of: asOf } = await sdk.groups.preview(rule);
    const during = sizes.slice(since);
    const possible = new Set(during.filter((lions) => size(lions) === count));
    expect([...possible], `${JSON.stringify(rule)} gave ${count} while the lions had ${during.join()}`).not.toEqual([]);
    return { asOf, possible };
  };
  return { write, preview, lions: () => sizes.at(-1) ?? 0 };
}

describe('previews at once', () => {
  let server: TestServer;
  let other: AdminClient;
  let database: pg.Client;
  beforeAll(async () => {
    server = await startTestServer({ clock: testClock() });
    const { context } = server.app;
    const { application } = await createApplication(context, { clientId: 'other-app', name: 'Other' });
    const { token } = await createAdminToken(context, application.id, { name: 'other' });
    other = createAdminClient({ clientId: 'other-app', endpoint: server.url, accessToken: token, retries: 0 });
    for (const sdk of [server.sdk, other])
      await sdk.attributes.define({ key: 'favourite_team', label: 'Favourite team', type: 'string' });
    database = new pg.Client({ connectionString: server.databaseUrl });
    await database.connect();
  });
  afterAll(async () => {
    await database.end();
    await server.close();
  });

  const backends = async (condition: string): Promise<number[]> =>
    (
      await database.query<{ pid: number }>(
        `select pid from pg_stat_activity where datname = current_database() and application_name = 'grandstand reads' and ${condition}`,
      )
    ).rows.map((row) => row.pid);
  const seen = async (condition: string, count: number): Promise<number[]> => {
    for (;;) {
      const pids = await backends(condition);
      if (pids.length >= count) return pids;
    }
  };
  const end = (pids: number[]) => database.query('select pg_terminate_backend(p) from unnest($1::int[]) p', [pids]);

  it(
    'answer as each alone in its snapshot would, however much is written between them',
    async () => {
      const seed = chooseSeed();
      console.log(`previews with seed ${seed}`);
      const random = createRandom(seed);
      const applications = [await createSides(server.sdk), await createSides(other)];
      for (let round = 0; round < ROUNDS; round++) {
        const bySnapshot = new Map<string, Set<number>>();
        const check = async (sides: (typeof applications)[number], place: number): Promise<void> => {
          const { asOf, possible } = await sides.preview(random.pick(RULES));
          const key = `${place} ${asOf}`;
          const known = bySnapshot.get(key) ?? possible;
          const both = new Set([...known].filter((size) => possible.has(size)));
          expect([...both], `two answers as of ${asOf} are of different snapshots (seed ${seed})`).not.toEqual([]);
          bySnapshot.set(key, both);
        };
        await Promise.all(
          applications.map(async (sides, place) => {
            const asked: Promise<void>[] = [];
            for (let step = 0; step < 12; step++) {
              if (random.chance(0.3)) await sides.write();
              else asked.push(check(sides, place));
              if (random.chance(0.1)) await asked.at(-1);
            }
            await Promise.all(asked);
            for (const { rule, size } of RULES) {
              const alone = await (place === 0 ? server.sdk : other).groups.preview(rule);
              expect(alone.count).toBe(size(sides.lions()));
            }
          }),
        );
      }
    },
    120_000 + ROUNDS * 2_000,
  );

  it('of one application do not end the snapshot that another one works on', async () => {
    const [mine, theirs] = [await server.sdk.groups.preview(LIONS), await other.groups.preview(LIONS)];
    const again = await Promise.all([server.sdk.groups.preview(TIGERS), other.groups.preview(TIGERS)]);
    expect(again.map((answer) => answer.as_of)).toEqual([mine.as_of, theirs.as_of]);
  });

  it('go on after the connection of a kept snapshot broke', async () => {
    await server.sdk.groups.preview(LIONS);
    await end(await seen(`state = 'idle in transaction'`, 1));
    await server.sdk.groups.preview(LIONS);
    await end(await seen(`state = 'idle in transaction'`, 1));
    await server.sdk.profiles.create(); // what is kept is of the past: it would be ended in order now
    await server.sdk.groups.preview(LIONS);
  });

  it('are told 503 where the database breaks under them, and the next ones are answered', async () => {
    await server.sdk.profiles.create();
    await database.query('begin; lock table profile_attributes in access exclusive mode');
    const ask = (rule: RuleTree) =>
      server.call<Preview>('POST', `applications/${CLIENT_ID}/profile-groups/preview/`, { body: { rule_tree: rule } });
    const asked = [LIONS, TIGERS, LIONS].map(ask);
    const waiting = await seen(`wait_event_type = 'Lock'`, 1);
    await end(waiting);
    const first = await Promise.race(asked);
    expect(first).toMatchObject({ status: 503, body: { error_code: 'unavailable' } });
    expect(first.headers.get('retry-after')).not.toBeNull();
    await database.query('commit');
    // Those that only waited for their turn on that connection get another one.
    expect((await Promise.all(asked)).map((answer) => answer.status).sort()).toEqual([200, 200, 503]);
    expect((await ask(LIONS)).status).toBe(200);
  });

  it('that are refused leave the snapshot to the others', async () => {
    const good = await server.sdk.groups.preview(LIONS);
    const [bad, next] = await Promise.all([
      server.call('POST', `applications/${CLIENT_ID}/profile-groups/preview/`, {
        body: { rule_tree: { attribute: 'favourite_team', condition: 'greater_than', value: 3 } },
      }),
      server.sdk.groups.preview(TIGERS),
    ]);
    expect(bad.status).toBe(400);
    expect(next.as_of).toBe(good.as_of);
  });
});
