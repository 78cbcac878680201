alter table sighting drop column quiet;
drop index site_quiet;
alter table site drop column same_as, drop column quiet_family, drop column quiet_urgent;
drop view incident_view;
drop index incident_party;
alter table incident drop column direct, drop column preset;
create view incident_view as
select i.*, b.sha256 as before_sha256, o.sha256 as opening_sha256, a.sha256 as after_sha256,
       i.chain_seq as version, i.check_by as "check"
from incident i
left join evidence o on o.evidence_id = i.opening_id
left join evidence b on b.evidence_id = i.before_id
left join evidence a on a.evidence_id = i.after_id;
drop table incident_evidence;
alter table evidence drop column stamped;
