insert into tally_position_hour select * from position_hour where bucket >= (select hour from community_since)
on conflict do nothing;
insert into tally_position_day
select d.* from position_day d where d.day >= (select (hour at time zone zone)::date from community_since, rollup_zone)
on conflict (day, device_id) do update set
    positions = excluded.positions, moving = excluded.moving, speed_max_mps = excluded.speed_max_mps,
    first_at = excluded.first_at, last_at = excluded.last_at;
create or replace view position_hour as select * from tally_position_hour;
create or replace view position_day as select * from tally_position_day;
create or replace function mark_positions() returns trigger language plpgsql as $$
begin
    insert into rollup_dirty (source, bucket, device_id)
    select distinct 'position', date_bin('1 hour', ts, timestamptz 'epoch'),
           case when ts < date_bin('1 hour', now(), timestamptz 'epoch') then device_id else '' end
    from fresh;
    return null;
end $$;
-- The present hour is not over: it is counted when it is.
insert into rollup_dirty (source, bucket) values ('position', date_bin('1 hour', now(), timestamptz 'epoch'));
drop materialized view position_counts;
drop table community_since;
