// A profile is erased while somebody lets it enter a group: whoever comes first, it is in no group afterwards.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql, type Queryable } from '../database/database.ts';
import { eraseProfile } from '../profiles/profile-service.ts';
import { CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';
import { addProfiles } from '../testing/profiles.ts';
import { untilWaiting } from '../testing/waiting.ts';
import { changeMembership } from './membership.ts';
import { enterGroup } from './membership-many.ts';

describe('erasing a profile', () => {
  let server: TestServer;
  let applicationId: number;
  beforeAll(async () => {
    server = await startTestServer();
    applicationId = (await server.app.context.applications.get(CLIENT_ID)).id;
  });
  afterAll(() => server.close());

  const db = () => server.app.context.db;
  const createGroup = async (): Promise<string> => {
    const made = await server.call<{ id: string }>('POST', `applications/${CLIENT_ID}/profile-groups/`, {
      body: { name: 'Group' },
    });
    return made.body.id;
  };
  const count = async (group: string): Promise<number> =>
    (await server.call<{ profile_count: number }>('GET', `applications/${CLIENT_ID}/profile-groups/${group}/`)).body
      .profile_count;
  const rowsOf = async (profile: string): Promise<number> =>
    (await db().query(sql`select from members where profile_id = ${profile}`)).rows.length;
  const erase = async (profile: string): Promise<void> => {
    const application = await server.app.context.applications.get(CLIENT_ID);
    await eraseProfile(server.app.context, application, profile);
  };
  /** Begins the work when the erasing of a profile has its lock and is not committed; returns once both have ended. */
  const whileErasing = async (work: (profile: string) => Promise<unknown>): Promise<string> => {
    const [profile = ''] = await addProfiles(server, 1);
    const group = await createGroup();
    await db().transaction((tx) => ways[0]?.[1](tx, group, profile) ?? Promise.reject(new Error('no way')));
    let running: Promise<unknown>[] = [];
    await db().transaction(async (tx) => {
      // Erasing stops at the head of the group that it takes the profile out of.
      await tx.query(sql`select from group_heads where group_id = ${group} for update`);
      running = [erase(profile)];
      await untilWaiting(db(), 1);
      running.push(work(profile));
      await untilWaiting(db(), 2);
    });
    await Promise.all(running);
    return profile;
  };

  type Enter = (tx: Queryable, group: string, profile: string) => Promise<unknown>;
  const ways: [string, Enter][] = [
    [
      'many at once',
      (tx, groupId, profile) =>
        enterGroup(tx, [profile], { groupId, applicationId, at: server.app.context.clock.now(), cause: 'manual' }),
    ],
    [
      'change by change',
      (tx, groupId, profileId) => {
        const at = server.app.context.clock.now();
        return changeMembership(tx, [{ groupId, profileId, ordinal: 0, change: 'entered', at, cause: 'manual' }], {
          applicationId,
          now: at,
          queueReaders: false,
        });
      },
    ],
  ];
  for (const [name, enter] of ways) {
    it(`waits for whoever lets it enter ${name}, and takes it out`, async () => {
      const group = await createGroup();
      const [profile = ''] = await addProfiles(server, 1);
      let erasing: Promise<void> | undefined;
      await db().transaction(async (tx) => {
        await enter(tx, group, profile);
        erasing = erase(profile);
        await untilWaiting(db(), 1);
      });
      await erasing;
      expect([await count(group), await rowsOf(profile)]).toEqual([0, 0]);
    });

    it(`lets nobody find it who comes later to let it enter ${name}`, async () => {
      const group = await createGroup();
      const profile = await whileErasing((id) => db().transaction((tx) => enter(tx, group, id)));
      expect([await count(group), await rowsOf(profile)]).toEqual([0, 0]);
    });
  }

  it('lets no replacement of members find it that is prepared meanwhile', async () => {
    const group = await createGroup();
    const profile = await whileErasing((id) =>
      server.call('PUT', `applications/${CLIENT_ID}/profile-groups/${group}/members/`, {
        body: JSON.stringify(id),
        headers: { 'content-type': 'application/x-ndjson' },
      }),
    );
    expect([await count(group), await rowsOf(profile)]).toEqual([0, 0]);
  });
});
