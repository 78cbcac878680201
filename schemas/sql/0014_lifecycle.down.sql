drop view incident_view;
drop table sweep_entry, incident_clock, attachment, action_key, seal_entry, seal;
alter table site drop column quiet_until, drop column quiet_reason, drop column quiet_by;
alter table incident_event
    drop constraint incident_event_seq, drop column seq, drop column role, drop column state, drop column prev_hash,
    drop column hash;
drop index incident_open, incident_case, incident_cell, incident_unit, incident_site, incident_unsealed,
    incident_unclocked, incident_grace;
alter table incident drop constraint incident_state_check;
alter table incident drop constraint incident_family_check;
update incident set state = case
    when state = 'grace' then 'verify'
    when state in ('filed', 'suspended') then 'confirmed'
    when state in ('handling', 'checking') then 'dispatched'
    when state = 'corrected' then 'gone'
    when state = 'merged' then 'void'
    else state end;
alter table incident
    add constraint incident_family_check check (family in ('stall', 'waste', 'truck')),
    add constraint incident_state_check check (
        state in ('verify', 'confirmed', 'dispatched', 'done', 'gone', 'void')),
    alter column opening_id set not null,
    drop column after_id, drop column source, drop column check_by, drop column urgent, drop column party,
    drop column case_no, drop column outcome, drop column grace_until, drop column merged_into, drop column reworks,
    drop column reopenings, drop column chain_seq, drop column chain_head, drop column sealed_seq,
    drop column clocked_seq;
create unique index incident_open on incident (family, site_id) where state in ('verify', 'confirmed', 'dispatched');
create view incident_view as
select i.incident_id, i.family, i.site_id, i.class_code, i.state, i.camera_id, i.track_id, i.zone, i.cell_id, i.unit_id,
       i.lon, i.lat, i.box_px, i.appeared_at, i.opened_at, i.last_seen_at, i.closed_at, i.sightings, i.confidence,
       i.before_id, i.opening_id, i.rule_version, i.decided_by, i.created_at, b.sha256 as before_sha256, o.sha256 as opening_sha256
from incident i
join evidence o on o.evidence_id = i.opening_id
left join evidence b on b.evidence_id = i.before_id;
