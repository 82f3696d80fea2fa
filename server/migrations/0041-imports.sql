-- Files that are read in, in pieces. On a cluster these stay on the coordinator, as leases do: asked for by their key, and a
-- file's pieces go as soon as they are done with.
create table imports (
  id uuid primary key,
  application_id integer not null,
  kind text not null check (kind in ('profiles', 'activities', 'members')),
  name text not null,                           -- of the file, as the sender calls it
  format text not null check (format in ('csv', 'ndjson')),
  is_dry_run boolean not null,
  options jsonb not null,                       -- columns of CSV, the group of members
  state text not null check (state in ('receiving', 'queued', 'running', 'done', 'failed')),
  rows bigint not null,                         -- so far, while it is received
  accepted bigint not null,
  duplicates bigint not null,
  rejected bigint not null,
  created_at timestamptz not null,
  created_by text not null,
  updated_at timestamptz not null,
  finished_at timestamptz,
  failures integer not null default 0,          -- one after the other, of the next piece
  retry_at timestamptz,
  last_error text,
  key_hash bytea,                               -- of the Idempotency-Key, in its scope, for a day
  body_hash bytea
);
create index imports_by_application on imports (application_id, created_at desc, id desc);
create index imports_at_work on imports (updated_at) where state in ('receiving', 'queued', 'running');
create unique index imports_by_key on imports (key_hash) where key_hash is not null;

-- Compressed already.
create table import_pieces (
  import_id uuid not null references imports on delete cascade,
  number integer not null,
  content bytea not null,
  primary key (import_id, number)
);
alter table import_pieces alter column content set storage external;

create table import_rejections (
  import_id uuid not null references imports on delete cascade,
  line bigint not null,
  reason text not null,
  row text not null,
  primary key (import_id, line)
);

-- Access tokens that another system made and that go on working here: which token of the profile each stands for. It dies
-- with that one.
create table foreign_tokens (
  token_hash bytea primary key,
  application_id integer not null,
  profile_id uuid not null,
  token_id uuid not null
);
create index foreign_tokens_by_profile on foreign_tokens (profile_id);
