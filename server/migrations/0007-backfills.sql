-- The work that brings a group to a new rule is called what the field calls it.

alter table fills rename to backfills;
alter table fill_touched rename to backfill_touched;
alter index fill_touched_by_group rename to backfill_touched_by_group;
