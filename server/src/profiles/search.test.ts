import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { sql } from '../database/database.ts';
import { fold } from '../fold.ts';
import { foldRows } from '../fold-rows.ts';
import { createTestDatabase, type TestDatabase } from '../testing/database.ts';
import { pagesOf, refusal, startTestServer, type TestServer } from '../testing/server.ts';

/** What lowers letters differently in each: the server that every test has, one that lowers ASCII alone, and a Turkish one. */
const LOCALES = {
  'as it comes': undefined,
  'in the locale C': "locale 'C'",
  Turkish: "locale 'C' locale_provider icu icu_locale 'tr-TR'",
};

const NAMES = ['İpek Işık', 'ΝΙΚΟΣ', 'Νικόλαος', 'Straße', 'Final Horse', 'José Ñandú', '🦁Leo', '?!', 'HORSESHOE'];

describe.each(Object.entries(LOCALES))('searches on a database %s', (_name, locale) => {
  // A cluster's other databases are made by other hands.
  if (locale !== undefined && inject('isDistributed')) return;
  let server: TestServer;
  let database: TestDatabase | undefined;
  const ids = new Map<string, string>();

  beforeAll(async () => {
    database = locale === undefined ? undefined : await createTestDatabase({ empty: true, locale });
    server = await startTestServer(database && { databaseUrl: database.directUrl });
    for (const nickname of NAMES) ids.set((await server.sdk.profiles.create({ nickname })).id, nickname);
    const made = await server.sdk.profiles.create({ nickname: 'Reindeer', custom_id: 'fan-0002' });
    ids.set(made.id, 'Reindeer');
  });
  afterAll(async () => {
    await server.close();
    await database?.drop();
  });

  const named = (rows: { id: string }[]): (string | undefined)[] => rows.map(({ id }) => ids.get(id)).sort();

  it('find every nickname by exactly that text, in any case', async () => {
    for (const name of NAMES) {
      for (const needle of [name, name.toUpperCase(), name.toLowerCase(), name.toLocaleUpperCase('tr')]) {
        const [page] = await pagesOf(server.sdk.profiles.list({ nickname: needle }));
        expect(named(page?.results ?? []), needle).toContain(name);
        expect(page?.count).toBe(page?.results.length);
        expect(named(await server.sdk.profiles.list({ search: needle }).all()), needle).toContain(name);
      }
    }
  });

  it.each([
    ['ipek', ['İpek Işık']],
    ['IŞIK', ['İpek Işık']],
    ['isik ipek', ['İpek Işık']],
    ['νικος', ['ΝΙΚΟΣ']],
    ['νικ', ['ΝΙΚΟΣ', 'Νικόλαος']],
    ['strasse', ['Straße']],
    ['horse', ['Final Horse', 'HORSESHOE']],
    ['horse fin', ['Final Horse']],
    ['nandu', ['José Ñandú']],
    ['leo', ['🦁Leo']],
    ['🦁', ['🦁Leo']],
    ['?', ['?!']],
    ['orse', []],
    ['reindeer', ['Reindeer']],
    ['fan-0002', ['Reindeer']],
    ['fan-0', ['Reindeer']],
    ["o'\\ %_ & | ! : * ( )", []],
    ['%', []],
  ])('find by words, and by the beginning of a custom id: %s', async (search, names) => {
    expect(named(await server.sdk.profiles.list({ search }).all())).toEqual([...names].sort());
  });

  it('follow a new nickname and a new custom id', async () => {
    const { id } = await server.sdk.profiles.create({ nickname: 'Before', custom_id: `first-${_name}` });
    await server.sdk.profiles.update(id, { nickname: 'Afterwards', custom_id: `second-${_name}` });
    const find = async (search: string) => (await server.sdk.profiles.list({ search }).all()).map((one) => one.id);
    expect(await find('before')).toEqual([]);
    expect(await find('first-')).toEqual([]);
    expect(await find('after')).toEqual([id]);
    expect(await find('second-')).toEqual([id]);
    await server.sdk.profiles.erase(id);
  });

  it('find members and groups the same way', async () => {
    const group = await server.sdk.groups.create({ name: 'İSTANBUL Straße' });
    const dynamic = await server.sdk.groups.create({ name: 'ΝΙΚΟΣ' });
    await server.sdk.groups.addMembers(group.id, { profile_ids: [...ids.keys()] });
    const members = async (options: object) => named(await server.sdk.groups.members(group.id, options).all());
    expect(await members({ nickname: 'STRASSE' })).toEqual(['Straße']);
    expect(await members({ search: 'işık' })).toEqual(['İpek Işık']);
    expect(await members({ search: 'fan-00' })).toEqual(['Reindeer']);
    expect((await pagesOf(server.sdk.groups.members(group.id, { search: 'horse' })))[0]?.count).toBe(2);
    const sorted = await server.sdk.groups.members(group.id, { ordering: 'nickname' }).all();
    const folded = sorted.map(({ nickname }) => fold(nickname ?? ''));
    expect(folded).toEqual([...folded].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    const groups = async (name: string) => (await server.sdk.groups.list({ name }).all()).map(({ id }) => id);
    expect(await groups('istanbul')).toEqual([group.id]);
    expect(await groups('İSTANBUL STRASSE')).toEqual([group.id]);
    expect(await groups('νικος')).toEqual([dynamic.id]);
    await server.sdk.groups.update(group.id, { name: 'Ankara' });
    expect(await groups('istanbul')).toEqual([]);
    expect(await groups('ANK')).toEqual([group.id]);
  });

  it('find what an older version wrote once it was folded', async () => {
    const { db, log } = server.app.context;
    const group = await server.sdk.groups.create({ name: 'Éclair' });
    await db.query(sql`update profiles set folded = null, words = null`);
    await db.query(sql`update groups set folded = null`);
    await foldRows(db, log).done;
    expect(named(await server.sdk.profiles.list({ search: 'hors' }).all())).toEqual(['Final Horse', 'HORSESHOE']);
    expect((await server.sdk.groups.list({ name: 'eclair' }).all()).map(({ id }) => id)).toEqual([group.id]);
    const { rows } = await db.query(sql`select from profiles where folded is null or words is null`);
    expect(rows).toEqual([]);
  });

  it('refuse what is longer than any name', async () => {
    expect((await refusal(server.sdk.profiles.list({ search: 'x'.repeat(256) }).all())).fields).toHaveProperty(
      'search',
    );
  });
});
