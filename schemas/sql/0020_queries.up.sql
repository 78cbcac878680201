-- What the commonest questions and the keeping look things up by: docs/queries.md has each with its plan.

-- Deleting a row of evidence asks whether an incident names it.
create index incident_before on incident (before_id) where before_id is not null;
create index incident_opening on incident (opening_id) where opening_id is not null;
create index incident_after on incident (after_id) where after_id is not null;
create index evidence_captured on evidence (captured_at);
create index camera_event_picture on camera_event (sha256) where sha256 <> '';
create index dead_letter_payload on dead_letter (payload_sha256);
create index dead_letter_last on dead_letter (last_at);

-- The newest incidents; those opened or closed in an hour, which is counted anew; a month's.
create index incident_opened on incident (opened_at desc, incident_id);
create index incident_closed on incident (closed_at) where closed_at is not null;
create index incident_created on incident (created_at);

-- The first digits of a cell are a street or a district; equal cells are found by it, too.
drop index incident_cell;
create index incident_cell on incident (cell_id text_pattern_ops, opened_at desc);

-- TimescaleDB makes it for its hypertables, under this name; plain PostgreSQL needs it as well.
create index if not exists sighting_ts_idx on sighting (ts desc);
