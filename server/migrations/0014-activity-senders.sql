-- From here on the ids that profiles send stand apart from those that admins send (activities/stored-id.ts).
insert into settings (key, value)
values ('activity_ids_by_sender_since', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'));
