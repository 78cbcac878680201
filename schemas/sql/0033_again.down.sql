-- Of what was told more than once the first stays.
delete from sweep_entry s using sweep_entry o
where (s.incident_id, s.stage, s.round, s.limit_id, s.kind) = (o.incident_id, o.stage, o.round, o.limit_id, o.kind)
    and s.again > o.again;
alter table sweep_entry drop constraint sweep_entry_pkey;
alter table sweep_entry drop column again, add primary key (incident_id, stage, round, limit_id, kind);
delete from job_escalation s using job_escalation o
where (s.incident_id, s.stage, s.round, s.limit_id) = (o.incident_id, o.stage, o.round, o.limit_id)
    and s.again > o.again;
alter table job_escalation drop constraint job_escalation_pkey;
alter table job_escalation drop column again, add primary key (incident_id, stage, round, limit_id);
