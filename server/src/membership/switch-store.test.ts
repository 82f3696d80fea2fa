// What the planner makes of a slice's statements when its statistics are older than the switch, as they always are.

import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { sql, type Queryable, type Sql } from '../database/database.ts';
import { CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';
import { addProfiles } from '../testing/profiles.ts';
import { cleanSlice, deletePending, discardSlice, setUntil } from './switch-store.ts';

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Parent Relationship'?: string;
  Plans?: Plan[];
}

const MEMBERS = 2000;

// A cluster shows its own plan, which says nothing of the workers' ones.
describe.skipIf(inject('isDistributed'))('a slice of a switch', () => {
  let server: TestServer;
  let group: string;
  let ids: string[];
  beforeAll(async () => {
    server = await startTestServer();
    group = (
      await server.call<{ id: string }>('POST', `applications/${CLIENT_ID}/profile-groups/`, {
        body: { name: 'Group' },
      })
    ).body.id;
    ids = await addProfiles(server, MEMBERS);
    await server.call('POST', `applications/${CLIENT_ID}/profile-groups/${group}/members/`, {
      body: { profile_ids: ids },
    });
    await server.app.context.db.query(sql`analyze members`);
    // As if all of them had been prepared to leave, and others to enter, since the statistics were taken.
    await setUntil(server.app.context.db, group, ids, 1);
  });
  afterAll(() => server.close());

  /** The statements that the work runs, as the planner would run them. */
  const plansOf = async (work: (tx: Queryable) => Promise<unknown>): Promise<Plan[]> => {
    const { pool } = server.app.context.db;
    const plans: Plan[] = [];
    await work({
      async query(statement: Sql) {
        const { rows } = await pool.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
          `explain (format json) ${statement.text}`,
          statement.values,
        );
        const plan = rows[0]?.['QUERY PLAN'][0].Plan;
        if (plan) plans.push(plan);
        return { rows: [], count: 0 };
      },
    });
    return plans;
  };
  const nodes = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];

  const works: [string, (tx: Queryable) => Promise<unknown>][] = [
    ['cleans', (tx) => cleanSlice(tx, group, 1, 5000)],
    ['discards', (tx) => discardSlice(tx, group, 0, 5000)],
    ['drops', (tx) => deletePending(tx, group, ids.slice(0, 100), 0)],
  ];
  for (const [name, work] of works) {
    it(`${name} each row by its whole key, never by a look at the group for each`, async () => {
      const joins = (await plansOf(work)).flatMap(nodes).filter((node) => node['Node Type'] === 'Nested Loop');
      for (const { Plans: [outer, inner] = [] } of joins) {
        expect(outer).not.toHaveProperty('Relation Name');
        expect(inner?.['Index Name']).toMatch(/_pkey$/);
      }
      expect(joins.length).toBeGreaterThan(0);
    });
  }
});
