// Exports over HTTP: what stands in them, that an import takes it back, and that nobody takes a part for the whole.

import { get as httpGet, type IncomingMessage } from 'node:http';
import { text as readAll } from 'node:stream/consumers';
import { createGunzip } from 'node:zlib';
import type { AdminClient, ExportKind, ExportOptions } from '@grandstand/sdk/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../database/database.ts';
import { csvCell, csvRow, plainCell } from '../files/csv-write.ts';
import { readCsv } from '../files/csv-read.ts';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';

/** What people and other programs put into names. */
const ODD = [
  "=cmd|' /C calc'!A0",
  '+491701234567',
  '-5',
  '-5+3',
  '@SUM(1)',
  "'quoted'",
  "'=quoted",
  'a,b;c"d',
  'Zoë 🏆',
  '１＋１',
  '＝1+1',
];

describe('exports', () => {
  let server: TestServer;
  let sdk: AdminClient;
  beforeAll(async () => {
    server = await startTestServer();
    ({ sdk } = server);
    const items = ODD.map((nickname, index) => ({
      custom_id: `${nickname} ${index}`,
      nickname,
      custom_data: index % 2 === 0 ? `two\r\nlines, ${nickname}` : `  ${nickname}  `,
      attributes: [
        { key: 'team', value: nickname },
        { key: 'team', value: 'red' },
      ],
    }));
    await sdk.profiles.upsert([...items, { custom_id: 'plain' }]);
  });
  afterAll(() => server.close());

  const table = async (kind: ExportKind, options?: ExportOptions): Promise<string[][]> =>
    parse(await readAll(await sdk.exports.open(kind, options)));
  const parse = async (file: string, plain = true): Promise<string[][]> => {
    async function* text() {
      yield file;
    }
    const { header, batches } = await readCsv(text());
    const rows = [header];
    for await (const batch of batches)
      rows.push(...batch.rows.map(({ cells }) => (plain ? cells.map(plainCell) : cells)));
    return rows;
  };
  const rows = async (kind: ExportKind, options?: ExportOptions): Promise<Record<string, unknown>[]> => {
    const all: Record<string, unknown>[] = [];
    for await (const row of sdk.exports.rows(kind, options)) all.push(row);
    return all;
  };
  const ask = (path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const url = server.api(`applications/${CLIENT_ID}/${path}`);
      httpGet(url, { headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...headers } }, resolve).on('error', reject);
    });

  it('write cells in SQL as they are written elsewhere, and read them back', async () => {
    const file = await readAll(await sdk.exports.open('profiles'));
    const [header, ...lines] = await table('profiles');
    expect(header).toEqual(['id', 'custom_id', 'nickname', 'custom_data', 'attributes', 'created_at', 'updated_at']);
    expect(
      lines
        .map((cells) => cells[2])
        .filter((name) => ODD.includes(name ?? ''))
        .toSorted(),
    ).toEqual(ODD.toSorted());
    for (const name of ODD) {
      const cell = csvCell(name);
      // COPY quotes every text, the writer only where it must.
      expect(file, name).toContain(cell.startsWith('"') ? cell : `"${cell}"`);
      expect(plainCell(cell.replace(/^"(.*)"$/s, '$1').replaceAll('""', '"')), name).toBe(name);
    }
    for (const cells of await parse(file, false)) for (const cell of cells) expect(cell).not.toMatch(/^[=+@]/);
  });

  it('of profiles are what an import takes: it changes nothing, and makes the same elsewhere', async () => {
    const other = await startTestServer();
    try {
      for (const [format, type] of [
        ['csv', 'text/csv'],
        ['ndjson', 'application/x-ndjson'],
      ] as const) {
        const file = await readAll(await sdk.exports.open('profiles', { format, last_line: true }));
        const { id } = await sdk.imports.create('profiles', file, type);
        const again = await sdk.imports.wait(id, { interval: 20 });
        expect(again, format).toMatchObject({ state: 'done', rows: ODD.length + 1, accepted: 0, rejected: 0 });
        const there = await other.sdk.imports.create('profiles', file, type);
        const made = await other.sdk.imports.wait(there.id, { interval: 20 });
        expect(made, format).toMatchObject({ accepted: format === 'csv' ? ODD.length + 1 : 0, rejected: 0 });
      }
      const known = ({ updated_at: _at, ...row }: Record<string, unknown>) => row;
      const here = (await rows('profiles')).map(known);
      const there: Record<string, unknown>[] = [];
      for await (const row of other.sdk.exports.rows('profiles')) there.push(known(row));
      const byId = (list: Record<string, unknown>[]) =>
        list.toSorted((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1));
      expect(byId(there)).toEqual(byId(here));
      expect(here).toHaveLength(ODD.length + 1);
    } finally {
      await other.close();
    }
  });

  it('of activities are what an import takes, of a type and a time if asked', async () => {
    const fan = await sdk.profiles.getByCustomId('plain');
    const own = await sdk.profiles.rotateToken(fan.id);
    await sdk.activities.send([
      {
        id: '=1+1',
        type: 'comment-created',
        profile_id: fan.id,
        occurred_at: '2026-01-01T00:00:00Z',
        data: { a: 'b,"c"\n' },
      },
      { id: 'e-2', type: 'made-up', profile_id: fan.id, occurred_at: '2026-01-02T00:00:00Z', value: 7 },
    ]);
    await server.call('POST', `applications/${CLIENT_ID}/activities/`, {
      token: own,
      body: { activities: [{ id: 'e-2', type: 'comment-created' }] },
    });
    const all = await rows('activities');
    expect(all).toHaveLength(3);
    expect(all.find(({ type }) => type === 'made-up')).toMatchObject({
      id: 'e-2',
      profile_id: fan.id,
      custom_id: 'plain',
      occurred_at: '2026-01-02T00:00:00.000000Z',
      value: 7,
      data: null,
      sent_by: 'admin',
    });
    expect(all.map(({ sent_by: by }) => by).toSorted()).toEqual(['admin', 'admin', 'profile']);
    expect(await rows('activities', { type: 'made-up' })).toHaveLength(1);
    expect(await rows('activities', { since: '2026-01-02T00:00:00Z', until: '2026-01-03T00:00:00Z' })).toHaveLength(1);
    for (const format of ['csv', 'ndjson'] as const) {
      const file = await readAll(await sdk.exports.open('activities', { format }));
      const { id } = await sdk.imports.create(
        'activities',
        file,
        format === 'csv' ? 'text/csv' : 'application/x-ndjson',
      );
      expect(await sdk.imports.wait(id, { interval: 20 }), await sdk.imports.rejected(id)).toMatchObject({
        accepted: 0,
        duplicates: 3,
        rejected: 0,
      });
    }
  });

  it('of members and changes say what lists and feeds say', async () => {
    const fan = await sdk.profiles.getByCustomId('plain');
    const other = await sdk.profiles.getByCustomId(`${ODD[0] ?? ''} 0`);
    const group = await sdk.groups.create({ name: 'Exported, "first"', custom_id: '=group' });
    const second = await sdk.groups.create({ name: 'Second' });
    await sdk.groups.addMembers(group.id, { profile_ids: [fan.id] });
    await sdk.groups.replaceMembers(group.id, `profile_id\n${other.id}\n`, 'text/csv');
    await sdk.groups.addMembers(second.id, { profile_ids: [fan.id, other.id] });
    const members = await rows('members');
    expect(members).toHaveLength(3);
    const [listed] = await sdk.groups.members(group.id).all();
    expect(members.find((row) => row['group_id'] === group.id)).toEqual({
      group_id: group.id,
      group_custom_id: '=group',
      profile_id: other.id,
      custom_id: other.custom_id,
      nickname: other.nickname,
      member_since: listed?.membership_created_at,
    });
    expect(await rows('members', { group: second.id })).toHaveLength(2);
    const feed = [];
    for await (const change of sdk.groups.changes(group.id)) feed.push(change);
    expect(await rows('changes', { group: 'custom:=group' })).toEqual(
      feed.map((change) => ({ group_id: group.id, group_custom_id: '=group', ...change })),
    );
    // What a group gives is what a replacement takes.
    const file = await readAll(await sdk.exports.openMembers(second.id, { last_line: true }));
    expect(file.split('\n')[0]).toBe('profile_id,custom_id,nickname,member_since');
    expect(await sdk.groups.replaceMembers(group.id, file, 'text/csv')).toMatchObject({ added: 1, unchanged: 1 });
    const byAccept = await ask(`profile-groups/${second.id}/members/`, { accept: 'text/csv' });
    expect(byAccept.headers['content-disposition']).toBe('attachment; filename="Second-members.csv"');
    expect((await parse(await readAll(byAccept))).length).toBe(3);
    expect(
      (await server.call('GET', `applications/${CLIENT_ID}/profile-groups/${second.id}/members/`)).body,
    ).toMatchObject({
      count: 2,
    });
  });

  it('are compressed where that is accepted, and tell by a trailer that they are whole', async () => {
    const plain = await ask('exports/profiles/', { accept: 'application/x-ndjson' });
    expect(plain.headers).toMatchObject({ 'content-type': 'application/x-ndjson', trailer: 'grandstand-rows' });
    const text = await readAll(plain);
    expect(plain.trailers).toEqual({ 'grandstand-rows': String(text.trimEnd().split('\n').length) });
    const zipped = await ask('exports/profiles/?format=ndjson', { 'accept-encoding': 'br, gzip' });
    expect(zipped.headers['content-encoding']).toBe('gzip');
    expect(await readAll(zipped.pipe(createGunzip()))).toBe(text);
    expect(zipped.trailers).toEqual(plain.trailers);
    expect((await ask('exports/profiles/', { accept: 'image/png' })).statusCode).toBe(400);
    expect((await ask('exports/profiles/?format=xml')).statusCode).toBe(400);
    expect((await ask('exports/profiles/?since=2026')).statusCode).toBe(400);
  });

  it('that break are broken off', async () => {
    const { db } = server.app.context;
    const answer = await ask('exports/profiles/?last_line=true');
    // The rows of a table that is locked do not come; their connection is killed instead.
    await readAll(answer);
    const blocked = await db.transaction(async (tx) => {
      await tx.query(sql`lock table profile_attributes in access exclusive mode`);
      const pending = ask('exports/profiles/?last_line=true');
      const started = await pending;
      let killed = 0;
      while (killed === 0) {
        const { rows: found } = await db.query(sql`
          select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like 'copy (select%' and wait_event_type = 'Lock'`);
        killed = found.length;
      }
      return started;
    });
    await expect(readAll(blocked)).rejects.toThrow();
    expect(blocked.complete).toBe(false);
  });

  it('of one profile are all that is stored about it, for the fan without what is for administrators', async () => {
    await sdk.attributes.define({ key: 'risk', type: 'string', visible_to: 'admin' });
    const deviceKey = 'wXz83-kd02_QpLm4vT6s-9aB';
    const made = await sdk.profiles.create({
      nickname: 'Ada',
      device_key: deviceKey,
      attributes: [
        { key: 'risk', value: 'high' },
        { key: 'team', value: 'red' },
      ],
    });
    const open = await sdk.groups.create({ name: 'Open' });
    const hidden = await sdk.groups.create({ name: 'Hidden', visible_to_members: false });
    for (const { id } of [open, hidden]) await sdk.groups.addMembers(id, { profile_ids: [made.id] });
    await sdk.activities.send(
      Array.from({ length: 1000 }, (_, index) => ({ id: `g-${index}`, type: 'comment-created', profile_id: made.id })),
    );
    await sdk.activities.send([{ id: 'g-1000', type: 'comment-created', profile_id: made.id }]);
    await sdk.profiles.update(made.id, { nickname: 'Ada L.' });
    const all = await sdk.exports.profile(made.id);
    expect(all.profile).toMatchObject({ id: made.id, nickname: 'Ada L.' });
    expect(all.profile.attributes).toHaveLength(2);
    expect(all.activities).toHaveLength(1001);
    expect(all.groups.map(({ name }) => name).toSorted()).toEqual(['Hidden', 'Open']);
    expect(all.group_changes).toHaveLength(2);
    expect(all.profile_changes.map(({ event }) => event)).toEqual(['profile.created', 'profile.updated']);
    expect(all.access_tokens).toHaveLength(1);
    expect(all.device_keys).toEqual([{ access_token_id: all.access_tokens[0]?.id }]);
    for (const secret of [made.access_token, deviceKey]) expect(JSON.stringify(all)).not.toContain(secret);
    const own = await server.as(made.access_token).exports.profile(made.id);
    expect(own.profile.attributes).toEqual([{ key: 'team', value: 'red' }]);
    expect(own.groups.map(({ name }) => name)).toEqual(['Open']);
    expect(own.device_keys).toHaveLength(1);
    expect(own.withheld).toEqual({ attributes: 1, groups: 1, group_changes: 1, pins: 0, source_items: 0 });
    expect(own).not.toHaveProperty('pins');
    expect(own.activities).toHaveLength(1001);
    const stranger = await sdk.profiles.create();
    await expect(server.as(stranger.access_token).exports.profile(made.id)).rejects.toMatchObject({ status: 403 });
  });

  it('write rows that csvRow writes', () => {
    expect(csvRow(['=1', null, undefined, 2, true])).toBe("'=1,,,2,true\r\n");
  });
});
