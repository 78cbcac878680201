-- Vehicle positions: a hypertable where TimescaleDB is there (curbwatch.database adds it by edition).

create table position (
    device_id text not null,
    ts timestamptz not null,
    boot text not null default '',
    seq bigint not null default -1,
    item_hash bigint not null default 0,
    received_at timestamptz not null,
    lon double precision not null,
    lat double precision not null,
    raw_lon double precision not null,
    raw_lat double precision not null,
    crs text not null,
    speed_mps real,
    heading_deg real,
    alt_m real,
    acc_m real,
    sat smallint,
    ignition boolean,
    lift boolean,
    cover boolean,
    load real,
    alarms text[] not null default '{}',
    flags integer not null default 0,
    primary key (device_id, ts, boot, seq, item_hash)
);
create index position_ts on position (ts desc);

-- Cumulative application acknowledgement per device and boot: everything up to mark is stored.
create table device_mark (
    device_id text not null,
    boot text not null,
    mark bigint not null,
    updated_at timestamptz not null default now(),
    primary key (device_id, boot)
);
