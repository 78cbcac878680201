drop table dead_letter;
drop table zone;
drop table device;
drop function notify_registry();
