-- Attempts are counted by where they come from, not by e-mail address alone.
alter table sign_in_attempts rename column email_hash to bucket_hash;

-- From where a producer signed in before: whoever guesses from elsewhere does not lock this out.
create table producer_devices (
  token_hash bytea primary key,
  producer_id uuid not null references producers (id) on delete cascade,
  address_hash bytea not null,
  created_at timestamptz not null,
  last_used_at timestamptz not null
);
create index producer_devices_by_producer on producer_devices (producer_id, last_used_at desc);
