-- Where nothing is to be opened for a while: each family of a place for itself, what is urgent for itself.
drop index site_quiet;
create table site_quiet (
    site_id bigint not null references site on delete cascade,
    family text not null,                                -- empty: of everything
    urgent boolean not null,                             -- also of what is urgent
    until timestamptz not null,
    by text not null default '',
    reason text not null default '',
    primary key (site_id, family, urgent)
);
create index site_quiet_until on site_quiet (until);
insert into site_quiet (site_id, family, urgent, until, by, reason)
select site_id, quiet_family, quiet_urgent, quiet_until, quiet_by, quiet_reason from site where quiet_until is not null;
alter table site
    drop column quiet_until, drop column quiet_family, drop column quiet_urgent, drop column quiet_by,
    drop column quiet_reason;

-- What was merged into an incident.
create index incident_merged on incident (merged_into) where merged_into is not null;
