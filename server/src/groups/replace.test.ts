// Replacement of members over HTTP: what a body may be, what it answers, and what everybody else sees meanwhile.

import { connect } from 'node:net';
import { once } from 'node:events';
import { type AdminClient, type MembershipChange, type ReplacedMembers, type RuleTree } from '@grandstand/sdk/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromOrdinals } from '../rules/bitset.ts';
import { sql } from '../database/database.ts';
import { addProfiles } from '../testing/profiles.ts';
import { ADMIN_TOKEN, CLIENT_ID, refusal, startTestServer, type TestServer } from '../testing/server.ts';
import { tryWithLock } from './replace-lock.ts';
import { runSwitch } from '../membership/switch.ts';

const GROUPS = `applications/${CLIENT_ID}/profile-groups/`;

const ndjson = (ids: string[]): string => ids.map((id) => `${JSON.stringify(id)}\n`).join('');
const csv = (ids: string[], header = 'profile_id'): string => [header, ...ids].join('\r\n');

describe('replacing members', () => {
  let server: TestServer;
  let groups: AdminClient['groups'];
  let profiles: string[];
  beforeAll(async () => {
    server = await startTestServer();
    ({ groups } = server.sdk);
    profiles = await addProfiles(server, 3000, 'fan-');
  });
  afterAll(() => server.close());

  const createGroup = async (members: string[] = []): Promise<string> => {
    const { id } = await groups.create({ name: 'Replaced' });
    if (members.length > 0) await replace(id, members);
    return id;
  };
  const replace = (group: string, ids: string[]): Promise<ReplacedMembers> =>
    groups.replaceMembers(group, ndjson(ids), 'application/x-ndjson');
  /** What no client sends, too. */
  const put = (group: string, body: string, type = 'application/x-ndjson', query = '') =>
    server.call<ReplacedMembers>('PUT', `${GROUPS}${group}/members/${query}`, {
      body,
      headers: { 'content-type': type },
    });
  const all = async (group: string): Promise<string[]> =>
    (await groups.members(group, { page_size: 1000 }).all()).map(({ id }) => id);
  const feed = async (group: string): Promise<MembershipChange[]> => {
    const changes: MembershipChange[] = [];
    for await (const change of groups.changes(group)) changes.push(change);
    return changes;
  };
  const count = async (group: string): Promise<number> => (await groups.get(group)).profile_count;
  /** Count, list and feed agree; returns the members. */
  const agreed = async (group: string): Promise<string[]> => {
    const members = (await all(group)).toSorted();
    expect(await count(group)).toBe(members.length);
    const replayed = new Set<string>();
    const changes = await feed(group);
    changes.forEach((change, index) => expect(change.sequence).toBe(index + 1));
    for (const { change, profile_id: id } of changes) {
      expect(replayed.has(id)).toBe(change === 'left');
      if (change === 'entered') replayed.add(id);
      else replayed.delete(id);
    }
    expect([...replayed].toSorted()).toEqual(members);
    return members;
  };

  it('takes JSON strings and CSV, and says what it came to', async () => {
    const group = await createGroup();
    const unknown = crypto.randomUUID();
    const first = await put(
      group,
      `\n${ndjson([...profiles.slice(0, 100), profiles[5] ?? '', unknown, 'no uuid', unknown])}`,
    );
    expect(first).toMatchObject({
      status: 200,
      body: { added: 100, removed: 0, unchanged: 0, invalid_count: 2, invalid_ids: [unknown, 'no uuid'] },
    });
    const second = await put(group, csv(profiles.slice(50, 120)), 'text/csv; charset=utf-8');
    expect(second.body).toEqual({ added: 20, removed: 50, unchanged: 50, invalid_count: 0, invalid_ids: [] });
    expect(await agreed(group)).toEqual(profiles.slice(50, 120).toSorted());
    const table = '\ufeffname,custom_id\n"a, b",fan-1\nc,"fan-2"\n\nd,nobody';
    const byCustomId = await groups.replaceMembers(group, table, 'text/csv', { max_invalid: 40 });
    expect(byCustomId).toEqual({ added: 2, removed: 70, unchanged: 0, invalid_count: 1, invalid_ids: ['nobody'] });
    const lines = ndjson(['fan-2', 'fan-3']);
    const named = await groups.replaceMembers(group, lines, 'application/x-ndjson', { ids: 'custom_id' });
    expect(named).toMatchObject({ added: 1, removed: 1, unchanged: 1 });
    expect(await agreed(group)).toEqual([profiles[2], profiles[3]].toSorted());
    const nothing = await groups.replaceMembers(group, 'profile_id\n', 'text/csv', { allow_invalid: true });
    expect(nothing).toMatchObject({ removed: 2, unchanged: 0 });
    expect(await agreed(group)).toEqual([]);
    const causes = new Set((await feed(group)).map((change) => change.cause));
    expect(causes).toEqual(new Set(['import']));
  });

  it('names the first thousand invalid ids and counts them all', async () => {
    const group = await createGroup();
    const ids = Array.from({ length: 2500 }, (_, index) => `bad ${index}`);
    const list = ndjson([...ids, profiles[0] ?? '']);
    const replaced = await groups.replaceMembers(group, list, 'application/x-ndjson', { allow_invalid: true });
    expect(replaced).toMatchObject({ added: 1, invalid_count: 2500 });
    expect(replaced.invalid_ids).toEqual(ids.slice(0, 1000));
  });

  it('changes nothing when the body is malformed, empty or of another kind', async () => {
    const members = profiles.slice(0, 10).toSorted();
    const group = await createGroup(members);
    const good = ndjson(profiles.slice(20, 40));
    const bad: [body: string, type: string, status: number][] = [
      [`${good}"cut of`, 'application/x-ndjson', 400],
      [`${good}{"id": 1}\n`, 'application/x-ndjson', 400],
      [`${good}null\n`, 'application/x-ndjson', 400],
      [`${good}${'x'.repeat(100_000)}`, 'application/x-ndjson', 400],
      ['', 'application/x-ndjson', 400],
      ['', 'text/csv', 400],
      [csv(profiles.slice(20, 40), 'id'), 'text/csv', 400],
      [`${csv(profiles.slice(20, 40))}\n"open`, 'text/csv', 400],
      [`${csv(profiles.slice(20, 40))}\na,b,c`, 'text/csv', 400],
      ['\n \r\n\n', 'application/x-ndjson', 400],
      ['\n\n', 'text/csv', 400],
      [`${good}"a\\u0000b"\n`, 'application/x-ndjson', 400],
      [`${good}"\\ud800"\n`, 'application/x-ndjson', 400],
      ['custom_id\nfan-1\na\0b\n', 'text/csv', 400],
      [good, 'application/json', 415],
      [JSON.stringify(profiles.slice(20, 40)), 'application/json', 415],
      [good, 'text/plain', 415],
    ];
    for (const [body, type, status] of bad)
      expect((await put(group, body, type)).status, `${type} ${body.slice(-20)}`).toBe(status);
    expect((await put(group, good, 'application/x-ndjson', '?ids=name')).status).toBe(400);
    const latin = await fetch(server.api(`${GROUPS}${group}/members/`), {
      method: 'PUT',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/x-ndjson' },
      body: Buffer.from('"\xff\xfe"\n', 'latin1'),
    });
    expect(latin.status).toBe(400);
    expect(await agreed(group)).toEqual(members);
  });

  it('in which no id, or too few, are valid changes nothing and says what was found', async () => {
    const members = profiles.slice(0, 10).toSorted();
    const group = await createGroup(members);
    const fans = Array.from({ length: 20 }, (_, index) => `fan-${index}`);
    const none: [what: string, body: string, type: string, query?: string][] = [
      ['custom ids where profile ids are expected', ndjson(fans), 'application/x-ndjson'],
      ['custom ids under the header of profile ids', csv(fans), 'text/csv'],
      ['ids in single quotes', csv(profiles.slice(20, 40).map((id) => `'${id}'`)), 'text/csv'],
      ['numbers that a spreadsheet has rounded', csv(['1.23457E+12', '1.23457E+12'], 'custom_id'), 'text/csv'],
      ['a header and nothing', 'profile_id\r\n', 'text/csv'],
      ['a header and blank cells', 'profile_id,name\r\n,a\r\n  ,b\r\n', 'text/csv'],
      ['profile ids as custom ids', ndjson(profiles.slice(20, 40)), 'application/x-ndjson', '?ids=custom_id'],
    ];
    for (const [what, body, type, query] of none) {
      const answer = await put(group, body, type, query);
      expect(answer, what).toMatchObject({ status: 409, body: { error_code: 'conflict', valid_count: 0 } });
    }
    expect((await put(group, ndjson(fans))).body).toMatchObject({ invalid_count: 20, invalid_ids: fans });

    const mixed = ndjson([...profiles.slice(20, 28), 'a', 'b']);
    const error = await refusal(groups.replaceMembers(group, mixed, 'application/x-ndjson'));
    expect(error).toMatchObject({ status: 409, data: { valid_count: 8, invalid_count: 2, invalid_ids: ['a', 'b'] } });
    expect(error.message).toContain('2 of 10 ids (20 %) name no profile of this application, more than 10 %.');
    for (const query of ['?max_invalid=19.9', '?max_invalid=0', '?allow_invalid=false'])
      expect((await put(group, mixed, undefined, query)).status, query).toBe(409);
    expect(await agreed(group)).toEqual(members);
    expect((await put(group, mixed, undefined, '?max_invalid=20')).status).toBe(200);
    expect(await agreed(group)).toEqual(profiles.slice(20, 28).toSorted());
    // One in ten is what misspelt lists have.
    expect((await put(group, ndjson([...profiles.slice(0, 9), 'a']))).status).toBe(200);
    expect((await put(group, ndjson(fans), undefined, '?allow_invalid=true')).body).toMatchObject({ removed: 9 });
    expect(await agreed(group)).toEqual([]);
  });

  it('with a parameter that is not known, or of a value that is not, changes nothing', async () => {
    const members = profiles.slice(0, 10).toSorted();
    const group = await createGroup(members);
    const body = ndjson(profiles.slice(20, 40));
    const bad: Record<string, string> = {
      '?id=custom_id': 'id',
      '?Ids=custom_id': 'Ids',
      '?ids=custom_ids': 'ids',
      '?ids=custom_id&ids=profile_id': 'ids',
      '?allow-invalid=true': 'allow-invalid',
      '?allow_invalid=yes': 'allow_invalid',
      '?max_invalid=ten': 'max_invalid',
      '?max_invalid=101': 'max_invalid',
      '?header=no': 'header',
    };
    for (const [query, field] of Object.entries(bad)) {
      const answer = await put(group, body, undefined, query);
      expect([answer.status, Object.keys(answer.body)], query).toEqual([400, [field]]);
    }
    const unknown = await put(group, body, undefined, '?id=custom_id');
    expect(unknown.body).toEqual({
      id: ['Unknown query parameter. This call knows: ids, column, header, max_invalid, allow_invalid.'],
    });
    expect((await server.call('DELETE', `${GROUPS}${group}/?dry_run=true`)).body).toEqual({
      dry_run: ['Unknown query parameter. This call has no query parameters.'],
    });
    expect(await agreed(group)).toEqual(members);
  });

  it('reads any delimiter and any spelling of the header, and asks where it knows none', async () => {
    const group = await createGroup();
    const two = profiles.slice(1, 3).toSorted();
    const files: [file: string, query?: string][] = [
      ['custom_id;points\nfan-1;7\nfan-2;12\n'],
      ['points\tCustom ID\r\n7\tfan-1\r\n12\tfan-2\r\n'],
      ['\ufeff"Custom-Id";"name, first"\r"fan-1";"a;b"\r"fan-2";""'],
      ['sep=;\ncustomId;a\nfan-1;1,5\nfan-2;2,5\n'],
      ['user_id,points\nfan-1,7\nfan-2,12\n', '?column=user_id&ids=custom_id'],
      ['user_id,points\nfan-1,7\nfan-2,12\n', '?column=USER%20ID&ids=custom_id'],
      ['user_id,custom_id\nfan-1,fan-8\nfan-2,fan-9\n', '?column=user_id&ids=custom_id'],
      ['fan-1\nfan-2\n', '?header=false&ids=custom_id'],
      ['7;fan-1\n12;fan-2\n', '?header=false&ids=custom_id&column=2'],
      [csv(two)],
      [csv(two, 'Profile ID')],
    ];
    for (const [file, query] of files) {
      expect((await put(group, file, 'text/csv', query)).status, file).toBe(200);
      expect(await all(group), file).toHaveLength(2);
      expect((await all(group)).toSorted(), file).toEqual(two);
      await put(group, csv([]), 'text/csv', '?allow_invalid=true');
    }
    await replace(group, two);
    const unknown = await put(group, 'user_id,points\n41,7\n42,12\n43,30', 'text/csv');
    expect(unknown.status).toBe(400);
    expect(unknown.body).toEqual({
      column: [
        'No header is profile_id or custom_id. These were seen: "user_id", "points". Name the column that holds the ids: ' +
          'column=<its header>&ids=profile_id or ids=custom_id.',
      ],
    });
    const refusedFiles: [file: string, query?: string][] = [
      ['fan-1\nfan-2\n'],
      ['custom_id,custom_id\nfan-1,fan-2\n'],
      ['user_id,points\nfan-1,7\n', '?column=user_id'],
      ['user_id,points\nfan-1,7\n', '?column=name&ids=custom_id'],
      ['7;fan-1\n12;fan-2\n', '?header=false&ids=custom_id'],
      ['7;fan-1\n12;fan-2\n', '?header=false&ids=custom_id&column=3'],
      // Once the header has settled it, another delimiter is text.
      ['custom_id;points\nfan-1;7\nfan-2,12\n'],
    ];
    for (const [file, query] of refusedFiles)
      expect((await put(group, file, 'text/csv', query)).status, file).toBe(400);
    expect(await agreed(group)).toEqual(two);
  });

  it('of another kind is refused before its body is read, however long that is', async () => {
    const group = await createGroup();
    const { host, hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    const answered = once(socket, 'data') as Promise<[Buffer]>;
    socket.write(
      `PUT /api/v1/${GROUPS}${group}/members/ HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${ADMIN_TOKEN}\r\n` +
        'content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n[\r\n',
    );
    const [answer] = await answered;
    expect(answer.toString().split('\r\n', 1)).toEqual(['HTTP/1.1 415 Unsupported Media Type']);
    socket.destroy();
  });

  it.each(['application/x-ndjson', 'text/csv'])('changes nothing when a body of %s ends early', async (type) => {
    const members = profiles.slice(0, 10).toSorted();
    const group = await createGroup(members);
    const body = type === 'text/csv' ? csv(profiles.slice(20, 40)) : ndjson(profiles.slice(20, 40));
    const { host, hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    const handled = new Promise<void>((resolve) =>
      server.app.http.server.once('request', (request) => request.once('close', () => resolve())),
    );
    socket.write(
      `PUT /api/v1/${GROUPS}${group}/members/ HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${ADMIN_TOKEN}\r\n` +
        `content-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body) + 10}\r\n\r\n${body}`,
      () => socket.destroy(),
    );
    await handled;
    // Whoever replaces next comes after anything that this one may have begun.
    expect(await replace(group, members)).toMatchObject({ added: 0, removed: 0, unchanged: 10 });
    expect(await agreed(group)).toEqual(members);
  });

  it('is refused on a dynamic group, as adding and removing are', async () => {
    const rule: RuleTree = {
      operator: 'OR',
      children: [{ attribute: 'total_comments_posted', condition: 'greater_than', value: 1 }],
    };
    const { id } = await groups.create({ name: 'Dynamic', membership_type: 'dynamic', rule_tree: rule });
    const some = profiles.slice(0, 2);
    for (const call of [
      () => replace(id, some),
      () => groups.addMembers(id, { profile_ids: some }),
      () => groups.removeMembers(id, { profile_ids: some }),
    ])
      expect(await refusal(call())).toMatchObject({ status: 409, code: 'conflict' });
  });

  it('twice at once leaves one list or the other, whole', async () => {
    const group = await createGroup(profiles.slice(0, 500));
    const lists = [profiles.slice(0, 1000), profiles.slice(500, 2000), profiles.slice(1500, 1600)];
    await Promise.all(lists.map((list) => replace(group, list)));
    const members = await agreed(group);
    expect(lists.map((list) => list.toSorted())).toContainEqual(members);
  });

  it(
    'beside live changes ends in the list plus what came after it, and nothing is ever half there',
    { timeout: 120_000 },
    async () => {
      const group = await createGroup(profiles.slice(0, 1000));
      const target = profiles.slice(500, 1500);
      let replacing = true;
      const write = async (): Promise<void> => {
        for (let i = 0; replacing; i++) {
          const ids = { profile_ids: profiles.slice((i * 97) % 1900, ((i * 97) % 1900) + 50) };
          await (i % 2 === 0 ? groups.addMembers(group, ids) : groups.removeMembers(group, ids));
        }
      };
      const watch = async (): Promise<void> => {
        while (replacing) {
          const { value: page } = await groups.members(group, { page_size: 20 }).pages().next();
          expect(page?.results.length).toBe(Math.min(20, page?.count ?? 0));
        }
      };
      const others = [write(), write(), watch()];
      const replaceOften = async (): Promise<void> => {
        for (let i = 0; i < 6; i++) {
          const { added, unchanged } = await replace(group, i % 2 === 0 ? target : profiles.slice(0, 1000));
          expect(added + unchanged).toBe(1000);
        }
        replacing = false;
      };
      await Promise.all([replaceOften(), ...others]);
      await agreed(group);
      await replace(group, target);
      expect(await agreed(group)).toEqual(target.toSorted());
    },
  );

  it('while somebody pages neither repeats nor skips what was there throughout', async () => {
    const stay = profiles.filter((_, index) => index % 2 === 0);
    const group = await createGroup(profiles);
    const seen: string[] = [];
    let pages = 0;
    for await (const page of groups.members(group, { page_size: 200 }).pages()) {
      seen.push(...page.results.map((member) => member.id));
      // Between two pages: half of them leave, half of those come back.
      if (pages === 2) expect(await replace(group, stay)).toMatchObject({ removed: 1500, unchanged: 1500 });
      if (pages === 5)
        await replace(
          group,
          profiles.filter((_, index) => index % 4 !== 1),
        );
      pages++;
    }
    expect(pages).toBeGreaterThan(8);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((id) => stay.includes(id)).toSorted()).toEqual(stay.toSorted());
  });

  it('that died in the middle is undone by the next server to start, or by the next attempt', async () => {
    const members = profiles.slice(0, 100).toSorted();
    const group = await createGroup(members);
    const { context } = server.app;
    const { id: applicationId } = await context.applications.get(CLIENT_ID);
    const die = async (): Promise<void> => {
      const plan = {
        groupId: group,
        applicationId,
        kind: 'import' as const,
        rulesetId: null,
        // eslint-disable-next-line require-yield -- the whole of it is known
        async *target() {
          return fromOrdinals(Array.from({ length: 500 }, (_, index) => index + 50));
        },
        decide: async () => new Set<number>(),
      };
      let prepared = 0;
      for await (const { stage } of runSwitch(context, plan, { slice: 100 }))
        if (stage === 'prepare' && ++prepared === 3) break;
      expect(prepared).toBe(3);
    };
    const leftovers = async (): Promise<unknown[]> => {
      const heads = await context.db.query<{ epoch: number; filling: boolean }>(
        sql`select epoch, filling from group_heads where group_id = ${group}`,
      );
      const { epoch, filling } = heads.rows[0] ?? { epoch: 0, filling: false };
      const found = [
        await context.db.query(sql`select 1 from backfills where group_id = ${group}`),
        await context.db.query(
          sql`select 1 from members where group_id = ${group} and (since_epoch > ${epoch} or until_epoch is not null)`,
        ),
        await context.db.query(sql`select 1 from changes where group_id = ${group} and epoch > ${epoch}`),
      ];
      return [...found.flatMap(({ rows }) => rows), ...(filling ? ['filling'] : [])];
    };

    await context.groupChores.run(); // what earlier replacements woke would find the dead one
    await die();
    expect((await leftovers()).length).toBeGreaterThan(0);
    expect(await agreed(group)).toEqual(members);
    // As long as somebody holds the lock, it is at work.
    await tryWithLock(context.db, group, () => context.groupChores.run());
    expect((await leftovers()).length).toBeGreaterThan(0);
    const second = await startTestServer({ databaseUrl: server.databaseUrl });
    await second.app.context.groupChores.run();
    await second.close();
    expect(await leftovers()).toEqual([]);
    expect(await agreed(group)).toEqual(members);

    await die();
    expect(await replace(group, profiles.slice(90, 110))).toEqual({
      added: 10,
      removed: 90,
      unchanged: 10,
      invalid_count: 0,
      invalid_ids: [],
    });
    await context.groupChores.run();
    expect(await leftovers()).toEqual([]);
    expect(await agreed(group)).toEqual(profiles.slice(90, 110).toSorted());
  });

  it('of a group that is deleted meanwhile ends with 404 and leaves nothing', async () => {
    const group = await createGroup(profiles.slice(0, 1000));
    const [replaced] = await Promise.all([
      replace(group, profiles.slice(500, 3000)).catch((error: unknown) => error),
      groups.delete(group),
    ]);
    if (replaced instanceof Error) expect(replaced).toMatchObject({ status: 404 });
    await server.app.context.groupChores.run();
    await server.app.context.groupChores.run();
    for (const table of ['members', 'changes', 'backfills', 'backfill_touched', 'group_heads', 'group_deletions']) {
      const { rowCount } = await server.app.context.db.pool.query(`select from ${table} where group_id = $1`, [group]);
      expect(rowCount, table).toBe(0);
    }
  });
});
