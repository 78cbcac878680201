-- What numbers cases (立案): counts on, whatever becomes of the case that has the number.
create sequence case_serial;
-- The list of what waits, and of what one person voided.
create index incident_event_void on incident_event (actor, at) where what = 'void';
