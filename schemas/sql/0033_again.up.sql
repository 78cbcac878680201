-- A limit that was extended and runs out again is told again, and so is a call for help that nobody takes.
alter table sweep_entry add column again integer not null default 0;
alter table sweep_entry drop constraint sweep_entry_pkey,
    add primary key (incident_id, stage, round, limit_id, kind, again);
alter table job_escalation add column again integer not null default 0;
alter table job_escalation drop constraint job_escalation_pkey,
    add primary key (incident_id, stage, round, limit_id, again);
