-- Which tokens made this one, from the first on: it ends with each of them. Who made it, as people read it.
alter table admin_tokens add column made_by uuid[] not null default '{}', add column created_by text;

-- Which owner invited: the invitation is void once they are none.
alter table producer_invitations add column invited_by uuid;
