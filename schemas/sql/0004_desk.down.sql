drop index site_place;
drop index site_camera;
drop index sighting_incident;
drop index outbox_sent;
drop index outbox_job;
drop index job_lease;
drop index job_open;
alter table job drop column shown_at;
