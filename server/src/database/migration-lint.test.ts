// The linter over server/migrations, and over statements that it must refuse.

import { describe, expect, it } from 'vitest';
import { lintMigrations } from '../testing/migration-lint.ts';
import { describeMigration, readMigrations } from './migration-files.ts';

/** The number of the last migration that a release contains. What comes later meets tables that are full and in use. */
const RELEASED = 0;

const TABLES = describeMigration('0001-tables.sql', 'create table fans (id int primary key, name text, team text);');

async function rulesOf(text: string, ...later: string[]): Promise<string[]> {
  const files = [text, ...later].map((each, index) =>
    describeMigration(`${String(index + 2).padStart(4, '0')}-x.sql`, each),
  );
  return (await lintMigrations([TABLES, ...files], 1)).map(({ rule }) => rule);
}

describe('migrations', () => {
  it('of this version hold no table that is in use while they read or write all of it', async () => {
    const findings = await lintMigrations(await readMigrations(), RELEASED);
    expect(findings.map(({ file, rule, message }) => `${file}: ${rule}: ${message}`)).toEqual([]);
  });
});

describe('the linter of migrations refuses', () => {
  it.each<[text: string, rule: string]>([
    ['alter table fans alter column name set not null;', 'set-not-null'],
    ['alter table fans add column seen timestamptz not null;', 'add-column'],
    ['alter table fans add column seen timestamptz default clock_timestamp();', 'add-column'],
    ['alter table fans add column token uuid default gen_random_uuid();', 'add-column'],
    ['alter table fans add column number bigserial;', 'add-column'],
    ['alter table fans add column number bigint generated always as identity;', 'add-column'],
    ['alter table fans add column short text generated always as (left(name, 3)) stored;', 'add-column'],
    ['alter table fans add column age int check (age > 0);', 'constraint'],
    ['alter table fans alter column id type bigint;', 'type'],
    ['alter table fans add constraint named check (name is not null);', 'constraint'],
    ['alter table fans add foreign key (team) references fans;', 'constraint'],
    ['alter table fans add unique (name);', 'constraint'],
    ['alter table fans drop column team;', 'drop'],
    ['drop table fans;', 'drop'],
    ['alter table fans rename column team to club;', 'rename'],
    ['alter table fans rename to supporters;', 'rename'],
    ['create index fans_by_team on fans (team);', 'index'],
    ['drop index fans_by_team;', 'index'],
    ['create index concurrently fans_by_team on fans (team);', 'concurrently'],
    ['-- without a transaction\ncreate index concurrently fans_by_team on fans (team);', 'repeatable'],
    ['-- without a transaction\nalter table fans add column seen timestamptz;', 'repeatable'],
    ['update fans set team = lower(team);', 'rows'],
    ['delete from fans where name is null;', 'rows'],
    ['insert into fans select id + 1000, name from fans;', 'rows'],
    ['lock table fans;', 'lock'],
    ['truncate fans;', 'lock'],
    ['begin;', 'transaction'],
    ['do $$ begin perform 1; end $$;', 'do'],
    [
      'alter table fans add constraint named check (name is not null) not valid; alter table fans validate constraint named;',
      'validate',
    ],
  ])('%s', async (text, rule) => {
    expect(await rulesOf(text)).toEqual([rule]);
  });

  it('a column that is not null by a check that nobody validated', async () => {
    const add = 'alter table fans add constraint named check (name is not null) not valid;';
    const set = 'alter table fans alter column name set not null;';
    expect(await rulesOf(add, set)).toEqual(['set-not-null']);
    expect(await rulesOf(add, 'alter table fans validate constraint named;', set)).toEqual([]);
  });
});

describe('the linter of migrations takes', () => {
  it.each([
    'alter table fans add column seen timestamptz;',
    'alter table fans add column seen timestamptz not null default now();',
    "alter table fans add column tags text[] not null default '{}'::text[];",
    'alter table fans add constraint named check (name is not null) not valid;',
    'alter table fans add constraint fans_name_key unique using index fans_by_name;',
    '-- without a transaction\ncreate index concurrently if not exists fans_by_team on fans (team);',
    '-- without a transaction\ndrop index concurrently if exists fans_by_team;',
    'create table clubs (id int primary key, fan int references fans); create index clubs_by_fan on clubs (fan);',
    "insert into fans values (1, 'one', null);",
    '-- allows drop: nothing has asked for it since 1.2\nalter table fans drop column team;',
  ])('%s', async (text) => {
    expect(await rulesOf(text)).toEqual([]);
  });
});
