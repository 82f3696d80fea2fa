-- The whole ground: applications, profiles, activities, groups and their membership.
-- Every per-profile table carries the profile's id in its primary key, group heads and changes the group's:
-- those are the distribution columns on Citus (database/distribute.ts).

-- Small tables, written by people: reference tables on Citus. No membership change writes one.

create table applications (
  id integer primary key,                       -- the next free one: Citus takes no integer identities
  client_id text not null unique,
  name text not null,
  client_secret bytea not null,                 -- encrypted under SECRET_KEY
  previous_client_secret bytea,                 -- still accepted until the instant beside it
  previous_client_secret_until timestamptz,
  -- Raised by every change of rules, attribute definitions and activity types. Processes cache those,
  -- and every write that relied on the cache checks the number in its own transaction.
  definitions_version bigint not null default 1,
  created_at timestamptz not null,
  updated_at timestamptz not null
);

create table admin_tokens (
  id uuid primary key,
  application_id integer not null references applications,
  name text not null,
  token_hash bytea not null unique,
  hint text not null,                           -- the last four characters, to tell tokens apart
  read_only boolean not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
create index admin_tokens_by_application on admin_tokens (application_id, created_at desc, id);

create table producers (
  id uuid primary key,
  email text not null unique,                   -- lower case
  name text not null,
  password_hash text,                           -- null until the invitation is accepted
  created_at timestamptz not null,
  updated_at timestamptz not null,
  sessions_valid_after timestamptz not null
);

create table producer_roles (
  producer_id uuid not null references producers on delete cascade,
  application_id integer not null references applications,
  role text not null check (role in ('owner', 'editor', 'viewer')),
  created_at timestamptz not null,
  primary key (producer_id, application_id)
);

create table producer_invitations (
  token_hash bytea primary key,
  email text,                                   -- null: the first owner's link, who names the address
  application_id integer not null references applications,
  role text not null check (role in ('owner', 'editor', 'viewer')),
  created_at timestamptz not null,
  expires_at timestamptz not null,
  accepted_at timestamptz
);

create table producer_sessions (
  token_hash bytea primary key,
  producer_id uuid not null references producers on delete cascade,
  csrf_token text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  last_used_at timestamptz not null
);
create index producer_sessions_by_producer on producer_sessions (producer_id);

-- Guesses at a producer's password, by a keyed hash of the e-mail address: also of addresses that nobody has, so that a
-- lock tells nothing about who exists. Gone with the first success or after a day.
create table sign_in_attempts (
  email_hash bytea primary key,
  failures integer not null,
  last_at timestamptz not null,
  locked_until timestamptz
);

create table activity_types (
  application_id integer not null,              -- 0: the platform's own
  id integer not null,                          -- what activities store; the platform's are below 1000
  type text not null,
  label text not null,
  client boolean not null,                      -- whether a profile token may send it
  registered boolean not null,                  -- false: seen from an admin, never registered
  created_at timestamptz not null,
  primary key (application_id, id),
  unique (application_id, type)
);

create table attribute_definitions (
  id uuid primary key,
  application_id integer not null references applications,
  key text not null,
  label text not null,
  description text not null,
  category text not null,
  type text not null check (type in ('string', 'number', 'boolean', 'datetime', 'list')),
  unit text,
  choices jsonb,
  writable_by text not null check (writable_by in ('admin', 'profile')),
  visible_to text not null check (visible_to in ('admin', 'owner', 'public')),
  derived_from jsonb,                           -- null: stored as pairs on profiles
  created_at timestamptz not null,
  updated_at timestamptz not null,
  unique (application_id, key)
);

-- What totals are kept of, beyond every type and '*': a type with a condition on its data, the newest state of a key.
create table facts (
  application_id integer not null,              -- 0: the platform's own
  id integer not null,                          -- the platform's are below 1000; a type's own fact has the type's id
  type_id integer not null,                     -- 0: any type
  key text not null,                            -- the data key; for a condition the key compared
  equals jsonb,                                 -- null: the fact is the state of the key
  value_type text,                              -- for a state: string, number, boolean or datetime
  built boolean not null,                       -- false while past activities are still being read into it
  primary key (application_id, id),
  unique nulls not distinct (application_id, type_id, key, equals)
);

create table groups (
  id uuid primary key,
  application_id integer not null references applications,
  name text not null,
  description text not null,
  custom_id text,
  is_active boolean not null,
  visible_to_members boolean not null,
  membership_type text not null check (membership_type in ('static', 'dynamic')),
  attributes jsonb not null,
  is_paused boolean not null default false,
  ruleset_id uuid,                              -- saved last
  created_at timestamptz not null,
  updated_at timestamptz not null,
  unique (application_id, custom_id)
);
create index groups_by_creation on groups (application_id, created_at desc, id desc);
create index groups_by_attributes on groups using gin (attributes jsonb_path_ops);

create table rulesets (
  id uuid primary key,
  application_id integer not null,
  group_id uuid not null references groups on delete cascade,
  rule_tree jsonb not null,                     -- normalised
  created_at timestamptz not null,
  created_by text not null                      -- 'token:<name>' or 'producer:<email>'
);
create index rulesets_by_group on rulesets (group_id, created_at desc, id desc);

-- Per profile: distributed by the profile's id on Citus, co-located with each other.

create table profiles (
  id uuid primary key,
  application_id integer not null,
  ordinal integer not null,                     -- dense within the application: its place in a bitset
  nickname text not null,
  custom_id text,
  custom_data text,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  client_tokens_after timestamptz               -- client-signed tokens issued up to it are dead
);
create index profiles_by_creation on profiles (application_id, created_at desc, id desc);
create index profiles_by_ordinal on profiles (application_id, ordinal);
create index profiles_by_nickname on profiles (application_id, lower(nickname) text_pattern_ops);

create table profile_tokens (
  profile_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  primary key (profile_id, id)
);

create table profile_attributes (
  profile_id uuid not null,
  key text not null,
  value text not null,
  application_id integer not null,
  ordinal integer not null,
  position integer not null,                    -- the order in which the pairs were sent
  written_by text not null check (written_by in ('admin', 'profile')),
  number double precision,                      -- the value read as a number, where it is one
  instant timestamptz,                          -- the value read as an instant, where it is one
  primary key (profile_id, key, value)
);
create index profile_attributes_by_value on profile_attributes (application_id, key, value) include (ordinal, written_by);
create index profile_attributes_by_number on profile_attributes (application_id, key, number) include (ordinal, written_by, value)
  where number is not null;
create index profile_attributes_by_instant on profile_attributes (application_id, key, instant) include (ordinal, written_by)
  where instant is not null;

create table activities (
  profile_id uuid not null,
  id text collate "C" not null,                 -- ties of occurred_at are broken by code point, whatever the database's collation
  application_id integer not null,
  ordinal integer not null,
  type_id integer not null,
  occurred_at timestamptz not null,
  value integer not null,
  data jsonb,
  received_at timestamptz not null default clock_timestamp(), -- for the live tail alone, never for a rule
  primary key (profile_id, id)
);
create index activities_by_type on activities (application_id, type_id, occurred_at) include (ordinal, value);
create index activities_by_profile on activities (profile_id, type_id, occurred_at, id) include (value);
create index activities_by_receipt on activities (application_id, received_at);

-- One row per profile and fact, written in the transaction that acknowledges an activity. type_id 0: any type.
create table totals (
  profile_id uuid not null,
  fact_id integer not null,
  application_id integer not null,
  ordinal integer not null,
  count bigint not null,
  sum bigint not null,
  first_at timestamptz,
  last_at timestamptz,
  state jsonb,                                  -- of a state fact: the value, json null once cleared
  state_at timestamptz,                         -- of a state fact: the activity that set it …
  state_activity text collate "C",              -- … which breaks a tie of instants
  state_instant timestamptz,                    -- a state of type datetime, for the clock
  primary key (profile_id, fact_id)
) partition by hash (fact_id);
-- So a scan of one fact reads little more than its rows, in order, and an update of a row touches no index.
do $$ begin
  for n in 0..15 loop
    execute format('create table totals_%s partition of totals for values with (modulus 16, remainder %s) with (fillfactor = 85)', n, n);
  end loop;
end $$;
create index totals_by_fact on totals (application_id, fact_id, ordinal);
create index totals_by_instant on totals (application_id, fact_id, state_instant) where state_instant is not null;

create table members (
  profile_id uuid not null,
  group_id uuid not null,
  application_id integer not null,
  ordinal integer not null,
  -- A reader at epoch e sees the rows with since_epoch <= e and (until_epoch is null or until_epoch > e).
  since_epoch bigint not null,
  until_epoch bigint,
  entered_at timestamptz not null,              -- '-infinity': at the switch to since_epoch (group_epochs)
  primary key (profile_id, group_id)
);
create index members_by_entry on members (group_id, since_epoch desc, entered_at desc, profile_id desc) include (until_epoch, ordinal);
create index members_leaving on members (group_id, until_epoch, profile_id) where until_epoch is not null;

create table pins (
  profile_id uuid not null,
  group_id uuid not null,
  application_id integer not null,
  ordinal integer not null,
  pin text not null check (pin in ('in', 'out')),
  reason text not null,
  expires_at timestamptz,
  created_at timestamptz not null,
  created_by text not null,
  primary key (profile_id, group_id)
);
create index pins_by_group on pins (group_id, created_at desc, profile_id);
create index pins_by_expiry on pins (application_id, expires_at) where expires_at is not null;

-- What waits for evaluation. Append-only; a worker deletes exactly the rows that it saw.
create table queue (
  profile_id uuid not null,
  seq bigint generated always as identity (cache 50),
  bucket smallint not null,                     -- ordinal mod 64: what a lease covers
  application_id integer not null,
  cause text not null check (cause in ('activity', 'clock', 'profile', 'group', 'pin')),
  changed text[] not null,                      -- dependency keys (rules/depends.ts)
  since timestamptz,                            -- of a clock row: the instant up to which the profile was right
  queued_at timestamptz not null,
  primary key (profile_id, seq)
);
-- What people and programs did comes before what the clock did, however much of the latter is due at once.
create index queue_live on queue (seq) where cause <> 'clock';
create index queue_clock on queue (seq) where cause = 'clock';

-- Which dependency keys the rules of active groups read. A change that touches none of them is not queued.
create table watched_keys (
  application_id integer not null,
  key text not null,
  group_id uuid not null,
  primary key (application_id, key, group_id)
);

-- While a group is being filled: the profiles that changed since, which the fill looks at again before it switches.
-- Append-only like the queue: a fill deletes exactly the rows that it saw, so a note taken meanwhile is never lost.
create table fill_touched (
  profile_id uuid not null,
  group_id uuid not null,
  seq bigint generated always as identity (cache 50),
  primary key (profile_id, group_id, seq)
);
create index fill_touched_by_group on fill_touched (group_id, seq);

-- Per custom id, per erased custom id.

create table custom_ids (
  custom_id text not null,
  application_id integer not null,
  profile_id uuid not null,
  primary key (custom_id, application_id)
);

create table tombstones (
  custom_id_hash bytea not null,                -- keyed, so that it cannot be guessed back
  application_id integer not null,
  erased_at timestamptz not null,
  primary key (custom_id_hash, application_id)
);

-- Per group: distributed by the group's id, co-located with each other.

create table group_heads (
  group_id uuid primary key,
  application_id integer not null,
  profile_count bigint not null,
  epoch bigint not null,
  last_number bigint not null,                  -- of the changes of this epoch
  base_sequence bigint not null,                -- sequence = base_sequence + number
  last_at timestamptz,                          -- of the newest change: the next one is not before it
  served_ruleset_id uuid,
  filling boolean not null default false,       -- somebody prepares the next epoch: what changes is also noted in fill_touched
  as_of timestamptz                             -- frozen: up to when membership was right ('-infinity': never); null: live
);

create table group_epochs (
  group_id uuid not null,
  epoch bigint not null,
  base_sequence bigint not null,
  switched_at timestamptz not null,
  cause text not null,                          -- of the changes that came with the switch: rule or import
  primary key (group_id, epoch)
);

create table changes (
  group_id uuid not null,
  epoch bigint not null,
  number bigint not null,
  profile_id uuid not null,
  ordinal integer not null,
  change text not null check (change in ('entered', 'left')),
  at timestamptz,                               -- null: at the switch to its epoch
  cause text not null,
  primary key (group_id, epoch, number)
);
create index changes_by_profile on changes (group_id, profile_id, epoch, number);

create table group_sizes (
  group_id uuid not null,
  hour timestamptz not null,
  entered bigint not null,
  "left" bigint not null,
  primary key (group_id, hour)
);

-- A fill of a dynamic group or a replacement of a static one, from its start to its last clean-up.
create table fills (
  group_id uuid primary key,
  application_id integer not null,
  kind text not null check (kind in ('rule', 'import')),
  ruleset_id uuid,
  epoch bigint not null,                        -- what it prepares
  stage text not null check (stage in ('discard', 'build', 'scan', 'prepare', 'catch_up', 'clean')),
  prepared bigint not null default 0,           -- changes written for the epoch
  total bigint,                                 -- changes to write, once known
  as_of timestamptz,                            -- of the scan
  started_at timestamptz not null,
  attempts integer not null default 0,
  failures integer not null default 0,          -- in a row: the longer it waits until retry_at
  retry_at timestamptz,
  last_error text
);

-- Groups that are gone for everybody, whose members and changes are still being deleted.
create table group_deletions (
  group_id uuid primary key,
  application_id integer not null,
  deleted_at timestamptz not null
);

-- Work shared by several processes: who holds what, until when, with a number that only grows.
create table leases (
  name text primary key,
  holder uuid,
  expires_at timestamptz,
  fence bigint not null default 0
);

-- Clock-driven changes up to swept_until are in the queue. A sweep that runs announces first how far it will come, and
-- whoever evaluates from then on does so at that instant or later: no flip falls between two clocks.
create table sweeps (
  application_id integer primary key,
  swept_until timestamptz not null,
  sweeping_until timestamptz not null
);

create table verifications (
  group_id uuid not null,
  id uuid not null,
  at timestamptz not null,
  checked bigint not null,
  missing bigint not null,
  extra bigint not null,
  nightly boolean not null,
  primary key (group_id, id)
);

create table idempotency_keys (
  scope_hash bytea not null,                    -- of application, credential, method, path and the key
  request_hash bytea not null,
  holder uuid not null,                         -- the request that runs, or ran, under the key
  held_until timestamptz not null,              -- a request that has not answered by then is taken for dead
  status integer,                               -- null while the first request runs
  answer bytea,                                 -- encrypted under a key derived from the Idempotency-Key
  created_at timestamptz not null,
  primary key (scope_hash)
);
create index idempotency_keys_by_age on idempotency_keys (created_at);

-- Ordinals are handed out in blocks: next_ordinal is the first one that no process has taken.
create table ordinal_blocks (
  application_id integer primary key,
  next_ordinal integer not null
);

create table statistics (
  application_id integer not null,
  shard smallint not null,                      -- counts are spread over rows, so that creates do not queue
  profiles bigint not null,
  primary key (application_id, shard)
);

create table settings (
  key text primary key,
  value text not null
);
