-- What an incident keeps beyond its first look: its pictures, each with its part; quiet places; places that are one.

alter table evidence add column stamped boolean not null default true;  -- false: the receive time counts
update evidence set stamped = false where captured_at = received_at;

create table incident_evidence (
    incident_id uuid not null references incident on delete cascade,
    evidence_id bigint not null references evidence on delete cascade,
    role text not null,                                 -- before, opening, standing, back, rework, after, …
    at timestamptz not null,                            -- captured
    primary key (incident_id, evidence_id, role)
);
create index incident_evidence_picture on incident_evidence (evidence_id);
insert into incident_evidence (incident_id, evidence_id, role, at)
select i.incident_id, e.evidence_id, p.role, e.captured_at
from incident i
cross join lateral (values ('before', i.before_id), ('opening', i.opening_id), ('after', i.after_id)) as p (role, id)
join evidence e on e.evidence_id = p.id;

drop view incident_view;
alter table incident
    add column direct boolean not null default false,   -- dispatched without a person's confirmation
    add column preset text not null default '';         -- the view its box is drawn in
create index incident_party on incident (party, opened_at desc) where party <> '';
create view incident_view as
select i.*, b.sha256 as before_sha256, o.sha256 as opening_sha256, a.sha256 as after_sha256,
       i.chain_seq as version, i.check_by as "check"
from incident i
left join evidence o on o.evidence_id = i.opening_id
left join evidence b on b.evidence_id = i.before_id
left join evidence a on a.evidence_id = i.after_id;

alter table site
    add column same_as bigint references site,          -- two places that turned out to be one; null: its own
    add column quiet_family text not null default '',   -- of what it is quiet; empty: of everything
    add column quiet_urgent boolean not null default false;  -- also of what is urgent
create index site_quiet on site (quiet_until) where quiet_until is not null;

alter table sighting add column quiet boolean not null default false;  -- noted while its place was quiet
