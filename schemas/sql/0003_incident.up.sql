-- Incidents are plain tables: a hypertable cannot carry the partial unique index.

create table site (
    site_id bigint generated always as identity primary key,
    cell_id text not null,
    camera_id text not null,             -- where it was first seen
    lon double precision,                -- null: uncalibrated
    lat double precision,
    box_px real[] not null check (cardinality(box_px) = 4),
    created_at timestamptz not null default now()
);
create index site_cell on site (cell_id);

create table evidence (
    evidence_id bigint generated always as identity primary key,
    sha256 text not null unique check (sha256 ~ '^[0-9a-f]{64}$'),
    camera_id text not null,
    captured_at timestamptz not null,
    received_at timestamptz not null,
    size_bytes integer not null,
    media_type text not null default 'image/jpeg'
);

create table incident (
    incident_id uuid primary key,
    family text not null check (family in ('stall', 'waste', 'truck')),
    site_id bigint not null references site,
    class_code text not null,
    state text not null check (state in ('verify', 'confirmed', 'dispatched', 'done', 'gone', 'void')),
    camera_id text not null,
    track_id bigint not null,
    zone text not null,
    cell_id text not null,
    unit_id text not null,
    lon double precision,
    lat double precision,
    box_px real[] not null,
    appeared_at timestamptz not null,
    opened_at timestamptz not null,      -- captured time of the opening frame
    last_seen_at timestamptz not null,
    closed_at timestamptz,
    sightings integer not null default 1,
    confidence real not null,
    before_id bigint references evidence,
    opening_id bigint not null references evidence,
    rule_version text not null,
    decided_by text not null default '',
    created_at timestamptz not null default now()
);
-- One open incident per family and site, whatever the detectors remember.
create unique index incident_open on incident (family, site_id) where state in ('verify', 'confirmed', 'dispatched');
create index incident_state on incident (state, opened_at desc);

-- Every step of an incident; the hash chain of the record is laid over it later.
create table incident_event (
    event_id bigint generated always as identity primary key,
    incident_id uuid not null references incident,
    at timestamptz not null default now(),
    actor text not null,
    what text not null,
    detail jsonb not null default '{}'
);
create index incident_event_incident on incident_event (incident_id, event_id);

create table sighting (
    ts timestamptz not null,
    camera_id text not null,
    track_id bigint not null,
    incident_id uuid not null,
    family text not null,
    confidence real not null,
    dwell_s real not null,
    box_px real[] not null,
    primary key (camera_id, track_id, ts)
);

-- A job is an incident's errand for one unit; ownership is a lease kept here, not in Redis.
create table job (
    job_id uuid primary key,
    incident_id uuid not null unique references incident,
    unit_id text not null,
    urgency text not null default 'normal' check (urgency in ('urgent', 'normal')),
    state text not null default 'queued' check (state in ('queued', 'taken', 'done', 'withdrawn')),
    holder text not null default '',
    lease_until timestamptz,
    taken_at timestamptz,
    ended_at timestamptz,
    reason text not null default '',
    created_at timestamptz not null default now()
);
create index job_unit on job (unit_id, state);

-- Transactional outbox: rows without relay_seq wait for the one relay.
create table outbox (
    outbox_id bigint generated always as identity primary key,
    job_id uuid not null references job,
    relay_seq bigint unique,
    stream text not null default '',
    sent_at timestamptz,
    created_at timestamptz not null default now()
);
create index outbox_waiting on outbox (outbox_id) where relay_seq is null;
create index outbox_unsent on outbox (relay_seq) where relay_seq is not null and sent_at is null;

create table relay_state (
    only_row boolean primary key default true check (only_row),
    next_seq bigint not null default 1,
    epoch text not null default '',
    epoch_first_seq bigint not null default 1
);
insert into relay_state default values;

-- Incidents with the digests of their evidence pair, as everybody reads them.
create view incident_view as
select i.*, b.sha256 as before_sha256, o.sha256 as opening_sha256
from incident i
join evidence o on o.evidence_id = i.opening_id
left join evidence b on b.evidence_id = i.before_id;
