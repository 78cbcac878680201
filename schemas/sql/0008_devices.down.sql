drop table device_health;
drop table device_stranger;
comment on column device.source is null;
delete from device where source = 'accepted';
alter table device drop column aliases;
alter table device drop column max_bytes;
alter table device drop column period_s;
