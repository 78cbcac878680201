-- What the desk asks at every look, and whether a crew was shown what it took.

alter table job add column shown_at timestamptz;  -- null: the terminal has not confirmed that its person saw it

create index job_open on job (unit_id, urgency) where state in ('queued', 'taken');
create index job_lease on job (lease_until) where state = 'taken';
create index outbox_job on outbox (job_id);
create index outbox_sent on outbox (stream, relay_seq) where sent_at is not null;
create index sighting_incident on sighting (incident_id, camera_id, track_id, ts);
create index site_camera on site (camera_id) where lon is null;
create index site_place on site (lon, lat) where lon is not null;
