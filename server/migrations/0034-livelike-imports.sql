-- How far the reading of another system is, so that it goes on where it was broken off. On a cluster it stays on the coordinator.
create table livelike_imports (
  application_id integer not null,
  source text not null,                         -- address and client id
  state jsonb not null,
  updated_at timestamptz not null,
  primary key (application_id, source)
);
