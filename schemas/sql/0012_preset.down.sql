delete from zone where preset <> '';
alter table zone drop column preset;
