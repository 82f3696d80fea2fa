-- Systems that send to an application by a key of their own: Segment's clients, LiveLike's webhooks. On a cluster these
-- stay on the coordinator, as webhooks do: few rows, asked for by their key.
create table sources (
  id uuid primary key,
  application_id integer not null,
  name text not null,
  kind text not null check (kind in ('segment', 'livelike')),
  trust text not null check (trust in ('server', 'client')),
  write_key bytea not null,                     -- encrypted under SECRET_KEY: signatures are made with it
  write_key_hash bytea,                         -- of Segment's, which are found by it; null for LiveLike's
  previous_write_key bytea,                     -- accepted until the instant beside it
  previous_write_key_hash bytea,
  previous_write_key_until timestamptz,
  mapping jsonb not null,
  problems bigint not null default 0,           -- ever counted
  last_received_at timestamptz,                 -- now and then
  created_at timestamptz not null,
  updated_at timestamptz not null,
  created_by text not null
);
create index sources_by_application on sources (application_id, created_at desc, id desc);
create unique index sources_by_key on sources (write_key_hash) where write_key_hash is not null;
create index sources_by_previous_key on sources (previous_write_key_hash) where previous_write_key_hash is not null;

-- The last of what came in: what was refused or led nowhere with the reason, and a sample of what was taken.
create table source_items (
  source_id uuid not null references sources on delete cascade,
  id bigint generated always as identity,
  is_problem boolean not null,
  at timestamptz not null,
  call text not null,                           -- track, identify, …; of LiveLike the event
  name text,                                    -- of the event
  outcome text not null,
  reason text,
  profile_id uuid,                              -- whom it is about, so that erasing finds it
  custom_id text,
  item text not null,                           -- as it came, cut
  primary key (source_id, id)
);
create index source_items_of_kind on source_items (source_id, is_problem, id);
create index source_items_of_profile on source_items (profile_id) where profile_id is not null;
create index source_items_of_custom_id on source_items (custom_id) where custom_id is not null;

-- Activity types that other systems send. Generated from rules/platform.ts; a test compares.
insert into activity_types (application_id, id, type, label, client, registered, created_at) values
  (0, 30, 'badge-awarded', 'Badge awarded', false, true, '2025-01-01T00:00:00Z'),
  (0, 31, 'chat-mention-created', 'Mentioned somebody in a chat', false, true, '2025-01-01T00:00:00Z'),
  (0, 32, 'comment-mention-created', 'Mentioned somebody in a comment', false, true, '2025-01-01T00:00:00Z'),
  (0, 33, 'page-viewed', 'Page viewed', true, true, '2025-01-01T00:00:00Z'),
  (0, 34, 'rich-post-created', 'Post published', false, true, '2025-01-01T00:00:00Z'),
  (0, 35, 'rich-post-mention-created', 'Mentioned somebody in a post', false, true, '2025-01-01T00:00:00Z'),
  (0, 36, 'role-assignment-created', 'Role assigned', false, true, '2025-01-01T00:00:00Z'),
  (0, 37, 'screen-viewed', 'Screen viewed', true, true, '2025-01-01T00:00:00Z'),
  (0, 38, 'user-quest-task-progressed', 'Quest task progressed', false, true, '2025-01-01T00:00:00Z');
