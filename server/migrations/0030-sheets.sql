-- Sheets: who was seen on a day that is over, in columns (docs/sheets.md). They follow from activities and profiles and can be
-- emptied at any time: they are made again.

-- The days that have sheets or are about to. What changes such a day marks it in its own transaction.
create table sheet_days (
  application_id integer not null,
  day timestamptz not null,                     -- its start, UTC
  version integer not null default 0,           -- raised by each making: of two at once the later one is refused
  made_at timestamptz,                          -- null: not made yet
  activities bigint not null default 0,
  primary key (application_id, day)
);

-- Append-only: making a day deletes exactly the marks that it saw before it read.
create table sheet_marks (
  profile_id uuid not null,
  seq bigint generated always as identity (cache 50),
  application_id integer not null,
  day timestamptz not null,
  primary key (profile_id, seq)
);
create index sheet_marks_by_day on sheet_marks (application_id, day);

create table sheets (
  application_id integer not null,
  day timestamptz not null,
  fact_id integer not null,                     -- 0: any activity; -1: the profiles made on that day
  part integer not null,                        -- ordinals from part · 2^18
  entries integer not null,
  body bytea not null,
  primary key (application_id, day, fact_id, part)
);

-- The network that a fan's app made the profile from, as a keyed hash of its /24 or /48: for bursts, never for a person.
alter table profiles add column network bytea;
create index profiles_by_network on profiles (application_id, created_at) include (network, ordinal) where network is not null;
