import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { sql } from '../database/database.ts';
import type { ProfileCredential } from '../credential.ts';
import { claimsOf } from '../credentials/testing.ts';
import { formatInstant } from '../instant.ts';
import { newId } from '../ids.ts';
import { chooseSeed } from '../testing/random.ts';
import { CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';
import { insertHead } from '../membership/head.ts';
import { changeMembership } from '../membership/membership.ts';
import { watchOwnGroups, type Listener, type OwnGroup } from './own-groups-watch.ts';

let server: TestServer;
let applicationId: number;
beforeAll(async () => {
  server = await startTestServer();
  applicationId = (await server.app.context.applications.get(CLIENT_ID)).id;
});
afterAll(() => server.close());

const db = () => server.app.context.db;

async function makeGroup(name: string): Promise<string> {
  const id = newId();
  const now = formatInstant(server.app.context.clock.now());
  await db().transaction(async (tx) => {
    await tx.query(sql`
      insert into groups (id, application_id, name, description, custom_id, is_active, visible_to_members, membership_type, attributes, created_at, updated_at)
      values (${id}, ${applicationId}, ${name}, '', null, true, true, 'static', '[]', ${now}, ${now})`);
    await insertHead(tx, id, applicationId, now);
  });
  return id;
}

interface Fan {
  id: string;
  access_token: string;
  ordinal: number;
}

async function makeFan(): Promise<Fan> {
  const { body } = await server.call<{ id: string; access_token: string }>(
    'POST',
    `applications/${CLIENT_ID}/profile/`,
    { token: null },
  );
  const { rows } = await db().query<{ ordinal: number }>(sql`select ordinal from profiles where id = ${body.id}`);
  return { ...body, ordinal: rows[0]?.ordinal ?? -1 };
}

async function change(fans: Fan[], groupId: string, kind: 'entered' | 'left'): Promise<void> {
  const now = server.app.context.clock.now();
  const changes = fans.map((fan) => ({
    groupId,
    profileId: fan.id,
    ordinal: fan.ordinal,
    change: kind,
    at: now,
    cause: 'manual' as const,
  }));
  await db().transaction((tx) => changeMembership(tx, changes, { applicationId, now, queueReaders: false }));
}

/** As the stream of a fan listens, with the token that its profile was made with. */
function listen(fan: Fan, tell: (groups: OwnGroup[]) => void): Listener & { ended: boolean } {
  const token = { id: String(claimsOf(fan.access_token)['jti']) };
  const credential = { kind: 'profile', profile: { id: fan.id }, token } as ProfileCredential; // what is asked of it
  const listener = { credential, tell, end: () => void (listener.ended = true), ended: false };
  return listener;
}

describe('the watch over own groups', () => {
  it('tells the groups at first and after each change, and nothing when others change', async () => {
    const watch = watchOwnGroups(server.app.context);
    const [fan, other] = [await makeFan(), await makeFan()];
    const [a, b] = [await makeGroup('A'), await makeGroup('B')];
    await change([fan], a, 'entered');
    const told: string[][] = [];
    const leave = watch.add(
      applicationId,
      fan.id,
      listen(fan, (groups) => void told.push(groups.map((group) => group.group_name))),
    );
    await watch.look();
    await change([fan, other], b, 'entered');
    await watch.look();
    await change([other], a, 'entered');
    await watch.look();
    await change([fan], a, 'left');
    await watch.look();
    await db().query(
      sql`update groups set name = 'Bee', updated_at = ${formatInstant(server.app.context.clock.now())}::timestamptz where id = ${b}`,
    );
    await watch.look();
    await db().query(sql`update groups set visible_to_members = false where id = ${b}`);
    await watch.look();
    expect(told).toEqual([['A'], ['B', 'A'], ['B'], ['Bee'], []]);
    leave();
    expect(watch.size).toBe(0);
    watch.close();
  });

  it('follows a switch, whose members it reads instead of its changes', async () => {
    const watch = watchOwnGroups(server.app.context);
    const [fan, other] = [await makeFan(), await makeFan()];
    const group = await makeGroup('Switched');
    await change([other], group, 'entered');
    const told = new Map<string, OwnGroup[]>();
    for (const one of [fan, other])
      watch.add(
        applicationId,
        one.id,
        listen(one, (groups) => told.set(one.id, groups)),
      );
    await watch.look();
    expect([told.get(fan.id)?.length, told.get(other.id)?.length]).toEqual([0, 1]);
    const now = formatInstant(server.app.context.clock.now());
    await db().transaction(async (tx) => {
      await tx.query(sql`update members set until_epoch = 1 where group_id = ${group} and profile_id = ${other.id}`);
      await tx.query(sql`
        insert into members (profile_id, group_id, application_id, ordinal, since_epoch, until_epoch, entered_at)
        values (${fan.id}, ${group}, ${applicationId}, ${fan.ordinal}, 1, null, '-infinity')`);
    });
    await watch.look();
    expect([told.get(fan.id)?.length, told.get(other.id)?.length]).toEqual([0, 1]);
    await db().transaction(async (tx) => {
      await tx.query(
        sql`insert into group_epochs (group_id, epoch, base_sequence, switched_at, cause) values (${group}, 1, 1, ${now}, 'import')`,
      );
      await tx.query(
        sql`update group_heads set epoch = 1, base_sequence = 1, last_number = 2 where group_id = ${group}`,
      );
    });
    await watch.look();
    expect([told.get(fan.id)?.length, told.get(other.id)?.length]).toEqual([1, 0]);
    watch.close();
  });

  it('ends what listens with a token that died, also where there is nothing to tell, and tells it nothing', async () => {
    const watch = watchOwnGroups(server.app.context);
    const [fan, other] = [await makeFan(), await makeFan()];
    const told: string[][] = [];
    const listeners = [fan, other].map((one) =>
      listen(one, (groups) => void told.push(groups.map((group) => group.group_name))),
    );
    const leaves = [fan, other].map((one, index) => watch.add(applicationId, one.id, listeners[index] as Listener)); // as many
    await watch.look();
    expect(told).toEqual([[], []]);
    await db().query(sql`delete from profile_tokens where profile_id = ${fan.id}`);
    await watch.endInvalid();
    expect(listeners.map(({ ended }) => ended)).toEqual([true, false]);
    const group = await makeGroup('Late');
    await change([fan, other], group, 'entered');
    await watch.look();
    expect(told).toEqual([[], [], ['Late']]);
    for (const leave of leaves) leave();
    watch.close();
  });

  it('tells after all what it could not tell while the credentials could not be read', async () => {
    let isDown = false;
    const { context } = server.app;
    const watch = watchOwnGroups({
      ...context,
      stillValid: async (credentials) => {
        if (isDown) throw new Error('the database is away');
        return context.stillValid(credentials);
      },
    });
    const fan = await makeFan();
    const told: number[] = [];
    watch.add(
      applicationId,
      fan.id,
      listen(fan, (groups) => void told.push(groups.length)),
    );
    await watch.look();
    await change([fan], await makeGroup('Told late'), 'entered');
    isDown = true;
    await expect(watch.look()).rejects.toThrow('away');
    isDown = false;
    await watch.look();
    expect(told).toEqual([0, 1]);
    watch.close();
  });

  it('agrees with the membership after any interleaving of changes, looks and arrivals', async () => {
    const seed = chooseSeed();
    console.info(`seed ${seed}`);
    let state = seed;
    const random = (n: number): number => (state = (state * 48_271 + 11) % 2_147_483_647) % n;
    const watch = watchOwnGroups(server.app.context);
    const fans = await Promise.all(Array.from({ length: 4 }, makeFan));
    const groups = await Promise.all(['X', 'Y', 'Z'].map(makeGroup));
    const told = new Map<string, string[]>();
    const leaves = new Map<string, () => void>();
    for (let step = 0; step < 60; step++) {
      const fan = fans[random(fans.length)] as Fan; // within its length
      const group = groups[random(groups.length)] as string; // within its length
      const looking = random(3) === 0 ? watch.look() : undefined;
      if (random(4) > 0) await change([fan], group, random(2) === 0 ? 'entered' : 'left');
      else if (leaves.has(fan.id)) {
        leaves.get(fan.id)?.();
        leaves.delete(fan.id);
      } else
        leaves.set(
          fan.id,
          watch.add(
            applicationId,
            fan.id,
            listen(fan, (list) => told.set(fan.id, list.map((own) => own.group_id).sort())),
          ),
        );
      await looking;
    }
    await watch.look();
    await watch.look();
    for (const fan of fans) {
      if (!leaves.has(fan.id)) continue;
      const { rows } = await db().query<{ group_id: string }>(
        sql`select group_id from members where profile_id = ${fan.id}`,
      );
      expect(told.get(fan.id)).toEqual(rows.map((row) => row.group_id).sort());
    }
    watch.close();
  });
});

// Not by fetch: its pool opens a connection anew for each one that is cut, and an unused one holds up the server's stop.
const openStream = (url: string, token: string): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'accept-encoding': 'gzip' };
    get(url, { headers, agent: false }, resolve).on('error', reject);
  });

