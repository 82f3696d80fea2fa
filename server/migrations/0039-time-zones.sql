-- Where an application's days begin: dates without a time, in rules and on profiles, are days there.

alter table applications add column time_zone text not null default 'UTC';
