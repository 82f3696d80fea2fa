-- Since when a profile has its custom id. Null where nobody wrote it down: then the tombstone of the custom id is always asked for.
alter table profiles add column custom_id_since timestamptz;
