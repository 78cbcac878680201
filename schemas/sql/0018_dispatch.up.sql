-- Why a unit has a job, jobs that no terminal gets past, and what other systems are told.

alter table job
    add column vehicle_id text not null default '',     -- whose position decided; empty: none did
    add column distance_m double precision,             -- from there to the place, straight; null: not known
    add column why text not null default '',            -- why this unit: schemas/dispatch.py; empty: not chosen yet
    add column tried text[] not null default '{}',      -- units that had it before and did not take it
    add column stuck text not null default '',          -- why it is not drawn any more; empty: it is
    add column stuck_deliveries integer not null default 0;
create index job_stuck on job (job_id) where stuck <> '';

-- An escalation of the sweep that was acted on is not acted on again.
create table job_escalation (
    incident_id uuid not null references incident on delete cascade,
    stage text not null,
    round integer not null,
    limit_id text not null,
    at timestamptz not null default now(),
    primary key (incident_id, stage, round, limit_id)
);

-- Other systems that are told; one that is new is not told of what was before it.
create table outlet (
    name text primary key,
    since timestamptz not null default now()
);
-- Up to which step the messages below are made: steps of one incident commit in their order, so none can be skipped.
alter table incident add column told_seq integer not null default 0;
update incident set told_seq = chain_seq;
create index incident_untold on incident (incident_id) where chain_seq > told_seq;

-- One step of an incident for one outlet.
create table outlet_message (
    outlet text not null,
    incident_id uuid not null references incident on delete cascade,
    seq integer not null,
    state text not null default 'waiting' check (state in ('waiting', 'sent', 'dead')),
    tries integer not null default 0,
    next_try timestamptz not null default now(),
    sent_at timestamptz,
    status integer,                                     -- of the last answer, HTTP; null: there was none
    receipt text not null default '',                   -- what the other side calls it
    error text not null default '',                     -- of the last try that failed
    created_at timestamptz not null default now(),
    primary key (outlet, incident_id, seq)
);
create index outlet_message_waiting on outlet_message (outlet, next_try) where state = 'waiting';
create index outlet_message_dead on outlet_message (outlet, created_at) where state = 'dead';
create index outlet_message_incident on outlet_message (incident_id);
