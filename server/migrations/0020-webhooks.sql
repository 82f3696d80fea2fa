-- What happens to profiles and groups, for those who follow it, and webhooks, which tell it elsewhere. Changes of
-- membership are not copied here: their feed is `changes`.

-- Written in the transaction of the change. A number given there would make every change of a profile wait for the one
-- before; so rows come without one, and who reads the feed numbers first what was committed since (events/event-store.ts).
create table new_events (
  subject_id uuid not null,                     -- the profile or the group
  id uuid not null,
  application_id integer not null,
  feed text not null check (feed in ('profile', 'group')),
  event text not null,
  data jsonb,                                   -- names of what changed; of a profile nothing that must go when it is erased
  at timestamptz not null,                      -- for one subject never the same twice, and never backwards
  primary key (subject_id, id)
);
create index new_events_in_order on new_events (application_id, feed, at, id);

create table event_heads (
  application_id integer not null,
  feed text not null,
  last_sequence bigint not null,
  primary key (application_id, feed)
);

create table events (
  application_id integer not null,
  feed text not null,
  sequence bigint not null,                     -- from 1, without gaps, given under the head's lock
  lane smallint not null,                       -- by hash of the subject: what one subject did lies in one lane, in order
  subject_id uuid not null,
  event text not null,
  data jsonb,
  at timestamptz not null,
  primary key (application_id, feed, sequence)
);
create index events_by_lane on events (application_id, feed, lane, sequence);

-- On a cluster these stay on the coordinator, as leases do: small but for deliveries, and always asked for by their key.

create table webhooks (
  id uuid primary key,
  application_id integer not null,
  url text not null,
  description text not null,
  events text[],                                -- null: all
  groups text[],                                -- ids and `custom:…`, as they were given; null: all
  switches text not null check (switches in ('changes', 'summary')),
  is_active boolean not null,
  secret bytea not null,                        -- encrypted under SECRET_KEY
  previous_secret bytea,                        -- signs beside it until the instant beside it
  previous_secret_until timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  created_by text not null,
  -- Raised by every change that whoever sends must not overlook: of the address, of what is followed, of positions.
  version bigint not null,
  followed_since timestamptz not null,          -- streams that existed then were given a position then
  status text not null check (status in ('healthy', 'failing', 'disabled')),
  status_since timestamptz not null,
  last_success_at timestamptz,
  last_error text,
  retry_after timestamptz,                      -- the receiver asked for a pause up to then
  deleted_at timestamptz                        -- gone for everybody; its deliveries are still being deleted
);
create index webhooks_by_application on webhooks (application_id, created_at desc, id desc);

-- How far a webhook has told each feed. A message that is on its way, or waits to be tried again, keeps its bounds and its
-- id, so that its receiver can tell it from the next one however often it comes.
create table webhook_streams (
  webhook_id uuid not null references webhooks on delete cascade,
  stream text not null,                         -- 'group:<id>', 'profile:<lane>' or 'group-events'
  position bigint not null,                     -- the sequence that was taken last
  pending_id uuid,
  pending_event text,
  pending_first bigint,
  pending_last bigint,
  pending_at timestamptz,                       -- of the first thing that it tells
  attempts integer not null default 0,          -- of the pending message
  next_attempt_at timestamptz,
  primary key (webhook_id, stream)
);

create table webhook_deliveries (
  webhook_id uuid not null,
  id uuid not null,                             -- the webhook-id of each attempt
  stream text not null,                         -- as above, or 'test'
  event text not null,
  first_sequence bigint not null,
  last_sequence bigint not null,
  state text not null check (state in ('pending', 'delivered', 'failed')),
  created_at timestamptz not null,
  attempts jsonb not null,                      -- oldest first: at, status, error, duration_ms, answer
  primary key (webhook_id, id)
);
