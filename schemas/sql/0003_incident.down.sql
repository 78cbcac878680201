drop table relay_state;
drop table outbox;
drop table job;
drop table sighting;
drop table incident_event;
drop table incident;
drop table evidence;
drop table site;
