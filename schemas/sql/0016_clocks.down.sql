drop table clock_digest, sweep_day, clock_state, incident_wait;
drop index incident_clock_yellow, sweep_entry_digest;
