-- Whether fans may look for each other by nickname.

alter table applications add column fans_may_search boolean not null default false;