describe('the stream of own groups', () => {
  const pathOf = (fan: Fan): string => `applications/${CLIENT_ID}/profiles/${fan.id}/profile-groups/events/`;

  it('sends whole lists, to the profile itself alone, and ends when the server stops', async () => {
    const fan = await makeFan();
    const stranger = await makeFan();
    expect((await server.call('GET', pathOf(fan), { token: stranger.access_token })).status).toBe(403);
    expect((await server.call('GET', pathOf(fan), { token: null })).status).toBe(401);
    const response = await openStream(server.api(pathOf(fan)), fan.access_token);
    expect(response.headers['content-type']).toContain('text/event-stream');
    expect(response.headers['access-control-allow-origin']).toBe('*');
    const events = readEvents(response);
    expect((await events.next()).value).toEqual([]);
    const group = await makeGroup('Streamed');
    await change([fan], group, 'entered');
    expect((await events.next()).value).toMatchObject([
      { group_id: group, group_name: 'Streamed', profile_count: 1, is_active: true, custom_id: null },
    ]);
    await events.return(undefined);
    const second = await startTestServer({ databaseUrl: server.databaseUrl });
    const others = readEvents(await openStream(second.api(pathOf(fan)), fan.access_token));
    await others.next();
    // As browsers open them in advance.
    const unused = connect(Number(new URL(second.url).port), '127.0.0.1');
    await once(unused, 'connect');
    const started = performance.now();
    await second.close();
    expect(performance.now() - started).toBeLessThan(10_000);
    expect((await others.next()).done).toBe(true);
  });

  it('holds nothing for readers that left, and only so many for one profile', async () => {
    const fan = await makeFan();
    const open = (): Promise<IncomingMessage> => openStream(server.api(pathOf(fan)), fan.access_token);
    const readers = [];
    for (let i = 0; i < 20; i++) readers.push(await open());
    expect(readers.map(({ statusCode }) => statusCode)).toEqual(Array(20).fill(200));
    const refused = await open();
    refused.destroy();
    expect(refused.statusCode).toBe(429);
    for (const reader of readers) reader.destroy();
    await vi.waitFor(async () => {
      const again = await open();
      again.destroy();
      expect(again.statusCode).toBe(200);
    });
  });
});

/** Ending the iteration destroys the response. */
async function* readEvents(response: IncomingMessage): AsyncGenerator<OwnGroup[]> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    text += String(chunk);
    const parts = text.split('\n\n');
    text = parts.pop() ?? '';
    for (const part of parts) {
      const data = /^data: (.*)$/m.exec(part)?.[1];
      if (data !== undefined) yield JSON.parse(data) as OwnGroup[];
    }
  }
}
