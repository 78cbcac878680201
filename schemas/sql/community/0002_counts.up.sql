-- From this hour on TimescaleDB counts positions itself, behind the same views; hours before it stay ours, late rows included.

create table community_since (
    only_row boolean primary key default true check (only_row),
    hour timestamptz not null
);
insert into community_since (hour) values (date_bin('1 hour', now(), timestamptz 'epoch'));

create materialized view position_counts with (timescaledb.continuous, timescaledb.materialized_only = false) as
select time_bucket(interval '1 hour', ts) as bucket, device_id, count(*) as positions,
       count(*) filter (where speed_mps > 5 / 3.6) as moving, max(speed_mps) as speed_max_mps, min(ts) as first_at, max(ts) as last_at
from position group by 1, 2
with no data;
-- Nothing later than the lateness limit comes; positions_days must be longer, or a refresh would count what was deleted as none.
select add_continuous_aggregate_policy('position_counts', start_offset => interval '8 days', end_offset => interval '1 hour',
                                       schedule_interval => interval '20 minutes');

create or replace view position_hour as
select bucket, device_id, positions, moving, speed_max_mps, first_at, last_at from tally_position_hour
where bucket < (select hour from community_since)
union all
select bucket, device_id, positions, moving, speed_max_mps, first_at, last_at from position_counts
where bucket >= (select hour from community_since);

create or replace view position_day as
select day, device_id, positions, moving, speed_max_mps, first_at, last_at from tally_position_day
where day < (select (hour at time zone zone)::date from community_since, rollup_zone)
union all
select (bucket at time zone zone)::date, device_id, sum(positions)::bigint, sum(moving)::bigint, max(speed_max_mps), min(first_at),
       max(last_at)
from position_hour, rollup_zone, community_since
where bucket >= ((hour at time zone zone)::date::timestamp at time zone zone)
group by 1, 2;

create or replace function mark_positions() returns trigger language plpgsql as $$
begin
    insert into rollup_dirty (source, bucket, device_id)
    select distinct 'position', date_bin('1 hour', ts, timestamptz 'epoch'), device_id
    from fresh where ts < (select hour from community_since);
    return null;
end $$;
