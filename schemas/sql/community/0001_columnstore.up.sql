-- Old positions in columns: a tenth of the room. After the lateness limit (intake.past_limit_s, 7 days) and a chunk's length, so that
-- what still comes late finds rows. TimescaleDB >= 2.18.
alter table position set (
    timescaledb.enable_columnstore = true,
    timescaledb.segmentby = 'device_id',
    timescaledb.orderby = 'ts desc'
);
call add_columnstore_policy('position', after => interval '14 days');
