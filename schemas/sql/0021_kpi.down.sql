drop index incident_event_at;
drop table kpi_fact, kpi_period;
