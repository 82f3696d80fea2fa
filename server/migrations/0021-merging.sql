-- Profiles that became one with another: what their old ids mean now. A chain is never stored: a profile that is merged
-- takes the ids that mean it along.
create table profile_aliases (
  profile_id uuid not null,                     -- the id that is no profile's any more …
  application_id integer not null,
  ordinal integer not null,                     -- … and its place in bitsets, which a list that was read before may hold
  target_id uuid not null,
  target_ordinal integer not null,
  custom_id text,                               -- of the source, which means the target beside the target's own
  activities bigint not null,                   -- that came along
  duplicates bigint not null,                   -- that both had: the target's stayed
  merged_at timestamptz not null,
  merged_by text not null,
  primary key (profile_id)
);
create index profile_aliases_by_target on profile_aliases (target_id, merged_at desc, profile_id desc);
create index profile_aliases_by_application on profile_aliases (application_id) include (ordinal, target_ordinal);
