-- What an application may grow to, and what is counted for it. Counts of a day are written one by one, so that no race passes
-- a limit; figures are counted anew every minute.
alter table applications add column limits jsonb not null default '{}';

alter table creation_days add column made bigint not null default 0;     -- by apps of fans, while there was a limit
alter table creation_days add column refused bigint not null default 0;

create table usage_figures (
  application_id integer primary key,
  at timestamptz not null,                      -- up to when was counted
  new_1d bigint not null,
  active_1d bigint not null,
  active_7d bigint not null,
  active_30d bigint not null,
  total bigint not null
);
