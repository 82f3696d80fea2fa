-- A switch turns ordinals into ids, thousands at a time: with the id in the index no profile is looked at for it.
drop index profiles_by_ordinal;
create index profiles_by_ordinal on profiles (application_id, ordinal) include (id);
