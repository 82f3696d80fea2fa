-- Histories too long to become another profile's in one transaction. They are that profile's from the merge on: whoever
-- reads activities reads what still stands under the source as the target's. Slice by slice it then comes over.
create table moves (
  profile_id uuid not null,                     -- the target
  source_id uuid not null,
  application_id integer not null,
  ordinal integer not null,
  source_ordinal integer not null,
  stage text not null check (stage in ('settle', 'move')),
  moved bigint not null default 0,
  total bigint not null,                        -- activities of the source at the merge
  started_at timestamptz not null,
  primary key (profile_id, source_id)
);
create index moves_by_application on moves (application_id);
