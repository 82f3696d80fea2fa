// Imports over HTTP: what a file may be, what becomes of its rows, and that sending it again changes nothing.

import { gzipSync } from 'node:zlib';
import { sql } from '../database/database.ts';
import type { AdminClient, Import, ImportFileOptions, ImportKind } from '@grandstand/sdk/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { elementsOf } from '../http/elements.ts';
import { NotNew, upsertMany, type Upserted } from '../profiles/upsert.ts';
import { addProfiles } from '../testing/profiles.ts';
import { ADMIN_TOKEN, CLIENT_ID, refusal, startTestServer, type TestServer } from '../testing/server.ts';

const IMPORTS = `applications/${CLIENT_ID}/imports/`;
const ndjson = (items: unknown[]): string => items.map((item) => `${JSON.stringify(item)}\n`).join('');

describe('imports', () => {
  let server: TestServer;
  let sdk: AdminClient;
  let fans: string[];
  beforeAll(async () => {
    server = await startTestServer();
    ({ sdk } = server);
    fans = await addProfiles(server, 50, 'fan-');
  });
  afterAll(() => server.close());

  const bringIn = async (
    of: ImportKind,
    body: string | Uint8Array,
    options: ImportFileOptions & { type?: 'text/csv' | 'application/x-ndjson' } = {},
  ): Promise<Import> => {
    const { type = 'text/csv', ...rest } = options;
    const { id } = await sdk.imports.create(of, body, type, rest);
    return sdk.imports.wait(id, { interval: 20 });
  };
  const counts = ({ state, rows, accepted, duplicates, rejected }: Import) => ({
    state,
    rows,
    accepted,
    duplicates,
    rejected,
  });
  const rejectedLines = async (id: string): Promise<string[]> =>
    (await sdk.imports.rejected(id)).trimEnd().split('\r\n');

  it('of profiles makes and changes them by custom id, and the same file again changes nothing', async () => {
    const file = [
      'Custom ID;nickname;attributes.team;attributes.age',
      'p-1;Ada;red;36',
      'p-2;"Grace; H.";blue;',
      'p-3;;;',
      'p-1;Ada L.;;',
      ';nobody;;',
      'p-4;a\u0007b;;',
      'p-5;too;many;cells;here',
      '',
    ].join('\n');
    const first = await bringIn('profiles', file, { name: 'fans.csv' });
    expect(counts(first)).toEqual({ state: 'done', rows: 7, accepted: 4, duplicates: 0, rejected: 3 });
    expect(first).toMatchObject({ of: 'profiles', name: 'fans.csv', dry_run: false, last_error: null });
    expect(first.columns).toEqual({ '1': 'custom_id', '2': 'nickname', '3': 'attributes.team', '4': 'attributes.age' });
    expect(first.first_rejected?.map(({ line, reason }) => [line, reason])).toContainEqual([
      7,
      'nickname: This may not contain control characters.',
    ]);
    for await (const listed of sdk.imports.list()) expect(listed).not.toHaveProperty('first_rejected');
    expect(await rejectedLines(first.id)).toEqual([
      'line,reason,row',
      '6,"custom_id: This field is required, or id.",",nobody,,"',
      '7,nickname: This may not contain control characters.,"p-4,a\u0007b,,"',
      '8,"5 cells, where the header has 4.","p-5,too,many,cells,here"',
    ]);
    const ada = await sdk.profiles.getByCustomId('p-1');
    expect(ada).toMatchObject({ nickname: 'Ada L.' });
    expect(ada.attributes).toEqual([
      { key: 'team', value: 'red' },
      { key: 'age', value: '36' },
    ]);
    expect((await sdk.profiles.getByCustomId('p-2')).nickname).toBe('Grace; H.');
    const again = await bringIn('profiles', file);
    // Line 2 and line 5 name the same profile: each changes the nickname once more.
    expect(counts(again)).toEqual({ state: 'done', rows: 7, accepted: 2, duplicates: 2, rejected: 3 });
    const before = await sdk.profiles.getByCustomId('p-1');
    const last = await bringIn('profiles', 'custom_id,nickname\np-1,Ada L.\np-2,Grace; H.\n');
    expect(counts(last)).toMatchObject({ accepted: 0, duplicates: 2 });
    expect(await sdk.profiles.getByCustomId('p-1')).toEqual(before);
  });

  it('of profiles goes by the order of the rows, whatever name a profile has in each, and however many pieces they make', async () => {
    const id = crypto.randomUUID();
    await bringIn('profiles', `id,custom_id,nickname\n${id},ordered,0\n`);
    const rows = Array.from({ length: 6_000 }, (_, n) => {
      // Once in a while the same profile, by its id, then by its custom id, between new ones.
      if (n % 500 !== 0) return { custom_id: `new-${n}`, nickname: `New ${n}` };
      return n % 1000 === 0 ? { id, nickname: `${n} by id` } : { custom_id: 'ordered', nickname: `${n} by custom id` };
    });
    const done = await bringIn('profiles', ndjson(rows), { type: 'application/x-ndjson' });
    expect(counts(done)).toEqual({ state: 'done', rows: 6_000, accepted: 6_000, duplicates: 0, rejected: 0 });
    expect((await sdk.profiles.get(id)).nickname).toBe('5500 by custom id');
    expect((await sdk.profiles.getByCustomId('new-5999')).nickname).toBe('New 5999');
    // What a piece does beside the one before it: all of it where everybody is new, else nothing.
    const { context } = server.app;
    const application = await context.applications.get(CLIENT_ID);
    const beside = (item: object): Promise<Upserted[]> =>
      context.db.transaction((tx) =>
        upsertMany(tx, context, application, elementsOf([{ custom_id: 'beside' }, item]), { onlyNew: true }),
      );
    for (const item of [
      { id, nickname: 'Changed' },
      { custom_id: 'ordered', nickname: 'Changed' },
      { id: crypto.randomUUID(), custom_id: 'ordered' },
      { custom_id: 'beside', nickname: 'Twice' },
    ])
      await expect(beside(item)).rejects.toThrow(NotNew);
    await expect(sdk.profiles.getByCustomId('beside')).rejects.toMatchObject({ status: 404 });
    expect((await beside({ custom_id: 'beside too' })).map(({ status }) => status)).toEqual(['created', 'created']);
  });

  it('of profiles keeps ids and access tokens of another system', async () => {
    const id = crypto.randomUUID();
    const token = 'eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJibGFzdCIsImlkIjoieCJ9.c2lnbmF0dXJlLW9mLWFub3RoZXI';
    const opaque = 'an-opaque-token-of-another-system';
    const rows = [
      { id, custom_id: 'll-1', nickname: 'From there', access_token: token, created_at: '2024-05-06T07:08:09Z' },
      { id: crypto.randomUUID().toUpperCase(), access_token: opaque },
      { id: 'no uuid' },
      { id: crypto.randomUUID(), access_token: token },
      { id: fans[0], custom_id: 'fan-1' },
      { id: crypto.randomUUID(), created_at: 'yesterday' },
    ];
    const first = await bringIn('profiles', ndjson(rows), { type: 'application/x-ndjson' });
    expect(counts(first)).toEqual({ state: 'done', rows: 6, accepted: 2, duplicates: 0, rejected: 4 });
    const rejected = (await rejectedLines(first.id)).slice(1);
    expect(rejected.map((line) => line.split(',', 1)[0])).toEqual(['3', '4', '5', '6']);
    expect(rejected.join('\n')).not.toContain(token);
    expect(await sdk.profiles.get(id)).toMatchObject({
      custom_id: 'll-1',
      nickname: 'From there',
      created_at: '2024-05-06T07:08:09.000000Z',
    });
    const own = `applications/${CLIENT_ID}/profile/`;
    expect((await server.call('GET', own, { token })).body).toMatchObject({ id });
    expect((await server.call('GET', own, { token: opaque })).status).toBe(200);
    const again = await bringIn('profiles', ndjson(rows), { type: 'application/x-ndjson' });
    expect(counts(again)).toMatchObject({ accepted: 0, duplicates: 2, rejected: 4 });
    // They die as the profile's own do, and stay dead.
    await sdk.profiles.rotateToken(id);
    expect((await server.call('GET', own, { token })).status).toBe(401);
    await bringIn('profiles', ndjson(rows.slice(0, 1)), { type: 'application/x-ndjson' });
    expect((await server.call('GET', own, { token })).status).toBe(401);
    await sdk.profiles.erase(id);
    const { rows: left } = await server.app.context.db.query(sql`select from foreign_tokens where profile_id = ${id}`);
    expect(left).toEqual([]);
  });

  it('of activities counts each once, by its id', async () => {
    const file = [
      'id,type,custom_id,occurred_at,value,data',
      'a-1,comment-created,fan-1,2026-01-02T03:04:05Z,,',
      'a-2,goal-scored,fan-2,2026-01-02T03:04:05.123456Z,7,"{""match"": 6}"',
      'a-1,comment-created,fan-1,2026-01-02T03:04:05Z,,',
      'a-3,comment-created,nobody,,,',
      'a-4,Comment Created,fan-1,,,',
      'a-5,comment-created,fan-1,,1.5,',
      'a-6,comment-created,fan-1,,,not json',
      'a-7,comment-created,fan-1,2026-01-02T03:04:05Z',
    ].join('\r\n');
    const first = await bringIn('activities', `${file}\r\n`);
    expect(counts(first)).toEqual({ state: 'done', rows: 8, accepted: 2, duplicates: 1, rejected: 5 });
    const again = await bringIn('activities', `${file}\r\n`);
    expect(counts(again)).toEqual({ state: 'done', rows: 8, accepted: 0, duplicates: 3, rejected: 5 });
    const [goal] = await sdk.profiles.activities(fans[2] ?? '').all();
    expect(goal).toMatchObject({ id: 'a-2', type: 'goal-scored', value: 7, data: { match: 6 } });
    const lines = ndjson([
      { id: 'n-1', type: 'comment-created', profile_id: fans[3], received_at: '2026-01-01T00:00:00Z' },
      { id: 'n-2', type: 'comment-created', profile_id: fans[3], unknown: 1 },
      { id: 'n-\0', type: 'comment-created', profile_id: fans[3] },
      'text',
    ]);
    const third = await bringIn('activities', lines, { type: 'application/x-ndjson' });
    expect(counts(third)).toMatchObject({ accepted: 1, rejected: 3 });
  });

  it('of members lets them into one group, or each into its own', async () => {
    const group = await sdk.groups.create({ name: 'Imported', custom_id: 'imported' });
    const other = await sdk.groups.create({ name: 'Other' });
    const file = `user_id,points\nfan-1,7\nfan-2,12\nnobody,30\n`;
    const asking = await refusal(bringIn('members', file, { group: group.id }));
    expect(asking.fields['column']?.[0]).toContain('These were seen: "user_id", "points".');
    const options = { group: 'custom:imported', column: 'user_id', ids: 'custom_id' } as const;
    const first = await bringIn('members', file, options);
    expect(counts(first)).toEqual({ state: 'done', rows: 3, accepted: 2, duplicates: 0, rejected: 1 });
    expect(counts(await bringIn('members', file, options))).toMatchObject({ accepted: 0, duplicates: 2, rejected: 1 });
    expect((await sdk.groups.members(group.id).all()).map(({ custom_id: id }) => id).toSorted()).toEqual([
      'fan-1',
      'fan-2',
    ]);
    const many = `group_id,profile_id\n${group.id},${fans[5] ?? ''}\ncustom:imported,${fans[6] ?? ''}\n${other.id},${fans[5] ?? ''}\ncustom:none,${fans[5] ?? ''}\n`;
    expect(counts(await bringIn('members', many))).toMatchObject({ accepted: 3, rejected: 1 });
    expect((await sdk.groups.get(group.id)).profile_count).toBe(4);
    expect((await sdk.groups.get(other.id)).profile_count).toBe(1);
  });

  it('tried out first stores nothing and answers the same', async () => {
    const group = await sdk.groups.create({ name: 'Dry' });
    const files: [ImportKind, string, ImportFileOptions][] = [
      ['profiles', 'custom_id,nickname\ndry-1,A\nfan-1,B\nfan-2,Fan 2\n,c\n', {}],
      ['activities', 'id,type,custom_id\nd-1,never-sent-before,fan-1\nd-2,comment-created,nobody\n', {}],
      ['members', 'custom_id\nfan-1\nnobody\n', { group: group.id }],
    ];
    for (const [of, file, options] of files) {
      const before = await snapshot();
      const tried = await bringIn(of, file, { ...options, dry_run: true });
      expect(tried.dry_run).toBe(true);
      expect(await snapshot(), of).toEqual(before);
      const done = await bringIn(of, file, options);
      expect(counts(tried), of).toEqual(counts(done));
      expect(await sdk.imports.rejected(tried.id)).toBe(await sdk.imports.rejected(done.id));
      const after = await bringIn(of, file, { ...options, dry_run: true });
      expect(counts(after), of).toMatchObject({ accepted: 0 });
    }
  });
  const snapshot = async (): Promise<unknown> => {
    const { rows } = await server.app.context.db.query(sql`
      select (select count(*) from profiles) as profiles, (select count(*) from activities) as activities, (select count(*) from members) as members,
        (select count(*) from activity_types) as types, (select count(*) from custom_ids) as custom_ids, (select count(*) from new_events) as events,
        (select max(next_ordinal) from ordinal_blocks) as ordinal, (select sum(profiles) from statistics) as counted`);
    return rows[0];
  };

  it('that is malformed, ends early or is nothing of the kind leaves nothing', async () => {
    const send = (of: string, body: string | Uint8Array, type = 'text/csv', headers: Record<string, string> = {}) =>
      fetch(server.api(`${IMPORTS}?of=${of}`), {
        method: 'POST',
        headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': type, ...headers },
        body,
      });
    const bad: [of: string, body: string | Uint8Array, type?: string][] = [
      ['profiles', ''],
      ['profiles', 'custom_id\n'],
      ['profiles', 'custom_id,nickname\nx-1,"open'],
      ['profiles', 'custom_id,nickname\nx-1,A\nx-2'],
      ['profiles', 'custom_id,nickame\nx-1,A\n'],
      ['profiles', 'nickname\nA\n'],
      ['activities', 'id,type\na,b\n'],
      ['activities', '{"id": "x", "type": "y"', 'application/x-ndjson'],
      ['profiles', gzipSync('custom_id\nx-1\n').subarray(0, 20)],
      ['profiles', gzipSync(Buffer.alloc(64 * 1024 * 1024, 'custom_id\n'))],
      ['persons', 'custom_id\nx-1\n'],
      ['members', 'custom_id\nfan-1\n'],
    ];
    for (const [of, body, type] of bad) {
      const answer = await send(of, body, type);
      expect([answer.status, of, String(body).slice(0, 30)]).toEqual([400, of, String(body).slice(0, 30)]);
    }
    expect((await send('profiles', '[]', 'application/json')).status).toBe(415);
    expect((await send('profiles', 'x', 'text/csv', { 'content-encoding': 'br' })).status).toBe(415);
    expect(
      (await server.call('POST', `${IMPORTS}?of=profiles&dryrun=true`, csvBody('custom_id\nx\n'))).body,
    ).toHaveProperty('dryrun');
    const { rows } = await server.app.context.db.query(sql`
      select 1 from imports where state not in ('done') union all select 1 from import_pieces`);
    expect(rows).toEqual([]);
    await expect(sdk.profiles.getByCustomId('x-1')).rejects.toMatchObject({ status: 404 });
  });
  const csvBody = (body: string) => ({ body, headers: { 'content-type': 'text/csv' } });

  it('reads gzip, and a second request under its key is the first', async () => {
    const body = gzipSync('custom_id,nickname\nz-1,Zed\n');
    const first = await bringIn('profiles', body);
    expect(counts(first)).toMatchObject({ accepted: 1 });
    const send = (text: string) =>
      server.call<Import>('POST', `${IMPORTS}?of=profiles`, {
        body: text,
        headers: { 'content-type': 'text/csv', 'idempotency-key': 'import-key' },
      });
    const one = await send('custom_id\nz-2\n');
    expect(one.status).toBe(202);
    const two = await send('custom_id\nz-2\n');
    expect([two.status, two.body.id, two.headers.get('idempotent-replayed')]).toEqual([202, one.body.id, 'true']);
    expect((await send('custom_id\nz-3\n')).status).toBe(409);
  });

  it('shows how a file would be read', async () => {
    const preview = await sdk.imports.preview('profiles', 'Custom ID\tAge\nx\t3\n', 'text/csv');
    expect(preview).toEqual({
      format: 'csv',
      delimiter: '\t',
      columns: [
        { header: 'Custom ID', field: 'custom_id', known: true },
        { header: 'Age', field: null, known: false },
      ],
      rows: [['x', '3']],
    });
    const long = `custom_id,nickname\n${'x-1,"Löwe, der"\n'.repeat(20_000)}`;
    expect((await sdk.imports.preview('profiles', long.slice(0, 70_000), 'text/csv')).rows[4]).toEqual([
      'x-1',
      'Löwe, der',
    ]);
    const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(long, 'utf16le')]).subarray(0, 65_536);
    expect((await sdk.imports.preview('profiles', utf16, 'text/csv')).columns[0]?.field).toBe('custom_id');
    const zipped = gzipSync(long);
    expect(
      (await sdk.imports.preview('profiles', zipped.subarray(0, zipped.length - 10), 'text/csv')).rows,
    ).toHaveLength(5);
  });

  it('lists imports, newest first, for this application alone', async () => {
    const all = await sdk.imports.list().all();
    expect(all.length).toBeGreaterThan(5);
    expect(all.map((row) => row.created_at)).toEqual(
      all
        .map((row) => row.created_at)
        .toSorted()
        .toReversed(),
    );
    expect((await server.call('GET', `${IMPORTS}${crypto.randomUUID()}/`)).status).toBe(404);
    expect((await server.call('GET', `${IMPORTS}nonsense/rejected/`)).status).toBe(404);
  });
});
