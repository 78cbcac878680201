-- Positions of other forms, and dead letters that come again.

alter table position add column form text not null default 'native';  -- codec that read it
alter table position add column raw_speed real;                        -- as it came, in the form's unit (docs/codecs.md)
alter table position add column extra jsonb;                           -- what the form says beyond the columns
comment on column position.flags is 'bits of schemas/flags.py; docs/intake.md lists them';

-- One row for the same bytes refused for the same reason on the same topic: a device that repeats itself, a redelivery.
alter table dead_letter add column times integer not null default 1;
alter table dead_letter add column last_at timestamptz;
update dead_letter set last_at = received_at where replayed_at is not null;
with ranked as (
    select id, row_number() over (same order by id) as number, count(*) over same as times,
           max(received_at) over same as last_at
    from dead_letter where replayed_at is null
    window same as (partition by topic, reason, payload_sha256)),
gone as (delete from dead_letter d using ranked r where d.id = r.id and r.number > 1)
update dead_letter d set times = r.times, last_at = r.last_at from ranked r where d.id = r.id and r.number = 1;
create unique index dead_letter_same on dead_letter (topic, reason, payload_sha256) where replayed_at is null;
create index dead_letter_device on dead_letter (device_id, reason) where replayed_at is null;
