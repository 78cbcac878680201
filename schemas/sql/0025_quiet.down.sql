drop index incident_merged;
alter table site
    add column quiet_until timestamptz,
    add column quiet_reason text not null default '',
    add column quiet_by text not null default '',
    add column quiet_family text not null default '',
    add column quiet_urgent boolean not null default false;
-- The old columns hold one quiet for a place: the longest. Two are never made a wider one.
update site s
set quiet_until = q.until, quiet_reason = q.reason, quiet_by = q.by, quiet_family = q.family, quiet_urgent = q.urgent
from (select distinct on (site_id) * from site_quiet order by site_id, until desc, urgent) q
where q.site_id = s.site_id;
drop table site_quiet;
create index site_quiet on site (quiet_until) where quiet_until is not null;
