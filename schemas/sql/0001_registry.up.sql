-- Devices, their zones, and what could not be used.

create table device (
    device_id text primary key check (device_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    kind text not null check (kind in ('camera', 'vehicle')),
    name text not null default '',
    unit_id text not null default '',
    cell_id text not null default '',
    crs text not null default 'wgs84' check (crs in ('wgs84', 'cgcs2000', 'gcj02', 'bd09', 'from_message')),
    max_age_s double precision,          -- null: messages of any age are taken
    rate_per_s double precision,         -- null: no token bucket
    shop_front boolean not null default false,
    calibration jsonb,                   -- schemas.place.Calibration; null: uncalibrated
    source text not null,                -- 'pack' or 'publish': who entered it
    updated_at timestamptz not null default now()
);

create table zone (
    device_id text not null references device on delete cascade,
    name text not null,
    polygon jsonb not null,              -- [[x, y], …] native px; []: the whole picture
    families text[] not null default '{stall,waste}',
    primary key (device_id, name)
);

-- The running intake reloads the registry on this notice.
create function notify_registry() returns trigger language plpgsql as $$
begin
    perform pg_notify('curbwatch_registry', '');
    return null;
end $$;
create trigger device_changed after insert or update or delete on device
    for each statement execute function notify_registry();
create trigger zone_changed after insert or update or delete on zone
    for each statement execute function notify_registry();

create table dead_letter (
    id bigint generated always as identity primary key,
    received_at timestamptz not null,
    topic text not null,
    device_id text not null default '',
    reason text not null,
    detail text not null default '',
    size_bytes integer not null,
    payload_sha256 bytea not null,
    payload bytea not null,              -- the first 4 096 bytes
    replayed_at timestamptz
);
create index dead_letter_received on dead_letter (received_at desc);
