drop table outlet_message, outlet, job_escalation;
drop index incident_untold;
alter table incident drop column told_seq;
drop index job_stuck;
alter table job
    drop column vehicle_id, drop column distance_m, drop column why, drop column tried, drop column stuck,
    drop column stuck_deliveries;
