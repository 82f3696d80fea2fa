// A server whose evaluation a test drives: profiles, activities and groups in a line each, one clock, tick by tick.

import type {
  AdminProfileOptions,
  MembershipChange,
  NewActivity,
  ProfileGroup,
  ProfileGroupOptions,
  RuleTree,
} from '@grandstand/sdk/server';
import { formatInstant, type Instant } from '../instant.ts';
import type { TickResult } from '../evaluation/worker.ts';
import { sql } from '../database/database.ts';
import { startTestServer, testClock, type TestClock, type TestServer, type TestServerOptions } from './server.ts';

export interface BenchProfile {
  id: string;
  token: string;
}

export interface EngineBench {
  server: TestServer;
  clock: TestClock;
  profile(fields?: AdminProfileOptions): Promise<BenchProfile>;
  /** Sends one activity and returns when it is said to have happened. */
  send(profile: BenchProfile, type: string, item?: Partial<NewActivity>): Promise<Instant>;
  /** Makes a dynamic group with this rule, and returns its id. */
  group(rule: RuleTree, fields?: ProfileGroupOptions): Promise<string>;
  staticGroup(profiles?: BenchProfile[]): Promise<string>;
  patch(group: string, fields: ProfileGroupOptions): Promise<void>;
  show(group: string): Promise<ProfileGroup>;
  /** The ids of the visible members, sorted, by the API. */
  members(group: string): Promise<string[]>;
  changes(group: string, after?: number): Promise<MembershipChange[]>;
  tick(): Promise<TickResult>;
  close(): Promise<void>;
}

export async function createBench(options: TestServerOptions = {}): Promise<EngineBench> {
  const clock = testClock();
  const server = await startTestServer({ clock, ...options });
  const { profiles, groups, activities } = server.sdk;
  let sent = 0;

  return {
    server,
    clock,
    async profile(fields) {
      const made = await profiles.create(fields);
      return { id: made.id, token: made.access_token };
    },
    async send(profile, type, item = {}) {
      const at = item.occurred_at ?? formatInstant(clock.now());
      const id = item.id ?? `a${++sent}`;
      const answer = await activities.send([{ type, profile_id: profile.id, ...item, id, occurred_at: at }]);
      if (answer.rejected.length > 0) throw new Error(JSON.stringify(answer));
      const { rows } = await server.app.context.db.query<{ at: Instant }>(
        sql`select occurred_at as at from activities where profile_id = ${profile.id} and id = ${id}`,
      );
      return rows[0]?.at ?? 0;
    },
    async group(rule, fields = {}) {
      return (await groups.create({ name: 'A group', membership_type: 'dynamic', rule_tree: rule, ...fields })).id;
    },
    async staticGroup(members = []) {
      const { id } = await groups.create({ name: 'A static group' });
      if (members.length > 0) await groups.addMembers(id, { profile_ids: members.map((profile) => profile.id) });
      return id;
    },
    async patch(group, fields) {
      await groups.update(group, fields);
    },
    show: groups.get,
    members: async (group) => (await groups.members(group, { page_size: 1000 }).all()).map(({ id }) => id).sort(),
    async changes(group, after = 0) {
      const all: MembershipChange[] = [];
      for await (const change of groups.changes(group, { after })) all.push(change);
      return all;
    },
    tick: () => server.app.worker.tick(),
    close: () => server.close(),
  };
}
