comment on column dead_letter.payload is null;
alter table dead_letter drop column properties;
