-- Entries and leaves of groups by hour and cause, written beside group_sizes. What happened before this table was there is
-- in group_sizes alone: no cause is told of it.

create table group_flows (
  group_id uuid not null,
  hour timestamptz not null,
  cause text not null,
  entered bigint not null,
  "left" bigint not null,
  primary key (group_id, hour, cause)
);
