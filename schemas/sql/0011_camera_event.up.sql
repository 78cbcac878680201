-- Spans in which a camera was not well, for the operator: schemas/health.py.

create table camera_event (
    event_id bigint generated always as identity primary key,
    camera_id text not null,
    kind text not null,                  -- schemas.health.HealthKind
    since timestamptz not null,          -- captured time of the first frame that showed it
    until timestamptz,                   -- and of the first that did not; null: it lasts
    value real not null,                 -- the number that decided: docs/camera-health.md
    note text not null default '',
    times integer not null default 1,    -- how often it came within the span
    sha256 text not null default '',     -- the picture kept as evidence; empty: none
    written_at timestamptz not null default now(),
    unique (camera_id, kind, since)
);
create index camera_event_lasting on camera_event (camera_id) where until is null;
create index camera_event_since on camera_event (since desc);
