-- What lamps and lists need besides incident_clock and sweep_entry.

create index incident_clock_yellow on incident_clock (yellow_at) where ended_at is null and not paused;

-- A job that waits for a crew, and when that has lasted too long; worked out from the record like the clocks.
create table incident_wait (
    incident_id uuid primary key references incident on delete cascade,
    round integer not null,
    since timestamptz not null,
    due_at timestamptz not null
);
create index incident_wait_due on incident_wait (due_at);

-- By which pack the running clocks are worked out, and when lamps were last looked at by a clock that was trusted.
create table clock_state (
    only_row boolean primary key default true check (only_row),
    rule_version text not null default '',
    looked_at timestamptz
);
insert into clock_state default values;

-- Days (on the city's own clock) whose list of stuck cases is complete.
create table sweep_day (
    day date primary key,
    made_at timestamptz not null default now(),
    cases integer not null
);

-- What turned long ago and could not be told then: one message to each unit. sweep_entry.detail names its digest.
create table clock_digest (
    digest_id bigint generated always as identity primary key,
    unit_id text not null,                              -- empty: the bureau
    made_at timestamptz not null default now(),
    cases integer not null default 0,
    told_at timestamptz
);
create unique index clock_digest_untold on clock_digest (unit_id) where told_at is null;
create index sweep_entry_digest on sweep_entry ((detail ->> 'digest')) where detail ? 'digest';
