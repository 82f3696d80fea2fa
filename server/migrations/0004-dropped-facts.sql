-- Facts that no attribute reads any more. Their totals are deleted in the background; until then their ids are not given away.

create table dropped_facts (
  application_id integer not null,
  id integer not null,
  primary key (application_id, id)
);
