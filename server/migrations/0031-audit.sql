-- Who changed what, written in the transaction of the change. Secrets never stand here.
create table audit_log (
  id uuid primary key,                          -- version 7: in the order of time
  application_id integer not null,
  at timestamptz not null,
  actor_kind text not null check (actor_kind in ('producer', 'token', 'command line')),
  actor_id text,
  actor_name text not null,
  address text,                                 -- where the request came from
  request_id text,
  action text not null,                         -- the operation of the OpenAPI document
  object_type text,
  object_id text,
  object_name text,
  details jsonb                                 -- {before, after, request}, without secrets
);
create index audit_log_by_time on audit_log (application_id, at desc, id desc);
create index audit_log_by_object on audit_log (application_id, object_type, object_id, at desc, id desc);
