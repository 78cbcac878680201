drop index incident_event_void;
drop sequence case_serial;
