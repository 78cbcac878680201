-- What is known of a device beyond its coordinates, who else speaks to us, and how each device does.

alter table device add column period_s double precision;    -- how often it should send; null: not known
alter table device add column max_bytes integer;             -- its largest message; null: the intake's knob
alter table device add column aliases text[] not null default '{}';  -- its ids in other forms: '{codec}:{foreign id}'
comment on column device.source is '''pack'', ''publish'' or ''accepted'': who entered it';

-- Devices that speak and are not in the registry, until an operator accepts or forgets them.
create table device_stranger (
    form text not null,                  -- the codec that read it, 'native' for our own topics
    foreign_id text not null,            -- as the device calls itself there
    device_id text not null,             -- what its dead letters call it; the id it gets when it is accepted
    kind text not null check (kind in ('camera', 'vehicle')),
    topic text not null,                 -- of its last message
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    messages bigint not null,
    primary key (form, foreign_id)
);

create table device_health (
    device_id text primary key references device on delete cascade,
    kind text not null,
    state text not null check (state in ('online', 'offline', 'silent', 'flapping')),
    last_seen_at timestamptz,            -- our clock; null: not since it was entered
    last_captured_at timestamptz,        -- its own clock, newest
    lon double precision,                -- where a vehicle was then, WGS-84
    lat double precision,
    messages bigint not null default 0,  -- positions or pictures that came, good or bad
    rate_per_min double precision not null default 0,
    lag_ms double precision,             -- received less captured, median of the latest
    skew_ms double precision,            -- its clock less ours, as far as the quickest of the latest tell
    gaps bigint not null default 0,      -- seqs that never came, all boots
    duplicates bigint not null default 0,
    shed bigint not null default 0,
    rejected bigint not null default 0,
    given_up bigint not null default 0,  -- positions it said it no longer holds
    boots bigint not null default 0,
    last_boot text,
    updated_at timestamptz not null default now()
);
