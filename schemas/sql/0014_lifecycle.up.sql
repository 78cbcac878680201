-- The city's stages, the chain of the record, and what else belongs to an incident.

drop view incident_view;
drop index incident_open;
alter table incident drop constraint incident_state_check;
alter table incident drop constraint incident_family_check;
update incident set state = 'filed' where state = 'confirmed';
alter table incident
    add constraint incident_family_check check (family in ('stall', 'waste', 'truck', 'sos')),
    add constraint incident_state_check check (state in (
        'grace', 'verify', 'filed', 'dispatched', 'handling', 'checking', 'suspended',
        'done', 'gone', 'corrected', 'void', 'merged')),
    alter column opening_id drop not null,              -- a complaint has no picture of ours
    add column after_id bigint references evidence,     -- the picture in which it is gone
    add column source text not null default 'camera' check (source in ('camera', 'complaint', 'vehicle', 'patrol')),
    add column check_by text not null default 'none' check (check_by in ('none', 'camera', 'person')),
    add column urgent boolean not null default false,
    add column party text not null default '',
    add column case_no text not null default '',        -- given when it is filed (立案)
    add column outcome text not null default '',        -- how it ended; empty while open
    add column grace_until timestamptz,                 -- its party may put it right until then
    add column merged_into uuid references incident,
    add column reworks integer not null default 0,      -- 返工
    add column reopenings integer not null default 0,
    add column chain_seq integer not null default 0,    -- steps in its record; also its version
    add column chain_head bytea not null default '\x',  -- hash of the last one
    add column sealed_seq integer not null default 0,   -- up to which the heads are sealed
    add column clocked_seq integer not null default 0;  -- up to which its clocks are worked out
create unique index incident_open on incident (family, site_id)
    where state in ('grace', 'verify', 'filed', 'dispatched', 'handling', 'checking', 'suspended');
create unique index incident_case on incident (case_no) where case_no <> '';
create index incident_cell on incident (cell_id, opened_at desc);
create index incident_unit on incident (unit_id, opened_at desc);
create index incident_site on incident (site_id, opened_at desc);
create index incident_unsealed on incident (incident_id) where chain_seq > sealed_seq;
create index incident_unclocked on incident (incident_id) where chain_seq > clocked_seq;
create index incident_grace on incident (grace_until) where state = 'grace';

alter table incident_event
    add column seq integer,                             -- 1, 2, … within the incident; null: older than the chain
    add column role text not null default '',
    add column state text not null default '',          -- of the incident after this step
    add column prev_hash bytea,
    add column hash bytea,
    add constraint incident_event_seq unique (incident_id, seq);

-- The heads of all chains, chained once more; rows are only ever added.
create table seal (
    seal_id bigint generated always as identity primary key,
    sealed_at timestamptz not null default now(),
    prev_hash bytea not null,
    hash bytea not null
);
create table seal_entry (
    seal_id bigint not null references seal,
    incident_id uuid not null,                          -- no reference: it must outlive a row that was taken away
    seq integer not null,
    hash bytea not null,
    primary key (seal_id, incident_id)
);
create index seal_entry_incident on seal_entry (incident_id, seq);

-- An action that was done once is not done again under the same key.
create table action_key (
    key text primary key,
    incident_id uuid not null references incident,
    action text not null,
    actor text not null,
    seq integer not null,                               -- of the step it made
    at timestamptz not null default now()
);

-- What else tells of the same thing: a complaint, a vehicle's finding, a patrol.
create table attachment (
    attachment_id bigint generated always as identity primary key,
    incident_id uuid not null references incident,
    kind text not null check (kind in ('complaint', 'vehicle', 'patrol')),
    ref text not null,                                  -- its number where it came from
    at timestamptz not null,
    lon double precision,
    lat double precision,
    detail jsonb not null default '{}',
    created_at timestamptz not null default now(),
    unique (kind, ref)
);
create index attachment_incident on attachment (incident_id);

-- A place that is to be quiet for a while, with who said so and why.
alter table site
    add column quiet_until timestamptz,
    add column quiet_reason text not null default '',
    add column quiet_by text not null default '';

-- Each stage's clock, worked out from the record: may be thrown away and made again.
create table incident_clock (
    incident_id uuid not null references incident on delete cascade,
    stage text not null check (stage in ('verify', 'file', 'dispatch', 'handle', 'check')),
    round integer not null,                             -- 1; 2 after the first rework or reopening …
    limit_id text not null,                             -- of the pack; a stage may have several
    limit_name text not null default '',
    started_at timestamptz not null,
    yellow_at timestamptz,                              -- null: stands still
    due_at timestamptz,                                 -- null: stands still, or ended without a limit
    ended_at timestamptz,                               -- null: runs or stands still
    limit_s double precision not null,                  -- of working or natural time, extensions included
    used_s double precision,                            -- of the same, at its end
    paused boolean not null default false,
    extensions integer not null default 0,
    met boolean,                                        -- null: not ended
    rule_version text not null,
    primary key (incident_id, stage, round, limit_id)
);
create index incident_clock_due on incident_clock (due_at) where ended_at is null and not paused;
create index incident_clock_ended on incident_clock (ended_at) where ended_at is not null;

-- The daily list of cases that are stuck (立而不办, 办而不结), and every 催办 and 督办: once for each.
create table sweep_entry (
    incident_id uuid not null references incident on delete cascade,
    stage text not null,
    round integer not null,
    limit_id text not null,
    kind text not null check (kind in ('yellow', 'red', 'stuck', 'escalated')),
    at timestamptz not null default now(),
    day date not null,                                  -- on the city's own clock
    detail jsonb not null default '{}',
    primary key (incident_id, stage, round, limit_id, kind)
);
create index sweep_entry_day on sweep_entry (day, kind);

create view incident_view as
select i.*, b.sha256 as before_sha256, o.sha256 as opening_sha256, a.sha256 as after_sha256,
       i.chain_seq as version, i.check_by as "check"
from incident i
left join evidence o on o.evidence_id = i.opening_id
left join evidence b on b.evidence_id = i.before_id
left join evidence a on a.evidence_id = i.after_id;
