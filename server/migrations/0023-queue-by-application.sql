-- What waits of one application, and since when: states and figures ask for it again and again. A row stands in one of the
-- two, and those of one batch, which have the same instant, in one entry of it.
create index queue_live_by_application on queue (application_id, queued_at) where cause <> 'clock';
create index queue_clock_by_application on queue (application_id, since) where cause = 'clock';
