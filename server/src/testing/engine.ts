// A server whose evaluation a test drives: profiles, activities and groups in a line each, one clock, tick by tick.

import { formatInstant, type Instant } from '../instant.ts';
import type { TickResult } from '../evaluation/worker.ts';
import { sql } from '../database/database.ts';
import {
  CLIENT_ID,
  startTestServer,
  testClock,
  type TestClock,
  type TestServer,
  type TestServerOptions,
} from './server.ts';

export interface BenchProfile {
  id: string;
  token: string;
}

export interface BenchChange {
  sequence: number;
  change: 'entered' | 'left';
  profile_id: string;
  at: string;
  cause: string;
}

export interface BenchGroup {
  id: string;
  profile_count: number;
  ruleset?: { id: string; rule_tree: unknown };
  evaluation: {
    state: string;
    ruleset_id: string | null;
    as_of: string | null;
    progress: number | null;
    last_error: string | null;
  };
}

export interface EngineBench {
  server: TestServer;
  clock: TestClock;
  profile(fields?: Record<string, unknown>): Promise<BenchProfile>;
  /** Sends one activity and returns when it is said to have happened. */
  send(profile: BenchProfile, type: string, item?: Record<string, unknown>): Promise<Instant>;
  /** Makes a dynamic group with this rule, and returns its id. */
  group(rule: unknown, fields?: Record<string, unknown>): Promise<string>;
  staticGroup(profiles?: BenchProfile[]): Promise<string>;
  patch(group: string, fields: Record<string, unknown>): Promise<void>;
  show(group: string): Promise<BenchGroup>;
  /** The ids of the visible members, sorted, by the API. */
  members(group: string): Promise<string[]>;
  changes(group: string, after?: number): Promise<BenchChange[]>;
  tick(): Promise<TickResult>;
  close(): Promise<void>;
}

const GROUPS = `applications/${CLIENT_ID}/profile-groups/`;

export async function createBench(options: TestServerOptions = {}): Promise<EngineBench> {
  const clock = testClock();
  const server = await startTestServer({ clock, ...options });
  let activities = 0;

  const ask = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await server.call<T>(method, path, body === undefined ? {} : { body });
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };

  return {
    server,
    clock,
    async profile(fields) {
      const made = await ask<{ id: string; access_token: string }>(
        'POST',
        `applications/${CLIENT_ID}/profile/`,
        fields ?? {},
      );
      return { id: made.id, token: made.access_token };
    },
    async send(profile, type, item = {}) {
      const at = typeof item['occurred_at'] === 'string' ? item['occurred_at'] : formatInstant(clock.now());
      const id = `a${++activities}`;
      const answer = await ask<{ accepted: number; rejected: unknown[] }>(
        'POST',
        `applications/${CLIENT_ID}/activities/`,
        {
          activities: [{ id, type, profile_id: profile.id, occurred_at: at, ...item }],
        },
      );
      if (answer.rejected.length > 0) throw new Error(JSON.stringify(answer));
      const { rows } = await server.app.context.db.query<{ at: Instant }>(
        sql`select occurred_at as at from activities where profile_id = ${profile.id} and id = ${String(item['id'] ?? id)}`,
      );
      return rows[0]?.at ?? 0;
    },
    async group(rule, fields = {}) {
      const made = await ask<{ id: string }>('POST', GROUPS, {
        name: 'A group',
        membership_type: 'dynamic',
        rule_tree: rule,
        ...fields,
      });
      return made.id;
    },
    async staticGroup(profiles = []) {
      const made = await ask<{ id: string }>('POST', GROUPS, { name: 'A static group' });
      if (profiles.length > 0)
        await ask('POST', `${GROUPS}${made.id}/members/`, { profile_ids: profiles.map((profile) => profile.id) });
      return made.id;
    },
    async patch(group, fields) {
      await ask('PATCH', `${GROUPS}${group}/`, fields);
    },
    show: (group) => ask<BenchGroup>('GET', `${GROUPS}${group}/`),
    async members(group) {
      const ids: string[] = [];
      for (let path: string | null = `${GROUPS}${group}/members/?page_size=1000`; path !== null;) {
        const page: { next: string | null; results: { id: string }[] } = await ask('GET', path);
        ids.push(...page.results.map((member) => member.id));
        path = page.next;
      }
      return ids.sort();
    },
    async changes(group, after = 0) {
      const all: BenchChange[] = [];
      for (let last = after; ;) {
        const page = await ask<{ results: BenchChange[] }>(
          'GET',
          `${GROUPS}${group}/changes/?after=${last}&page_size=1000`,
        );
        all.push(...page.results);
        const next = page.results.at(-1)?.sequence;
        if (next === undefined || page.results.length < 1000) return all;
        last = next;
      }
    },
    tick: () => server.app.worker.tick(),
    close: () => server.close(),
  };
}
