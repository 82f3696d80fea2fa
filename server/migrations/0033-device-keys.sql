-- Keys that devices keep beside their token: which token of which profile each stands for. It dies with that one. A row that
-- lost its token stays until the key is sent again, or its profile goes.
create table device_keys (
  key_hash bytea not null,                      -- keyed; the key itself is nowhere
  application_id integer not null,
  profile_id uuid not null,
  token_id uuid not null,
  primary key (key_hash, application_id)
);
create index device_keys_by_profile on device_keys (profile_id);

-- What came of calls that make profiles, by day (UTC).
create table creation_days (
  application_id integer not null,
  day timestamptz not null,
  recovered bigint not null default 0,          -- answered with the profile of a device key, instead of a further one
  primary key (application_id, day)
);
