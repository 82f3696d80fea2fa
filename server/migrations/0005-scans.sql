-- What keeps the scans of leaves (rules/operators) short.

-- Kept with the totals of '*', and true where there are some. Inactivity counts from the creation of the others: to find
-- them as the rest of all profiles, every profile and every total would have to be read out.
alter table profiles add column has_activities boolean not null default false;
update profiles p set has_activities = true
where exists (select from totals t where t.profile_id = p.id and t.fact_id = 0 and t.last_at is not null);
create index profiles_without_activities on profiles (application_id, created_at) include (ordinal) where not has_activities;

-- A windowed leaf reads the newest activities by index alone, but only from pages that a vacuum has seen. By default one
-- comes after a fifth of the table, which is every activity of the window.
alter table activities set (autovacuum_vacuum_insert_scale_factor = 0.01);
