-- Checkpoints: who was a member of a group at certain places of its feed, so that a past instant needs only what came since
-- (docs/decisions/0044-checkpoints.md). They follow from `changes` and can be emptied at any time: they are made again.

-- Each row is true by itself, whatever becomes of the others.
create table change_checkpoints (
  group_id uuid not null,
  sequence bigint not null,                     -- the changes up to this one are folded
  after_sequence bigint not null,               -- none of those beyond this one and up to `sequence` is earlier than min_at
  min_at timestamptz not null,
  max_at timestamptz not null,                  -- and none up to `sequence` is later than this
  members bigint not null,
  made_at timestamptz not null,
  primary key (group_id, sequence)
);

create table change_checkpoint_parts (
  group_id uuid not null,
  sequence bigint not null,                     -- of the checkpoint
  part integer not null,                        -- from 0: newest entries first
  entries integer not null,
  newest bigint not null,                       -- the sequence of the first entry, and of the last
  oldest bigint not null,
  body bytea not null,
  primary key (group_id, sequence, part)
);
-- Packed already.
alter table change_checkpoint_parts alter column body set storage external;
