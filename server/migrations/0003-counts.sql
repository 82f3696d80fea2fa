-- Counts that the overview shows, kept so that nobody counts millions of activities to look at it.
-- Written by statistics/statistics-chores.ts alone; both tables can be emptied at any time and fill again by themselves.

create table daily_counts (
  application_id integer not null,
  day timestamptz not null,
  new_profiles bigint not null,
  active_profiles bigint not null,
  activities bigint not null,
  counted_at timestamptz not null,
  primary key (application_id, day)
);

-- By receipt. A minute in which nothing came has no row.
create table minute_counts (
  application_id integer not null,
  minute timestamptz not null,
  activities bigint not null,
  primary key (application_id, minute)
);
