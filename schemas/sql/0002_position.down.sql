drop table device_mark;
drop table position;
