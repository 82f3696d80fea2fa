-- What searches compare. The application writes it (fold.ts), so that the database's locale has no say; null: not yet.
alter table profiles
  add column folded text collate "C",           -- the nickname
  add column words tsvector;                    -- its words, each behind the number of the application and a colon
drop index profiles_by_nickname;
create index profiles_by_nickname on profiles (application_id, folded);
create index profiles_by_words on profiles using gin (words);
create index profiles_by_custom_id on profiles (application_id, custom_id text_pattern_ops) where custom_id is not null;
create index profiles_unfolded on profiles (id) where folded is null;

alter table groups add column folded text collate "C"; -- the name
