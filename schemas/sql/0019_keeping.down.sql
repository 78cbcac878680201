drop view incident_hour, incident_day, position_hour, position_day;
drop trigger position_counted on position;
drop trigger sighting_counted on sighting;
drop trigger incident_counted on incident;
drop trigger incident_recounted on incident;
drop function mark_positions, mark_sightings, mark_incident;
drop table tally_incident_hour, tally_incident_day, tally_position_hour, tally_position_day, rollup_zone, rollup_dirty;
drop table backup_made, deleted_span, evidence_gone, evidence_expiring, legal_hold;
drop table device_health_log;  -- a hypertable goes alone
alter table incident drop column evidence_gone_at;
