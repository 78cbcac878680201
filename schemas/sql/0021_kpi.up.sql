-- Periods of assessment that are over: what each case and camera counted for, written once, so that their report is the
-- same for ever, whatever packs, pictures and cases become of.

create table kpi_period (
    first_day date not null,                            -- local days, both inclusive
    last_day date not null,
    zone text not null,                                 -- whose days they are
    rule_version text not null,                         -- of the pack that held when it was closed
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),  -- of its facts, in their canonical form
    closed_at timestamptz not null default now(),
    primary key (first_day, last_day),
    check (first_day <= last_day)
);
create table kpi_fact (
    first_day date not null,
    last_day date not null,
    kind text not null check (kind in ('case', 'camera')),
    key text not null,                                  -- incident id or camera id
    fact jsonb not null,                                -- schemas/kpi.py, Fact
    primary key (first_day, last_day, kind, key),
    foreign key (first_day, last_day) references kpi_period
);
create index incident_event_at on incident_event (at, incident_id);
