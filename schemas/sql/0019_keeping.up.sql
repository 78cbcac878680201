-- What is kept how long, what is counted of it, and what nobody may delete: docs/keeping.md.

-- How each device did over time: a row when its state changes, else one an hour. It outlives the device's registration.
create table device_health_log (
    ts timestamptz not null default now(),
    device_id text not null,
    kind text not null,
    state text not null,                 -- from now on, until the next row
    last_seen_at timestamptz,
    rate_per_min double precision not null,
    lag_ms double precision,
    skew_ms double precision,
    messages bigint not null,            -- this and the following count from the device's first day
    gaps bigint not null,
    duplicates bigint not null,
    shed bigint not null,
    rejected bigint not null,
    given_up bigint not null,
    boots bigint not null,
    primary key (device_id, ts)
);
create index device_health_log_ts on device_health_log (ts desc);

-- What somebody needs as evidence elsewhere: an incident with its pictures, or all of a device in a span of time.
create table legal_hold (
    hold_id bigint generated always as identity primary key,
    incident_id uuid references incident,
    device_id text,
    from_at timestamptz,
    to_at timestamptz,
    person text not null check (person <> ''),
    reason text not null check (reason <> ''),
    since timestamptz not null default now(),
    released_at timestamptz,
    released_by text not null default '',
    release_reason text not null default '',
    check (num_nonnulls(incident_id, device_id) = 1),
    check ((device_id is null) = (from_at is null) and (device_id is null) = (to_at is null) and from_at < to_at),
    check ((released_at is null) = (released_by = ''))
);
create index legal_hold_incident on legal_hold (incident_id) where released_at is null;
create index legal_hold_device on legal_hold (device_id) where released_at is null;

-- When an incident's pictures were deleted at the end of their term; null: they are there, or there never were any.
alter table incident add column evidence_gone_at timestamptz;

-- Pictures that no row names any more and whose file is still to be deleted.
create table evidence_expiring (
    sha256 text primary key,
    since timestamptz not null default now()
);

-- That there was a picture, and when it was deleted: nothing by which it could be known again.
create table evidence_gone (
    evidence_id bigint primary key,
    camera_id text not null,
    captured_at timestamptz not null,
    gone_at timestamptz not null default now(),
    term_days integer not null
);

-- Spans in which rows were deleted at the end of their term: what was counted there is not counted anew.
create table deleted_span (
    class text not null,
    from_at timestamptz not null,
    to_at timestamptz not null,
    primary key (class, from_at)
);
create index deleted_span_end on deleted_span (class, to_at);

-- Folders that hold backups, so that a picture that is deleted here goes there too.
create table backup_made (
    folder text primary key,
    made_at timestamptz not null default now()
);

-- Hours whose counts no longer hold, noted in the transaction that changed their rows: none that commits late is missed.
create table rollup_dirty (
    source text not null check (source in ('position', 'incident')),
    bucket timestamptz not null,
    device_id text not null default ''   -- empty: all
);
create index rollup_dirty_bucket on rollup_dirty (source, bucket);

create table rollup_zone (
    only_row boolean primary key default true check (only_row),
    zone text not null default 'UTC'     -- whose days the days are
);
insert into rollup_zone default values;

create table tally_incident_hour (
    bucket timestamptz not null,
    camera_id text not null,
    class_code text not null,
    cell_id text not null,
    unit_id text not null,
    sightings bigint not null,
    opened bigint not null,
    closed bigint not null,
    handled bigint not null,
    self_handled bigint not null,
    gone bigint not null,
    corrected bigint not null,
    void bigint not null,
    merged bigint not null,
    primary key (bucket, camera_id, class_code, cell_id, unit_id)
);
create table tally_incident_day (
    day date not null,
    camera_id text not null,
    class_code text not null,
    cell_id text not null,
    unit_id text not null,
    sightings bigint not null,
    opened bigint not null,
    closed bigint not null,
    handled bigint not null,
    self_handled bigint not null,
    gone bigint not null,
    corrected bigint not null,
    void bigint not null,
    merged bigint not null,
    primary key (day, camera_id, class_code, cell_id, unit_id)
);
create table tally_position_hour (
    bucket timestamptz not null,
    device_id text not null,
    positions bigint not null,
    moving bigint not null,              -- of them faster than 5 km/h
    speed_max_mps real,
    first_at timestamptz not null,
    last_at timestamptz not null,
    primary key (bucket, device_id)
);
create index tally_position_hour_device on tally_position_hour (device_id, bucket);
create table tally_position_day (
    day date not null,
    device_id text not null,
    positions bigint not null,
    moving bigint not null,
    speed_max_mps real,
    first_at timestamptz not null,
    last_at timestamptz not null,
    primary key (day, device_id)
);
create index tally_position_day_device on tally_position_day (device_id, day);

create view incident_hour as select * from tally_incident_hour;
create view incident_day as select * from tally_incident_day;
create view position_hour as select * from tally_position_hour;
create view position_day as select * from tally_position_day;

create function mark_positions() returns trigger language plpgsql as $$
begin
    insert into rollup_dirty (source, bucket, device_id)
    select distinct 'position', date_bin('1 hour', ts, timestamptz 'epoch'),
           case when ts < date_bin('1 hour', now(), timestamptz 'epoch') then device_id else '' end
    from fresh;
    return null;
end $$;
create trigger position_counted after insert on position referencing new table as fresh
    for each statement execute function mark_positions();

create function mark_sightings() returns trigger language plpgsql as $$
begin
    insert into rollup_dirty (source, bucket)
    select distinct 'incident', date_bin('1 hour', ts, timestamptz 'epoch') from fresh;
    return null;
end $$;
create trigger sighting_counted after insert on sighting referencing new table as fresh
    for each statement execute function mark_sightings();

create function mark_incident() returns trigger language plpgsql as $$
begin
    insert into rollup_dirty (source, bucket)
    select distinct 'incident', date_bin('1 hour', moment, timestamptz 'epoch')
    from unnest(array[new.opened_at, new.closed_at, old.opened_at, old.closed_at]) as moment
    where moment is not null;
    if tg_op = 'UPDATE' and (new.camera_id, new.class_code, new.cell_id, new.unit_id)
        is distinct from (old.camera_id, old.class_code, old.cell_id, old.unit_id) then
        insert into rollup_dirty (source, bucket)
        select distinct 'incident', date_bin('1 hour', s.ts, timestamptz 'epoch') from sighting s
        where s.incident_id = new.incident_id;
    end if;
    return null;
end $$;
create trigger incident_counted after insert on incident for each row execute function mark_incident();
create trigger incident_recounted after update on incident for each row
    when ((old.camera_id, old.class_code, old.cell_id, old.unit_id, old.opened_at, old.closed_at, old.outcome)
        is distinct from (new.camera_id, new.class_code, new.cell_id, new.unit_id, new.opened_at, new.closed_at,
                          new.outcome))
    execute function mark_incident();

-- What there is already: by its first and last hour, because nobody can write while this step lasts.
insert into rollup_dirty (source, bucket)
select 'position', generate_series(date_bin('1 hour', min(ts), timestamptz 'epoch'), max(ts), '1 hour') from position
union all
select 'incident', generate_series(date_bin('1 hour', min(ts), timestamptz 'epoch'), max(ts), '1 hour') from sighting
union all
select distinct 'incident', date_bin('1 hour', moment, timestamptz 'epoch')
from incident, unnest(array[opened_at, closed_at]) as moment where moment is not null;
